"""Pairing by an 8-character code: what the phone does when a person types the code on it.

Both sides hide a one-time key behind the code, then agree on the secret that a QR code would have
carried. Facts: whatsmeow `pair-code.go`.
"""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.node import SERVER, Node
from simulator.pairing import Pairing, PairingError, Scanned, Unpaired
from simulator.world import Device

FINISH_SECONDS = 20
_TAG = "link_code_companion_reg"
_ROUNDS = 131_072
_SALT, _IV, _KEY, _NONCE = 32, 16, 32, 12


@dataclass(frozen=True, slots=True)
class Wish:
    """A client that waits for its code to be typed; `finish` gets its companion_finish."""

    connection: Unpaired
    reference: bytes
    hidden: bytes
    finish: asyncio.Future[Node] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Codes:
    """The clients that show a code, one per phone, and the phones on which it is typed."""

    def __init__(self, pairing: Pairing) -> None:
        self.pairing = pairing
        self._wishes: dict[str, Wish] = {}

    def asked(self, connection: Unpaired, node: Node) -> list[Node] | None:
        """The answer to an <iq> of a client that is not paired; None where it is an empty one."""
        asked = node.child(_TAG)
        stage = asked.text("stage") if asked else ""
        if asked is not None and stage == "companion_hello" and (jid := asked.jid("jid")):
            wish = Wish(
                connection, secrets.token_bytes(32), _data(asked, "wrapped_companion_ephemeral_pub")
            )
            self._wishes[jid.user] = wish
            reference = Node("link_code_pairing_ref", {}, wish.reference)
            return [Node(_TAG, {"stage": "companion_hello"}, [reference])]
        if asked is not None and stage == "companion_finish":
            for wish in self._wishes.values():
                if wish.connection is connection and not wish.finish.done():
                    wish.finish.set_result(asked)
        return None

    async def type(self, code: str, phone: str) -> Device:
        """Type the code on the account's phone; returns once the client is paired.

        Raises PairingError, also for a wrong code: then the client has to ask for another one.
        """
        account = self.pairing.account(phone)
        wish = self._wishes.pop(phone, None)
        offer = self.pairing.offer_of(wish.connection) if wish else None
        if wish is None or offer is None:
            message = f"no client shows a code for {phone} (any more)"
            raise PairingError(message)
        self._wishes[phone] = wish
        try:
            code = code.replace("-", "").strip().upper()
            companion = await asyncio.to_thread(uncovered, code, wish.hidden)
            own = X25519PrivateKey.generate()
            hidden = await asyncio.to_thread(covered, code, own.public_key().public_bytes_raw())
            wish.connection.send(self._hello(wish, hidden, account.identity))
            async with asyncio.timeout(FINISH_SECONDS):
                finish = await wish.finish
        except TimeoutError as error:
            message = "the client did not answer the phone: probably not the code that it shows"
            raise PairingError(message) from error
        finally:
            if self._wishes.get(phone) is wish:
                del self._wishes[phone]
        identity = X25519PrivateKey.from_private_bytes(account.identity)
        secret = agreed_secret(own, companion, identity, _data(finish, "wrapped_key_bundle"))
        scanned = Scanned("", offer.noise, offer.keys.eIdent, secret)
        return await self.pairing.complete(offer, account, scanned)

    def _hello(self, wish: Wish, hidden: bytes, identity: bytes) -> Node:
        primary = X25519PrivateKey.from_private_bytes(identity)
        parts = [
            Node("link_code_pairing_ref", {}, wish.reference),
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, hidden),
            Node("primary_identity_pub", {}, primary.public_key().public_bytes_raw()),
        ]
        now = str(self.pairing.now())
        return Node(
            "notification",
            {"from": SERVER, "id": secrets.token_hex(8), "type": _TAG, "t": now},
            [Node(_TAG, {"stage": "primary_hello"}, parts)],
        )


def covered(code: str, key: bytes) -> bytes:
    """A one-time public key as only somebody who knows the code can read it: 80 bytes."""
    salt, iv = secrets.token_bytes(_SALT), secrets.token_bytes(_IV)
    return salt + iv + _coded(code, salt, iv, key)


def uncovered(code: str, hidden: bytes) -> bytes:
    """What `covered` covered; with another code, 32 bytes of nothing.

    Raises PairingError when it is not 80 bytes.
    """
    if len(hidden) != _SALT + _IV + _KEY:
        message = f"a covered key has 80 bytes, not {len(hidden)}"
        raise PairingError(message)
    return _coded(code, hidden[:_SALT], hidden[_SALT:-_KEY], hidden[-_KEY:])


def _coded(code: str, salt: bytes, iv: bytes, text: bytes) -> bytes:
    """AES-CTR, the same both ways."""
    key = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, _ROUNDS, _KEY)
    cipher = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return cipher.update(text) + cipher.finalize()


def agreed_secret(
    own: X25519PrivateKey, companion: bytes, identity: X25519PrivateKey, bundle: bytes
) -> bytes:
    """The secret that a QR code would have carried, from the client's sealed bundle.

    Raises PairingError when the bundle does not open: the code was wrong.
    """
    salt, nonce, sealed = bundle[:_SALT], bundle[_SALT:][:_NONCE], bundle[_SALT + _NONCE :]
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(companion))
        info = b"link_code_pairing_key_bundle_encryption_key"
        key = HKDF(SHA256(), _KEY, salt, info).derive(shared)
        opened = AESGCM(key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError) as error:
        message = "this is not the code that the client shows"
        raise PairingError(message) from error
    theirs = X25519PublicKey.from_public_bytes(opened[:_KEY])
    material = shared + identity.exchange(theirs) + opened[2 * _KEY :]
    return HKDF(SHA256(), _KEY, None, b"adv_secret").derive(material)


def _data(node: Node, name: str) -> bytes:
    part = node.child(f"link_code_pairing_{name}")
    return part.data if part else b""
