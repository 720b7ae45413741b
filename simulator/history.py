"""What a phone tells a client that was linked late: the messages of its groups so far.

The phone sends its own client a direct message with a HistorySyncNotification; the history itself
is compressed and lies in that message, or on the media host for larger ones, from where the client
deletes it once it has read it. Facts: whatsmeow `message.go` (DownloadHistorySync,
ParseWebMessage), `download.go`; a phone keeps an edited message under the id it has always had.
"""

import secrets
import zlib
from enum import StrEnum

from aiohttp import web
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    HistorySyncNotification,
    HistorySyncType,
    Message,
    ProtocolMessage,
)
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import (
    Conversation,
    HistorySync,
    PhoneNumberToLIDMapping,
)
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import WebMessageInfo

from simulator import encryption
from simulator.files import Files
from simulator.media import encrypted_file
from simulator.members import Written, written_in
from simulator.node import Attributes, Jid, Node
from simulator.relay import Relay
from simulator.world import Account, Device, Group, World


class Way(StrEnum):
    """How the history reaches the client."""

    INLINE = "inline"
    MEDIA = "media"


_NOT_KEPT = frozenset({"edit", "delete", "reaction"})
"""What changes another message; a phone shows the result, not the change."""


class History:
    """Sends a device what was written in the groups of its phone."""

    def __init__(self, world: World, relay: Relay, files: Files) -> None:
        self._world = world
        self._relay = relay
        self._files = files

    async def send(self, device: Device, way: Way, since: int) -> int:
        """Queue the history from that time on (seconds); returns how many messages it holds."""
        account = self._world.accounts[device.phone]
        history = self._of(account, since)
        packed = zlib.compress(history.SerializeToString())
        notification = HistorySyncNotification(
            syncType=HistorySyncType.RECENT, chunkOrder=1, progress=100
        )
        if way is Way.INLINE:
            notification.initialHistBootstrapInlinePayload = packed
        else:
            self._upload(packed, notification)
        told = ProtocolMessage(
            type=ProtocolMessage.HISTORY_SYNC_NOTIFICATION, historySyncNotification=notification
        )
        await self._relay.push(device.jid, self._stanza(account, device, told))
        return sum(len(one.messages) for one in history.conversations)

    def _upload(self, packed: bytes, notification: HistorySyncNotification) -> None:
        file = encrypted_file(packed, "History", "application/octet-stream")
        self._files.keep(file.encrypted)
        notification.directPath = file.path
        notification.mediaKey = file.key
        notification.fileSHA256 = file.plain_hash
        notification.fileEncSHA256 = file.encrypted_hash
        notification.fileLength = file.length

    def _stanza(self, account: Account, device: Device, told: ProtocolMessage) -> Node:
        ciphertext = encryption.direct(
            account.identity,
            account.registration,
            self._world.bundle(device, take_one_time=False),
            encryption.padded(Message(protocolMessage=told).SerializeToString()),
        )
        attributes: Attributes = {
            "from": account.jid("pn"),
            "id": f"3EB0{secrets.token_hex(9).upper()}",
            "t": str(self._world.now()),
            "type": "text",
            "category": "peer",
            "peer_recipient_lid": account.jid("lid"),
        }
        return Node("message", attributes, [Node("enc", {"v": "2", "type": "pkmsg"}, ciphertext)])

    def _of(self, account: Account, since: int) -> HistorySync:
        history = HistorySync(syncType=HistorySync.RECENT, chunkOrder=1, progress=100)
        for group in self._world.groups.values():
            if account.phone in group.members:
                texts = written_in(self._world.database, group.jid, since)
                history.conversations.append(self._conversation(account, group, texts))
                if group.addressing == "lid" and not group.hide_numbers:
                    history.phoneNumberToLidMappings.extend(self._names(texts))
        return history

    def _names(self, texts: list[Written]) -> list[PhoneNumberToLIDMapping]:
        writers = [self._world.accounts[phone] for phone in sorted({one.phone for one in texts})]
        return [
            PhoneNumberToLIDMapping(pnJID=str(one.jid("pn")), lidJID=str(one.jid("lid")))
            for one in writers
        ]

    def _conversation(self, account: Account, group: Group, texts: list[Written]) -> Conversation:
        conversation = Conversation(ID=str(group.jid), name=group.subject)
        place = {(one.phone, one.id): number for number, one in enumerate(texts)}
        shown = [self._shown(account, group, one) for one in texts]
        for change in texts:
            target = place.get((change.phone, change.target_id or ""))
            if target is not None and change.kind == "edit":
                shown[target].message.CopyFrom(
                    Message.FromString(change.plain).editedMessage.message
                )
            elif target is not None and change.kind == "delete":
                shown[target].ClearField("message")
                shown[target].messageStubType = WebMessageInfo.REVOKE
        for number, one in enumerate(texts):
            if one.kind not in _NOT_KEPT:
                conversation.messages.add(message=shown[number], msgOrderID=number)
        return conversation

    def _shown(self, account: Account, group: Group, one: Written) -> WebMessageInfo:
        """One message as the phone keeps it."""
        sender = self._world.accounts[one.phone]
        shown = WebMessageInfo(
            message=Message.FromString(one.plain), messageTimestamp=one.t, pushName=sender.name
        )
        shown.key.remoteJID = str(group.jid)
        shown.key.ID = one.id
        shown.key.fromMe = sender.phone == account.phone
        if not shown.key.fromMe:
            shown.key.participant = str(sender.jid(group.addressing))
            shown.participant = shown.key.participant
        return shown

    async def ask(self, request: web.Request) -> web.Response:
        """POST /api/devices/{jid}/history {way?, since?}: the phone tells it what was written."""
        body = await request.json()
        jid = Jid.parse(request.match_info["jid"])
        if jid not in self._world.devices:
            raise ValueError(f"no such device: {jid}")
        way = Way(str(body.get("way", "media")))
        told = await self.send(self._world.devices[jid], way, int(body.get("since", 0)))
        return web.json_response({"messages": told, "way": way}, status=201)

    def add_control(self, app: web.Application) -> None:
        """Let the API's application send histories; its guard looks at these requests too."""
        app.router.add_post("/api/devices/{jid}/history", self.ask)
