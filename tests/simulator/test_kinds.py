"""Every kind of message: as the real client shows it, and what the requests may and may not say."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simulator.content import Shape
from simulator.writing import KINDS, NEEDS_TARGET, Draft
from tests.conftest import eventually
from tests.simulator.room import Client, Room

ANN, BOB, WRITER, BOSS = "27820000001", "27820000002", "27820000009", "27820000008"
MALFORMED = [shape.value for shape in Shape if shape is not Shape.WHOLE]
SHOWN_AS = {
    "text": "conversation",
    "extended": "extendedTextMessage",
    "image": "imageMessage",
    "document": "documentMessage",
    "edit": "protocolMessage",
    "delete": "protocolMessage",
    "reply": "extendedTextMessage",
    "reaction": "reactionMessage",
    "ephemeral": "extendedTextMessage",
    "view_once": "imageMessage",
    "mention": "extendedTextMessage",
}
KEY_ONLY = ["senderKeyDistributionMessage"]

pytestmark = pytest.mark.timeout(180)


class Cast:
    """Two paired clients in a group of each addressing, with two virtual members."""

    def __init__(self, room: Room) -> None:
        self.room = room
        for phone in (ANN, BOB, WRITER, BOSS):
            room.post("/api/accounts", phone=phone, name=f"Name {phone[-1]}")
        self.groups = {
            "pn": room.group("By number", "pn", ANN, BOB, WRITER, BOSS),
            "lid": room.group("By LID", "lid", ANN, BOB, WRITER, BOSS),
            "hidden": room.group("Hidden", "lid", ANN, BOB, WRITER, BOSS, hide_numbers=True),
        }
        self.clients = (room.paired("ann", ANN), room.paired("bob", BOB))

    def write(self, group: str, kind: str, *, sender: str = WRITER, **more: object) -> Any:  # noqa: ANN401 - the API's JSON
        """Write one message; returns its ledger row."""
        body = {"group": self.groups[group], "sender": sender, "kind": kind, **more}
        return self.room.post("/api/messages", **body)

    def delivered(self, phone: str) -> bool:
        """Whether the account's client has receipted everything."""
        return not self.room.undelivered(phone)


@pytest.fixture(scope="module")
def cast(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """One room for the file."""
    logs: Path = tmp_path_factory.mktemp("room")
    with Room(f"{run_id}-kinds", f"org.twinbridge.test={run_id}", logs) as room:
        yield Cast(room)


def shown(client: Client, identity: str) -> list[str]:
    """The fields of the message with that id, once the client has shown more than its key."""

    def probe() -> list[str] | None:
        for event in client.events:
            if (event["event"], event.get("id")) == ("message", identity):
                fields: list[str] = event["fields"]
                if fields != KEY_ONLY:
                    return fields
        return None

    return client.wait_for(f"message {identity}", probe)


def test_each_kind_has_its_expectation() -> None:
    """A kind that is added is tested here too."""
    assert set(SHOWN_AS) | set(MALFORMED) == set(KINDS)


@pytest.mark.parametrize("group", ["pn", "lid", "hidden"])
@pytest.mark.parametrize("kind", SHOWN_AS)
def test_the_real_client_shows_each_kind(cast: Cast, group: str, kind: str) -> None:
    """Both clients show it under its id, unwrapped; the ledger says what a person sees."""
    target = cast.write(group, "text", text="DR1111111")
    row = cast.write(group, kind, text="DR2222222", target=target["id"], mentions=[ANN])
    for client in cast.clients:
        assert SHOWN_AS[kind] in shown(client, row["id"])
    assert row["text"] == (None if kind == "delete" else "DR2222222")
    assert row["target_id"] == (target["id"] if kind in NEEDS_TARGET else None)
    assert not row["malformed"]


@pytest.mark.parametrize("group", ["pn", "lid", "hidden"])
def test_malformed_messages_vanish_and_the_next_one_arrives(cast: Cast, group: str) -> None:
    """All six are receipted without an event; the ledger knows that no client can show them."""
    first = cast.write(group, "text", text="so that both have the key")
    rows = [cast.write(group, kind, text="DR3333333") for kind in MALFORMED]
    assert all(row["malformed"] and row["lost_by_design"] for row in rows)
    last = cast.write(group, "text", text="after them")
    lost = {row["id"] for row in rows}
    for client, phone in zip(cast.clients, (ANN, BOB), strict=True):
        shown(client, first["id"])
        client.wait("message", id=last["id"], text="after them")
        eventually("the queue is empty", partial(cast.delivered, phone))
        assert not lost & {event.get("id") for event in client.events}


def test_a_draft_reads_what_was_asked() -> None:
    """Every field arrives; what is left out has its default."""
    body = {
        "group": "1@g.us",
        "sender": ANN,
        "kind": "edit",
        "text": "x",
        "target": "3EB0",
        "at": 7,
    }
    draft = Draft.read(body)
    assert (str(draft.group), draft.sender, draft.kind, draft.text) == ("1@g.us", ANN, "edit", "x")
    assert (draft.target, draft.at, draft.id, draft.mentions) == ("3EB0", 7, None, ())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"kind": "song"}, "song"),
        ({"kind": "edit"}, "target"),
        ({"at": "noon"}, "noon"),
        ({"at": True}, "True"),
        ({"group": "nowhere"}, "nowhere"),
    ],
)
def test_a_wrong_draft_is_refused_with_a_sentence(wrong: dict[str, object], named: str) -> None:
    """The sentence names the value or the field."""
    with pytest.raises(ValueError, match=named):
        Draft.read({"group": "1@g.us", "sender": ANN, **wrong})
