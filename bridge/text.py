"""The text people see in a WhatsApp message, found by walking its protobuf; pure.

The walk is over descriptors, so a wrapper that WhatsApp adds later (they are all
`FutureProofMessage`) is looked into without being named here. What it must never look into is
`contextInfo`: a reply carries the message it quotes there, and quoting a drop is not posting it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as Protobuf
from google.protobuf.unknown_fields import UnknownFieldSet
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    Message,
    ProtocolMessage,
    SecretEncryptedMessage,
)

_E2E = "WAWebProtobufsE2E."

_WALKED = (_E2E, "WAAICommonDeprecated.AIRichResponse")
"""Everything else (device lists, bot metadata, app state) is never shown as text."""

_NEVER = frozenset(
    _E2E + name
    for name in (
        "ContextInfo",
        "EmbeddedMusic",
        "HistorySyncNotification",
        "InteractiveAnnotation",
        "LinkPreviewMetadata",
        "MessageContextInfo",
        "PaymentLinkMetadata",
        "SenderKeyDistributionMessage",
        "StatusQuotedMessage",
        "VideoEndCard",
    )
)

# A link's title and description are the words of a web page, a file's name is not a caption, and
# neither is what the author wrote: types that have such fields name those that count.
_VISIBLE: dict[str, frozenset[str]] = {
    _E2E + name: frozenset(fields)
    for name, fields in {
        "Message": ("conversation",),
        "ExtendedTextMessage": ("text",),
        "DocumentMessage": ("caption",),
        "HighlyStructuredMessage": ("params",),
        "ContactMessage": ("displayName",),
        "ContactsArrayMessage": ("displayName",),
        "LocationMessage": ("name", "address", "comment"),
        "InteractiveMessage.NativeFlowMessage.NativeFlowButton": (),
        "InteractiveResponseMessage.NativeFlowResponseMessage": (),
        "ButtonsMessage.Button.NativeFlowInfo": (),
        "StickerMessage": (),
        "StickerPackMessage": ("caption",),
    }.items()
}

_VISIBLE_ELSEWHERE = frozenset(
    (
        "body",
        "caption",
        "codeContent",
        "contentText",
        "description",
        "displayText",
        "eventTitle",
        "footer",
        "footerText",
        "hydratedContentText",
        "hydratedFooterText",
        "hydratedTitleText",
        "message",
        "messageText",
        "name",
        "note",
        "optionName",
        "orderTitle",
        "selectedDisplayText",
        "subtitle",
        "text",
        "title",
    )
)

_KEY_MATERIAL = frozenset(
    (
        "fastRatchetKeySenderKeyDistributionMessage",
        "messageContextInfo",
        "senderKeyDistributionMessage",
    )
)


@dataclass(slots=True)
class Reading:
    """What a walk through one message met; `parts` in the order of the protobuf's fields."""

    parts: list[str] = field(default_factory=list)
    protocols: list[ProtocolMessage] = field(default_factory=list)
    secrets: list[SecretEncryptedMessage] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All visible parts, one a line."""
        return "\n".join(part for part in self.parts if part)


def read_text(message: Message) -> Reading:
    """Walk a message and everything nested in it, but not what it quotes."""
    reading = Reading()
    _walk(message, reading)
    return reading


def decoded(value: str | bytes) -> str:
    """The text of a protobuf string; one that is not UTF-8 comes as bytes and is made readable."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def content_fields(message: Message) -> tuple[str, ...]:
    """The names of the fields that are set, without key material and device lists."""
    return tuple(
        descriptor.name
        for descriptor, _ in message.ListFields()
        if descriptor.name not in _KEY_MATERIAL
    )


def is_key_material_only(message: Message) -> bool:
    """Whether the message only hands over a sender key, so that it is no message at all.

    A phone sends one before its first text in a group, under the *same id* as the text.
    A field this client does not know may be content, so it counts as content.
    """
    return (
        message.HasField("senderKeyDistributionMessage")
        and not content_fields(message)
        and not len(UnknownFieldSet(message))
    )


def innermost(message: Message) -> Message:
    """The message inside its wrappers (ephemeral, view once, document with caption, edited …)."""
    while True:
        for descriptor, value in message.ListFields():
            inner = descriptor.message_type
            if inner is not None and inner.full_name in _WRAPPERS and value.HasField("message"):
                message = value.message
                break
        else:
            return message


_WRAPPERS = frozenset((_E2E + "FutureProofMessage", _E2E + "DeviceSentMessage"))


def _walk(message: Protobuf, reading: Reading) -> None:
    kind = message.DESCRIPTOR.full_name
    visible = _VISIBLE.get(kind, _VISIBLE_ELSEWHERE)
    if isinstance(message, Message):
        unknown = UnknownFieldSet(message)
        reading.unknown.extend(unknown[index].field_number for index in range(len(unknown)))
    for descriptor, value in message.ListFields():
        if descriptor.type == FieldDescriptor.TYPE_STRING:
            if descriptor.name in visible:
                reading.parts.extend(decoded(text) for text in _each(descriptor, value))
        elif descriptor.message_type is not None:
            for inner in _each(descriptor, value):
                _descend(inner, reading)


def _descend(inner: Protobuf, reading: Reading) -> None:
    if isinstance(inner, ProtocolMessage):
        reading.protocols.append(inner)
    elif isinstance(inner, SecretEncryptedMessage):
        reading.secrets.append(inner)
    else:
        kind = inner.DESCRIPTOR.full_name
        if kind not in _NEVER and kind.startswith(_WALKED):
            _walk(inner, reading)


def _each(descriptor: FieldDescriptor, value: Any) -> Iterator[Any]:  # noqa: ANN401 - protobuf
    if descriptor.is_repeated:
        yield from value
    else:
        yield value
