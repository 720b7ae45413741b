"""Answers to the clients' requests: a table by namespace, type and first child.

A request without an entry is answered with an empty result and logged: a client that is not
answered waits 75 seconds, and a send blocks all its other sends.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from simulator.files import AUTH
from simulator.groups import group_node
from simulator.node import SERVER, Attributes, Jid, Node
from simulator.relay import Relay
from simulator.trust import HOST
from simulator.world import Device, SignedKey, World

log = logging.getLogger(__name__)

MIN_PREKEYS = 5
"""Below this the server asks a device for more one-time prekeys (whatsmeow MinPreKeyCount)."""


class RefusedError(Exception):
    """The request is answered with an error of this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Request:
    """One <iq> of a device that is logged in."""

    world: World
    relay: Relay
    device: Device
    node: Node

    @property
    def subject(self) -> Node:
        """The first child; an empty node for a request without one."""
        return self.node.children[0] if self.node.children else Node("")


def answer(request: Request) -> Node:
    """The whole <iq type=result|error> for a <iq type=get|set>."""
    node = request.node
    key = (node.text("xmlns"), node.text("type"), request.subject.tag)
    known = _TABLE.get(key)
    attributes: Attributes = {
        "from": node.jid("to") or SERVER,
        "id": node.text("id"),
        "type": "result",
    }
    if known is None:
        log.info("unknown request answered with an empty result: %s", node)
        return Node("iq", attributes)
    try:
        return Node("iq", attributes, known(request))
    except RefusedError as refused:
        error = Node("error", {"code": str(refused.code), "text": refused.text})
        return Node("iq", attributes | {"type": "error"}, [error])


def _nothing(_: Request) -> list[Node] | None:
    return None


def _unlink(request: Request) -> None:
    """The client logs itself out; it deletes its session as soon as this is answered."""
    request.relay.unlink(request.device)


def _count(request: Request) -> list[Node]:
    left = request.world.prekeys_left(request.device)
    return [Node("count", {"value": str(left)})]


def _upload(request: Request) -> list[Node] | None:
    skey = request.node.child("skey")
    if skey is None:
        raise RefusedError(400, "bad-request")
    signature = skey.child("signature")
    key, value = _key(skey)
    signed = SignedKey(key, value, signature.data if signature else b"")
    listed = request.node.child("list")
    one_time = [_key(entry) for entry in listed.all("key")] if listed else []
    request.world.add_prekeys(request.device, signed, one_time)
    return None


def _key(node: Node) -> tuple[int, bytes]:
    identity, value = node.child("id"), node.child("value")
    if identity is None or value is None:
        raise RefusedError(400, "bad-request")
    return int.from_bytes(identity.data, "big"), value.data


def _bundles(request: Request) -> list[Node]:
    users = []
    for user in request.subject.all("user"):
        jid = user.jid("jid")
        device = request.world.device_of(jid) if jid else None
        if jid is None:
            continue
        if device is None:
            error = Node("error", {"code": "404", "text": "item-not-found"})
            users.append(Node("user", {"jid": jid}, [error]))
        else:
            users.append(Node("user", {"jid": jid}, _bundle(request, device)))
    return [Node("list", {}, users)]


def _bundle(request: Request, device: Device) -> list[Node]:
    bundle = request.world.bundle(device, take_one_time=True)
    signed = bundle.signed
    children = [
        Node("registration", {}, bundle.registration.to_bytes(4, "big")),
        Node("type", {}, b"\x05"),
        Node("identity", {}, bundle.identity),
        Node(
            "skey",
            {},
            [
                Node("id", {}, signed.id.to_bytes(3, "big")),
                Node("value", {}, signed.value),
                Node("signature", {}, signed.signature),
            ],
        ),
    ]
    if bundle.one_time is not None:
        key, value = bundle.one_time
        one_time = [Node("id", {}, key.to_bytes(3, "big")), Node("value", {}, value)]
        children.append(Node("key", {}, one_time))
    _ask_for_prekeys(request, device)
    return children


def _ask_for_prekeys(request: Request, device: Device) -> None:
    left = request.world.prekeys_left(device)
    link = request.relay.links.get(device.jid)
    if left < MIN_PREKEYS and link is not None:
        now = str(request.world.now())
        attributes: Attributes = {"from": SERVER, "id": f"prekeys-{now}", "type": "encrypt"}
        count = Node("count", {"value": str(left)})
        link.send(Node("notification", attributes | {"t": now}, [count]))


def _usync(request: Request) -> list[Node]:
    query, listed = request.subject.child("query"), request.subject.child("list")
    asked = {child.tag for child in query.children} if query else set()
    users = [
        Node("user", {"jid": jid}, _user(request, jid, asked))
        for user in (listed.all("user") if listed else ())
        if (jid := user.jid("jid")) is not None
    ]
    return [Node("usync", {"sid": request.subject.text("sid")}, [Node("list", {}, users)])]


def _user(request: Request, jid: Jid, asked: set[str]) -> list[Node]:
    """What is known of one user; a phone without paired devices has an empty device list."""
    account = request.world.account_of(jid)
    children = []
    if "devices" in asked:
        devices = request.world.devices_of(account) if account else []
        entries = [
            Node("device", {"id": str(device.device), "key-index": str(device.device)})
            for device in devices
        ]
        children.append(Node("devices", {}, [Node("device-list", {}, entries)]))
    if "lid" in asked and account:
        children.append(Node("lid", {"val": account.jid("lid")}))
    if "contact" in asked:
        children.append(Node("contact", {"type": "in" if account else "out"}))
    return children


def _group(request: Request) -> list[Node]:
    group = request.world.groups.get(request.node.jid("to") or SERVER)
    if group is None:
        raise RefusedError(404, "item-not-found")
    if request.device.phone not in group.members:
        raise RefusedError(403, "forbidden")
    return [group_node(request.world, group)]


def _groups(request: Request) -> list[Node]:
    groups = [
        group_node(request.world, group)
        for group in request.world.groups.values()
        if request.device.phone in group.members
    ]
    return [Node("groups", {}, groups)]


def _media_conn(_: Request) -> list[Node]:
    attributes: Attributes = {
        "auth": AUTH,
        "ttl": "300",
        "auth_ttl": "300",
        "max_buckets": "12",
    }
    return [Node("media_conn", attributes, [Node("host", {"hostname": HOST})])]


def _privacy(_: Request) -> list[Node]:
    settings = [Node("category", {"name": "readreceipts", "value": "all"})]
    return [Node("privacy", {}, settings)]


_TABLE: dict[tuple[str, str, str], Callable[[Request], list[Node] | None]] = {
    ("encrypt", "get", "count"): _count,
    ("encrypt", "set", "registration"): _upload,
    ("encrypt", "get", "key"): _bundles,
    ("md", "set", "remove-companion-device"): _unlink,
    ("passive", "set", "active"): _nothing,
    ("passive", "set", "passive"): _nothing,
    ("w:p", "get", ""): _nothing,
    ("usync", "get", "usync"): _usync,
    ("w:g2", "get", "query"): _group,
    ("w:g2", "get", "participating"): _groups,
    ("w:m", "set", "media_conn"): _media_conn,
    ("privacy", "get", "privacy"): _privacy,
}
