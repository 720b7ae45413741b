"""Is there room to listen? Measured every second and before each commit.

A disk that fills while the client is connected costs messages for good: the session cannot be
written, the message becomes unreadable and is acknowledged all the same. Disconnected *before* the
disk is full, the server keeps everything. So the bridge leaves in time and says so.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FLOOR_BYTES = 64 * 1024 * 1024
FLOOR_SHARE = 0.05
FLOOR_AT_MOST_BYTES = 2 * 1024 * 1024 * 1024  # five percent of a big disk is no emergency
RETURN_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Space:
    """The free and the whole size of a volume in bytes, as an unprivileged process sees it."""

    name: str
    free: int
    size: int

    @property
    def floor(self) -> int:
        """Below this many free bytes the bridge must not listen."""
        share = min(int(self.size * FLOOR_SHARE), FLOOR_AT_MOST_BYTES)
        return max(FLOOR_BYTES, share)


@dataclass(frozen=True, slots=True)
class DiskVerdict:
    """Whether the bridge may listen, with the sentence to show."""

    ok: bool
    word: str
    reason: str


def measure(volumes: Iterable[Path]) -> tuple[Space, ...]:
    """Look at the volumes; raises OSError if one is gone."""
    return tuple(_measure(volume) for volume in volumes)


def _measure(volume: Path) -> Space:
    seen = os.statvfs(volume)
    return Space(str(volume), seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize)


def below_floor(volumes: Iterable[Path]) -> bool:
    """Whether any volume is below its floor; cheap enough for every commit."""
    return any(space.free < space.floor for space in measure(volumes))


def judge_disk(spaces: tuple[Space, ...], *, was_ok: bool) -> DiskVerdict:
    """Judge the volumes; having left, the bridge returns only at twice the floor."""
    factor = 1 if was_ok else RETURN_FACTOR
    for space in spaces:
        needed = space.floor * factor
        if space.free < needed:
            reason = (
                f"{_mib(space.free)} free in {space.name}, {_mib(needed)} needed to listen; "
                "WhatsApp keeps the messages until there is room"
            )
            return DiskVerdict(False, "low", reason)
    least = min(spaces, key=lambda space: space.free)
    return DiskVerdict(True, "ok", f"{_mib(least.free)} free in {least.name}")


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.0f} MiB"
