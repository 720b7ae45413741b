"""What alerts must not forget: conditions, messages, who has had them; one SQLite file.

Each call is a transaction of its own on a connection of its own, durable when it returns, so that
the service may be killed between any two lines and the commands may write beside it.
"""

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from alerts.judgement import Condition, Finding, Key, Kind

log = logging.getLogger(__name__)

VERSION = 1
TRIES = 5
"""After so many tries the next message has its turn, or one that is refused would block all."""
_KEEP_S = 30 * 86_400.0


class BookUnavailable(Exception):
    """The file cannot be read or written now; the reason is SQLite's."""


class BookIncompatible(Exception):
    """The file is of a newer version."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it is sent; `subject` and `part` say what it is about, if anything."""

    kind: Kind
    title: str
    body: str
    urgent: bool
    subject: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A letter that a sink has not had."""

    id: int
    letter: Letter


@dataclass(frozen=True, slots=True)
class Waiting:
    """What has not been delivered to one sink."""

    sink: str
    letters: int
    oldest_at: float
    trouble: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter at one sink; `trouble` says why it is not there."""

    sink: str
    delivered: bool
    trouble: str


class Book:
    """The file in the volume of alerts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self, sinks: Iterable[str]) -> None:
        """Make the file if there is none, and let what waits go to the sinks that there are now.

        A file that is damaged is set aside, because alerts that do not run are worse than a fault
        that is told twice.

        Raises:
            BookUnavailable: it cannot be opened.
            BookIncompatible: a newer version has written it.
        """
        try:
            self._prepare(tuple(sinks))
        except sqlite3.DatabaseError as damaged:
            if isinstance(damaged, sqlite3.OperationalError):
                raise BookUnavailable(str(damaged)) from damaged
            aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
            self._path.rename(aside)
            log.error("the book was damaged and is set aside", extra={"reason": str(damaged)})
            self._prepare(tuple(sinks))

    def _prepare(self, sinks: tuple[str, ...]) -> None:
        with self._transaction() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                reason = f"{self._path.name} is of version {version}; this is version {VERSION}"
                raise BookIncompatible(reason)
            if version == 0:
                for statement in _statements():
                    db.execute(statement)
            (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise sqlite3.DatabaseError(said)
            for sink in sinks:
                db.execute(_ADDRESSED, (sink,))
            waits = "SELECT DISTINCT sink FROM delivery WHERE delivered_at IS NULL"
            known = {name for (name,) in db.execute(waits)} if sinks else set[str]()
            for gone in known - set(sinks):
                db.execute(_UNADDRESSED, (gone,))

    def conditions(self) -> dict[Key, Condition]:
        """All that is remembered of what was seen."""
        with self._transaction() as db:
            return {one.finding.key: one for one in _conditions(db)}

    def waiting_keys(self) -> frozenset[Key]:
        """What has a letter that no sink has had, although there is one."""
        with self._transaction() as db:
            return frozenset(db.execute(_WAITING_KEYS).fetchall())

    def settle(
        self,
        conditions: Iterable[Condition],
        letters: Iterable[Letter],
        sinks: Iterable[str],
        at: float,
        facts: Mapping[str, str],
    ) -> None:
        """Write what a look came to, whole or not at all."""
        with self._transaction() as db:
            # A person may have acknowledged since this look was judged.
            known = {one.finding.key: one.told_word for one in _conditions(db) if one.acknowledged}
            db.execute("DELETE FROM condition")
            for one in conditions:
                seen = one.acknowledged or known.get(one.finding.key, "") == one.told_word != ""
                db.execute(_REMEMBER, _row(one, seen))
            for letter in letters:
                _post(db, letter, tuple(sinks), at)
            for name, value in facts.items():
                db.execute(_NOTE, (name, value))
            db.execute(
                "DELETE FROM delivery WHERE letter IN (SELECT id FROM letter WHERE at < ?)",
                (at - _KEEP_S,),
            )
            db.execute("DELETE FROM letter WHERE at < ?", (at - _KEEP_S,))

    def post(self, letter: Letter, sinks: Iterable[str], at: float) -> int:
        """Put one letter into the outbox; returns its id."""
        with self._transaction() as db:
            return _post(db, letter, tuple(sinks), at)

    def acknowledge(self, conditions: Iterable[Condition]) -> None:
        """Write that a person knows of these."""
        with self._transaction() as db:
            for one in conditions:
                db.execute(
                    "UPDATE condition SET acknowledged = 1"
                    " WHERE subject = ? AND part = ? AND told_word = ?",
                    (*one.finding.key, one.told_word),
                )

    def facts(self) -> dict[str, str]:
        """Small things that are remembered by name."""
        with self._transaction() as db:
            return dict(db.execute("SELECT name, value FROM fact").fetchall())

    def note(self, facts: Mapping[str, str]) -> None:
        """Remember small things by name."""
        with self._transaction() as db:
            db.executemany(_NOTE, facts.items())

    def next_for(self, sink: str) -> Due | None:
        """The letter that this sink is to have next."""
        with self._transaction() as db:
            row = db.execute(_NEXT, (sink, TRIES)).fetchone()
        if row is None:
            return None
        identity, kind, title, body, urgent, subject, part = row
        return Due(identity, Letter(Kind(kind), title, body, bool(urgent), subject, part))

    def record(self, letter: int, sink: str, trouble: str, at: float) -> None:
        """Write what a try to deliver came to; no trouble: it is there."""
        with self._transaction() as db:
            db.execute(
                "UPDATE delivery SET tries = tries + 1, trouble = ?, delivered_at = ?"
                " WHERE letter = ? AND sink = ?",
                (trouble, None if trouble else at, letter, sink),
            )

    def waiting(self) -> tuple[Waiting, ...]:
        """What waits, by sink."""
        with self._transaction() as db:
            return tuple(Waiting(*row) for row in db.execute(_WAITING))

    def fate(self, letter: int) -> tuple[Fate, ...]:
        """What became of one letter, at each sink."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT sink, delivered_at IS NOT NULL, trouble FROM delivery WHERE letter = ?",
                (letter,),
            )
            return tuple(Fate(sink, bool(there), trouble) for sink, there, trouble in rows)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
                # The rollback journal with its directory entry synced: no -wal to lose beside it.
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
        except sqlite3.OperationalError as trouble:
            raise BookUnavailable(str(trouble)) from trouble


def _statements() -> list[str]:
    schema = files("alerts").joinpath("schema.sql").read_text(encoding="utf-8")
    return [statement for statement in schema.split(";") if statement.strip()]


def _conditions(db: sqlite3.Connection) -> Iterator[Condition]:
    for row in db.execute(
        "SELECT subject, part, word, reason, urgent, daily,"
        " present, since, unfit_since, told_word, told_at, acknowledged FROM condition"
    ):
        subject, part, word, reason, urgent, daily, present, since, unfit, told, at, known = row
        finding = Finding(subject, part, word, reason, bool(urgent), bool(daily))
        yield Condition(finding, bool(present), since, unfit, told, at, bool(known))


def _row(one: Condition, acknowledged: bool) -> tuple[object, ...]:
    f = one.finding
    return (
        *(f.subject, f.part, f.word, f.reason, f.urgent, f.daily),
        *(one.present, one.since, one.unfit_since, one.told_word, one.told_at, acknowledged),
    )


def _post(db: sqlite3.Connection, letter: Letter, sinks: tuple[str, ...], at: float) -> int:
    cursor = db.execute(
        "INSERT INTO letter (at, kind, title, body, urgent, subject, part)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (at, letter.kind, letter.title, letter.body, letter.urgent, letter.subject, letter.part),
    )
    identity = int(cursor.lastrowid or 0)
    db.executemany(
        "INSERT INTO delivery (letter, sink) VALUES (?, ?)", [(identity, sink) for sink in sinks]
    )
    return identity


_REMEMBER = "INSERT INTO condition VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NOTE = "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_ADDRESSED = """
INSERT OR IGNORE INTO delivery (letter, sink)
SELECT letter, ? FROM delivery GROUP BY letter HAVING count(delivered_at) = 0
"""
_UNADDRESSED = "DELETE FROM delivery WHERE sink = ? AND delivered_at IS NULL"
_WAITING_KEYS = """
SELECT DISTINCT subject, part FROM letter
WHERE subject <> '' AND EXISTS (SELECT 1 FROM delivery WHERE letter = id)
  AND NOT EXISTS (SELECT 1 FROM delivery WHERE letter = id AND delivered_at IS NOT NULL)
"""
_NEXT = """
SELECT id, kind, title, body, urgent, subject, part FROM letter JOIN delivery ON letter = id
WHERE sink = ? AND delivered_at IS NULL ORDER BY tries / ?, id LIMIT 1
"""
_WAITING = """
SELECT sink, count(*), min(at),
       coalesce((SELECT trouble FROM delivery AS d WHERE d.sink = delivery.sink
                 AND d.delivered_at IS NULL AND d.trouble <> '' ORDER BY letter DESC LIMIT 1), '')
FROM delivery JOIN letter ON letter = id WHERE delivered_at IS NULL GROUP BY sink
"""
