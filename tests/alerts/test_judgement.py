"""What is told, and how often: over a clock that the test turns."""

from dataclasses import replace
from datetime import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.judgement import Condition, Finding, Key, Kind, Notice, Seen, acknowledged, judge
from contracts.alerting import DAYS, AlertRules

RULES = AlertRules(
    ask_s=15,
    confirm_s=60,
    repeat_minutes=60,
    acknowledged_repeat_h=24,
    silence_h=4,
    working_days=DAYS[:6],
    working_hours=(time(7), time(18)),
    phone_days=7,
    near_misses_at=time(6, 30),
)
NAMES = frozenset({"primary", "backup", "stack"})
HOUR = 3600.0
OUT = Finding("primary", "whatsapp", "logged out", "by the phone")
PAIRING = replace(OUT, word="waiting to be paired")


class People:
    """Somebody who is watched over time, and what people were told of it."""

    def __init__(self, rules: AlertRules = RULES) -> None:
        self.rules = rules
        self.now = 1_000_000.0
        self.conditions: dict[Key, Condition] = {}
        self.told: list[tuple[float, Notice]] = []

    def see(
        self,
        *findings: Finding,
        for_s: float = 15.0,
        blind: frozenset[str] = frozenset(),
        waiting: frozenset[Key] = frozenset(),
    ) -> list[str]:
        """Look every 15 s for so long; the kinds and words that were told meanwhile."""
        told = []
        for _ in range(round(for_s / 15)):
            self.now += 15
            seen = Seen(findings, NAMES, blind)
            done = judge(self.now, seen, self.conditions, waiting, self.rules)
            self.conditions = {one.finding.key: one for one in done.conditions}
            self.told += [(self.now, notice) for notice in done.notices]
            told += [f"{notice.kind} {notice.finding.word}" for notice in done.notices]
        return told

    def acknowledge(self, *subjects: str) -> None:
        """`make ack`."""
        for one in acknowledged(self.conditions.values(), set(subjects)):
            self.conditions[one.finding.key] = one


def test_one_alert_per_state_change() -> None:
    """A fault that stays is told once it is confirmed, another word is told again, and its end."""
    people = People()

    assert people.see(OUT, for_s=60) == []
    assert people.see(OUT, for_s=1_800) == ["fault logged out"]
    assert people.see(PAIRING, for_s=1_800) == ["fault waiting to be paired"]
    assert people.see(for_s=1_800) == ["recovered waiting to be paired"]
    assert people.conditions == {}
    assert people.see(for_s=7_200) == []


def test_repeated_hourly_then_daily() -> None:
    """Every hour until somebody acknowledges, every day from then on, until it is over."""
    people = People()
    assert people.see(OUT, for_s=5.5 * HOUR) == ["fault logged out"] + ["still logged out"] * 5
    gaps = [b - a for (a, _), (b, _) in pairwise(people.told)]
    assert gaps == [HOUR] * 5

    people.acknowledge()
    assert people.see(OUT, for_s=49 * HOUR) == ["still logged out"] * 2
    assert people.see(for_s=HOUR) == ["recovered logged out"]


def test_acknowledging_covers_what_was_told_and_no_more() -> None:
    """Another word of the same part, and another part, are told and repeated as if nobody knew."""
    people = People()
    other = Finding("backup", "store", "holding", "disk full")
    people.see(OUT, other, for_s=75)
    people.acknowledge("primary")
    assert people.see(OUT, other, for_s=HOUR) == ["still holding"]

    assert people.see(PAIRING, other, for_s=HOUR)[:1] == ["fault waiting to be paired"]
    assert "still waiting to be paired" in people.see(PAIRING, other, for_s=HOUR)


def test_a_hiccup_is_not_told() -> None:
    """What is over before it is confirmed was nothing, and leaves nothing behind."""
    people = People()
    assert people.see(OUT, for_s=45) == []
    assert people.see(for_s=75) == []
    assert people.conditions == {}


def test_falling_and_rising_is_a_fault() -> None:
    """A bridge that comes and goes every half minute, under changing words, is told once, and is
    over when it has stayed up.
    """
    people = People()
    told = []
    for _ in range(20):
        told += people.see(OUT, for_s=15)
        told += people.see(PAIRING, for_s=15)
        told += people.see(for_s=30)
    assert len(told) == 1
    assert told[0].startswith("fault")
    assert people.see(for_s=60)[0].startswith("recovered")


def test_who_does_not_answer_has_not_recovered() -> None:
    """Of a bridge that cannot be asked nothing is known: its faults stay, silent, and are not over.
    What is no longer watched is forgotten.
    """
    people = People()
    people.see(OUT, for_s=75)
    gone = Finding("primary", "health", "unreachable", "no answer")
    blind = frozenset({"primary"})
    assert people.see(gone, for_s=1.5 * HOUR, blind=blind) == [
        "fault unreachable",
        "still unreachable",
    ]
    assert set(people.conditions) == {OUT.key, gone.key}
    assert people.see(OUT, for_s=90) == ["still logged out", "recovered unreachable"]

    elsewhere = Finding("monitor-dev", "health", "down", "")
    people.conditions[elsewhere.key] = replace(
        people.conditions[OUT.key], finding=elsewhere, told_word="down"
    )
    assert people.see(OUT, for_s=HOUR) == ["still logged out"]
    assert elsewhere.key not in people.conditions


def test_nothing_is_repeated_to_a_sink_that_has_not_had_it() -> None:
    """An outage of the sink does not end in a day of repetitions."""
    people = People()
    people.see(OUT, for_s=75)
    assert people.see(OUT, for_s=5 * HOUR, waiting=frozenset({OUT.key})) == []
    assert people.see(OUT, for_s=15) == ["still logged out"]
    assert people.see(for_s=75, waiting=frozenset({OUT.key})) == ["recovered logged out"]


def test_reminders_are_daily_from_the_first_time_on() -> None:
    """A phone that wants to be opened is no reason for twenty-four messages a day."""
    people = People()
    due = Finding("primary", "phone", "due", "", urgent=False, daily=True)
    assert people.see(due, for_s=48 * HOUR) == ["fault due", "still due"]


@pytest.mark.parametrize("confirm_s", [0, 60])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["", "a", "b", "blind"]), max_size=60))
def test_whatever_happens(confirm_s: int, words: list[str]) -> None:
    """In any history, news differ from what is known, an end follows a beginning, and after a quiet
    hour nothing is open.
    """
    people = People(replace(RULES, confirm_s=confirm_s))
    for word in words:
        blind = frozenset({"primary"} if word == "blind" else ())
        people.see(*([replace(OUT, word=word)] if word in {"a", "b"} else ()), blind=blind)
    people.see(for_s=HOUR)

    known = ""
    for _, notice in people.told:
        if notice.kind is Kind.RECOVERED:
            assert known
            known = ""
        else:
            assert notice.kind is Kind.FAULT
            assert notice.finding.word != known
            known = notice.finding.word
    assert (known, people.conditions) == ("", {})
