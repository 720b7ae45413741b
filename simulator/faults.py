"""Faults of one device's connection: what happens once, and what stays in force until it is lifted.

How the real client takes each of them is in docs/simulator.md. Faults live in memory: a simulator
that is started again has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from simulator.node import Jid, Node
from simulator.relay import Relay
from simulator.world import Device

BAN_CODE = "101"
BAN_SECONDS = 60
_DELIVERIES = frozenset({"message", "notification", "receipt"})


class Fault(StrEnum):
    """What can be done to a device."""

    CLOSE = "close"
    ABORT = "abort"
    SPLIT = "split"
    REPLACED = "replaced"
    LOGGED_OUT = "logged_out"
    LOGGED_OUT_AT_CONNECT = "logged_out_at_connect"
    REFUSED = "refused"
    BANNED = "banned"
    OUTDATED = "outdated"
    DEAF = "deaf"
    SILENT = "silent"
    DUPLICATE = "duplicate"


STANDING = frozenset(
    {Fault.REFUSED, Fault.BANNED, Fault.OUTDATED, Fault.DEAF, Fault.SILENT, Fault.DUPLICATE}
)
"""Faults that stay in force: until lifted, until their time is over, or (deaf) until a login."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A standing fault: until when (None: until lifted), and for which group (None: all)."""

    until: float | None = None
    group: Jid | None = None


@dataclass(slots=True)
class Standing:
    """The faults in force, as connections ask for them; `now` is the server's time in seconds."""

    now: Callable[[], float]
    devices: dict[Jid, dict[Fault, InForce]] = field(default_factory=dict)

    def of(self, device: Jid) -> dict[Fault, InForce]:
        """What is in force for a device; what has run out is forgotten."""
        standing = self.devices.get(device, {})
        for fault, one in list(standing.items()):
            if one.until is not None and one.until <= self.now():
                del standing[fault]
        return standing

    def refusal(self, device: Jid) -> Node | None:
        """The <failure> that a login meets, or None; a login ends deafness.

        Reasons: whatsmeow `connectionevents.go`, handleConnectFailure.
        """
        standing = self.of(device)
        standing.pop(Fault.DEAF, None)
        if Fault.REFUSED in standing:
            return Node("failure", {"reason": "503"})
        if ban := standing.get(Fault.BANNED):
            left = str(max(1, round((ban.until or self.now()) - self.now())))
            return Node("failure", {"reason": "402", "code": BAN_CODE, "expire": left})
        if Fault.OUTDATED in standing:
            return Node("failure", {"reason": "405"})
        return None

    def copies(self, device: Jid, stanza: Node) -> int:
        """How often a stanza goes out: not at all, once, or twice."""
        standing = self.devices.get(device)
        if not standing:
            return 1
        standing = self.of(device)
        if Fault.SILENT in standing:
            return 0
        deaf = standing.get(Fault.DEAF)
        if deaf is not None and stanza.tag in _DELIVERIES and _concerns(deaf, stanza):
            return 0
        return 2 if Fault.DUPLICATE in standing and stanza.tag == "message" else 1


def _concerns(fault: InForce, stanza: Node) -> bool:
    return fault.group is None or stanza.jid("from") == fault.group


class Breakable(Protocol):
    """A live connection, as far as faults go."""

    async def close(self) -> None:
        """Close the WebSocket in order."""

    def abort(self) -> None:
        """Cut the TCP connection."""

    def split_next(self) -> None:
        """Send the next frame in two WebSocket messages."""

    def retire(self) -> None:
        """Stop being the way to the device."""

    def end(self, node: Node) -> None:
        """Send a last stanza and close."""

    def deliver(self) -> None:
        """Send everything un-receipted again, and be the way to the device."""


class Faults:
    """Applies faults to devices."""

    def __init__(self, relay: Relay, standing: Standing, live: Mapping[Jid, Breakable]) -> None:
        self._relay = relay
        self._standing = standing
        self._live = live

    def connected(self, device: Jid) -> bool:
        """Whether the device has a connection that is logged in."""
        return device in self._live

    def names(self, device: Jid) -> list[str]:
        """The faults in force for a device."""
        return sorted(self._standing.of(device))

    async def apply(
        self, device: Device, fault: Fault, seconds: float | None, group: Jid | None
    ) -> None:
        """Do it now; what needs a connection raises ValueError if there is none."""
        if fault in STANDING:
            await self._stand(device, fault, seconds, group)
            return
        connection = self._live.get(device.jid)
        if fault is Fault.LOGGED_OUT_AT_CONNECT:
            self._relay.unlink(device)
            if connection is not None:
                await connection.close()
            return
        if connection is None:
            raise ValueError(f"{device.jid} is not connected, so {fault} cannot happen to it")
        await self._happen(device, connection, fault)

    async def lift(self, device: Device) -> None:
        """Take every standing fault away; what was withheld is sent again."""
        was = set(self._standing.of(device.jid))
        self._standing.devices.pop(device.jid, None)
        connection = self._live.get(device.jid)
        if connection is not None and was & {Fault.DEAF, Fault.SILENT}:
            connection.deliver()

    async def _stand(
        self, device: Device, fault: Fault, seconds: float | None, group: Jid | None
    ) -> None:
        if fault is Fault.BANNED and seconds is None:
            seconds = BAN_SECONDS
        until = None if seconds is None else self._standing.now() + seconds
        self._standing.devices.setdefault(device.jid, {})[fault] = InForce(until, group)
        connection = self._live.get(device.jid)
        if connection is None:
            return
        if fault in (Fault.REFUSED, Fault.BANNED, Fault.OUTDATED):
            await connection.close()  # so that the client comes back and is refused
        elif fault is Fault.SILENT or (fault is Fault.DEAF and group is None):
            # Nobody who writes may wait for the receipts of a device that gets nothing.
            self._relay.links.pop(device.jid, None)

    async def _happen(self, device: Device, connection: Breakable, fault: Fault) -> None:
        match fault:
            case Fault.CLOSE:
                await connection.close()
            case Fault.ABORT:
                connection.abort()
            case Fault.SPLIT:
                connection.split_next()
            case Fault.REPLACED:
                connection.retire()
                conflict = Node("conflict", {"type": "replaced"})
                connection.end(Node("stream:error", {}, [conflict]))
            case Fault.LOGGED_OUT:
                connection.retire()
                self._relay.unlink(device)
                conflict = Node("conflict", {"type": "device_removed"})
                connection.end(Node("stream:error", {"code": "401"}, [conflict]))
            case _:
                raise ValueError(f"{fault} stands, it does not happen")
