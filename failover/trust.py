"""What is decided and must survive the controller: whom the monitors read, by whose will. Pure.

It is kept as JSON in the failover's memory before anything acts on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from contracts.failover_limits import Failback, FailoverLimits

HOUR_S = 3600.0
KEPT_SWITCHES = 50


class Mode(StrEnum):
    """Who decides: the rules, nobody for a while, or a person for good."""

    AUTO = "auto"
    PAUSED = "paused"
    PINNED = "pinned"


class Step(StrEnum):
    """How far the help for a bridge has gone."""

    RECONNECTED = "reconnected"
    RESTARTED = "restarted"
    BEYOND = "beyond help"


@dataclass(frozen=True, slots=True)
class Switch:
    """The monitors were told to read another bridge."""

    at: float
    source: str
    target: str
    automatic: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One round of help for a bridge; it is over when the bridge was seen fit."""

    bridge: str
    why: str
    began_at: float
    step: Step
    acted_at: float
    acts: int = 1
    """0: it had its share of the hour already, and nothing was tried."""
    over: bool = False


@dataclass(frozen=True, slots=True)
class Trust:
    """Everything that is decided."""

    epoch: int
    """One more with every switch: a container of a lower one is out of date."""
    side: str
    order: tuple[str, ...]
    """The bridges, most preferred first: stack.yaml's order, unless a person promoted one."""
    since: float
    reason: str
    mode: Mode = Mode.AUTO
    paused_until: float | None = None
    failback: Failback = "auto"
    by_hand: bool = False
    """A person chose this side: no better one is gone to until a person resumes."""
    latched: bool = False
    """Too many switches in an hour: only a bridge that is gone for good is still left."""
    switches: tuple[Switch, ...] = ()
    rounds: tuple[Round, ...] = ()
    pins_seen: tuple[str, ...] = ()
    """Containers whose pin was adopted, so that a released one is not adopted again."""
    promoted: str | None = None

    @classmethod
    def first(cls, order: Sequence[str], failback: Failback, now: float) -> Self:
        """The very first start: the most preferred bridge is read."""
        return cls(
            epoch=1,
            side=order[0],
            order=tuple(order),
            since=now,
            reason="first start: the most preferred bridge",
            failback=failback,
        )

    @classmethod
    def recalled(
        cls, kept: Mapping[str, Any] | None, order: Sequence[str], failback: Failback, now: float
    ) -> Self:
        """What was kept, made to agree with the bridges that there are now."""
        if kept is None:
            return cls.first(order, failback, now)
        try:
            trust = cls.from_json(kept)
        except (KeyError, TypeError, ValueError) as strange:
            reason = f"what was kept is of another version ({strange!r}): begun anew"
            return replace(cls.first(order, failback, now), reason=reason)
        trust = replace(trust, order=_ordered(order, trust.promoted))
        if trust.side not in order:
            reason = f"{trust.side} is no bridge any more: the most preferred one"
            trust = trust.switched(trust.order[0], reason, now, automatic=False)
        return trust

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Read what `to_json` made; raises ValueError, KeyError or TypeError if it is not that."""
        values = dict(kept)
        values["order"] = tuple(values["order"])
        values["pins_seen"] = tuple(values["pins_seen"])
        values["mode"] = Mode(values["mode"])
        values["switches"] = tuple(Switch(**each) for each in values["switches"])
        values["rounds"] = tuple(
            Round(**(each | {"step": Step(each["step"])})) for each in values["rounds"]
        )
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self) | {
            "order": list(self.order),
            "pins_seen": list(self.pins_seen),
            "mode": str(self.mode),
            "switches": [asdict(each) for each in self.switches],
            "rounds": [asdict(each) | {"step": str(each.step)} for each in self.rounds],
        }

    def switched(self, target: str, reason: str, now: float, *, automatic: bool) -> Self:
        """With the monitors at another bridge, a new epoch, and the switch remembered."""
        made = Switch(now, self.side, target, automatic)
        return replace(
            self,
            epoch=self.epoch + 1,
            side=target,
            since=now,
            reason=reason,
            switches=(*self.switches, made)[-KEPT_SWITCHES:],
            by_hand=not automatic,
        )

    def preferring(self, bridge: str, stack: Sequence[str]) -> Self:
        """With that bridge before all others."""
        promoted = None if bridge == stack[0] else bridge
        return replace(self, promoted=promoted, order=_ordered(stack, promoted))

    def automatic_within_h(self, now: float) -> int:
        """Switches that the rules made in the last hour; a clock set back forgets none."""
        return sum(1 for each in self.switches if each.automatic and now - each.at < HOUR_S)

    def held_until(self, limits: FailoverLimits) -> float | None:
        """Until when a switch between working bridges waits: longer with each within the hour."""
        if not self.switches:
            return None
        last = self.switches[-1].at
        flaps = sum(1 for each in self.switches if each.automatic and last - each.at < HOUR_S)
        return last + min(limits.hold_s * 2.0 ** max(0, flaps - 1), limits.hold_at_most_s)

    @property
    def mode_in_words(self) -> str:
        """The mode, and what else binds the rules."""
        bound = [word for word, on in (("latched", self.latched), ("by hand", self.by_hand)) if on]
        return ", ".join([str(self.mode), *bound])


def _ordered(stack: Sequence[str], promoted: str | None) -> tuple[str, ...]:
    if promoted is None or promoted not in stack:
        return tuple(stack)
    return (promoted, *(name for name in stack if name != promoted))
