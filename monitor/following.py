"""Following one messages.db for ever: wait, look, apply, move the cursor. Postgres may be away.

A monitor keeps nothing that matters: the ledger is the truth, a lost cursor costs a re-read, and a
second monitor of the same environment does the same again, with no effect.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from contracts.messages import MessagesUnreadable
from monitor.application import AllRefusedError, Application
from monitor.errors import Remedy, SchemaMismatchError, remedy_for, sentence
from monitor.file import Look, MessagesFile
from monitor.ledger import Followed, Ledger, connected
from monitor.status import Status
from monitor.waking import AGAIN_S, NET_S

log = logging.getLogger(__name__)

IDENTITY_ONLY = 2**62
"""A change_seq that no file reaches: such a look tells only whose file it is."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds; tests shorten them."""

    first_retry_s: float = 0.5
    longest_retry_s: float = 15.0
    waiting_s: float = 10.0
    """Between two questions for mentions that nobody applied."""
    compare_s: float = 86_400.0
    compare_again_s: float = 600.0
    """After a comparison that found something."""
    save_s: float = 0.5
    """Between two writes of a cursor that moved over mentions; losing one costs a re-read."""
    save_idle_s: float = 30.0
    """The same for one that moved over nothing of ours."""


@dataclass(slots=True)
class _Store:
    """The file that is followed."""

    store_id: str
    inode: int
    bridge: str
    position: int
    cursors: dict[str, int]
    """Group -> change_seq; beyond `position` where a new group begins from below."""
    begun_at: int
    """How far the file had come when it was taken up: until then there is nothing to compare."""
    saved: int
    saved_at: float
    moved_over_ours: bool
    compare_at: float


class _MovedError(Exception):
    """The URL names another place now."""


class Follower:
    """Brings what one messages.db names to the ledger of one environment."""

    def __init__(
        self,
        file: MessagesFile,
        wake: asyncio.Event,
        source: Callable[[], str],
        application: Application,
        status: Status,
        environment: str,
        learn_own_numbers: bool,
        pace: Pace | None = None,
    ) -> None:
        self._file = file
        self._wake = wake
        self._source = source
        self._application = application
        self._status = status
        self._environment = environment
        self._learn_own_numbers = learn_own_numbers
        self._own: set[str] = set()
        self._pace = pace or Pace()
        self._failures = 0
        self._store: _Store | None = None
        self._waiting_at = 0.0
        self._rules = [(p.group, p.rules_hash) for p in application.groups.values()]

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._connect_and_follow()
            except _MovedError:
                log.info("the database URL has changed")
            except Exception as error:  # noqa: BLE001 - supervises: whatever it was, it goes on
                await self._wait_after(error)

    async def _connect_and_follow(self) -> None:
        self._status.turn()
        url = await asyncio.to_thread(self._source)
        async with connected(url, self._environment) as ledger:
            await ledger.check_schema()
            self._failures = 0
            if self._status.say_database("connected", f"schema of {self._environment}"):
                log.info("connected to Postgres", extra={"environment": self._environment})
            self._store = None
            self._own.clear()
            await self._follow(ledger, url)

    async def _follow(self, ledger: Ledger, url: str) -> None:
        waits = iter(AGAIN_S)
        while True:
            self._status.turn()
            await self._now_and_then(ledger, url)
            wait = next(waits, None)
            if wait is None:
                waits = iter(AGAIN_S if await self._woken(NET_S) else AGAIN_S[:1])
                continue
            await asyncio.sleep(wait)
            if self._wake.is_set():
                self._wake.clear()
                waits = iter(AGAIN_S)
            if await self._step(ledger):
                waits = iter(AGAIN_S)

    async def _woken(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                return await self._wake.wait()
        except TimeoutError:
            return False

    async def _step(self, ledger: Ledger) -> bool:
        """Look once and apply what is new; whether there was any."""
        store = self._store
        look = await self._look(IDENTITY_ONLY if store is None else store.position)
        if look is None:
            self._store = None
            return False
        if store is None or (store.store_id, store.inode) != (look.identity.store_id, look.inode):
            self._store = await self._take_up(ledger, look)
            return True
        if look.identity.seq < max(store.cursors.values(), default=store.position):
            await self._rolled_back(ledger, store, look)
            return True
        if look.read_to == store.position:
            self._status.saw(look.identity, store.position)
            return False
        self._status.saw(look.identity, store.position)
        mine = [
            change.mention
            for change in look.changes
            if change.change_seq > store.cursors.get(change.mention.chat, IDENTITY_ONLY)
        ]
        judged = self._application.judged(mine)
        await self._learn(ledger, store)
        applied = await self._application.apply(ledger, store.bridge, judged)
        store.position = look.read_to
        for chat, cursor in store.cursors.items():
            store.cursors[chat] = max(cursor, look.read_to)
        store.moved_over_ours = store.moved_over_ours or bool(judged)
        self._status.saw(look.identity, store.position)
        if judged:
            log.info(
                "read",
                extra={
                    "bridge": store.bridge,
                    "mentions": len(judged),
                    "applied": len(applied),
                    "read_seq": store.position,
                },
            )
        return True

    async def _look(self, after: int, until: int | None = None) -> Look | None:
        try:
            return await asyncio.to_thread(self._file.look, after, until)
        except MessagesUnreadable as trouble:
            if self._status.saw_nothing(trouble):
                log.warning("no messages.db to read", extra={"reason": str(trouble)})
            return None

    async def _take_up(self, ledger: Ledger, look: Look) -> _Store:
        """Begin with this file where its own cursors are."""
        identity = look.identity
        followed = await ledger.follow(identity.store_id, identity.bridge)
        cursors = {chat: followed.cursors.get((chat, rules), 0) for chat, rules in self._rules}
        position = min(cursors.values(), default=identity.seq)
        before = self._store
        copied = before is not None and before.store_id == identity.store_id
        self._status.lacked = None if copied else followed.lacked
        self._status.saw(identity, min(position, identity.seq))
        log.log(
            logging.WARNING if copied else logging.INFO,
            "the file is another one under the same id" if copied else "following",
            extra={
                "bridge": identity.bridge,
                "store": identity.store_id,
                "read_seq": position,
                "seq": identity.seq,
            },
        )
        now = time.monotonic()
        return _Store(
            store_id=identity.store_id,
            inode=look.inode,
            bridge=identity.bridge,
            position=position,
            cursors=cursors,
            begun_at=identity.seq,
            saved=position,
            saved_at=now,
            moved_over_ours=False,
            compare_at=now + (0 if copied else self._compared_in(followed)),
        )

    def _compared_in(self, followed: Followed) -> float:
        """Seconds until this file is to be compared with the ledger."""
        if followed.compared_at is None:
            return 0.0
        pace = self._pace.compare_again_s if followed.lacked else self._pace.compare_s
        age = (datetime.now(UTC) - followed.compared_at).total_seconds()
        return max(0.0, pace - age)

    async def _rolled_back(self, ledger: Ledger, store: _Store, look: Look) -> None:
        """The file has gone back behind our cursor: everything in it is read again."""
        log.error(
            "the file was rolled back; it is read again from the beginning",
            extra={"bridge": store.bridge, "read_seq": store.position, "seq": look.identity.seq},
        )
        await ledger.forget(store.store_id)
        store.position = store.saved = 0
        store.moved_over_ours = True
        store.begun_at = look.identity.seq
        store.cursors = dict.fromkeys(store.cursors, 0)
        store.compare_at = time.monotonic()

    async def _save(self, ledger: Ledger, store: _Store, now: float) -> None:
        """Keep the cursor in Postgres."""
        pace = self._pace.save_s if store.moved_over_ours else self._pace.save_idle_s
        if store.position == store.saved or now - store.saved_at < pace:
            return
        await ledger.advance(store.store_id, self._rules, store.position)
        store.saved, store.saved_at, store.moved_over_ours = store.position, now, False

    async def _now_and_then(self, ledger: Ledger, url: str) -> None:
        """What is due by the clock: the second source, and the net."""
        now = time.monotonic()
        if now >= self._waiting_at:
            self._waiting_at = now + self._pace.waiting_s
            if await asyncio.to_thread(self._source) != url:
                raise _MovedError
            while applied := await ledger.apply_waiting(self._application.since()):
                log.info("applied what nobody had applied", extra={"drops": applied})
                self._status.turn()
        store = self._store
        if store is None:
            return
        await self._save(ledger, store, now)
        if now >= store.compare_at and store.position >= store.begun_at:
            await self._compare(ledger, store)

    async def _learn(self, ledger: Ledger, store: _Store) -> None:
        """In a schema that no bridge writes to, our own numbers are known from the file."""
        if not self._learn_own_numbers:
            return
        for number in await asyncio.to_thread(self._file.own_numbers):
            if number not in self._own:
                await ledger.register_own(store.bridge, number)
                self._own.add(number)

    async def _compare(self, ledger: Ledger, store: _Store) -> None:
        """Apply and count the mentions of the file that the ledger lacks although we read them."""
        after, lacked = 0, 0
        while after < store.position:
            look = await self._look(after, store.position)
            if (
                look is None
                or look.identity.store_id != store.store_id
                or look.identity.seq < store.position
            ):
                return  # the next step finds out what became of the file
            self._status.turn()
            judged = self._application.judged(change.mention for change in look.changes)
            acted_on = [mention for mention in judged if not mention.held_back]
            applied = await self._application.apply(ledger, store.bridge, acted_on)
            if applied:
                log.error(
                    "the ledger lacked mentions of the file; they are applied",
                    extra={
                        "bridge": store.bridge, "mentions": len(applied), "drop": applied[0][0],
                        "message_id": applied[0][2],
                    },
                )  # fmt: skip
            lacked += len(applied)
            after = look.read_to
        await ledger.note_comparison(store.store_id, lacked)
        self._status.lacked = lacked
        again = self._pace.compare_again_s if lacked else self._pace.compare_s
        store.compare_at = time.monotonic() + again
        log.info("compared", extra={"bridge": store.bridge, "lacked": lacked})

    async def _wait_after(self, error: Exception) -> None:
        """Say what went wrong, and go on looking at the file until it is tried again."""
        held = remedy_for(error) is not Remedy.RETRY
        if isinstance(error, SchemaMismatchError | AllRefusedError):
            reason = str(error)
        else:
            reason = sentence(error)
        if self._status.say_database("refused" if held else "unreachable", reason) or held:
            log.error("Postgres cannot be used", extra={"reason": reason})
        delay = self._pace.first_retry_s * 2 ** min(self._failures, 16)
        until = time.monotonic() + min(self._pace.longest_retry_s, delay)
        self._failures += 1
        while time.monotonic() < until:
            self._status.turn()
            look = await self._look(IDENTITY_ONLY)
            if look is not None:
                same = self._store is not None and self._store.store_id == look.identity.store_id
                position = self._store.position if self._store is not None and same else None
                self._status.saw(look.identity, position)
            await asyncio.sleep(min(NET_S, max(0.0, until - time.monotonic())))
