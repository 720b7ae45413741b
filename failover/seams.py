"""Where the two halves of failover meet: what decides, and what acts on Docker and the disk.

The deciding half (controller.py and the pure modules behind it) knows nothing of Docker. It asks
an `Engine` what runs, tells it where the monitors are to stand, and keeps what it has decided in a
`Memory` before anything acts on it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class EngineAway(Exception):
    """Docker did not answer, or not in time: nothing is known, which is never "it is down"."""


class ProcessWord(StrEnum):
    """What the process of a bridge does, as Docker lists its container."""

    RUNNING = "running"
    FROZEN = "paused"  # by `docker pause`: a person did that
    RESTARTING = "restarting"  # its restart policy is about to bring it back
    STOPPED = "stopped"  # exited or never started, and nothing will bring it back
    GONE = "gone"  # no container of that service


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The process of one bridge, and the engine's words about it (exit code, since when)."""

    word: ProcessWord
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Follower:
    """Where one monitor stands: the bridge whose messages it reads, and by which decision."""

    service: str
    side: str | None
    """None: no container, or its volume is of no known bridge."""
    epoch: int
    """Of the decision that made the container; 0 if Compose made it."""
    running: bool
    pinned_to: str | None = None
    """The bridge that a person named by READ_FROM when Compose made this very container."""
    container: str = ""
    """The container's id, so that a pin is adopted once and can be released."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What became of one call of `place`: the followers afterwards, and what could not be done."""

    side: str
    epoch: int
    followers: tuple[Follower, ...] = ()
    moved: tuple[str, ...] = ()
    """Services whose container this very call replaced or repaired."""
    troubles: Mapping[str, str] = field(default_factory=dict)
    """By service: why it does not stand where it should; empty when all do."""
    settling: bool = False
    """Nothing was done yet, since Compose may be at work: ask again."""
    gave_up: bool = False
    """Somebody keeps undoing it (3 times in 10 minutes): a person is needed."""

    @property
    def done(self) -> bool:
        """Whether every follower stands where it should."""
        return not (self.troubles or self.settling or self.gave_up)


class Engine(Protocol):
    """Docker, by verbs. Every method may raise EngineAway, and none hangs for ever."""

    async def bridges(self) -> Mapping[str, ProcessState]:
        """The process of every bridge of stack.yaml, by the bridge's name (`primary`)."""

    async def followers(self) -> Sequence[Follower]:
        """Where every monitor stands; changes nothing."""

    async def place(self, side: str, epoch: int) -> Placement:
        """See that every monitor reads that bridge: the reconcile, called every 2 s.

        Cheap and without effect where they do. Safe to be killed at any moment and called anew.
        """

    async def restart(self, bridge: str) -> None:
        """Restart the container of that bridge; returns when it has been started again."""

    def acknowledge(self) -> None:
        """A person has told something: what was given up (Placement.gave_up) is tried again."""

    def events(self) -> AsyncIterator[str]:
        """A service's name whenever something happens to its container; only a hint to look.

        Never ends and never raises: a stream that broke is opened anew.
        """


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the history: what was decided or done, and the evidence it rests on."""

    at: float
    """Seconds since 1970."""
    what: str
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Memory(Protocol):
    """What survives the controller: one JSON file, replaced as a whole, synced before return."""

    @property
    def trust(self) -> Mapping[str, Any] | None:
        """What was last kept; None at the very first start."""

    def keep(self, trust: Mapping[str, Any], happening: Happening | None = None) -> None:
        """Make it durable, with a line of history if something happened; raises OSError.

        Blocking (an fsync): called from a thread.
        """

    def history(self, at_most: int) -> Sequence[Happening]:
        """The newest lines, oldest first."""
