"""A store with real files, rules and a clock that stands still, and ways to look into it."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bridge.store import Store
from contracts.drops import DEFAULT_PATTERN, compile_pattern
from contracts.messages import messages_file, open_for_reading
from contracts.projects import Project, Projects
from tests.bridge.events import GROUP, T0

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - given to tempfile
"""Where a test that makes hundreds of stores puts them: a process that dies loses nothing there."""

NOW = T0 / 1000 + 3_600

Event = tuple[str, bytes]
"""Kind and payload, as they are captured."""


def rules(
    pattern: str = DEFAULT_PATTERN,
    *,
    group: str = GROUP,
    name: str = "Velo Test",
    starts_at: datetime | None = None,
    rules_hash: str | None = None,
) -> Projects:
    """One project for one group."""
    project = Project(
        name=name,
        group=group,
        environments=("prod",),
        pattern=compile_pattern(pattern),
        starts_at=starts_at,
        rules_hash=rules_hash or f"{name} {pattern}",
    )
    return Projects((project,), ZoneInfo("Africa/Johannesburg"), 30, 10)


def still() -> float:
    """An hour after the tests' messages."""
    return NOW


def open_store(volume: Path, clock: Callable[[], float] = still) -> Store:
    """A store whose time stands still."""
    return Store(volume, "primary", clock=clock)


def feed(store: Store, events: Iterable[Event], *, at: int = T0 + 5) -> None:
    """Capture events one after the other."""
    for kind, payload in events:
        store.capture(kind, payload, at, live=True)


def settle(store: Store) -> None:
    """Interpret until nothing waits."""
    while store.interpret_pending():
        pass


def rows(volume: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What a reader of the file sees."""
    with closing(open_for_reading(messages_file(volume))) as db:
        return db.execute(sql, values).fetchall()


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """A message as its readers see it; `n` is left out, it depends on arrival."""

    chat: str
    id: str
    lid: str
    pn: str
    kind: str
    content: str
    deleted: int
    own: int
    sent_at: int
    edited_at: int


def messages(volume: Path) -> list[Seen]:
    """All messages, sorted by evidence."""
    found = rows(
        volume,
        "SELECT chat, id, coalesce(author_lid, ''), coalesce(author_pn, ''), kind, content,"
        " deleted, own, sent_at, coalesce(edited_at, 0) FROM message WHERE superseded_by IS NULL",
    )
    return sorted(Seen(*row) for row in found)


def contents(volume: Path) -> dict[str, Sequence[str]]:
    """The texts by id, edits and revokes left out."""
    found: dict[str, Sequence[str]] = {}
    for id_, content in rows(volume, "SELECT id, content FROM messages ORDER BY id, content"):
        found[id_] = [*found.get(id_, ()), content]
    return found


def mentions(volume: Path) -> dict[str, tuple[Any, ...]]:
    """Drop -> (id, author, withdrawn, sent_at, as_of_id); never found to be none."""
    found = rows(
        volume,
        "SELECT drop_number, id, coalesce(author_lid, ''), coalesce(author_pn, ''), withdrawn,"
        " sent_at, as_of_id FROM mention WHERE withdrawn < 2 ORDER BY drop_number, id",
    )
    return {f"{drop} {id_}": tuple(rest) for drop, id_, *rest in found}


def corrupt(volume: Path, sql: str) -> None:
    """Change a file behind the store's back."""
    with closing(sqlite3.connect(messages_file(volume))) as db:
        db.execute(sql)
        db.commit()
