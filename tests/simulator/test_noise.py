"""The handshake, against an initiator that is written here from the specification of Noise XX."""

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from neonize.proto.waCert.WACert_pb2 import CertChain
from neonize.proto.waWa6.WAWebProtobufsWa6_pb2 import ClientPayload, HandshakeMessage
from xeddsa import bindings

from simulator import launch, trust
from simulator.noise import HEADER, Frames, Handshake, NoiseError, framed

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


def payload_of(phone: int) -> bytes:
    """A login payload."""
    serialized: bytes = ClientPayload(username=phone, device=3).SerializeToString()
    return serialized


def test_both_sides_agree_on_keys_and_on_who_the_client_is() -> None:
    """After the handshake each side reads what the other writes, frame after frame."""
    client, server = Initiator(), Handshake(trust.certificate_chain())
    finish, _, _ = client.finish(server.answer(client.hello()), payload_of(27820000001))
    established = server.finish(finish)
    assert established.client_static == client.static.public_key().public_bytes_raw()
    assert (established.payload.username, established.payload.device) == (27820000001, 3)
    to_server, to_client = (AESGCM(key) for key in client.split())
    for number in range(3):
        nonce = bytes(8) + number.to_bytes(4, "big")
        assert to_client.decrypt(nonce, established.to_client.encrypt(b"down"), None) == b"down"
        assert established.from_client.decrypt(to_server.encrypt(nonce, b"up", None)) == b"up"


def test_the_certificates_vouch_for_the_static_key_under_the_launchers_root() -> None:
    """The launcher's constant is the root; it signs the intermediate, which signs the leaf."""
    client, server = Initiator(), Handshake(trust.certificate_chain())
    _, static, raw = client.finish(server.answer(client.hello()), b"")
    chain = CertChain.FromString(raw)
    intermediate = CertChain.NoiseCertificate.Details.FromString(chain.intermediate.details)
    leaf = CertChain.NoiseCertificate.Details.FromString(chain.leaf.details)
    assert verified(launch.SIMULATOR_ROOT, chain.intermediate)
    assert verified(intermediate.key, chain.leaf)
    assert leaf.key == static
    assert (intermediate.issuerSerial, leaf.issuerSerial) == (0, intermediate.serial)


def verified(key: bytes, certificate: CertChain.NoiseCertificate) -> bool:
    """Whether the Curve25519 key signed the certificate (sign bit 0, as the client checks it)."""
    edwards = bindings.curve25519_pub_to_ed25519_pub(key, False)
    return bool(bindings.ed25519_verify(certificate.signature, edwards, certificate.details))


def test_a_forged_finish_is_refused() -> None:
    """A client finish with one flipped bit does not authenticate."""
    client, server = Initiator(), Handshake(trust.certificate_chain())
    finish, _, _ = client.finish(server.answer(client.hello()), payload_of(1))
    forged = finish[:-1] + bytes((finish[-1] ^ 1,))
    with pytest.raises(NoiseError):
        server.finish(forged)


@pytest.mark.parametrize("hello", [b"", b"\xff\xff", os.urandom(40)])
def test_what_is_no_hello_is_refused(hello: bytes) -> None:
    """Anything but a client hello ends the handshake with a NoiseError."""
    with pytest.raises(NoiseError):
        Handshake(b"").answer(hello)


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_frames_are_found_however_the_stream_is_cut(
    payloads: list[bytes], data: st.DataObject
) -> None:
    """The header once, then each frame exactly once and in order, for every cut."""
    stream = HEADER + b"".join(map(framed, payloads))
    frames, found = Frames(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += frames.feed(stream[:size])
        stream = stream[size:]
    assert found == payloads


def test_another_protocol_is_refused_at_its_first_bytes() -> None:
    """A browser, or a scanner, on the port is not a WhatsApp client."""
    with pytest.raises(NoiseError, match="not a WhatsApp client"):
        Frames().feed(b"GET / HTTP/1.1")
