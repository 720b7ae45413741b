"""`python -m simulator.demo`: pairs the bridges, lets technicians write, prints what becomes of it.

It plays the people: the phones that scan the bridges' codes and the technicians in the groups. It
knows a bridge only as `GET /pairing`, and Postgres only as the tables that a dashboard reads. All
steps may be repeated: a restarted demo goes on where it was.
"""

import asyncio
import logging
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp
import asyncpg

from simulator.outcome import Outcomes, table_head

log = logging.getLogger("simulator.demo")
T = TypeVar("T")

WRITE_EVERY_SECONDS = (1.5, 4.0)
TROUBLE = (aiohttp.ClientError, OSError, TimeoutError, asyncpg.PostgresError)


class Seed(NamedTuple):
    """A group of the demo; the addressings are those that real groups have."""

    jid: str
    subject: str
    addressing: str
    hide_numbers: bool


GROUPS = (
    Seed("120363418298130331@g.us", "Lawley", "pn", False),
    Seed("120363421532174586@g.us", "Mohadin", "lid", False),
    Seed("120363421664266245@g.us", "Velo Test", "pn", False),
    Seed("120363408849234743@g.us", "Mamelodi", "lid", True),
)
TECHNICIANS = {
    "27000000101": "Thabo",
    "27000000102": "Lerato",
    "27000000103": "Sipho",
    "27000000104": "Anele",
    "27000000105": "Johan",
    "27000000106": "Zanele",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where everything is, and the two accounts; the only reading of the environment."""

    simulator: str
    bridges: tuple[str, ...]
    numbers: tuple[str, ...]
    database_host: str
    password_file: Path

    @classmethod
    def read(cls) -> "Settings":
        """Read the environment; what compose.demo.yaml sets has no default elsewhere."""
        return cls(
            os.environ["SIMULATOR_URL"],
            tuple(os.environ["BRIDGE_URLS"].split()),
            tuple(os.environ.get("NUMBERS", "27820000001 27820000002").split()),
            os.environ.get("DATABASE_HOST", "database"),
            Path(os.environ.get("PASSWORD_FILE", "/secrets/postgres-password")),
        )


class Phone:
    """The people's side of the simulator's API."""

    def __init__(self, session: aiohttp.ClientSession, simulator: str) -> None:
        self._session = session
        self._simulator = simulator

    async def post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - the API's JSON
        """Change something; raises aiohttp.ClientError with the simulator's sentence."""
        async with self._session.post(self._simulator + path, json=body) as answer:
            content = await answer.json()
            if not answer.ok:
                raise aiohttp.ClientError(content.get("error", answer.reason))
            return content

    async def get(self, url: str) -> Any:  # noqa: ANN401 - the API's JSON
        """Read something of the simulator (a path) or of a bridge (a URL)."""
        url = url if url.startswith("http") else self._simulator + url
        async with self._session.get(url) as answer:
            return await answer.json()

    async def pair(self, bridge: str, number: str) -> None:
        """Scan the bridge's code with that number, unless a client of the number is there."""
        known = await self.get("/api/devices")
        if any(device["phone"] == number for device in known):
            return
        shown = await self.get(f"{bridge}/pairing")
        if not shown.get("qr"):
            raise TimeoutError(f"{bridge} shows no code yet: {shown.get('state')}")
        await self.post("/api/pair", qr=shown["qr"], phone=number)
        log.info("paired %s", bridge)

    async def see_connected(self, bridge: str) -> None:
        """Return when the bridge says that it would capture a message sent now."""
        health = await self.get(f"{bridge}/health")
        if not health.get("ok"):
            raise TimeoutError(f"{bridge} is not connected yet")

    async def populate(self, numbers: tuple[str, ...]) -> None:
        """Create the accounts and the groups with everybody in them."""
        for place, number in enumerate(numbers, 1):
            await self.post("/api/accounts", phone=number, name=f"Bridge {place}")
        for phone, name in TECHNICIANS.items():
            await self.post("/api/accounts", phone=phone, name=name)
        for group in GROUPS:
            await self.post("/api/groups", **group._asdict())
            for phone in (*numbers, *TECHNICIANS):
                await self.post(f"/api/groups/{group.jid}/members", phone=phone)

    async def write_for_ever(self) -> None:
        """One technician after another writes as technicians do."""
        dice = random.Random()
        while True:
            body = a_message(dice)
            await patiently("write a message", partial(self.post, "/api/messages", **body))
            await asyncio.sleep(dice.uniform(*WRITE_EVERY_SECONDS))


def a_message(dice: random.Random) -> dict[str, object]:
    """What a technician posts: mostly a drop, often with a photo, sometimes just talk."""
    drop = f"DR{dice.randint(1_700_000, 1_999_999)}"
    other = f"DR{dice.randint(1_700_000, 1_999_999)}"
    kind, text = dice.choice(
        [
            ("text", drop),
            ("text", f"{drop} done, ready for QA"),
            ("text", drop.lower().replace("dr", "drop ")),
            ("text", f"{drop} and {other} both active"),
            ("image", f"{drop} ONT and power meter"),
            ("document", f"As-built for {drop}"),
            ("text", "On my way, 10 minutes"),
        ]
    )
    return {
        "group": dice.choice(GROUPS).jid,
        "sender": dice.choice(list(TECHNICIANS)),
        "kind": kind,
        "text": text,
    }


async def patiently(what: str, step: Callable[[], Awaitable[T]]) -> T:
    """Repeat a step until it works, say once why it does not."""
    said = ""
    while True:
        try:
            return await step()
        except TROUBLE as trouble:
            sentence = f"{what}: {trouble or type(trouble).__name__}"
            if sentence != said:
                log.info("%s; trying again", sentence)
                said = sentence
            await asyncio.sleep(0.5)


async def main(settings: Settings) -> None:
    """Pair, populate, then write and watch until the process is stopped."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        phone = Phone(session, settings.simulator)
        await patiently("create the groups", lambda: phone.populate(settings.numbers))
        for bridge, number in zip(settings.bridges, settings.numbers, strict=True):
            await patiently("pair the bridges", partial(phone.pair, bridge, number))
        for bridge in settings.bridges:
            await patiently("connect the bridges", partial(phone.see_connected, bridge))
        outcomes = Outcomes(partial(_connection, settings), phone.get)
        await patiently("reach Postgres", outcomes.begin)
        print(table_head(), flush=True)  # noqa: T201 - the table is what people came for
        tasks.create_task(phone.write_for_ever())
        while True:
            await patiently("follow the messages", outcomes.follow)


async def _connection(settings: Settings) -> Any:  # noqa: ANN401 - asyncpg ships no types
    password = (await asyncio.to_thread(settings.password_file.read_text)).strip()
    return await asyncpg.connect(
        host=settings.database_host,
        user="twinbridge",
        database="twinbridge",
        password=password,
        timeout=5,
        command_timeout=10,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    asyncio.run(main(Settings.read()))
