"""What a phone tells a newly linked client: its history, cut into one piece per group message.

A history holds the phone's direct chats as well; they are nobody's business here, so they are cut
away before anything is stored. What is left is stored as it came: a piece is a `HistorySync` with
one conversation and one message in it, and whatever it says of who is behind its author's LID.

Facts (whatsmeow, ParseWebMessage): the author is `participant` or `key.participant`, absent in our
own messages; times are in whole seconds; a message that was edited stands under the id it has
always had, as a `protocolMessage` with the new text; what was deleted or is a notice of the group
has a stub and no content.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import WebMessageInfo

from bridge.text import content_fields, decoded, innermost

_GROUP = "@g.us"


@dataclass(frozen=True, slots=True)
class Piece:
    """One group message of a history, as it is stored."""

    chat: str
    id: str
    payload: bytes


def pieces(payload: bytes) -> Iterator[Piece]:
    """The group messages of a neonize `HistorySync`.

    Raises:
        DecodeError: the bytes are no history.
    """
    history = neonize.HistorySync.FromString(payload).Data
    names = _names(history)
    for conversation in history.conversations:
        chat = decoded(conversation.ID)
        for told in conversation.messages if chat.endswith(_GROUP) else ():
            message = told.message
            if not message.key.ID or not content_fields(message.message):
                continue
            cut = HistorySync(syncType=history.syncType)
            kept = cut.conversations.add(ID=conversation.ID)
            kept.messages.add().CopyFrom(told)
            if name := names.get(_author(message)):
                lid, pn = name
                cut.phoneNumberToLidMappings.add(lidJID=lid, pnJID=pn)
            data = neonize.HistorySync(Data=cut)
            yield Piece(chat, decoded(message.key.ID), data.SerializeToString())


def message_of(payload: bytes) -> neonize.Message:
    """A piece in the form of a message that was heard; it says nothing that the piece does not.

    Raises:
        DecodeError: the bytes are no history.
        ValueError: it is not one message.
    """
    history = neonize.HistorySync.FromString(payload).Data
    told = [(one.ID, shown.message) for one in history.conversations for shown in one.messages]
    if len(told) != 1:
        raise ValueError(f"a piece of history holds one message, not {len(told)}")
    ((chat, shown),) = told
    stands, edited = _as_it_stands(shown.message)
    event = neonize.Message(Message=stands, IsEdit=edited)
    event.Info.ID = shown.key.ID
    event.Info.Pushname = shown.pushName
    event.Info.Timestamp = shown.messageTimestamp * 1000
    source = event.Info.MessageSource
    source.IsGroup = True
    source.IsFromMe = shown.key.fromMe
    source.Chat.CopyFrom(_jid(decoded(chat)))
    author = _author(shown)
    if author:
        source.Sender.CopyFrom(_jid(author))
    for other in _names(history).get(author, ()):
        if other != author:
            source.SenderAlt.CopyFrom(_jid(other))
    return event


def _as_it_stands(message: Message) -> tuple[Message, bool]:
    """The message, or after an edit what the phone shows in its place, and whether it was so."""
    core = innermost(message)
    if core.protocolMessage.type == ProtocolMessage.MESSAGE_EDIT:
        return core.protocolMessage.editedMessage, True
    return message, False


def _names(history: HistorySync) -> dict[str, tuple[str, str]]:
    """LID and phone number of everybody of whom both are told, by either."""
    names: dict[str, tuple[str, str]] = {}
    for one in history.phoneNumberToLidMappings:
        pair = _bare(decoded(one.lidJID)), _bare(decoded(one.pnJID))
        names |= dict.fromkeys(pair, pair)
    return names


def _author(shown: WebMessageInfo) -> str:
    return _bare(decoded(shown.participant or shown.key.participant))


def _bare(address: str) -> str:
    """The address without its device."""
    user, at, server = address.partition("@")
    return user.partition(":")[0] + at + server


def _jid(address: str) -> neonize.JID:
    user, _, server = address.partition("@")
    return neonize.JID(User=user, Server=server)
