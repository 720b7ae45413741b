"""The sending half of Signal, for members without a client: X3DH, one direct message, sender keys.

Pure: keys and plain text in, ciphertext out. A virtual member never receives, so every direct
message opens a session of its own (legal, and what a retry does anyway) and no ratchet is kept.
Layouts: libsignal's wire format as whatsmeow's dependency go.mau.fi/libsignal reads it.
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from simulator import trust
from simulator.world import Bundle

VERSION = b"\x33"
"""Message version 3, and 3 is the newest known: the first byte of every ciphertext."""

MAX_PADDING = 15

_KEY_TYPE = b"\x05"
_NO_SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class SenderKey:
    """One sender's chain in one group; `signing` is the private key of its signatures."""

    id: int
    iteration: int
    chain: bytes
    signing: bytes

    @classmethod
    def new(cls) -> "SenderKey":
        """A chain that nobody has been told of."""
        return cls(secrets.randbelow(2**31), 0, secrets.token_bytes(32), secrets.token_bytes(32))

    def distribution(self) -> bytes:
        """The SenderKeyDistributionMessage: who gets it reads what is sent from now on."""
        return VERSION + _fields(
            {
                1: self.id,
                2: self.iteration,
                3: self.chain,
                4: _KEY_TYPE + trust.public_key(self.signing),
            }
        )

    def encrypt(self, plain: bytes) -> tuple[bytes, "SenderKey"]:
        """The SenderKeyMessage, and the chain to use next."""
        seed = _hmac(self.chain, b"\x01")
        derived = _derive(seed, _NO_SALT, b"WhisperGroup", 48)
        ciphertext = _encrypt(key=derived[16:], iv=derived[:16], plain=plain)
        body = VERSION + _fields({1: self.id, 2: self.iteration, 3: ciphertext})
        used = replace(self, iteration=self.iteration + 1, chain=_hmac(self.chain, b"\x02"))
        return body + trust.sign(self.signing, body), used


def padded(plain: bytes) -> bytes:
    """WhatsApp's own padding, 1 to 15 bytes that are each their number, inside the cipher's."""
    count = secrets.randbelow(MAX_PADDING) + 1
    return plain + bytes([count]) * count


def direct(identity: bytes, registration: int, bundle: Bundle, plain: bytes) -> bytes:
    """The first message (`pkmsg`) of a new session with the device whose keys these are.

    `identity` is the sender's private key, `registration` the sender's registration id, `plain` the
    padded content.
    """
    sender = X25519PrivateKey.from_private_bytes(identity)
    base, ratchet = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    receiver = X25519PublicKey.from_public_bytes(bundle.identity)
    signed = X25519PublicKey.from_public_bytes(bundle.signed.value)
    shared = [sender.exchange(signed), base.exchange(receiver), base.exchange(signed)]
    if bundle.one_time is not None:
        shared.append(base.exchange(X25519PublicKey.from_public_bytes(bundle.one_time[1])))
    root = _derive(b"\xff" * 32 + b"".join(shared), _NO_SALT, b"WhisperText", 64)[:32]
    chain = _derive(ratchet.exchange(signed), root, b"WhisperRatchet", 64)[32:]
    keys = _derive(_hmac(chain, b"\x01"), _NO_SALT, b"WhisperMessageKeys", 80)

    ciphertext = _encrypt(key=keys[:32], iv=keys[64:], plain=plain)
    signal = VERSION + _fields({1: _public(ratchet), 2: 0, 3: 0, 4: ciphertext})
    parties = _public(sender) + _KEY_TYPE + bundle.identity
    signal += _hmac(keys[32:64], parties + signal)[:8]
    opening: dict[int, int | bytes] = {} if bundle.one_time is None else {1: bundle.one_time[0]}
    opening |= {2: _public(base), 3: _public(sender), 4: signal, 5: registration}
    return VERSION + _fields(opening | {6: bundle.signed.id})


def _public(key: X25519PrivateKey) -> bytes:
    return _KEY_TYPE + key.public_key().public_bytes_raw()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, sha256).digest()


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


def _encrypt(*, key: bytes, iv: bytes, plain: bytes) -> bytes:
    padding = PKCS7(128).padder()
    blocks = padding.update(plain) + padding.finalize()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return cipher.update(blocks) + cipher.finalize()


def _fields(values: dict[int, int | bytes]) -> bytes:
    """A protobuf message of numbers and byte strings."""
    encoded = bytearray()
    for number, value in values.items():
        if isinstance(value, int):
            encoded += _varint(number << 3) + _varint(value)
        else:
            encoded += _varint(number << 3 | 2) + _varint(len(value)) + value
    return bytes(encoded)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >> 7:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
