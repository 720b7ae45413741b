"""Which mentions a database has not got yet: a mark per row and per database."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge.store.mentions import published
from bridge.store.transaction import Writer
from contracts.ledger import Mention

FILL = 500
"""Mentions that enter the outbox of a newly met database in one transaction."""

_FILL = (
    "INSERT OR IGNORE INTO outbox"
    " SELECT ?, chat, id, drop_number, change_seq, ?, NULL FROM mention"
    " WHERE change_seq > ? AND change_seq <= ? AND chat NOT IN (SELECT value FROM json_each(?))"
    " ORDER BY change_seq LIMIT ?"
)
_MENTION = (
    "m.drop_number, m.chat, m.id, m.project, m.sent_at, m.author_lid, m.author_pn, m.user_name,"
    " m.withdrawn, m.as_of, m.as_of_id"
)
_PENDING = (
    f"SELECT o.change_seq, {_MENTION}"  # noqa: S608 - constants
    " FROM outbox o JOIN mention m USING (chat, id, drop_number)"
    " WHERE o.database_id = ? AND o.error IS NULL ORDER BY o.change_seq LIMIT ?"
)
_DELIVERED = (
    "DELETE FROM outbox WHERE database_id = ? AND chat = ? AND id = ? AND drop_number = ?"
    " AND change_seq = ?"
)
_PARK = (
    "UPDATE outbox SET error = ? WHERE database_id = ? AND chat = ? AND id = ?"
    " AND drop_number = ? AND change_seq = ?"
)
_LAST = (
    f"SELECT {_MENTION} FROM publication p JOIN mention m"  # noqa: S608 - constants
    # The plus signs keep the planner on the index that the order asks for: one row is enough.
    " ON +m.change_seq <= p.filled_to OR +m.change_seq > p.known_at"
    " WHERE p.database_id = ?1 AND m.sent_at >= ?2"
    " AND m.chat NOT IN (SELECT value FROM json_each(?3)) AND NOT EXISTS (SELECT 1 FROM outbox o"
    "   WHERE o.database_id = ?1 AND (o.chat, o.id, o.drop_number) = (m.chat, m.id, m.drop_number))"
    " ORDER BY m.change_seq DESC LIMIT 1"
)
_COUNTS = (
    "SELECT (SELECT count(*) FROM outbox WHERE database_id = ?1 AND error IS NULL),"
    " (SELECT count(*) FROM outbox WHERE database_id = ?1 AND error IS NOT NULL),"
    " (SELECT min(queued_at) FROM outbox WHERE database_id = ?1 AND error IS NULL),"
    " (SELECT count(*) FROM mention m JOIN publication p ON p.database_id = ?1"
    "   WHERE m.change_seq > p.filled_to AND m.change_seq <= p.known_at)"
)


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How far publishing to one database is behind."""

    pending: int
    parked: int
    oldest_pending_s: float
    """Seconds; 0.0 if nothing is pending."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox tables, read outside the writer's lock and written through it."""

    writer: Writer
    query: Callable[..., list[tuple[Any, ...]]]
    clock: Callable[[], float]

    def pending(self, database_id: str, limit: int) -> list[tuple[int, Mention]]:
        """The oldest mentions that this database has not got, with the mark to give back."""
        self._meet(database_id)
        rows = self.query(_PENDING, database_id, limit)
        while len(rows) < limit and self._fill(database_id):
            rows = self.query(_PENDING, database_id, limit)
        return [(row[0], self._mention(row[1:])) for row in rows]

    def delivered(self, database_id: str, done: Iterable[tuple[int, Mention]]) -> None:
        """Mark what the database has; a mention that changed meanwhile stays pending."""
        several = list(done)
        for start in range(0, len(several), 100):
            with self.writer.transaction("cannot mark what was published"):
                for change_seq, mention in several[start : start + 100]:
                    self.writer.execute(_DELIVERED, database_id, *_key(mention), change_seq)

    def park(self, database_id: str, change_seq: int, mention: Mention, error: str) -> None:
        """Put aside what the database refuses for what it is; a change of it tries again."""
        with self.writer.transaction("cannot park a mention"):
            self.writer.execute(_PARK, error, database_id, *_key(mention), change_seq)

    def unpark(self, database_id: str) -> None:
        """Try everything that was parked again."""
        with self.writer.transaction("cannot unpark"):
            self.writer.execute(
                "UPDATE outbox SET error = NULL WHERE database_id = ? AND error IS NOT NULL",
                database_id,
            )

    def last_published(self, database_id: str) -> Mention | None:
        """The newest change within the horizon that this database has got; None for an unknown."""
        days = self.writer.projects.horizon_days if self.writer.projects else 0
        since = int((self.clock() - days * 86_400) * 1000)
        rows = self.query(_LAST, database_id, since, self._unpublished())
        return self._mention(rows[0]) if rows else None

    def publish_again(self, database_id: str) -> None:
        """Forget what this database has got: it is met anew."""
        with self.writer.transaction("cannot begin publishing again"):
            self.writer.execute("DELETE FROM outbox WHERE database_id = ?", database_id)
            self.writer.execute("DELETE FROM publication WHERE database_id = ?", database_id)
            self.writer.known.databases.discard(database_id)

    def counts(self, database_id: str | None) -> OutboxCounts:
        """What waits for a database; for an unknown one (None) everything does."""
        if database_id is None or database_id not in self.writer.known.databases:
            ((pending,),) = self.query("SELECT count(*) FROM mention")
            return OutboxCounts(pending, 0, 0.0)
        ((pending, parked, oldest, unfilled),) = self.query(_COUNTS, database_id)
        age = 0.0 if oldest is None else max(0.0, self.clock() - oldest / 1000)
        return OutboxCounts(pending + unfilled, parked, age)

    def _meet(self, database_id: str) -> None:
        if database_id in self.writer.known.databases:
            return
        with self.writer.transaction("cannot begin publishing"):
            self.writer.execute(
                "INSERT OR IGNORE INTO publication SELECT ?, seq, 0 FROM store", database_id
            )
            self.writer.known.databases.add(database_id)

    def _fill(self, database_id: str) -> bool:
        ((known_at, filled_to),) = self.query(
            "SELECT known_at, filled_to FROM publication WHERE database_id = ?", database_id
        )
        if filled_to >= known_at:
            return False
        chunk = self.query(
            "SELECT change_seq FROM mention WHERE change_seq > ? AND change_seq <= ?"
            " ORDER BY change_seq LIMIT ?",
            filled_to, known_at, FILL,
        )  # fmt: skip
        reached = chunk[-1][0] if len(chunk) == FILL else known_at
        with self.writer.transaction("cannot fill the outbox"):
            self.writer.execute(
                _FILL, database_id, int(self.clock() * 1000), filled_to, reached,
                self._unpublished(), FILL,
            )  # fmt: skip
            self.writer.execute(
                "UPDATE publication SET filled_to = ? WHERE database_id = ?", reached, database_id
            )
        return True

    def _unpublished(self) -> str:
        """The groups whose mentions are not for the bridges to publish, as JSON."""
        projects = self.writer.projects.projects if self.writer.projects else ()
        return json.dumps([project.group for project in projects if not published(project)])

    def _mention(self, row: tuple[Any, ...]) -> Mention:
        drop_number, chat, id_, project, sent_at, lid, pn, user_name, withdrawn, as_of, as_of_id = (
            row
        )
        moment = _moment(sent_at)
        return Mention(
            drop_number=drop_number,
            chat=chat,
            message_id=id_,
            project=project,
            sent_at=moment,
            as_of=_moment(as_of),
            as_of_id=as_of_id,
            author_lid=lid,
            author_pn=pn,
            user_name=user_name,
            withdrawn=bool(withdrawn),
            held_back=self._held_back(chat, sent_at, moment),
        )

    def _held_back(self, chat: str, sent_at: int, moment: datetime) -> bool:
        projects = self.writer.projects
        if projects is None:
            return False
        if sent_at / 1000 < self.clock() - projects.horizon_days * 86_400:
            return True
        project = projects.by_group(chat)
        return project is not None and project.starts_at is not None and moment < project.starts_at


def _key(mention: Mention) -> tuple[str, str, str]:
    return mention.chat, mention.message_id, mention.drop_number


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
