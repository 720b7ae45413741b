"""From what was said to what is not as it should be: pure."""

from collections.abc import Sequence

from alerts.calendar import STACK
from alerts.judgement import Finding, Seen
from alerts.watching import Told
from contracts.health import Part, Verdict
from contracts.status import OLD_S, Answer, BridgeAnswers, Overall, judge


def overall(told: Sequence[Told]) -> Overall:
    """The word of `make status` for the same answers."""
    return judge(
        [
            BridgeAnswers(one.watched.name, one.health, one.publishing)
            for one in told
            if one.publishing is not None
        ]
    ).overall


def observe(told: Sequence[Told], others: Sequence[Finding | None]) -> Seen:
    """All findings of one look, with those that were made elsewhere."""
    findings: list[Finding] = []
    blind: set[str] = set()
    for one in told:
        health = _current(one.health)
        if health is None:
            reason = one.health.trouble or f"its last answer is {one.health.age_s:.0f} s old"
            findings.append(Finding(one.watched.name, "health", "unreachable", reason))
            blind.add(one.watched.name)
            continue
        findings += _unfit(one.watched.name, health, one.publishing)
    findings += [finding for finding in others if finding is not None]
    watched = frozenset(one.watched.name for one in told) | {STACK}
    return Seen(tuple(findings), watched, frozenset(blind))


def _unfit(name: str, health: Verdict, publishing: Answer | None) -> list[Finding]:
    """Of one who answered: each part that is not fit, and a verdict that no part explains."""
    parts = {part.name: part for part in health.parts}
    if publishing is not None:
        verdict = _current(publishing)
        # /health has a part of this name too; the answer to the question itself counts.
        parts |= (
            {part.name: part for part in verdict.parts}
            if verdict
            else {"publishing": Part("publishing", False, "unreachable", publishing.trouble)}
        )
    unfit = [
        Finding(name, part.name, part.word, part.reason, urgent=not health.ok)
        for part in parts.values()
        if not part.ok
    ]
    if not health.ok and not any(not part.ok for part in health.parts):
        reason = f"it says {health.status!r} and names no part"
        unfit.append(Finding(name, "health", "down", reason))
    return unfit


def _current(answer: Answer) -> Verdict | None:
    return answer.verdict if answer.age_s <= OLD_S else None
