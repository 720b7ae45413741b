"""The twin witness: a bridge is deaf by what its peer heard, and by nothing less."""

from dataclasses import replace

import pytest

from bridge.witness import Evidence, Limits, Missing, counted, judge_hearing, lacking

GROUP = "120363000000000001@g.us"
OTHER = "120363000000000002@g.us"
NAMES = {GROUP: "Lawley"}
LIMITS = Limits(suspect_s=60, deaf_s=120, unproven_s=4 * 3600)
NOW = 10_000.0
WELL = Evidence(
    connected_since=1_000.0,
    membership_at=9_000.0,
    member_since={GROUP: 1_001.0},
    missing=(),
    peers_at={"backup": NOW - 1},
    heard_at=NOW - 5,
)


def _missing(age_s: float, chat: str = GROUP) -> Missing:
    return Missing(chat, f"M{age_s:.0f}", NOW - age_s)


@pytest.mark.parametrize(
    ("age_s", "word", "ok"),
    [(59, "hearing", True), (60, "suspect", False), (119, "suspect", False), (120, "deaf", False)],
)
def test_the_oldest_missed_message_decides(age_s: float, word: str, ok: bool) -> None:
    """Its age makes suspect and deaf; a thousand younger ones change nothing."""
    young = [replace(_missing(1), id=f"Y{n}") for n in range(1000)]
    part = judge_hearing(replace(WELL, missing=[*young, _missing(age_s)]), NAMES, LIMITS, NOW)
    assert (part.word, part.ok) == (word, ok)


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(replace(WELL, connected_since=None), id="not connected"),
        pytest.param(replace(WELL, connected_since=NOW - 519), id="connected too late"),
        pytest.param(replace(WELL, membership_at=None), id="membership never told"),
        pytest.param(replace(WELL, membership_at=NOW - 4_000), id="membership told long ago"),
        pytest.param(replace(WELL, member_since={}), id="not a member"),
        pytest.param(replace(WELL, member_since={GROUP: NOW - 499}), id="joined later"),
    ],
)
def test_what_we_could_not_get_proves_nothing(evidence: Evidence) -> None:
    """A message counts only if this number must have got it."""
    accused = replace(evidence, missing=[_missing(500)])
    assert counted(accused, NOW) == ()
    assert judge_hearing(accused, NAMES, LIMITS, NOW).ok
    assert len(counted(replace(WELL, missing=[_missing(500)]), NOW)) == 1


def test_what_is_lacking_is_counted_whatever_the_reason() -> None:
    """Also what was missed while away; not what was said in a group of the peer's alone."""
    missing = [_missing(50_000), _missing(1), _missing(1, OTHER)]
    assert lacking(missing, {GROUP: NOW}) == 2


def test_deaf_in_one_group_names_it() -> None:
    """One group is enough, and only the silent one is named."""
    evidence = replace(WELL, missing=[_missing(300)], member_since={GROUP: 1.0, OTHER: 1.0})
    part = judge_hearing(evidence, NAMES, LIMITS, NOW)
    assert part.word == "deaf"
    assert part.reason == (
        "1 messages that a peer heard have not arrived, the oldest for 300 s; groups: Lawley"
    )


@pytest.mark.parametrize(
    ("evidence", "word", "reason"),
    [
        (WELL, "hearing", "lacks nothing that backup heard"),
        (replace(WELL, connected_since=None), "unproven", "not connected"),
        (replace(WELL, peers_at={}), "alone", "there is no other bridge to compare with"),
        (replace(WELL, peers_at={"backup": None}), "unproven", "no answer from backup"),
        (replace(WELL, peers_at={"backup": NOW - 61}), "unproven", "no answer from backup"),
        (
            replace(WELL, peers_at={"backup": None, "third": NOW}),
            "hearing",
            "lacks nothing that third heard",
        ),
        (
            replace(WELL, membership_at=None),
            "unproven",
            "WhatsApp has not told our groups lately",
        ),
        (replace(WELL, heard_at=None), "unproven", "no message has come for 4.0 h"),
        (replace(WELL, heard_at=NOW - 14_401), "unproven", "no message has come for 4.0 h"),
    ],
)
def test_silence_is_not_hearing(evidence: Evidence, word: str, reason: str) -> None:
    """Without evidence the word is unproven, never hearing, and nobody is alarmed."""
    part = judge_hearing(evidence, NAMES, LIMITS, NOW)
    assert (part.ok, part.word, part.reason) == (True, word, reason)
