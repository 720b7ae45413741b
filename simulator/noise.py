"""Noise_XX_25519_AESGCM_SHA256 as WhatsApp speaks it, server side, without any transport.

Facts: whatsmeow `socket/noisehandshake.go`, `socket/noisesocket.go`, `handshake.go`.
"""

import hashlib
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import DecodeError
from neonize.proto.waWa6.WAWebProtobufsWa6_pb2 import ClientPayload, HandshakeMessage

from simulator import trust

HEADER = b"WA\x06\x03"
"""The first four bytes of a connection: protocol 6, dictionary 3."""

_KEY_BYTES = 32
_LENGTH_BYTES = 3
_PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"


class NoiseError(Exception):
    """The peer does not speak this handshake, or a frame was not encrypted by it."""


def _iv(counter: int) -> bytes:
    return bytes(8) + counter.to_bytes(4, "big")


class Cipher:
    """One direction of an established connection; every frame advances its counter."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._counter = 0

    def encrypt(self, plain: bytes) -> bytes:
        """The frame's ciphertext; frames must be sent in the order in which they were encrypted."""
        self._counter += 1
        return self._aead.encrypt(_iv(self._counter - 1), plain, None)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The frame's plain text; raises NoiseError."""
        self._counter += 1
        try:
            return self._aead.decrypt(_iv(self._counter - 1), ciphertext, None)
        except InvalidTag as error:
            message = f"frame {self._counter - 1} cannot be decrypted"
            raise NoiseError(message) from error


@dataclass(frozen=True, slots=True)
class Established:
    """What a finished handshake leaves: both ciphers, who the client is, what it asks for."""

    to_client: Cipher
    from_client: Cipher
    client_static: bytes
    payload: ClientPayload


class Handshake:
    """The server's side: answer the client hello, then read the client finish."""

    def __init__(self, chain: bytes) -> None:
        self._chain = chain
        self._hash = self._salt = _PATTERN
        self._aead = AESGCM(_PATTERN)
        self._counter = 0
        self._ephemeral = X25519PrivateKey.from_private_bytes(os.urandom(32))
        self._authenticate(HEADER)

    def answer(self, client_hello: bytes) -> bytes:
        """The server hello; raises NoiseError."""
        hello = _parse(client_hello).clientHello
        if len(hello.ephemeral) != _KEY_BYTES:
            message = "no client hello"
            raise NoiseError(message)
        client_ephemeral = X25519PublicKey.from_public_bytes(hello.ephemeral)
        static = X25519PrivateKey.from_private_bytes(trust.STATIC)
        ephemeral = self._ephemeral.public_key().public_bytes_raw()
        self._authenticate(hello.ephemeral)
        self._authenticate(ephemeral)
        self._mix(self._ephemeral.exchange(client_ephemeral))
        answer = HandshakeMessage()
        answer.serverHello.ephemeral = ephemeral
        answer.serverHello.static = self._encrypt(static.public_key().public_bytes_raw())
        self._mix(static.exchange(client_ephemeral))
        answer.serverHello.payload = self._encrypt(self._chain)
        serialized: bytes = answer.SerializeToString()
        return serialized

    def finish(self, client_finish: bytes) -> Established:
        """Read who the client is and split the keys; raises NoiseError."""
        finish = _parse(client_finish).clientFinish
        client_static = self._decrypt(finish.static)
        self._mix(self._ephemeral.exchange(X25519PublicKey.from_public_bytes(client_static)))
        payload = ClientPayload()
        try:
            payload.ParseFromString(self._decrypt(finish.payload))
        except DecodeError as error:
            message = "the client payload is not one"
            raise NoiseError(message) from error
        read, write = self._expand(b"")
        return Established(Cipher(write), Cipher(read), client_static, payload)

    def _authenticate(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _encrypt(self, plain: bytes) -> bytes:
        ciphertext = self._aead.encrypt(_iv(self._counter), plain, self._hash)
        self._counter += 1
        self._authenticate(ciphertext)
        return ciphertext

    def _decrypt(self, ciphertext: bytes) -> bytes:
        try:
            plain = self._aead.decrypt(_iv(self._counter), ciphertext, self._hash)
        except InvalidTag as error:
            message = "the handshake does not authenticate"
            raise NoiseError(message) from error
        self._counter += 1
        self._authenticate(ciphertext)
        return plain

    def _mix(self, secret: bytes) -> None:
        self._counter = 0
        self._salt, key = self._expand(secret)
        self._aead = AESGCM(key)

    def _expand(self, secret: bytes) -> tuple[bytes, bytes]:
        both = HKDF(SHA256(), 64, self._salt, b"").derive(secret)
        return both[:32], both[32:]


class Frames:
    """Cuts the client's byte stream into frames: 3 bytes of length (big endian), then as many."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._header_seen = False

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now; raises NoiseError when the header is not WhatsApp's."""
        self._pending += data
        if not self._header_seen:
            if len(self._pending) < len(HEADER):
                return []
            if not self._pending.startswith(HEADER):
                message = f"not a WhatsApp client: {bytes(self._pending[:4])!r}"
                raise NoiseError(message)
            del self._pending[: len(HEADER)]
            self._header_seen = True
        frames = []
        while len(self._pending) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._pending[:_LENGTH_BYTES], "big")
            if len(self._pending) < end:
                break
            frames.append(bytes(self._pending[_LENGTH_BYTES:end]))
            del self._pending[:end]
        return frames


def framed(payload: bytes) -> bytes:
    """One frame; it must leave as ONE WebSocket message, or the client goes deaf."""
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def _parse(data: bytes) -> HandshakeMessage:
    message = HandshakeMessage()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        text = "not a handshake message"
        raise NoiseError(text) from error
    return message
