"""Keeps one client listening while it may, and stopped while it may not.

The asyncio side of the client: events come in from its threads, are folded into one state, and the
state, the account and the disk decide what is done next. `step` is that decision, and pure.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridge import connection, disk, reserve, session, signals
from bridge.account import AccountVerdict, judge_account
from bridge.connection import Connection, apply, next_start
from bridge.disk import DiskVerdict, judge_disk
from bridge.faults import todo
from bridge.signals import Account
from bridge.store import StoreFull
from bridge.whatsapp import Capture, Death, WhatsApp

log = logging.getLogger(__name__)
T = TypeVar("T")

OBSERVE_S = 1.0
FORGET_S = 86_400.0
UNWRITABLE_S = 10.0  # how long a session that could not be written is left alone
ANEW_AT_MOST_EVERY_S = 10.0  # what a new login did not heal, the next one will not heal either
ABANDONED_AT_MOST = (
    20  # each attempt to pair that timed out leaves a thread behind: an hour's worth
)
STOP_AT_MOST_S = 14.0  # inside Compose's grace period, with time left to close the store


class Step(Enum):
    """What is to be done with the client."""

    KEEP = "keep"
    START = "start"
    STOP = "stop"
    RESTART = "restart"


def step(
    state: Connection,
    account: AccountVerdict,
    room: DiskVerdict,
    *,
    due: float | None,
    running: bool,
    now: float,
) -> Step:
    """Decide whether the client should run; `due` is when a new one was promised."""
    if not account.ok or not room.ok or state.word in connection.FINAL:
        return Step.STOP if running else Step.KEEP
    if due is not None:
        if now < due:
            return Step.KEEP
        return Step.RESTART if running else Step.START
    return Step.KEEP if running else Step.START


def refusal(state: Connection, account: AccountVerdict, room: DiskVerdict) -> str | None:
    """Why nobody may make the bridge dial anew now, or None."""
    if state.word in connection.NOT_TO_BE_DIALLED:
        return f"{state.word}: {state.reason}"
    if not account.ok:
        return account.reason
    return None if room.ok else room.reason


async def in_thread(work: Callable[[], T]) -> T:
    """Run a blocking call in a daemon thread of its own.

    Not in the loop's executor: the end of the process waits for that, and a question to WhatsApp
    takes 75 s to time out.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:  # noqa: BLE001 - handed to whoever awaits
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="question", daemon=True).start()
    return await answer


class Listening:
    """One number's client, its state, and what keeps it from listening."""

    def __init__(
        self,
        name: str,
        database: Path,
        volumes: tuple[Path, ...],
        capture: Capture,
        expected: str,
        others: Callable[[], Mapping[str, str]],
    ) -> None:
        self._name = name
        self._database = database
        self._logged_out = False
        self._volumes = volumes
        self._expected = expected
        self._others = others
        self._capture = capture
        self._inbox: asyncio.Queue[signals.Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self.whatsapp = WhatsApp(database, name, self._store, self.tell, self._accepts)
        self.state = Connection(since=time.monotonic())
        self.account = judge_account(name, None, expected, {})
        self.room = DiskVerdict(True, "unknown", "not measured yet")
        self.groups_changed = asyncio.Event()
        self.heard_at: float | None = None
        """When a live message last arrived (monotonic); set from the client's thread."""
        self.worn_out = asyncio.Event()
        """Set when only a new process gets rid of the threads of attempts to pair."""
        self._due: float | None = None
        self._unwritable_until = 0.0
        self._dialled_anew = -ANEW_AT_MOST_EVERY_S
        self._asked: float | None = None
        self._leaving: float | None = None

    # --- from the client's threads --------------------------------------------------------------

    def tell(self, event: signals.Event) -> None:
        """Hand an event over to the loop; called from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._inbox.put_nowait, event)

    def session_unwritable(self, line: str) -> None:
        """The client could not write its session: leave before more is acknowledged."""
        with contextlib.suppress(OSError):  # a volume that is gone has nothing to give
            reserve.release(self._volumes)
        self._loop.call_soon_threadsafe(self._leave_for, line)

    def out_of_step(self) -> None:
        """The client can read no frame any more, and would find out after three minutes."""
        self._loop.call_soon_threadsafe(self._dial_anew, "out of step with the server's cipher")

    def _store(self, kind: str, payload: bytes, received_at_ms: int, live: bool) -> None:
        with contextlib.suppress(OSError):  # the look of every second has a word for it
            if disk.below_floor(self._volumes):
                self._loop.call_soon_threadsafe(self._look_now)
        try:
            self._capture(kind, payload, received_at_ms, live)
        except StoreFull as full:
            self.session_unwritable(str(full))
            raise
        if live and kind == "message":
            self.heard_at = time.monotonic()

    def _is_connected(self) -> bool:
        # Timed here and not on the loop: a loop that was late must not make the client look stuck.
        self._asked = time.monotonic()
        try:
            return self.whatsapp.is_connected()
        finally:
            self._asked = None

    def _accepts(self, account: Account) -> bool:
        return judge_account(self._name, account, self._expected, self._others()).ok

    # --- on the loop ----------------------------------------------------------------------------

    def reconnect(self) -> str | None:
        """Close the client's connection and dial anew; the reason if that must not be.

        The server then delivers what it held back: the help for a client that is deaf.
        """
        if (reason := refusal(self.state, self.account, self.room)) is not None:
            return reason
        self._dial_anew("asked to")
        return None

    def _dial_anew(self, reason: str) -> None:
        """Have the client replaced, unless one is on its way or the last one has just come."""
        now = time.monotonic()
        if self._due is not None or self.state.word in connection.ON_THE_WAY:
            return
        if now - self._dialled_anew < ANEW_AT_MOST_EVERY_S:
            return
        log.warning("reconnecting", extra={"reason": reason})
        self._due = self._dialled_anew = now
        self._inbox.put_nowait(signals.Tick())

    @property
    def stuck_s(self) -> float:
        """For how long the client has not answered a question it answers from memory.

        Or has not left, which it does within some seconds when it is told to.
        """
        now = time.monotonic()
        return max((now - at for at in (self._asked, self._leaving) if at is not None), default=0.0)

    def _leave_for(self, line: str) -> None:
        self._unwritable_until = time.monotonic() + UNWRITABLE_S
        if self.room.ok:
            log.error("leaving WhatsApp, a volume cannot be written", extra={"reason": line})
        self.room = DiskVerdict(False, "session not writable", line)
        self._inbox.put_nowait(signals.Tick())

    def _look_now(self) -> None:
        self._measure()
        self._inbox.put_nowait(signals.Tick())

    def _measure(self) -> None:
        if time.monotonic() < self._unwritable_until:
            return
        before = self.room
        try:
            self.room = judge_disk(disk.measure(self._volumes), was_ok=before.ok)
        except OSError as gone:
            self.room = DiskVerdict(False, "volume gone", str(gone))
        if before.ok and not self.room.ok:
            log.error("leaving WhatsApp, the disk fills", extra={"reason": self.room.reason})
        elif self.room.ok and not before.ok:
            log.warning("there is room again", extra={"reason": self.room.reason})

    async def run(self) -> None:
        """Run until cancelled; the client is disconnected, drained and stopped on the way out.

        Raises Death if the client ends by itself.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look())
                tasks.create_task(self._ask())
                tasks.create_task(self._fold())
                tasks.create_task(self._forget())
        finally:
            # Also when cancelled: what Go's channel holds has been acknowledged and must be stored.
            # A client that is dialling cannot be interrupted; it has nothing to store either.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_AT_MOST_S):
                    await in_thread(self.whatsapp.stop)

    async def _look(self) -> None:
        """Look at the disk once a second."""
        while True:
            self._look_now()
            if self.room.ok:
                await in_thread(self._hold_reserve)
            await asyncio.sleep(OBSERVE_S)

    def _hold_reserve(self) -> None:
        with contextlib.suppress(OSError):  # without it the bridge still leaves at the floor
            reserve.hold(disk.measure(self._volumes))

    async def _ask(self) -> None:
        """Ask the client whether its socket is open; while it dials it answers late."""
        while True:
            asked = time.monotonic()
            is_open = await in_thread(self._is_connected)
            self._inbox.put_nowait(signals.Observed(is_open, asked))
            await asyncio.sleep(OBSERVE_S)

    async def _fold(self) -> None:
        while True:
            event = await self._inbox.get()
            now = time.monotonic()
            before = self.state
            self.state = apply(before, event, now)
            if isinstance(event, signals.Died):
                raise Death(event.error)
            if isinstance(event, signals.LoggedOut):
                self._logged_out = True
            if isinstance(event, signals.GroupsChanged | signals.Connected):
                self.groups_changed.set()
            if isinstance(event, signals.Started):
                self._due = None
            elif (due := next_start(self.state, event, now)) is not None:
                self._due = due
            self._judge_account()
            self._log(before)
            await self._act(now)

    def _set_aside(self) -> None:
        """Keep the session that was logged out; pairing goes on if that cannot be done."""
        try:
            aside = session.set_aside(self._database, datetime.now(UTC))
        except OSError as failed:
            reason = {"reason": str(failed)}
            log.error("the logged-out session stays where it is", extra=reason)
        else:
            log.warning("logged-out session kept for 30 days", extra={"kept_in": str(aside)})

    async def _forget(self) -> None:
        """Delete what was set aside long ago, at the start and daily."""
        while True:
            try:
                work = partial(session.forget_old, self._database.parent, datetime.now(UTC))
                if gone := await in_thread(work):
                    log.info("old sessions deleted", extra={"sessions": ", ".join(gone)})
            except OSError as failed:
                log.error("old sessions cannot be deleted", extra={"reason": str(failed)})
            await asyncio.sleep(FORGET_S)

    def _judge_account(self) -> None:
        before = self.account
        if self.state.account is None and not before.ok:
            return  # a refused account stays refused until somebody has acted
        others = self._others()
        self.account = judge_account(self._name, self.state.account, self._expected, others)
        if before.ok and not self.account.ok:
            log.error("account refused", extra={"reason": self.account.reason})

    def _log(self, before: Connection) -> None:
        if self.state.word is not before.word:
            good = self.state.connected or self.state.word in (
                connection.Word.STARTING,
                connection.Word.PAIRING,
                connection.Word.STOPPED,
            )
            level = logging.INFO if good else logging.WARNING
            said = {"state": str(self.state.word), "reason": self.state.reason}
            if (needed := todo("whatsapp", self.state.word)) is not None:
                said["todo"] = needed
            log.log(level, "WhatsApp", extra=said)

    async def _act(self, now: float) -> None:
        running = self.whatsapp.running
        wish = step(self.state, self.account, self.room, due=self._due, running=running, now=now)
        if wish in (Step.STOP, Step.RESTART):
            self._leaving = now
            await in_thread(self.whatsapp.stop)
            self._leaving = None
            if self.whatsapp.abandoned >= ABANDONED_AT_MOST:
                self.worn_out.set()
            if self._logged_out:
                self._logged_out = False
                await in_thread(self._set_aside)
        if wish in (Step.START, Step.RESTART):
            self._due = None
            self.whatsapp.start()
