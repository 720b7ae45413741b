"""What a logged-in client sends besides requests: messages, receipts, acknowledgements."""

import logging
from collections.abc import Awaitable, Callable

from simulator.ledger import LedgerRow
from simulator.node import GROUP_SERVER, LID_SERVER, Attributes, Jid, Node
from simulator.queues import Receipted
from simulator.relay import Relay, Retry, message_stanza
from simulator.world import Account, Addressing, Device, Group

log = logging.getLogger(__name__)

CLIENT_KIND = "client"
"""The ledger's kind for a message that a real client encrypted: its text is not known here."""

Answer = Callable[[Node], None]


async def receive(relay: Relay, device: Device, node: Node, answer: Answer) -> None:
    """Deal with one stanza of the device; `answer` writes to the device's own connection."""
    known = _STANZAS.get(node.tag)
    if known is None:
        log.debug("ignored from %s: %s", device.jid, node)
        return
    await known(relay, device, node, answer)


async def _message(relay: Relay, device: Device, node: Node, answer: Answer) -> None:
    to = node.jid("to")
    if to is None:
        log.warning("message without an address from %s: %s", device.jid, node)
        return
    now = relay.world.now()
    participant = node.jid("participant")
    if participant is not None and to.server == GROUP_SERVER:
        await _resent(relay, device, node, participant)
    elif to.server == GROUP_SERVER:
        await _to_group(relay, device, node, relay.world.groups.get(to))
    else:
        await _direct(relay, device, node, to)
    acknowledged: Attributes = {
        "class": "message",
        "id": node.text("id"),
        "from": to,
        "t": str(now),
        "phash": node.text("phash"),
    }
    answer(Node("ack", acknowledged))


async def _to_group(relay: Relay, device: Device, node: Node, group: Group | None) -> None:
    sender = relay.world.accounts[device.phone]
    if group is None or device.phone not in group.members:
        log.warning("message of a stranger to %s from %s dropped", node.text("to"), device.jid)
        return
    direct = _direct_parts(relay, node)
    shared = list(node.all("enc"))
    stanzas = {
        receiver.jid: message_stanza(
            group,
            sender,
            node.text("id"),
            relay.world.now(),
            [*direct.get(receiver.jid, []), *shared],
            kind=node.text("type"),
            hide_number=group.hide_numbers,
            sender_device=device.device,
        )
        for receiver in relay.world.devices_in(group)
        if receiver.jid != device.jid
    }
    await relay.inject(
        _row(relay, node, str(group.jid), sender, hidden=group.hide_numbers), stanzas
    )


async def _direct(relay: Relay, device: Device, node: Node, to: Jid) -> None:
    """A direct message: every device named in it gets its own part."""
    sender = relay.world.accounts[device.phone]
    recipient = relay.world.account_of(to)
    stanzas = {}
    for receiver, enc in _direct_parts(relay, node).items():
        attributes: Attributes = {
            "id": node.text("id"),
            "from": sender.jid("lid", device.device),
            "t": str(relay.world.now()),
            "type": node.text("type"),
            "notify": sender.name,
            "sender_pn": sender.jid("pn"),
        }
        if receiver.user == device.phone and recipient is not None:
            attributes["recipient"] = recipient.jid("lid")
            attributes["peer_recipient_pn"] = recipient.jid("pn")
        stanzas[receiver] = Node("message", attributes, [*enc])
    await relay.inject(_row(relay, node, str(to.bare), sender, hidden=False), stanzas)


def _direct_parts(relay: Relay, node: Node) -> dict[Jid, list[Node]]:
    participants = node.child("participants")
    parts: dict[Jid, list[Node]] = {}
    for to in participants.all("to") if participants else ():
        address = to.jid("jid")
        receiver = relay.world.device_of(address) if address else None
        if receiver is not None:
            parts[receiver.jid] = list(to.all("enc"))
    return parts


async def _resent(relay: Relay, device: Device, node: Node, participant: Jid) -> None:
    """The answer to a retry receipt: one device gets the message again, the ledger knows it."""
    group = relay.world.groups.get(node.jid("to") or participant)
    receiver = relay.world.device_of(participant)
    if group is None or receiver is None:
        log.warning("re-sent message without a receiver: %s", node)
        return
    sender = relay.world.accounts[device.phone]
    stanza = message_stanza(
        group,
        sender,
        node.text("id"),
        int(node.text("t") or relay.world.now()),
        list(node.all("enc")),
        kind=node.text("type"),
        hide_number=group.hide_numbers,
        sender_device=device.device,
    )
    await relay.push(receiver.jid, stanza)


def _row(relay: Relay, node: Node, chat: str, sender: Account, *, hidden: bool) -> LedgerRow:
    return LedgerRow(
        seq=0,
        chat=chat,
        id=node.text("id"),
        kind=CLIENT_KIND,
        sender_pn=sender.phone,
        sender_lid=sender.lid,
        number_hidden=hidden,
        t=relay.world.now(),
    )


async def _receipt(relay: Relay, device: Device, node: Node, answer: Answer) -> None:
    """A receipt of any type but retry takes its messages out of the queue."""
    to = node.jid("to")
    if node.text("type") == "retry":
        await _retry(relay, device, node)
    else:
        listed = node.child("list")
        more = [item.text("id") for item in listed.all("item")] if listed else []
        ids = (node.text("id"), *more)
        answered = Receipted("message", ids, node.text("to"), node.text("participant"))
        relay.receipted(device.jid, answered)
    acknowledged: Attributes = {
        "class": "receipt",
        "id": node.text("id"),
        "from": to or "",
        "participant": node.attributes.get("participant", ""),
        "type": node.text("type"),
    }
    answer(Node("ack", acknowledged))


async def _retry(relay: Relay, device: Device, node: Node) -> None:
    """Pass a retry receipt on to the one device that wrote the message, or to its phone."""
    chat, retry = node.jid("to"), node.child("retry")
    writer = node.jid("participant") or chat
    sender = relay.world.account_of(writer) if writer else None
    if chat is None or writer is None or sender is None or retry is None:
        log.warning("retry receipt without a sender from %s: %s", device.jid, node)
        return
    if writer.device == 0:
        await _ask_phone(
            relay,
            Retry(device, chat, node.text("id"), sender, int(retry.text("count") or 1), node),
        )
        return
    target = relay.world.device_of(writer)
    if target is None:
        log.warning("retry receipt for a device that is gone: %s", node)
        return
    in_group = chat.server == GROUP_SERVER
    addressing: Addressing = "lid" if writer.server == LID_SERVER else "pn"
    asker = relay.world.accounts[device.phone].jid(addressing, device.device)
    attributes: Attributes = {
        "id": node.text("id"),
        "from": chat if in_group else asker,
        "participant": asker if in_group else "",
        "type": "retry",
        "t": str(relay.world.now()),
    }
    await relay.push(target.jid, Node("receipt", attributes, node.content))


async def _ask_phone(relay: Relay, retry: Retry) -> None:
    if relay.on_retry is None:
        log.warning("%s asks for %s again and nobody answers for phones", retry.device, retry.id)
        return
    try:
        await relay.on_retry(retry)
    except Exception:  # one sender's failure must not end the asking device's connection
        log.exception("no answer to the retry receipt for %s", retry.id)


async def _acknowledged(relay: Relay, device: Device, node: Node, _: Answer) -> None:
    """An <ack> ends the waiting of what it names; with `error` the client could not use it."""
    if node.text("error"):
        log.warning("%s refused a stanza: %s", device.jid, node)
    answered = Receipted(
        node.text("class"), (node.text("id"),), node.text("to"), node.text("participant")
    )
    relay.receipted(device.jid, answered)


_STANZAS: dict[str, Callable[[Relay, Device, Node, Answer], Awaitable[None]]] = {
    "message": _message,
    "receipt": _receipt,
    "ack": _acknowledged,
}
