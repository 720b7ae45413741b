"""What an error of Postgres means for a batch of mentions. Pure."""

from enum import Enum

import asyncpg


class Remedy(Enum):
    """What to do about an error."""

    RETRY = "unreachable"
    """It will pass: everything is done again."""
    BISECT = "row"
    """Some mention of the batch is at fault: it is found and told, the rest goes on."""
    HOLD = "refused"
    """No mention is at fault and waiting does not help: tried again, and loud."""


class SchemaMismatchError(Exception):
    """This code cannot work with the database as it is; the message says who has to move."""


_PASSING = frozenset({"08", "40", "53", "55", "57"})
_FAULTY = frozenset({"22", "23"})


def remedy_for(error: BaseException) -> Remedy:
    """Judge one error; one that nobody foresaw is held, not swallowed."""
    if isinstance(error, asyncpg.PostgresError):
        kind = (error.sqlstate or "")[:2]
        if kind in _PASSING:
            return Remedy.RETRY
        return Remedy.BISECT if kind in _FAULTY else Remedy.HOLD
    if isinstance(error, asyncpg.DataError | UnicodeError):
        return Remedy.BISECT
    if isinstance(error, TimeoutError | OSError | asyncpg.InterfaceError):
        return Remedy.RETRY
    return Remedy.HOLD


def sentence(error: BaseException) -> str:
    """The error in one line, with its SQLSTATE where it has one."""
    said = str(error).strip().partition("\n")[0]
    if isinstance(error, TimeoutError) and not said:
        said = "no answer in time"
    state = getattr(error, "sqlstate", None)
    return f"SQLSTATE {state}: {said}" if state else said or type(error).__name__
