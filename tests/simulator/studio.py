"""The simulator's world in one process, with listeners that read Signal as a client does.

A listener is a paired device whose keys a `Receiver` holds: what the virtual members write is
decrypted, parsed and kept, receipted at once unless told otherwise. No client library, no network.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from google.protobuf.message import DecodeError
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from xeddsa import bindings

from simulator.database import Database
from simulator.node import Jid, Node
from simulator.queues import Receipted
from simulator.relay import Relay
from simulator.world import Account, Device, SignedKey, World
from tests.simulator.receiver import Receiver, Refused, SenderKey, read_group, told, unpadded


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as a device reads it; `content` is None where it cannot."""

    stanza: Node
    content: Message | None
    why: str

    @property
    def id(self) -> str:
        """The stanza's id."""
        return self.stanza.text("id")


@dataclass
class Listener:
    """A connected device: reads, remembers, receipts."""

    device: Device
    relay: Relay
    keys: Receiver
    heard: list[Heard] = field(default_factory=list)
    stanzas: list[Node] = field(default_factory=list)
    sender_keys: dict[tuple[str, str, int], SenderKey] = field(default_factory=dict)
    receipts: bool = True
    deepest: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, node: Node) -> None:
        """The server's side calls this for every stanza to the device."""
        self.stanzas.append(node)
        self.deepest = max(self.deepest, self.relay.queues.size(self.device.jid))
        if node.tag == "message":
            self.heard.append(self._read(node))
            self.grown.set()
        if self.receipts:
            self.receipt(node)

    async def has_heard(self, count: int) -> None:
        """Return when that many messages have come; use a time-out."""
        while len(self.heard) < count:
            self.grown.clear()
            await self.grown.wait()

    def receipt(self, node: Node) -> None:
        """Take the stanza out of the device's queue."""
        answer = Receipted(node.tag, (node.text("id"),), "", node.text("participant"))
        self.relay.receipted(self.device.jid, answer)

    def texts(self) -> list[str]:
        """The plain texts in the order of arrival."""
        contents = [heard.content for heard in self.heard if heard.content is not None]
        return [one.conversation or one.extendedTextMessage.text for one in contents]

    def _read(self, node: Node) -> Heard:
        content: Message | None = None
        try:
            for enc in node.all("enc"):
                content = self._opened(node, enc) or content
        except (Refused, DecodeError, ValueError, IndexError) as trouble:
            return Heard(node, None, str(trouble))
        return Heard(node, content, "" if content else "no enc that a client reads")

    def _opened(self, node: Node, enc: Node) -> Message | None:
        """The content of one <enc>; None where it only brings a sender key."""
        chat, participant = node.text("from"), node.text("participant")
        match enc.text("type"):
            case "pkmsg":
                message = Message.FromString(unpadded(self.keys.read_direct(enc.data)))
                if message.HasField("senderKeyDistributionMessage"):
                    brought = message.senderKeyDistributionMessage
                    if brought.groupID != chat:
                        raise Refused(f"a sender key for {brought.groupID}")
                    key = told(brought.axolotlSenderKeyDistributionMessage)
                    self.sender_keys[chat, participant, key.id] = key
                    message.ClearField("senderKeyDistributionMessage")
                return message if message.ListFields() else None
            case "skmsg":
                return Message.FromString(unpadded(self._group_plain(chat, participant, enc.data)))
            case other:
                raise Refused(f"enc of type {other!r}")

    def _group_plain(self, chat: str, participant: str, data: bytes) -> bytes:
        for (group, sender, _), key in self.sender_keys.items():
            if (group, sender) == (chat, participant):
                try:
                    return read_group(key, data)
                except Refused as refused:
                    if not str(refused).startswith("no sender key"):
                        raise
        raise Refused("no sender key")


@dataclass
class Studio:
    """A world, its relay, and listeners."""

    database: Database

    def __post_init__(self) -> None:
        self.world = World(self.database)
        self.relay = Relay(self.world)
        self.listeners: dict[str, Listener] = {}

    def account(self, phone: str, name: str) -> Account:
        """An account that writes from its phone."""
        return self.world.add_account(phone, name)

    def listener(self, phone: str, name: str) -> Listener:
        """An account with one paired and connected device."""
        self.world.add_account(phone, name)
        keys = Receiver()
        signing = bindings.priv_force_sign(keys.identity.private_bytes_raw(), False)
        public = keys.signed.public_key().public_bytes_raw()
        signature = bindings.ed25519_priv_sign(signing, b"\x05" + public)
        device = Device(
            phone,
            1,
            X25519PrivateKey.generate().public_key().public_bytes_raw(),
            keys.identity.public_key().public_bytes_raw(),
            4711,
            SignedKey(keys.signed_id, public, signature),
            self.world.now(),
        )
        self.world.add_device(device)
        one_time = (keys.one_time_id, keys.one_time.public_key().public_bytes_raw())
        self.world.add_prekeys(device, device.signed, [one_time])
        listener = Listener(device, self.relay, keys)
        self.listeners[phone] = listener
        self.connect(phone)
        return listener

    def connect(self, phone: str) -> None:
        """Let the listener's device be connected."""
        listener = self.listeners[phone]
        self.relay.links[listener.device.jid] = listener

    def disconnect(self, phone: str) -> None:
        """Take the listener's device off the line; its queue grows."""
        self.relay.links.pop(self.listeners[phone].device.jid, None)

    @property
    def devices(self) -> list[Jid]:
        """All paired devices."""
        return list(self.world.devices)


@contextmanager
def studio(path: Path) -> Iterator[Studio]:
    """A studio on one database file; a second one on the same file is a restart."""
    with Database(path) as database:
        yield Studio(database)
