"""What the bytes of an event say: text, kind, author, amendments, and what is no message."""

import pytest
from google.protobuf.message import DecodeError
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from bridge.event import (
    Amendment,
    AmendmentKind,
    Captured,
    GroupFacts,
    Interpretation,
    label,
    read,
)
from bridge.merge import Evidence, Rank
from tests.bridge.events import (
    GROUP,
    T0,
    change,
    edit,
    info,
    lid,
    message,
    phone,
    revoke,
    snapshot,
    undecryptable,
)

TEXT = "DR1234567 done"
QUOTED = e2e.ContextInfo(
    stanzaID="Q1", quotedMessage=e2e.Message(conversation="DR7654321 is what I answer to")
)
KEY = e2e.SenderKeyDistributionMessage(groupID=GROUP, axolotlSenderKeyDistributionMessage=b"key")


def wrapped(name: str, inner: e2e.Message) -> e2e.Message:
    """A message inside one of WhatsApp's wrappers."""
    outer = e2e.Message()
    getattr(outer, name).message.CopyFrom(inner)
    return outer


def interpreted(content: e2e.Message | str) -> Interpretation:
    """Read a message event with this content."""
    said = read(Captured.MESSAGE, message(info("A1", phone("27820000001")), content), T0)
    assert isinstance(said, Interpretation)
    return said


def every_wrapper() -> list[str]:
    """The names of all fields that hold a message in a wrapper."""
    return [
        field.name
        for field in e2e.Message.DESCRIPTOR.fields
        if field.message_type is not None and field.message_type.name == "FutureProofMessage"
    ]


VISIBLE = {
    "conversation": (e2e.Message(conversation=TEXT), "text"),
    "extended": (e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text=TEXT)), "text"),
    "image": (e2e.Message(imageMessage=e2e.ImageMessage(caption=TEXT)), "image"),
    "video": (e2e.Message(videoMessage=e2e.VideoMessage(caption=TEXT)), "video"),
    "document": (
        e2e.Message(documentMessage=e2e.DocumentMessage(caption=TEXT, fileName="a.pdf")),
        "document",
    ),
    "with key material": (
        e2e.Message(senderKeyDistributionMessage=KEY, conversation=TEXT),
        "text",
    ),
    "poll": (
        e2e.Message(pollCreationMessageV3=e2e.PollCreationMessage(name=TEXT)),
        "pollCreationMessageV3",
    ),
    "buttons": (
        e2e.Message(buttonsMessage=e2e.ButtonsMessage(contentText=TEXT)),
        "buttons",
    ),
    "list": (e2e.Message(listMessage=e2e.ListMessage(description=TEXT)), "list"),
    "interactive": (
        e2e.Message(
            interactiveMessage=e2e.InteractiveMessage(body=e2e.InteractiveMessage.Body(text=TEXT))
        ),
        "interactive",
    ),
    "template": (
        e2e.Message(
            templateMessage=e2e.TemplateMessage(
                hydratedTemplate=e2e.TemplateMessage.HydratedFourRowTemplate(
                    hydratedContentText=TEXT
                )
            )
        ),
        "template",
    ),
    "location": (e2e.Message(locationMessage=e2e.LocationMessage(name=TEXT)), "location"),
    "reply": (
        e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text=TEXT, contextInfo=QUOTED)),
        "text",
    ),
    "captioned reply": (
        e2e.Message(imageMessage=e2e.ImageMessage(caption=TEXT, contextInfo=QUOTED)),
        "image",
    ),
    "link": (
        e2e.Message(
            extendedTextMessage=e2e.ExtendedTextMessage(
                text=TEXT, title="DR7654321 on the web", description="DR7654321"
            )
        ),
        "text",
    ),
}


@pytest.mark.parametrize(("content", "kind"), VISIBLE.values(), ids=VISIBLE)
def test_visible_text(content: e2e.Message, kind: str) -> None:
    """Exactly what the author wrote is the text, whatever the kind; never what is quoted."""
    said = interpreted(content)
    assert (said.text, said.kind, said.rank) == (TEXT, kind, Rank.CONTENT)


@pytest.mark.parametrize("name", every_wrapper())
def test_every_wrapper_is_looked_into(name: str) -> None:
    """A caption in a wrapper (ephemeral, view once, edited, …) is found, also two wrappers deep."""
    inner = e2e.Message(imageMessage=e2e.ImageMessage(caption=TEXT, contextInfo=QUOTED))
    assert interpreted(wrapped(name, inner)).text == TEXT
    assert interpreted(wrapped(name, inner)).kind == "image"
    assert interpreted(wrapped("ephemeralMessage", wrapped(name, inner))).text == TEXT


def test_all_visible_parts_of_a_poll() -> None:
    """A poll's question and its options are text, one a line."""
    poll = e2e.PollCreationMessage(
        name="Which is done?",
        options=[e2e.PollCreationMessage.Option(optionName=one) for one in ("DR1", "DR2")],
    )
    assert interpreted(e2e.Message(pollCreationMessage=poll)).text == "Which is done?\nDR1\nDR2"


def test_author_is_evidence_without_device() -> None:
    """Sender and alternative sender give LID and phone, digits only, whichever is which."""
    by_lid = read(Captured.MESSAGE, message(info("A", lid("77"), phone("2782")), "x"), T0)
    by_phone = read(Captured.MESSAGE, message(info("A", phone("2782"), lid("77")), "x"), T0)
    hidden = read(Captured.MESSAGE, message(info("A", lid("77")), "x"), T0)
    assert isinstance(by_lid, Interpretation)
    assert isinstance(by_phone, Interpretation)
    assert isinstance(hidden, Interpretation)
    assert by_lid.author == by_phone.author == Evidence("77", "2782")
    assert hidden.author == Evidence("77", None)
    assert (by_lid.chat, by_lid.sent_at) == (GROUP, T0)


def test_push_name_fits_its_column() -> None:
    """A push name of any length, or with NUL, is cut to what Postgres takes."""
    said = read(Captured.MESSAGE, message(info("A", phone("2782"), name="\0" + "n" * 200), "x"), T0)
    assert isinstance(said, Interpretation)
    assert said.user_name == "n" * 100


def test_edit_and_revoke_are_amendments_without_text_of_their_own() -> None:
    """The new text of an edit belongs to its target, not to the edit's own id."""
    edited = interpreted(edit("A1", TEXT))
    assert (edited.kind, edited.text) == ("edit", "")
    assert edited.amendments == (Amendment(AmendmentKind.EDIT, "A1", Evidence(), TEXT),)
    revoked = interpreted(revoke("A1", "77:3@lid"))
    assert (revoked.kind, revoked.text) == ("revoke", "")
    assert revoked.amendments == (Amendment(AmendmentKind.REVOKE, "A1", Evidence("77"), ""),)


def test_wrapped_edit_with_a_caption() -> None:
    """An edit that is still in its wrapper is one, and an edited caption is its text."""
    inner = edit("A1", "")
    inner.protocolMessage.editedMessage.CopyFrom(
        e2e.Message(imageMessage=e2e.ImageMessage(caption=TEXT, contextInfo=QUOTED))
    )
    said = interpreted(wrapped("editedMessage", inner))
    assert [one.text for one in said.amendments] == [TEXT]


def test_secret_edit_names_its_target() -> None:
    """An edit encrypted with a message secret cannot be read, but whom it changes is known."""
    secret = e2e.SecretEncryptedMessage(
        targetMessageKey=MessageKey(ID="A1"),
        encPayload=b"?",
        secretEncType=e2e.SecretEncryptedMessage.MESSAGE_EDIT,
    )
    said = interpreted(e2e.Message(secretEncryptedMessage=secret))
    assert said.kind == "secret_edit"
    assert [(one.kind, one.target_id) for one in said.amendments] == [(AmendmentKind.SECRET, "A1")]


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (e2e.Message(senderKeyDistributionMessage=KEY), False),
        (
            e2e.Message(
                senderKeyDistributionMessage=KEY,
                messageContextInfo=e2e.MessageContextInfo(messageSecret=b"s"),
            ),
            False,
        ),
        (e2e.Message(senderKeyDistributionMessage=KEY, conversation="x"), True),
        (
            e2e.Message(senderKeyDistributionMessage=KEY, reactionMessage=e2e.ReactionMessage()),
            True,
        ),
        (edit("A1", "x"), True),
        (e2e.Message(), True),
    ],
    ids=["sole key", "key and secret", "key and text", "key and reaction", "protocol", "empty"],
)
def test_only_a_sole_sender_key_is_no_message(content: e2e.Message, kept: bool) -> None:
    """A sole sender key comes under the id of the text after it and must not take its place."""
    payload = message(info("A1", phone("2782")), content)
    assert label(Captured.MESSAGE, payload).kept is kept
    assert (read(Captured.MESSAGE, payload, T0) is not None) is kept


def test_direct_messages_are_not_kept() -> None:
    """Only groups are heard; a direct message is dropped before it is stored."""
    for chat in ("27820000001@s.whatsapp.net", "77@lid", "status@broadcast", "1@newsletter"):
        assert not label(Captured.MESSAGE, message(info("A1", phone("2782"), chat=chat), "x")).kept
    kept = label(Captured.MESSAGE, message(info("A1", phone("2782")), "x"))
    assert (kept.kept, kept.chat, kept.id) == (True, GROUP, "A1")


def test_what_cannot_be_labelled_is_kept() -> None:
    """Bytes that are no event are stored: a later version may know better."""
    assert label(Captured.MESSAGE, b"\x0arubbish").kept
    with pytest.raises(DecodeError):
        read(Captured.UNDECRYPTABLE, b"\x0arubbish", T0)


def test_corrupt_content_keeps_its_envelope() -> None:
    """A message whose content cannot be parsed is unparsed, under its own id and author."""
    whole = message(info("A1", phone("2782")), TEXT)
    broken = whole.replace(b"\x0a\x0e" + TEXT.encode(), b"\x0a\x7f" + TEXT.encode())
    assert broken != whole
    said = read(Captured.MESSAGE, broken, T0)
    assert isinstance(said, Interpretation)
    assert (said.id, said.author, said.rank) == ("A1", Evidence(None, "2782"), Rank.UNPARSED)
    assert said.error


def test_text_that_is_not_utf8_is_made_readable() -> None:
    """Broken UTF-8 costs the broken characters, not the drop beside them."""
    payload = message(info("A1", phone("2782")), "AB " + TEXT).replace(b"AB ", b"\xff\xfe ")
    said = read(Captured.MESSAGE, payload, T0)
    assert isinstance(said, Interpretation)
    assert said.text.endswith(TEXT)


def test_unknown_kind_of_message_is_unparsed() -> None:
    """A message of a newer WhatsApp, all in fields this client does not know, is not read as ""."""
    unknown = e2e.Message()
    unknown.MergeFromString(b"\xba\x3e\x05hello")  # field 999
    said = interpreted(unknown)
    assert said.rank is Rank.UNPARSED
    assert said.error == "unknown fields 999"


def test_placeholder() -> None:
    """What could not be decrypted is a message of the lowest rank, with its author."""
    said = read(Captured.UNDECRYPTABLE, undecryptable(info("A1", lid("77"))), T0)
    assert isinstance(said, Interpretation)
    assert (said.rank, said.kind, said.author) == (Rank.PLACEHOLDER, "placeholder", Evidence("77"))


def test_group_facts() -> None:
    """A snapshot tells admins and pairs; a change tells who was promoted and demoted, and when."""
    facts = read(
        Captured.GROUP_SNAPSHOT, snapshot({"77": ("2782", True), "78": (None, False)}), T0 + 9
    )
    assert isinstance(facts, GroupFacts)
    assert facts.admins == facts.pairs == (Evidence("77", "2782"),)
    assert (facts.name, facts.at) == ("Velo Test", T0 + 9)
    changed = read(
        Captured.GROUP_CHANGE, change(T0, promote=("77@lid",), demote=("78@lid",)), T0 + 9
    )
    assert isinstance(changed, GroupFacts)
    assert (changed.promoted, changed.demoted) == ((Evidence("77"),), (Evidence("78"),))
    assert (changed.admins, changed.at) == (None, T0)


def test_media() -> None:
    """What is needed to fetch and decrypt an attachment is kept."""
    document = e2e.DocumentMessage(
        caption=TEXT, fileName="DR7654321.pdf", URL="https://x", mediaKey=b"k", fileLength=7
    )
    said = interpreted(wrapped("documentWithCaptionMessage", e2e.Message(documentMessage=document)))
    assert said.media is not None
    assert (said.media.filename, said.media.url, said.media.file_length) == (
        "DR7654321.pdf", "https://x", 7,
    )  # fmt: skip
    assert said.text == TEXT
