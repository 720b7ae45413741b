"""How long messages are kept, and whether a volume holds more than it was given.

`kept_days` and `judge_volumes` are pure; `keep` looks every hour.
"""

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bridge.store import Store, StoreUnavailable
from contracts.health import Part
from contracts.retention import AT_LEAST_BEYOND_DAYS, Retention

log = logging.getLogger(__name__)

WARN_SHARE = 0.7
LOOK_S = 3_600.0
FIRST_S = 60.0
"""After the start, when a backlog is read and nobody looks at the disk."""

_DAY_MS = 86_400_000
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a volume holds and what it may hold, in bytes."""

    name: str
    used: int
    budget: int


def kept_days(retention: Retention, horizon_days: int, messages: Usage | None) -> int:
    """How many days of messages are kept: over its budget, no more than anybody acts on."""
    if messages is not None and messages.used > messages.budget:
        return horizon_days + AT_LEAST_BEYOND_DAYS
    return retention.messages_days


def judge_volumes(volumes: Iterable[Usage]) -> Part:
    """Yellow from 70 % of a budget on."""
    known = tuple(volumes)
    if not known:
        return Part("volumes", True, "unknown", "not measured yet")
    said = [
        f"{one.name} holds {one.used // _MIB} of {one.budget // _MIB} MiB"
        for one in known
        if one.used >= one.budget * WARN_SHARE
    ]
    if not said:
        return Part("volumes", True, "within", "every volume is below 70 % of its budget")
    if any(one.used > one.budget for one in known):
        return Part("volumes", False, "over", "; ".join(said))
    return Part("volumes", False, "filling", "; ".join(said))


def held_by(folder: Path) -> int:
    """The bytes that the files below a folder take on their disk; raises OSError for the folder."""
    taken = 0
    for path, _, files in os.walk(folder, onerror=_raise):
        for name in files:
            try:
                taken += os.lstat(Path(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue  # a journal that came and went
    return taken


def _raise(error: OSError) -> None:
    raise error


class Keeper:
    """Measures the volumes of one bridge and deletes what is old."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        horizon_days: int,
        *,
        session: Path,
        messages: Path,
        logs: Path,
    ) -> None:
        self._store = store
        self._retention = retention
        self._horizon_days = horizon_days
        self._folders = {
            "messages": (messages, retention.messages_mib),
            "session": (session, retention.session_mib),
            "logs": (logs, retention.logs_mib),
        }
        self.volumes: tuple[Usage, ...] = ()

    async def keep(self) -> None:
        """Look until cancelled."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await asyncio.to_thread(self.look)
            except (StoreUnavailable, OSError) as unavailable:
                log.warning("volumes not looked at", extra={"reason": str(unavailable)})
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Measure, and delete what is old; raises StoreUnavailable or OSError."""
        self.volumes = tuple(self._measured())
        messages = next((one for one in self.volumes if one.name == "messages"), None)
        days = kept_days(self._retention, self._horizon_days, messages)
        floor = time.time_ns() // 1_000_000 - days * _DAY_MS
        if gone := self._store.prune(floor):
            log.info("old messages deleted", extra={"messages": gone, "kept_days": days})

    def _measured(self) -> Iterable[Usage]:
        for name, (folder, budget) in self._folders.items():
            if folder.is_dir():
                # What was deleted in messages.db is used again before the file grows.
                unused = self._store.unused_bytes() if name == "messages" else 0
                yield Usage(name, held_by(folder) - unused, budget * _MIB)
