"""neonize's events, as the bytes Go hands over, into frozen values of our own.

The codes are those of `neonize.events.EVENT_TO_INT`; only what is listed here is subscribed.
"""

import neonize
from neonize.proto import Neonize_pb2 as wire

from bridge import signals
from bridge.signals import Account

LOGGED_IN_AS = 0
CONNECTED = 3
DISCONNECTED = 12
BACKLOG_DONE = 27

# What is stored as it came. The words are the `kind` of the row.
CAPTURED = {
    13: "history",
    17: "message",
    44: "undecryptable",
    21: "joined_group",
    22: "group",
}
GROUP_CHANGES = (21, 22)


def account_of(payload: bytes) -> Account:
    """Read neonize's `Device`: phone number and LID, device cut off."""
    device = wire.Device.FromString(payload)
    return Account(pn=device.JID.User, lid=device.LID.User)


def _connected(_: bytes) -> signals.Event:
    return signals.Connected()


def _disconnected(_: bytes) -> signals.Event:
    return signals.Disconnected()


def _keep_alive_lost(payload: bytes) -> signals.Event:
    return signals.KeepAliveLost(wire.KeepAliveTimeout.FromString(payload).ErrorCount)


def _keep_alive_restored(_: bytes) -> signals.Event:
    return signals.KeepAliveRestored()


def _logged_out(payload: bytes) -> signals.Event:
    told = wire.LoggedOut.FromString(payload)
    when = "at login" if told.OnConnect else "while connected"
    return signals.LoggedOut(f"{wire.ConnectFailureReason.Name(told.Reason)}, {when}")


def _replaced(_: bytes) -> signals.Event:
    return signals.Replaced()


def _banned(payload: bytes) -> signals.Event:
    told = wire.TemporaryBan.FromString(payload)
    # whatsmeow's time.Duration: neonize passes it on in its own unit, seconds or nanoseconds.
    expire_s = told.Expire / 1e9 if told.Expire > 10**9 else float(told.Expire)
    return signals.Banned(code=told.Code, expire_s=expire_s)


def _refused(payload: bytes) -> signals.Event:
    told = wire.ConnectFailure.FromString(payload)
    name = wire.ConnectFailureReason.Name(told.Reason)
    return signals.Refused(f"{name} {told.Message}".strip())


def _outdated(_: bytes) -> signals.Event:
    return signals.Outdated(f"neonize {neonize.__version__}")


def _backlog_announced(payload: bytes) -> signals.Event:
    return signals.BacklogAnnounced(wire.OfflineSyncPreview.FromString(payload).Message)


def _backlog_done(payload: bytes) -> signals.Event:
    return signals.BacklogDone(wire.OfflineSyncCompleted.FromString(payload).Count)


_EVENTS = {
    CONNECTED: _connected,
    4: _keep_alive_lost,
    5: _keep_alive_restored,
    6: _logged_out,
    7: _replaced,
    8: _banned,
    9: _refused,
    10: _outdated,
    DISCONNECTED: _disconnected,
    26: _backlog_announced,
    BACKLOG_DONE: _backlog_done,
}

SUBSCRIBED = (*CAPTURED, *_EVENTS)


def event_of(code: int, payload: bytes) -> signals.Event | None:
    """The event a code stands for, or None for one that says nothing about the connection."""
    translate = _EVENTS.get(code)
    return translate(payload) if translate else None
