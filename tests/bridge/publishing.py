"""A publisher at work on a real Postgres, with an outbox that remembers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from bridge.database import OwnNumber
from bridge.publisher import Pace, Pending, PublishStatus, publish
from contracts.ledger import Mention

GROUP = "120363000000000001@g.us"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
QUICK = Pace(first_retry_s=0.02, longest_retry_s=0.1, longest_hold_s=0.1, look_around_s=0.2)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits."""

    pending: int
    parked: int
    oldest_pending_s: float = 0.0


@dataclass(slots=True)
class Memory:
    """An outbox that only remembers, with marks per database like the store's."""

    mentions: list[Mention] = field(default_factory=list)
    published: dict[str, set[int]] = field(default_factory=dict)
    parked: dict[str, dict[int, str]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)

    def pending_mentions(self, database_id: str, limit: int) -> list[Pending]:
        """Those without a mark."""
        done = self.published.setdefault(database_id, set())
        aside = self.parked.setdefault(database_id, {})
        waiting = [
            (seq, mention)
            for seq, mention in enumerate(self.mentions)
            if seq not in done and seq not in aside
        ]
        return waiting[:limit]

    def mark_published(self, database_id: str, done: Iterable[Pending]) -> None:
        """Mark."""
        self.published.setdefault(database_id, set()).update(seq for seq, _ in done)

    def park(self, database_id: str, change_seq: int, mention: Mention, error: str) -> None:
        """Put aside."""
        assert self.mentions[change_seq] == mention
        self.parked.setdefault(database_id, {})[change_seq] = error

    def unpark(self, database_id: str) -> None:
        """Take back."""
        self.parked.get(database_id, {}).clear()

    def last_published(self, database_id: str) -> Mention | None:
        """The last one with a mark."""
        done = self.published.get(database_id)
        return self.mentions[max(done)] if done else None

    def publish_again(self, database_id: str) -> None:
        """Take the marks away."""
        self.published.pop(database_id, None)

    def outbox(self, database_id: str | None) -> Waiting:
        """Count."""
        identity = database_id or ""
        return Waiting(
            len(self.pending_mentions(identity, len(self.mentions))),
            len(self.parked.get(identity, {})),
        )

    def set_own_numbers(self, numbers: Iterable[str]) -> bool:
        """Remember our numbers."""
        before = set(self.own)
        self.own |= set(numbers)
        return self.own != before


@dataclass(slots=True)
class Running:
    """A publisher at work."""

    outbox: Memory
    status: PublishStatus = field(default_factory=PublishStatus)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, *words: str) -> None:
        """Wait for a verdict."""
        async with asyncio.timeout(30):
            while self.status.word not in words:
                await asyncio.sleep(0.01)

    async def hear(self, *mentions: Mention) -> None:
        """Something new, and the wake-up."""
        self.outbox.mentions += mentions
        self.wake.set()

    async def settled(self) -> None:
        """Wait until every mention is published or parked, in the database of now."""
        async with asyncio.timeout(30):
            while self.status.database_id is None or self.outbox.pending_mentions(
                self.status.database_id, 1
            ):
                await asyncio.sleep(0.01)
        await self.until("current", "parked")


@asynccontextmanager
async def publishing(
    outbox: Memory,
    url: str | Callable[[], str],
    bridge: str = "primary",
    own: Callable[[], OwnNumber | None] = lambda: None,
    pace: Pace = QUICK,
) -> AsyncIterator[Running]:
    """Run a publisher beside the test; a publisher that ends by itself fails the test."""
    running = Running(outbox)
    task = asyncio.create_task(
        publish(
            outbox,
            url if callable(url) else lambda: url,
            running.wake,
            running.status,
            bridge=bridge,
            own=own,
            pace=pace,
        )
    )
    try:
        yield running
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def mention(number: int, **changes: Any) -> Mention:  # noqa: ANN401 - any field
    """One mention of one drop."""
    plain = Mention(
        drop_number=f"DR{1_000_000 + number}",
        chat=GROUP,
        message_id=f"M{number}",
        project="Lawley",
        sent_at=NOON + timedelta(seconds=number),
        as_of=NOON + timedelta(seconds=number),
        as_of_id=f"M{number}",
        author_pn="27000000001",
        user_name="Thandi",
    )
    return replace(plain, **changes)


async def read(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask Postgres."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *values)]
    finally:
        await connection.close()


async def drops(url: str) -> set[str]:
    """The drops that have a review."""
    return {drop for (drop,) in await read(url, "SELECT drop_number FROM qa_photo_reviews")}
