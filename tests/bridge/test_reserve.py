"""What is in flight finds room on a disk that fills faster than the bridge can leave."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge import disk, reserve
from bridge.disk import Space
from bridge.listening import Listening
from bridge.store import StoreFull, StoreUnavailable
from tests.bridge.events import info, message, phone
from tests.bridge.filled import feed, open_store

GIB = 1024 * 1024 * 1024


def _size(volume: Path) -> int:
    kept = volume / reserve.NAME
    return kept.stat().st_blocks * 512 if kept.exists() else 0


def test_the_reserve_takes_its_blocks_and_gives_them_back(tmp_path: Path) -> None:
    """A sparse file would reserve nothing; releasing twice is no mistake."""
    reserve.hold([Space(str(tmp_path), GIB, GIB)])
    reserve.hold([Space(str(tmp_path), GIB, GIB)])
    assert _size(tmp_path) >= reserve.SIZE
    reserve.release([tmp_path])
    reserve.release([tmp_path])
    assert _size(tmp_path) == 0


def test_no_reserve_is_taken_that_would_make_the_bridge_leave(tmp_path: Path) -> None:
    """Between the floor and the floor with a reserve, the room belongs to the messages."""
    floor = Space(str(tmp_path), 0, GIB).floor
    reserve.hold([Space(str(tmp_path), floor + reserve.SIZE - 1, GIB)])
    assert _size(tmp_path) == 0


def test_a_full_store_is_told_from_one_that_is_unavailable_for_another_reason(
    tmp_path: Path,
) -> None:
    """SQLite's own "disk is full" means: leave, before more is acknowledged."""
    with open_store(tmp_path) as store:
        ((pages,),) = store._writer.execute("PRAGMA page_count")  # noqa: SLF001 - as a full disk
        store._writer.execute(f"PRAGMA max_page_count = {pages}")  # noqa: SLF001
        big = message(info("BIG", phone("2782")), "x" * 100_000)
        with pytest.raises(StoreFull, match="full"):
            feed(store, [("message", big)])
        store._writer.execute(f"PRAGMA max_page_count = {pages + 1_000}")  # noqa: SLF001
        feed(store, [("message", big)])
    assert issubclass(StoreFull, StoreUnavailable)


async def test_the_first_refused_commit_gives_the_reserve_up_and_ends_listening(
    tmp_path: Path,
) -> None:
    """The thread that holds the message gets the room at once; the loop then disconnects."""
    reserve.hold(disk.measure([tmp_path]))
    held = _size(tmp_path)

    def full(kind: str, payload: bytes, received_at_ms: int, live: bool) -> None:  # noqa: ARG001
        raise StoreFull("cannot capture: FullError: database or disk is full")

    def nobody() -> Mapping[str, str]:
        return {}

    listening = Listening("primary", tmp_path / "whatsapp.db", (tmp_path,), full, "", nobody)
    with pytest.raises(StoreFull):
        listening._store("message", b"", 0, live=True)  # noqa: SLF001 - the client's callback
    assert (held >= reserve.SIZE, _size(tmp_path)) == (True, 0)
    await asyncio.sleep(0)
    assert (listening.room.ok, listening.room.word) == (False, "session not writable")
