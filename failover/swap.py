"""One monitor brought to one volume: look, take the next step, and look again until it is there."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from failover.copying import (
    EPOCH,
    FOLLOWS,
    ONE_OFF,
    POLICY,
    PROJECT,
    READ_FROM,
    SERVICE,
    Refused,
    copy_of,
    final_name,
    volume_of,
)
from failover.fights import Fights
from failover.placing import Do, Next, Seen, Wait, next_step
from failover.sdk import Changed, Docker, Refusal, State
from failover.seams import Follower

log = logging.getLogger(__name__)

STOP_S = 5
"""Seconds of grace for a monitor; it needs milliseconds."""
AT_MOST = 40
"""Steps of one swap; a whole one takes eight."""
QUIET: Any = {"Name": "no", "MaximumRetryCount": 0}


@dataclass(frozen=True, slots=True)
class End:
    """How one call of a swap ended; `gave_up`: somebody keeps undoing it."""

    service: str
    moved: bool = False
    trouble: str = ""
    settling: bool = False
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class Swap:
    """The reconcile of one monitor; blocking, to be run in a thread."""

    engine: Docker
    project: str
    service: str
    side: str
    epoch: int
    fights: Fights
    stop_s: int = STOP_S

    def run(self) -> End:
        """Take steps until the monitor stands on its side, or something is in the way.

        Raises EngineAway when the engine does not answer; the next run goes on from there.
        """
        volume = f"{self.project}_{self.side}-messages"
        moved = False
        for _ in range(AT_MOST):
            step = next_step(self._seen(), volume)
            if step is None:
                self.fights.stands(self.service, self.epoch)
                return End(self.service, moved)
            if isinstance(step, Wait):
                trouble = "" if step.settling else step.reason
                return End(self.service, moved, trouble, settling=step.settling)
            if not moved and not self.fights.may_begin(self.service, self.epoch, time.monotonic()):
                return End(self.service, gave_up=True)
            moved = True
            try:
                self._take(step, volume)
            except (Refused, Refusal) as refused:
                return End(self.service, trouble=f"{step.do}: {refused}")
            except Changed as changed:
                said = {"service": self.service, "step": step.do, "reason": str(changed)}
                log.info("swap looks again", extra=said)
        return End(self.service, moved, f"{AT_MOST} steps did not bring it to {self.side}")

    def _seen(self) -> list[Seen]:
        labels = [f"{PROJECT}={self.project}", f"{SERVICE}={self.service}", f"{ONE_OFF}=False"]
        found = []
        for one in self.engine.listed([*labels, f"{FOLLOWS}=messages"]):
            try:
                inspected = self.engine.inspected(one["Id"])
            except Changed:
                continue
            if inspected["State"]["Status"] != "removing":
                found.append(_seen(inspected))
        return found

    def _take(self, step: Next, volume: str) -> None:
        container = step.container.id
        match step.do:
            case Do.CREATE:
                self._create(container, volume)
            case Do.QUIET:
                self.engine.set_policy(container, QUIET)
            case Do.THAW:
                self.engine.thaw(container)
            case Do.STOP:
                self.engine.stop(container, self.stop_s)
            case Do.START:
                self.engine.start(container)
            case Do.REMOVE:
                self.engine.remove(container)
            case Do.RENAME:
                self.engine.rename(container, step.container.final_name)
            case Do.RESTORE:
                self.engine.set_policy(container, POLICY)

    def _create(self, source: str, volume: str) -> None:
        if not self.engine.has_volume(volume):
            # The engine would make an empty one, and the monitor would read nothing for ever.
            raise Refused(f"there is no volume {volume}")
        self.engine.create(copy_of(self.engine.inspected(source), volume, self.epoch))


def followed(
    engine: Docker, service: str, sides: Mapping[str, str], ids: Sequence[str]
) -> Follower:
    """Where a monitor stands; of several containers in the midst of a swap, the one that runs."""
    inspected = []
    for identity in ids:
        try:
            inspected.append(engine.inspected(identity))
        except Changed:
            continue
    if not inspected:
        return Follower(service, None, 0, running=False)
    best = min(inspected, key=lambda one: one["State"]["Status"] != "running")
    labels = best["Config"]["Labels"] or {}
    pin = labels.get(READ_FROM) or None
    return Follower(
        service=service,
        side=sides.get(volume_of(best) or ""),
        epoch=int(labels.get(EPOCH, 0)),
        running=best["State"]["Status"] == "running",
        pinned_to=pin if pin in sides.values() else None,
        container=best["Id"],
    )


def _seen(inspected: State) -> Seen:
    labels = inspected["Config"]["Labels"] or {}
    return Seen(
        id=inspected["Id"],
        name=inspected["Name"].lstrip("/"),
        volume=volume_of(inspected),
        state=inspected["State"]["Status"],
        created_s=_age_s(inspected["Created"]) or 0.0,
        started_s=_age_s(inspected["State"].get("StartedAt", "")),
        epoch=int(labels.get(EPOCH, 0)),
        networks=frozenset(inspected["NetworkSettings"]["Networks"]),
        policy=inspected["HostConfig"]["RestartPolicy"]["Name"],
        final_name=final_name(labels),
    )


def _age_s(moment: str) -> float | None:
    """How long ago the engine's moment was; None for its zero, year 1."""
    if not moment or moment.startswith("0001"):
        return None
    # Nine digits of a second are more than Python reads.
    at = datetime.fromisoformat(f"{moment[:19]}+00:00")
    return max(0.0, (datetime.now(UTC) - at).total_seconds())
