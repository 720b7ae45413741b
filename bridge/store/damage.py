"""A damaged messages.db is set aside as a whole, and its successor says so.

Killed at any moment, the next start goes on: the reason is written into the directory before that
is renamed, and every directory with a reason is a loss in whatever store stands beside it, until
somebody has taken it away.
"""

import logging
import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import apsw

from bridge.store.connection import StoreDamaged, StoreUnavailable, set_aside, translated
from contracts.messages import DIRECTORY, FILE

log = logging.getLogger(__name__)

NOTE = "damaged.txt"
SET_ASIDE = "messages.db was set aside"
"""How the text of such a loss begins."""

P = ParamSpec("P")
T = TypeVar("T")


class Replaceable(Protocol):
    """What can begin anew; `generation` counts how often it did, `broken` says why it must."""

    generation: int
    broken: str | None

    def begin_anew(self, generation: int, reason: str) -> None:
        """Replace what was damaged, unless another thread has done it since `generation`."""


S = TypeVar("S", bound=Replaceable)


def replacing(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """A method that, where it meets damage, replaces the file and asks its caller to try again."""

    @wraps(method)
    def guarded(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        generation = store.generation
        if store.broken is not None:  # it could not begin anew the last time
            store.begin_anew(generation, store.broken)
        try:
            return method(store, *args, **kwargs)
        except StoreDamaged as damaged:
            store.begin_anew(generation, str(damaged))
            raise StoreUnavailable(str(damaged)) from damaged

    return guarded


def is_whole(volume: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file itself, on a connection of its own."""
    try:
        db = apsw.Connection(str(volume / DIRECTORY / FILE))
    except apsw.Error:
        return False
    try:
        return list(db.execute("PRAGMA quick_check(1)")) == [("ok",)]
    except apsw.Error:
        return False
    finally:
        db.close(True)


def condemn(volume: Path, reason: str) -> None:
    """Write the reason down and set the file aside; no process may have it open.

    Raises:
        StoreUnavailable: it is still where it was, or on its way; `finish` ends it.
    """
    with translated("cannot set the damaged messages.db aside"):
        note = volume / DIRECTORY / NOTE
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, reason.encode("utf-8", "replace"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    finish(volume)


def finish(volume: Path) -> None:
    """Set aside what was condemned, if a process was killed between the two."""
    if (volume / DIRECTORY / NOTE).exists():
        with translated("cannot set the damaged messages.db aside"):
            aside = set_aside(volume, time.time())
            log.critical("messages.db is damaged and was set aside", extra={"in": str(aside)})


def announce(db: apsw.Connection, volume: Path) -> None:
    """Make a loss of each file that was set aside; one that was taken away is none any more."""
    found = {note.parent.name: note for note in sorted(volume.glob(f"aside-*/{NOTE}"))}
    known = [id_ for (id_,) in db.execute("SELECT id FROM loss WHERE chat = ''")]
    for gone in set(known) - found.keys():
        db.execute("DELETE FROM loss WHERE chat = '' AND id = ?", (gone,))
    for name, note in found.items():
        if name not in known:
            text = f"{SET_ASIDE} in {name}: {note.read_text('utf-8', 'replace').strip()}"
            at = note.stat().st_mtime_ns // 1_000_000
            db.execute(
                "INSERT INTO loss (at, kind, text, chat, id) VALUES (?, 'detected', ?, '', ?)",
                (at, text, name),
            )
            log.error("loss", extra={"kind": "detected", "cause": text})
