"""One client's connection from the first byte to the last: handshake, pairing or login, stanzas."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from simulator import codec, inbound, iq, noise
from simulator.codes import Codes
from simulator.faults import Standing
from simulator.node import Attributes, Jid, Node
from simulator.pairing import Offer
from simulator.relay import Relay
from simulator.world import Device, World

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 20
CLOSING_SECONDS = 0.3
"""Between a last stanza and the close: the client forgets what it has not handled at a close."""


@dataclass(frozen=True, slots=True)
class Server:
    """What all connections share; `live` are those of logged-in devices."""

    world: World
    relay: Relay
    codes: Codes
    chain: bytes
    standing: Standing
    live: "dict[Jid, Connection]" = field(default_factory=dict)

    def address_of(self, device: Jid) -> str | None:
        """Where a device is connected from; None while it is not."""
        connection = self.live.get(device)
        return connection.address if connection else None


class Connection:
    """A WebSocket of a client; `send` is the only way out, `_received` the only way in."""

    def __init__(
        self,
        server: Server,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
    ) -> None:
        self._transport = transport
        self._server = server
        self._socket = socket
        self._outbound: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._cipher: noise.Cipher | None = None
        self._answers: dict[str, asyncio.Future[Node]] = {}
        self.device: Device | None = None
        self._split = False

    async def run(self) -> None:
        """Serve the client until either side closes."""
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write())
                try:
                    await self._serve()
                finally:
                    self._leave()
                    writing.cancel()
        except* (noise.NoiseError, codec.CodecError) as group:
            log.warning("connection given up: %s", group.exceptions[0])
        except* ConnectionError as group:
            log.info("connection lost: %s", group.exceptions[0])

    async def _serve(self) -> None:
        arriving = self._arriving()
        established = await self._handshake(arriving)
        await self._admit(established)
        async for frame in arriving:
            await self._received(codec.decode(established.from_client.decrypt(frame)))

    def send(self, node: Node) -> None:
        """Encrypt and queue a stanza; frames leave in the order of the calls."""
        log.debug("to %s: %s", self.device.jid if self.device else "unpaired", node)
        copies = 1 if self.device is None else self._server.standing.copies(self.device.jid, node)
        if (cipher := self._cipher) is None:
            return
        for _ in range(copies):
            frame = noise.framed(cipher.encrypt(codec.encode(node)))
            self._outbound.put_nowait(frame)

    async def request(self, node: Node) -> Node:
        """Send an <iq> and return the client's answer; raises ConnectionError when it is gone."""
        answer: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._answers[node.text("id")] = answer
        self.send(node)
        try:
            return await answer
        finally:
            self._answers.pop(node.text("id"), None)

    def end(self, node: Node) -> None:
        """Send a last stanza, give the client time to act on it, and close."""
        self.send(node)
        self._outbound.put_nowait(None)

    async def close(self) -> None:
        """Close the WebSocket in order, without a stanza."""
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    def abort(self) -> None:
        """Cut the TCP connection, without a word."""
        if self._transport is not None:
            self._transport.abort()

    def split_next(self) -> None:
        """Send the next frame in two WebSocket messages, which the client takes badly."""
        self._split = True

    @property
    def address(self) -> str | None:
        """Where the client calls from, if that is known."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if name else None

    def deliver(self) -> None:
        """Send everything un-receipted again, and be the way to the device."""
        if self.device is not None:
            self._deliver_backlog(self.device)

    def retire(self) -> None:
        """Stop being the way to the device; the connection itself lives on."""
        if self.device is None:
            return
        jid = self.device.jid
        if self._server.live.get(jid) is self:
            del self._server.live[jid]
        if self._server.relay.links.get(jid) is self:
            del self._server.relay.links[jid]

    async def _arriving(self) -> AsyncIterator[bytes]:
        frames = noise.Frames()
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                for frame in frames.feed(message.data):
                    yield frame

    async def _handshake(self, arriving: AsyncIterator[bytes]) -> noise.Established:
        handshake = noise.Handshake(self._server.chain)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                hello = await anext(arriving, b"")
                self._outbound.put_nowait(noise.framed(handshake.answer(hello)))
                established = handshake.finish(await anext(arriving, b""))
        except TimeoutError as error:
            message = f"no handshake within {HANDSHAKE_SECONDS} s"
            raise noise.NoiseError(message) from error
        self._cipher = established.to_client
        return established

    async def _admit(self, established: noise.Established) -> None:
        payload = established.payload
        if payload.HasField("devicePairingData"):
            keys = payload.devicePairingData
            await self._server.codes.pairing.show(Offer(self, established.client_static, keys))
            return
        device = self._server.world.device_with_noise(established.client_static)
        if device is None:
            self.end(self._refusal(str(payload.username), payload.device))
            return
        if (refusal := self._server.standing.refusal(device.jid)) is not None:
            log.info("%s is refused: %s", device.jid, refusal)
            self.end(refusal)
            return
        self._replace_older(device)
        self.device = device
        self._server.live[device.jid] = self
        account = self._server.world.accounts[device.phone]
        success: Attributes = {
            "t": str(self._server.world.now()),
            "lid": account.jid("lid", device.device),
            "props": "27",
        }
        log.info("%s is logged in", device.jid)
        self.send(Node("success", success))

    def _refusal(self, phone: str, number: int) -> Node:
        """401 wipes the client's session, so only a device that was unlinked here gets it.

        A client this server has never heard of belongs to another state directory: 503, come back.
        """
        account = self._server.world.accounts.get(phone)
        known = account is not None and number < account.next_device
        reason = "401" if known else "503"
        log.warning("login of %s:%d refused with %s", phone, number, reason)
        return Node("failure", {"reason": reason})

    def _replace_older(self, device: Device) -> None:
        older = self._server.live.get(device.jid)
        if older is not None:
            log.info("%s has logged in a second time", device.jid)
            older.retire()
            conflict = Node("conflict", {"type": "replaced"})
            older.end(Node("stream:error", {}, [conflict]))

    async def _received(self, node: Node) -> None:
        log.debug("from %s: %s", self.device.jid if self.device else "unpaired", node)
        if node.tag == "iq" and node.text("type") in {"result", "error"}:
            waiting = self._answers.get(node.text("id"))
            if waiting is not None and not waiting.done():
                waiting.set_result(node)
        elif self.device is None:
            self._unpaired(node)
        elif node.tag == "iq":
            await self._requested(self.device, node)
        elif node.tag != "xmlstreamend" and self.device.jid in self._server.world.devices:
            await inbound.receive(self._server.relay, self.device, node, self.send)

    def _unpaired(self, node: Node) -> None:
        """A client that shows codes pings, and asks for a code to be typed on the phone."""
        if node.tag == "iq":
            attributes: Attributes = {"from": node.jid("to") or "", "type": "result"}
            answer = self._server.codes.asked(self, node)
            self.send(Node("iq", attributes | {"id": node.text("id")}, answer))

    async def _requested(self, device: Device, node: Node) -> None:
        world, relay = self._server.world, self._server.relay
        self.send(iq.answer(iq.Request(world, relay, device, node)))
        if node.text("xmlns") == "passive" and node.child("active") is not None:
            self._deliver_backlog(device)

    def _deliver_backlog(self, device: Device) -> None:
        """Everything un-receipted in order, then live: no `await` may come between the two."""
        relay = self._server.relay
        backlog = relay.backlog(device.jid)
        count = str(len(backlog))
        messages = str(sum(one.stanza.tag == "message" for one in backlog))
        preview = Node("offline_preview", {"count": count, "message": messages})
        self.send(Node("ib", {}, [preview]))
        for place, queued in enumerate(backlog):
            self.send(queued.stanza.with_attributes({"offline": str(place)}))
        self.send(Node("ib", {}, [Node("offline", {"count": count})]))
        relay.links[device.jid] = self

    def _leave(self) -> None:
        self.retire()
        self._server.codes.pairing.withdraw(self)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the client is gone"))

    def _parts(self, frame: bytes) -> tuple[bytes, ...]:
        if not self._split:
            return (frame,)
        self._split = False
        return frame[: len(frame) // 2], frame[len(frame) // 2 :]

    async def _write(self) -> None:
        while (frame := await self._outbound.get()) is not None:
            for part in self._parts(frame):
                await self._socket.send_bytes(part)
        await asyncio.sleep(CLOSING_SECONDS)
        await self.close()
