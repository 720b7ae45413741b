"""Bring every pending mention to Postgres: at once when it can be, for as long as it takes.

Whatever happens here, capturing goes on: errors end in `PublishStatus` and the log, never in the
bridge's other tasks, and nothing is forgotten before Postgres has committed it.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import asyncpg

from bridge.database import Database, OwnNumber, SchemaMismatchError, connected, read_address
from bridge.errors import Diagnosis, Remedy, diagnose
from bridge.store import StoreUnavailable
from contracts.ledger import MAX_BATCH, Mention

log = logging.getLogger(__name__)

Pending = tuple[int, Mention]
"""A mention with the outbox mark to give back."""

ALL_AT_FAULT = 10
"""A batch of at least so many, every one refused: then the database is at fault, not the rows."""


class Counts(Protocol):
    """How far publishing to one database is behind."""

    @property
    def pending(self) -> int: ...  # noqa: D102 - as it says
    @property
    def parked(self) -> int: ...  # noqa: D102 - as it says
    @property
    def oldest_pending_s(self) -> float: ...  # noqa: D102 - as it says


class Outbox(Protocol):
    """What of the store is used here; every call blocks on SQLite and runs in a thread."""

    def pending_mentions(self, database_id: str, limit: int) -> Sequence[Pending]:
        """The oldest mentions this database has not got."""

    def mark_published(self, database_id: str, done: Iterable[Pending]) -> None:
        """Forget them for this database, unless they changed meanwhile."""

    def park(self, database_id: str, change_seq: int, mention: Mention, error: str) -> None:
        """Put a refused mention aside with the error."""

    def unpark(self, database_id: str) -> None:
        """Make parked mentions pending again."""

    def last_published(self, database_id: str) -> Mention | None:
        """The newest mention within the horizon that this database has got."""

    def publish_again(self, database_id: str) -> None:
        """Take every mention as one that this database has not got."""

    def outbox(self, database_id: str | None) -> Counts:
        """Count what waits."""

    def set_own_numbers(self, numbers: Iterable[str]) -> bool:
        """Know all numbers that are ours, phone and LID digits."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds; tests shorten them."""

    connect_s: float = 5.0
    command_s: float = 10.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 15.0
    longest_hold_s: float = 60.0
    look_around_s: float = 20.0
    """Without news: is the database still there, still the same one, and the schema ours?"""
    trusted_s: float = 1.0
    """With news: for so long after a look at the database it is not looked at again."""
    unpark_s: float = 3600.0


@dataclass(slots=True)
class PublishStatus:
    """What health shows of publishing; only the publisher writes it, on the event loop."""

    word: str = "starting"
    """starting, current, parked, unreachable (will pass) or refused (somebody has to act)."""
    reason: str = "not connected yet"
    host: str = "unknown"
    database: str = "unknown"
    database_id: str | None = None
    pending: int = 0
    parked: int = 0
    oldest_pending_s: float = 0.0
    own_numbers: frozenset[OwnNumber] = frozenset()
    """Every number of ours that Postgres knows, whichever bridge registered it."""
    new: int = field(default=0)
    """Mentions since the start that nobody had recorded before this bridge."""
    known: int = field(default=0)
    """Mentions since the start that the ledger had already: the other bridge was first."""

    @property
    def ok(self) -> bool:
        """Whether a mention made now would reach Postgres."""
        return self.word in {"current", "parked"}


class _DatabaseAtFaultError(Exception):
    """Every row of a large batch was refused; carries what the first one got."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.reason)
        self.diagnosis = diagnosis


class _MovedError(Exception):
    """The URL names another place now."""


async def publish(
    outbox: Outbox,
    source: Callable[[], str],
    wake: asyncio.Event,
    status: PublishStatus,
    *,
    bridge: str,
    own: Callable[[], OwnNumber | None],
    pace: Pace | None = None,
) -> None:
    """Publish for ever; cancelled from outside. `source` gives the URL, at each connection.

    `own` gives the account we are logged in as, or None before that. `wake` is set whenever
    something may be pending or `own` has changed.
    """
    await _Publisher(outbox, source, wake, status, bridge, own, pace or Pace()).run()


class _Publisher:
    def __init__(
        self,
        outbox: Outbox,
        source: Callable[[], str],
        wake: asyncio.Event,
        status: PublishStatus,
        bridge: str,
        own: Callable[[], OwnNumber | None],
        pace: Pace,
    ) -> None:
        self.outbox = outbox
        self.source = source
        self.wake = wake
        self.status = status
        self.bridge = bridge
        self.own = own
        self.pace = pace
        self.failures = 0
        self.limit = MAX_BATCH
        self.confirmed: tuple[str, list[Mention]] | None = None
        """What the next look asks a database for: the newest at the last look, and of each batch
        since the newest. Less would not do: what was lost may lie between any two."""
        self.again_at: dict[str, float] = {}
        """When everything was last published again to a database that had lost something."""

    async def run(self) -> None:
        while True:
            try:
                await self._connect_and_serve()
            except _MovedError:
                log.info("the database URL has changed", extra={"bridge": self.bridge})
            except Exception as error:  # noqa: BLE001 - supervises: publishing never ends capture
                await self._wait_after(error)

    async def _connect_and_serve(self) -> None:
        url = await asyncio.to_thread(self.source)
        address = read_address(lambda: url)
        self.status.host, self.status.database = address.host, address.database
        reach = connected(address, self.bridge, self.pace.connect_s, self.pace.command_s)
        async with reach as database:
            database_id = ""
            registered: OwnNumber | None = None
            unparked_id: str | None = None
            unparked_at = looked_at = -math.inf
            loop = asyncio.get_running_loop()
            while True:
                self.wake.clear()
                trusted = loop.time() - looked_at < self.pace.trusted_s
                if not trusted or self.own() not in {None, registered}:
                    database_id = await self._identify(database)
                    registered = await self._register(database, registered)
                    await self._learn_own_numbers(database)
                    looked_at = loop.time()
                if database_id != unparked_id or loop.time() - unparked_at > self.pace.unpark_s:
                    await asyncio.to_thread(self.outbox.unpark, database_id)
                    unparked_id, unparked_at = database_id, loop.time()
                await self._drain(database, database_id)
                await self._now_current(database_id)
                try:
                    async with asyncio.timeout(self.pace.look_around_s):
                        await self.wake.wait()
                except TimeoutError:
                    looked_at = -math.inf
                    if await asyncio.to_thread(self.source) != url:
                        raise _MovedError from None

    async def _identify(self, database: Database) -> str:
        """Know which database this is, and notice if it was restored from an older copy.

        Its identity is the same then, so that only what it lacks gives it away.
        """
        known = self.confirmed
        found = await database.identity(known[1] if known else ())
        self.status.database_id = found.database_id
        if known is None or known[0] != found.database_id:
            newest = await asyncio.to_thread(self.outbox.last_published, found.database_id)
            if newest is None:
                self.confirmed = None
                return found.database_id
            known = (found.database_id, [newest])
            found = await database.identity(known[1])
        self.confirmed = (known[0], known[1][-1:])
        if not found.confirmed:
            await self._publish_again(found.database_id)
        return found.database_id

    async def _publish_again(self, database_id: str) -> None:
        now = asyncio.get_running_loop().time()
        # A ledger that never keeps what it confirms would be filled again and again.
        due = self.again_at.get(database_id, -math.inf) + self.pace.unpark_s
        self.confirmed = None
        if now < due:
            return
        self.again_at[database_id] = now
        log.error(
            "the database lacks what it had confirmed; everything is published again",
            extra={"bridge": self.bridge, "host": self.status.host, "database_id": database_id},
        )
        await asyncio.to_thread(self.outbox.publish_again, database_id)

    async def _register(self, database: Database, registered: OwnNumber | None) -> OwnNumber | None:
        """Before anything is published, everybody knows that this number is ours."""
        number = self.own()
        if number is not None and number != registered:
            await database.register(number)
            return number
        return registered

    async def _learn_own_numbers(self, database: Database) -> None:
        numbers = await database.own_numbers()
        if numbers == self.status.own_numbers:
            return
        digits = {d for number in numbers for d in (number.pn, number.lid) if d}
        await asyncio.to_thread(self.outbox.set_own_numbers, digits)
        self.status.own_numbers = numbers

    async def _drain(self, database: Database, database_id: str) -> None:
        while True:
            rows = await asyncio.to_thread(self.outbox.pending_mentions, database_id, self.limit)
            if not rows:
                return
            try:
                refused = await self._deliver(database, database_id, rows)
            except (TimeoutError, asyncpg.QueryCanceledError):
                # Half the rows take half the time; a batch that never fits must not stay for ever.
                self.limit = max(1, len(rows) // 2)
                raise
            self.limit = min(MAX_BATCH, self.limit * 2)
            await self._park(database_id, rows, refused)

    async def _deliver(
        self, database: Database, database_id: str, rows: Sequence[Pending]
    ) -> list[tuple[Pending, Diagnosis]]:
        """Record and mark; a refused batch is halved until only the refused rows remain."""
        try:
            recorded = await database.record([mention for _, mention in rows])
        except Exception as error:
            diagnosis = diagnose(error)
            if diagnosis.remedy is not Remedy.BISECT:
                raise
            if len(rows) == 1:
                return [(rows[0], diagnosis)]
            ordered = sorted(rows, key=lambda row: row[1].key)
            middle = len(ordered) // 2
            refused = await self._deliver(database, database_id, ordered[:middle])
            return refused + await self._deliver(database, database_id, ordered[middle:])
        self.status.new += recorded.new
        self.status.known += recorded.known
        await asyncio.to_thread(self.outbox.mark_published, database_id, rows)
        within_horizon = [row for row in rows if not row[1].held_back]
        if within_horizon:
            _, newest = max(within_horizon, key=lambda row: row[0])
            earlier = self.confirmed[1] if self.confirmed else []
            self.confirmed = (database_id, [*earlier, newest])
        return []

    async def _park(
        self, database_id: str, rows: Sequence[Pending], refused: list[tuple[Pending, Diagnosis]]
    ) -> None:
        if len(refused) == len(rows) >= ALL_AT_FAULT:
            raise _DatabaseAtFaultError(refused[0][1])
        for (change_seq, mention), diagnosis in refused:
            log.error(
                "mention parked",
                extra={
                    "bridge": self.bridge,
                    "project": mention.project,
                    "drop": mention.drop_number,
                    "message_id": mention.message_id,
                    "reason": diagnosis.reason,
                },
            )
            await asyncio.to_thread(
                self.outbox.park, database_id, change_seq, mention, diagnosis.reason
            )

    async def _now_current(self, database_id: str) -> None:
        await self._count(database_id)
        self.failures = 0
        if self.status.parked:
            one = self.status.parked == 1
            refused = "1 mention is" if one else f"{self.status.parked} mentions are"
            self._say("parked", f"{refused} refused by the database, the log says why")
        else:
            self._say("current", "everything heard is published")

    async def _wait_after(self, error: Exception) -> None:
        diagnosis = _diagnose(error)
        held = diagnosis.remedy is Remedy.HOLD
        longest = self.pace.longest_hold_s if held else self.pace.longest_retry_s
        delay = min(longest, self.pace.first_retry_s * 2 ** min(self.failures, 16))
        self.failures += 1
        try:
            await self._count(self.status.database_id)
        except Exception as unreadable:  # noqa: BLE001 - supervises: the store may be the trouble
            diagnosis = replace(diagnosis, reason=f"{diagnosis.reason}; and {unreadable}")
        self._say("refused" if held else "unreachable", diagnosis.reason, loud=held)
        await asyncio.sleep(delay * random.uniform(0.7, 1))  # noqa: S311 - spreads retries

    async def _count(self, database_id: str | None) -> None:
        counts = await asyncio.to_thread(self.outbox.outbox, database_id)
        self.status.pending = counts.pending
        self.status.parked = counts.parked
        self.status.oldest_pending_s = counts.oldest_pending_s

    def _say(self, word: str, reason: str, loud: bool = False) -> None:
        """Change the verdict; a change is logged once, a loud one every time."""
        changed = (word, reason) != (self.status.word, self.status.reason)
        self.status.word, self.status.reason = word, reason
        if changed or loud:
            log.log(
                logging.INFO if word == "current" else logging.ERROR,
                "publishing",
                extra={
                    "bridge": self.bridge,
                    "verdict": word,
                    "reason": reason,
                    "host": self.status.host,
                    "database": self.status.database,
                    "pending": self.status.pending,
                },
            )


def _diagnose(error: Exception) -> Diagnosis:
    if isinstance(error, _DatabaseAtFaultError):
        return Diagnosis(Remedy.HOLD, f"every mention is refused: {error}")
    if isinstance(error, StoreUnavailable):
        return Diagnosis(Remedy.RETRY, f"messages.db: {error}")
    if isinstance(error, SchemaMismatchError | ValueError):
        return Diagnosis(Remedy.HOLD, str(error))
    diagnosis = diagnose(error)
    if diagnosis.remedy is Remedy.BISECT:
        # What bisecting is for was handled before; elsewhere such an error is nobody's row.
        return replace(diagnosis, remedy=Remedy.HOLD)
    return diagnosis
