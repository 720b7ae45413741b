"""What is known of the connection to WhatsApp: everything it told, folded into one state.

Everything here is pure: `apply` folds what `signals.py` lists, `next_start` says when a new client
is promised. Times are seconds of a monotonic clock.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.signals import (
    Account,
    BacklogAnnounced,
    BacklogDone,
    Banned,
    Connected,
    Died,
    Disconnected,
    Event,
    GroupsChanged,
    KeepAliveLost,
    KeepAliveRestored,
    LoggedInAs,
    LoggedOut,
    Observed,
    Outdated,
    PairingEnded,
    QrShown,
    Refused,
    Replaced,
    Started,
    Stopped,
    Tick,
    Unreachable,
)

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


FINAL = frozenset({Word.REPLACED, Word.OUTDATED})
"""A person has to act first: reconnecting would be a war, or useless."""

NOT_TO_BE_DIALLED = FINAL | {Word.LOGGED_OUT, Word.PAIRING, Word.BANNED, Word.REFUSED}
"""Dialling on request is useless, or forbidden, until what the word's reason says has happened."""

ON_THE_WAY = frozenset({Word.STARTING, Word.UNREACHABLE})
"""A client dials, or will within seconds; it cannot be hurried, and it need not be."""

LASTING = FINAL | {Word.BANNED}
"""What the end of the connection that brought the word does not change."""


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
        case Disconnected() | KeepAliveLost() | KeepAliveRestored() | Stopped() if (
            state.word in LASTING
        ):
            # As "disconnected" it would be dialled again after STUCK_S: a war, or into the ban.
            return state
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
        case Outdated(client):
            said = f"WhatsApp refuses this client ({client}); a newer version is needed"
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
        case Stopped():
            return _turn(replace(state, backlog=True), Word.STOPPED, "stopped", now)


RETRY_AT_MOST_S = 30.0
STUCK_S = 300.0  # whatsmeow reconnects by itself; five minutes without success is not "by itself"
AFTER_BAN_S = 2.0
BAN_UNTOLD_S = 60.0  # a ban that names no time: dialling at once would be a loop
AFTER_LOGOUT_S = 2.0  # LoggedOut is told some 4 ms before the session row is deleted


def next_start(state: Connection, event: Event, now: float) -> float | None:
    """When a new client should be started because of this event, or None for not because of it."""
    match event:
        case PairingEnded(result) if result != "success":
            return now + 1.0
        case LoggedOut():
            return now + AFTER_LOGOUT_S
        case Banned(_, expire_s):
            return now + (expire_s + AFTER_BAN_S if expire_s > 0 else BAN_UNTOLD_S)
        case Refused():
            return now + min(60.0 * state.failures, 600.0)
        case Unreachable():
            return now + min(2.0 ** (state.failures - 1), RETRY_AT_MOST_S)
        case Observed(False, _) if state.word is Word.DISCONNECTED and now - state.since > STUCK_S:
            return now
        case _:
            return None
