"""WhatsApp's binary XML: nodes and their bytes.

Facts: whatsmeow `binary/encoder.go` and `binary/decoder.go`. A JID attribute must be written as a
JID (the client treats a string in its place as missing), content bytes always raw.
"""

import zlib
from functools import cache, lru_cache

from simulator import dictionary
from simulator.node import LID_SERVER, PN_SERVER, Attributes, Content, Jid, Node

_LIST_EMPTY, _LIST_8, _LIST_16 = 0, 248, 249
_DOUBLE_0, _DOUBLE_3 = 236, 239
_JID_DEVICE, _JID_PAIR = 247, 250
_HEX, _NIBBLE = 251, 255
_RAW_8, _RAW_20, _RAW_32 = 252, 253, 254
_DOMAINS = {0: PN_SERVER, 1: LID_SERVER, 128: "hosted", 129: "hosted.lid"}
_DOMAIN_BYTES = {server: byte for byte, server in _DOMAINS.items()}
_NIBBLES = "0123456789-."
_HEXES = "0123456789ABCDEF"
_COMPRESSED = 2
_BYTE = 1 << 8
_LONGEST_PACKED = 127
_TWENTY_BITS = 1 << 20


class CodecError(ValueError):
    """The bytes are not a node."""


def encode(node: Node, *, compressed: bool = False) -> bytes:
    """A plain frame: flag byte and node; `compressed` pays off for long answers."""
    out = bytearray()
    _write_node(out, node)
    return bytes((_COMPRESSED,)) + zlib.compress(out) if compressed else b"\0" + bytes(out)


def decode(frame: bytes) -> Node:
    """Read a plain frame; raises CodecError."""
    if not frame:
        message = "empty frame"
        raise CodecError(message)
    try:
        body = zlib.decompress(frame[1:]) if frame[0] & _COMPRESSED else frame[1:]
        return _Reader(body).node()
    except (IndexError, RecursionError, UnicodeDecodeError, zlib.error) as error:
        message = f"not a node: {error}"
        raise CodecError(message) from error


@cache
def _tokens() -> dict[str, bytes]:
    lists = dictionary.load()
    tokens: dict[str, bytes] = {}
    for page, words in enumerate(lists.double):
        for index, word in enumerate(words):
            tokens.setdefault(word, bytes((_DOUBLE_0 + page, index)))
    for index, word in enumerate(lists.single):
        if word:
            tokens[word] = bytes((index,))
    return tokens


def _write_node(out: bytearray, node: Node) -> None:
    attributes = [(name, value) for name, value in node.attributes.items() if value != ""]
    has_content = node.content is not None
    _write_list_size(out, 1 + 2 * len(attributes) + has_content)
    _write_text(out, node.tag)
    for name, value in attributes:
        _write_text(out, name)
        if isinstance(value, Jid):
            _write_jid(out, value)
        else:
            _write_text(out, value)
    if isinstance(node.content, list):
        _write_list_size(out, len(node.content))
        for child in node.content:
            _write_node(out, child)
    elif isinstance(node.content, bytes):
        _write_raw(out, node.content)
    elif isinstance(node.content, str):
        _write_text(out, node.content)


def _write_list_size(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(_LIST_EMPTY)
    elif size < _BYTE:
        out += bytes((_LIST_8, size))
    else:
        out.append(_LIST_16)
        out += size.to_bytes(2, "big")


def _write_jid(out: bytearray, jid: Jid) -> None:
    if jid.device and jid.server in _DOMAIN_BYTES:
        out += bytes((_JID_DEVICE, _DOMAIN_BYTES[jid.server], jid.device))
        _write_text(out, jid.user)
        return
    out.append(_JID_PAIR)
    if jid.user:
        _write_text(out, jid.user)
    else:
        out.append(_LIST_EMPTY)
    _write_text(out, jid.server)


def _write_text(out: bytearray, text: str) -> None:
    if len(text) <= _LONGEST_PACKED:
        out += _short(text)
    else:
        _write_raw(out, text.encode())


@lru_cache(maxsize=16_384)
def _short(text: str) -> bytes:
    """A token, packed digits, or raw; kept, since a server says the same few words all day."""
    token = _tokens().get(text)
    if token is not None:
        return token
    for marker, alphabet in ((_NIBBLE, _NIBBLES), (_HEX, _HEXES)):
        if text and all(character in alphabet for character in text):
            return _packed(text, marker, alphabet)
    raw = bytearray()
    _write_raw(raw, text.encode())
    return bytes(raw)


def _packed(text: str, marker: int, alphabet: str) -> bytes:
    digits = [alphabet.index(character) for character in text]
    odd = len(digits) % 2
    if odd:
        digits.append(15)
    pairs = zip(digits[::2], digits[1::2], strict=True)
    return bytes((marker, len(digits) // 2 | odd << 7, *(high << 4 | low for high, low in pairs)))


def _write_raw(out: bytearray, data: bytes) -> None:
    if len(data) < _BYTE:
        out += bytes((_RAW_8, len(data)))
    elif len(data) < _TWENTY_BITS:
        out.append(_RAW_20)
        out += len(data).to_bytes(3, "big")
    else:
        out.append(_RAW_32)
        out += len(data).to_bytes(4, "big")
    out += data


class _Reader:
    """A cursor over one node's bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._lists = dictionary.load()

    def node(self) -> Node:
        size = self._list_size(self._byte())
        if size == 0:
            message = "a node without a tag"
            raise CodecError(message)
        tag = self._text()
        attributes: Attributes = {}
        for _ in range((size - 1) // 2):
            name = self._text()
            value = self._value(self._byte())
            attributes[name] = value.decode() if isinstance(value, bytes) else value
        return Node(tag, attributes, self._content() if size % 2 == 0 else None)

    def _content(self) -> Content:
        marker = self._byte()
        if marker in {_LIST_EMPTY, _LIST_8, _LIST_16}:
            return [self.node() for _ in range(self._list_size(marker))]
        value = self._value(marker)
        return str(value) if isinstance(value, Jid) else value

    def _text(self) -> str:
        value = self._value(self._byte())
        return value.decode() if isinstance(value, bytes) else str(value)

    def _value(self, marker: int) -> str | bytes | Jid:
        if marker == _LIST_EMPTY:
            return ""
        if marker < _DOUBLE_0:
            return self._lists.single[marker]
        if marker <= _DOUBLE_3:
            return self._lists.double[marker - _DOUBLE_0][self._byte()]
        if marker in {_RAW_8, _RAW_20, _RAW_32}:
            length = {_RAW_8: 1, _RAW_20: 3, _RAW_32: 4}[marker]
            return self._take(int.from_bytes(self._take(length), "big"))
        if marker in {_NIBBLE, _HEX}:
            return self._packed(_NIBBLES if marker == _NIBBLE else _HEXES)
        if marker == _JID_PAIR:
            return Jid(self._text(), self._text())
        if marker == _JID_DEVICE:
            domain, device = self._byte(), self._byte()
            return Jid(self._text(), _DOMAINS.get(domain, PN_SERVER), device)
        message = f"unknown marker {marker} at {self._at - 1}"
        raise CodecError(message)

    def _packed(self, alphabet: str) -> str:
        head = self._byte()
        digits = [half for byte in self._take(head & 127) for half in (byte >> 4, byte & 15)]
        if head & 128:
            digits.pop()
        return "".join(alphabet[digit] for digit in digits)

    def _list_size(self, marker: int) -> int:
        if marker == _LIST_EMPTY:
            return 0
        if marker == _LIST_8:
            return self._byte()
        if marker == _LIST_16:
            return int.from_bytes(self._take(2), "big")
        message = f"no list at {self._at - 1}: {marker}"
        raise CodecError(message)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            message = f"{length} bytes wanted at {self._at}, {len(self._data)} there"
            raise CodecError(message)
        taken = self._data[self._at : end]
        self._at = end
        return taken
