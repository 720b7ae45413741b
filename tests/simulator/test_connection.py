"""Logins and requests on the wire, spoken by a client of our own: what the real one never asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from simulator import codec, trust
from simulator.codes import Codes
from simulator.connection import Server
from simulator.database import Database
from simulator.faults import Standing
from simulator.node import GROUP_SERVER, SERVER, Jid, Node
from simulator.noise import Cipher, framed
from simulator.pairing import Pairing
from simulator.relay import Relay
from simulator.server import CHAT, chat_application, serving
from simulator.world import Device, Group, SignedKey, World
from tests.simulator.initiator import HEADER, Initiator, payload_of

ANN = "27820000001"
GROUP = Jid("120363000000000001", GROUP_SERVER)


class Peer:
    """A client on a WebSocket: handshake, then nodes both ways."""

    def __init__(self, socket: ClientWebSocketResponse, static: X25519PrivateKey) -> None:
        self._socket = socket
        self._initiator = Initiator()
        self._initiator.static = static
        self._sending = self._receiving = Cipher(bytes(32))

    async def log_in(self, phone: str, device: int) -> Self:
        """Go through the handshake with a login payload."""
        await self._socket.send_bytes(HEADER + framed(self._initiator.hello()))
        answer = await self._socket.receive_bytes()
        finish, _, _ = self._initiator.finish(answer[3:], payload_of(int(phone), device))
        await self._socket.send_bytes(framed(finish))
        self._sending, self._receiving = map(Cipher, self._initiator.split())
        return self

    async def send(self, node: Node) -> None:
        """Write one stanza."""
        await self._socket.send_bytes(framed(self._sending.encrypt(codec.encode(node))))

    async def receive(self) -> Node:
        """Read one stanza: exactly one frame per WebSocket message, as the client needs it."""
        async with asyncio.timeout(10):
            message = await self._socket.receive_bytes()
        assert int.from_bytes(message[:3], "big") == len(message) - 3
        return codec.decode(self._receiving.decrypt(message[3:]))

    async def ask(self, xmlns: str, kind: str, *children: Node, to: Jid = SERVER) -> Node:
        """Send an <iq> and return its answer."""
        attributes: dict[str, str | Jid] = {"id": "1", "xmlns": xmlns, "type": kind, "to": to}
        await self.send(Node("iq", attributes, list(children) or None))
        return await self.receive()

    async def closed(self) -> bool:
        """Wait for the next thing to happen and say whether it is the end."""
        async with asyncio.timeout(10):
            return (await self._socket.receive()).type in {WSMsgType.CLOSE, WSMsgType.CLOSED}


class Wire:
    """A server on a port of its own with one account, one device and one foreign group."""

    def __init__(self, world: World, relay: Relay, port: int, session: ClientSession) -> None:
        self.world, self.relay = world, relay
        self._url = f"http://127.0.0.1:{port}{CHAT}"
        self._session = session
        self.static = X25519PrivateKey.generate()
        account = world.add_account(ANN, "Ann")
        world.add_account("27820000009", "Writer")
        number = world.next_device(account)
        noise = self.static.public_key().public_bytes_raw()
        key = SignedKey(1, b"k" * 32, b"s" * 64)
        self.device = Device(ANN, number, noise, b"i" * 32, 7, key, 1)
        world.add_device(self.device)
        world.keep_group(
            Group(GROUP, "Others", "lid", False, 1, "27820000009", {"27820000009": ""})
        )

    @asynccontextmanager
    async def peer(self, static: X25519PrivateKey | None = None) -> AsyncIterator[Peer]:
        """A connection with the device's Noise key, or with another one."""
        async with self._session.ws_connect(self._url) as socket:
            yield Peer(socket, static or self.static)


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """A server without TLS; the database's commits are short enough for the loop."""
    with Database(tmp_path / "simulator.db") as database:
        world = World(database)
        relay = Relay(world)
        server = Server(
            world, relay, Codes(Pairing(world)), trust.certificate_chain(), Standing(world.now)
        )
        application = chat_application(server)
        async with (
            serving(application, 0, None, host="127.0.0.1") as port,
            ClientSession() as session,
        ):
            yield Wire(world, relay, port, session)


async def test_a_known_device_is_welcomed_with_its_lid(wire: Wire) -> None:
    """The LID in <success> carries the device, or the client throws its own away."""
    async with wire.peer() as peer:
        success = await (await peer.log_in(ANN, 1)).receive()
    assert success.tag == "success"
    assert success.attributes["lid"] == wire.world.accounts[ANN].jid("lid", 1)


async def test_a_device_of_another_state_is_asked_to_come_back(wire: Wire) -> None:
    """401 would wipe the session of a client that this server merely has not heard of: 503."""
    async with wire.peer(X25519PrivateKey.generate()) as peer:
        failure = await (await peer.log_in("27829999999", 1)).receive()
        assert (failure.tag, failure.text("reason")) == ("failure", "503")
        assert await peer.closed()


async def test_an_unlinked_device_is_logged_out(wire: Wire) -> None:
    """A device that was removed here is told so at its next login, and its queue is gone."""
    wire.relay.unlink(wire.device)
    async with wire.peer() as peer:
        failure = await (await peer.log_in(ANN, 1)).receive()
    assert (failure.tag, failure.text("reason")) == ("failure", "401")
    assert wire.world.devices == {}


async def test_an_unknown_request_is_answered(wire: Wire) -> None:
    """Without an answer a client waits for 75 seconds; an empty result is always something."""
    async with wire.peer() as peer:
        await (await peer.log_in(ANN, 1)).receive()
        answer = await peer.ask("w:nothing", "get", Node("whatever"))
    assert (answer.text("type"), answer.text("id"), answer.children) == ("result", "1", [])


@pytest.mark.parametrize(
    ("group", "code"), [(GROUP, "403"), (Jid("120363999999999999", GROUP_SERVER), "404")]
)
async def test_a_group_is_shown_to_its_members_only(wire: Wire, group: Jid, code: str) -> None:
    """403 for a group of others, 404 for one that does not exist."""
    async with wire.peer() as peer:
        await (await peer.log_in(ANN, 1)).receive()
        answer = await peer.ask("w:g2", "get", Node("query"), to=group)
    error = answer.child("error")
    assert answer.text("type") == "error"
    assert error is not None
    assert error.text("code") == code


async def test_one_time_prekeys_are_given_out_once_and_asked_for_again(wire: Wire) -> None:
    """Each bundle takes one; with fewer than five left the device is asked to upload more."""
    wire.world.add_prekeys(
        wire.device, wire.device.signed, [(key, bytes((key,)) * 32) for key in range(1, 6)]
    )
    async with wire.peer() as peer:
        await (await peer.log_in(ANN, 1)).receive()
        await peer.ask("passive", "set", Node("active"))
        await peer.receive()  # the preview of an empty queue
        await peer.receive()  # and its end
        wanted = Node("key", {}, [Node("user", {"jid": wire.device.jid})])
        notification = await peer.ask("encrypt", "get", wanted)
        answer = await peer.receive()
    count = notification.child("count")
    assert (notification.tag, notification.text("type")) == ("notification", "encrypt")
    assert count is not None
    assert count.text("value") == "4"
    key = answer.child("list", "user", "key", "id")
    assert key is not None
    assert key.data == b"\0\0\1"
    assert wire.world.prekeys_left(wire.device) == 4


async def test_what_is_no_whatsapp_client_is_turned_away(wire: Wire) -> None:
    """Another protocol on the same path ends the connection, and the server serves on."""
    async with wire.peer() as stranger:
        await stranger._socket.send_bytes(b"GET / HTTP/1.1\r\n")  # noqa: SLF001 - raw bytes
        assert await stranger.closed()
    async with wire.peer() as peer:
        assert (await (await peer.log_in(ANN, 1)).receive()).tag == "success"
