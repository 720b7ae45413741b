"""The interpreter's loop: woken by captures, cancelled without loss, patient with the disk."""

import asyncio
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from bridge.interpreter import interpret
from bridge.store import Store
from contracts.messages import messages_file
from tests.bridge.events import info, message, phone
from tests.bridge.filled import contents, feed, open_store, rules


class Running:
    """The loop beside a store, as the bridge runs it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.captured = asyncio.Event()
        self.changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        store.on_captured = lambda: loop.call_soon_threadsafe(self.captured.set)
        self.task = asyncio.create_task(interpret(store, self.captured, self.changed.set))

    async def capture(self, *ids: str) -> None:
        """Capture from another thread, as neonize does."""
        events = [("message", message(info(id_, phone("2782")), f"text {id_}")) for id_ in ids]
        await asyncio.to_thread(feed, self.store, events)

    async def settled(self) -> None:
        """Wait until everything captured is interpreted."""
        async with asyncio.timeout(30):
            while await asyncio.to_thread(lambda: self.store.counts().backlog):
                self.changed.clear()
                await self.changed.wait()

    async def stop(self) -> None:
        """Cancel the loop."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def test_capture_wakes_the_interpreter(tmp_path: Path) -> None:
    """A captured message is a row at once, and whoever publishes is told."""
    store = await asyncio.to_thread(open_store, tmp_path)
    await asyncio.to_thread(store.apply_rules, rules())
    running = Running(store)
    await asyncio.sleep(0)
    await running.capture("A1")
    async with asyncio.timeout(4):  # less than the loop's own slow look
        await running.changed.wait()
    await running.settled()
    await running.stop()
    await asyncio.to_thread(store.close)
    assert await asyncio.to_thread(contents, tmp_path) == {"A1": ["text A1"]}


async def test_backlog_is_interpreted_and_cancelling_loses_nothing(tmp_path: Path) -> None:
    """Cancelled in the middle of a backlog the loop leaves the rest for the next start."""
    ids = [f"A{number}" for number in range(1_000)]
    store = await asyncio.to_thread(open_store, tmp_path)
    running = Running(store)
    await running.capture(*ids)
    await running.stop()
    again = Running(store)
    await again.settled()
    await again.stop()
    await asyncio.to_thread(store.close)
    assert set(await asyncio.to_thread(contents, tmp_path)) == set(ids)


async def test_unwritable_store_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While the file cannot be written the loop waits; then it does what was left."""
    store = await asyncio.to_thread(open_store, tmp_path)
    await asyncio.to_thread(
        feed, store, [("message", message(info("A1", phone("2782")), "text A1"))]
    )
    other = await asyncio.to_thread(apsw.Connection, str(messages_file(tmp_path)))
    await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
    store._writer.db.set_busy_timeout(0)  # noqa: SLF001 - five seconds are long in a test
    running = Running(store)
    async with asyncio.timeout(10):
        while "store not writable" not in caplog.text:
            await asyncio.sleep(0.01)
    assert not running.changed.is_set()
    await asyncio.to_thread(other.execute, "ROLLBACK")
    await asyncio.to_thread(other.close)
    await running.settled()
    await running.stop()
    await asyncio.to_thread(store.close)
    assert await asyncio.to_thread(contents, tmp_path) == {"A1": ["text A1"]}
