"""messages.db: captured is durable, files are private, readers can always read it."""

import os
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from bridge import event as event_module
from bridge.store import Store, StoreIncompatible, StoreUnavailable, set_aside
from bridge.store import interpretation as interpretation_module
from bridge.store import store as store_module
from contracts.messages import (
    CHATS_COLUMNS,
    MESSAGES_COLUMNS,
    READ_CHANGES,
    MessagesUnreadable,
    messages_file,
    open_for_reading,
    read_identity,
)
from tests.bridge.events import GROUP, T0, edit, info, lid, message, phone, revoke, undecryptable
from tests.bridge.filled import contents, corrupt, feed, open_store, rows, rules, settle

TEXT = ("message", message(info("A1", phone("2782"), lid("77")), "DR1234567"))


def test_files_are_private_from_the_first_open_on(tmp_path: Path) -> None:
    """Directory 0700, every file 0600, whatever the umask of the process is."""
    before = os.umask(0)
    try:
        with open_store(tmp_path) as store:
            feed(store, [TEXT])
            found = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in (tmp_path / "current").iterdir()
            }
    finally:
        os.umask(before)
    assert found == {"messages.db": 0o600, "messages.db-wal": 0o600, "messages.db-shm": 0o600}
    assert stat.S_IMODE((tmp_path / "current").stat().st_mode) == 0o700


def test_seed_views(tmp_path: Path) -> None:
    """Readers of the seed find their tables: exactly its columns, phone before LID, `deleted`."""
    with open_store(tmp_path) as store:
        feed(
            store,
            [
                TEXT,
                ("message", message(info("A2", lid("78"), at=T0 + 1000), "by a LID")),
                ("message", message(info("A3", phone("2783"), from_me=True), "gone")),
                ("message", message(info("R1", phone("2783"), from_me=True), revoke("A3"))),
                ("message", message(info("E1", phone("2782"), at=T0 + 2000), edit("A1", "DR7"))),
            ],
        )
        settle(store)
        with closing(open_for_reading(messages_file(tmp_path))) as db:
            cursor = db.execute("SELECT * FROM messages ORDER BY id")
            assert tuple(column[0] for column in cursor.description) == MESSAGES_COLUMNS
            found = {row[0]: row for row in cursor}
            cursor = db.execute("SELECT * FROM chats")
            assert tuple(column[0] for column in cursor.description) == CHATS_COLUMNS
            assert cursor.fetchall() == [(GROUP, GROUP, "2025-11-13 02:13:22+00:00")]
    assert set(found) == {"A1", "A2", "A3"}
    assert found["A1"][1:6] == (GROUP, "2782", "DR7", "2025-11-13 02:13:20+00:00", 0)
    assert found["A2"][2] == "78"
    assert (found["A3"][5], found["A3"][13]) == (1, 1)


def test_what_is_no_group_message_never_touches_the_disk(tmp_path: Path) -> None:
    """A direct message leaves no trace in any file."""
    secret = "this is between us two"
    with open_store(tmp_path) as store:
        direct = message(info("D1", phone("2782"), chat="2782@s.whatsapp.net"), secret)
        feed(store, [("message", direct), TEXT])
        settle(store)
        assert [row[0] for row in rows(tmp_path, "SELECT id FROM messages")] == ["A1"]
        for path in (tmp_path / "current").iterdir():
            assert secret.encode() not in path.read_bytes()


def test_every_group_is_stored(tmp_path: Path) -> None:
    """A group that no project names is stored, counted as unconfigured, and not published."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        other = info("B1", phone("2782"), chat="120363999@g.us")
        feed(store, [TEXT, ("message", message(other, "DR7654321"))])
        settle(store)
        counts = store.counts()
        assert (counts.messages, counts.unconfigured_messages, counts.unconfigured_groups) == (
            2, 1, 1,
        )  # fmt: skip
        pending = store.pending_mentions("db", 10)
        assert [mention.drop_number for _, mention in pending] == ["DR1234567"]


def test_change_seq_grows_with_every_change(tmp_path: Path) -> None:
    """Each insert and each later change takes the next number; repetition changes nothing."""
    with open_store(tmp_path) as store:
        feed(store, [TEXT, TEXT])
        settle(store)
        before = rows(tmp_path, READ_CHANGES, 0)
        assert [row[3] for row in before] == [1]
        feed(store, [TEXT])
        settle(store)
        assert rows(tmp_path, READ_CHANGES, 1) == []
        feed(store, [("message", message(info("E1", phone("2782")), edit("A1", "x")))])
        settle(store)
        changed = rows(tmp_path, READ_CHANGES, 1)
        assert {(row[1], row[11]) for row in changed} == {("A1", "x"), ("E1", "")}
        assert len({row[3] for row in changed}) == 2
        assert store.counts().seq == max(row[3] for row in changed)


def test_placeholder_is_replaced_by_content(tmp_path: Path) -> None:
    """A message that could not be decrypted is there, and becomes the message it was."""
    with open_store(tmp_path) as store:
        feed(store, [("undecryptable", undecryptable(info("A1", lid("77"))))])
        settle(store)
        assert store.counts().placeholders == 1
        feed(store, [TEXT, ("undecryptable", undecryptable(info("A1", lid("77"))))])
        settle(store)
        assert store.counts().placeholders == 0
        assert contents(tmp_path) == {"A1": ["DR1234567"]}


def test_unreadable_event_is_kept_for_a_later_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this version cannot read is counted, stops nothing, and is read by a later one."""
    unknown = message(info("A9", phone("2782")), "").replace(
        b"\x12\x02\x0a\x00", b"\x12\x02\x0a\x7f"
    )
    with open_store(tmp_path) as store:
        feed(store, [("message", unknown), ("message", b"\x0a\x7frubbish"), TEXT])
        settle(store)
        assert store.counts().unparsed == 2
        assert store.counts().backlog == 0
        assert contents(tmp_path) == {"A1": ["DR1234567"], "A9": [""]}
    with open_store(tmp_path) as store:
        assert store.counts().backlog == 0  # the same version does not try again
    later = event_module.INTERPRETER_VERSION + 1
    for module in (event_module, interpretation_module, store_module):
        monkeypatch.setattr(module, "INTERPRETER_VERSION", later)
    with open_store(tmp_path) as store:
        assert store.counts().backlog == 2
        settle(store)
        assert store.counts().unparsed == 2


def test_has_message(tmp_path: Path) -> None:
    """A stored message is known before it is interpreted; another id or chat is not."""
    with open_store(tmp_path) as store:
        feed(store, [TEXT])
        assert store.has_message(GROUP, "A1")
        settle(store)
        assert store.has_message(GROUP, "A1")
        assert not store.has_message(GROUP, "A2")
        assert not store.has_message("120363999@g.us", "A1")


def test_losses_are_counted_until_the_message_comes(tmp_path: Path) -> None:
    """Suspected and detected losses are kept with their text; one that is healed stops counting."""
    with open_store(tmp_path) as store:
        store.record_loss("detected", "old counter", GROUP, "A1")
        store.record_loss("detected", "old counter", GROUP, "A1")
        store.record_loss("unknown line", "what is this?")
        assert (store.counts().detected_losses, store.counts().suspected_losses) == (1, 1)
        feed(store, [TEXT])
        settle(store)
        assert (store.counts().detected_losses, store.counts().suspected_losses) == (0, 1)


def test_readable_after_a_clean_close(tmp_path: Path) -> None:
    """The files stay after a clean close, so that a read-only mount shows everything committed."""
    with open_store(tmp_path) as store:
        feed(store, [TEXT])
        settle(store)
    names = {path.name for path in (tmp_path / "current").iterdir()}
    assert names == {"messages.db", "messages.db-wal", "messages.db-shm"}
    assert contents(tmp_path) == {"A1": ["DR1234567"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting read-only needs root")
def test_readable_on_a_read_only_mount(tmp_path: Path) -> None:
    """A monitor with a read-only mount reads the file while it is written and after it closed."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" -c "$2" "$0"'
    read = (
        "import pathlib, sys\n"
        "from contracts.messages import messages_file, open_for_reading\n"
        "volume = pathlib.Path(sys.argv[1])\n"
        "db = open_for_reading(messages_file(volume))\n"
        "print(db.execute('SELECT count(*) FROM messages').fetchone()[0])\n"
        "try: (volume / 'current' / 'new').touch()\n"
        "except OSError: print('read-only')\n"
    )

    def counted() -> str:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", mount, str(tmp_path), sys.executable, read],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        if "unshare" in done.stderr:
            pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    with open_store(tmp_path) as store:
        feed(store, [TEXT])
        settle(store)
        assert counted() == "1\nread-only\n"
    assert counted() == "1\nread-only\n"


def test_setting_aside_keeps_every_committed_row(tmp_path: Path) -> None:
    """The directory is renamed as a whole, and the next store is another store."""
    with open_store(tmp_path) as store:
        feed(store, [TEXT])
        settle(store)
        first = store.counts().store_id
    aside = set_aside(tmp_path, T0 / 1000)
    assert aside is not None
    assert aside.name.startswith("aside-20251113T021320Z")
    with open_store(tmp_path) as store:
        assert store.counts().store_id != first
        assert store.counts().messages == 0
    with closing(open_for_reading(aside / "messages.db")) as db:
        assert db.execute("SELECT content FROM messages").fetchall() == [("DR1234567",)]


def test_a_copied_file_is_another_store(tmp_path: Path) -> None:
    """A file that was restored or copied gets a new store_id: no cursor goes on in it."""
    (tmp_path / "one").mkdir()
    with open_store(tmp_path / "one") as store:
        feed(store, [TEXT])
        first = store.counts().store_id
    with open_store(tmp_path / "one") as store:
        assert store.counts().store_id == first
    (tmp_path / "two" / "current").mkdir(parents=True)
    for path in (tmp_path / "one" / "current").iterdir():
        (tmp_path / "two" / "current" / path.name).write_bytes(path.read_bytes())
    with open_store(tmp_path / "two") as store:
        assert store.counts().store_id != first
        assert store.has_message(GROUP, "A1")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE store SET schema_version = 9, min_compatible = 9", "later version"),
        ("UPDATE store SET bridge = 'backup'", "belongs to the bridge 'backup'"),
        ("DROP TABLE store", "no messages.db"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, change: str, sentence: str) -> None:
    """A later version's file, the other bridge's, or another database: refused with a sentence."""
    open_store(tmp_path).close()
    corrupt(tmp_path, change)
    with pytest.raises(StoreIncompatible, match=sentence):
        open_store(tmp_path)


def test_an_older_code_reads_a_compatible_file(tmp_path: Path) -> None:
    """A newer schema that says that this code may use it is used, by bridge and reader."""
    open_store(tmp_path).close()
    corrupt(tmp_path, "UPDATE store SET schema_version = 9")
    with open_store(tmp_path) as store:
        feed(store, [TEXT])
    with closing(open_for_reading(messages_file(tmp_path))) as db:
        assert read_identity(db).schema_version == 9


def test_reader_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    """No file, a later version: one named error with the reason."""
    with pytest.raises(MessagesUnreadable, match="cannot open"):
        open_for_reading(tmp_path / "none.db")
    open_store(tmp_path).close()
    corrupt(tmp_path, "UPDATE store SET min_compatible = 9")
    with pytest.raises(MessagesUnreadable, match="at least 9"):
        open_for_reading(messages_file(tmp_path))


def test_an_unwritable_volume_is_said(tmp_path: Path) -> None:
    """A volume that is not there is StoreUnavailable with the path, not a traceback of SQLite."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file"):
        Store(tmp_path / "file", "primary")


def test_capture_that_cannot_store_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """While another writer blocks the file capture raises; tried again, it stores."""
    with open_store(tmp_path) as store:
        store._writer.db.set_busy_timeout(0)  # noqa: SLF001 - five seconds are long in a test
        other = apsw.Connection(str(messages_file(tmp_path)))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="cannot capture"):
            feed(store, [TEXT])
        other.execute("ROLLBACK")
        other.close()
        feed(store, [TEXT])
        settle(store)
        assert contents(tmp_path) == {"A1": ["DR1234567"]}


def test_capture_wakes(tmp_path: Path) -> None:
    """The interpreter is woken by a durable event, and by news that make messages due again."""
    with open_store(tmp_path) as store:
        seen: list[list[tuple[int]]] = []
        store.on_captured = lambda: seen.append(rows(tmp_path, "SELECT count(*) FROM event"))
        feed(store, [TEXT])
        assert seen == [[(1,)]]
        settle(store)
        assert store.learn_alias("78", "2783", "test")
        assert store.set_own_numbers({"2784"})
        assert store.apply_rules(rules()) == 1
        assert len(seen) == 4
        store.apply_rules(rules())
        store.set_own_numbers({"2784"})
        assert len(seen) == 4


def test_the_wal_stays_bounded(tmp_path: Path) -> None:
    """Thousands of events with thumbnails leave a small -wal; a reader in the way makes it grow."""
    big = "x" * 8_000
    with open_store(tmp_path) as store:
        for number in range(2_000):
            feed(store, [("message", message(info(f"M{number}", phone("2782")), big))])
            if number % 50 == 0:
                settle(store)
                store.checkpoint()
        settle(store)
        store.checkpoint()
        assert store.counts().messages == 2_000
        assert store.wal_bytes() < 24 * 1024 * 1024


def test_capture_is_not_held_up_by_interpretation(tmp_path: Path) -> None:
    """While a backlog is interpreted, capturing goes on: no capture waits for the backlog."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(
            store,
            [
                ("message", message(info(f"B{number}", phone("2782")), f"DR{1_000_000 + number}"))
                for number in range(1_500)
            ],
        )
        worker = threading.Thread(target=settle, args=(store,))
        worker.start()
        waits = []
        number = 0
        while worker.is_alive() and number < 500:
            started = time.monotonic()
            feed(store, [("message", message(info(f"L{number}", phone("2782")), "live"))])
            waits.append(time.monotonic() - started)
            number += 1
        worker.join()
        settle(store)
        assert number > 20
        assert sorted(waits)[len(waits) // 2] < 0.1
        assert store.counts().messages == 1_500 + number
