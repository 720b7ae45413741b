"""The verdict on the failover itself: does it see, decide and act? Pure, over known facts.

/health is 503 when a person is needed; a monitor on its way, or a pause, is none of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.health import Part, Verdict
from failover import choice
from failover.seams import Placement
from failover.trust import Mode, Round, Trust

LOOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the verdict is made of."""

    trust: Trust
    choice: choice.Choice
    placement: Placement | None
    beyond: Sequence[Round]
    docker_trouble: str
    memory_trouble: str
    loop_s: float
    """Seconds since the last turn."""


def judge(facts: Facts) -> Verdict:
    """The verdict of /health."""
    parts = (
        _loop(facts),
        _docker(facts),
        _memory(facts),
        _choice(facts),
        _monitors(facts),
        _help(facts),
    )
    return _verdict(parts)


def judge_life(facts: Facts) -> Verdict:
    """The verdict of /live: the loop turns."""
    return _verdict((_loop(facts),))


def _verdict(parts: tuple[Part, ...]) -> Verdict:
    ok = all(part.ok for part in parts)
    return Verdict(ok, "ok" if ok else "down", parts)


def _loop(facts: Facts) -> Part:
    reason = f"last turn {facts.loop_s:.1f} s ago"
    if facts.loop_s > LOOP_S:
        return Part("turns", False, "stuck", reason)
    return Part("turns", True, "turning", reason)


def _docker(facts: Facts) -> Part:
    if facts.docker_trouble:
        return Part("docker", False, "away", facts.docker_trouble)
    return Part("docker", True, "answers", "lists the containers")


def _memory(facts: Facts) -> Part:
    if facts.memory_trouble:
        return Part("memory", False, "unwritable", facts.memory_trouble)
    return Part("memory", True, "durable", f"epoch {facts.trust.epoch}")


def _choice(facts: Facts) -> Part:
    sentence = facts.choice.sentence
    trust = facts.trust
    if facts.choice.verdict is choice.Verdict.STRANDED:
        return Part("choice", False, "stranded", sentence)
    if facts.choice.verdict is choice.Verdict.BLIND:
        return Part("choice", False, "blind", sentence)
    if trust.latched:
        return Part("choice", False, "latched", sentence)
    if trust.mode is Mode.PAUSED:
        return Part("choice", True, "paused", sentence)
    if trust.mode is Mode.PINNED:
        return Part("choice", True, "pinned", sentence)
    if facts.choice.verdict is choice.Verdict.READY:
        return Part("choice", True, "waits for a person", sentence)
    return Part("choice", True, "decides", sentence)


def _monitors(facts: Facts) -> Part:
    placement = facts.placement
    if placement is None:
        return Part("monitors", True, "not placed yet", "just started")
    if placement.gave_up:
        reason = "somebody keeps moving them back; it is not fought any more"
        return Part("monitors", False, "fought over", reason)
    if placement.troubles:
        reason = "; ".join(f"{name}: {why}" for name, why in placement.troubles.items())
        return Part("monitors", False, "misplaced", reason)
    if placement.settling:
        return Part("monitors", True, "settling", "Compose is at work; seen to afterwards")
    where = ", ".join(f"{one.service} reads {one.side}" for one in placement.followers)
    return Part("monitors", True, "in place", where or "there are none")


def _help(facts: Facts) -> Part:
    if facts.beyond:
        reason = "; ".join(f"{one.bridge}: {one.why}" for one in facts.beyond)
        return Part("help", False, "beyond help", reason)
    on = [f"{one.bridge} was {one.step}" for one in facts.trust.rounds if not one.over]
    if on:
        return Part("help", True, "helping", "; ".join(on))
    return Part("help", True, "not needed", "no bridge needs help")
