"""Messages on their way: into the ledger and the queues, out to the devices, receipts back.

Whoever writes a message (a real client through its connection, a virtual member through
`Relay.inject`) ends here, so that one rule holds: the ledger row and the queue rows are durable
before the first byte leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from simulator import codec
from simulator.ledger import Ledger, LedgerRow
from simulator.node import Jid, Node
from simulator.queues import Queued, Queues, Receipted
from simulator.world import Account, Device, Group, World

WINDOW = 500
"""Un-receipted messages per device that keep the client's order; above 2,048 it gives up order."""


class Link(Protocol):
    """A live connection of a device that has asked for its queue."""

    def send(self, node: Node) -> None:
        """Write the stanza; a link that broke drops it, the queue still holds it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A device could not decrypt a message of a phone (device 0) and asks for it again.

    `count` is the device's count of attempts, to be repeated in the `count` of the new <enc>;
    `receipt` is the whole receipt, in which the device may have put new keys.
    """

    device: Device
    chat: Jid
    id: str
    sender: Account
    count: int
    receipt: Node


class Relay:
    """The queues, the ledger and the live links of all devices."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ledger = Ledger(world.database)
        self.queues = Queues(world.database)
        self.links: dict[Jid, Link] = {}
        self._not_durable: set[int] = set()
        self.on_retry: Callable[[Retry], Awaitable[None]] | None = None

    async def inject(
        self, row: LedgerRow, stanzas: Mapping[Jid, Node], *, held: Iterable[Jid] = ()
    ) -> LedgerRow:
        """Write the ledger row, queue one stanza per device, and send once both are durable.

        `stanzas` maps `Device.jid` to the whole <message>; devices in `held` get theirs only when
        it is released. What was written to `world.database` before the call, without an `await` in
        between, is in the same transaction. Returns the row with its number.
        """
        holding = frozenset(held)
        # Encoded first: what cannot be encoded must leave nothing behind, in memory either.
        frames = {id(stanza): codec.encode(stanza) for stanza in stanzas.values()}
        with self.world.database.together():
            row = self.ledger.append(row)
            queued = [
                self.queues.append(
                    device, stanza, held=device in holding, encoded=frames[id(stanza)]
                )
                for device, stanza in stanzas.items()
            ]
        await self._send_when_durable(queued)
        return row

    async def push(self, device: Jid, stanza: Node) -> None:
        """Queue and send a stanza that is no new message: a retry's answer, a notification."""
        await self._send_when_durable([self.queues.append(device, stanza)])

    async def release(self, device: Jid, ids: Sequence[str] | None = None) -> int:
        """Send what is held for the device, in the order of `ids` (None: all, as they came)."""
        released = self.queues.release(device, ids)
        await self._send_when_durable(released)
        return len(released)

    def backlog(self, device: Jid) -> list[Queued]:
        """What a device gets when it asks for its queue: all that is durable and not held."""
        return [
            queued
            for queued in self.queues.of(device)
            if not queued.held and queued.seq not in self._not_durable
        ]

    def receipted(self, device: Jid, answer: Receipted) -> int:
        """A device has answered for stanzas of its queue; returns how many that were."""
        return len(self.queues.remove(device, answer))

    def unlink(self, device: Device) -> None:
        """Forget a device: its keys, its prekeys and its queue."""
        self.links.pop(device.jid, None)
        self.queues.forget(device.jid)
        self.world.remove_device(device)

    async def room(self, devices: Iterable[Jid], window: int = WINDOW) -> None:
        """Return when no connected device has `window` or more un-receipted stanzas.

        A device that is away does not hold the writer up: its queue grows, as the real one does.
        """
        for device in devices:
            while device in self.links and self.queues.sent(device) >= window:
                await self._progress(device)

    async def drained(self, devices: Iterable[Jid]) -> None:
        """Return when every device, connected or not, has receipted all; use a time-out."""
        for device in devices:
            while self.queues.size(device):
                await self.queues.changed(device)

    async def _progress(self, device: Jid) -> None:
        """Wait for a receipt, but look again after a second: the device may have gone."""
        try:
            async with asyncio.timeout(1):
                await self.queues.changed(device)
        except TimeoutError:
            return

    async def _send_when_durable(self, queued: list[Queued]) -> None:
        fresh = {one.seq for one in queued}
        self._not_durable |= fresh

        def send() -> None:
            self._not_durable -= fresh
            for one in queued:
                link = self.links.get(one.device)
                if link is not None and not one.held:
                    link.send(one.stanza)

        self.world.database.when_durable(send)
        await self.world.database.committed()


def message_stanza(
    group: Group,
    sender: Account,
    identity: str,
    t: int,
    enc: Sequence[Node],
    *,
    kind: str = "text",
    hide_number: bool = False,
    sender_device: int = 0,
) -> Node:
    """A group <message> as one device receives it; `enc` in the order direct, then skmsg.

    `kind` is the stanza's type, `text` or `media`. With `hide_number` (LID addressing only) the
    stanza lacks the sender's phone number. Attributes: whatsmeow `message.go`, parseMessageSource.
    """
    lid = group.addressing == "lid"
    attributes: dict[str, str | Jid] = {
        "id": identity,
        "from": group.jid,
        "participant": sender.jid(group.addressing, sender_device),
        "t": str(t),
        "type": kind,
        "notify": sender.name,
        "addressing_mode": group.addressing,
    }
    if lid and not hide_number:
        attributes["participant_pn"] = sender.jid("pn")
    if not lid:
        attributes["participant_lid"] = sender.jid("lid")
    return Node("message", attributes, list(enc))
