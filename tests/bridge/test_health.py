"""Health says whether a message sent now would be captured, and nothing else decides it."""

from dataclasses import replace

import pytest

from bridge import health
from bridge.account import AccountVerdict
from bridge.connection import Connection, Word
from bridge.disk import DiskVerdict
from bridge.health import Facts, PublishFacts, StoreFacts, judge, judge_life, judge_publishing
from bridge.losses import Cause
from bridge.store import Counts
from contracts.health import Part, Verdict

COUNTS = Counts(
    messages=7,
    placeholders=0,
    unparsed=0,
    backlog=0,
    suspected_losses=0,
    detected_losses=0,
    forged_ids=0,
    waiting_amendments=0,
    rejected_amendments=0,
    mentions=3,
    unconfigured_messages=0,
    unconfigured_groups=0,
    last_captured_at_ms=None,
    last_sent_at_ms=None,
    seq=7,
    store_id="s",
    wal_bytes=0,
)
PUBLISHING = PublishFacts(
    ok=True,
    word="current",
    reason="everything heard is published",
    host="database:5432",
    database="twinbridge",
    pending=0,
    parked=0,
)
WELL = Facts(
    connection=Connection(word=Word.CONNECTED, reason="connected to WhatsApp"),
    account=AccountVerdict(True, "expected", "logged in as …01, as expected"),
    room=DiskVerdict(True, "ok", "900 MiB free"),
    store=StoreFacts(COUNTS, None, 0.0),
    publishing=PUBLISHING,
    absent_from=(),
    nobody_in=(),
    membership_known=True,
    hearing=Part("hearing", True, "hearing", "lacks nothing that backup heard"),
    client_alive=True,
    client_stuck_s=0.2,
    loop_stuck_s=0.2,
)


def _part(verdict: Verdict, name: str) -> Part:
    (found,) = (part for part in verdict.parts if part.name == name)
    return found


def test_a_bridge_that_would_capture_is_well_in_every_part() -> None:
    """Each part has a word and a reason, also when all is well."""
    verdict = judge(WELL)
    assert (verdict.ok, verdict.status) == (True, "ok")
    assert all(part.ok and part.word and part.reason for part in verdict.parts)


@pytest.mark.parametrize("word", [word for word in Word if word is not Word.CONNECTED])
def test_anything_but_connected_is_not_capturing(word: Word) -> None:
    """Reconnecting, silent, unpaired, banned: a message sent now does not arrive now."""
    verdict = judge(replace(WELL, connection=Connection(word=word, reason="why")))
    assert not verdict.ok
    assert _part(verdict, "whatsapp") == Part("whatsapp", False, str(word), "why")


@pytest.mark.parametrize(
    ("facts", "part", "word"),
    [
        (replace(WELL, store=StoreFacts(None, "disk I/O error", 0.0)), "store", "unavailable"),
        (replace(WELL, store=StoreFacts(COUNTS, None, 6.0)), "store", "holding"),
        (
            replace(WELL, store=StoreFacts(replace(COUNTS, wal_bytes=65 << 20), None, 0.0)),
            "store",
            "blocked",
        ),
        (replace(WELL, room=DiskVerdict(False, "low", "10 MiB free")), "disk", "low"),
        (
            replace(WELL, account=AccountVerdict(False, "wrong account", "…77")),
            "account",
            "wrong account",
        ),
    ],
)
def test_what_keeps_a_message_from_being_stored_decides(facts: Facts, part: str, word: str) -> None:
    """A store that cannot take it, no room, or an account that is refused."""
    verdict = judge(facts)
    assert not verdict.ok
    assert (_part(verdict, part).ok, _part(verdict, part).word) == (False, word)


@pytest.mark.parametrize(
    ("counts", "word", "said"),
    [
        ({"suspected_losses": 2}, "suspicious", "2 suspected losses"),
        ({"detected_losses": 1}, "loss", "1 detected losses"),
        ({"placeholders": 4}, "suspicious", "4 messages that could not be decrypted yet"),
        ({"unparsed": 1}, "suspicious", "1 events that this version cannot read"),
        ({"forged_ids": 1}, "suspicious", "1 ids used by two authors"),
    ],
)
def test_what_may_be_missing_is_yellow_and_does_not_stop_anything(
    counts: dict[str, int], word: str, said: str
) -> None:
    """The past cannot be captured again by failing over now; a person has to look."""
    facts = replace(WELL, store=StoreFacts(replace(COUNTS, **counts), None, 0.0))  # type: ignore[arg-type]
    verdict = judge(facts)
    part = _part(verdict, "capture")
    assert verdict.ok
    assert (part.ok, part.word) == (False, word)
    assert said in part.reason


def test_losses_say_what_they_come_from() -> None:
    """A person looks for other things after a stanza that was not parsed than after a crash."""
    counts = replace(COUNTS, suspected_losses=3)
    causes = (Cause("suspected", "line not known", 1), Cause("suspected", "stanza not parsed", 2))
    part = _part(judge(replace(WELL, store=StoreFacts(counts, None, 0.0, causes))), "capture")
    assert part.reason == "3 suspected losses (line not known: 1, stanza not parsed: 2)"


def test_messages_of_unconfigured_groups_are_said_and_are_no_trouble() -> None:
    """A typo in a JID shows as a group that is heard and not configured."""
    counts = replace(COUNTS, unconfigured_messages=12, unconfigured_groups=2)
    part = _part(judge(replace(WELL, store=StoreFacts(counts, None, 0.0))), "capture")
    assert part.ok
    assert "heard in 2 unconfigured groups: 12" in part.reason


def test_postgres_away_never_turns_capture_red() -> None:
    """Publishing has an endpoint of its own; /health stays 200 and shows it."""
    away = replace(PUBLISHING, ok=False, word="unreachable", reason="no answer", pending=9)
    facts = replace(WELL, publishing=away)
    verdict, publishing = judge(facts), judge_publishing(facts)
    assert verdict.ok
    assert (publishing.ok, publishing.status) == (False, "down")
    reason = "twinbridge on database:5432: no answer; 9 pending, 0 parked"
    assert _part(verdict, "publishing") == _part(publishing, "publishing")
    assert _part(publishing, "publishing").reason == reason


def test_a_group_that_this_number_is_not_in_is_named() -> None:
    """Capturing fails silently for that project otherwise."""
    part = _part(judge(replace(WELL, absent_from={"Velo Test", "Lawley"})), "groups")
    assert not part.ok
    assert part.reason == "this number is not in the group of Lawley, Velo Test"


def test_waiting_to_be_paired_is_alive() -> None:
    """Docker must not restart a bridge because nobody has scanned its code yet."""
    waiting = Connection(word=Word.PAIRING, reason="scan the QR code with the phone")
    assert judge_life(replace(WELL, connection=waiting)).ok


@pytest.mark.parametrize(
    "facts",
    [
        replace(WELL, client_alive=False),
        replace(WELL, client_stuck_s=health.STUCK_S + 1),
        replace(WELL, loop_stuck_s=health.LOOP_S + 1),
    ],
)
def test_a_loop_or_a_client_without_progress_is_not_alive(facts: Facts) -> None:
    """A process that answers HTTP and does nothing else is not alive."""
    assert not judge_life(facts).ok


def test_a_store_that_was_set_aside_is_a_loss_with_its_reason() -> None:
    """The new file works, so /health is 200; a person must look into the old one."""
    aside = "messages.db was set aside in aside-1: cannot capture: CorruptError: malformed"
    facts = StoreFacts(replace(COUNTS, detected_losses=1), None, 0.0, (), (aside,))
    verdict = judge(replace(WELL, store=facts))
    part = _part(verdict, "capture")
    assert (verdict.ok, part.ok, part.word) == (True, False, "loss")
    assert part.reason.endswith(aside)
