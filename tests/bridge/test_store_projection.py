"""What events become in the store: collisions, edits, revokes, aliases, own numbers, replays."""

from pathlib import Path

import pytest
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

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
from tests.bridge.filled import (
    Event,
    contents,
    feed,
    mentions,
    messages,
    open_store,
    rows,
    rules,
    settle,
)

AUTHOR = phone("27820000001")
OTHER = phone("27820000002")


def said(
    id_: str, sender: str, content: e2e.Message | str, alternative: str = "", at: int = T0
) -> Event:
    """A captured message."""
    return "message", message(info(id_, sender, alternative, at=at), content)


def shown(volume: Path, events: list[Event]) -> None:
    """Capture and interpret with the usual rules."""
    with open_store(volume) as store:
        store.apply_rules(rules())
        feed(store, events)
        settle(store)


@pytest.mark.parametrize("backwards", [False, True])
def test_two_senders_with_one_id(tmp_path: Path, backwards: bool) -> None:
    """Both messages are kept, both drops are mentioned, and the collision is counted."""
    events = [said("A1", AUTHOR, "DR1000001"), said("A1", OTHER, "DR1000002")]
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, reversed(events) if backwards else events)
        settle(store)
        assert store.counts().forged_ids == 1
    assert contents(tmp_path) == {"A1": ["DR1000001", "DR1000002"]}
    assert set(mentions(tmp_path)) == {"DR1000001 A1", "DR1000002 A1"}
    assert [row[0] for row in rows(tmp_path, "SELECT n FROM message ORDER BY n")] == [0, 1]


def test_same_sender_with_another_text_is_a_further_version(tmp_path: Path) -> None:
    """A second body is kept and searched, and does not replace the first."""
    shown(tmp_path, [said("A1", AUTHOR, "DR1000001"), said("A1", AUTHOR, "DR1000002", at=T0 + 9)])
    assert contents(tmp_path) == {"A1": ["DR1000001"]}
    assert rows(tmp_path, "SELECT content FROM message_version ORDER BY content") == [
        ("DR1000001",), ("DR1000002",),
    ]  # fmt: skip
    assert mentions(tmp_path)["DR1000002 A1"][2] == 1


@pytest.mark.parametrize("backwards", [False, True])
def test_edit_adds_a_drop(tmp_path: Path, backwards: bool) -> None:
    """The new drop is mentioned from the edit's time on, the old one is withdrawn, none is removed.

    It does not matter whether the edit or the message comes first.
    """
    events = [
        said("A1", AUTHOR, "DR1000001"),
        said("E1", AUTHOR, edit("A1", "DR1000002"), at=T0 + 5000),
    ]
    shown(tmp_path, [*reversed(events)] if backwards else events)
    assert contents(tmp_path) == {"A1": ["DR1000002"]}
    assert mentions(tmp_path) == {
        "DR1000001 A1": ("", "27820000001", 1, T0, "E1"),
        "DR1000002 A1": ("", "27820000001", 0, T0 + 5000, "E1"),
    }


def test_forged_edit_and_revoke_change_nothing(tmp_path: Path) -> None:
    """An edit or revoke by somebody else is stored and rejected."""
    shown(
        tmp_path,
        [
            said("A1", AUTHOR, "DR1000001"),
            said("E1", OTHER, edit("A1", "DR9999999"), at=T0 + 1000),
            said("R1", OTHER, revoke("A1"), at=T0 + 2000),
        ],
    )
    assert rows(tmp_path, "SELECT content, deleted FROM messages") == [("DR1000001", 0)]
    assert mentions(tmp_path) == {"DR1000001 A1": ("", "27820000001", 0, T0, "A1")}
    assert rows(tmp_path, "SELECT id, verdict FROM amendment ORDER BY id") == [
        ("E1", "rejected"), ("R1", "rejected"),
    ]  # fmt: skip


def test_delete_before_its_message(tmp_path: Path) -> None:
    """A delete that arrives first waits, and then the message is deleted and its drop withdrawn."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [said("R1", AUTHOR, revoke("A1"), at=T0 + 1000)])
        settle(store)
        assert store.counts().waiting_amendments == 1
        feed(store, [said("A1", AUTHOR, "DR1000001")])
        settle(store)
        assert store.counts().waiting_amendments == 0
    assert rows(tmp_path, "SELECT content, deleted FROM messages") == [("DR1000001", 1)]
    assert mentions(tmp_path)["DR1000001 A1"][2] == 1


def test_edit_waits_for_an_alias(tmp_path: Path) -> None:
    """An edit by a LID on a message by a phone number counts once the pair is known."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(
            store, [said("A1", AUTHOR, "DR1000001"), said("E1", lid("77"), edit("A1", "DR1000002"))]
        )
        settle(store)
        assert contents(tmp_path) == {"A1": ["DR1000001"]}
        assert store.learn_alias("77", "27820000001", "test")
        assert not store.learn_alias("77", "27820000001", "test")
        settle(store)
    assert contents(tmp_path) == {"A1": ["DR1000002"]}
    assert mentions(tmp_path)["DR1000002 A1"][:2] == ("77", "27820000001")


def test_admin_revokes(tmp_path: Path) -> None:
    """A known admin's revoke counts, also when it is learned later that he was one."""
    events = [
        said("A1", AUTHOR, "DR1000001", lid("77")),
        said("R1", lid("88"), revoke("A1", "77@lid"), at=T0 + 9000),
    ]
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, events)
        settle(store)
        assert rows(tmp_path, "SELECT deleted FROM messages") == [(0,)]
        feed(store, [("group_snapshot", snapshot({"88": (None, True), "77": (None, False)}))])
        settle(store)
        assert rows(tmp_path, "SELECT deleted FROM messages") == [(1,)]
        # Heard last: between that list and the revoke he was no admin any more.
        feed(store, [("group", change(T0 + 5000, demote=("88@lid",)))])
        settle(store)
        assert rows(tmp_path, "SELECT deleted FROM messages") == [(0,)]
    assert rows(tmp_path, "SELECT name FROM chats") == [("Velo Test",)]


def test_lid_learned_later_fills_the_author(tmp_path: Path) -> None:
    """A phone number found later fills NULL, the mention is published again with it."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [said("A1", lid("77"), "DR1000001")])
        settle(store)
        ((mark, mention),) = store.pending_mentions("db", 9)
        assert (mention.author_lid, mention.author_pn) == ("77", None)
        store.mark_published("db", [(mark, mention)])
        assert store.unresolved_lids(9) == ("77",)
        # Another message of the same person names both.
        feed(store, [said("A2", lid("77"), "hello", AUTHOR)])
        settle(store)
        assert store.unresolved_lids(9) == ()
        ((again, mention),) = store.pending_mentions("db", 9)
        assert again > mark
        assert (mention.author_lid, mention.author_pn) == ("77", "27820000001")
    assert [seen.pn for seen in messages(tmp_path)] == ["27820000001"] * 2


def test_alias_uncovers_that_two_rows_are_one(tmp_path: Path) -> None:
    """A row that turns out to be another's copy says where it went; its key does not vanish."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        for event in (
            said("A1", lid("77"), "DR1000001"),
            said("A1", lid("78"), "DR1000002"),
            said("A1", AUTHOR, "DR1000003"),
        ):
            feed(store, [event])
            settle(store)
        assert len(messages(tmp_path)) == 3
        store.learn_alias("77", "27820000001", "test")
        settle(store)
    assert len(messages(tmp_path)) == 2
    assert rows(tmp_path, "SELECT n, superseded_by FROM message WHERE superseded_by NOT NULL") == [
        (2, 0)
    ]
    assert set(mentions(tmp_path)) == {"DR1000001 A1", "DR1000002 A1", "DR1000003 A1"}


def test_alias_uncovers_a_contradiction(tmp_path: Path) -> None:
    """Two copies held for one message are two once the LID's own phone number is known."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [said("A1", lid("77"), "DR1000001"), said("A1", OTHER, "DR1000002")])
        settle(store)
        assert len(messages(tmp_path)) == 1
        store.learn_alias("77", "27820000001", "test")
        settle(store)
        assert store.counts().forged_ids == 1
    assert contents(tmp_path) == {"A1": ["DR1000001", "DR1000002"]}


def test_contradicting_alias_is_noted_not_taken(tmp_path: Path) -> None:
    """The first word about a LID stays; another one is kept as a fact, and is no loss."""
    with open_store(tmp_path) as store:
        assert store.learn_alias("77", "1", "one")
        assert not store.learn_alias("77", "2", "two")
        assert store.counts().suspected_losses == 0
    assert rows(tmp_path, "SELECT kind, chat, id FROM loss") == [("contradicting alias", "77", "2")]


@pytest.mark.parametrize("known_before", [True, False])
@pytest.mark.parametrize("number", ["27820000001", "77"])
def test_own_numbers_are_never_mentions(tmp_path: Path, known_before: bool, number: str) -> None:
    """What our own numbers write is stored and shown; known later, its mention is withdrawn."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        if known_before:
            store.set_own_numbers({number})
        feed(store, [said("A1", AUTHOR, "DR1000001 is missing a photo", lid("77"))])
        settle(store)
        if not known_before:
            assert [one.withdrawn for _, one in store.pending_mentions("db", 9)] == [False]
            assert store.set_own_numbers({number})
            settle(store)
        assert not any(not one.withdrawn for _, one in store.pending_mentions("db", 9))
        assert not store.set_own_numbers(set())
    assert [seen.own for seen in messages(tmp_path)] == [1]
    assert mentions(tmp_path) == {}
    assert contents(tmp_path) == {"A1": ["DR1000001 is missing a photo"]}


def test_message_of_this_account_is_own(tmp_path: Path) -> None:
    """What this bridge's own phone wrote is own, whatever else is known."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        mine = info("A1", AUTHOR, from_me=True)
        feed(store, [("message", message(mine, "DR1000001"))])
        settle(store)
        assert store.pending_mentions("db", 9) == []
    assert [seen.own for seen in messages(tmp_path)] == [1]


def test_secret_edit_is_a_suspected_loss(tmp_path: Path) -> None:
    """An edit that this client cannot read is a suspected loss that names its target."""
    secret = e2e.SecretEncryptedMessage(targetMessageKey=MessageKey(ID="A1"), encPayload=b"?")
    with open_store(tmp_path) as store:
        feed(
            store,
            [
                said("A1", AUTHOR, "DR1000001"),
                said("S1", AUTHOR, e2e.Message(secretEncryptedMessage=secret)),
            ],
        )
        settle(store)
        assert store.counts().suspected_losses == 1
    ((text,),) = rows(tmp_path, "SELECT text FROM loss")
    assert "of A1" in text


def test_sender_key_before_the_text(tmp_path: Path) -> None:
    """A sole sender key under the id of the text does not take its place."""
    key = e2e.SenderKeyDistributionMessage(groupID=GROUP, axolotlSenderKeyDistributionMessage=b"k")
    shown(
        tmp_path,
        [
            said("A1", AUTHOR, e2e.Message(senderKeyDistributionMessage=key)),
            said("A1", AUTHOR, "DR1000001"),
        ],
    )
    assert contents(tmp_path) == {"A1": ["DR1000001"]}


def test_placeholder_of_an_edit_does_not_stay(tmp_path: Path) -> None:
    """A placeholder that turns out to be an edit is that edit, not an unreadable message."""
    with open_store(tmp_path) as store:
        feed(
            store,
            [
                said("A1", AUTHOR, "DR1000001"),
                ("undecryptable", undecryptable(info("E1", AUTHOR, at=T0 + 1000))),
                said("E1", AUTHOR, edit("A1", "DR1000002"), at=T0 + 1000),
            ],
        )
        settle(store)
        assert store.counts().placeholders == 0
    assert contents(tmp_path) == {"A1": ["DR1000002"]}


def test_adding_a_project_replays_what_is_stored(tmp_path: Path) -> None:
    """Messages heard before the group had a project are mentions once it has one."""
    heard = [said(f"A{number}", AUTHOR, f"DR{1_000_000 + number}") for number in range(130)]
    with open_store(tmp_path) as store:
        feed(store, heard)
        settle(store)
        assert store.counts().mentions == 0
        assert store.apply_rules(rules()) == 1
        settle(store)
        assert store.counts().mentions == 130
    with open_store(tmp_path) as store:
        assert store.apply_rules(rules()) == 0
        assert store.interpret_pending() == 0


def test_changing_a_pattern_replays(tmp_path: Path) -> None:
    """New rules find what the old ones did not; what only the old ones found is withdrawn."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [said("A1", AUTHOR, "DR1000001 and DRTEST001")])
        settle(store)
        assert set(mentions(tmp_path)) == {"DR1000001 A1"}
        assert store.apply_rules(rules(r"(DRTEST\d{3})")) == 1
        settle(store)
        pending = store.pending_mentions("db", 9)
    assert set(mentions(tmp_path)) == {"DRTEST001 A1"}
    assert {one.drop_number: one.withdrawn for _, one in pending} == {
        "DR1000001": True, "DRTEST001": False,
    }  # fmt: skip


def test_a_project_that_comes_back_is_replayed(tmp_path: Path) -> None:
    """Taken away a project keeps its mentions; back again it gets those of the time between."""
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        feed(store, [said("A1", AUTHOR, "DR1000001")])
        settle(store)
        store.apply_rules(rules(group="120363999@g.us", name="Other"))
        feed(store, [said("A2", AUTHOR, "DR1000002")])
        settle(store)
        assert set(mentions(tmp_path)) == {"DR1000001 A1"}
        assert store.apply_rules(rules()) == 1
        settle(store)
    assert set(mentions(tmp_path)) == {"DR1000001 A1", "DR1000002 A2"}
