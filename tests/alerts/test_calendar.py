"""What follows from the clock and the zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from alerts.calendar import list_day, phone, silence, working_seconds
from tests.alerts.test_judgement import RULES

SAST = ZoneInfo("Africa/Johannesburg")
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600


def at(text: str, zone: ZoneInfo = SAST) -> float:
    """A local time as seconds since 1970."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        ("2026-11-27T08:00", "2026-11-27T10:00", 2),
        ("2026-11-27T05:00", "2026-11-27T08:00", 1),
        ("2026-11-27T17:00", "2026-11-28T08:00", 2),  # Friday evening to Saturday morning
        ("2026-11-28T17:00", "2026-11-30T08:00", 2),  # over a Sunday
        ("2026-11-29T00:00", "2026-11-29T23:00", 0),
        ("2026-11-27T10:00", "2026-11-27T10:00", 0),
        ("2026-11-20T00:00", "2026-11-27T00:00", 66),
    ],
)
def test_working_hours(begin: str, end: str, hours: float) -> None:
    """Only the hours of working days count, in the zone of the people."""
    assert working_seconds(at(begin), at(end), RULES, SAST) == hours * HOUR


def test_a_day_with_another_offset() -> None:
    """Where clocks are put forward, a working day keeps its length."""
    begin, end = at("2026-03-28T00:00", BERLIN), at("2026-03-30T12:00", BERLIN)
    assert working_seconds(begin, end, RULES, BERLIN) == (11 + 5) * HOUR


def test_silence() -> None:
    """Four working hours without a message are an alarm; a night or a Sunday is none."""
    friday = at("2026-11-27T17:00")
    quiet = silence(at("2026-11-28T09:30"), friday, RULES, SAST, ever=True)
    alarm = silence(at("2026-11-28T10:00"), friday, RULES, SAST, ever=True)

    assert quiet is None
    assert alarm is not None
    assert (alarm.subject, alarm.part, alarm.word) == ("stack", "silence", "silent")
    assert "2026-11-27 17:00 SAST" in alarm.reason


@pytest.mark.parametrize(
    ("days", "word", "daily"),
    [(6.9, None, None), (7, "due", True), (11.9, "due", True), (12, "overdue", False)],
)
def test_phones(days: float, word: str | None, *, daily: bool | None) -> None:
    """A reminder after a week, an alarm before WhatsApp unlinks the phone's devices."""
    now = at("2026-11-27T17:00")
    found = phone(now, "primary", now - days * 24 * HOUR, RULES)

    assert (found.word if found else None) == word
    assert (found.daily if found else None) == daily


def test_the_day_of_the_list() -> None:
    """A day's list is due on the next morning."""
    assert list_day(at("2026-11-27T06:29"), RULES, SAST) == "2026-11-25"
    assert list_day(at("2026-11-27T06:30"), RULES, SAST) == "2026-11-26"
    late = datetime(2026, 11, 27, 23, 0, tzinfo=UTC).timestamp()
    assert list_day(late, RULES, SAST) == "2026-11-26"
