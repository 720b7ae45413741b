"""What is older than the retention is deleted, if nobody waits for it; it never comes back as new.

A message goes as a whole: its copies, versions, amendments and mentions. It stays as long as it is
not published everywhere, waits to be computed or searched again, could not be read, or is what a
younger edit or delete speaks of; an edit stays as long as its message does.

The floor rises only while no event waits to be read. So whatever was received before the floor is
read, however long it waited, and a copy received later of something older is known already.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.store.transaction import Writer

BATCH = 50
"""Messages that are deleted in one transaction: capture waits that long."""

_UNREAD = "SELECT EXISTS (SELECT 1 FROM event WHERE read_by IS NULL)"
_OLD = (
    "SELECT DISTINCT sent_at, id FROM message"
    " WHERE chat = ? AND sent_at < ? AND (sent_at, id) > (?, ?) ORDER BY sent_at, id LIMIT ?"
)
_FREE = """
SELECT NOT EXISTS (SELECT 1 FROM message WHERE chat = ?1 AND id = ?2 AND sent_at >= ?3)
   AND NOT EXISTS (SELECT 1 FROM event WHERE chat = ?1 AND id = ?2
                    AND (read_by IS NULL OR error IS NOT NULL))
   AND NOT EXISTS (SELECT 1 FROM todo WHERE chat = ?1 AND id = ?2)
   AND NOT EXISTS (SELECT 1 FROM rules WHERE chat = ?1 AND replay_after IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM publication p JOIN outbox o USING (database_id)
                    WHERE o.chat = ?1 AND o.id = ?2)
   AND NOT EXISTS (SELECT 1 FROM mention m WHERE m.chat = ?1 AND m.id = ?2
                    AND (NOT EXISTS (SELECT 1 FROM publication)
                         OR EXISTS (SELECT 1 FROM publication p
                              WHERE m.change_seq > p.filled_to AND m.change_seq <= p.known_at)))
   AND NOT EXISTS (SELECT 1 FROM amendment a JOIN message y USING (chat, id)
                    WHERE a.chat = ?1 AND a.target_id = ?2 AND y.sent_at >= ?3)
   AND NOT EXISTS (SELECT 1 FROM amendment a JOIN message t
                       ON t.chat = a.chat AND t.id = a.target_id
                    WHERE a.chat = ?1 AND a.id = ?2 AND a.target_id <> ?2)
"""
_DELETE = (
    """
    UPDATE chat
       SET messages = messages - (SELECT count(*) FROM message WHERE chat = ?1 AND id = ?2)
     WHERE jid = ?1
    """,
    "DELETE FROM mention WHERE chat = ?1 AND id = ?2",
    "DELETE FROM amendment WHERE chat = ?1 AND id = ?2",
    "DELETE FROM message_version WHERE chat = ?1 AND id = ?2",
    "DELETE FROM loss WHERE chat = ?1 AND id = ?2",
    "DELETE FROM message WHERE chat = ?1 AND id = ?2",
    "DELETE FROM event WHERE chat = ?1 AND id = ?2",
)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Deletes what is old, in transactions as short as those of the interpreter."""

    writer: Writer
    query: Callable[..., list[tuple[Any, ...]]]

    def run(self, floor: int) -> int:
        """Delete what was sent before `floor` (milliseconds); gives how many messages went.

        Raises:
            StoreUnavailable: the rest is deleted another time.
        """
        if not self._raise(floor):
            return 0
        gone = sum(self._chat(chat, floor) for (chat,) in self.query("SELECT jid FROM chat"))
        with self.writer.transaction("cannot forget old losses"):
            self.writer.execute("DELETE FROM loss WHERE at < ? AND chat IS NOT ''", floor)
        return gone

    def _raise(self, floor: int) -> bool:
        with self.writer.transaction("cannot raise the floor"):
            ((waiting,),) = self.writer.execute(_UNREAD)
            if waiting:
                return False
            if floor > self.writer.known.floor:
                self.writer.execute("DELETE FROM pruning")
                self.writer.execute("INSERT INTO pruning VALUES (?)", floor)
                self.writer.known.floor = floor
            return True

    def _chat(self, chat: str, floor: int) -> int:
        gone, after = 0, (-1, "")
        while rows := self.query(_OLD, chat, floor, *after, BATCH):
            with self.writer.transaction("cannot delete old messages"):
                for _, identity in rows:
                    ((free,),) = self.writer.execute(_FREE, chat, identity, floor)
                    if free:
                        gone += 1
                        for statement in _DELETE:
                            self.writer.execute(statement, chat, identity)
            self.writer.give_way()
            after = rows[-1][0], rows[-1][1]
        return gone
