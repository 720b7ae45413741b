"""What the client tells about its connection: one frozen value per kind of news.

`translation.py` makes them from neonize's bytes, `connection.py` folds them into one state.
"""

from dataclasses import dataclass


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
    """WhatsApp refuses this version of the client library; `client` is its name and version."""

    client: str


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
