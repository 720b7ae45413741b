"""What each device has not yet receipted: an ordered, durable queue per device.

The server's rule: append on relay whether the device is online or not, remove on its receipt or
acknowledgement of that id, send everything again in order at each login.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from simulator import codec
from simulator.database import Database
from simulator.node import PN_SERVER, Jid, Node


@dataclass(frozen=True, slots=True)
class Queued:
    """A stanza that waits for the device's receipt; a held one has not been sent either."""

    seq: int
    device: Jid
    stanza: Node
    held: bool

    @property
    def id(self) -> str:
        """The stanza's id."""
        return self.stanza.text("id")


@dataclass(frozen=True, slots=True)
class Receipted:
    """What a receipt or an acknowledgement names; an empty address covers every one."""

    tag: str
    ids: tuple[str, ...]
    origin: str
    participant: str

    def covers(self, queued: Queued) -> bool:
        """Whether that stanza is meant; two senders may have used one id."""
        return (
            not queued.held
            and queued.stanza.tag == self.tag
            and self.origin in {"", queued.stanza.text("from")}
            and self.participant in {"", queued.stanza.text("participant")}
        )


class Queues:
    """All devices' queues, in memory and in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: dict[Jid, dict[int, Queued]] = {}
        self._by_id: dict[tuple[Jid, str], set[int]] = {}
        self._held: Counter[Jid] = Counter()
        self._changed: dict[Jid, asyncio.Event] = {}
        for row in database.read("select * from queue order by seq"):
            device = Jid(row["phone"], PN_SERVER, row["device"])
            stanza = codec.decode(row["stanza"])
            self._keep(Queued(row["seq"], device, stanza, bool(row["held"])))

    def append(
        self, device: Jid, stanza: Node, *, held: bool = False, encoded: bytes = b""
    ) -> Queued:
        """Queue in the open transaction; the caller sends it once that is durable.

        `encoded` is the stanza's frame where the caller has it already.
        """
        seq = self._database.write(
            "insert into queue values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            None,
            device.user,
            device.device,
            stanza.tag,
            stanza.text("id"),
            stanza.text("from"),
            stanza.text("participant"),
            held,
            encoded or codec.encode(stanza),
        )
        queued = Queued(seq, device, stanza, held)
        self._keep(queued)
        return queued

    def release(self, device: Jid, ids: Sequence[str] | None) -> list[Queued]:
        """Let held stanzas go to the end, in the order of `ids` (None: in the order of arrival)."""
        held = [queued for queued in self.of(device) if queued.held]
        if ids is not None:
            place = {identity: index for index, identity in enumerate(ids)}
            held = [queued for queued in held if queued.id in place]
            held.sort(key=lambda queued: place[queued.id])
        for queued in held:
            self._drop(queued)
        return [self.append(device, queued.stanza) for queued in held]

    def remove(self, device: Jid, answer: Receipted) -> list[Queued]:
        """Take out what the device receipted; not durable at once: a second copy is harmless."""
        queue = self._queues.get(device, {})
        seqs = [seq for identity in answer.ids for seq in self._by_id.get((device, identity), ())]
        gone = [queue[seq] for seq in sorted(seqs) if answer.covers(queue[seq])]
        for queued in gone:
            self._drop(queued)
        if gone:
            self._wake(device)
        return gone

    def forget(self, device: Jid) -> None:
        """Drop the queue of a device that is gone."""
        for queued in self.of(device):
            self._drop(queued)
        self._wake(device)

    def of(self, device: Jid) -> list[Queued]:
        """The device's queue in order, held stanzas included."""
        return list(self._queues.get(device, {}).values())

    def size(self, device: Jid) -> int:
        """How many messages and notifications the device has not receipted, held ones included."""
        return len(self._queues.get(device, {}))

    def sent(self, device: Jid) -> int:
        """How many of them were sent, or will be at the next login: all but the held ones."""
        return self.size(device) - self._held[device]

    async def changed(self, device: Jid) -> None:
        """Return after the next removal from the device's queue."""
        await self._changed.setdefault(device, asyncio.Event()).wait()

    def _wake(self, device: Jid) -> None:
        event = self._changed.pop(device, None)
        if event is not None:
            event.set()

    def _keep(self, queued: Queued) -> None:
        self._queues.setdefault(queued.device, {})[queued.seq] = queued
        self._by_id.setdefault((queued.device, queued.id), set()).add(queued.seq)
        self._held[queued.device] += queued.held

    def _drop(self, queued: Queued) -> None:
        self._database.write("delete from queue where seq = ?", queued.seq)
        del self._queues[queued.device][queued.seq]
        same = self._by_id[queued.device, queued.id]
        self._held[queued.device] -= queued.held
        same.discard(queued.seq)
        if not same:
            del self._by_id[queued.device, queued.id]
