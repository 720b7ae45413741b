"""Near misses: what a person should look at, and nothing that is a drop already."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bridge.near_misses import NearMiss, NearMisses, find_near_misses, read_near_misses
from contracts.drops import DEFAULT_PATTERN, compile_pattern
from contracts.near_misses import parse_near_misses
from tests.bridge.events import GROUP, T0, edit, info, message, phone, revoke
from tests.bridge.filled import feed, open_store, rules, settle

PATTERN = compile_pattern(DEFAULT_PATTERN)
NOW = datetime.fromtimestamp(T0 / 1000, UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    "text",
    [
        "DR12345",
        "DR 123 4567",
        "D R1234567",
        "DR123456789",
        "dr.1234567",
        "DR: 1234567",
        "DR#1234567",
        "drop no 1234567",
        "Drop number: 1234567",
        "drops 1234567",
        "DR123456O",
        "DR12O4567",
        "DR1234-567",
        "XDR1234567",
        "DR1234567b",
        "DRR1234567",
    ],
)
def test_what_nearly_is_a_drop_is_found(text: str) -> None:
    """Too few or too many digits, a gap, a letter for a digit, or something stuck to it."""
    assert find_near_misses(text, PATTERN) == (text,)
    assert find_near_misses(f"done, {text}, thanks", PATTERN) == (text,)


@pytest.mark.parametrize(
    "text",
    [
        "DR1234567",
        "dr 1234567",
        "DR-1234567",
        "drop 1234567 done",
        "DR1234567 12 photos",
        "DR1234567DR1234568",
        "_DR1234567_",
        "DR\n1234567",
        "the address is 12 Main Road",
        "Dr 12",
        "drop 3 poles",
        "call me",
        "1234567",
        "",
    ],
)
def test_drops_and_other_texts_are_none(text: str) -> None:
    """Where the project's pattern finds a drop there is no near miss, nor in plain talk."""
    assert find_near_misses(text, PATTERN) == ()


def test_each_place_counts_for_itself() -> None:
    """A good drop in a message does not hide a bad one beside it; a repeated one is named once."""
    text = "DR1234567 and DR12345, again DR12345\nDR7654321 DR 765 4321"
    assert find_near_misses(text, PATTERN) == ("DR12345", "DR 765 4321")


def test_what_a_project_allows_is_no_near_miss() -> None:
    """The project's own pattern decides, not the usual one."""
    assert find_near_misses("DR12345", compile_pattern(r"(DR\d{5})")) == ()


@pytest.mark.parametrize(
    "text", ["DR" * 32_000, "DR1 " * 16_000, "DR " + "1 " * 32_000, "D " * 32_000]
)
def test_a_hostile_text_gives_little(text: str) -> None:
    """The longest text that WhatsApp sends is looked through, and what is shown is bounded."""
    found = find_near_misses(text, PATTERN)
    assert len(found) <= 20
    assert all(len(place) <= 80 for place in found)


def test_a_day_of_configured_groups_is_listed(tmp_path: Path) -> None:
    """As the messages stand now: not what was corrected, deleted, ours, old or of other groups."""
    day = 86_400_000
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        store.set_own_numbers(["2799"])
        feed(
            store,
            [
                ("message", message(info("A1", phone("2782")), "DR12345")),
                ("message", message(info("A2", phone("2782")), "DR 123 456 7")),
                ("message", message(info("E2", phone("2782"), at=T0 + 1), edit("A2", "DR1234567"))),
                ("message", message(info("A3", phone("2782")), "DR54321")),
                ("message", message(info("R3", phone("2782"), at=T0 + 1), revoke("A3"))),
                ("message", message(info("A4", phone("2799")), "DR11111")),
                ("message", message(info("A5", phone("2782"), at=T0 - day), "DR22222")),
                ("message", message(info("A6", phone("2782"), chat="120363999@g.us"), "DR33333")),
                ("message", message(info("A7", phone("2782")), "DR7654321")),
            ],
        )
        settle(store)
        answer = read_near_misses(store, rules(), NOW)
    assert [(one.chat, one.id, one.found) for one in answer.near_misses] == [
        (GROUP, "A1", "DR12345")
    ]
    assert not answer.more
    body = answer.to_json()
    assert body["since"] == "2025-11-12T03:13:20+00:00"
    assert "2782" not in str(body)


def test_a_day_is_one_of_the_projects_zone(tmp_path: Path) -> None:
    """A named day begins and ends at midnight where the projects are, and is the same for ever."""
    midnight = datetime(2025, 11, 13, 22, tzinfo=UTC)  # 00:00 SAST on the 14th
    start = int(midnight.timestamp() * 1000)
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        for number, at in enumerate((start - 1, start, start + 86_399_999, start + 86_400_000)):
            named = message(info(f"A{number}", phone("2782"), at=at), f"DR1234{number}")
            feed(store, [("message", named)])
        settle(store)
        answer = read_near_misses(store, rules(), NOW + timedelta(days=9), date(2025, 11, 14))
    assert [one.id for one in answer.near_misses] == ["A2", "A1"]
    assert (answer.since, answer.until) == (midnight, midnight + timedelta(days=1))


def test_an_excerpt_shows_the_words_around_and_no_phone_number(tmp_path: Path) -> None:
    """Enough to find the message in the group; numbers are masked, also one that is cut off."""
    text = "x" * 70 + " 27820000077 call +27 82 000 0078\nDR12345 at the gate " + "y " * 20
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [("message", message(info("A1", phone("2782")), text + "27820000079"))])
        settle(store)
        (one,) = read_near_misses(store, rules(), NOW).near_misses
    assert "call +** ** *** **78 DR12345 at the gate y" in one.excerpt
    assert one.excerpt.startswith("… ")
    assert "2782000007" not in str(one.to_json())


def test_the_answer_is_what_alerts_read() -> None:
    """The body that is sent is read back with everything that the daily list shows."""
    missed = NearMiss("Lawley", GROUP, "A", NOW, None, "DR12345", "done DR12345")
    answer = NearMisses(NOW, NOW, more=True, near_misses=(missed,))

    listed = parse_near_misses(json.dumps(answer.to_json()).encode())

    assert listed.more
    (one,) = listed.near_misses
    assert (one.chat, one.id, one.sent_at, one.user_name) == (GROUP, "A", NOW, None)
    assert (one.project, one.found, one.excerpt) == ("Lawley", "DR12345", "done DR12345")
    with pytest.raises(ValueError, match="not an answer"):
        parse_near_misses(b'{"near_misses": [{}]}')
