"""From a request in JSON to messages in groups: what is to be said, when, in which order.

Kinds and their fields are documented in docs/simulator.md.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neonize.proto.waCommon.WACommon_pb2 import MessageKey

from simulator import content
from simulator.content import Content, Shape
from simulator.ledger import LedgerRow
from simulator.members import Members
from simulator.node import Jid
from simulator.relay import WINDOW, Relay
from simulator.world import Account, Group, World

BATCH = 50
"""Messages that are written into one transaction when they go as fast as they can."""

OUT_OF_ORDER = 2_000
"""Messages of one sender and group that a client can read out of order (libsignal keeps so many
skipped keys, and reads no further into the future)."""

DRAIN_SECONDS = 60
"""How long a connected client may leave its window full before the writer gives up."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One message that somebody is to write.

    `target` is the id that an edit, a delete, a reply or a reaction is about; `target_sender` the
    phone of its author, needed only for a message the ledger does not have. `at` is the server's
    time in seconds. `mentions` are the phones a mention names; the devices of the
    phones in `hold` get the message only when it is released.
    """

    group: Jid
    sender: str
    kind: str
    text: str
    target: str = ""
    target_sender: str = ""
    id: str | None = None
    at: int | None = None
    filename: str = "document.pdf"
    mentions: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Draft":
        """Read a request; raises ValueError with a sentence for what is missing or unknown."""
        kind = str(body.get("kind", "text"))
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(sorted(KINDS))}, not {kind!r}")
        target = str(body.get("target") or "")
        if kind in NEEDS_TARGET and not target:
            raise ValueError(f"{kind} needs 'target', the id of the message it is about")
        at = body.get("at")
        if at is not None and (not isinstance(at, int) or isinstance(at, bool) or at < 0):
            raise ValueError(f"'at' is in whole seconds since 1970, not {at!r}")
        return cls(
            group=Jid.parse(str(body.get("group", ""))),
            sender=str(body.get("sender", "")),
            kind=kind,
            text=str(body.get("text") or ""),
            target=target,
            target_sender=str(body.get("target_sender") or ""),
            id=str(body["id"]) if body.get("id") else None,
            at=at,
            filename=str(body.get("filename") or "document.pdf"),
            mentions=_phones(body, "mentions"),
            hold=_phones(body, "hold"),
        )


class Writing:
    """Writes drafts with the window's flow control, at a rate, and in an order per receiver."""

    def __init__(self, world: World, relay: Relay, members: Members) -> None:
        self._world = world
        self._relay = relay
        self._members = members

    async def write(self, draft: Draft) -> LedgerRow:
        """Write one message; returns its ledger row once it is durable.

        Raises ValueError for an unknown group or member, TimeoutError when a connected client does
        not take its messages.
        """
        self._check(draft)
        held = {jid for phone in draft.hold for jid in self._devices(phone)}
        await self._members.introduce(draft.group, draft.sender, held)
        await self._room(draft.group, WINDOW)
        return await self._one(draft, held)

    async def release(self, phone: str) -> int:
        """Let the devices of a phone have what was held back from them; returns how many."""
        return sum([await self._relay.release(device) for device in self._devices(phone)])

    async def write_many(
        self,
        drafts: Sequence[Draft],
        *,
        rate: float | None = None,
        order: Mapping[str, Sequence[str]] | None = None,
    ) -> list[LedgerRow]:
        """Write in the order given; nothing is written when any draft cannot be.

        `rate` is in messages per second. `order` maps a phone to the ids in the order in which its
        devices get them; they get these after all others. Raises as `write` does.
        """
        if rate is not None and rate <= 0:
            raise ValueError(f"'rate' is in messages per second, more than 0, not {rate!r}")
        if any(draft.hold for draft in drafts):
            raise ValueError("'hold' is for single messages; many are turned by 'order'")
        held = self._held(drafts, order or {})
        for draft in drafts:
            self._check(draft)
        reordered = {jid for phone in order or {} for jid in self._devices(phone)}
        for group, sender in {(draft.group, draft.sender): None for draft in drafts}:
            await self._members.introduce(group, sender, reordered)
        rows: list[LedgerRow] = []
        clock = asyncio.get_running_loop().time
        began = clock()
        while len(rows) < len(drafts):
            size = BATCH
            if rate is not None:
                await _until(began + len(rows) / rate)
                size = min(BATCH, int((clock() - began) * rate) + 1 - len(rows))
            batch = drafts[len(rows) : len(rows) + max(1, size)]
            for group in {draft.group for draft in batch}:
                await self._room(group, WINDOW - len(batch) + 1)
            rows += await self._batch(batch, held)
        await self._release(order or {})
        return rows

    async def _batch(self, batch: Sequence[Draft], held: Mapping[str, set[Jid]]) -> list[LedgerRow]:
        """Write side by side: each is in its place before the first waits for the commit."""
        writes = (self._one(draft, held.get(draft.id or "", ())) for draft in batch)
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        rows = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return rows

    async def _one(self, draft: Draft, held: set[Jid] | tuple[()]) -> LedgerRow:
        said = KINDS[draft.kind](_Speaker(self._world, self._relay, draft))
        return await self._members.write(
            draft.group, draft.sender, said, id=draft.id, at=draft.at, held=held
        )

    def _check(self, draft: Draft) -> None:
        group = self._world.groups.get(draft.group)
        if group is None:
            raise ValueError(f"no such group: {draft.group}")
        if draft.sender not in group.members:
            raise ValueError(f"{draft.sender!r} is not a member of {draft.group}")
        for phone in (*draft.mentions, *filter(None, [draft.target_sender])):
            if phone not in self._world.accounts:
                raise ValueError(f"no account has the phone {phone}")

    def _held(
        self, drafts: Sequence[Draft], order: Mapping[str, Sequence[str]]
    ) -> dict[str, set[Jid]]:
        """Which devices get which message only at the end."""
        written = {draft.id for draft in drafts if draft.id}
        held: dict[str, set[Jid]] = {}
        per_sender = Counter((draft.group, draft.sender) for draft in drafts if order)
        if per_sender and max(per_sender.values()) > OUT_OF_ORDER:
            raise ValueError(
                f"'order' takes {OUT_OF_ORDER} messages of one sender, use more senders"
            )
        for phone, ids in order.items():
            devices = self._devices(phone)
            for identity in ids:
                if identity not in written:
                    raise ValueError(f"'order' names {identity!r}, which is not in the messages")
                held.setdefault(identity, set()).update(devices)
        return held

    async def _release(self, order: Mapping[str, Sequence[str]]) -> None:
        for phone, ids in order.items():
            for device in self._devices(phone):
                for begin in range(0, len(ids), BATCH):
                    async with asyncio.timeout(DRAIN_SECONDS):
                        await self._relay.room([device], WINDOW - BATCH + 1)
                    await self._relay.release(device, ids[begin : begin + BATCH])

    def _devices(self, phone: str) -> list[Jid]:
        account = self._world.accounts.get(phone)
        if account is None:
            raise ValueError(f"no account has the phone {phone}")
        return [device.jid for device in self._world.devices_of(account)]

    async def _room(self, group: Jid, window: int) -> None:
        devices = [device.jid for device in self._world.devices_in(self._world.groups[group])]
        async with asyncio.timeout(DRAIN_SECONDS):
            await self._relay.room(devices, window)


async def _until(due: float) -> None:
    """Return at that time of the loop's clock, or at once when it has passed."""
    loop = asyncio.get_running_loop()
    if loop.time() < due:
        reached = asyncio.Event()
        loop.call_at(due, reached.set)
        await reached.wait()


class _Speaker:
    """What the makers of content may ask about a draft: it is the message's place in the world."""

    def __init__(self, world: World, relay: Relay, draft: Draft) -> None:
        self.draft = draft
        self.text = draft.text
        self._world = world
        self._relay = relay

    @property
    def group(self) -> Group:
        return self._world.groups[self.draft.group]

    def jids(self) -> list[Jid]:
        """The mentioned accounts as this group addresses them."""
        accounts = (self._world.accounts[phone] for phone in self.draft.mentions)
        return [account.jid(self.group.addressing) for account in accounts]

    def key(self) -> MessageKey:
        """The target as a client names it (whatsmeow `BuildMessageKey`)."""
        author = self._author()
        own = author is None or author.phone == self.draft.sender
        key = MessageKey(remoteJID=str(self.draft.group), fromMe=own, ID=self.draft.target)
        if author is not None and not own:
            key.participant = str(author.jid(self.group.addressing))
        return key

    def own_key(self) -> MessageKey:
        """The target as an edit names it: always as one's own (whatsmeow `BuildEdit`)."""
        return MessageKey(remoteJID=str(self.draft.group), fromMe=True, ID=self.draft.target)

    def quoted(self) -> str:
        """The text of the target, empty where the ledger does not know it."""
        row = self._target()
        return (row.text or "") if row else ""

    def quoted_key(self) -> MessageKey:
        """The target as a quotation names it: with its author, also when that is oneself."""
        key = self.key()
        author = self._author()
        if author is not None:
            key.participant = str(author.jid(self.group.addressing))
        return key

    def _author(self) -> Account | None:
        if self.draft.target_sender:
            return self._world.accounts[self.draft.target_sender]
        row = self._target()
        return self._world.accounts.get(row.sender_pn) if row else None

    def _target(self) -> LedgerRow | None:
        """The message meant; of two with one id, the sender's own."""
        rows = self._relay.ledger.find(str(self.draft.group), self.draft.target)
        own = [row for row in rows if row.sender_pn == self.draft.sender]
        return next(iter([*own, *rows]), None)


def _phones(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    phones = body.get(key) or ()
    if isinstance(phones, str):
        raise TypeError(f"{key!r} is a list of phones")
    return tuple(str(phone) for phone in phones)


def _malformed(shape: Shape) -> Callable[[_Speaker], Content]:
    return lambda speaker: content.malformed(shape, speaker.text)


KINDS: dict[str, Callable[[_Speaker], Content]] = {
    "text": lambda of: content.text(of.text),
    "extended": lambda of: content.extended(of.text),
    "image": lambda of: content.image(of.text),
    "document": lambda of: content.document(of.text, of.draft.filename),
    "edit": lambda of: content.edit(of.own_key(), of.text),
    "delete": lambda of: content.delete(of.key()),
    "reply": lambda of: content.reply(of.text, of.quoted_key(), of.quoted()),
    "reaction": lambda of: content.reaction(of.key(), of.text),
    "ephemeral": lambda of: content.ephemeral(of.text),
    "view_once": lambda of: content.view_once(of.text),
    "mention": lambda of: content.mention(of.text, of.jids()),
    **{shape.value: _malformed(shape) for shape in Shape if shape is not Shape.WHOLE},
}
"""What may be asked for as `kind`, the malformed shapes under their own names."""

NEEDS_TARGET = frozenset({"edit", "delete", "reply", "reaction"})
