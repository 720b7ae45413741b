"""A change of messages.db wakes, wherever its directory comes from."""

import asyncio
from pathlib import Path

from monitor.waking import watched


async def woken(wake: asyncio.Event) -> None:
    """Wait for the event, which the slow look of the follower never sets."""
    async with asyncio.timeout(90):
        await wake.wait()
    wake.clear()


async def quiet(wake: asyncio.Event) -> None:
    """Take whatever is still to be told of what was done before."""
    while wake.is_set():
        wake.clear()
        await asyncio.sleep(0.2)


async def test_writes_wake_also_in_a_directory_that_came_later(tmp_path: Path) -> None:
    """The directory is made after the watch began, is set aside, and another one takes its place:
    each write into the one that is there wakes.
    """
    wake = asyncio.Event()
    current = tmp_path / "current"
    async with watched(current, wake):
        await asyncio.sleep(0.1)
        current.mkdir()
        await woken(wake)
        wal = current / "messages.db-wal"
        wal.write_bytes(b"1")
        await woken(wake)
        await quiet(wake)
        with wal.open("ab") as file:
            file.write(b"2")
        await woken(wake)
        current.rename(tmp_path / "aside")
        await woken(wake)
        current.mkdir()
        await woken(wake)
        await quiet(wake)
        wal.write_bytes(b"3")
        await woken(wake)


async def test_a_volume_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """Without anything to watch it goes on looking, and begins when there is something."""
    wake = asyncio.Event()
    current = tmp_path / "volume" / "current"
    async with watched(current, wake):
        current.mkdir(parents=True)
        async with asyncio.timeout(90):
            while not wake.is_set():
                (current / "messages.db-wal").write_bytes(b"1")
                await asyncio.sleep(0.2)
