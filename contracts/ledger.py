"""Written by database/ (the migrations own the SQL) and called by every bridge: the ledger.

A *mention* is one message naming one drop. Bridges hand mentions to one SQL function; the
reviews are a function of the set of mentions, so the order of arrival, the split in batches
and which bridge was first change nothing but ``bridge_source``. The rules stand in
docs/ledger.md, the function itself in database/migrations/.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

SCHEMA_VERSION = 2
"""What this code needs: it runs if ``min_compatible <= SCHEMA_VERSION <= version``."""

MAX_BATCH = 500
"""Mentions in one call; more only makes the locks last longer."""

USER_NAME_LENGTH = 100
"""Characters of a push name that reach a review: it is for display, so a longer one is cut."""

READ_SCHEMA = "SELECT version, min_compatible FROM public.schema"
"""One row of two integers; the table is missing before the first migration."""

READ_DATABASE_ID = "SELECT id::text FROM public.database_identity"
"""One text: outbox marks are kept per value. A verb changes it after a restore."""

READ_IDENTITY = (
    "SELECT id::text AS id, NOT EXISTS ("
    "SELECT FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[])"
    " AS p (drop_number, chat, message_id, as_of) WHERE NOT EXISTS ("
    "SELECT FROM public.drop_mentions AS m WHERE m.drop_number = p.drop_number"
    " AND m.chat = p.chat AND m.message_id = p.message_id AND m.as_of >= p.as_of"
    " AND $1::text = ANY(m.heard_by))) AS confirmed FROM public.database_identity"
)
"""$1 bridge, $2 to $5 drops, chats, message ids and `as_of` of mentions that it has published.

One row: the id, and whether the ledger still has all of them as this bridge published them. A
database that was restored from an older copy has not, although its id is the same.
"""

RECORD_MENTIONS = (
    "SELECT recorded, known, reviews FROM public.record_mentions($1::text, $2::text::jsonb)"
)
"""$1 bridge name, $2 `encode_mentions(...)`. One call, one transaction, idempotent.

Returns one row of counts: mentions new to the ledger, mentions it knew already, and review rows
inserted by this call. Errors: SQLSTATE 22 or 23 means that a mention of this batch is faulty.
"""

REGISTER_OWN_NUMBER = "SELECT public.register_own_number($1::text, $2::text, $3::text)"
"""$1 name of the number, $2 phone digits or NULL, $3 LID digits or NULL; fills what was NULL.

Mentions by one of our numbers never make or change a review, also those recorded before. Returns
the count of drops computed anew.
"""

READ_OWN_NUMBERS = "SELECT name, pn, lid FROM public.own_numbers ORDER BY name, pn, lid"
"""Phone and LID digits of every number that is ours; either may be NULL."""

RELEASE_HELD = "SELECT public.release_held($1::text)"
"""$1 project: its held-back mentions are acted upon from now on. Returns how many they were."""

IMPORT_VALID_DROPS = "SELECT public.import_valid_drops(%s::text, %s::text[])"
"""Project and drops, as psycopg wants its parameters; returns how many were not in the list."""

FOLLOW_STORE = (
    "SELECT compared_at, lacked, due FROM public.follow_store($1::text, $2::text, $3::text)"
)
"""$1 environment, $2 store_id, $3 bridge: this file is followed now. When it was last compared with
the ledger, what was lacking then, and whether it has to be compared: it never was since a monitor
came to it from another file."""

READ_CURSORS = (
    "SELECT chat, rules_hash, change_seq FROM public.monitor_cursors"
    " WHERE environment = $1 AND store_id = $2"
)
"""$1 environment, $2 store_id; a cursor that is absent is 0."""

ADVANCE_CURSORS = (
    "SELECT public.advance_cursors($1::text, $2::text, $3::text[], $4::text[], $5::bigint)"
)
"""$1 environment, $2 store_id, $3 chats, $4 their rules, $5 change_seq; only ever forward."""

FORGET_CURSORS = "SELECT public.forget_cursors($1::text, $2::text)"
"""$1 environment, $2 store_id of a file that was rolled back."""

LACKING_MENTIONS = (
    "SELECT drop_number, chat, message_id FROM public.lacking_mentions($1::text::jsonb)"
)
"""$1 `encode_mentions(...)`; the keys of those that would change the ledger."""

APPLY_WAITING = "SELECT public.apply_waiting($1::text[], $2::timestamptz[])"
"""$1 projects, $2 since when each is acted on; at most 500 mentions that nobody applied are."""

NOTE_COMPARISON = "SELECT public.note_comparison($1::text, $2::text, $3::integer)"
"""$1 environment, $2 store_id, $3 how many mentions of the file the ledger lacked."""

REVIEW_NOTE = r"^\[twinbridge\] resubmitted \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
"""A line of ``qa_photo_reviews.comment`` that is ours; every other line is a reviewer's."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One message naming one drop, as one bridge knows it.

    ``(drop_number, chat, message_id)`` is the key. Copies of one key are merged: least ``sent_at``,
    author fields from NULL to a value, ``held_back`` only if every copy says so, and ``withdrawn``
    as the copy with the newest ``(as_of, as_of_id)`` has it (True if two of the same disagree).
    """

    drop_number: str
    chat: str
    """Group JID, byte for byte."""
    message_id: str
    """Stanza id, byte for byte."""
    project: str
    sent_at: datetime
    """The server's ``t``, aware, UTC."""
    as_of: datetime
    """``sent_at`` of the last accepted event (message, edit, revoke) behind ``withdrawn``."""
    as_of_id: str
    """Stanza id of that event; the message's own id if nothing happened to it since."""
    author_lid: str | None = None
    """Digits, device cut off."""
    author_pn: str | None = None
    """Phone digits, device cut off."""
    user_name: str | None = None
    """Push name, any length."""
    withdrawn: bool = False
    """The message no longer names the drop: edited away or deleted."""
    held_back: bool = False
    """Older than the horizon or the project's start: recorded, not acted upon until released."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity, and the order in which a batch is sent."""
        return (self.drop_number, self.chat, self.message_id)

    def __lt__(self, other: "Mention") -> bool:
        """Order by key, so that ``sorted(mentions)`` is the order of a batch."""
        return self.key < other.key


def encode_mentions(mentions: Iterable[Mention]) -> str:
    """Give the JSON text for RECORD_MENTIONS; pure ASCII, so a faulty text fails in Postgres.

    Raises ValueError for a time without a zone.
    """
    return json.dumps([_as_json(mention) for mention in mentions])


def _as_json(mention: Mention) -> dict[str, str | bool | None]:
    return {
        "drop_number": mention.drop_number,
        "chat": mention.chat,
        "message_id": mention.message_id,
        "project": mention.project,
        "sent_at": _utc(mention.sent_at),
        "as_of": _utc(mention.as_of),
        "as_of_id": mention.as_of_id,
        "author_lid": mention.author_lid,
        "author_pn": mention.author_pn,
        "user_name": mention.user_name,
        "withdrawn": mention.withdrawn,
        "held_back": mention.held_back,
    }


def _utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        message = f"{moment.isoformat()} has no time zone"
        raise ValueError(message)
    return moment.astimezone(UTC).isoformat()
