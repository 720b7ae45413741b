"""A damaged messages.db is set aside by the bridge itself, and its successor says so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bridge.losses import causes
from bridge.store import StoreUnavailable, damage
from contracts.messages import messages_file
from tests.bridge.events import GROUP, info, message, phone
from tests.bridge.filled import feed, open_store, rules, settle

READER = """
import sys
from pathlib import Path
from contracts.messages import open_for_reading, read_identity
path = Path(sys.argv[1])
held = open_for_reading(path)
for _ in sys.stdin:
    fresh = open_for_reading(path)
    print(read_identity(held).store_id, read_identity(fresh).store_id, flush=True)
    fresh.close()
"""


def _text(number: int) -> tuple[str, bytes]:
    return "message", message(info(f"A{number}", phone("2782")), f"DR{1_000_000 + number} " * 20)


def _filled(volume: Path, count: int = 300) -> str:
    """A file with rows in its main part and in its -wal; returns its store_id."""
    with open_store(volume) as store:
        store.apply_rules(rules())
        feed(store, map(_text, range(count)))
        settle(store)
        store._writer.truncate_wal()  # noqa: SLF001 - as after a checkpoint
        feed(store, [_text(count)])
        return store.counts().store_id


def _ruin(path: Path, start: int) -> None:
    """Write rubbish over the pages from `start` on, as a failing disk does."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(start)
        file.write(os.urandom(size - start))


def _announced(volume: Path) -> list[str]:
    with open_store(volume) as store:
        return [text for _, text in store.losses()]


def _aside(volume: Path) -> list[Path]:
    return sorted(volume.glob("aside-*"))


@pytest.mark.parametrize("start", [0, 4096], ids=["from the first byte on", "behind the header"])
def test_a_file_found_damaged_at_the_start_is_set_aside_whole(tmp_path: Path, start: int) -> None:
    """The three files go together; the next one captures, and counts a loss with SQLite's reason,
    once, until somebody has taken the directory away.
    """
    first = _filled(tmp_path)
    _ruin(messages_file(tmp_path), start)
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        while store.generation == 0 and not _aside(tmp_path):
            with suppress(StoreUnavailable):
                store.counts()
        feed(store, [_text(1)])
        settle(store)
        assert store.counts().store_id != first
        assert store.has_message(GROUP, "A1")
        assert store.counts().detected_losses == 1
    (aside,) = _aside(tmp_path)
    assert {path.name for path in aside.iterdir()} == {
        "messages.db", "messages.db-wal", "messages.db-shm", damage.NOTE,
    }  # fmt: skip
    (said,) = _announced(tmp_path)
    assert said.startswith(f"messages.db was set aside in {aside.name}: ")
    assert "malformed" in said or "not a database" in said
    assert [one.cause for one in causes([("detected", said)])] == ["store set aside"]
    aside.rename(tmp_path / "taken-away")
    assert _announced(tmp_path) == []


@contextmanager
def _reader(volume: Path) -> Iterator[subprocess.Popen[str]]:
    """A reader of its own process that holds the file open."""
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(messages_file(volume))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as reader:
        yield reader
        reader.communicate("")


def _seen(reader: subprocess.Popen[str]) -> list[str]:
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("\n")
    reader.stdin.flush()
    return reader.stdout.readline().split()


@pytest.mark.timeout(120)
def test_a_file_that_is_damaged_while_it_is_used_is_replaced_under_a_connected_reader(
    tmp_path: Path,
) -> None:
    """The event that met the damage is stored in the new file, our own numbers and the rules are
    known there, and a reader that opens anew sees another store; one that stays sees the old.
    """
    first = _filled(tmp_path)
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        store.set_own_numbers(["2799"])
        store._writer.truncate_wal()  # noqa: SLF001 - as after a checkpoint
        with _reader(tmp_path) as reader:
            assert _seen(reader) == [first, first]
            inode = messages_file(tmp_path).stat().st_ino
            _ruin(messages_file(tmp_path), 4096)
            for number in range(1_000, 1_100):
                while True:
                    try:
                        feed(store, [_text(number)])
                        settle(store)
                        store.counts()
                    except StoreUnavailable:
                        continue  # as the client's callback: it holds the event and tries again
                    break
            second = store.counts().store_id
            assert store.generation >= 1
            assert second != first
            assert messages_file(tmp_path).stat().st_ino != inode
            held, fresh = _seen(reader)
        assert (held, fresh) == (first, second)
        assert len(_aside(tmp_path)) == 1
        assert store.counts().detected_losses == 1
        assert store.counts().mentions > 90, "the rules are known in the new file"
        assert all(store.has_message(GROUP, f"A{number}") for number in range(1_010, 1_100))
        feed(store, [("message", message(info("OWN", phone("2799")), "DR7777777"))])
        settle(store)
        ((own,),) = store._query("SELECT own FROM message WHERE id = 'OWN'")  # noqa: SLF001
        assert own == 1


def test_killed_before_the_directory_is_renamed_the_next_start_renames_it(tmp_path: Path) -> None:
    """The reason is there first, so that no moment is without it."""
    _filled(tmp_path)
    (tmp_path / "current" / damage.NOTE).write_text("cannot read: CorruptError: malformed")
    assert _announced(tmp_path)[0].endswith("cannot read: CorruptError: malformed")
    assert len(_aside(tmp_path)) == 1


def test_killed_before_there_is_a_new_file_the_next_start_makes_and_announces_it(
    tmp_path: Path,
) -> None:
    """The loss is in whatever store stands beside the one that was set aside."""
    _filled(tmp_path)
    damage.condemn(tmp_path, "cannot read: CorruptError: malformed")
    assert not messages_file(tmp_path).exists()
    assert len(_announced(tmp_path)) == 1
    assert len(_announced(tmp_path)) == 1, "and once only"


def test_a_file_that_is_whole_is_not_set_aside_at_the_first_word(tmp_path: Path) -> None:
    """What was read wrongly may have been memory: the file is opened again, and kept."""
    first = _filled(tmp_path)
    with open_store(tmp_path) as store:
        store.begin_anew(0, "CorruptError")
        assert store.counts().store_id == first
        assert _aside(tmp_path) == []
        store.begin_anew(0, "CorruptError")  # another thread that met the same
        assert store.generation == 1
        store.begin_anew(1, "CorruptError")
        assert store.counts().store_id != first
        assert len(_aside(tmp_path)) == 1
