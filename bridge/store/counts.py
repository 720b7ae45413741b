"""What health and the page ask of the store; read outside the writer's lock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Query = Callable[..., list[tuple[Any, ...]]]

_COUNTS = """
SELECT (SELECT coalesce(sum(messages), 0) FROM chat),
       (SELECT count(*) FROM message WHERE rank < 2 AND rank = 0),
       (SELECT count(*) FROM event WHERE error IS NOT NULL),
       (SELECT count(*) FROM event WHERE read_by IS NULL),
       (SELECT count(*) FROM loss l WHERE kind <> 'contradicting alias' AND kind <> 'detected'
           AND (kind = 'unreadable edit' OR NOT EXISTS (SELECT 1 FROM message m
                WHERE m.chat = l.chat AND m.id = l.id AND m.rank = 2))),
       (SELECT count(*) FROM loss l WHERE kind = 'detected' AND NOT EXISTS (
            SELECT 1 FROM message m WHERE m.chat = l.chat AND m.id = l.id AND m.rank = 2)),
       (SELECT count(*) FROM message WHERE n > 0 AND superseded_by IS NULL),
       (SELECT count(*) FROM amendment WHERE verdict <> 'accepted' AND verdict = 'waiting'),
       (SELECT count(*) FROM amendment WHERE verdict <> 'accepted' AND verdict = 'rejected'
           AND kind <> 'secret'),
       (SELECT count(*) FROM mention),
       (SELECT coalesce(sum(messages), 0) FROM chat WHERE jid NOT IN (SELECT chat FROM rules)),
       (SELECT count(*) FROM chat
         WHERE messages > 0 AND jid NOT IN (SELECT chat FROM rules)),
       (SELECT max(received_at) FROM event WHERE seq = (SELECT max(seq) FROM event)),
       (SELECT max(last_message_at) FROM chat),
       seq, store_id
  FROM store
"""

_LOSSES = """
SELECT kind, text FROM loss l
 WHERE kind <> 'contradicting alias'
   AND (kind = 'unreadable edit' OR NOT EXISTS (
        SELECT 1 FROM message m WHERE m.chat = l.chat AND m.id = l.id AND m.rank = 2))
 ORDER BY seq DESC LIMIT 10000
"""

_RECENT = """
SELECT m.chat, m.id, m.n, m.kind, coalesce(m.author_pn, m.author_lid), m.user_name, m.sent_at,
       m.content, m.deleted, m.own,
       (SELECT group_concat(drop_number, ' ') FROM mention d
         WHERE d.chat = m.chat AND d.id = m.id AND d.withdrawn = 0)
  FROM message m
 WHERE m.chat = ? AND m.superseded_by IS NULL
   AND (m.kind NOT IN ('edit', 'revoke', 'secret_edit') OR m.body <> '')
 ORDER BY m.sent_at DESC, m.received_at DESC, m.change_seq DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What is in the store, and what may be missing from it."""

    messages: int
    """Rows, with edits and revokes, which have rows of their own."""
    placeholders: int
    """Messages that could not be decrypted and did not come again so far."""
    unparsed: int
    """Events that this version could not read; their bytes are kept."""
    backlog: int
    """Events that are stored and not interpreted yet."""
    suspected_losses: int
    detected_losses: int
    forged_ids: int
    """Messages under an id that another author used as well."""
    waiting_amendments: int
    """Edits and revokes whose author or target is not known yet."""
    rejected_amendments: int
    mentions: int
    unconfigured_messages: int
    """Heard in groups without a project: stored, not published."""
    unconfigured_groups: int
    last_captured_at_ms: int | None
    last_sent_at_ms: int | None
    seq: int
    store_id: str
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class RecentMessage:
    """A message for the page; the number is not masked here."""

    chat: str
    id: str
    n: int
    kind: str
    sender: str | None
    user_name: str | None
    sent_at_ms: int
    content: str
    deleted: bool
    own: bool
    drops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecentGroup:
    """A group with its newest messages first."""

    jid: str
    name: str | None
    project: str | None
    messages: int
    recent: tuple[RecentMessage, ...]


def read_counts(query: Query, wal_bytes: int) -> Counts:
    """Count everything in one read."""
    (row,) = query(_COUNTS)
    values = (*row, wal_bytes)
    return Counts(*values)


def read_losses(query: Query) -> tuple[tuple[str, str], ...]:
    """Kind and text of each loss whose message has not arrived, the newest first."""
    return tuple((kind, text) for kind, text in query(_LOSSES))


def read_recent(query: Query, limit: int) -> tuple[RecentGroup, ...]:
    """The newest messages of every group, the liveliest group first."""
    groups = query(
        "SELECT jid, name, project, messages FROM chat LEFT JOIN rules ON chat = jid"
        " WHERE messages > 0 ORDER BY last_message_at DESC, jid"
    )
    return tuple(
        RecentGroup(
            jid, name, project, messages,
            tuple(_recent(*row) for row in query(_RECENT, jid, limit)),
        )
        for jid, name, project, messages in groups
    )  # fmt: skip


def _recent(
    *row: Any,  # noqa: ANN401 - SQL values
) -> RecentMessage:
    *plain, deleted, own, drops = row
    values = (*plain, bool(deleted), bool(own), tuple((drops or "").split()))
    return RecentMessage(*values)
