"""A messages.db as an older bridge made it."""

import sqlite3
from contextlib import closing
from pathlib import Path

GROUP = "120363000000000001@g.us"
AT = "2025-11-13 12:00:00+02:00"
SEED = """
CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TIMESTAMP);
CREATE TABLE messages (
    id TEXT, chat_jid TEXT, sender TEXT, content TEXT, timestamp TIMESTAMP, is_from_me BOOLEAN,
    media_type TEXT, filename TEXT, url TEXT, media_key BLOB, file_sha256 BLOB,
    file_enc_sha256 BLOB, file_length INTEGER, deleted INTEGER, PRIMARY KEY (id, chat_jid)
);
"""


def seed(directory: Path, several: list[dict[str, object]]) -> Path:
    """A messages.db as the older bridge made it, with these rows of the group."""
    file = directory / "messages.db"
    with closing(sqlite3.connect(file)) as db:
        db.executescript(SEED)
        db.execute("INSERT INTO chats VALUES (?, 'Velo Test', ?)", (GROUP, AT))
        for one in several:
            row = {"chat_jid": GROUP, "sender": "27820000077", "content": "", "timestamp": AT} | one
            columns, marks = ", ".join(row), ", ".join("?" * len(row))
            db.execute(f"INSERT INTO messages ({columns}) VALUES ({marks})", [*row.values()])  # noqa: S608
        db.commit()
    return file
