"""Looking into messages.db: open, fetch at most 500 rows, close; never longer than a moment.

A reader that stays open would hold up the bridge's checkpoint, and one of a file that was set aside
would read the old one for ever. So each look is a new one, and says whose file it saw.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.ledger import Mention
from contracts.messages import (
    MAX_ROWS,
    READ_MENTIONS,
    READ_OWN_NUMBERS,
    MessagesUnreadable,
    StoreIdentity,
    open_for_reading,
    read_identity,
)

BUSY_S = 1.0
"""How long a look waits for a lock; the bridge holds one only to cut its -wal back."""


class MessagesMissing(MessagesUnreadable):
    """There is no file: no bridge has made one here yet, or it was set aside."""


@dataclass(frozen=True, slots=True)
class Change:
    """A mention as the file has it now, and when it last changed there."""

    change_seq: int
    mention: Mention


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the file: whose it is, how far it has come, and what changed after a point."""

    identity: StoreIdentity
    inode: int
    changes: tuple[Change, ...]
    read_to: int
    """Everything up to this change_seq has been seen with this look."""


class MessagesFile:
    """The file at its fixed path, which may be missing, and which may be another one each time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def look(self, after: int, until: int | None = None) -> Look:
        """What changed after `after`, and up to `until`; at most 500 changes.

        Raises:
            MessagesUnreadable: with the reason.
        """
        inode = self._inode()
        with closing(open_for_reading(self.path, BUSY_S)) as db:
            try:
                # One transaction: the rows belong to the seq that is read with them.
                db.execute("BEGIN")
                identity = read_identity(db)
                last = identity.seq if until is None else min(until, identity.seq)
                rows = db.execute(READ_MENTIONS, (after, last)).fetchall()
            except sqlite3.Error as error:
                raise MessagesUnreadable(f"cannot read {self.path}: {error}") from error
        if self._inode() != inode:
            raise MessagesUnreadable(f"{self.path} was replaced while it was read")
        changes = tuple(_change(row) for row in rows)
        return Look(
            identity, inode, changes, changes[-1].change_seq if len(rows) >= MAX_ROWS else last
        )

    def own_numbers(self) -> tuple[str, ...]:
        """Digits of the numbers that the bridge knows to be ours.

        Raises:
            MessagesUnreadable: with the reason.
        """
        with closing(open_for_reading(self.path, BUSY_S)) as db:
            try:
                return tuple(str(number) for (number,) in db.execute(READ_OWN_NUMBERS))
            except sqlite3.Error as error:
                raise MessagesUnreadable(f"cannot read {self.path}: {error}") from error

    def _inode(self) -> int:
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            raise MessagesMissing(f"there is no {self.path}; no bridge has written here") from None
        except OSError as error:
            raise MessagesUnreadable(f"cannot see {self.path}: {error.strerror}") from error


def _change(row: tuple[Any, ...]) -> Change:
    change_seq, drop, chat, id_, project, sent_at, lid, pn, name, withdrawn, as_of, as_of_id = row
    mention = Mention(
        drop_number=drop,
        chat=chat,
        message_id=id_,
        project=project,
        sent_at=_moment(sent_at),
        as_of=_moment(as_of),
        as_of_id=as_of_id,
        author_lid=lid,
        author_pn=pn,
        user_name=name,
        withdrawn=bool(withdrawn),
    )
    return Change(change_seq, mention)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
