"""What WhatsApp's streams are made of: addresses (JIDs) and elements (nodes)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

PN_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"


class Jid(NamedTuple):
    """An address; `device` 0 is the phone itself, or no device at all."""

    user: str
    server: str
    device: int = 0

    @property
    def bare(self) -> "Jid":
        """The same address without its device."""
        return Jid(self.user, self.server)

    @classmethod
    def parse(cls, text: str) -> "Jid":
        """Read `user[:device]@server`; raises ValueError."""
        user, at, server = text.rpartition("@")
        if not at or not server:
            message = f"not a JID: {text!r}"
            raise ValueError(message)
        name, _, device = user.partition(":")
        return cls(name, server, int(device or 0))

    def __str__(self) -> str:
        """The form the client prints: `user@server` or `user:device@server`."""
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}"


SERVER = Jid("", PN_SERVER)

Value = str | Jid
Attributes = dict[str, Value]
Content = bytes | str | list["Node"] | None


@dataclass(slots=True)
class Node:
    """One element; attributes that are empty strings are not written."""

    tag: str
    attributes: Attributes = field(default_factory=dict)
    content: Content = None

    @property
    def children(self) -> list["Node"]:
        """The child elements, none for text and bytes."""
        return self.content if isinstance(self.content, list) else []

    @property
    def data(self) -> bytes:
        """The content as bytes; empty for children and no content."""
        if isinstance(self.content, str):
            return self.content.encode()
        return self.content if isinstance(self.content, bytes) else b""

    def child(self, *path: str) -> "Node | None":
        """The first element at that path of tags, or None."""
        node: Node | None = self
        for tag in path:
            if node is None:
                return None
            node = next((child for child in node.children if child.tag == tag), None)
        return node

    def all(self, tag: str) -> Iterator["Node"]:
        """The child elements with that tag."""
        return (child for child in self.children if child.tag == tag)

    def text(self, attribute: str) -> str:
        """An attribute as text, empty when it is missing."""
        return str(self.attributes.get(attribute, ""))

    def jid(self, attribute: str) -> Jid | None:
        """An attribute that is a JID, else None."""
        value = self.attributes.get(attribute)
        return value if isinstance(value, Jid) else None

    def with_attributes(self, more: Mapping[str, Value]) -> Self:
        """A copy with these attributes added; the content is shared."""
        return type(self)(self.tag, {**self.attributes, **more}, self.content)

    def __str__(self) -> str:
        """XML for the log, bytes shortened."""
        head = "".join(f' {name}="{value}"' for name, value in self.attributes.items())
        if self.content is None:
            return f"<{self.tag}{head}/>"
        if isinstance(self.content, list):
            inner = "".join(map(str, self.content))
        elif isinstance(self.content, bytes):
            inner = f"[{len(self.content)} bytes]"
        else:
            inner = self.content
        return f"<{self.tag}{head}>{inner}</{self.tag}>"
