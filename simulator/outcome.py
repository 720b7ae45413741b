"""What became of each message: the demo's live table of message, drop, first bridge, milliseconds.

Reads the simulator's ledger (what was sent) and Postgres (what arrived); computes nothing that one
of them does not say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

ARRIVED = """
select m.message_id, m.drop_number, m.heard_first, m.heard_by,
       extract(epoch from m.recorded_at) * 1000 as recorded_ms,
       exists (select from public.qa_photo_reviews as r where r.drop_number = m.drop_number) as row
from public.drop_mentions as m
where m.message_id = any($1::text[])
order by m.recorded_at, m.drop_number
"""
SETTLED_AFTER_MS = 1_000
GIVEN_UP_AFTER_MS = 15_000
LOOK_EVERY_SECONDS = 0.25
TEXT_WIDTH = 34
_COLUMNS = "{:<9} {:<12} {:<34} {:<12} {:<9} {:>7}  {}"

Row = dict[str, Any]
Connection = Any  # asyncpg ships no types


def table_head() -> str:
    """The table's heading."""
    head = ("time", "technician", "message", "drop", "first", "ms", "heard by")
    return "\n" + _COLUMNS.format(*head) + "\n" + "-" * 100


class Outcomes:
    """Follows the ledger and prints a line per message once Postgres holds its drops.

    A message without drops gets its line after a second, one whose drops have not arrived after
    15 seconds is printed as missing.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        ask: Callable[[str], Awaitable[Any]],
    ) -> None:
        self._connect = connect
        self._ask = ask
        self._connection: Connection = None
        self._names: dict[str, str] = {}
        self._waiting: dict[str, Row] = {}
        self._seq = 0

    async def begin(self) -> None:
        """Start behind the newest message: a restarted demo does not tell it all again."""
        self._connection = await self._connect()
        newest = await self._ask("/api/ledger?last=1")
        self._seq = newest[-1]["seq"] if newest else 0

    async def follow(self) -> None:
        """One look at the ledger and at Postgres; prints what is settled by now."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        state = await self._ask("/api/state")
        self._names = {one["phone"]: one["name"] for one in state["accounts"]}
        for row in await self._ask(f"/api/ledger?after={self._seq}"):
            self._seq = row["seq"]
            self._waiting[row["id"]] = row
        now_ms = await self._connection.fetchval("select extract(epoch from now()) * 1000")
        arrived: dict[str, list[asyncpg.Record]] = {}
        for mention in await self._connection.fetch(ARRIVED, list(self._waiting)):
            arrived.setdefault(mention["message_id"], []).append(mention)
        for identity, row in list(self._waiting.items()):
            lines = self._lines(row, arrived.get(identity, []), float(now_ms) - row["written_ms"])
            if lines:
                print(*lines, sep="\n", flush=True)  # noqa: T201 - the table itself
                del self._waiting[identity]
        await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _lines(self, row: Row, mentions: list[asyncpg.Record], age_ms: float) -> list[str]:
        """The message's lines, or none while it is too early to say."""
        named = "DR" in (row["text"] or "").upper()
        if mentions and (
            age_ms > SETTLED_AFTER_MS or all(len(one["heard_by"]) > 1 for one in mentions)
        ):
            return [self._line(row, mention) for mention in mentions]
        if not named and age_ms > SETTLED_AFTER_MS:
            return [self._without(row, "-")]
        if named and age_ms > GIVEN_UP_AFTER_MS:
            return [self._without(row, "MISSING")]
        return []

    def _line(self, row: Row, mention: asyncpg.Record) -> str:
        took = round(float(mention["recorded_ms"]) - row["written_ms"])
        heard = " and ".join(mention["heard_by"]) + ("" if mention["row"] else ", NO ROW")
        return self._format(row, mention["drop_number"], mention["heard_first"], str(took), heard)

    def _without(self, row: Row, word: str) -> str:
        return self._format(row, word, "", "", "")

    def _format(self, row: Row, drop: str, first: str, took: str, heard: str) -> str:
        clock = f"{row['t'] // 3600 % 24:02d}:{row['t'] // 60 % 60:02d}:{row['t'] % 60:02d}"
        text = " ".join((row["text"] or f"({row['kind']})").split())
        text = text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…"
        name = self._names.get(row["sender_pn"], "")[:12]
        return _COLUMNS.format(clock, name, text, drop, first, took, heard)
