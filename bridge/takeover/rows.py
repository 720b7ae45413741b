"""What the rows of an older bridge's messages.db say, as events of ours; pure.

Those files have the tables `chats` and `messages` with the columns of our views. A row becomes the
event that the client would have given: everything after it is as if the message had been heard.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    AudioMessage,
    DocumentMessage,
    ImageMessage,
    Message,
    ProtocolMessage,
    StickerMessage,
    VideoMessage,
)

from bridge.event import GROUP_SERVER, Captured

NEEDED = frozenset(("id", "chat_jid", "sender", "content", "timestamp"))
"""Columns of `messages` without which nothing can be taken over."""

FEWEST_LID_DIGITS = 14
"""The older code kept a sender's digits and not the server: phone numbers have 13 at most here."""

_EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
"""WhatsApp is not older."""

_MILLISECONDS_FROM = 100_000_000_000
_ZONE_NAME = re.compile(r"^(.+ [+-]\d{4}) [A-Z+-]\w*(?: m=.*)?$")  # as Go prints a time
_DIGITS = re.compile(r"\d{5,20}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One value that cannot be what it should be."""

    table: str
    key: str
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event to be stored."""

    kind: str
    payload: bytes
    moment: int
    """Milliseconds; of the message, which is when the older bridge had it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of one row; neither events nor faults for what is not of a group."""

    events: tuple[Event, ...] = ()
    faults: tuple[Fault, ...] = ()


class _FaultyError(Exception):
    def __init__(self, column: str, value: object, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.value = value


def judge_message(row: Mapping[str, Any], zone: tzinfo | None, now: datetime) -> Judged:
    """Make events of a row of `messages`; a faulty one gives none, unless only its sender is.

    Args:
        row: the row by its column names.
        zone: of times that name none; None if nobody said.
        now: later messages than this cannot be.
    """
    key = f"{row['chat_jid']}/{row['id']}"
    try:
        chat = _address(row)
        if not chat.endswith(f"@{GROUP_SERVER}"):
            return Judged()
        id_ = _text(row, "id")
        moment = _moment(row["timestamp"], zone, now)
        content = _content(row)
    except _FaultyError as faulty:
        return Judged(faults=(_fault("messages", key, faulty),))
    sender = neonize.JID()
    faults: tuple[Fault, ...] = ()
    try:
        sender = _sender(row["sender"])
    except _FaultyError as faulty:
        faults = (_fault("messages", key, faulty),)
    from_me = bool(row.get("is_from_me"))
    events = [_event(chat, id_, sender, from_me, moment, content)]
    if row.get("deleted"):
        key_of_it = MessageKey(remoteJID=chat, fromMe=True, ID=id_)
        revoke = Message(
            protocolMessage=ProtocolMessage(key=key_of_it, type=ProtocolMessage.REVOKE)
        )
        events.append(_event(chat, f"{id_}:deleted", sender, from_me, moment, revoke))
    return Judged(tuple(events), faults)


def judge_chat(row: Mapping[str, Any]) -> Judged:
    """Make the event that names a group; a chat without a name says nothing."""
    jid, name = row.get("jid"), row.get("name")
    if not isinstance(jid, str) or not jid.endswith(f"@{GROUP_SERVER}"):
        return Judged()
    if not isinstance(name, str) or not name.strip() or name == jid:
        return Judged()
    payload = neonize.GroupInfoEvent(
        JID=_jid(jid),
        Name=neonize.GroupName(Name=name, NameSetAt=0, NameSetBy=neonize.JID()),
        Timestamp=0,  # whatever WhatsApp says is newer
    ).SerializePartialToString(deterministic=True)
    return Judged((Event(Captured.GROUP_CHANGE, payload, 0),))


def _fault(table: str, key: str, faulty: _FaultyError) -> Fault:
    return Fault(table, key, faulty.column, repr(faulty.value)[:80], str(faulty))


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str) or not value:
        raise _FaultyError(column, value, "missing, or no text")
    return value


def _address(row: Mapping[str, Any]) -> str:
    chat = _text(row, "chat_jid")
    if "@" not in chat:
        raise _FaultyError("chat_jid", chat, "no address of a chat")
    return chat


def _moment(value: object, zone: tzinfo | None, now: datetime) -> int:
    moment = _read_moment(value)
    if moment is None:
        raise _FaultyError("timestamp", value, "not a time")
    if moment.tzinfo is None:
        if zone is None:
            raise _FaultyError("timestamp", value, "names no time zone; ZONE=… says which")
        moment = moment.replace(tzinfo=zone)
    if not _EARLIEST <= moment <= now + timedelta(days=1):
        raise _FaultyError("timestamp", value, "not a time at which a message can be sent")
    return int(moment.timestamp() * 1000)


def _read_moment(value: object) -> datetime | None:
    try:
        if isinstance(value, int | float):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if not isinstance(value, str):
            return None
        text = value.strip()
        with_zone = _ZONE_NAME.match(text)
        if with_zone:
            text = with_zone[1].replace(" +", "+").replace(" -", "-")
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None


def _sender(value: object) -> neonize.JID:
    if value is None or value == "":
        return neonize.JID()
    user, _, server = str(value).partition("@")
    user = user.partition(":")[0].partition(".")[0].removeprefix("+")
    if not _DIGITS.fullmatch(user):
        raise _FaultyError("sender", value, "no number; taken over without an author")
    if not server:
        server = "lid" if len(user) >= FEWEST_LID_DIGITS else "s.whatsapp.net"
    return neonize.JID(User=user, Server=server)


def _jid(text: str) -> neonize.JID:
    user, _, server = text.rpartition("@")
    return neonize.JID(User=user, Server=server)


def _content(row: Mapping[str, Any]) -> Message:
    text = row["content"] if row["content"] is not None else ""
    if not isinstance(text, str):
        raise _FaultyError("content", text, "no text")
    return _with_media(row, text)


def _with_media(row: Mapping[str, Any], text: str) -> Message:
    media = row.get("media_type") or ""
    attachment: dict[str, Any] = {
        "URL": str(row.get("url") or ""),
        "mediaKey": _bytes(row, "media_key"),
        "fileSHA256": _bytes(row, "file_sha256"),
        "fileEncSHA256": _bytes(row, "file_enc_sha256"),
        "fileLength": _length(row),
    }
    match media:
        case "image":
            return Message(imageMessage=ImageMessage(**attachment, caption=text))
        case "video":
            return Message(videoMessage=VideoMessage(**attachment, caption=text))
        case "document":
            name = str(row.get("filename") or "")
            return Message(
                documentMessage=DocumentMessage(**attachment, caption=text, fileName=name)
            )
        case "audio" if not text:
            return Message(audioMessage=AudioMessage(**attachment))
        case "sticker" if not text:
            return Message(stickerMessage=StickerMessage(**attachment))
    return Message(conversation=text)


def _bytes(row: Mapping[str, Any], column: str) -> bytes:
    value = row.get(column)
    return value if isinstance(value, bytes) else b""


def _length(row: Mapping[str, Any]) -> int:
    value = row.get("file_length")
    return value if isinstance(value, int) and 0 <= value < 2**63 else 0


def _event(
    chat: str, id_: str, sender: neonize.JID, from_me: bool, moment: int, content: Message
) -> Event:
    payload = neonize.Message(
        Info=neonize.MessageInfo(
            MessageSource=neonize.MessageSource(
                Chat=_jid(chat), Sender=sender, IsFromMe=from_me, IsGroup=True
            ),
            ID=id_,
            Timestamp=moment,
        ),
        Message=content,
    ).SerializePartialToString(deterministic=True)
    return Event(Captured.MESSAGE, payload, moment)
