"""A bare neonize client: events as JSON lines on standard output, commands as JSON lines on input.

Started by `simulator/launch.py` in an image that holds the client library; argument: the session
file. It knows nothing of the product and nothing of the simulator.
"""

import json
import os
import sys
import threading
from typing import Any

from neonize.client import NewClient
from neonize.events import (
    ClientOutdatedEv,
    ConnectedEv,
    DisconnectedEv,
    GroupInfoEv,
    HistorySyncEv,
    JoinedGroupEv,
    KeepAliveTimeoutEv,
    LoggedOutEv,
    MessageEv,
    OfflineSyncCompletedEv,
    ReceiptEv,
    StreamReplacedEv,
    TemporaryBanEv,
    UndecryptableMessageEv,
)
from neonize.exc import DownloadError
from neonize.proto.Neonize_pb2 import JID
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import ImageMessage, Message
from neonize.utils.enum import MediaType
from neonize.utils.jid import Jid2String, build_jid

OUT = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # the client library prints on standard output by itself

LOCK = threading.Lock()


def tell(event: str, **facts: object) -> None:
    """Write one event line."""
    with LOCK:
        OUT.write(json.dumps({"event": event, **facts}) + "\n")


def address(jid: JID) -> str:
    """The JID as text, with its device; empty when the client knows none."""
    return "" if jid.IsEmpty or not jid.User else Jid2String(jid)


def facts_of(event: MessageEv) -> dict[str, object]:
    """What the tests compare of a message."""
    source = event.Info.MessageSource
    message = event.Message
    return {
        "id": event.Info.ID,
        "chat": address(source.Chat),
        "sender": address(source.Sender),
        "alternative": address(source.SenderAlt),
        "from_me": source.IsFromMe,
        "t_ms": event.Info.Timestamp,
        "push_name": event.Info.Pushname,
        "text": message.conversation or message.extendedTextMessage.text,
        "fields": [field.name for field, _ in message.ListFields()],
    }


def listen(client: NewClient) -> None:
    """Register for everything before the client connects."""
    client.qr(lambda _, code: tell("qr", code=code.decode()))
    client.event(ConnectedEv)(lambda _, __: tell("connected"))
    client.event(DisconnectedEv)(lambda _, __: tell("disconnected"))
    client.event(StreamReplacedEv)(lambda _, __: tell("replaced"))
    client.event(LoggedOutEv)(lambda _, event: tell("logged_out", on_connect=event.OnConnect))
    client.event(TemporaryBanEv)(lambda _, event: tell("banned", expire=event.Expire))
    client.event(ClientOutdatedEv)(lambda _, __: tell("outdated"))
    client.event(KeepAliveTimeoutEv)(lambda _, event: tell("unanswered", count=event.ErrorCount))
    client.event(OfflineSyncCompletedEv)(lambda _, event: tell("offline", count=event.Count))
    client.event(MessageEv)(lambda _, event: remembered(event))
    client.event(UndecryptableMessageEv)(lambda _, event: tell("undecryptable", id=event.Info.ID))
    client.event(ReceiptEv)(lambda _, event: tell("receipt", ids=list(event.MessageIDs)))
    client.event(JoinedGroupEv)(lambda _, event: tell("joined", group=address(event.GroupInfo.JID)))
    client.event(HistorySyncEv)(lambda _, event: tell("history", **history_facts(event)))
    client.event(GroupInfoEv)(lambda _, event: tell("group", group=address(event.JID)))


MESSAGES: dict[str, MessageEv] = {}


def remembered(event: MessageEv) -> None:
    """Keep what has come, so that its file can be downloaded when a command asks for it."""
    MESSAGES[event.Info.ID] = event
    tell("message", **facts_of(event))


def groups(client: NewClient) -> list[dict[str, object]]:
    """The groups the account is in, as the server lists them."""
    return [
        {
            "jid": address(group.JID),
            "subject": group.GroupName.Name,
            "members": [
                {"jid": address(member.JID), "phone": address(member.PhoneNumber)}
                for member in group.Participants
            ],
        }
        for group in client.get_joined_groups()
    ]


def address_of(text: str) -> JID:
    """The JID that a command names."""
    user, _, server = text.partition("@")
    return build_jid(user, server)


def image(client: NewClient, command: dict[str, Any]) -> Message:
    """Upload the bytes as a photo and describe it in a message."""
    kept = client.upload(bytes.fromhex(command["content"]), MediaType.MediaImage)
    photo = ImageMessage(
        URL=kept.url,
        directPath=kept.DirectPath,
        mediaKey=kept.MediaKey,
        fileSHA256=kept.FileSHA256,
        fileEncSHA256=kept.FileEncSHA256,
        fileLength=kept.FileLength,
        mimetype="image/png",
        caption=command["caption"],
    )
    return Message(imageMessage=photo)


def history_facts(event: HistorySyncEv) -> dict[str, object]:
    """What the tests compare of a history."""
    return {
        "conversations": {
            one.ID: [
                {
                    "id": told.message.key.ID,
                    "participant": told.message.participant,
                    "text": told.message.message.conversation,
                    "t": told.message.messageTimestamp,
                    "stub": told.message.messageStubType,
                }
                for told in one.messages
            ]
            for one in event.Data.conversations
        },
        "names": {one.lidJID: one.pnJID for one in event.Data.phoneNumberToLidMappings},
    }


def obey(client: NewClient, command: dict[str, Any]) -> None:
    """Carry out one command and answer it under its own number."""
    number = command["number"]
    match command["do"]:
        case "groups":
            tell("answer", number=number, groups=groups(client))
        case "send":
            sent = client.send_message(address_of(command["to"]), command["text"])
            tell("answer", number=number, id=sent.ID, t=sent.Timestamp)
        case "send_image":
            sent = client.send_message(address_of(command["to"]), image(client, command))
            tell("answer", number=number, id=sent.ID, t=sent.Timestamp)
        case "pair_phone":
            tell("answer", number=number, code=client.PairPhone(command["phone"], True))
        case "download":
            try:
                content = client.download_any(MESSAGES[command["id"]].Message)
            except DownloadError as refusal:
                tell("answer", number=number, refused=str(refusal), content="")
            else:
                tell("answer", number=number, refused="", content=(content or b"").hex())
        case other:
            tell("answer", number=number, error=f"no such command: {other}")


def command_loop(client: NewClient) -> None:
    """Read commands until standard input ends; then the process ends, as with a kill."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            obey(client, command)
        except Exception as error:  # noqa: BLE001 - the test wants the error, whatever it is
            tell("answer", number=command["number"], error=repr(error))
    os._exit(0)


def main() -> None:
    """Connect and stay."""
    client = NewClient(sys.argv[1])
    listen(client)
    threading.Thread(target=command_loop, args=(client,), daemon=True).start()
    tell("started")
    client.connect()
    threading.Event().wait()


if __name__ == "__main__":
    main()
