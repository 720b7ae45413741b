"""Written by bridge/store/, read by monitors, tests and peers: the file `messages.db`.

The volume `/messages` of a bridge holds one directory, `current/`, with `messages.db`, `-wal` and
`-shm`. Setting the file aside means renaming the *directory*: most committed rows may be in the
`-wal`. Readers use the views `messages` and `chats` (the seed's columns) or the table `message`,
which has the key `(chat, id, n)`, the authors' evidence, and `change_seq` to read on from.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "current"
FILE = "messages.db"

SCHEMA_VERSION = 2
"""What this code writes, and the newest it knows."""

MIN_COMPATIBLE = 1
"""The oldest code that may use a file written by this code."""

MESSAGES_VIEW = "messages"
CHATS_VIEW = "chats"
MESSAGE_TABLE = "message"

MESSAGES_COLUMNS = (
    "id",
    "chat_jid",
    "sender",
    "content",
    "timestamp",
    "is_from_me",
    "media_type",
    "filename",
    "url",
    "media_key",
    "file_sha256",
    "file_enc_sha256",
    "file_length",
    "deleted",
)
CHATS_COLUMNS = ("jid", "name", "last_message_time")

MAX_ROWS = 500
"""A reader fetches at most so many rows before it closes, or the bridge's WAL grows behind it."""

READ_STORE = "SELECT store_id, bridge, seq, schema_version, min_compatible FROM store"

READ_CHANGES = (
    "SELECT chat, id, n, change_seq, rank, kind, author_lid, author_pn, user_name, own, sent_at,"
    " content, deleted, superseded_by FROM message WHERE change_seq > ?"
    " ORDER BY change_seq LIMIT 500"
)
"""What changed since a `change_seq`; 0 reads everything."""


READ_MENTIONS = (
    "SELECT change_seq, drop_number, chat, id, project, sent_at, author_lid, author_pn, user_name,"
    " withdrawn, as_of, as_of_id FROM mention WHERE change_seq > ? AND change_seq <= ?"
    " ORDER BY change_seq LIMIT 500"
)
"""Mentions of drops that were made or changed after the first change_seq, up to the second."""

READ_OWN_NUMBERS = "SELECT number FROM own_number ORDER BY number"
"""Digits of the numbers that are ours, phones and LIDs alike."""


class MessagesUnreadable(Exception):
    """The file is missing, is no messages.db, or is of a version this code must not read."""


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Which file this is, and how far it has come."""

    store_id: str
    bridge: str
    seq: int
    schema_version: int
    min_compatible: int


def messages_file(volume: Path) -> Path:
    """Where the file is inside a mounted messages volume."""
    return volume / DIRECTORY / FILE


def open_for_reading(path: Path, timeout_s: float = 5.0) -> sqlite3.Connection:
    """Open messages.db without ever writing; works on a read-only mount. Close it within a second.

    Never `immutable=1`: it would miss the `-wal`.

    Raises:
        MessagesUnreadable: with the reason.
    """
    # A path may hold characters that mean something in a URI.
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout_s
        )
    except sqlite3.Error as error:
        raise MessagesUnreadable(f"cannot open {path}: {error}") from error
    try:
        _check(read_identity(connection), path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(identity: StoreIdentity, path: Path) -> None:
    if identity.min_compatible > SCHEMA_VERSION:
        raise MessagesUnreadable(
            f"{path} has schema {identity.schema_version} and needs code of at least"
            f" {identity.min_compatible}; this code knows {SCHEMA_VERSION}"
        )


def read_identity(connection: sqlite3.Connection) -> StoreIdentity:
    """Which store this is; compare `store_id` each time.

    Raises:
        MessagesUnreadable: with the reason.
    """
    try:
        row = connection.execute(READ_STORE).fetchone()
    except sqlite3.Error as error:
        raise MessagesUnreadable(f"no readable messages.db: {error}") from error
    if row is None:
        raise MessagesUnreadable("the file has no store row: it was never completed")
    return StoreIdentity(*row)
