"""What one captured event says, read from its stored bytes and from nothing else; pure.

Protocol facts (neonize 0.5.2, whatsmeow): `Info.Timestamp` is the server's time in milliseconds;
`MessageSource.Sender` carries the device; in LID groups the phone number is in `SenderAlt`, in
phone-number groups the reverse, with hidden numbers it is empty; edits and revokes come as a
`protocolMessage` under an id of their own and from *anybody*, unchecked.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from google.protobuf.message import DecodeError
from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage

from bridge import history
from bridge.merge import Evidence, Rank
from bridge.text import (
    Reading,
    content_fields,
    decoded,
    innermost,
    is_key_material_only,
    read_text,
)

INTERPRETER_VERSION = 2
"""Grows whenever events are read differently; what an older one could not read is read again."""

GROUP_SERVER = "g.us"
USER_NAME_LENGTH = 100
"""Characters; the width of `qa_photo_reviews.user_name`."""


class Captured(StrEnum):
    """What the bytes of a captured event are."""

    MESSAGE = "message"
    """neonize `Message` (MessageEv)."""
    UNDECRYPTABLE = "undecryptable"
    """neonize `UndecryptableMessage`."""
    GROUP_CHANGE = "group"
    """neonize `GroupInfoEvent` (GroupInfoEv)."""
    JOINED_GROUP = "joined_group"
    """neonize `JoinedGroup` (JoinedGroupEv)."""
    GROUP_SNAPSHOT = "group_snapshot"
    """neonize `GroupInfo`, one of `get_joined_groups`."""
    HISTORY = "history"
    """neonize `HistorySync` (HistorySyncEv), stored in pieces of one message."""


class AmendmentKind(StrEnum):
    """What an event does to another message."""

    EDIT = "edit"
    REVOKE = "revoke"
    SECRET = "secret"  # noqa: S105 - an edit encrypted with a message secret
    """An edit this client cannot read: a suspected loss."""


@dataclass(frozen=True, slots=True)
class Media:
    """Where an attachment is and how it is decrypted, as the seed's readers expect it."""

    filename: str | None
    url: str
    media_key: bytes
    file_sha256: bytes
    file_enc_sha256: bytes
    file_length: int


@dataclass(frozen=True, slots=True)
class Amendment:
    """A change to another message of the same chat; whether it counts is decided elsewhere."""

    kind: AmendmentKind
    target_id: str
    claimed_author: Evidence
    """Whose message the amendment says it is about."""
    text: str


@dataclass(frozen=True, slots=True)
class Interpretation:
    """One copy of one group message."""

    chat: str
    id: str
    kind: str
    rank: Rank
    author: Evidence
    from_me: bool
    user_name: str | None
    sent_at: int
    """The server's time, milliseconds since 1970."""
    text: str
    media: Media | None = None
    amendments: tuple[Amendment, ...] = ()
    error: str | None = None
    """Why the rank is UNPARSED."""
    edited: bool = False
    """The text after an edit, under the id of the message itself: only a history tells it so."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What an event says about a group: its name, who administers it, who is who."""

    chat: str
    name: str | None
    at: int
    """Milliseconds; of the event, or of its arrival for a snapshot."""
    admins: tuple[Evidence, ...] | None
    """All of them, or None if the event is a change."""
    promoted: tuple[Evidence, ...]
    demoted: tuple[Evidence, ...]
    pairs: tuple[Evidence, ...]
    """Members of whom LID and phone number are known."""


@dataclass(frozen=True, slots=True)
class Label:
    """What must be known of an event before it is stored."""

    kept: bool
    chat: str | None = None
    id: str | None = None


def label(kind: str, payload: bytes) -> Label:
    """Whether an event is stored, and under which address; what cannot be read is stored.

    Direct messages are nobody's business here, and a sole sender key is no message: neither
    ever touches the disk.
    """
    try:
        if kind == Captured.MESSAGE:
            event = neonize.Message.FromString(payload)
            kept = not (event.HasField("Message") and is_key_material_only(event.Message))
            return _label(event.Info, kept)
        if kind == Captured.UNDECRYPTABLE:
            return _label(neonize.UndecryptableMessage.FromString(payload).Info, kept=True)
    except DecodeError:
        pass
    return Label(kept=True)


def _label(info: neonize.MessageInfo, kept: bool) -> Label:
    chat = info.MessageSource.Chat
    if chat.Server and chat.Server != GROUP_SERVER:
        return Label(kept=False)
    return Label(kept, _address(chat) or None, decoded(info.ID) or None)


def read(kind: str, payload: bytes, received_at: int) -> Interpretation | GroupFacts | None:
    """Read one event; None if it is no message at all.

    Args:
        kind: one of `Captured`.
        payload: the event as neonize serialised it.
        received_at: milliseconds; the time of a snapshot, which has none of its own.

    Raises:
        DecodeError: the bytes are not such an event.
        ValueError: the kind is unknown, or the event has no address.
    """
    match Captured(kind):
        case Captured.MESSAGE:
            return _message(payload)
        case Captured.HISTORY:
            event = history.message_of(payload)
            said = _said(event)
            return replace(said, edited=event.IsEdit) if said else None
        case Captured.UNDECRYPTABLE:
            info = neonize.UndecryptableMessage.FromString(payload).Info
            return _copy(info, "placeholder", Rank.PLACEHOLDER, "")
        case Captured.GROUP_CHANGE:
            return _group_change(neonize.GroupInfoEvent.FromString(payload))
        case Captured.JOINED_GROUP:
            joined = neonize.JoinedGroup.FromString(payload)
            return _group_snapshot(joined.GroupInfo, received_at)
        case Captured.GROUP_SNAPSHOT:
            return _group_snapshot(neonize.GroupInfo.FromString(payload), received_at)


def _message(payload: bytes) -> Interpretation | None:
    try:
        event = neonize.Message.FromString(payload)
    except DecodeError as problem:
        # Of an UndecryptableMessage only the envelope is read: all else has another wire type.
        info = neonize.UndecryptableMessage.FromString(payload).Info
        return _copy(info, "unparsed", Rank.UNPARSED, "", error=f"DecodeError: {problem}")
    return _said(event)


def _said(event: neonize.Message) -> Interpretation | None:
    message = event.Message
    if is_key_material_only(message):
        return None
    try:
        reading = read_text(message)
        core = innermost(message)
        kind = _kind(core, reading)
        media = _media(core, kind)
        amendments = _amendments(reading)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the message is kept as unparsed
        return _copy(
            event.Info, "unparsed", Rank.UNPARSED, "", error=f"{type(problem).__name__}: {problem}"
        )
    if reading.unknown and not reading.text and not amendments:
        numbers = ", ".join(map(str, reading.unknown))
        return _copy(event.Info, "unparsed", Rank.UNPARSED, "", error=f"unknown fields {numbers}")
    return _copy(event.Info, kind, Rank.CONTENT, reading.text, media, amendments)


def _copy(
    info: neonize.MessageInfo,
    kind: str,
    rank: Rank,
    text: str,
    media: Media | None = None,
    amendments: tuple[Amendment, ...] = (),
    error: str | None = None,
) -> Interpretation:
    source = info.MessageSource
    chat = _address(source.Chat)
    if not chat or not info.ID:
        raise ValueError("the event names no chat or no id")
    name = decoded(info.Pushname).replace("\0", "")[:USER_NAME_LENGTH]
    return Interpretation(
        chat=chat,
        id=decoded(info.ID),
        kind=kind,
        rank=rank,
        author=_evidence(source.Sender, source.SenderAlt),
        from_me=source.IsFromMe,
        user_name=name or None,
        sent_at=info.Timestamp,
        text=text,
        media=media,
        amendments=amendments,
        error=error,
    )


_KINDS = {
    "conversation": "text",
    "extendedTextMessage": "text",
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
    "reactionMessage": "reaction",
    "protocolMessage": "protocol",
}

MEDIA_KINDS = frozenset(("image", "video", "audio", "document", "sticker"))


def _kind(core: Message, reading: Reading) -> str:
    if reading.secrets:
        return "secret_edit"
    for protocol in reading.protocols:
        if amendment := _protocol_kind(protocol):
            return amendment
    names = content_fields(core)
    if not names:
        return "empty"
    return _KINDS.get(names[0], names[0].removesuffix("Message"))


def _protocol_kind(protocol: ProtocolMessage) -> AmendmentKind | None:
    if not protocol.key.ID:
        return None
    if protocol.type == ProtocolMessage.MESSAGE_EDIT:
        return AmendmentKind.EDIT
    # REVOKE is 0: an absent type means it too.
    return AmendmentKind.REVOKE if protocol.type == ProtocolMessage.REVOKE else None


def _media(core: Message, kind: str) -> Media | None:
    if kind not in MEDIA_KINDS:
        return None
    for descriptor, value in core.ListFields():
        if _KINDS.get(descriptor.name) == kind:
            return Media(
                filename=decoded(value.fileName) or None if kind == "document" else None,
                url=decoded(value.URL),
                media_key=value.mediaKey,
                file_sha256=value.fileSHA256,
                file_enc_sha256=value.fileEncSHA256,
                file_length=min(value.fileLength, 2**63 - 1),
            )
    return None


def _amendments(reading: Reading) -> tuple[Amendment, ...]:
    found: list[Amendment] = []
    for protocol in reading.protocols:
        kind = _protocol_kind(protocol)
        if kind is not None:
            text = read_text(protocol.editedMessage).text if kind is AmendmentKind.EDIT else ""
            found.append(_amendment(kind, protocol.key, text))
    found.extend(
        _amendment(AmendmentKind.SECRET, secret.targetMessageKey, "") for secret in reading.secrets
    )
    return tuple(found)


def _amendment(kind: AmendmentKind, key: MessageKey, text: str) -> Amendment:
    user, _, server = decoded(key.participant).partition("@")
    claimed = _evidence(neonize.JID(User=user, Server=server)) if server else Evidence()
    return Amendment(kind, decoded(key.ID), claimed, text)


def _group_change(event: neonize.GroupInfoEvent) -> GroupFacts:
    return GroupFacts(
        chat=_address(event.JID),
        name=decoded(event.Name.Name) if event.HasField("Name") else None,
        at=event.Timestamp * 1000,
        admins=None,
        promoted=tuple(_evidence(member) for member in event.Promote),
        demoted=tuple(_evidence(member) for member in (*event.Demote, *event.Leave)),
        pairs=(),
    )


def _group_snapshot(group: neonize.GroupInfo, received_at: int) -> GroupFacts:
    members = [
        (_evidence(member.JID, member.LID, member.PhoneNumber), member)
        for member in group.Participants
    ]
    return GroupFacts(
        chat=_address(group.JID),
        name=decoded(group.GroupName.Name) if group.HasField("GroupName") else None,
        at=received_at,
        admins=tuple(who for who, member in members if member.IsAdmin or member.IsSuperAdmin),
        promoted=(),
        demoted=(),
        pairs=tuple(who for who, _ in members if who.lid is not None and who.pn is not None),
    )


def _address(jid: neonize.JID) -> str:
    return f"{jid.User}@{jid.Server}" if jid.User else ""


_PHONE_SERVERS = frozenset(("s.whatsapp.net", "hosted", "c.us"))
_LID_SERVERS = frozenset(("lid", "hosted.lid"))


def _evidence(*jids: neonize.JID) -> Evidence:
    lid = pn = None
    for jid in jids:
        user = jid.User.partition(":")[0].partition(".")[0]
        if user and jid.Server in _LID_SERVERS:
            lid = lid or user
        elif user and jid.Server in _PHONE_SERVERS:
            pn = pn or user
    return Evidence(lid, pn)
