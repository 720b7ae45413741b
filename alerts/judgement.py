"""What is to be told now: pure, made of what was seen and of what had been told before.

A fault is told when it has been there for `confirm_s`, and is over when it has been away for as
long: so a service that falls and rises every half minute is told too, and one hiccup is not.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.alerting import AlertRules

Key = tuple[str, str]
"""Whose it is and which part: `("primary", "whatsapp")`."""


class Kind(StrEnum):
    """Why a message is sent."""

    FAULT = "fault"
    STILL = "still"
    RECOVERED = "recovered"
    LIST = "list"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be now, in the word and the sentence of who says so."""

    subject: str
    part: str
    word: str
    reason: str
    urgent: bool = True
    """Whether a message sent now would be lost; the rest needs a person, not an alarm at night."""
    daily: bool = False
    """Whether once a day is often enough from the first time on."""

    @property
    def key(self) -> Key:
        """Whose it is and which part."""
        return self.subject, self.part


@dataclass(frozen=True, slots=True)
class Condition:
    """A finding with its history; times are seconds since 1970."""

    finding: Finding
    """As it was last seen."""
    present: bool
    """False while it is away and not yet for long enough to be over."""
    since: float
    """When it took its word, or went away."""
    unfit_since: float
    told_word: str = ""
    """The word that people know; empty until they were told."""
    told_at: float = 0.0
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """One message that is to be sent."""

    kind: Kind
    finding: Finding
    since: float
    """Since when it has been so; what has recovered, until when it was."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at everything that is watched."""

    findings: tuple[Finding, ...]
    watched: frozenset[str]
    """Everybody who was asked."""
    blind: frozenset[str]
    """Those of them whose other parts are unknown, because they did not answer."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is remembered from now on, and what is to be sent."""

    conditions: tuple[Condition, ...]
    notices: tuple[Notice, ...]


def judge(
    now: float,
    seen: Seen,
    before: Mapping[Key, Condition],
    waiting: AbstractSet[Key],
    rules: AlertRules,
) -> Judgement:
    """Judge one look.

    `waiting` are those with a message that has not been delivered anywhere: nothing is repeated
    to a sink that has not had the first one.
    """
    conditions: list[Condition] = []
    notices: list[Notice] = []
    found = {finding.key: finding for finding in seen.findings}
    for key, finding in found.items():
        there, notice = _there(now, finding, before.get(key), key in waiting, rules)
        conditions.append(there)
        notices += [notice] if notice else []
    for key, earlier in before.items():
        if key in found or key[0] not in seen.watched:
            continue  # whoever is not watched any more is neither well nor ill
        if key[0] in seen.blind:
            conditions.append(earlier)
            continue
        gone, notice = _away(now, earlier, rules)
        conditions += [gone] if gone else []
        notices += [notice] if notice else []
    return Judgement(tuple(conditions), tuple(notices))


def _there(
    now: float, finding: Finding, earlier: Condition | None, waits: bool, rules: AlertRules
) -> tuple[Condition, Notice | None]:
    if earlier is None:
        condition = Condition(finding, present=True, since=now, unfit_since=now)
    elif earlier.present and earlier.finding.word == finding.word:
        condition = replace(earlier, finding=finding)
    else:
        condition = replace(earlier, finding=finding, present=True, since=now)
    # The first word counts from when anything was wrong: words that change every half minute
    # would never be told otherwise.
    held = now - (condition.since if condition.told_word else condition.unfit_since)
    if condition.told_word != finding.word:
        if held < rules.confirm_s:
            return condition, None
        told = replace(condition, told_word=finding.word, told_at=now, acknowledged=False)
        return told, Notice(Kind.FAULT, finding, condition.since)
    if waits or now - condition.told_at < _interval(condition, rules):
        return condition, None
    return replace(condition, told_at=now), Notice(Kind.STILL, finding, condition.unfit_since)


def _interval(condition: Condition, rules: AlertRules) -> float:
    if condition.acknowledged or condition.finding.daily:
        return rules.acknowledged_repeat_h * 3600.0
    return rules.repeat_minutes * 60.0


def _away(
    now: float, earlier: Condition, rules: AlertRules
) -> tuple[Condition | None, Notice | None]:
    gone = replace(earlier, present=False, since=now) if earlier.present else earlier
    if now - gone.since < rules.confirm_s:
        return gone, None
    told = Notice(Kind.RECOVERED, gone.finding, gone.since) if gone.told_word else None
    return None, told


def acknowledged(conditions: Iterable[Condition], subjects: AbstractSet[str]) -> list[Condition]:
    """Those that a person has now seen: told before, of these subjects (none named: of all)."""
    return [
        replace(one, acknowledged=True)
        for one in conditions
        if one.told_word
        and not one.acknowledged
        and (not subjects or one.finding.subject in subjects)
    ]
