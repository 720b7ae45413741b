"""What is known of the connection to WhatsApp: events as frozen values, folded into one state.

Everything here is pure. `whatsapp.py` turns neonize's callbacks into these events; `apply` folds
them; `next_start` says whether a client should run. Times are seconds of a monotonic clock.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

BACKLOG_AT_MOST_S = 60.0  # a server that never ends its backlog must not make all traffic "old"


class Word(StrEnum):
    """The one word that pages, health and logs use for the connection."""

    STARTING = "starting"
    UNREACHABLE = "unreachable"
    PAIRING = "waiting to be paired"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    SILENT = "server silent"
    LOGGED_OUT = "logged out"
    REPLACED = "replaced"
    BANNED = "banned"
    OUTDATED = "client outdated"
    REFUSED = "refused by WhatsApp"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are logged in as; digits only, device cut off, empty when WhatsApp did not say."""

    pn: str
    lid: str


@dataclass(frozen=True, slots=True)
class Started:
    """A client was started; nothing is known of it yet."""


@dataclass(frozen=True, slots=True)
class LoggedInAs:
    """The stored session belongs to this account."""

    account: Account


@dataclass(frozen=True, slots=True)
class QrShown:
    """A QR code to be scanned with the phone; it lives 60 s (the first) or 20 s."""

    code: str


@dataclass(frozen=True, slots=True)
class PairingEnded:
    """The pairing attempt is over: `success`, or `timeout` after 160 s, or an error's name."""

    result: str


@dataclass(frozen=True, slots=True)
class Connected:
    """Logged in; the server delivers what it kept for us, then what is new."""


@dataclass(frozen=True, slots=True)
class BacklogAnnounced:
    """The server kept this many messages while we were away."""

    messages: int


@dataclass(frozen=True, slots=True)
class BacklogDone:
    """What was kept has been delivered (above 2,048 stanzas the last of it may still follow)."""

    count: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke; the client reconnects by itself."""


@dataclass(frozen=True, slots=True)
class KeepAliveLost:
    """The server did not answer a ping; the client reconnects by itself after about 200 s."""

    errors: int


@dataclass(frozen=True, slots=True)
class KeepAliveRestored:
    """The server answers pings again."""


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The phone removed this device; the session is gone and must be paired again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another process uses the same session."""


@dataclass(frozen=True, slots=True)
class Banned:
    """WhatsApp bans the account for a while."""

    code: int
    expire_s: float


@dataclass(frozen=True, slots=True)
class Outdated:
    """WhatsApp refuses this version of the client library."""


@dataclass(frozen=True, slots=True)
class Refused:
    """WhatsApp refused the connection for another reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The first connection attempt of a client failed."""

    error: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The client itself was asked, at the time `asked`, whether its socket is open."""

    is_connected: bool
    asked: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class GroupsChanged:
    """Somebody joined, left or was promoted somewhere, or we were added to a group."""


@dataclass(frozen=True, slots=True)
class Died:
    """The client's thread ended although nobody stopped it: nothing listens any more."""

    error: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """We stopped the client ourselves."""


Event = (
    Started
    | LoggedInAs
    | QrShown
    | PairingEnded
    | Connected
    | BacklogAnnounced
    | BacklogDone
    | Disconnected
    | KeepAliveLost
    | KeepAliveRestored
    | LoggedOut
    | Replaced
    | Banned
    | Outdated
    | Refused
    | Unreachable
    | Observed
    | Tick
    | GroupsChanged
    | Died
    | Stopped
)


FINAL = frozenset({Word.REPLACED, Word.OUTDATED})
"""A person has to act first: reconnecting would be a war, or useless."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The state of one number's connection."""

    word: Word = Word.STOPPED
    reason: str = "not started yet"
    since: float = 0.0
    account: Account | None = None
    qr: str | None = None
    backlog: bool = True
    failures: int = 0

    @property
    def connected(self) -> bool:
        """Whether a message sent now would reach us."""
        return self.word is Word.CONNECTED

    @property
    def paired(self) -> bool:
        """Whether the session belongs to an account."""
        return self.account is not None


def _turn(state: Connection, word: Word, reason: str, now: float) -> Connection:
    """Change the word; the time is that of the change, not of a repetition."""
    since = state.since if state.word is word else now
    qr = state.qr if word is Word.PAIRING else None
    return replace(state, word=word, reason=reason, since=since, qr=qr)


def apply(state: Connection, event: Event, now: float) -> Connection:  # noqa: C901, PLR0911, PLR0912 - one table
    """Fold an event into the state."""
    match event:
        case Started():
            return _turn(state, Word.STARTING, "connecting to WhatsApp", now)
        case LoggedInAs(account):
            return replace(state, account=account, qr=None)
        case QrShown(code):
            asked = replace(state, account=None, qr=code, failures=0)
            return _turn(asked, Word.PAIRING, "scan the QR code with the phone", now)
        case PairingEnded("success"):
            return _turn(state, Word.STARTING, "paired; logging in", now)
        case PairingEnded(result):
            ended = replace(state, qr=None)
            return _turn(ended, Word.PAIRING, f"pairing ended ({result}); a new code follows", now)
        case Connected():
            fresh = replace(state, backlog=True, failures=0)
            return _turn(fresh, Word.CONNECTED, "connected to WhatsApp", now)
        case BacklogAnnounced(messages):
            return replace(state, backlog=True) if messages else state
        case BacklogDone():
            return replace(state, backlog=False)
        case Disconnected():
            lost = replace(state, backlog=True)
            return _turn(lost, Word.DISCONNECTED, "connection lost; reconnecting", now)
        case KeepAliveLost(errors):
            reason = f"{errors} pings in a row without an answer"
            return _turn(state, Word.SILENT, reason, now)
        case KeepAliveRestored():
            return _turn(state, Word.CONNECTED, "connected to WhatsApp", now)
        case LoggedOut(reason):
            out = replace(state, account=None, backlog=True)
            said = f"the phone removed this device ({reason}); it must be paired again"
            return _turn(out, Word.LOGGED_OUT, said, now)
        case Replaced():
            said = "another process uses this session; not reconnecting, restart when it is gone"
            return _turn(state, Word.REPLACED, said, now)
        case Banned(code, expire_s):
            said = f"banned by WhatsApp for {expire_s:.0f} s (code {code})"
            return _turn(state, Word.BANNED, said, now)
        case Outdated():
            said = "WhatsApp refuses this client version; a newer neonize is needed"
            return _turn(state, Word.OUTDATED, said, now)
        case Refused(reason):
            failed = replace(state, failures=state.failures + 1)
            return _turn(failed, Word.REFUSED, f"WhatsApp refused the connection: {reason}", now)
        case Unreachable(error):
            failed = replace(state, failures=state.failures + 1)
            return _turn(failed, Word.UNREACHABLE, f"WhatsApp is not reachable: {error}", now)
        case Observed(False, asked) if state.word is Word.CONNECTED and asked > state.since:
            # A forced reconnect comes without a Disconnected event: the socket has the last word.
            lost = replace(state, backlog=True)
            return _turn(lost, Word.DISCONNECTED, "connection lost; reconnecting", now)
        case Observed() | Tick():
            if state.connected and state.backlog and now - state.since > BACKLOG_AT_MOST_S:
                return replace(state, backlog=False)
            return state
        case Died(error):
            return _turn(state, Word.STOPPED, f"the client ended by itself: {error}", now)
        case GroupsChanged():
            return state
        case Stopped() if state.word in FINAL:
            return state
        case Stopped():
            return _turn(replace(state, backlog=True), Word.STOPPED, "stopped", now)


RETRY_AT_MOST_S = 30.0
STUCK_S = 300.0  # whatsmeow reconnects by itself; five minutes without success is not "by itself"
AFTER_LOGOUT_S = 2.0  # LoggedOut is told some 4 ms before the session row is deleted


def next_start(state: Connection, event: Event, now: float) -> float | None:
    """When a new client should be started because of this event, or None for not because of it."""
    match event:
        case PairingEnded(result) if result != "success":
            return now + 1.0
        case LoggedOut():
            return now + AFTER_LOGOUT_S
        case Banned(_, expire_s):
            return now + max(expire_s, 60.0)
        case Refused():
            return now + min(60.0 * state.failures, 600.0)
        case Unreachable():
            return now + min(2.0 ** (state.failures - 1), RETRY_AT_MOST_S)
        case Observed(False, _) if state.word is Word.DISCONNECTED and now - state.since > STUCK_S:
            return now
        case _:
            return None
