"""Members without a client: what they write goes out as any phone's message does.

Per (sender, group) there is one sender key; a device gets it in a direct message (`pkmsg`) beside
the first message it is to read, and from then on one `skmsg` is shared by all devices. Keys, who
has them, and the plain texts for retries are durable with the message that used them.
"""

import secrets
from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass

from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from simulator import encryption
from simulator.content import Content, Shape
from simulator.database import Database
from simulator.ledger import LedgerRow
from simulator.node import Jid, Node
from simulator.relay import Relay, Retry, message_stanza
from simulator.world import Account, Device, Group, World

PLAIN_TEXTS_KEPT = 20_000
"""Newest messages that can be sent again when a device could not read them."""

_PRUNE_EVERY = 1_000

_UNREAD = frozenset({Shape.NO_PARTICIPANT, Shape.NO_TIME})
"""Stanzas that the client drops before it decrypts: a sender key in them would be lost."""

SCHEMA = """
create table if not exists sender_keys (
    phone text, chat text, id integer not null, iteration integer not null, chain blob not null,
    signing blob not null, primary key (phone, chat)
);
create table if not exists sender_key_holders (
    phone text, chat text, device text, identity blob not null, primary key (phone, chat, device)
);
create table if not exists retry_texts (
    seq integer primary key, phone text not null, chat text not null, id text not null,
    t integer not null, media text not null, plain blob not null,
    distribution blob not null
);
create index if not exists retry_texts_id on retry_texts (chat, id, phone);
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A message that a phone wrote and still has; `plain` is its protobuf."""

    phone: str
    id: str
    t: int
    kind: str
    target_id: str | None
    plain: bytes


def written_in(database: Database, group: Jid, since: int) -> list[Written]:
    """What phones wrote in the group from that time on, oldest first, without what is malformed."""
    rows = database.read(
        "select r.phone, r.id, r.t, l.kind, l.target_id, r.plain from retry_texts r"
        " join ledger l on l.chat = r.chat and l.id = r.id and l.sender_pn = r.phone"
        " where r.chat = ? and r.t >= ? and not l.malformed order by r.seq",
        str(group),
        since,
    )
    return [Written(*row) for row in rows]


class Members:
    """Writes for any account of the world from its phone (device 0)."""

    def __init__(self, world: World, relay: Relay) -> None:
        self._world = world
        self._relay = relay
        self._database = world.database
        self._database.script(SCHEMA)
        relay.on_retry = self._send_again

    async def write(
        self,
        group: Jid,
        phone: str,
        content: Content,
        *,
        id: str | None = None,  # noqa: A002 - it is called so in the protocol and in the API
        at: int | None = None,
        held: Collection[Jid] = (),
    ) -> LedgerRow:
        """Send to every device in the group; returns the ledger row once it is durable.

        `at` is the server's time in seconds, `held` names devices that get it on release only.
        Raises ValueError when the group or the member does not exist.
        """
        where, sender = self._place(group, phone)
        identity = id or _new_id()
        t = self._world.now() if at is None else at
        row = LedgerRow(
            seq=0,
            chat=str(group),
            id=identity,
            kind=content.kind,
            sender_pn=sender.phone,
            sender_lid=sender.lid,
            number_hidden=where.hide_numbers,
            t=t,
            text=content.text,
            target_id=content.target_id,
            malformed=content.malformed,
            lost_by_design=content.lost_by_design,
        )
        with self._database.together():
            key = self._sender_key(where, sender)
            stanzas = self._stanzas(where, sender, key, content, identity, t)
            self._keep_plain(where, sender, key, content, identity, t)
        return await self._relay.inject(row, stanzas, held=held)

    async def introduce(self, group: Jid, phone: str, devices: Collection[Jid]) -> None:
        """Give the sender's key to those of the devices that lack it, in a message of its own.

        Before messages are held back: else the key is held back with the first of them. A client
        shows such a message as one that holds nothing but the key; it is not in the ledger.
        """
        where, sender = self._place(group, phone)
        key = self._sender_key(where, sender)
        self._keep_sender_key(where, sender, key)
        for device in self._world.devices_in(where):
            if device.jid in devices and not self._knows(device, where, sender):
                enc = [self._introduction(device, where, sender, key)]
                stanza = message_stanza(
                    where,
                    sender,
                    _new_id(),
                    self._world.now(),
                    enc,
                    hide_number=where.hide_numbers,
                )
                await self._relay.push(device.jid, stanza)

    def _place(self, group: Jid, phone: str) -> tuple[Group, Account]:
        where = self._world.groups.get(group)
        sender = self._world.accounts.get(phone)
        if where is None:
            raise ValueError(f"no such group: {group}")
        if sender is None or phone not in where.members:
            raise ValueError(f"{phone} is not a member of {group}")
        return where, sender

    def _stanzas(
        self,
        group: Group,
        sender: Account,
        key: encryption.SenderKey,
        content: Content,
        identity: str,
        t: int,
    ) -> dict[Jid, Node]:
        """One stanza per device; the sender key moves on by one message."""
        plain = encryption.padded(content.message.SerializeToString())
        if content.shape in {Shape.BAD_PROTOBUF, Shape.RUBBISH_V3}:
            plain = encryption.padded(b"\xff\xff\xff not a protobuf")
        ciphertext, moved = key.encrypt(plain)
        shared = Node("enc", _enc_attributes("skmsg", content), ciphertext)
        stanzas = {}
        for device in self._world.devices_in(group):
            encs = [shared]
            if content.shape not in _UNREAD and not self._knows(device, group, sender):
                encs.insert(0, self._introduction(device, group, sender, key))
            stanza = message_stanza(
                group,
                sender,
                identity,
                t,
                encs,
                kind="media" if content.media else "text",
                hide_number=group.hide_numbers,
            )
            stanzas[device.jid] = _deformed(stanza, content.shape)
        self._keep_sender_key(group, sender, moved)
        return stanzas

    def _introduction(
        self, device: Device, group: Group, sender: Account, key: encryption.SenderKey
    ) -> Node:
        """The direct message that gives a device the sender's key."""
        message = _with_sender_key(e2e.Message(), group, key.distribution())
        ciphertext = self._direct(sender, device, message)
        self._database.write(
            "insert or replace into sender_key_holders values (?, ?, ?, ?)",
            sender.phone,
            str(group.jid),
            str(device.jid),
            device.identity,
        )
        return Node("enc", {"v": "2", "type": "pkmsg"}, ciphertext)

    def _knows(self, device: Device, group: Group, sender: Account) -> bool:
        """Whether the device, with the keys it has now, was given the sender's key."""
        rows = self._database.read(
            "select identity from sender_key_holders where phone = ? and chat = ? and device = ?",
            sender.phone,
            str(group.jid),
            str(device.jid),
        )
        return bool(rows) and bytes(rows[0]["identity"]) == device.identity

    def _sender_key(self, group: Group, sender: Account) -> encryption.SenderKey:
        rows = self._database.read(
            "select id, iteration, chain, signing from sender_keys where phone = ? and chat = ?",
            sender.phone,
            str(group.jid),
        )
        return encryption.SenderKey(*rows[0]) if rows else encryption.SenderKey.new()

    def _keep_sender_key(self, group: Group, sender: Account, key: encryption.SenderKey) -> None:
        self._database.write(
            "insert or replace into sender_keys values (?, ?, ?, ?, ?, ?)",
            sender.phone,
            str(group.jid),
            key.id,
            key.iteration,
            key.chain,
            key.signing,
        )

    def _keep_plain(
        self,
        group: Group,
        sender: Account,
        key: encryption.SenderKey,
        content: Content,
        identity: str,
        t: int,
    ) -> None:
        seq = self._database.write(
            "insert into retry_texts values (null, ?, ?, ?, ?, ?, ?, ?)",
            sender.phone,
            str(group.jid),
            identity,
            t,
            content.media,
            content.message.SerializeToString(),
            key.distribution(),
        )
        if seq % _PRUNE_EVERY == 0:
            self._database.write("delete from retry_texts where seq <= ?", seq - PLAIN_TEXTS_KEPT)

    def _direct(self, sender: Account, device: Device, message: e2e.Message) -> bytes:
        """The message for one device alone, in a new session."""
        return encryption.direct(
            sender.identity,
            sender.registration,
            self._world.bundle(device, take_one_time=False),
            encryption.padded(message.SerializeToString()),
        )

    async def _send_again(self, retry: Retry) -> None:
        """Answer a retry receipt: one direct message with the content and the sender key.

        The key as it was for that message: with a later one the client would drop as "old counter"
        whatever is still on its way in between.
        """
        rows = self._database.read(
            "select t, media, plain, distribution from retry_texts"
            " where chat = ? and id = ? and phone = ?",
            str(retry.chat),
            retry.id,
            retry.sender.phone,
        )
        group = self._world.groups.get(retry.chat)
        if not rows or group is None:
            return
        message = e2e.Message.FromString(rows[0]["plain"])
        message = _with_sender_key(message, group, rows[0]["distribution"])
        ciphertext = self._direct(retry.sender, retry.device, message)
        enc = Node("enc", {"v": "2", "type": "pkmsg", "count": str(retry.count)}, ciphertext)
        kind = "media" if rows[0]["media"] else "text"
        stanza = message_stanza(
            group,
            retry.sender,
            retry.id,
            rows[0]["t"],
            [enc],
            kind=kind,
            hide_number=group.hide_numbers,
        )
        await self._relay.push(retry.device.jid, stanza)


def _new_id() -> str:
    return f"3EB0{secrets.token_hex(9).upper()}"


def _with_sender_key(message: e2e.Message, group: Group, distribution: bytes) -> e2e.Message:
    told = deepcopy(message)
    told.senderKeyDistributionMessage.groupID = str(group.jid)
    told.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = distribution
    return told


def _enc_attributes(kind: str, content: Content) -> dict[str, str | Jid]:
    version, named = "2", kind
    if content.shape is Shape.UNKNOWN_ENC_TYPE:
        named = "xmsg"
    elif content.shape is Shape.UNKNOWN_ENC_VERSION:
        version = "9"
    elif content.shape is Shape.RUBBISH_V3:
        version = "3"
    return {"v": version, "type": named, "mediatype": content.media}


def _deformed(stanza: Node, shape: Shape) -> Node:
    """Take away the attribute that a malformed stanza lacks."""
    missing = {Shape.NO_PARTICIPANT: "participant", Shape.NO_TIME: "t"}.get(shape)
    if missing:
        stanza.attributes.pop(missing, None)
    return stanza
