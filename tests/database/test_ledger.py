"""What becomes of a drop: the stories of the field, told to the real function."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from contracts.ledger import RECORD_MENTIONS, RELEASE_HELD, Mention, encode_mentions

Connection = psycopg.Connection[tuple[Any, ...]]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FIRST = Mention(
    drop_number="DR1234567",
    chat="1@g.us",
    message_id="M1",
    project="Lawley",
    sent_at=NOON,
    as_of=NOON,
    as_of_id="M1",
    author_pn="27001",
    user_name="Thandi",
)
AGAIN = replace(FIRST, message_id="M2", sent_at=NOON + timedelta(hours=1))


@pytest.fixture
def ledger(database_url: str) -> Iterator[Connection]:
    """One connection, every statement its own transaction."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def record(ledger: Connection, *mentions: Mention, bridge: str = "primary") -> None:
    """Hand mentions to the ledger."""
    statement = RECORD_MENTIONS.replace("$1", "%s").replace("$2", "%s").encode()
    ledger.execute(statement, (bridge, encode_mentions(mentions)))


def review(ledger: Connection, columns: str) -> tuple[Any, ...] | None:
    """Some columns of the drop's review."""
    return ledger.execute(f"SELECT {columns} FROM qa_photo_reviews".encode()).fetchone()  # noqa: S608 - columns from the test


def feedback(ledger: Connection, at: datetime) -> None:
    """The reviewer sends the drop back."""
    ledger.execute(
        "UPDATE qa_photo_reviews SET incomplete = true, feedback_sent = %s, comment = 'photo 3'",
        (at,),
    )


def test_feedback_then_a_later_message_is_a_resubmission_applied_once(ledger: Connection) -> None:
    """It clears the feedback and adds a line to the reviewer's comment; newer feedback is not
    wiped when the other bridge brings its copy.
    """
    record(ledger, FIRST)
    feedback(ledger, NOON + timedelta(minutes=30))
    record(ledger, AGAIN)
    state = "resubmitted, incomplete, feedback_sent, comment"
    note = "photo 3\n[twinbridge] resubmitted 2026-03-02T13:00:00Z"
    assert review(ledger, state) == (True, False, None, note)
    newer = NOON + timedelta(hours=2)
    ledger.execute("UPDATE qa_photo_reviews SET incomplete = true, feedback_sent = %s", (newer,))
    record(ledger, AGAIN, FIRST, bridge="backup")
    assert review(ledger, state) == (True, True, newer, note)


def test_a_text_and_its_photos_are_one_submission(ledger: Connection) -> None:
    """Thirteen messages by one author with nine minutes between them are not thirteen."""
    record(
        ledger,
        *(
            replace(FIRST, message_id=f"M{n}", sent_at=NOON + timedelta(minutes=9 * n))
            for n in range(13)
        ),
    )
    assert review(ledger, "resubmitted, comment") == (False, None)


def test_feedback_between_two_quick_messages_makes_them_two(ledger: Connection) -> None:
    """A message after the feedback is a resubmission, however soon."""
    record(ledger, FIRST)
    feedback(ledger, NOON + timedelta(minutes=2))
    record(ledger, replace(AGAIN, sent_at=NOON + timedelta(minutes=4)))
    assert review(ledger, "resubmitted, feedback_sent") == (True, None)


def test_an_older_message_only_corrects_the_first_time(ledger: Connection) -> None:
    """Backlog that arrives after the feedback moves the first time, and resubmits nothing."""
    record(ledger, FIRST)
    feedback(ledger, NOON + timedelta(minutes=30))
    record(ledger, replace(AGAIN, sent_at=NOON - timedelta(hours=15)))
    assert review(ledger, "whatsapp_message_date, review_date::text, resubmitted, incomplete") == (
        NOON - timedelta(hours=15),
        "2026-03-01",
        False,
        True,
    )


def test_an_edit_takes_a_resubmission_away_and_another_brings_it_back(ledger: Connection) -> None:
    """The flag follows the newest accepted event, in whatever order copies arrive; what the
    reviewer had is there again while the resubmission is withdrawn.
    """
    record(ledger, FIRST)
    sent = NOON + timedelta(minutes=30)
    feedback(ledger, sent)
    gone = replace(AGAIN, as_of=NOON + timedelta(hours=2), as_of_id="E1", withdrawn=True)
    back = replace(AGAIN, as_of=NOON + timedelta(hours=3), as_of_id="E2")
    record(ledger, AGAIN)
    record(ledger, gone)
    assert review(ledger, "resubmitted, feedback_sent, comment") == (False, sent, "photo 3")
    record(ledger, back)
    record(ledger, gone, bridge="backup")
    assert review(ledger, "resubmitted, feedback_sent") == (True, None)


def test_a_deleted_message_never_removes_its_review(ledger: Connection) -> None:
    """The only mention is withdrawn: the row stays as it is."""
    record(ledger, FIRST)
    record(ledger, replace(FIRST, as_of=NOON + timedelta(hours=1), as_of_id="R", withdrawn=True))
    assert review(ledger, "drop_number, submitted_by") == ("DR1234567", "27001")


def test_the_number_in_another_project_is_listed_not_resubmitted(ledger: Connection) -> None:
    """It stands in invalid_drop_submissions, whichever of the two arrived first."""
    record(ledger, replace(AGAIN, chat="2@g.us", project="Mohadin"))
    record(ledger, FIRST)
    assert review(ledger, "project, resubmitted") == ("Lawley", False)
    listed = ledger.execute("SELECT project, message_id, reason FROM invalid_drop_submissions")
    assert listed.fetchall() == [("Mohadin", "M2", "other_project")]


def test_an_old_message_waits_until_it_is_released(ledger: Connection) -> None:
    """Held back, it is in the ledger and makes no row; the verb makes one, under the bridge that
    heard it.
    """
    record(ledger, replace(FIRST, held_back=True), bridge="backup")
    assert review(ledger, "drop_number") is None
    released = ledger.execute(RELEASE_HELD.replace("$1", "%s").encode(), ("Lawley",)).fetchone()
    assert released == (1,)
    assert review(ledger, "drop_number, bridge_source") == ("DR1234567", "backup")


def test_opening_a_drop_is_no_act(ledger: Connection) -> None:
    """Locks of the page do not count as a review; a tick does, and covers what was known."""
    record(ledger, FIRST)
    ledger.execute("UPDATE qa_photo_reviews SET locked_by = 'Lerato', locked_at = now()")
    assert review(ledger, "reviewed_at") == (None,)
    ledger.execute("UPDATE qa_photo_reviews SET step_01_house_photo = true")
    assert review(ledger, "reviewed_at IS NOT NULL") == (True,)


def test_ten_minutes_are_the_same_submission_and_one_second_more_is_not(ledger: Connection) -> None:
    """The gap counts up to and with the setting."""
    record(ledger, FIRST, replace(AGAIN, sent_at=NOON + timedelta(minutes=10)))
    assert review(ledger, "resubmitted") == (False,)
    later = NOON + timedelta(minutes=20, seconds=1)
    record(ledger, replace(AGAIN, message_id="M3", sent_at=later))
    assert review(ledger, "resubmitted") == (True,)


def test_a_forged_id_cannot_hide_a_drop_behind_our_number(ledger: Connection) -> None:
    """Two copies of one id name different authors, one of them us: the drop still counts, and
    nobody is named as its sender.
    """
    ledger.execute("SELECT register_own_number('primary', '2700064', NULL)")
    record(ledger, replace(FIRST, author_pn="2700064"))
    assert review(ledger, "drop_number") is None
    record(ledger, replace(FIRST, author_pn="2700100"), bridge="backup")
    assert review(ledger, "drop_number, submitted_by, user_name") == ("DR1234567", None, None)
