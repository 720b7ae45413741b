"""The floor: a bare neonize client, and one asyncpg insert for each message; nothing else.

Started by `simulator/launch.py` in the bridge's image: `launch.py bare`. While the table
`bench.floor` is there, each message is one autocommitted insert into it; what cannot be inserted
is forgotten, as a floor promises nothing. It tells its pairing code in a line.
"""

import asyncio
import sys
import threading
from pathlib import Path

import asyncpg
from neonize.client import NewClient
from neonize.events import ConnectedEv, MessageEv

INSERT = "INSERT INTO bench.floor (message_id) VALUES ($1) ON CONFLICT DO NOTHING"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _insert(arrived: "asyncio.Queue[str]", password: str) -> None:
    """Insert each id as it comes, one statement and one commit each."""
    database = None
    while database is None:
        try:
            database = await asyncpg.connect(
                host="database", user="twinbridge", database="twinbridge", password=password
            )
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.2)
    while True:
        await database.execute(INSERT, await arrived.get())


def main() -> None:
    """Connect and stay."""
    client = NewClient("/session/bare.db")
    client.qr(lambda _, code: _tell(f"qr {code.decode()}"))
    client.event(ConnectedEv)(lambda _, __: _tell("connected"))
    loop = asyncio.new_event_loop()
    arrived: asyncio.Queue[str] = asyncio.Queue()
    password = Path("/secrets/postgres-password").read_text().strip()

    def insert(_: NewClient, event: MessageEv) -> None:
        loop.call_soon_threadsafe(arrived.put_nowait, event.Info.ID)

    client.event(MessageEv)(insert if "insert" in sys.argv[1:] else lambda _, __: None)
    inserting = _insert(arrived, password)
    threading.Thread(target=loop.run_until_complete, args=(inserting,), daemon=True).start()
    client.connect()
    threading.Event().wait()


main()
