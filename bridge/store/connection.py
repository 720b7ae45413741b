"""Opening messages.db: its directory, its modes, its schema, its identity."""

import ctypes
import errno
import os
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from contracts.messages import DIRECTORY, FILE, MIN_COMPATIBLE, SCHEMA_VERSION

PRUNING_TABLE = "CREATE TABLE IF NOT EXISTS pruning (floor INTEGER NOT NULL)"
"""Milliseconds: what was sent before, and is not here, was deleted. No row: nothing ever was."""

_SCHEMA = (Path(__file__).parent / "schema.sql").read_text("utf-8")

BUSY_MS = 5_000
"""Milliseconds; only a checkpoint of our own can hold a lock, and it is short."""

WAL_KEPT = 16 * 1024 * 1024
"""Bytes to which a `-wal` that once was larger is cut back."""


class StoreUnavailable(Exception):
    """The store cannot take or give anything now (disk full, I/O error): retry, lose nothing."""


class StoreFull(StoreUnavailable):
    """There is no room: whoever listens must leave before more is acknowledged."""


class StoreDamaged(StoreUnavailable):
    """SQLite finds the file malformed: trying again does not help, another file does."""


class StoreIncompatible(Exception):
    """The file is not one this code may open; the sentence says why and what to do."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn SQLite's errors into StoreUnavailable."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise _kind(error)(f"{doing}: {type(error).__name__}: {error}") from error


def _kind(error: apsw.Error | OSError) -> type[StoreUnavailable]:
    """Which sort of unavailable an error is."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreDamaged
    no_room = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreFull if no_room or isinstance(error, apsw.FullError) else StoreUnavailable


def open_writer(volume: Path, bridge: str) -> apsw.Connection:
    """Open or create `<volume>/current/messages.db` for its only writer.

    The umask comes before the first open: SQLite gives `-wal` and `-shm` the modes of the file, and
    a chmod afterwards would leave them behind.

    Raises:
        StoreIncompatible: another bridge's file, or one of a later version.
        StoreUnavailable: the directory or the file cannot be written.
    """
    directory = volume / DIRECTORY
    umask = os.umask(0o077)
    try:
        with translated(f"cannot open {directory / FILE}"):
            directory.mkdir(mode=0o700, exist_ok=True)
            db = apsw.Connection(str(directory / FILE))
            _prepare(db)
            with db:
                _ensure_schema(db, directory / FILE, bridge)
    finally:
        os.umask(umask)
    return db


def open_reader(volume: Path) -> apsw.Connection:
    """A second connection of this process that only reads (and may checkpoint)."""
    with translated("cannot open messages.db for reading"):
        db = apsw.Connection(str(volume / DIRECTORY / FILE), flags=apsw.SQLITE_OPEN_READWRITE)
        _prepare(db)
    return db


def set_aside(volume: Path, now: float) -> Path | None:
    """Rename the directory of messages.db as a whole; None if there was none.

    To be called while no process has the file open.
    """
    directory = volume / DIRECTORY
    if not directory.exists():
        return None
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return directory.rename(volume / f"aside-{moment}-{uuid.uuid4().hex[:4]}")


def _prepare(db: apsw.Connection) -> None:
    db.set_busy_timeout(BUSY_MS)
    # A cleanly closed file without -wal and -shm cannot be read from a read-only mount.
    yes = ctypes.c_int(1)
    db.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(yes))
    for pragma in (
        "journal_mode = wal",
        "synchronous = full",
        f"journal_size_limit = {WAL_KEPT}",
        "wal_autocheckpoint = 0",  # a checkpoint in the capturing thread would delay capture
        "temp_store = memory",
        "trusted_schema = off",
    ):
        list(db.execute("PRAGMA " + pragma))


def _ensure_schema(db: apsw.Connection, path: Path, bridge: str) -> None:
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    identity = _file_identity(path)
    if not tables:
        db.execute(PRUNING_TABLE)
        for statement in _SCHEMA, _NEW_STORE:
            db.execute(statement, _values(statement, bridge, identity))
        return
    if "store" not in tables:
        raise StoreIncompatible(f"{path} is a database, but no messages.db of Twinbridge")
    ((owner, version, needed, known),) = db.execute(
        "SELECT bridge, schema_version, min_compatible, file_identity FROM store"
    )
    if needed > SCHEMA_VERSION:
        raise StoreIncompatible(
            f"{path} was written by a later version (schema {version}, needs {needed}; this one"
            f" knows {SCHEMA_VERSION}): start that version again, or set the directory aside"
        )
    if owner != bridge:
        raise StoreIncompatible(
            f"{path} belongs to the bridge {owner!r}, not to {bridge!r}: is another volume mounted?"
        )
    db.execute(PRUNING_TABLE)  # files of schema 1 have none
    if version < SCHEMA_VERSION:
        db.execute("UPDATE store SET schema_version = ?", (SCHEMA_VERSION,))
    if known != identity:
        # Restored or copied: readers must not go on with the cursor of the other file.
        db.execute(
            "UPDATE store SET store_id = ?, file_identity = ?", (str(uuid.uuid4()), identity)
        )


_NEW_STORE = "INSERT INTO store VALUES (?, ?, 0, ?, ?, ?, ?)"


def _values(statement: str, bridge: str, identity: str) -> tuple[Any, ...]:
    if statement is _SCHEMA:
        return ()
    created_at = time.time_ns() // 1_000_000
    return str(uuid.uuid4()), bridge, SCHEMA_VERSION, MIN_COMPATIBLE, identity, created_at


def _file_identity(path: Path) -> str:
    return f"inode {path.stat()[stat.ST_INO]}"
