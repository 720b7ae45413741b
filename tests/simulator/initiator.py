"""A client's side of the handshake, written from the specification of Noise XX."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from neonize.proto.waWa6.WAWebProtobufsWa6_pb2 import ClientPayload, HandshakeMessage

HEADER = b"WA\x06\x03"
PATTERN = b"Noise_XX_25519_AESGCM_SHA256" + bytes(4)


class Initiator:
    """A client's side of the handshake."""

    def __init__(self) -> None:
        self.static = X25519PrivateKey.generate()
        self.ephemeral = X25519PrivateKey.generate()
        self.hash = hashlib.sha256(PATTERN + HEADER).digest()
        self.chaining = PATTERN
        self.key = PATTERN
        self.nonce = 0

    def mix_hash(self, data: bytes) -> None:
        """Bind data to the transcript."""
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        """Take a shared secret in."""
        both = HKDF(SHA256(), 64, self.chaining, b"").derive(secret)
        self.chaining, self.key, self.nonce = both[:32], both[32:], 0

    def seal(self, plain: bytes) -> bytes:
        """Encrypt under the transcript."""
        sealed = AESGCM(self.key).encrypt(self._iv(), plain, self.hash)
        self.mix_hash(sealed)
        return sealed

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt under the transcript."""
        plain = AESGCM(self.key).decrypt(self._iv(), sealed, self.hash)
        self.mix_hash(sealed)
        return plain

    def _iv(self) -> bytes:
        self.nonce += 1
        return bytes(8) + (self.nonce - 1).to_bytes(4, "big")

    def hello(self) -> bytes:
        """The first message."""
        message = HandshakeMessage()
        message.clientHello.ephemeral = self.ephemeral.public_key().public_bytes_raw()
        self.mix_hash(message.clientHello.ephemeral)
        serialized: bytes = message.SerializeToString()
        return serialized

    def finish(self, answer: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
        """Returns the client finish, the server's static key and its certificate chain."""
        message = HandshakeMessage()
        message.ParseFromString(answer)
        server_ephemeral = X25519PublicKey.from_public_bytes(message.serverHello.ephemeral)
        self.mix_hash(message.serverHello.ephemeral)
        self.mix_key(self.ephemeral.exchange(server_ephemeral))
        server_static = self.unseal(message.serverHello.static)
        self.mix_key(self.ephemeral.exchange(X25519PublicKey.from_public_bytes(server_static)))
        chain = self.unseal(message.serverHello.payload)
        finish = HandshakeMessage()
        finish.clientFinish.static = self.seal(self.static.public_key().public_bytes_raw())
        self.mix_key(self.static.exchange(server_ephemeral))
        finish.clientFinish.payload = self.seal(payload)
        return finish.SerializeToString(), server_static, chain

    def split(self) -> tuple[bytes, bytes]:
        """The keys client to server and server to client."""
        both = HKDF(SHA256(), 64, self.chaining, b"").derive(b"")
        return both[:32], both[32:]


def payload_of(phone: int, device: int = 3) -> bytes:
    """A login payload."""
    serialized: bytes = ClientPayload(username=phone, device=device).SerializeToString()
    return serialized
