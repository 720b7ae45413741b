"""Old messages are deleted if nobody waits for them, and never come back as new."""

from pathlib import Path

import pytest

from bridge.retention import Keeper, Usage, held_by, judge_volumes, kept_days
from bridge.store import Store
from bridge.store.connection import open_writer
from contracts.messages import SCHEMA_VERSION
from contracts.retention import Retention
from tests.bridge.events import GROUP, T0, edit, info, message, phone
from tests.bridge.filled import corrupt, feed, mentions, messages, open_store, rows, rules, settle

MIB = 1024 * 1024
DAY = 86_400_000
RETENTION = Retention(messages_days=90, messages_mib=100, session_mib=16, logs_mib=50)


def _text(identity: str, text: str, at: int) -> tuple[str, bytes]:
    return "message", message(info(identity, phone("2782"), at=at), text)


def _publish(store: Store) -> None:
    """Everything reaches the database."""
    while pending := store.pending_mentions("db", 50):
        store.mark_published("db", pending)


def _ids(volume: Path) -> set[str]:
    return {seen.id for seen in messages(volume)}


def test_what_is_old_and_published_goes_with_everything_that_belongs_to_it(
    tmp_path: Path,
) -> None:
    """What is younger stays; the count of the group is right; nothing of the old one is left."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [_text("OLD", "DR1111111", T0 - DAY), _text("NEW", "DR2222222", T0)])
        settle(store)
        _publish(store)
        assert store.prune(T0 - 1) == 1
        assert store.prune(T0 - 1) == 0
    assert _ids(tmp_path) == {"NEW"}
    assert list(mentions(tmp_path)) == ["DR2222222 NEW"]
    assert rows(tmp_path, "SELECT messages FROM chat WHERE jid = ?", GROUP) == [(1,)]
    assert (
        rows(
            tmp_path,
            "SELECT id FROM event UNION ALL SELECT id FROM message"
            " UNION ALL SELECT id FROM mention",
        )
        == [("NEW",)] * 3
    )


def test_a_copy_of_what_was_deleted_is_known_already_and_a_late_first_word_is_read(
    tmp_path: Path,
) -> None:
    """Another copy makes no second message; an event that waited unread longer than the retention
    is no such copy.
    """
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [_text("OLD", "DR1111111", T0 - 9 * DAY)], at=T0 - 9 * DAY)
        settle(store)
        _publish(store)
        feed(store, [_text("LATE", "DR3333333", T0 - 8 * DAY)], at=T0 - 8 * DAY)
        assert store.prune(T0 - DAY) == 0, "while something is unread nothing is deleted"
        settle(store)
        assert "LATE" in _ids(tmp_path)
        _publish(store)
        assert store.prune(T0 - DAY) == 2
        feed(store, [_text("OLD", "DR1111111", T0 - 9 * DAY)], at=T0)
        settle(store)
    assert _ids(tmp_path) == set()
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [_text("OLD", "DR1111111", T0 - 9 * DAY)], at=T0)
        settle(store)
        assert store.pending_mentions("db", 50) == [], "nothing is published a second time"
    assert _ids(tmp_path) == set()


def test_what_is_not_published_stays(tmp_path: Path) -> None:
    """Before any database is known, while it waits, and while it is parked."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [_text("OLD", "DR1111111", T0 - DAY), _text("TALK", "no drop", T0 - DAY)])
        settle(store)
        assert store.prune(T0) == 1, "what names no drop has nothing to publish"
        ((seq, mention),) = store.pending_mentions("db", 50)
        assert store.prune(T0) == 0
        store.park("db", seq, mention, "refused")
        assert store.prune(T0) == 0
        store.unpark("db")
        _publish(store)
        assert store.prune(T0) == 1
    assert _ids(tmp_path) == set()


def test_an_edit_does_not_go_before_its_message_nor_the_message_before_a_younger_edit(
    tmp_path: Path,
) -> None:
    """A text must not turn back into what it was, nor an edit lose what it speaks of."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        said = info("OLD", phone("2782"), at=T0 - 2 * DAY)
        change = info("EDIT", phone("2782"), at=T0 - DAY)
        feed(
            store,
            [
                ("message", message(said, "DR1111111")),
                ("message", message(change, edit("OLD", "DR2222222"))),
            ],
        )
        settle(store)
        _publish(store)
        assert store.prune(T0 - DAY - 1) == 0
        assert store.prune(T0) >= 1
        store.prune(T0)
    assert _ids(tmp_path) == set()


def test_a_file_of_the_version_before_is_taken_over_and_stays_usable_by_it(
    tmp_path: Path,
) -> None:
    """The table is made, the version raised, and what that version needs is unchanged."""
    open_store(tmp_path).close()
    corrupt(tmp_path, "DROP TABLE pruning")
    corrupt(tmp_path, "UPDATE store SET schema_version = 1")
    open_writer(tmp_path, "primary").close()
    assert rows(tmp_path, "SELECT schema_version, min_compatible FROM store") == [
        (SCHEMA_VERSION, 1)
    ]
    with open_store(tmp_path) as store:
        assert store.prune(T0) == 0


def test_the_retention_outlives_the_horizon() -> None:
    """What may still be acted on must be there."""
    assert RETENTION.short_of(89) is None
    assert "at least 91" in str(RETENTION.short_of(90))


@pytest.mark.parametrize(
    ("used", "word", "ok"),
    [(69, "within", True), (70, "filling", False), (100, "filling", False), (101, "over", False)],
)
def test_a_volume_is_named_from_seventy_percent_on(used: int, word: str, ok: bool) -> None:
    """In time for a person to do something."""
    part = judge_volumes([Usage("messages", used * MIB, 100 * MIB), Usage("logs", 0, MIB)])
    assert (part.word, part.ok) == (word, ok)
    assert ok or part.reason == f"messages holds {used} of 100 MiB"


def test_over_its_budget_only_what_is_acted_on_is_kept() -> None:
    """The budget shortens the time, never below the horizon."""
    assert kept_days(RETENTION, 30, None) == 90
    assert kept_days(RETENTION, 30, Usage("messages", 100 * MIB, 100 * MIB)) == 90
    assert kept_days(RETENTION, 30, Usage("messages", 101 * MIB, 100 * MIB)) == 31


def test_a_look_measures_the_volumes_and_deletes_what_is_old(tmp_path: Path) -> None:
    """A folder that is not there (no log volume) is left out."""
    volume, session = tmp_path / "messages", tmp_path / "session"
    volume.mkdir()
    session.mkdir()
    (session / "whatsapp.db").write_bytes(b"x" * 100_000)
    with open_store(volume) as store:
        store.apply_rules(rules())
        feed(store, [_text("OLD", "hello", T0 - 90 * DAY)], at=T0 - 90 * DAY)
        settle(store)
        keeper = Keeper(
            store, RETENTION, 30, session=session, messages=volume, logs=tmp_path / "none"
        )
        assert keeper.volumes == ()
        keeper.look()
        measured: tuple[Usage, ...] = keeper.volumes
        assert [one.name for one in measured] == ["messages", "session"]
        assert 100_000 <= held_by(session) < MIB
    assert _ids(volume) == set()
