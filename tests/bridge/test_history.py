"""What a phone tells a newly linked client becomes messages, never evidence, and nothing twice."""

from itertools import permutations
from pathlib import Path

import pytest
from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import (
    Conversation,
    HistorySync,
    PhoneNumberToLIDMapping,
)
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import WebMessageInfo

from bridge.event import Interpretation, read
from bridge.history import message_of, pieces
from bridge.merge import Evidence
from tests.bridge.events import GROUP, T0, edit, info, lid, message, phone
from tests.bridge.filled import (
    contents,
    corrupt,
    feed,
    mentions,
    messages,
    open_store,
    rows,
    rules,
    settle,
)

THANDI, THANDI_LID = "27820000071", "71"
DIRECT = "27820000099@s.whatsapp.net"
SECRET = "what nobody else is to read"


def shown(
    id_: str,
    content: Message | str,
    author: str = f"{THANDI}@s.whatsapp.net",
    *,
    chat: str = GROUP,
    at: int = T0,
    mine: bool = False,
) -> WebMessageInfo:
    """One message as the phone keeps it."""
    body = Message(conversation=content) if isinstance(content, str) else content
    one = WebMessageInfo(message=body, messageTimestamp=at // 1000, pushName="Thandi")
    one.key.remoteJID, one.key.ID, one.key.fromMe = chat, id_, mine
    if author and not mine:
        one.key.participant = author
    return one


def history(*told: WebMessageInfo, names: dict[str, str] | None = None) -> bytes:
    """A HistorySyncEv with those messages, and what it says of who is behind a LID."""
    chats: dict[str, Conversation] = {}
    for one in told:
        conversation = chats.setdefault(one.key.remoteJID, Conversation(ID=one.key.remoteJID))
        conversation.messages.add(message=one)
    mappings = [
        PhoneNumberToLIDMapping(lidJID=f"{one}@lid", pnJID=f"{pn}@s.whatsapp.net")
        for one, pn in (names or {}).items()
    ]
    data = HistorySync(
        syncType=HistorySync.RECENT,
        conversations=chats.values(),
        phoneNumberToLidMappings=mappings,
    )
    serialised: bytes = neonize.HistorySync(Data=data).SerializeToString()
    return serialised


def on_disk(volume: Path, text: str) -> bool:
    """Whether the text stands anywhere in the files of the store."""
    return any(text.encode() in one.read_bytes() for one in (volume / "current").iterdir())


def test_its_group_messages_are_stored_and_name_drops(tmp_path: Path) -> None:
    """Text, author and server time as a live message has them, also from a linked device."""
    told = history(
        shown("A1", "DR1234567", f"{THANDI}:3@s.whatsapp.net"),
        shown("A2", "DR1234568", f"{THANDI_LID}@lid", at=T0 + 1000),
        names={THANDI_LID: THANDI},
    )
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [("history", told)])
        settle(store)
        assert store.counts().backlog == 0
    assert [(one.id, one.pn, one.content, one.sent_at) for one in messages(tmp_path)] == [
        ("A1", THANDI, "DR1234567", T0),
        ("A2", THANDI, "DR1234568", T0 + 1000),
    ]
    assert {one.split()[0] for one in mentions(tmp_path)} == {"DR1234567", "DR1234568"}


def test_it_is_no_evidence_for_a_peer(tmp_path: Path) -> None:
    """A peer learns what is here, and that nobody heard it live; a live copy changes that."""
    with open_store(tmp_path) as store:
        feed(store, [("history", history(shown("A1", "DR1234567"), shown("A2", "DR1234568")))])
        settle(store)
        assert [(one.id, one.witness) for one in store.heard_after(0).messages] == [
            ("A1", False),
            ("A2", False),
        ]
        assert store.lacking([(GROUP, "A1"), (GROUP, "A3")]) == {(GROUP, "A3")}
        feed(store, [("message", message(info("A1", phone(THANDI)), "DR1234567"))])
        settle(store)
        assert {one.id: one.witness for one in store.heard_after(0).messages} == {
            "A1": True,
            "A2": False,
        }


def test_with_what_is_stored_already_it_is_one_message_in_any_order(tmp_path: Path) -> None:
    """Known by a LID to the one and by a phone number to the other: one row, one mention."""
    copies = [
        ("message", message(info("A1", lid(THANDI_LID), phone(THANDI)), "DR1234567")),
        ("history", history(shown("A1", "DR1234567", f"{THANDI_LID}@lid"))),
        ("history", history(shown("A1", "DR1234567"))),
    ]
    for number, order in enumerate(permutations(copies)):
        volume = tmp_path / str(number)
        volume.mkdir()
        with open_store(volume) as store:
            store.apply_rules(rules())
            for copy in order:
                feed(store, [copy])
                settle(store)
        assert [(one.id, one.lid, one.pn) for one in messages(volume)] == [
            ("A1", THANDI_LID, THANDI)
        ]
        assert len(mentions(volume)) == 1


def test_the_same_history_again_stores_nothing(tmp_path: Path) -> None:
    """A phone tells it at every pairing; only what is new in it is kept."""
    first, second = shown("A1", "DR1234567"), shown("A2", "DR1234568")
    with open_store(tmp_path) as store:
        feed(store, [("history", history(first))] * 2)
        feed(store, [("history", history(first, second))])
        settle(store)
    assert rows(tmp_path, "SELECT id FROM event ORDER BY seq") == [("A1",), ("A2",)]


def test_direct_chats_never_touch_the_disk(tmp_path: Path) -> None:
    """Neither their texts nor who is behind the LIDs of people who wrote in no group."""
    told = history(
        shown("A1", "DR1234567"),
        shown("D1", SECRET, chat=DIRECT),
        names={THANDI_LID: THANDI, "99": "27820000099"},
    )
    with open_store(tmp_path) as store:
        feed(store, [("history", told)])
        settle(store)
        assert not on_disk(tmp_path, SECRET)
        assert not on_disk(tmp_path, "27820000099")
        assert on_disk(tmp_path, THANDI)
    assert contents(tmp_path) == {"A1": ["DR1234567"]}


def test_an_edited_message_stands_under_its_own_id(tmp_path: Path) -> None:
    """The phone shows the new text; what was heard before the edit stays known, as withdrawn."""
    for number, (old, new) in enumerate(permutations(("DR1234567", "DR7654321"))):
        copies = [
            ("message", message(info("A1", phone(THANDI)), old)),
            ("history", history(shown("A1", edit("A1", new)))),
        ]
        for turn, order in enumerate(permutations(copies)):
            volume = tmp_path / f"{number}{turn}"
            volume.mkdir()
            with open_store(volume) as store:
                store.apply_rules(rules())
                feed(store, order)
                settle(store)
            assert contents(volume) == {"A1": [new]}
            withdrawn = {drop.split()[0]: one[2] for drop, one in mentions(volume).items()}
            assert withdrawn == {old: 1, new: 0}


def test_our_own_messages_are_ours(tmp_path: Path) -> None:
    """They name no author, and never a drop."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [("history", history(shown("A1", "DR1234567", mine=True)))])
        settle(store)
    assert [(one.id, one.own) for one in messages(tmp_path)] == [("A1", 1)]
    assert mentions(tmp_path) == {}


def test_what_has_no_content_is_no_message(tmp_path: Path) -> None:
    """Deleted messages and notices of the group have a stub instead."""
    gone = shown("A1", Message())
    gone.messageStubType = WebMessageInfo.REVOKE
    with open_store(tmp_path) as store:
        feed(store, [("history", history(gone))])
        settle(store)
    assert rows(tmp_path, "SELECT id FROM event") == []


def test_older_than_the_horizon_is_stored_and_held_back(tmp_path: Path) -> None:
    """A history may reach back for months; only what is recent is acted on."""
    old = T0 - 40 * 86_400_000
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(
            store,
            [("history", history(shown("A1", "DR1234567", at=old), shown("A2", "DR1234568")))],
        )
        settle(store)
        pending = store.pending_mentions("11111111-1111-4111-8111-111111111111", 10)
    assert {one.drop_number: one.held_back for _, one in pending} == {
        "DR1234567": True,
        "DR1234568": False,
    }


def test_a_history_that_cannot_be_read_is_kept_whole(tmp_path: Path) -> None:
    """Its bytes wait for a later version, and health counts them."""
    with open_store(tmp_path) as store:
        feed(store, [("history", b"\xff\xff not a history")])
        settle(store)
        assert store.counts().unparsed == 1
    assert rows(tmp_path, "SELECT payload FROM event") == [(b"\xff\xff not a history",)]


def test_what_an_older_version_could_not_read_is_read_now(tmp_path: Path) -> None:
    """An image that knows no history marks it as an error; this one takes it up again."""
    with open_store(tmp_path) as store:
        feed(store, [("history", history(shown("A1", "DR1234567")))])
    corrupt(tmp_path, "UPDATE event SET read_by = 1, error = 'unknown kind'")
    with open_store(tmp_path) as store:
        settle(store)
    assert contents(tmp_path) == {"A1": ["DR1234567"]}


def test_a_piece_is_read_like_a_message_that_was_heard() -> None:
    """Author by LID and number, chat, time, name and text; several messages are no piece."""
    told = history(
        shown("A1", "DR1234567", f"{THANDI_LID}:2@lid"),
        shown("A2", "x"),
        names={THANDI_LID: THANDI},
    )
    first, _ = pieces(told)
    said = read("history", first.payload, 0)
    assert isinstance(said, Interpretation)
    assert (said.chat, said.id, said.sent_at, said.text) == (GROUP, "A1", T0, "DR1234567")
    assert (said.author, said.user_name) == (Evidence(THANDI_LID, THANDI), "Thandi")
    with pytest.raises(ValueError, match="one message"):
        message_of(told)
