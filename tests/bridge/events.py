"""Events as neonize serialises them, built with its own protobufs: the real input of the store."""

from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    Message,
    ProtocolMessage,
)

GROUP = "120363000000000001@g.us"
T0 = 1_763_000_000_000
"""Milliseconds; a server time inside the horizon of the tests' clock."""


def jid(text: str = "") -> neonize.JID:
    """A neonize JID from its text, `user:device@server`; empty for none."""
    user, _, server = text.partition("@")
    user, _, device = user.partition(":")
    return neonize.JID(
        User=user,
        RawAgent=0,
        Device=int(device or 0),
        Integrator=0,
        Server=server,
        IsEmpty=not text,
    )


def phone(digits: str | None) -> str:
    """The JID of a phone number, with a device; empty for None."""
    return f"{digits}:2@s.whatsapp.net" if digits else ""


def lid(digits: str | None) -> str:
    """The JID of a LID, with a device; empty for None."""
    return f"{digits}:2@lid" if digits else ""


def info(
    id_: str,
    sender: str,
    alternative: str = "",
    *,
    at: int = T0,
    chat: str = GROUP,
    from_me: bool = False,
    name: str = "Thandi",
) -> neonize.MessageInfo:
    """The envelope of a message."""
    return neonize.MessageInfo(
        MessageSource=neonize.MessageSource(
            Chat=jid(chat),
            Sender=jid(sender),
            IsFromMe=from_me,
            IsGroup=chat.endswith("@g.us"),
            SenderAlt=jid(alternative),
            RecipientAlt=jid(),
            BroadcastListOwner=jid(),
        ),
        ID=id_,
        ServerID=0,
        Type="text",
        Pushname=name,
        Timestamp=at,
        Category="",
        Multicast=False,
        MediaType="",
        Edit="",
    )


def message(envelope: neonize.MessageInfo, content: Message | str) -> bytes:
    """A MessageEv; a string is a plain text. `Raw` is the same message again, as in neonize."""
    body = Message(conversation=content) if isinstance(content, str) else content
    serialised: bytes = neonize.Message(
        Info=envelope,
        Message=body,
        Raw=body,
        IsEphemeral=False,
        IsViewOnce=False,
        IsViewOnceV2=False,
        IsViewOnceV2Extension=False,
        IsDocumentWithCaption=False,
        IsLottieSticker=False,
        IsEdit=False,
        UnavailableRequestID="",
        RetryCount=0,
    ).SerializeToString()
    return serialised


def undecryptable(envelope: neonize.MessageInfo) -> bytes:
    """An UndecryptableMessageEv."""
    serialised: bytes = neonize.UndecryptableMessage(
        Info=envelope,
        IsUnavailable=False,
        DecryptFailMode=neonize.UndecryptableMessage.DECRYPT_FAIL_SHOW,
    ).SerializeToString()
    return serialised


def edit(target: str, text: str) -> Message:
    """An edit as whatsmeow hands it over: a protocol message under an id of its own."""
    return Message(
        protocolMessage=ProtocolMessage(
            key=MessageKey(remoteJID=GROUP, fromMe=True, ID=target),
            type=ProtocolMessage.MESSAGE_EDIT,
            editedMessage=Message(conversation=text),
            timestampMS=1,
        )
    )


def revoke(target: str, participant: str = "") -> Message:
    """A revoke; with a participant it is about somebody else's message."""
    key = MessageKey(remoteJID=GROUP, fromMe=not participant, ID=target)
    if participant:
        key.participant = participant
    return Message(protocolMessage=ProtocolMessage(key=key, type=ProtocolMessage.REVOKE))


def snapshot(
    members: dict[str, tuple[str | None, bool]], *, chat: str = GROUP, name: str = "Velo Test"
) -> bytes:
    """A GroupInfo: LID -> (phone or None, admin)."""
    serialised: bytes = neonize.GroupInfo(
        JID=jid(chat),
        OwnerJID=jid(),
        OwnerPN=jid(),
        GroupName=neonize.GroupName(Name=name, NameSetAt=0, NameSetBy=jid()),
        GroupTopic=neonize.GroupTopic(
            Topic="", TopicID="", TopicSetAt=0, TopicSetBy=jid(), TopicDeleted=False
        ),
        GroupLocked=neonize.GroupLocked(isLocked=False),
        GroupAnnounce=neonize.GroupAnnounce(IsAnnounce=False, AnnounceVersionID=""),
        GroupEphemeral=neonize.GroupEphemeral(IsEphemeral=False, DisappearingTimer=0),
        GroupIncognito=neonize.GroupIncognito(IsIncognito=False),
        GroupParent=neonize.GroupParent(IsParent=False, DefaultMembershipApprovalMode=""),
        GroupLinkedParent=neonize.GroupLinkedParent(LinkedParentJID=jid()),
        GroupIsDefaultSub=neonize.GroupIsDefaultSub(IsDefaultSubGroup=False),
        GroupCreated=0,
        ParticipantVersionID="",
        Participants=[
            neonize.GroupParticipant(
                JID=jid(f"{who}@lid"),
                LID=jid(f"{who}@lid"),
                PhoneNumber=jid(f"{pn}@s.whatsapp.net" if pn else ""),
                IsAdmin=admin,
                IsSuperAdmin=False,
                DisplayName="",
                Error=0,
            )
            for who, (pn, admin) in members.items()
        ],
    ).SerializeToString()
    return serialised


def change(
    at: int, *, promote: tuple[str, ...] = (), demote: tuple[str, ...] = (), chat: str = GROUP
) -> bytes:
    """A GroupInfoEvent about admins; JIDs as text."""
    serialised: bytes = neonize.GroupInfoEvent(
        JID=jid(chat),
        Notify="",
        Timestamp=at // 1000,
        PrevParticipantsVersionID="",
        ParticipantVersionID="",
        JoinReason="",
        Promote=[jid(one) for one in promote],
        Demote=[jid(one) for one in demote],
    ).SerializeToString()
    return serialised
