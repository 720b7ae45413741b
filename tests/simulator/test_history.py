"""History sync: what a phone tells a client that was linked late, read by the real client."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import eventually
from tests.simulator.room import Room

ANN, LATE, UNLUCKY, WRITER = "27820000001", "27820000002", "27820000003", "27820000009"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def room(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room with phones and no client."""
    logs: Path = tmp_path_factory.mktemp("room")
    with Room(f"{run_id}-history", f"org.twinbridge.test={run_id}", logs) as room:
        for phone in (ANN, LATE, WRITER):
            room.post("/api/accounts", phone=phone, name=phone)
        yield room


def tell(room: Room, phone: str, way: str) -> int:
    """Let the phone tell its device the history; returns how many messages it holds."""
    (device,) = [one["jid"] for one in room.get("/api/devices") if one["phone"] == phone]
    return int(room.post(f"/api/devices/{quote(device)}/history", way=way)["messages"])


@pytest.mark.parametrize(("way", "phone"), [("inline", ANN), ("media", LATE)])
def test_a_client_linked_late_is_told_what_was_written_before(
    room: Room, way: str, phone: str
) -> None:
    """Texts, ids, times and authors as in the ledger; edits and deletes as the phone shows them."""
    group = room.group(f"Old {way}", "lid", phone, WRITER)
    hidden = room.group(f"Hidden {way}", "lid", phone, WRITER, hide_numbers=True)
    other = room.group(f"Elsewhere {way}", "pn", WRITER)
    first = room.post("/api/messages", group=group, sender=WRITER, text="DR0000001")
    wrong = room.post("/api/messages", group=group, sender=WRITER, text="DR0000002")
    gone = room.post("/api/messages", group=group, sender=WRITER, text="DR0000003")
    mine = room.post("/api/messages", group=hidden, sender=phone, text="from my phone")
    room.post("/api/messages", group=other, sender=WRITER, text="not for me")
    for kind, target, text in (("edit", wrong, "DR0000022"), ("delete", gone, "")):
        room.post(
            "/api/messages", group=group, sender=WRITER, kind=kind, target=target["id"], text=text
        )
    client = room.paired(f"late-{way}", phone)
    assert tell(room, phone, way) == 4
    told = client.wait("history")
    shown = {chat: messages for chat, messages in told["conversations"].items() if messages}
    lid = f"{first['sender_lid']}@lid"
    assert shown[hidden] == [
        {"id": mine["id"], "participant": "", "text": mine["text"], "t": mine["t"], "stub": 0}
    ]
    assert [
        (one["id"], one["participant"], one["text"], one["stub"], one["t"]) for one in shown[group]
    ] == [
        (first["id"], lid, "DR0000001", 0, first["t"]),
        (wrong["id"], lid, "", 0, wrong["t"]),
        (gone["id"], lid, "", 1, gone["t"]),
    ]
    assert shown.keys() == {group, hidden}
    assert told["names"] == {lid: f"{WRITER}@s.whatsapp.net"}
    eventually("it is receipted", lambda: room.undelivered(phone) == 0)


def test_a_history_that_cannot_be_downloaded_is_gone(room: Room) -> None:
    """The phone has its receipt before the client fetches it; a line in the log is all that is
    left of it, and the next history comes.
    """
    room.post("/api/accounts", phone=UNLUCKY, name="Unlucky")
    group = room.group("Lost", "pn", UNLUCKY, WRITER)
    row = room.post("/api/messages", group=group, sender=WRITER, text="DR0000004")
    client = room.paired("unlucky", UNLUCKY)
    log = room.logs / "unlucky.log"
    room.post("/api/media/faults", fault="404")
    try:
        tell(room, UNLUCKY, "media")
        eventually("the log says so", lambda: "Failed to download history sync" in log.read_text())
    finally:
        room.delete("/api/media/faults")
    eventually("it is receipted all the same", lambda: room.undelivered(UNLUCKY) == 0)
    assert "history" not in [event["event"] for event in client.events]
    tell(room, UNLUCKY, "media")
    assert row["id"] in {one["id"] for one in client.wait("history")["conversations"][group]}
