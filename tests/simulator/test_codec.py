"""The binary XML of WhatsApp: what the client needs to be exact, byte for byte."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.codec import CodecError, decode, encode
from simulator.node import SERVER, Jid, Node

NAMES = st.text(string.ascii_lowercase + "_-", min_size=1, max_size=12)
USERS = st.text(string.digits, min_size=1, max_size=15)
JIDS = st.one_of(
    st.builds(Jid, USERS, st.sampled_from(["s.whatsapp.net", "lid"]), st.integers(0, 255)),
    st.builds(Jid, USERS, st.just("g.us"), st.just(0)),
)
TEXTS = st.text("0123456789-.ABCDEFxyzé…", min_size=1, max_size=20)
ATTRIBUTES = st.dictionaries(NAMES, st.one_of(TEXTS, JIDS), max_size=3)
LEAVES = st.builds(Node, NAMES, ATTRIBUTES, st.one_of(st.none(), st.binary(max_size=20)))
NODES = st.recursive(
    LEAVES,
    lambda inner: st.builds(Node, NAMES, ATTRIBUTES, st.lists(inner, min_size=1, max_size=3)),
    max_leaves=6,
)


@given(NODES, st.booleans())
def test_what_is_written_is_read_again(node: Node, compressed: bool) -> None:
    """Every node comes back equal, JIDs as JIDs and bytes as bytes, compressed or not."""
    assert decode(encode(node, compressed=compressed)) == node


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_never_breaks_the_reader(rubbish: bytes) -> None:
    """Any bytes are a node or a CodecError, nothing else."""
    try:
        decode(b"\0" + rubbish)
    except CodecError:
        return


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (SERVER, "fa 00 03"),
        (Jid("2782", "g.us"), "fa ff 02 27 82"),
        (Jid("27823", "s.whatsapp.net", 3), "f7 00 03 ff 83 27 82 3f"),
        (Jid("27823", "lid", 3), "f7 01 03 ff 83 27 82 3f"),
        ("27-82.", "ff 03 27 a8 2b"),
        ("3EB", "fb 82 3e bf"),
        ("x y", "fc 03 78 20 79"),
    ],
)
def test_attribute_values_have_the_bytes_that_the_client_expects(
    value: str | Jid, written: str
) -> None:
    """Server and device JIDs, digits, hexadecimals and other text each in their own form."""
    expected = bytes.fromhex(written)
    assert expected in encode(Node("iq", {"id": value}))


def test_a_jid_is_never_written_as_text() -> None:
    """The client treats a string where it expects a JID as missing, so the two differ."""
    jid = Jid("27820000001", "s.whatsapp.net", 1)
    assert encode(Node("iq", {"to": jid})) != encode(Node("iq", {"to": str(jid)}))


def test_content_bytes_are_written_raw_even_when_they_spell_a_token() -> None:
    """`text` has a token and `5` could be packed, but content is raw or the client refuses it."""
    assert encode(Node("value", {}, b"text")).endswith(b"\xfc\x04text")
    assert encode(Node("value", {}, b"5")).endswith(b"\xfc\x015")


def test_an_empty_attribute_is_left_out_and_not_counted() -> None:
    """A missing alternative identity must not become an empty one."""
    assert encode(Node("iq", {"id": "", "to": SERVER})) == encode(Node("iq", {"to": SERVER}))


@pytest.mark.parametrize("size", [255, 256, (1 << 20) - 1, 1 << 20])
def test_content_of_every_length_class_survives(size: int) -> None:
    """One byte, twenty bits and four bytes of length."""
    node = Node("enc", {}, b"\x07" * size)
    assert decode(encode(node)) == node


def test_long_lists_survive() -> None:
    """A group of more than 255 members is one list with a two-byte size."""
    node = Node("group", {}, [Node("participant", {"jid": Jid(str(n), "lid")}) for n in range(600)])
    assert decode(encode(node)) == node
