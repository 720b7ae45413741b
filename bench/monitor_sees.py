"""Message committed -> seen by a monitor: `python -m bench.monitor_sees`, half a minute, one table.

A store in a process of its own captures and interprets messages as a bridge does; a monitor with a
Postgres of its own follows the file. Measured from the moment in which the event is durable to the
return of the look that has it, so that interpretation is part of it.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

from bench.latency import Latency
from contracts.database_url import parse_database_url
from contracts.messages import messages_file
from contracts.projects import load_projects
from database.migrate import migrate
from monitor.application import Application
from monitor.file import Look, MessagesFile
from monitor.following import Follower
from monitor.status import Status
from monitor.waking import watched
from tests.monitor.conftest import write_projects
from tests.monitor.feeding import Feeder, feeding

RATES = ((5, 100), (100, 1_000))
"""Messages a second, and how many."""


class Watched(MessagesFile):
    """A file that remembers when it was first seen to have come so far."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seen: list[tuple[int, int]] = []

    def look(self, after: int, until: int | None = None) -> Look:
        """Look, and note the time at which the look was over."""
        look = super().look(after, until)
        if not self.seen or self.seen[-1][0] < look.identity.seq:
            self.seen.append((look.identity.seq, time.time_ns()))
        return look


async def measure(feeder: Feeder, file: Watched, status: Status, rate: int, count: int) -> Latency:
    """Write `count` messages at this rate, and wait until the last one was seen."""
    written = []
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        order = {
            "id": f"R{rate}-{number}",
            "text": f"DR{rate:03d}{number:04d}",
            "sender": "27820000050",
            "at": time.time_ns() // 10**6,
        }
        written.append(await asyncio.to_thread(feeder.timed, "message", **order))
    last = written[-1][0]
    while (status.following.read_seq or 0) < last:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)
    return Latency.of([_until_seen(file, seq, at) for seq, at in written])


def _until_seen(file: Watched, seq: int, at: int) -> float:
    return next(when - at for reached, when in file.seen if reached >= seq) / 1e6


async def main(url: str, folder: Path) -> None:
    """Print a row of the table for each rate."""
    migrate(parse_database_url(url))
    config = write_projects(folder / "config")
    status, wake = Status(), asyncio.Event()
    file = Watched(messages_file(folder / "messages"))
    application = Application(load_projects(config / "projects.yaml"), "prod", status)
    follower = Follower(
        file, wake, lambda: url, application, status, "prod", learn_own_numbers=False
    )
    with feeding(folder / "messages", "primary", config) as feeder:
        async with watched(file.path.parent, wake):
            task = asyncio.create_task(follower.run())
            while status.following.seq is None:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
            for rate, count in RATES:
                began, used = time.monotonic(), time.process_time()
                found = await measure(feeder, file, status, rate, count)
                share = 100 * (time.process_time() - used) / (time.monotonic() - began)
                print(
                    f"| message committed -> seen by the monitor, {rate}/s, {count} messages"
                    f" | p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms"
                    f" | {share:.0f} % of a core with the test's own part |",
                    flush=True,
                )
            task.cancel()
            await asyncio.wait([task])


if __name__ == "__main__":
    testcontainers_config.ryuk_disabled = True
    with (
        PostgresContainer("postgres:17", driver=None) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        asyncio.run(main(server.get_connection_url(), Path(folder)))
