"""The real client against the simulator: what the protocol core promises, seen from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.simulator.room import Client, Room

ANN, BOB, WRITER = "27820000001", "27820000002", "27820000009"

pytestmark = pytest.mark.timeout(300)


class Cast:
    """Two paired clients, and a group of each addressing with both and a virtual member."""

    def __init__(self, room: Room) -> None:
        self.room = room
        for phone, name in ((ANN, "Ann"), (BOB, "Bob"), (WRITER, "Writer")):
            room.post("/api/accounts", phone=phone, name=name)
        members = (ANN, BOB, WRITER)
        self.pn = room.group("By number", "pn", *members)
        self.lid = room.group("By LID", "lid", *members)
        self.hidden = room.group("Hidden", "lid", *members, hide_numbers=True)
        self.ann = room.paired("ann", ANN)
        self.bob = room.paired("bob", BOB)


@pytest.fixture(scope="module")
def cast(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """One room for the file: pairing is tested by setting it up."""
    logs: Path = tmp_path_factory.mktemp("room")
    with Room(f"{run_id}-core", f"org.twinbridge.test={run_id}", logs) as room:
        yield Cast(room)


def restarted(client: Client, room: Room, name: str, session: str) -> Client:
    """Kill the client and start another process on its session."""
    client.kill()
    room.clients.remove(client)
    return room.client(name, session)


def test_a_client_sees_its_groups_with_the_identities_each_allows(cast: Cast) -> None:
    """Numbers in a number group, both in a LID group, no number where they are hidden."""
    groups = {group["subject"]: group for group in cast.ann.do("groups")["groups"]}
    assert {group["jid"] for group in groups.values()} == {cast.pn, cast.lid, cast.hidden}
    for subject, server, shown in (
        ("By number", "s.whatsapp.net", True),
        ("By LID", "lid", True),
        ("Hidden", "lid", False),
    ):
        members = groups[subject]["members"]
        assert len(members) >= 3
        assert all(member["jid"].endswith(server) for member in members)
        assert all(bool(member["phone"]) == shown for member in members)


@pytest.mark.parametrize("group", ["pn", "lid", "hidden"])
def test_what_one_client_sends_the_other_reads(cast: Cast, group: str) -> None:
    """Text, id, chat, time and name arrive; the number is there unless the group hides it."""
    chat = getattr(cast, group)
    sent = cast.ann.do("send", to=chat, text=f"Hello {group} ✓")
    read = cast.bob.wait("message", id=sent["id"], text=f"Hello {group} ✓")
    assert read["chat"] == chat
    assert read["t_ms"] == sent["t"] * 1000
    assert read["push_name"] == "Ann"
    assert not read["from_me"]
    identities = {read["sender"], read["alternative"]}
    assert any(ANN in identity for identity in identities) == (group != "hidden")
    assert any(identity.endswith("@lid") for identity in identities)


@pytest.mark.parametrize("group", ["pn", "lid", "hidden"])
def test_a_thousand_messages_reach_both_clients_as_the_ledger_has_them(
    cast: Cast, group: str
) -> None:
    """Id, text, sender, other identity, time and order, at two receivers, for every addressing."""
    chat = getattr(cast, group)
    clients = (cast.ann, cast.bob)
    seen = [len(client.events) for client in clients]
    messages = [
        {"group": chat, "sender": WRITER, "kind": "text", "text": f"{group} DR{number:07d} ✓"}
        for number in range(1000)
    ]
    rows = cast.room.post("/api/messages/bulk", messages=messages)["rows"]
    expected = [
        (
            row["id"],
            row["text"],
            row["t"] * 1000,
            *identities(row, group),
        )
        for row in rows
    ]
    assert [row["text"] for row in rows] == [message["text"] for message in messages]
    for client, after in zip(clients, seen, strict=True):
        client.wait("message", after=after, id=rows[-1]["id"], text=rows[-1]["text"])
        arrived = [
            (event["id"], event["text"], event["t_ms"], event["sender"], event["alternative"])
            for event in client.events[after:]
            if event["event"] == "message" and event["text"] and event["chat"] == chat
        ]
        assert arrived == expected


def identities(row: dict[str, str], group: str) -> tuple[str, str]:
    """How a client names the author of a ledger row, and by what other name it knows it."""
    number, lid = f"{row['sender_pn']}@s.whatsapp.net", f"{row['sender_lid']}@lid"
    return {"pn": (number, lid), "lid": (lid, number), "hidden": (lid, "")}[group]


def test_a_direct_message_arrives(cast: Cast) -> None:
    """Written to a phone number, whose LID the sender has to ask for."""
    sent = cast.bob.do("send", to=f"{ANN}@s.whatsapp.net", text="just you")
    assert cast.ann.wait("message", id=sent["id"], text="just you")["sender"].endswith("@lid")


def test_what_was_sent_while_a_client_was_away_arrives_once_and_in_order(cast: Cast) -> None:
    """The queue outlives the client's death and the simulator's; nothing comes twice."""
    cast.bob.kill()
    cast.room.clients.remove(cast.bob)
    texts = [f"away {number}" for number in range(20)]
    for text in texts:
        cast.ann.do("send", to=cast.lid, text=text)
    eventually("all are queued", lambda: cast.room.undelivered(BOB) == len(texts))
    cast.room.restart_simulator()
    cast.bob = cast.room.client("bob-again", "bob")
    cast.bob.wait("message", text=texts[-1])
    eventually("all are receipted", lambda: cast.room.undelivered(BOB) == 0)
    assert cast.bob.texts() == texts


def test_a_restart_of_the_simulator_logs_nobody_out(cast: Cast) -> None:
    """Both clients come back by themselves, keep their sessions and write on."""
    clients = (cast.ann, cast.bob)
    seen = [len(client.events) for client in clients]
    cast.room.restart_simulator()
    for client, after in zip(clients, seen, strict=True):
        client.wait("connected", after=after)
        names = [event["event"] for event in client.events[after:]]
        assert "logged_out" not in names
        assert "qr" not in names
    sent = cast.bob.do("send", to=cast.pn, text="still here")
    cast.ann.wait("message", id=sent["id"], text="still here")


def test_a_device_that_lacks_the_key_asks_again_and_gets_the_text(cast: Cast) -> None:
    """A client paired anew cannot read the first message; its retry receipt reaches the sender."""
    cast.ann.do("send", to=cast.lid, text="so that Ann has a sender key")
    second = cast.room.paired("bob-second", BOB)
    sent = cast.ann.do("send", to=cast.lid, text="asked for again")
    second.wait("message", id=sent["id"], text="asked for again")
    assert [event["id"] for event in second.events if event["event"] == "undecryptable"] == [
        sent["id"]
    ]


def test_a_second_login_of_a_device_replaces_the_first(cast: Cast) -> None:
    """The older process hears `replaced` and stays away; the newer one is connected."""
    first = cast.room.paired("ann-first", ANN)
    second = cast.room.client("ann-second", "ann-first")
    second.wait("connected")
    first.wait("replaced")
    assert "logged_out" not in [event["event"] for event in first.events]
