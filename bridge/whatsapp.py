"""The WhatsApp client and its threads: the only module that knows how neonize works.

neonize is used in its synchronous form. `connect()` blocks in a thread of ours; Go calls back in
one further thread, one event at a time. The receipt of a message leaves when the event enters
Go's channel of 100, so a callback stores the bytes and returns: what it cannot store it holds, and
the full channel keeps the server from sending more. The asyncio client has no such back-pressure.

Facts that shaped this (neonize 0.5.2, whatsmeow of 2026-09):

- Go keeps its clients in an unguarded map by `uuid`. Starting and stopping are therefore never done
  at the same time, and every client has a uuid of its own, since a collected client stops its uuid.
- After a pairing has timed out, `connect()` never returns and cannot be made to: the thread is
  left behind and a new client is started. Only `os._exit` ends a process with such threads.
- `stop()` alone throws away what is in the channel: disconnect, drain, then stop.
"""

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neonize.client import NewClient
from neonize.events import INT_TO_EVENT, Event
from neonize.exc import NeonizeError
from neonize.proto.Neonize_pb2 import JID

from bridge import connection, signals, translation
from bridge.console import StandardError
from bridge.signals import Account

log = logging.getLogger(__name__)

QUIET_S = 0.5  # no callback for this long after a disconnect: the channel is empty
DRAIN_AT_MOST_S = 10.0
STOP_AT_MOST_S = 3.0
HOLD_S = 0.25  # between two attempts to store what is held


class Capture(Protocol):
    """Where raw events go; returns when they are durable, raises StoreUnavailable if it cannot."""

    def __call__(self, kind: str, payload: bytes, received_at_ms: int, live: bool) -> None:
        """Store one event."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group this number is in; `snapshot` is neonize's `GroupInfo` as bytes."""

    jid: str
    subject: str
    members: int
    snapshot: bytes


Receive = Callable[[int, bytes], None]


class _Callbacks(Event):
    """neonize's dispatcher, without parsing: an event that cannot be parsed is stored as well."""

    def __init__(self, client: NewClient, receive: Receive) -> None:
        super().__init__(client)
        self._receive = receive
        for code in translation.SUBSCRIBED:
            self(INT_TO_EVENT[code])(_subscribed)

    def execute(self, uuid: int, binary: int, size: int, code: int) -> None:  # noqa: ARG002
        """Called by Go; whatever is raised here would be printed and lost."""
        self._receive(code, ctypes.string_at(binary, size))


def _subscribed(_client: NewClient, _event: object) -> None:
    """Mark an event type as wanted; the bytes are taken before neonize would call this."""


class _Client(NewClient):
    """neonize's client with its callbacks led to us and nothing printed."""

    def __init__(
        self, database: Path, uuid: str, receive: Receive, on_pairing: Callable[[str], None]
    ) -> None:
        super().__init__(str(database), uuid=uuid)
        self.event = _Callbacks(self, receive)
        self._on_pairing = on_pairing

    def _NewClient__onLoginStatus(self, uuid: int, status: int) -> None:  # noqa: ARG002, N802
        """Replace neonize's own, which prints the address of the word instead of the word."""
        self._on_pairing(ctypes.string_at(status).decode("utf-8", "replace"))


class Death(Exception):
    """The client's thread ended by itself; nothing listens, and nobody may believe so."""


class WhatsApp:
    """One number's client. Methods block and are called from threads, never from the loop.

    `emit` is called from the client's threads with each connection event. `accepts` decides, as
    soon as the account is known and before its first message, whether it may be captured.
    """

    def __init__(
        self,
        database: Path,
        name: str,
        capture: Capture,
        emit: Callable[[signals.Event], None],
        accepts: Callable[[Account], bool],
    ) -> None:
        self._database = database
        self._name = name
        self._capture = capture
        self._emit = emit
        self._accepts = accepts
        self._client: _Client | None = None
        self._thread: threading.Thread | None = None
        self._generation = 0
        self._listening = False  # Go's event loop runs: the client may be asked and disconnected
        self._captures = True
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._busy = False
        self._last_callback = time.monotonic()
        self._attempted_at: float | None = None
        self._backlog_since: float | None = time.monotonic()
        self._stderr = StandardError()
        self.abandoned = 0
        self.on_lost: Callable[[str], object] = lambda _: None
        """Told, in a thread of the client, of an event that was received and let go."""

    # --- life -------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a client was started and not stopped."""
        return self._client is not None

    @property
    def alive(self) -> bool:
        """Whether the client's thread lives, if there should be one."""
        return self._thread is None or self._thread.is_alive()

    @property
    def holds_since(self) -> float | None:
        """Since when (monotonic) the current callback has been running; None if none is."""
        return self._last_callback if self._busy else None

    @property
    def storing_s(self) -> float:
        """For how long the current attempt to store has not returned; 0 between two attempts.

        An attempt that fails returns: the event is held and tried again, and nothing hangs.
        """
        at = self._attempted_at
        return 0.0 if at is None else time.monotonic() - at

    def start(self) -> None:
        """Start a new client in a thread; returns at once. Nothing if one is running."""
        if self._client is not None:
            return
        self._generation += 1
        self._stopping.clear()
        self._giving_up.clear()
        self._listening = False
        self._captures = True
        self._backlog_since = time.monotonic()
        generation = self._generation
        client = _Client(
            self._database,
            f"{self._name}-{generation}",
            lambda code, payload: self._receive(generation, code, payload),
            self._pairing_ended,
        )
        client.event.qr(self._qr_shown)
        self._client = client
        self._stderr.mute()
        self._emit(signals.Started())
        self._thread = threading.Thread(
            target=self._run, args=(client,), name=f"whatsapp-{generation}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Disconnect, drain until no callback has run for half a second, stop; at most 13 s."""
        client, thread = self._client, self._thread
        if client is None or thread is None:
            return
        listening = self.leave()
        if not listening:
            self._stderr.mute()
        self._client = self._thread = None
        client.stop()  # type: ignore[no-untyped-call]
        thread.join(STOP_AT_MOST_S if listening else QUIET_S)
        if thread.is_alive():
            self.abandoned += 1
        self._emit(signals.Stopped())

    def leave(self) -> bool:
        """Disconnect, so that no further receipt leaves, and drain; whether it was listening."""
        client = self._client
        self._stopping.set()
        if client is None or not self._listening:
            return False
        client.disconnect()
        self._drain()
        return True

    def _run(self, client: _Client) -> None:
        """Block in the client until it is stopped; tell what ended it otherwise."""
        error = "connect() returned"
        try:
            client.connect()
        except NeonizeError as refused:
            error = str(refused)
            if not self._listening and not self._stopping.is_set():
                self._emit(signals.Unreachable(error))
                return
        except Exception as broken:  # the thread's last word, whatever it is
            log.exception("client thread broke")
            error = repr(broken)
        finally:
            self._stderr.unmute()
        if not self._stopping.is_set():
            self._emit(signals.Died(error))

    def _drain(self) -> None:
        """Wait until the channel is empty: the callbacks have been quiet for a while."""
        disconnected = time.monotonic()
        deadline = disconnected + DRAIN_AT_MOST_S
        while (now := time.monotonic()) < deadline:
            quiet_since = max(self._last_callback, disconnected)
            if not self._busy and now - quiet_since >= QUIET_S:
                return
            time.sleep(0.05)
        self._giving_up.set()
        log.error("not everything received could be stored before the stop")

    # --- callbacks, in Go's thread ------------------------------------------------------------

    def _qr_shown(self, _client: NewClient, code: bytes) -> None:
        self._stderr.unmute()
        self._emit(signals.QrShown(code.decode("ascii", "replace")))

    def _pairing_ended(self, result: str) -> None:
        self._stderr.mute()  # Go's line follows, whatever the result
        self._emit(signals.PairingEnded(result))

    def _receive(self, generation: int, code: int, payload: bytes) -> None:
        """Take one event; never raises, since that would lose it with nothing but a traceback."""
        if generation != self._generation:
            return
        self._last_callback = time.monotonic()
        self._busy = True
        try:
            if kind := translation.CAPTURED.get(code):
                self._store(kind, payload)
                if code in translation.GROUP_CHANGES:
                    self._emit(signals.GroupsChanged())
            else:
                self._tell(code, payload)
        except Exception:  # see above: this is the outermost frame that is ours
            log.exception("an event could not be taken", extra={"code": code})
        finally:
            self._last_callback = time.monotonic()
            self._busy = False

    def _store(self, kind: str, payload: bytes) -> None:
        """Store an event durably; while that fails hold it, so that the server keeps the rest."""
        if not self._captures:
            return
        received_at_ms = time.time_ns() // 1_000_000
        held = False
        while (failed := self._attempt(kind, payload, received_at_ms)) is not None:
            if not held:
                log.error("cannot store, holding", extra={"kind": kind, "error": repr(failed)})
            held = True
            if self._giving_up.wait(HOLD_S):
                size = len(payload)
                log.critical("given up, LOST", extra={"kind": kind, "bytes": size})
                self.on_lost(
                    f"A {kind} of {size} bytes could not be stored before the client stopped"
                )
                return
        if held:
            log.warning("stored what was held", extra={"kind": kind})

    def _attempt(self, kind: str, payload: bytes, received_at_ms: int) -> Exception | None:
        """Try once to store an event; gives what stands against it."""
        self._attempted_at = time.monotonic()
        try:
            self._capture(kind, payload, received_at_ms, self._live())
        except Exception as failed:  # noqa: BLE001 - whatever it is, letting go loses the event
            return failed
        finally:
            self._attempted_at = None
        return None

    def _tell(self, code: int, payload: bytes) -> None:
        if code == translation.LOGGED_IN_AS:
            self._listening = True
            self._stderr.unmute()
            account = translation.account_of(payload)
            self._captures = self._accepts(account)
            self._emit(signals.LoggedInAs(account))
            return
        if code in (translation.CONNECTED, translation.DISCONNECTED):
            self._backlog_since = time.monotonic()
        elif code == translation.BACKLOG_DONE:
            self._backlog_since = None
        if event := translation.event_of(code, payload):
            self._emit(event)

    def _live(self) -> bool:
        """Whether what arrives now was sent now, and not kept for us by the server."""
        since = self._backlog_since
        return since is None or time.monotonic() - since > connection.BACKLOG_AT_MOST_S

    # --- questions ----------------------------------------------------------------------------

    def is_connected(self) -> bool:
        """Ask the client whether its socket is open; False while there is none to ask."""
        client = self._client
        return bool(client is not None and self._listening and client.is_connected)

    def groups(self) -> tuple[Group, ...]:
        """The groups this number is in; fills the client's own LID map as well.

        Raises NeonizeError if WhatsApp does not answer (after 75 s at worst).
        """
        client = self._client
        if client is None or not self._listening:
            return ()
        return tuple(
            Group(
                jid=f"{found.JID.User}@{found.JID.Server}",
                subject=found.GroupName.Name,
                members=len(found.Participants),
                snapshot=found.SerializeToString(),
            )
            for found in client.get_joined_groups()
        )

    def pair_phone(self, number: str) -> str:
        """A code of 8 characters to be typed on the phone of that number (digits).

        Raises NeonizeError if WhatsApp gives none (after 75 s at worst). Ask rarely: see
        `pairing_code.py`.
        """
        client = self._client
        if client is None:
            raise NeonizeError("no client runs")
        return str(client.PairPhone(number, True))

    def pn_of(self, lid: str) -> str:
        """The phone number behind a LID (digits both), or "" if the client does not know it."""
        client = self._client
        if client is None or not self._listening:
            return ""
        asked = JID(User=lid, RawAgent=0, Device=0, Integrator=0, Server="lid", IsEmpty=False)
        try:
            return str(client.get_pn_from_lid(asked).User)
        except NeonizeError:
            return ""
