"""The outbox: a mark per mention and per database, so that no database is ever left behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.store import OutboxCounts, Store
from tests.bridge.events import T0, edit, info, message, phone
from tests.bridge.filled import NOW, Event, feed, open_store, rules, settle

AUTHOR = phone("27820000001")


def naming(number: int, *, at: int = T0) -> Event:
    """A message that names one drop."""
    return "message", message(info(f"A{number}", AUTHOR, at=at), f"DR{1_000_000 + number}")


def filled(volume: Path, count: int) -> Store:
    """A store with so many mentions."""
    store = open_store(volume)
    store.apply_rules(rules())
    feed(store, [naming(number) for number in range(count)])
    settle(store)
    return store


def drops(store: Store, database: str, limit: int = 10_000) -> list[str]:
    """What is pending, in its order."""
    return [mention.drop_number for _, mention in store.pending_mentions(database, limit)]


def test_pending_until_marked(tmp_path: Path) -> None:
    """What is not marked stays pending, also over a restart; what is marked does not come again."""
    with filled(tmp_path, 3) as store:
        batch = store.pending_mentions("db", 2)
        assert [mention.drop_number for _, mention in batch] == ["DR1000000", "DR1000001"]
        store.mark_published("db", batch[:1])
    with open_store(tmp_path) as store:
        assert drops(store, "db") == ["DR1000001", "DR1000002"]
        assert store.outbox("db").pending == 2


def test_another_database_gets_everything_again(tmp_path: Path) -> None:
    """An unknown database has nothing: all mentions are pending for it, and only for it."""
    with filled(tmp_path, 1_300) as store:
        store.mark_published("db", store.pending_mentions("db", 10_000))
        assert drops(store, "db") == []
        assert store.outbox("other").pending == 1_300
        assert len(drops(store, "other", 10)) == 10
        assert store.outbox("other").pending == 1_300
        assert len(set(drops(store, "other"))) == 1_300
        assert drops(store, "db") == []
        assert store.outbox(None).pending == 1_300


def test_a_change_makes_pending_again(tmp_path: Path) -> None:
    """A mention that changes after or *while* it is published is published again."""
    with filled(tmp_path, 1) as store:
        batch = store.pending_mentions("db", 10)
        gone = message(info("E1", AUTHOR, at=T0 + 1000), edit("A0", "wrong house"))
        feed(store, [("message", gone)])
        settle(store)
        store.mark_published("db", batch)
        ((mark, mention),) = store.pending_mentions("db", 10)
        assert mention.withdrawn
        assert (mention.as_of_id, mention.sent_at) == ("E1", datetime.fromtimestamp(T0 / 1000, UTC))
        store.mark_published("db", [(mark, mention)])
        assert drops(store, "db") == []


def test_change_while_a_new_database_is_filled(tmp_path: Path) -> None:
    """A mention that changes before the fill reached it is pending once, with its new content."""
    with filled(tmp_path, 700) as store:
        assert len(drops(store, "db", 1)) == 1
        feed(store, [("message", message(info("E1", AUTHOR, at=T0 + 9), edit("A650", "gone")))])
        settle(store)
        pending = store.pending_mentions("db", 10_000)
        assert len({mention.key for _, mention in pending}) == len(pending) == 700
        assert [one.drop_number for _, one in pending if one.withdrawn] == ["DR1000650"]


def test_parked_row_stops_nothing(tmp_path: Path) -> None:
    """A row that the database refuses is put aside with its error; a change of it tries again."""
    with filled(tmp_path, 2) as store:
        (mark, mention), _ = store.pending_mentions("db", 10)
        store.park("db", mark, mention, "22021 invalid byte sequence")
        assert drops(store, "db") == ["DR1000001"]
        counts = store.outbox("db")
        assert (counts.pending, counts.parked) == (1, 1)
        store.unpark("db")
        assert store.outbox("db").parked == 0
        store.park("db", mark, mention, "again")
        feed(store, [("message", message(info("E1", AUTHOR, at=T0 + 9), edit("A0", "gone")))])
        settle(store)
        assert set(drops(store, "db")) == {"DR1000000", "DR1000001"}


def test_age_of_the_oldest(tmp_path: Path) -> None:
    """Health asks how long the oldest mention has been waiting, not how old its message is."""
    now = [NOW]
    with open_store(tmp_path, clock=lambda: now[0]) as store:
        store.apply_rules(rules())
        assert store.pending_mentions("db", 1) == []
        assert store.outbox("db") == OutboxCounts(0, 0, 0.0)
        feed(store, [naming(1)])
        settle(store)
        now[0] += 90
        assert store.outbox("db") == OutboxCounts(1, 0, 90.0)


def test_held_back(tmp_path: Path) -> None:
    """Older than the horizon or than the project's start: stored and published, not acted upon."""
    start = datetime.fromtimestamp(T0 / 1000, UTC)
    old = T0 - int(timedelta(days=31).total_seconds() * 1000)
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [naming(1), naming(2, at=old), naming(3, at=T0 - 60_000)])
        settle(store)
        held = {one.drop_number: one.held_back for _, one in store.pending_mentions("db", 9)}
        assert held == {"DR1000001": False, "DR1000002": True, "DR1000003": False}
        store.apply_rules(rules(starts_at=start, rules_hash="with a start"))
        settle(store)
        held = {one.drop_number: one.held_back for _, one in store.pending_mentions("db", 9)}
        assert held == {"DR1000001": False, "DR1000002": True, "DR1000003": True}


def test_what_only_dev_acts_on_is_not_for_a_bridge_to_publish(tmp_path: Path) -> None:
    """A project of `dev` alone is read by its monitor; no database is owed it by a bridge, neither
    one that was known before its messages nor one that is met later.
    """
    both = rules().projects[0]
    dev = replace(both, name="Tried", group="120363000000000002@g.us", environments=("dev",))
    with open_store(tmp_path) as store:
        store.apply_rules(replace(rules(), projects=(both, dev)))
        assert drops(store, "known") == []
        tried = info("B1", AUTHOR, at=T0 + 5, chat=dev.group)
        feed(store, [naming(1), ("message", message(tried, "DR7654321"))])
        settle(store)
        for database in ("known", "met later"):
            assert drops(store, database) == ["DR1000001"]
            store.mark_published(database, store.pending_mentions(database, 10))
            assert store.outbox(database).pending == 0
            newest = store.last_published(database)
            assert newest is not None
            assert newest.drop_number == "DR1000001"
