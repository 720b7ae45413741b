"""What an error of Postgres means for what is waiting to be published. Pure."""

import ssl
from dataclasses import dataclass
from enum import Enum

import asyncpg


class Remedy(Enum):
    """What the publisher does about an error."""

    RETRY = "retry"
    """Postgres or the way to it is in trouble: everything is kept and tried again."""
    BISECT = "bisect"
    """Some row of the batch is at fault: it is found, parked with its error, the rest goes on."""
    HOLD = "hold"
    """Nobody's row is at fault and waiting does not help: kept, tried again, and loud."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What to do about an error, and the sentence that says why."""

    remedy: Remedy
    reason: str


_RETRIED_CLASSES = frozenset({"08", "40", "53", "57", "55"})
_ROW_CLASSES = frozenset({"22", "23", "42"})

_ALWAYS_HELD = frozenset(
    {
        "42501",  # insufficient privilege
        "42601",  # syntax error
        "42703",  # undefined column: a database of other names made 21 hours of silence
        "42704",  # undefined object
        "42883",  # undefined function
        "42P01",  # undefined table
        "42P02",  # undefined parameter
    }
)
"""States of class 42 that no mention can cause: the statement and the database do not match."""


def diagnose(error: BaseException) -> Diagnosis:
    """Judge one error; never raises, and an error nobody foresaw is held, not swallowed."""
    if isinstance(error, asyncpg.PostgresError):
        return _diagnose_state(error)
    if isinstance(error, asyncpg.DataError | UnicodeError):
        return Diagnosis(Remedy.BISECT, f"a value cannot be sent: {error}")
    if isinstance(error, TimeoutError):
        return Diagnosis(Remedy.RETRY, "no answer in time")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Diagnosis(Remedy.HOLD, f"the server's certificate is refused: {_sentence(error)}")
    if isinstance(error, OSError):
        return Diagnosis(Remedy.RETRY, f"not reachable: {_sentence(error)}")
    if isinstance(error, asyncpg.InterfaceError):
        return Diagnosis(Remedy.RETRY, f"the connection is gone: {error}")
    return Diagnosis(Remedy.HOLD, f"{type(error).__name__}: {_sentence(error)}")


def _diagnose_state(error: asyncpg.PostgresError) -> Diagnosis:
    state = error.sqlstate or ""
    reason = f"SQLSTATE {state or 'unknown'}: {_sentence(error)}"
    if state[:2] in _RETRIED_CLASSES:
        return Diagnosis(Remedy.RETRY, reason)
    if state[:2] in _ROW_CLASSES and state not in _ALWAYS_HELD:
        return Diagnosis(Remedy.BISECT, reason)
    return Diagnosis(Remedy.HOLD, reason)


def _sentence(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
