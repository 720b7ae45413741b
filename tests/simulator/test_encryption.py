"""The sending half of Signal and of media, each read by a receiving half written apart."""

import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from simulator import encryption, media
from simulator.world import Bundle, SignedKey
from tests.simulator.receiver import Receiver, Refused, read_group, told, unpadded

SENDER = X25519PrivateKey.generate().private_bytes_raw()


def bundle_of(receiver: Receiver, *, one_time: bool) -> Bundle:
    """What the server hands out of the receiver's keys."""
    return Bundle(
        4711,
        receiver.identity.public_key().public_bytes_raw(),
        SignedKey(receiver.signed_id, receiver.signed.public_key().public_bytes_raw(), bytes(64)),
        (receiver.one_time_id, receiver.one_time.public_key().public_bytes_raw())
        if one_time
        else None,
    )


@given(st.binary(max_size=400), st.booleans())
def test_a_direct_message_is_read_with_and_without_a_one_time_key(
    content: bytes, one_time: bool
) -> None:
    """Any content opens with the receiver's keys, whichever bundle the server had."""
    receiver = Receiver()
    sent = encryption.direct(
        SENDER, 7, bundle_of(receiver, one_time=one_time), encryption.padded(content)
    )
    assert unpadded(receiver.read_direct(sent)) == content


def test_another_device_cannot_read_a_direct_message() -> None:
    """Keys of another device give no content, only a refusal."""
    sent = encryption.direct(SENDER, 7, bundle_of(Receiver(), one_time=False), b"secret\x01")
    with pytest.raises(Refused, match="authentication"):
        Receiver().read_direct(sent)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20), st.data())
def test_a_group_message_is_read_from_where_the_receiver_was_told(
    contents: list[bytes], data: st.DataObject
) -> None:
    """Who is told the key before the n-th message reads it and all that follow, gaps included."""
    key = encryption.SenderKey.new()
    joined = data.draw(st.integers(0, len(contents) - 1))
    distribution, sent = b"", []
    for number, content in enumerate(contents):
        if number == joined:
            distribution = key.distribution()
        ciphertext, key = key.encrypt(encryption.padded(content))
        sent.append(ciphertext)
    held = told(distribution)
    later = range(joined, len(contents))
    heard = data.draw(st.lists(st.sampled_from(later), unique=True).map(sorted))
    for number in heard:
        assert unpadded(read_group(held, sent[number])) == contents[number]


def test_a_changed_or_repeated_group_message_is_refused() -> None:
    """One bit makes the signature wrong; the second copy has an old counter."""
    key = encryption.SenderKey.new()
    held = told(key.distribution())
    sent, _ = key.encrypt(encryption.padded(b"DR1234567"))
    changed = bytearray(sent)
    changed[20] ^= 1
    with pytest.raises(Refused):
        read_group(told(key.distribution()), bytes(changed))
    assert unpadded(read_group(held, sent)) == b"DR1234567"
    with pytest.raises(Refused, match="old counter"):
        read_group(held, sent)


@pytest.mark.parametrize(("file", "kind"), [(media.PHOTO, "Image"), (media.REPORT, "Document")])
def test_a_file_opens_with_what_the_message_says_of_it(file: media.File, kind: str) -> None:
    """Both hashes, the length and the MAC are those of the file, and the key opens it."""
    derived = HKDF(SHA256(), 112, bytes(32), f"WhatsApp {kind} Keys".encode()).derive(file.key)
    iv, key, seal_key = derived[:16], derived[16:48], derived[48:80]
    body, seal = file.encrypted[:-10], file.encrypted[-10:]
    assert hmac.new(seal_key, iv + body, sha256).digest()[:10] == seal
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(128).unpadder()
    plain = unpadder.update(decryptor.update(body) + decryptor.finalize()) + unpadder.finalize()
    assert (len(plain), sha256(plain).digest()) == (file.length, file.plain_hash)
    assert sha256(file.encrypted).digest() == file.encrypted_hash
    assert "?" in file.path
