"""A bridge from its store to Postgres, all of it real; only the client is missing."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.health import PublishFacts, judge, judge_publishing
from bridge.interpreter import interpret
from bridge.publisher import Pace, PublishStatus, publish
from bridge.store import Store
from contracts.health import Verdict
from tests.bridge.events import info, message, phone
from tests.bridge.filled import rules
from tests.bridge.test_health import WELL

BRISK = Pace(
    connect_s=2,
    command_s=2,
    first_retry_s=0.1,
    longest_retry_s=0.5,
    longest_hold_s=0.5,
    look_around_s=1,
)


@dataclass(slots=True)
class AtWork:
    """What the bridge has heard, and what it says of itself."""

    store: Store
    status: PublishStatus = field(default_factory=PublishStatus)
    heard: set[str] = field(default_factory=set)
    """Drops of everything captured."""
    captured: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, number: int, id_: str = "", text: str = "") -> None:
        """Capture one message that names one drop; it is durable when this returns."""
        drop = f"DR{2_000_000 + number}"
        moment = time.time_ns() // 1_000_000
        sender = phone(f"278200000{number % 90 + 10}")
        payload = message(info(id_ or f"H{number}", sender, at=moment), text or f"{drop} done")
        await asyncio.to_thread(self.store.capture, "message", payload, moment, live=True)
        self.heard.add(drop)
        self.captured.set()

    @asynccontextmanager
    async def under_load(self, first: int = 0, per_second: float = 25) -> AsyncIterator[None]:
        """Messages come in, one after the other, for the length of the context."""
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(self._listen(first, per_second))
            yield
            load.cancel()

    async def _listen(self, first: int, per_second: float) -> None:
        for number in itertools.count(first):
            await self.hear(number)
            await asyncio.sleep(1 / per_second)

    async def until(self, *words: str) -> None:
        """Wait for a verdict on publishing."""
        async with asyncio.timeout(90):
            while self.status.word not in words:
                await asyncio.sleep(0.02)

    async def more(self, count: int) -> None:
        """Wait until so many more were captured."""
        wanted = len(self.heard) + count
        async with asyncio.timeout(90):
            while len(self.heard) < wanted:
                await asyncio.sleep(0.02)

    async def published(self) -> None:
        """Wait until Postgres has everything that was heard, or has refused it."""
        async with asyncio.timeout(120):
            while not (self.status.ok and self.status.database_id and await self._nothing_waits()):
                await asyncio.sleep(0.05)

    async def _nothing_waits(self) -> bool:
        def waiting() -> int:
            unread = self.store.counts().backlog
            return unread + self.store.outbox(self.status.database_id).pending

        return not await asyncio.to_thread(waiting)

    def health(self) -> tuple[Verdict, Verdict]:
        """What /health and /health/publish would say, were all else well."""
        status = self.status
        facts = replace(
            WELL,
            publishing=PublishFacts(
                status.ok,
                status.word,
                status.reason,
                status.host,
                status.database,
                status.pending,
                status.parked,
            ),
        )
        return judge(facts), judge_publishing(facts)


@asynccontextmanager
async def at_work(
    volume: Path, source: str | Callable[[], str], bridge: str = "primary", pace: Pace = BRISK
) -> AsyncIterator[AtWork]:
    """Interpreter and publisher beside the test; one that ends by itself fails the test."""
    with Store(volume, bridge) as store:
        store.apply_rules(rules())
        working = AtWork(store)
        jobs = [
            asyncio.create_task(interpret(store, working.captured, working.wake.set)),
            asyncio.create_task(
                publish(
                    store,
                    source if callable(source) else lambda: source,
                    working.wake,
                    working.status,
                    bridge=bridge,
                    own=lambda: None,
                    pace=pace,
                )
            ),
        ]
        try:
            yield working
            assert not any(job.done() for job in jobs)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs)
