"""Pairing by QR: the server's half, and the simulated phone that scans the code.

Facts: whatsmeow `pair.go`; the phone's signature covers 06 00, the identity and the client's key.
"""

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode
from dataclasses import dataclass
from typing import Protocol

from neonize.proto.waAdv.WAAdv_pb2 import (
    ADVDeviceIdentity,
    ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC,
)
from neonize.proto.waWa6.WAWebProtobufsWa6_pb2 import ClientPayload

from simulator import trust
from simulator.node import SERVER, Attributes, Node
from simulator.world import Account, Device, SignedKey, World

REFERENCES = 6
"""Codes per connection: the client shows the first for 60 s, the others for 20 s each."""

SIGN_SECONDS = 20
_ACCOUNT_SIGNATURE = b"\x06\x00"


class PairingError(ValueError):
    """The code cannot be used, or the client refused what the phone signed."""


class Unpaired(Protocol):
    """The connection of a client that is not paired yet."""

    def send(self, node: Node) -> None:
        """Write a stanza."""

    async def request(self, node: Node) -> Node:
        """Send an <iq> and return the client's answer."""

    def end(self, node: Node) -> None:
        """Send a last stanza and close after the client has had time to read it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A client that shows codes: its connection, its Noise key, what it says of its keys."""

    connection: Unpaired
    noise: bytes
    keys: ClientPayload.DevicePairingRegistrationData


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the phone reads from the code."""

    reference: str
    noise: bytes
    identity: bytes
    secret: bytes


class Pairing:
    """The codes that are on show, and the phone that scans one of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._offers: dict[str, Offer] = {}

    async def show(self, offer: Offer) -> None:
        """Give the client its references; it answers, then shows them as QR codes."""
        references = [secrets.token_urlsafe(32) for _ in range(REFERENCES)]
        self._offers |= dict.fromkeys(references, offer)
        refs = [Node("ref", {}, reference.encode()) for reference in references]
        attributes = self._iq()
        offer.connection.send(Node("iq", attributes, [Node("pair-device", {}, refs)]))

    def withdraw(self, connection: Unpaired) -> None:
        """The client is gone and its codes with it."""
        self._offers = {
            reference: offer
            for reference, offer in self._offers.items()
            if offer.connection is not connection
        }

    def waiting(self) -> int:
        """How many clients show codes now."""
        return len({id(offer.connection) for offer in self._offers.values()})

    async def pair(self, qr: str, phone: str) -> Device:
        """Scan the code with the account's phone; returns once the client has signed and is known.

        Raises PairingError.
        """
        scanned = _read(qr)
        account = self.account(phone)
        offer = self._offers.get(scanned.reference)
        if offer is None or offer.noise != scanned.noise or offer.keys.eIdent != scanned.identity:
            message = "no client shows this code (any more)"
            raise PairingError(message)
        return await self.complete(offer, account, scanned)

    def account(self, phone: str) -> Account:
        """The account whose phone is asked to link; raises PairingError."""
        account = self._world.accounts.get(phone)
        if account is None:
            message = f"no account has the phone {phone}"
            raise PairingError(message)
        return account

    def offer_of(self, connection: Unpaired) -> Offer | None:
        """What the client on this connection has said of itself, unless it is gone or paired."""
        offers = self._offers.values()
        return next((offer for offer in offers if offer.connection is connection), None)

    def now(self) -> int:
        """The server's time in seconds."""
        return self._world.now()

    async def complete(self, offer: Offer, account: Account, scanned: Scanned) -> Device:
        """Link the client once the phone knows its secret, however it learned it.

        Raises PairingError.
        """
        self.withdraw(offer.connection)
        number = self._world.next_device(account)
        await self._pair_success(offer, account, number, scanned)
        device = _device(offer, account.phone, number, self._world.now())
        self._world.add_device(device)
        await self._world.database.committed()
        offer.connection.end(Node("stream:error", {"code": "515"}))
        return device

    async def _pair_success(
        self, offer: Offer, account: Account, number: int, scanned: Scanned
    ) -> None:
        signed = _signed_identity(account, number, scanned, self._world.now())
        success = Node(
            "pair-success",
            {},
            [
                Node("device-identity", {}, signed),
                Node("platform", {"name": "android"}),
                Node(
                    "device",
                    {"jid": account.jid("pn", number), "lid": account.jid("lid", number)},
                ),
            ],
        )
        attributes = self._iq() | {"t": str(self._world.now())}
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                answer = await offer.connection.request(Node("iq", attributes, [success]))
        except (TimeoutError, ConnectionError) as error:
            message = "the client did not answer the phone's signature"
            raise PairingError(message) from error
        if answer.text("type") != "result":
            message = f"the client refused the phone's signature: {answer}"
            raise PairingError(message)

    def _iq(self) -> Attributes:
        identity = secrets.token_hex(8)
        return {"from": SERVER, "type": "set", "id": identity, "xmlns": "md"}


def _read(qr: str) -> Scanned:
    """`https://wa.me/settings/linked_devices#REF,NOISE,IDENTITY,SECRET,PLATFORM`."""
    parts = qr.rpartition("#")[2].split(",")
    try:
        reference, noise, identity, secret, *_ = parts
        return Scanned(reference, b64decode(noise), b64decode(identity), b64decode(secret))
    except ValueError as error:
        message = "not the content of a pairing code"
        raise PairingError(message) from error


def _signed_identity(account: Account, number: int, scanned: Scanned, now: int) -> bytes:
    details = ADVDeviceIdentity(
        rawID=account.registration, timestamp=now, keyIndex=number
    ).SerializeToString()
    signature = trust.sign(account.identity, _ACCOUNT_SIGNATURE + details + scanned.identity)
    identity = ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=trust.public_key(account.identity),
        accountSignature=signature,
    ).SerializeToString()
    seal = hmac.new(scanned.secret, identity, hashlib.sha256).digest()
    sealed: bytes = ADVSignedDeviceIdentityHMAC(details=identity, HMAC=seal).SerializeToString()
    return sealed


def _device(offer: Offer, phone: str, number: int, now: int) -> Device:
    keys = offer.keys
    signed = SignedKey(int.from_bytes(keys.eSkeyID, "big"), keys.eSkeyVal, keys.eSkeySig)
    registration = int.from_bytes(keys.eRegid, "big")
    return Device(phone, number, offer.noise, keys.eIdent, registration, signed, now)
