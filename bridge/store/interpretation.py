"""From stored events to messages, in short transactions that may be interrupted anywhere."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import apsw
from google.protobuf.message import DecodeError

from bridge.event import INTERPRETER_VERSION, Captured, GroupFacts, Interpretation, read
from bridge.store.knowledge import learn_group, learn_pairs
from bridge.store.projection import Projection, Read
from bridge.store.transaction import Writer

log = logging.getLogger(__name__)

TRANSACTION_S = 0.004
"""Seconds a transaction may go on taking work: capture waits about so long for the lock."""

_WAITING = (
    "SELECT seq, kind, payload, received_at FROM event WHERE read_by IS NULL ORDER BY seq LIMIT ?"
)
_REPLAY = "SELECT chat, rules_hash, replay_after FROM rules WHERE replay_after IS NOT NULL LIMIT 1"
_REPLAYED = "SELECT DISTINCT id FROM message WHERE chat = ? AND id > ? ORDER BY id LIMIT ?"


class Job(Protocol):
    """One piece of work; done and remembered as done in the same transaction."""

    def do(self, projection: Projection) -> None:
        """Do it."""

    def give_up(self, projection: Projection, problem: Exception) -> None:
        """Remember that it failed, so that it stops nothing else and is seen."""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event that was not read before, and what reading it gave."""

    seq: int
    kind: str
    received_at: int
    said: Read
    error: str | None

    def do(self, projection: Projection) -> None:
        """Store what it says."""
        said = self.said
        error = said.error if isinstance(said, Interpretation) else self.error
        writer = projection.writer
        if isinstance(said, GroupFacts):
            learn_group(writer, said, projection.now)
            if self.kind != Captured.GROUP_CHANGE:
                # A list of all members comes with every login; what it said is stored by now.
                writer.execute("DELETE FROM event WHERE seq = ?", self.seq)
                return
        if isinstance(said, Interpretation) and _was_deleted(writer, said, self.received_at):
            writer.execute("DELETE FROM event WHERE seq = ?", self.seq)
            return
        _mark(writer, self.seq, error)
        if isinstance(said, Interpretation):
            writer.execute(
                "UPDATE event SET chat = ?, id = ? WHERE seq = ? AND (chat, id) IS NOT (?, ?)",
                said.chat, said.id, self.seq, said.chat, said.id,
            )  # fmt: skip
            learn_pairs(writer, (said.author,), "message", projection.now)
            projection.readings[self.seq] = said
            projection.project(said.chat, said.id)

    def give_up(self, projection: Projection, problem: Exception) -> None:
        """Leave it to a later interpreter; its bytes are kept."""
        _mark(projection.writer, self.seq, f"{type(problem).__name__}: {problem}")


@dataclass(frozen=True, slots=True)
class ProjectDue:
    """A message whose row depends on something that has changed."""

    chat: str
    id: str

    def do(self, projection: Projection) -> None:
        """Compute it again."""
        projection.project(self.chat, self.id)
        self._forget(projection)

    def give_up(self, projection: Projection, problem: Exception) -> None:
        """Keep the row as it is, and say so."""
        self._forget(projection)
        _lose(projection, self.chat, self.id, problem)

    def _forget(self, projection: Projection) -> None:
        projection.writer.execute("DELETE FROM todo WHERE chat = ? AND id = ?", self.chat, self.id)


@dataclass(frozen=True, slots=True)
class Replay:
    """A stored message that is searched by new rules; an id of None ends the replay."""

    chat: str
    rules_hash: str
    id: str | None

    def do(self, projection: Projection) -> None:
        """Compute its mentions again."""
        if self.id is not None:
            projection.project(self.chat, self.id)
        self._advance(projection)

    def give_up(self, projection: Projection, problem: Exception) -> None:
        """Go on with the next one, and say so."""
        self._advance(projection)
        _lose(projection, self.chat, self.id, problem)

    def _advance(self, projection: Projection) -> None:
        projection.writer.execute(
            "UPDATE rules SET replay_after = ? WHERE chat = ? AND rules_hash = ?",
            self.id, self.chat, self.rules_hash,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interpretations:
    """Does what waits: events first, then what they made due, then replays."""

    writer: Writer
    query: Callable[..., list[tuple[object, ...]]]
    """Reads on another connection, outside the writer's lock."""
    clock: Callable[[], float]

    def step(self, limit: int) -> int:
        """Do up to `limit` pieces of work of each sort; 0 if nothing waited.

        Raises:
            StoreUnavailable: some of it was not done and waits on.
        """
        jobs: list[Job] = [_read(*row) for row in self.query(_WAITING, limit)]  # type: ignore[arg-type]
        jobs += [ProjectDue(*row) for row in self.query("SELECT * FROM todo LIMIT ?", limit)]  # type: ignore[arg-type]
        if not jobs:
            jobs += self._replays(limit)
        self._run(jobs)
        return len(jobs)

    def _replays(self, limit: int) -> list[Replay]:
        for chat, rules_hash, after in self.query(_REPLAY):
            ids = [id_ for (id_,) in self.query(_REPLAYED, chat, after, limit)]
            ends = [None] if len(ids) < limit else []
            return [Replay(str(chat), str(rules_hash), id_) for id_ in (*ids, *ends)]  # type: ignore[arg-type]
        return []

    def _run(self, jobs: Sequence[Job]) -> None:
        position = 0
        while position < len(jobs):
            with self.writer.transaction("cannot interpret"):
                projection = Projection(self.writer, int(self.clock() * 1000))
                end = time.monotonic() + TRANSACTION_S
                while position < len(jobs):
                    _attempt(jobs[position], projection)
                    position += 1
                    if time.monotonic() > end:
                        break
            self.writer.give_way()


def _attempt(job: Job, projection: Projection) -> None:
    writer = projection.writer
    try:
        with writer.db:
            job.do(projection)
    except apsw.Error:
        raise
    except Exception as problem:
        # A supervising loop: whatever is wrong with one message must not stop the others.
        log.exception("interpretation failed")
        writer.reload()
        job.give_up(projection, problem)


def _read(seq: int, kind: str, payload: bytes, received_at: int) -> ReadEvent:
    try:
        return ReadEvent(seq, kind, received_at, read(kind, payload, received_at), None)
    except (DecodeError, ValueError) as problem:
        log.error("event not readable", extra={"event": seq, "kind": kind, "error": str(problem)})
        return ReadEvent(seq, kind, received_at, None, f"{type(problem).__name__}: {problem}")


def _was_deleted(writer: Writer, said: Interpretation, received_at: int) -> bool:
    """Whether this is another copy of what the retention has deleted."""
    if not said.sent_at < writer.known.floor <= received_at:
        return False
    return not writer.execute(
        "SELECT 1 FROM message WHERE chat = ? AND id = ? LIMIT 1", said.chat, said.id
    )


def _mark(writer: Writer, seq: int, error: str | None) -> None:
    writer.execute(
        "UPDATE event SET read_by = ?, error = ? WHERE seq = ?", INTERPRETER_VERSION, error, seq
    )


def _lose(projection: Projection, chat: str, id_: str | None, problem: Exception) -> None:
    projection.writer.execute(
        "INSERT OR IGNORE INTO loss (at, kind, text, chat, id) VALUES (?, ?, ?, ?, ?)",
        projection.now, "not projected", f"{type(problem).__name__}: {problem}", chat, id_,
    )  # fmt: skip
