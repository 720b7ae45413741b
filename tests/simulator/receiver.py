"""The receiving end of Signal, written apart from the simulator's sending end.

From the published X3DH, double-ratchet and sender-key descriptions and the layout that the client
library uses: what this reads, the library reads too; what it refuses, the library refuses.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from xeddsa import bindings

VERSION = 0x33
Fields = dict[int, int | bytes]


class Refused(Exception):
    """The ciphertext is not what a client would accept; the message says why."""


def fields_of(data: bytes) -> Fields:
    """The fields of a protobuf message: numbers and byte strings, the last of each number."""
    found: Fields = {}
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 == 0:
            found[tag >> 3], position = _varint(data, position)
        elif tag & 7 == 2:
            size, position = _varint(data, position)
            found[tag >> 3] = data[position : position + size]
            position += size
        else:
            raise Refused(f"wire type {tag & 7}")
    if position != len(data):
        raise Refused("a field runs past the end")
    return found


def unpadded(plain: bytes) -> bytes:
    """Take WhatsApp's padding off: 1 to 15 bytes, each of which is their number."""
    count = plain[-1]
    if not 1 <= count <= 15 or plain[-count:] != bytes([count]) * count:
        raise Refused(f"padding ends in {count}")
    return plain[:-count]


@dataclass
class SenderKey:
    """One sender's chain in one group, as a receiver holds it."""

    id: int
    iteration: int
    chain: bytes
    signing: bytes
    skipped: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Receiver:
    """A device: its keys, the sessions that were opened with it, the sender keys it was told."""

    identity: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    signed: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    one_time: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    one_time_id: int = 77
    signed_id: int = 5

    def read_direct(self, ciphertext: bytes) -> bytes:
        """The padded content of a `pkmsg`; raises Refused."""
        outer = _body(ciphertext)
        sender, base = _key(outer, 3), _key(outer, 2)
        if outer.get(6) != self.signed_id:
            raise Refused(f"signed prekey {outer.get(6)!r}")
        secrets = [
            self.signed.exchange(sender),
            self.identity.exchange(base),
            self.signed.exchange(base),
        ]
        if 1 in outer:
            if outer[1] != self.one_time_id:
                raise Refused(f"one-time prekey {outer[1]!r}")
            secrets.append(self.one_time.exchange(base))
        root, _ = _split(b"\xff" * 32 + b"".join(secrets), bytes(32), b"WhisperText")
        return self._read_signal(_bytes(outer, 4), sender, root)

    def _read_signal(self, signal: bytes, sender: X25519PublicKey, root: bytes) -> bytes:
        authentic, mac = signal[:-8], signal[-8:]
        inner = _body(authentic)
        _, chain = _split(self.signed.exchange(_key(inner, 1)), root, b"WhisperRatchet")
        for _ in range(_int(inner, 2)):
            chain = _hmac(chain, b"\x02")
        keys = _derive(_hmac(chain, b"\x01"), bytes(32), b"WhisperMessageKeys", 80)
        both = b"".join(b"\x05" + key.public_bytes_raw() for key in self._parties(sender))
        if not hmac.compare_digest(_hmac(keys[32:64], both + authentic)[:8], mac):
            raise Refused("the message authentication code is wrong")
        return _decrypted(keys[:32], keys[64:], _bytes(inner, 4))

    def _parties(self, sender: X25519PublicKey) -> tuple[X25519PublicKey, X25519PublicKey]:
        return sender, self.identity.public_key()


def told(distribution: bytes) -> SenderKey:
    """The sender key in a distribution message."""
    found = _body(distribution)
    signing = _bytes(found, 4)
    if signing[0] != 5:
        raise Refused("the signing key has no type byte")
    return SenderKey(_int(found, 1), _int(found, 2), _bytes(found, 3), signing[1:])


def read_group(key: SenderKey, ciphertext: bytes) -> bytes:
    """The padded content of a `skmsg`; moves the chain on; raises Refused."""
    authentic, signature = ciphertext[:-64], ciphertext[-64:]
    found = _body(authentic)
    if found.get(1) != key.id:
        raise Refused(f"no sender key {found.get(1)!r}")
    signing = bindings.curve25519_pub_to_ed25519_pub(key.signing, set_sign_bit=False)
    if not bindings.ed25519_verify(signature, signing, authentic):
        raise Refused("the signature is wrong")
    iteration = _int(found, 2)
    if iteration < key.iteration and iteration not in key.skipped:
        raise Refused("old counter")
    while key.iteration <= iteration:
        key.skipped[key.iteration] = _hmac(key.chain, b"\x01")
        key.chain, key.iteration = _hmac(key.chain, b"\x02"), key.iteration + 1
    derived = _derive(key.skipped.pop(iteration), bytes(32), b"WhisperGroup", 48)
    return _decrypted(derived[16:], derived[:16], _bytes(found, 3))


def _body(ciphertext: bytes) -> Fields:
    if ciphertext[0] != VERSION:
        raise Refused(f"version byte {ciphertext[0]:#x}")
    return fields_of(ciphertext[1:])


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _int(found: Fields, number: int) -> int:
    value = found.get(number, 0)
    if not isinstance(value, int):
        raise Refused(f"field {number} is no number")
    return value


def _bytes(found: Fields, number: int) -> bytes:
    value = found.get(number)
    if not isinstance(value, bytes):
        raise Refused(f"field {number} is missing")
    return value


def _key(found: Fields, number: int) -> X25519PublicKey:
    value = _bytes(found, number)
    if len(value) != 33 or value[0] != 5:
        raise Refused(f"field {number} is no public key")
    return X25519PublicKey.from_public_bytes(value[1:])


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, sha256).digest()


def _derive(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(secret)


def _split(secret: bytes, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    both = _derive(secret, salt, info, 64)
    return both[:32], both[32:]


def _decrypted(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()
