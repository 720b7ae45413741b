"""The store of one bridge: raw events first, what they mean later, and what is to be published."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import apsw

from bridge.event import INTERPRETER_VERSION, Captured, Interpretation, label, read
from bridge.history import pieces
from bridge.store import damage, knowledge
from bridge.store.connection import StoreDamaged, open_reader, open_writer, translated
from bridge.store.counts import Counts, RecentGroup, read_counts, read_losses, read_recent
from bridge.store.damage import replacing
from bridge.store.heard import Window, heard_after, lacking
from bridge.store.interpretation import Interpretations
from bridge.store.outbox import Outbox, OutboxCounts
from bridge.store.retention import Pruning
from bridge.store.takeover import Older, take_over
from bridge.store.texts import GroupText, texts_between
from bridge.store.transaction import Writer
from contracts.ledger import Mention
from contracts.messages import DIRECTORY, FILE
from contracts.projects import Projects

log = logging.getLogger(__name__)

CHECKPOINT_AT = 1_000
"""Pages of 4 KiB in the `-wal` from which they are copied into the file, beside the writer."""

TRUNCATE_AT = 4_000
"""Pages from which the writer waits for the copying, so that the `-wal` begins anew."""

_CAPTURE = (
    "INSERT INTO event (kind, payload, received_at, live, chat, id) VALUES (?, ?, ?, ?, ?, ?)"
)

_CAPTURE_HISTORY = (
    "INSERT INTO event (kind, payload, received_at, live, chat, id)"
    " SELECT ?1, ?2, ?3, 0, ?4, ?5 WHERE NOT EXISTS"
    " (SELECT 1 FROM event WHERE chat = ?4 AND id = ?5 AND kind = ?1 AND payload = ?2)"
)
"""A phone tells its history at every pairing: what it told before is not stored again."""


_News = TypeVar("_News", int, bool)


class Store:
    """`messages.db` of one bridge; safe to be called from several threads.

    One connection writes, guarded by one lock; another one reads, so that neither health nor the
    publisher ever delays capture.
    """

    def __init__(self, volume: Path, bridge: str, clock: Callable[[], float] = time.time) -> None:
        """Open or create `<volume>/current/messages.db`.

        Raises:
            StoreIncompatible: the file is another bridge's, or of a later version.
            StoreUnavailable: the directory or the file cannot be used.
        """
        self.on_captured: Callable[[], object] = lambda: None
        """Wakes the interpreter: called once an event is durable, in the thread that captured it,
        and when something became known that makes stored messages due again."""
        self.generation = 0
        """How many files were replaced while this store was open."""
        self.broken: str | None = None
        """Why there is no file to work on."""
        self._volume = volume
        self._bridge = bridge
        self._path = volume / DIRECTORY / FILE
        self._clock = clock
        self._doubted = False
        damage.finish(volume)
        try:
            self._writer, self._reader = self._open()
        except StoreDamaged as damaged:
            damage.condemn(volume, str(damaged))
            self._writer, self._reader = self._open()
        self._reading = threading.Lock()
        self._interpretations = Interpretations(self._writer, self._query, clock)
        self._outbox = Outbox(self._writer, self._query, clock)
        self._read_again()

    def _open(self) -> tuple[Writer, apsw.Connection]:
        db = open_writer(self._volume, self._bridge)
        try:
            with translated("cannot read messages.db"):
                with db:
                    damage.announce(db, self._volume)
                return Writer(db), open_reader(self._volume)
        except BaseException:
            db.close()
            raise

    def begin_anew(self, generation: int, reason: str) -> None:
        """Set a damaged file aside and go on with a new one; what waits to be stored tries again.

        Known numbers and rules go into the new file. A file that SQLite finds whole is only opened
        again, once: what was read wrongly may have been memory.
        """
        with self._writer.lock, self._reading:
            if self.generation != generation:
                return
            projects, known = self._writer.projects, self._writer.known
            own, phones = set(known.own), dict(known.phones)
            self.broken = reason
            for connection in (self._reader, self._writer.db):
                connection.close(True)
            trusted = not self._doubted and damage.is_whole(self._volume)
            if not trusted:
                damage.condemn(self._volume, reason)
            self._doubted = trusted
            writer, self._reader = self._open()
            self._writer.use(writer.db)
            self.broken = None
            self.generation += 1
        with self._writer.transaction("cannot begin a new messages.db"):
            now = int(self._clock() * 1000)
            for lid, pn in phones.items():
                knowledge.learn_pair(self._writer, lid, pn, "set aside", now)
            knowledge.own_numbers(self._writer, own)
            if projects is not None:
                knowledge.rules(self._writer, projects)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close for good; `-wal` and `-shm` stay, so that a read-only mount stays readable."""
        with self._writer.lock, self._reading:
            self._reader.close()
            self._writer.db.close()

    # -- capture ------------------------------------------------------------------------------

    @replacing
    def capture(self, kind: str, payload: bytes, received_at_ms: int, live: bool) -> None:
        """Store one event; it is durable when this returns. Called in neonize's thread.

        Args:
            kind: one of `bridge.event.Captured`.
            payload: the event as it came.
            received_at_ms: now.
            live: False for backlog, history and repair.

        Raises:
            StoreUnavailable: it is not stored; hold it and try again.
        """
        if (
            kind == Captured.HISTORY
            and (rows := _history_rows(payload, received_at_ms)) is not None
        ):
            self._capture_history(rows)
            return
        about = label(kind, payload)
        if not about.kept:
            return
        row = (str(kind), payload, received_at_ms, live, about.chat, about.id)
        with self._writer.capturing(), translated("cannot capture"):
            self._writer.db.execute(_CAPTURE, row)
        self.on_captured()

    def _capture_history(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Store the group messages of one history together."""
        db = self._writer.db
        with self._writer.capturing(), translated("cannot capture a history"), db:
            db.executemany(_CAPTURE_HISTORY, rows)
        self.on_captured()

    def take_over(self, events: Iterable[Older]) -> int:
        """Store what an older bridge heard and is not here yet; gives how many were new.

        Raises:
            StoreUnavailable: none of these is stored.
        """
        return self._woken(take_over(self._writer, events))

    @replacing
    def record_loss(
        self,
        kind: str,
        text: str,
        chat: str | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """Keep a suspected or `detected` loss; it stops counting when its message arrives."""
        with self._writer.transaction("cannot record a loss"):
            self._writer.execute(
                "INSERT OR IGNORE INTO loss (at, kind, text, chat, id) VALUES (?, ?, ?, ?, ?)",
                int(self._clock() * 1000), kind, text, chat, id,
            )  # fmt: skip

    def has_message(self, chat: str, id: str) -> bool:  # noqa: A002
        """Whether a copy of this message is stored, interpreted or not."""
        return any(
            isinstance(_readable(kind, payload), Interpretation)
            for kind, payload in self._query(
                "SELECT kind, payload FROM event WHERE chat = ? AND id = ?", chat, id
            )
        )

    # -- interpretation -----------------------------------------------------------------------

    @replacing
    def interpret_pending(self, limit: int = 50) -> int:
        """Work on what waits; returns how much was done, 0 if nothing waits.

        Raises:
            StoreUnavailable: what was not done waits on.
        """
        return self._interpretations.step(limit)

    @replacing
    def apply_rules(self, projects: Projects) -> int:
        """Search by these rules from now on; returns how many groups will be replayed."""
        with self._writer.transaction("cannot apply the rules"):
            replayed = knowledge.rules(self._writer, projects)
        return self._woken(replayed)

    @replacing
    def learn_alias(self, lid: str, pn: str, source: str) -> bool:
        """Know which phone number is behind a LID (digits); returns whether it was news."""
        with self._writer.transaction("cannot learn an alias"):
            now = int(self._clock() * 1000)
            news = knowledge.learn_pair(self._writer, lid, pn, source, now)
        return self._woken(news)

    def unresolved_lids(self, limit: int) -> tuple[str, ...]:
        """LIDs (digits) that wrote something and whose phone number is not known."""
        rows = self._query(
            "SELECT DISTINCT author_lid FROM message"
            " WHERE author_pn IS NULL AND author_lid IS NOT NULL LIMIT ?",
            limit,
        )
        return tuple(lid for (lid,) in rows)

    @replacing
    def set_own_numbers(self, numbers: Iterable[str]) -> bool:
        """Know our own numbers, phones and LIDs (digits); returns whether any was news.

        They only ever grow: an empty answer of a wrong database must not turn our own feedback
        into mentions.
        """
        with self._writer.transaction("cannot learn our own numbers"):
            news = knowledge.own_numbers(self._writer, numbers)
        return self._woken(news)

    # -- publishing ---------------------------------------------------------------------------

    @replacing
    def pending_mentions(self, database_id: str, limit: int) -> list[tuple[int, Mention]]:
        """The oldest mentions that this database has not got, each with its mark."""
        return self._outbox.pending(database_id, limit)

    @replacing
    def mark_published(self, database_id: str, done: Iterable[tuple[int, Mention]]) -> None:
        """Mark what the database has; a mention that changed meanwhile stays pending."""
        self._outbox.delivered(database_id, done)

    @replacing
    def park(self, database_id: str, change_seq: int, mention: Mention, error: str) -> None:
        """Put aside a mention that the database refuses for what it is."""
        self._outbox.park(database_id, change_seq, mention, error)

    @replacing
    def unpark(self, database_id: str) -> None:
        """Try what was parked again."""
        self._outbox.unpark(database_id)

    def last_published(self, database_id: str) -> Mention | None:
        """The newest mention within the horizon that this database has got."""
        return self._outbox.last_published(database_id)

    def publish_again(self, database_id: str) -> None:
        """Take every mention as one that this database has not got."""
        self._outbox.publish_again(database_id)

    def outbox(self, database_id: str | None) -> OutboxCounts:
        """How far publishing is behind."""
        return self._outbox.counts(database_id)

    # -- keeping ------------------------------------------------------------------------------

    @replacing
    def prune(self, floor_ms: int) -> int:
        """Delete what was sent before, and nobody waits for; gives how many messages went."""
        return Pruning(self._writer, self._query).run(floor_ms)

    def unused_bytes(self) -> int:
        """Room inside messages.db that is used before the file grows."""
        ((pages,),) = self._query("PRAGMA freelist_count")
        ((size,),) = self._query("PRAGMA page_size")
        return int(pages) * int(size)

    # -- looking ------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """Everything that health asks."""
        return read_counts(self._query, self.wal_bytes())

    def losses(self) -> tuple[tuple[str, str], ...]:
        """Kind and text of each loss whose message has not arrived, the newest first."""
        return read_losses(self._query)

    def recent(self, limit: int) -> tuple[RecentGroup, ...]:
        """The newest messages of every group."""
        return read_recent(self._query, limit)

    def texts_between(
        self, groups: Iterable[str], since_ms: int, until_ms: int, limit: int
    ) -> tuple[GroupText, ...]:
        """What others wrote in these groups, as it stands now; `limit` counts per group."""
        return tuple(texts_between(self._query, groups, since_ms, until_ms, limit))

    def heard_after(self, after: int) -> Window:
        """What was heard after a change, for the peers."""
        return heard_after(self._query, after, int(self._clock() * 1000))

    def lacking(self, identities: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Those `(chat, id)` of which nothing arrived here, not even an unreadable copy."""
        return lacking(self._query, identities)

    def wal_bytes(self) -> int:
        """The size of the `-wal`; above 64 MiB a reader is blocking the checkpoint."""
        try:
            return self._path.with_name(FILE + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    @replacing
    def checkpoint(self) -> None:
        """Keep the `-wal` bounded; called between interpretations, never by capture."""
        if self._writer.wal_pages < CHECKPOINT_AT:
            return
        with translated("cannot checkpoint"), self._reading:
            self._reader.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if self._writer.wal_pages >= TRUNCATE_AT:
            self._writer.truncate_wal()

    def _woken(self, news: _News) -> _News:
        if news:
            self.on_captured()
        return news

    @replacing
    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - SQL values
        with self._reading, translated("cannot read messages.db"):
            return list(self._reader.execute(sql, values))

    def _read_again(self) -> None:
        with self._writer.transaction("cannot prepare"):
            self._writer.execute(
                "UPDATE event SET read_by = NULL, error = NULL"
                " WHERE error IS NOT NULL AND read_by < ?",
                INTERPRETER_VERSION,
            )


def _history_rows(payload: bytes, received_at_ms: int) -> list[tuple[object, ...]] | None:
    """The rows of a history's group messages; None if it cannot be read, then it is kept whole."""
    kind = str(Captured.HISTORY)
    try:
        return [(kind, one.payload, received_at_ms, one.chat, one.id) for one in pieces(payload)]
    except Exception:  # whatever is wrong with it, holding it would stop capture
        log.exception("a history could not be taken apart, it is kept whole")
        return None


def _readable(kind: str, payload: bytes) -> object:
    try:
        return read(kind, payload, 0)
    except Exception:  # noqa: BLE001 - an event that cannot be read is stored all the same
        return None
