"""The next step by which one monitor comes to read the right volume. Pure.

There is no journal of steps: each one follows from what the engine lists and where the monitor is
to stand, so a controller may be killed between any two of them. Break before make: an old
container is proved stopped before the new one starts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SETTLE_S = 2.5
"""Seconds without a new container of Compose's before anything is done to it."""
COMPOSE_AT_MOST_S = 20.0
"""Seconds that a recreate of Compose's may take before its leftover counts as one."""
_MIDWAY = re.compile(r"^[0-9a-f]{12}_")
"""How Compose names a container while it replaces the one before (2.26 `recreateContainer`)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One container of the service, as it is inspected."""

    id: str
    name: str
    volume: str | None
    state: str
    """The engine's word: created, running, paused, restarting, exited, removing or dead."""
    created_s: float
    """Seconds since it was created."""
    started_s: float | None
    """Seconds since it was last started; None if never."""
    epoch: int
    """0: not made by a failover."""
    networks: frozenset[str]
    policy: str
    final_name: str

    @property
    def alive(self) -> bool:
        """Whether a process of it exists, or its policy is about to make one."""
        return self.state in {"running", "paused", "restarting"}

    @property
    def quieted(self) -> bool:
        """Whether a swap took its restart policy away before it stopped it."""
        return self.policy in {"no", ""}


class Do(StrEnum):
    """What is done to one container."""

    CREATE = "create"  # a copy of it that reads the other volume
    QUIET = "quiet"  # no restart policy may bring it back
    THAW = "thaw"  # a paused one cannot be stopped
    STOP = "stop"
    START = "start"
    REMOVE = "remove"
    RENAME = "rename"
    RESTORE = "restore"  # the restart policy


@dataclass(frozen=True, slots=True)
class Next:
    """One step and its container."""

    do: Do
    container: Seen


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is done: why, and whether it passes by itself."""

    reason: str
    settling: bool


def next_step(seen: Sequence[Seen], volume: str) -> Next | Wait | None:
    """What is to be done now so that one container is left, with `volume`; None: nothing."""
    if not seen:
        return Wait("there is no container: docker compose up -d", settling=False)
    if _stands(seen, volume):
        return None
    if any(_compose_is_at_work(one) for one in seen):
        return Wait("Compose has just made a container", settling=True)
    if half_made := _half_made(seen):
        return Next(Do.REMOVE, half_made)
    keeper = _keeper(seen, volume)
    if keeper is not None:
        return _towards(keeper, [one for one in seen if one is not keeper])
    if not any(one.alive or one.quieted for one in seen):
        return Wait("it was stopped by hand", settling=False)
    return Next(Do.CREATE, max(seen, key=lambda one: (one.alive, -one.created_s)))


def _towards(keeper: Seen, others: Sequence[Seen]) -> Next:
    """The others end, the keeper starts, the others go, the keeper gets the name."""
    ends = [step for other in others if (step := _ended(other))]
    if ends:
        return ends[0]
    if keeper.quieted:
        return Next(Do.RESTORE, keeper)
    if not keeper.alive:
        return Next(Do.START, keeper)
    if others:
        return Next(Do.REMOVE, others[0])
    return Next(Do.RENAME, keeper)


def _stands(seen: Sequence[Seen], volume: str) -> bool:
    """Exactly one, with the right volume and name; one that a person has stopped stays stopped."""
    (first, *more) = seen
    if more or first.volume != volume or first.name != first.final_name or first.quieted:
        return False
    return first.state != "created"


def _ended(other: Seen) -> Next | None:
    if other.alive and not other.quieted:
        return Next(Do.QUIET, other)
    if other.state == "paused":
        return Next(Do.THAW, other)
    if other.alive:
        return Next(Do.STOP, other)
    return None


def _keeper(seen: Sequence[Seen], volume: str) -> Seen | None:
    right = [one for one in seen if one.volume == volume]
    return max(right, key=lambda one: (one.state == "running", -one.created_s), default=None)


def _half_made(seen: Sequence[Seen]) -> Seen | None:
    """One that was never started and lacks a network of its sibling: killed before the connect."""
    wanted = frozenset().union(*(one.networks for one in seen))
    for one in seen:
        if one.state == "created" and len(seen) > 1 and one.networks != wanted:
            return one
    return None


def _compose_is_at_work(one: Seen) -> bool:
    if one.epoch:
        return False
    if _MIDWAY.match(one.name) and one.created_s < COMPOSE_AT_MOST_S:
        return True
    return min(one.created_s, one.started_s or one.created_s) < SETTLE_S
