"""What each class of error means for what waits to be published."""

import ssl

import asyncpg
import pytest

from bridge.errors import Remedy, diagnose


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (asyncpg.ConnectionDoesNotExistError("gone"), Remedy.RETRY),
        (asyncpg.AdminShutdownError("restart"), Remedy.RETRY),
        (asyncpg.QueryCanceledError("too slow"), Remedy.RETRY),
        (asyncpg.DiskFullError("full"), Remedy.RETRY),
        (asyncpg.TooManyConnectionsError("many"), Remedy.RETRY),
        (asyncpg.DeadlockDetectedError("deadlock"), Remedy.RETRY),
        (TimeoutError(), Remedy.RETRY),
        (ConnectionRefusedError("refused"), Remedy.RETRY),
        (asyncpg.InterfaceError("closed"), Remedy.RETRY),
        (asyncpg.StringDataRightTruncationError("101"), Remedy.BISECT),
        (asyncpg.NotNullViolationError("null"), Remedy.BISECT),
        (asyncpg.DatatypeMismatchError("type"), Remedy.BISECT),
        (asyncpg.DataError("cannot be encoded"), Remedy.BISECT),
        (asyncpg.UndefinedColumnError("user_name"), Remedy.HOLD),
        (asyncpg.UndefinedFunctionError("record_mentions"), Remedy.HOLD),
        (asyncpg.UndefinedTableError("drop_mentions"), Remedy.HOLD),
        (asyncpg.InsufficientPrivilegeError("denied"), Remedy.HOLD),
        (asyncpg.InvalidPasswordError("wrong"), Remedy.HOLD),
        (asyncpg.InternalServerError("bug"), Remedy.HOLD),
        (ssl.SSLCertVerificationError("unknown authority"), Remedy.HOLD),
        (KeyError("our own bug"), Remedy.HOLD),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
)
def test_every_error_has_a_remedy(error: BaseException, remedy: Remedy) -> None:
    """Trouble on the way is retried, a faulty row is found, what nobody foresaw is held loudly."""
    diagnosis = diagnose(error)
    assert diagnosis.remedy is remedy
    assert diagnosis.reason
