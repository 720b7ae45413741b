"""What an older bridge stored becomes ours: each message once, and nothing left out in silence."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from bridge.event import Interpretation, read
from bridge.merge import Evidence
from bridge.takeover.files import NotTakenOver, opened
from bridge.takeover.messages import read_into
from bridge.takeover.rows import Fault, Judged, judge_message
from bridge.takeover.session import refuse_unfit, take_session
from contracts.database_url import parse_database_url
from database.migrate import migrate
from database.reviews_table import adopt
from tests.bridge.at_work import at_work
from tests.bridge.events import info, message, phone
from tests.bridge.filled import contents, feed, mentions, messages, open_store, rows, rules, settle
from tests.bridge.older import AT, GROUP, seed
from tests.bridge.publishing import read as ask

NOW = datetime(2025, 11, 14, tzinfo=UTC)


def judged(**changes: object) -> Judged:
    """What becomes of a row."""
    row = {"id": "A1", "chat_jid": GROUP, "sender": "27820000077", "content": "x", "timestamp": AT}
    return judge_message(row | changes, None, NOW)


def said(one: Judged) -> Interpretation:
    """What its first event says."""
    interpretation = read(one.events[0].kind, one.events[0].payload, 0)
    assert isinstance(interpretation, Interpretation)
    return interpretation


@pytest.mark.parametrize(
    "moment",
    [
        AT,
        "2025-11-13 12:00:00.000000000+02:00",
        "2025-11-13 12:00:00 +0200 SAST",
        "2025-11-13 12:00:00 +0200 +0200 m=+0.01",
        "2025-11-13T10:00:00Z",
        1_763_028_000,
        1_763_028_000_000,
    ],
)
def test_a_time_is_read_however_it_was_written(moment: object) -> None:
    """As Go, Python and SQLite write it, in seconds or milliseconds."""
    assert said(judged(timestamp=moment)).sent_at == 1_763_028_000_000


def test_a_time_without_a_zone_is_not_guessed() -> None:
    """Two hours make another day; whoever knows the zone says it."""
    plain = "2025-11-13 12:00:00"
    (fault,) = judged(timestamp=plain).faults
    assert "ZONE" in fault.reason
    row = {"id": "A1", "chat_jid": GROUP, "sender": "", "content": "x", "timestamp": plain}
    in_zone = judge_message(row, ZoneInfo("Africa/Johannesburg"), NOW)
    assert said(in_zone).sent_at == 1_763_028_000_000


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"id": None}, "id"),
        ({"id": 7}, "id"),
        ({"chat_jid": "nowhere"}, "chat_jid"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": "1970-01-01 00:00:00+00:00"}, "timestamp"),
        ({"timestamp": "2031-01-01 00:00:00+00:00"}, "timestamp"),
        ({"timestamp": float("inf")}, "timestamp"),
        ({"content": b"\xff\xfe"}, "content"),
    ],
)
def test_a_faulty_row_is_named_with_its_key_and_value(
    changes: dict[str, object], column: str
) -> None:
    """It gives no event, and the column and value that are at fault."""
    one = judged(**changes)
    assert one.events == ()
    assert [fault.column for fault in one.faults] == [column]
    assert one.faults[0].value == repr(changes[column])


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        ("27820000077", Evidence(pn="27820000077")),
        ("+27820000077", Evidence(pn="27820000077")),
        ("27820000077:12@s.whatsapp.net", Evidence(pn="27820000077")),
        ("100000000000077", Evidence(lid="100000000000077")),
        ("1077@lid", Evidence()),
        ("10770@lid", Evidence(lid="10770")),
        ("", Evidence()),
        (None, Evidence()),
    ],
)
def test_a_sender_is_a_phone_or_a_lid(sender: str | None, author: Evidence) -> None:
    """By its server, and where that was not kept by its length."""
    assert said(judged(sender=sender)).author == author


def test_a_message_is_kept_when_only_its_sender_is_wrong() -> None:
    """The drop counts; that nobody is known as its author is said."""
    one = judged(sender="?")
    assert said(one).author == Evidence()
    assert one.faults == (
        Fault(
            "messages", f"{GROUP}/A1", "sender", "'?'", "no number; taken over without an author"
        ),
    )


@pytest.mark.parametrize("chat", ["27820000077@s.whatsapp.net", "status@broadcast", "77@lid"])
def test_direct_messages_are_nobodys_business(chat: str) -> None:
    """They give neither events nor faults."""
    assert judged(chat_jid=chat) == Judged()


def test_a_file_is_taken_over_once(tmp_path: Path) -> None:
    """Texts, captions, deletions, names and drops are as if they had been heard; a second time
    changes nothing, and neither does a message that was heard by ourselves.
    """
    volume = tmp_path / "volume"
    volume.mkdir()
    file = seed(
        tmp_path,
        [
            {"id": "A1", "content": "DR1234567 done"},
            {"id": "A2", "content": "DR7654321", "media_type": "image", "media_key": b"k"},
            {"id": "A3", "content": "DR1111111", "deleted": 1},
            {"id": "A4", "content": "DR2222222", "timestamp": "never"},
            {"id": "A5", "content": "heard by both", "sender": "27820000078"},
            {"id": "D1", "content": "DR3333333", "chat_jid": "27820000078@s.whatsapp.net"},
        ],
    )
    heard = message(info("A5", phone("27820000078"), at=1_763_028_000_000), "heard by both")
    with open_store(volume) as store:
        store.apply_rules(rules())
        feed(store, [("message", heard)])
        first = read_into(file, store, None)
        settle(store)
        second = read_into(file, store, None)
        settle(store)
    assert (first.messages, first.deleted, first.elsewhere) == (4, 1, 1)
    assert (first.new, second.new) == (6, 0)
    assert [fault.key for fault in first.faults] == [f"{GROUP}/A4"]
    assert contents(volume) == {
        "A1": ["DR1234567 done"],
        "A2": ["DR7654321"],
        "A3": ["DR1111111"],
        "A5": ["heard by both"],
    }
    found = {one.id: one for one in messages(volume) if one.kind != "revoke"}
    assert {id_ for id_, one in found.items() if one.deleted} == {"A3"}
    assert found["A2"].kind == "image"
    assert {key: row[2] for key, row in mentions(volume).items()} == {
        "DR1111111 A3": 1,
        "DR1234567 A1": 0,
        "DR7654321 A2": 0,
    }
    assert rows(volume, "SELECT name FROM chats") == [("Velo Test",)]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP TABLE messages", "has no tables"),
        ("ALTER TABLE messages DROP COLUMN sender", "lacks the columns sender"),
        ("CREATE TABLE store (seq)", "Twinbridge's own"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, statement: str, says: str) -> None:
    """What is no store of an older bridge is named, and nothing of it is taken."""
    file = seed(tmp_path, [{"id": "A1", "content": "DR1234567"}])
    with closing(sqlite3.connect(file)) as db:
        db.execute(statement)
        db.commit()
    with open_store(tmp_path) as store, pytest.raises(NotTakenOver, match=says):
        read_into(file, store, None)


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    """The kernel knows of every process that may write to it, also one that is idle."""
    file = seed(tmp_path, [])
    (tmp_path / "copies").mkdir()
    with file.open("r+b"):
        with (
            pytest.raises(NotTakenOver, match="stop the old bridge"),
            opened(file, must_be_still=True),
        ):
            pass
        with opened(file, must_be_still=False) as looked_at:
            assert not looked_at.still
    with opened(file, must_be_still=True) as held:
        assert held.still
        with pytest.raises(BlockingIOError):
            os.open(file, os.O_RDWR | os.O_NONBLOCK)  # the lease is being broken
        with pytest.raises(NotTakenOver, match="opened by another process meanwhile"):
            held.copied_to(tmp_path / "copies")


def test_a_session_is_taken_over_whole_and_never_over_another(tmp_path: Path) -> None:
    """One device of the expected number, into a place without a session."""
    copy, session = tmp_path / "whatsapp.db", tmp_path / "session"
    session.mkdir()
    with closing(sqlite3.connect(copy)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("CREATE TABLE whatsmeow_device (jid TEXT)")
        db.commit()
    with pytest.raises(NotTakenOver, match="0 devices"):
        refuse_unfit(copy, session, "")
    with closing(sqlite3.connect(copy)) as db:
        db.execute("INSERT INTO whatsmeow_device VALUES ('27820000001:5@s.whatsapp.net')")
        db.commit()
    with pytest.raises(NotTakenOver, match="another number"):
        refuse_unfit(copy, session, "27820000002")
    refuse_unfit(copy, session, "27820000001")
    take_session(copy, session)
    assert [path.name for path in session.iterdir()] == ["whatsapp.db"]
    assert not copy.with_name("whatsapp.db-wal").exists()
    with pytest.raises(NotTakenOver, match="has a session already"):
        refuse_unfit(copy, session, "")


FIELD_REVIEWS = """
CREATE TABLE public.qa_photo_reviews (
    drop_number varchar(50) PRIMARY KEY, project varchar(100), completed boolean,
    created_at timestamptz
);
INSERT INTO public.qa_photo_reviews VALUES
('DR1234567', 'Velo Test', true, now() - interval '2 hours' + interval '7 seconds'),
('DR7654321', 'Velo Test', false, now() - interval '1 hour');
"""


async def test_stored_messages_do_not_make_resubmissions_of_adopted_reviews(
    empty_database_url: str, tmp_path: Path
) -> None:
    """The reviews of older code and the messages behind them are both taken over: each review gets
    its message's time and author, none is a resubmission, and what a reviewer did stays.
    """
    volume = tmp_path / "volume"
    volume.mkdir()
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(FIELD_REVIEWS.encode())
        (when,) = connection.execute(b"SELECT now()").fetchall()
    address = parse_database_url(empty_database_url)
    adopt(address, dry_run=False)
    migrate(address)
    an_hour = 3600
    now = when[0].timestamp()
    file = seed(
        tmp_path,
        [
            {"id": "A1", "content": "DR1234567 done", "timestamp": int(now) - 2 * an_hour},
            {"id": "A2", "content": "DR7654321", "timestamp": int(now) - an_hour - 4},
            {"id": "A3", "content": "DR7777777", "timestamp": int(now) - an_hour},
        ],
    )
    with open_store(volume) as store:
        assert read_into(file, store, None).new == 4
    async with at_work(volume, empty_database_url) as bridge:
        await bridge.published()
    assert await ask(
        empty_database_url,
        "SELECT drop_number, completed, resubmitted, submitted_by, bridge_source"
        " FROM qa_photo_reviews ORDER BY drop_number",
    ) == [
        ("DR1234567", True, False, "27820000077", None),
        ("DR7654321", False, False, "27820000077", None),
        ("DR7777777", False, False, "27820000077", "primary"),
    ]
