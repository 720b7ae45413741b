"""What the writer knows in memory, and one write transaction that keeps it true."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

import apsw

from bridge.merge import Evidence, resolve
from bridge.store.connection import BUSY_MS, translated
from contracts.projects import Projects


@dataclass(slots=True)
class Knowledge:
    """Small tables that every projection asks; read again whenever a transaction fails."""

    seq: int = 0
    phones: dict[str, str] = field(default_factory=dict)
    lids: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    databases: set[str] = field(default_factory=set)
    floor: int = 0
    """Milliseconds: what was sent before, and is not here, was deleted."""

    def load(self, db: apsw.Connection) -> None:
        """Take everything from the tables."""
        ((self.seq,),) = db.execute("SELECT seq FROM store")
        self.phones.clear()
        self.lids.clear()
        for lid, pn in db.execute("SELECT lid, pn FROM alias ORDER BY learned_at, lid"):
            self.pair(lid, pn)
        self.own = {number for (number,) in db.execute("SELECT number FROM own_number")}
        ((self.floor,),) = db.execute("SELECT coalesce(max(floor), 0) FROM pruning")
        self.databases = {one for (one,) in db.execute("SELECT database_id FROM publication")}

    def pair(self, lid: str, pn: str) -> None:
        """Know that the phone number is behind the LID; the first phone's LID is its LID."""
        self.phones[lid] = pn
        self.lids.setdefault(pn, lid)

    def resolved(self, author: Evidence) -> Evidence:
        """The author with what is missing filled in."""
        return resolve(author, self.phones, self.lids)

    def is_own(self, author: Evidence) -> bool:
        """Whether the author is one of our numbers."""
        return author.lid in self.own or author.pn in self.own


class Writer:
    """The only write connection of a messages.db, for one thread at a time."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.lock = Lock()
        self._wanted = 0
        self._captured = Event()
        self.known = Knowledge()
        self.projects: Projects | None = None
        self.wal_pages = 0
        """Pages in the `-wal` after the last commit; its file stays as large as it ever was."""
        self.use(db)

    def use(self, db: apsw.Connection) -> None:
        """Write through this connection from now on."""
        self.db = db
        self.wal_pages = 0
        db.set_wal_hook(self._committed)
        self.known.load(db)

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - SQL values
        """Run one statement of the current transaction."""
        return list(self.db.execute(sql, values))

    def next_seq(self) -> int:
        """The number of this change; gapless only inside the file, growing always."""
        self.known.seq += 1
        return self.known.seq

    def truncate_wal(self) -> None:
        """Copy the rest of the `-wal` into the file and empty it, unless a reader is in the way."""
        with self.lock, translated("cannot checkpoint"):
            self.db.set_busy_timeout(0)  # capture must not wait for a reader
            try:
                self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                self.wal_pages = 0
            except apsw.BusyError:
                pass  # the size of the file shows it if the reader stays
            finally:
                self.db.set_busy_timeout(BUSY_MS)

    def reload(self) -> None:
        """Take what is known from the tables again, after part of a transaction was undone."""
        seq = self.known.seq
        self.known.load(self.db)
        self.known.seq = seq

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """The lock, for the thread that must not wait; only one thread captures."""
        self._captured.clear()
        self._wanted = 1
        try:
            with self.lock:
                yield
        finally:
            self._wanted = 0
            self._captured.set()

    def give_way(self) -> None:
        """Let a capture that waits for the lock have it: Python's locks know no turns."""
        if self._wanted:
            self._captured.wait(timeout=0.05)

    @contextmanager
    def transaction(self, doing: str) -> Iterator[None]:
        """One durable transaction under the lock.

        Raises:
            StoreUnavailable: nothing of it was written.
        """
        with self.lock, translated(doing):
            before = self.known.seq
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                if self.known.seq != before:
                    self.db.execute("UPDATE store SET seq = ?", (self.known.seq,))
                self.db.execute("COMMIT")
            except BaseException:
                # Some errors (disk full) have rolled back already.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                self.known.load(self.db)
                raise
