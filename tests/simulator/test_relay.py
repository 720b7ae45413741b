"""Ledger and queues: what is durable when, who gets what in which order, what a receipt removes."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.database import Database
from simulator.ledger import LedgerRow
from simulator.node import Jid, Node
from simulator.queues import Receipted
from simulator.relay import Relay, message_stanza
from simulator.world import Account, Device, Group, SignedKey, World

GROUP = Jid("120363000000000001", "g.us")


class Link:
    """A connection that remembers what was sent, and what was durable at that moment."""

    def __init__(self, path: Path) -> None:
        self.sent: list[str] = []
        self.durable: list[bool] = []
        self._path = path

    def send(self, node: Node) -> None:
        """Remember the stanza and whether its ledger row can be read by another process."""
        reader = sqlite3.connect(self._path)
        rows = reader.execute("select 1 from ledger where id = ?", (node.text("id"),)).fetchall()
        reader.close()
        self.sent.append(node.text("id"))
        self.durable.append(bool(rows))


class Scene:
    """One group with a virtual writer and two paired devices, on one database file."""

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.world = World(database)
        self.relay = Relay(self.world)

    async def populate(self) -> None:
        """One virtual writer, two devices, one group."""
        self.world.add_account("27820000009", "Writer")
        for number in (1, 2):
            phone = f"2782000000{number}"
            self.world.add_account(phone, f"Bridge {number}")
            key = SignedKey(1, b"k" * 32, b"s" * 64)
            noise = bytes((number,)) * 32
            self.world.add_device(Device(phone, 1, noise, b"i" * 32, 7, key, 1))
        members = dict.fromkeys(self.world.accounts, "")
        self.world.keep_group(Group(GROUP, "Test", "lid", False, 1, "27820000009", members))  # type: ignore[arg-type]
        await self.world.database.committed()

    @property
    def writer(self) -> Account:
        """The virtual member."""
        return self.world.accounts["27820000009"]

    @property
    def devices(self) -> list[Jid]:
        """The two paired devices."""
        return list(self.world.devices)

    def connect(self, device: Jid) -> Link:
        """Give the device a live link."""
        link = Link(self.path)
        self.relay.links[device] = link
        return link

    async def write(self, identity: str, held: tuple[Jid, ...] = ()) -> LedgerRow:
        """Write a message to both devices."""
        group, writer, now = self.world.groups[GROUP], self.writer, self.world.now()
        stanza = message_stanza(group, writer, identity, now, [Node("enc", {}, b"x")])
        row = LedgerRow(
            0, str(GROUP), identity, "text", writer.phone, writer.lid, False, now, identity
        )
        return await self.relay.inject(row, dict.fromkeys(self.devices, stanza), held=held)

    def receipt(self, device: Jid, identity: str, participant: str = "") -> int:
        """The device receipts a message; returns how many stanzas that took out."""
        answer = Receipted("message", (identity,), str(GROUP), participant)
        return self.relay.receipted(device, answer)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """An empty scene; closing it closes the file."""
    path = tmp_path / "simulator.db"
    with Database(path) as database:
        yield Scene(path, database)


async def test_the_ledger_row_is_durable_before_the_first_byte_leaves(scene: Scene) -> None:
    """Another reader of the file sees the row at the moment of every send."""
    await scene.populate()
    links = [scene.connect(device) for device in scene.devices]
    await asyncio.gather(*(scene.write(f"id{number}") for number in range(50)))
    for link in links:
        assert link.sent == [f"id{number}" for number in range(50)]
        assert all(link.durable)


async def test_a_login_before_the_commit_gets_the_message_once(scene: Scene) -> None:
    """A queue that is asked for between writing and commit holds nothing that is not durable."""
    await scene.populate()
    device = scene.devices[0]
    writing = asyncio.create_task(scene.write("id0"))
    await asyncio.sleep(0)
    assert scene.relay.queues.size(device) == 1
    assert scene.relay.backlog(device) == []
    link = scene.connect(device)
    await writing
    assert link.sent == ["id0"]


async def test_rows_are_numbered_in_the_order_of_writing(scene: Scene) -> None:
    """The ledger counts from 1 without gaps, and `after` continues where a reader stopped."""
    await scene.populate()
    rows = [await scene.write(f"id{number}") for number in range(5)]
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert [row.id for row in scene.relay.ledger.after(2, 2)] == ["id2", "id3"]
    assert scene.relay.ledger.after(0, 10) == rows


async def test_what_was_not_receipted_survives_a_restart_in_order(tmp_path: Path) -> None:
    """A new process on the same file has the accounts, the group, the ledger and the queues."""
    path = tmp_path / "simulator.db"
    with Database(path) as database:
        before = Scene(path, database)
        await before.populate()
        for number in range(4):
            await before.write(f"id{number}")
        before.receipt(before.devices[0], "id1")
    with Database(path) as database:
        after = Scene(path, database)
        first, second = after.devices
        assert [queued.id for queued in after.relay.backlog(first)] == ["id0", "id2", "id3"]
        assert [queued.id for queued in after.relay.backlog(second)] == [
            "id0",
            "id1",
            "id2",
            "id3",
        ]
        assert after.world.accounts == before.world.accounts
        assert after.world.groups == before.world.groups
        assert after.world.devices == before.world.devices
        assert after.relay.ledger.count() == 4


async def test_a_writer_that_is_cancelled_has_still_written(scene: Scene) -> None:
    """Once accepted, a message is delivered whatever becomes of the task that wrote it."""
    await scene.populate()
    link = scene.connect(scene.devices[0])
    writing = asyncio.create_task(scene.write("id0"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await scene.world.database.committed()
    assert link.sent == ["id0"]


async def test_a_receipt_takes_out_only_its_own_senders_message(scene: Scene) -> None:
    """Two senders may use one id: the receipt names the participant it answers."""
    await scene.populate()
    device = scene.devices[0]
    await scene.write("same")
    other = scene.world.add_account("27820000008", "Other")
    stanza = message_stanza(scene.world.groups[GROUP], other, "same", 1, [])
    await scene.relay.push(device, stanza)
    assert scene.receipt(device, "same", str(other.jid("lid"))) == 1
    left = [queued.stanza.text("participant") for queued in scene.relay.backlog(device)]
    assert left == [str(scene.writer.jid("lid"))]


async def test_held_messages_leave_in_the_order_of_their_release(scene: Scene) -> None:
    """One device may get the same messages in another order than the other."""
    await scene.populate()
    first, second = scene.devices
    straight, turned = scene.connect(first), scene.connect(second)
    for identity in ("a", "b", "c"):
        await scene.write(identity, held=(second,))
    assert (straight.sent, turned.sent) == (["a", "b", "c"], [])
    assert scene.relay.backlog(second) == []
    assert await scene.relay.release(second, ["c", "a"]) == 2
    assert await scene.relay.release(second) == 1
    assert turned.sent == ["c", "a", "b"]
    assert [queued.id for queued in scene.relay.backlog(second)] == ["c", "a", "b"]


async def test_a_writer_waits_for_room_only_at_connected_devices(scene: Scene) -> None:
    """With the window full the writer waits until a receipt; an absent device never stops it."""
    await scene.populate()
    present, _ = scene.devices
    scene.connect(present)
    for number in range(3):
        await scene.write(f"id{number}")
    waiting = asyncio.create_task(scene.relay.room(scene.devices, window=3))
    await asyncio.sleep(0)
    assert not waiting.done()
    scene.receipt(present, "id0")
    async with asyncio.timeout(5):
        await waiting


async def test_drained_waits_for_every_receipt(scene: Scene) -> None:
    """`drained` ends when the last message of the last device is receipted."""
    await scene.populate()
    await scene.write("id0")
    waiting = asyncio.create_task(scene.relay.drained(scene.devices))
    scene.receipt(scene.devices[0], "id0")
    await asyncio.sleep(0)
    assert not waiting.done()
    scene.receipt(scene.devices[1], "id0")
    async with asyncio.timeout(5):
        await waiting


async def test_a_failing_write_leaves_neither_ledger_nor_queue_rows(scene: Scene) -> None:
    """All or nothing: a stanza that cannot be encoded takes the ledger row back."""
    await scene.populate()
    row = LedgerRow(0, str(GROUP), "bad", "text", "1", "2", False, 1, "bad")
    unwritable = Node("message", {"id": "bad"}, [Node("enc", {"v": 2})])  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        await scene.relay.inject(row, {scene.devices[0]: unwritable})
    await scene.world.database.committed()
    assert scene.relay.ledger.find(str(GROUP), "bad") == []
    assert scene.relay.queues.size(scene.devices[0]) == 0


async def test_hidden_numbers_are_in_no_stanza(scene: Scene) -> None:
    """With a hidden number the stanza names the sender by LID only."""
    await scene.populate()
    group = scene.world.groups[GROUP]
    shown = message_stanza(group, scene.writer, "a", 1, [])
    hidden = message_stanza(group, scene.writer, "a", 1, [], hide_number=True)
    assert scene.writer.phone in str(shown)
    assert scene.writer.phone not in str(hidden)
