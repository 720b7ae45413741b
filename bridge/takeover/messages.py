"""Read the tables of an older messages.db, and hand what they say to the store."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from bridge.takeover.files import NotTakenOver
from bridge.takeover.rows import NEEDED, Event, Fault, Judged, judge_chat, judge_message

BATCH = 500
"""Rows that become durable in one transaction."""


class Target(Protocol):
    """Where events go."""

    def take_over(self, events: Iterable[Event]) -> int:
        """Store what is not there yet; gives how many were new."""


@dataclass(slots=True)
class Tally:
    """What became of the rows."""

    messages: int = 0
    deleted: int = 0
    elsewhere: int = 0
    """Of direct messages and broadcasts, which are not kept."""
    new: int = 0
    faults: list[Fault] = field(default_factory=list)

    def lines(self, shown_as: str) -> Iterator[str]:
        """Say it, one sentence a line."""
        yield f"{self.messages} messages of groups, {self.deleted} of them deleted"
        yield f"{self.elsewhere} messages of no group, which are not kept"
        yield f"{self.new} of the groups' messages, names and deletions are new here"
        for one in self.faults:
            value = f"{one.column} {one.value}"
            yield f"left out: {shown_as} {one.table} {one.key}: {value}: {one.reason}"


def read_into(file: Path, target: Target, zone: tzinfo | None) -> Tally:
    """Judge every row and hand over the good ones; raises NotTakenOver, StoreUnavailable."""
    tally = Tally()
    now = datetime.now(UTC)
    try:
        with closing(_opened(file)) as db:
            _refuse_unknown(db, file)
            judged = (judge_chat(row) for row in _rows(db, "chats"))
            _hand_over(judged, target, tally)
            judged = (_counted(row, zone, now, tally) for row in _rows(db, "messages"))
            _hand_over(judged, target, tally)
    except sqlite3.Error as error:
        raise NotTakenOver(f"{file.name} cannot be read: {error}") from error
    return tally


def _counted(row: dict[str, Any], zone: tzinfo | None, now: datetime, tally: Tally) -> Judged:
    judged = judge_message(row, zone, now)
    tally.messages += bool(judged.events)
    tally.deleted += len(judged.events) > 1
    tally.elsewhere += not judged.events and not judged.faults
    return judged


def _hand_over(judged: Iterable[Judged], target: Target, tally: Tally) -> None:
    rows = iter(judged)
    while batch := list(islice(rows, BATCH)):
        tally.faults += [fault for one in batch for fault in one.faults]
        tally.new += target.take_over([event for one in batch for event in one.events])


def _opened(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file)
    db.row_factory = sqlite3.Row
    db.text_factory = _text
    return db


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw  # judged with the row that it belongs to


def _rows(db: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    statements = {"chats": "SELECT * FROM chats", "messages": "SELECT * FROM messages"}
    for row in db.execute(statements[table]):
        yield dict(row)


def _refuse_unknown(db: sqlite3.Connection, file: Path) -> None:
    ((state,),) = db.execute("PRAGMA quick_check(1)")
    if state != "ok":
        raise NotTakenOver(f"{file.name} is damaged: {state}")
    kinds = dict(db.execute("SELECT name, type FROM sqlite_schema").fetchall())
    if "store" in kinds:
        raise NotTakenOver(f"{file.name} is one of Twinbridge's own: it needs no taking over")
    if "messages" not in kinds or "chats" not in kinds:
        raise NotTakenOver(f"{file.name} has no tables `chats` and `messages`")
    columns = {row["name"] for row in db.execute("PRAGMA table_info(messages)")}
    if NEEDED - columns:
        missing = ", ".join(sorted(NEEDED - columns))
        raise NotTakenOver(f"`messages` in {file.name} lacks the columns {missing}")
