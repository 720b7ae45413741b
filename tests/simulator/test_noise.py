"""The handshake, against an initiator written from the specification of Noise XX."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from neonize.proto.waCert.WACert_pb2 import CertChain
from xeddsa import bindings

from simulator import launch, trust
from simulator.noise import HEADER, Frames, Handshake, NoiseError, framed
from tests.simulator.initiator import Initiator, payload_of


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
