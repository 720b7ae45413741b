"""Pairing by an 8-character code, with the real client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import codes
from simulator.pairing import PairingError
from tests.conftest import call
from tests.simulator.room import Room

ANN, BOB = "27820000001", "27820000002"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def room(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room with two accounts and no client."""
    logs: Path = tmp_path_factory.mktemp("room")
    with Room(f"{run_id}-codes", f"org.twinbridge.test={run_id}", logs) as room:
        for phone in (ANN, BOB):
            room.post("/api/accounts", phone=phone, name=phone)
        yield room


def test_a_typed_code_links_the_client_and_messages_reach_it(room: Room) -> None:
    """The client connects, keeps no QR, and reads what is written in its group."""
    client = room.client("ann")
    client.wait("qr")
    code = client.do("pair_phone", phone=ANN)["code"]
    assert len(code.replace("-", "")) == 8
    device = room.post("/api/pair", phone=ANN, code=code.lower())
    client.wait("connected")
    assert device["phone"] == ANN
    group = room.group("Paired by code", "lid", ANN, BOB)
    row = room.post("/api/messages", group=group, sender=BOB, text="DR1234567")
    client.wait("message", id=row["id"], text="DR1234567")


def test_a_wrong_code_is_refused_and_another_one_works(room: Room) -> None:
    """Nothing is linked by a guess; the client that asks again gets in."""
    client = room.client("bob")
    client.wait("qr")
    client.do("pair_phone", phone=BOB)
    refused = call(room.url() + "/api/pair", {"phone": BOB, "code": "1111-1111"})
    assert (refused.status, "code" in refused.json["error"]) == (400, True)
    assert [one for one in room.get("/api/devices") if one["phone"] == BOB] == []
    room.post("/api/pair", phone=BOB, code=client.do("pair_phone", phone=BOB)["code"])
    client.wait("connected")


def test_a_code_that_nobody_shows_is_refused(room: Room) -> None:
    """A person who types where no client waits is told so."""
    refused = call(room.url() + "/api/pair", {"phone": BOB, "code": "ABCD-EFGH"})
    assert refused.status == 400
    assert "no client shows a code" in refused.json["error"]


def test_a_covered_key_is_read_with_its_code_only() -> None:
    """Another code gives another key, never an error; a wrong length is named."""
    key = bytes(range(32))
    hidden = codes.covered("ABCDEFGH", key)
    assert len(hidden) == 80
    assert codes.uncovered("ABCDEFGH", hidden) == key
    assert codes.uncovered("ABCDEFGJ", hidden) != key
    with pytest.raises(PairingError, match="80 bytes"):
        codes.uncovered("ABCDEFGH", hidden[:-1])
