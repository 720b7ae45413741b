"""What people write, as the protobuf messages that phones send, and what a person sees of each.

Forms: whatsmeow `send.go` (BuildEdit, BuildRevoke, BuildReaction) and the waE2E protobufs.
"""

import time
from dataclasses import dataclass
from enum import Enum

from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    DocumentMessage,
    FutureProofMessage,
    ImageMessage,
    Message,
    ProtocolMessage,
)

from simulator.media import PHOTO, REPORT, File
from simulator.node import Jid


class Shape(Enum):
    """What is wrong with a stanza; the client consumes each of them without an event."""

    WHOLE = "whole"
    NO_PARTICIPANT = "no_participant"
    NO_TIME = "no_time"
    UNKNOWN_ENC_TYPE = "unknown_enc_type"
    UNKNOWN_ENC_VERSION = "unknown_enc_version"
    RUBBISH_V3 = "rubbish_v3"
    BAD_PROTOBUF = "bad_protobuf"


@dataclass(frozen=True, slots=True)
class Content:
    """A message before it is encrypted; `text` is what a person sees of it.

    `media` is the <enc>'s mediatype, empty for text. `lost_by_design` says that the real client
    can never show it.
    """

    kind: str
    message: Message
    text: str | None
    target_id: str | None = None
    media: str = ""
    shape: Shape = Shape.WHOLE

    @property
    def malformed(self) -> bool:
        """Whether something is wrong with the stanza."""
        return self.shape is not Shape.WHOLE

    @property
    def lost_by_design(self) -> bool:
        """Whether the real client can never show it."""
        return self.malformed


def text(words: str) -> Content:
    """A plain text."""
    return Content("text", Message(conversation=words), words)


def extended(words: str) -> Content:
    """A text in the form that links, formatting and replies need."""
    message = Message()
    message.extendedTextMessage.text = words
    return Content("extended", message, words)


def image(caption: str) -> Content:
    """A photo with a caption."""
    return Content("image", Message(imageMessage=_photo(caption)), caption, media="image")


def document(caption: str, filename: str) -> Content:
    """A document, in the wrapper that phones put around one with a caption."""
    file = DocumentMessage(caption=caption, fileName=filename, title=filename)
    _describe(file, REPORT)
    inner = Message(documentMessage=file)
    if not caption:
        return Content("document", inner, caption, media="document")
    message = Message(documentWithCaptionMessage=FutureProofMessage(message=inner))
    return Content("document", message, caption, media="document")


def edit(key: MessageKey, words: str) -> Content:
    """The edit of a text: a message of its own that names its target."""
    change = ProtocolMessage(
        key=key,
        type=ProtocolMessage.MESSAGE_EDIT,
        editedMessage=Message(conversation=words),
        timestampMS=time.time_ns() // 1_000_000,
    )
    inner = Message(protocolMessage=change)
    message = Message(editedMessage=FutureProofMessage(message=inner))
    return Content("edit", message, words, key.ID)


def delete(key: MessageKey) -> Content:
    """A revoke: "this message was deleted"."""
    message = Message(protocolMessage=ProtocolMessage(key=key, type=ProtocolMessage.REVOKE))
    return Content("delete", message, None, key.ID)


def reply(words: str, key: MessageKey, quoted: str) -> Content:
    """A reply, which carries the whole text that it answers."""
    message = Message()
    message.extendedTextMessage.text = words
    context = message.extendedTextMessage.contextInfo
    context.stanzaID = key.ID
    context.participant = key.participant
    context.quotedMessage.conversation = quoted
    return Content("reply", message, words, key.ID)


def reaction(key: MessageKey, emoji: str) -> Content:
    """A reaction; an empty emoji takes it back."""
    message = Message()
    message.reactionMessage.key.CopyFrom(key)
    message.reactionMessage.text = emoji
    message.reactionMessage.senderTimestampMS = time.time_ns() // 1_000_000
    return Content("reaction", message, emoji, key.ID)


def ephemeral(words: str) -> Content:
    """A text of a chat with disappearing messages."""
    inner = Message()
    inner.extendedTextMessage.text = words
    inner.extendedTextMessage.contextInfo.expiration = 86_400
    message = Message(ephemeralMessage=FutureProofMessage(message=inner))
    return Content("ephemeral", message, words)


def view_once(caption: str) -> Content:
    """A photo that may be looked at once."""
    photo = _photo(caption)
    photo.viewOnce = True
    inner = Message(imageMessage=photo)
    message = Message(viewOnceMessageV2=FutureProofMessage(message=inner))
    return Content("view_once", message, caption, media="image")


def mention(words: str, jids: list[Jid]) -> Content:
    """A text that mentions people; the words hold `@digits` for each."""
    message = Message()
    message.extendedTextMessage.text = words
    message.extendedTextMessage.contextInfo.mentionedJID.extend(str(jid) for jid in jids)
    return Content("mention", message, words)


def malformed(shape: Shape, words: str) -> Content:
    """A text whose stanza is wrong in one way."""
    return Content("malformed", Message(conversation=words), words, shape=shape)


def _photo(caption: str) -> ImageMessage:
    photo = ImageMessage(caption=caption, width=1, height=1)
    _describe(photo, PHOTO)
    return photo


def _describe(message: ImageMessage | DocumentMessage, file: File) -> None:
    """Say where the encrypted file lies and what it must hash to."""
    message.URL = file.url
    message.directPath = file.path
    message.mediaKey = file.key
    message.mimetype = file.mimetype
    message.fileSHA256 = file.plain_hash
    message.fileEncSHA256 = file.encrypted_hash
    message.fileLength = file.length
