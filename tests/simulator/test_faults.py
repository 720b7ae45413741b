"""Faults of a device, and how the real client takes each of them."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from simulator.faults import Fault, InForce, Standing
from simulator.node import Jid, Node
from tests.conftest import call, eventually
from tests.simulator.room import Client, Room

WRITER = "27820000019"
DEVICE = Jid("27820000001", "s.whatsapp.net", 1)
GROUP, OTHER = Jid("1", "g.us"), Jid("2", "g.us")

pytestmark = pytest.mark.timeout(300)


class Ward:
    """One room, a group, somebody who writes, and clients to be broken."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._clients = 0
        room.post("/api/accounts", phone=WRITER, name="Writer")
        self.group = room.group("Ward", "pn", WRITER)

    def patient(self) -> tuple[Client, str]:
        """A fresh paired client in the group, and its number."""
        self._clients += 1
        phone = f"2782000011{self._clients}"
        self.room.post("/api/accounts", phone=phone, name=phone)
        self.room.post(f"/api/groups/{quote(self.group)}/members", phone=phone)
        return self.room.paired(f"patient-{self._clients}", phone), phone

    def device(self, phone: str) -> dict[str, object]:
        """The number's device as the API shows it."""
        (found,) = (one for one in self.room.get("/api/devices") if one["phone"] == phone)
        return dict(found)

    def hurt(self, phone: str, fault: str, **more: object) -> None:
        """Apply a fault."""
        jid = quote(str(self.device(phone)["jid"]))
        self.room.post(f"/api/devices/{jid}/faults", fault=fault, **more)

    def heal(self, phone: str) -> None:
        """Lift every fault."""
        jid = quote(str(self.device(phone)["jid"]))
        self.room.delete(f"/api/devices/{jid}/faults")

    def write(self, text: str) -> None:
        """Somebody writes into the group."""
        self.room.post("/api/messages", group=self.group, sender=WRITER, text=text)


@pytest.fixture(scope="module")
def ward(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """One room for the file."""
    logs: Path = tmp_path_factory.mktemp("ward")
    with Room(f"{run_id}-ward", f"org.twinbridge.test={run_id}", logs) as room:
        yield Ward(room)


@pytest.mark.parametrize("fault", ["close", "abort"])
def test_a_lost_connection_comes_back(ward: Ward, fault: str) -> None:
    """The client reconnects by itself and gets what was written meanwhile."""
    client, phone = ward.patient()
    seen = len(client.events)
    ward.hurt(phone, fault)
    ward.write(f"after {fault}")
    client.wait("connected", after=seen)
    client.wait("message", text=f"after {fault}")


@pytest.mark.parametrize("by", ["lifting", "a login"])
def test_a_deaf_client_gets_what_was_held_back(ward: Ward, by: str) -> None:
    """No event tells of deafness; nobody who writes waits for it, and nothing is lost by it."""
    client, phone = ward.patient()
    ward.write(f"before {by}")
    client.wait("message", text=f"before {by}")
    seen = len(client.events)
    ward.hurt(phone, "deaf")
    for number in range(3):
        ward.write(f"{by} {number}")
    assert ward.device(phone)["queued"] == 3
    assert ward.device(phone)["connected"]
    assert ward.device(phone)["faults"] == ["deaf"]
    assert client.events[seen:] == []
    if by == "lifting":
        ward.heal(phone)
    else:
        ward.hurt(phone, "close")
    client.wait("message", after=seen, text=f"{by} 2")
    assert client.texts(seen) == [f"{by} {number}" for number in range(3)]
    assert ward.device(phone)["faults"] == []


def test_after_a_split_frame_nothing_is_read_until_the_connection_is_a_new_one(ward: Ward) -> None:
    """No event tells of it; what was written meanwhile comes with the next login."""
    client, phone = ward.patient()
    seen = len(client.events)
    ward.hurt(phone, "split")
    for number in range(3):
        ward.write(f"split {number}")
    assert ward.device(phone)["queued"] == 3
    assert ward.device(phone)["connected"]
    assert client.texts(seen) == []
    ward.hurt(phone, "close")
    client.wait("message", after=seen, text="split 2")
    assert client.texts(seen) == [f"split {number}" for number in range(3)]


def test_a_silent_server_keeps_what_it_does_not_send(ward: Ward) -> None:
    """Lifting brings it."""
    client, phone = ward.patient()
    seen = len(client.events)
    ward.hurt(phone, "silent")
    ward.write("while silent")
    assert ward.device(phone)["queued"] == 1
    assert client.texts(seen) == []
    ward.heal(phone)
    client.wait("message", after=seen, text="while silent")


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_silence_is_noticed_and_a_split_frame_is_left_behind(ward: Ward) -> None:
    """Unanswered pings are told after some 35 s, in either case; some 180 s after a split frame the
    client dials anew by itself and has what was written.
    """
    patients = {fault: ward.patient() for fault in ("split", "silent")}
    seen = {fault: len(client.events) for fault, (client, _) in patients.items()}
    for fault, (_, phone) in patients.items():
        ward.hurt(phone, fault)
    ward.write("into the silence")
    for fault, (client, _) in patients.items():
        client.wait("unanswered", after=seen[fault])
        assert client.texts(seen[fault]) == []
    ward.heal(patients["silent"][1])
    split = patients["split"][0]
    split.wait("connected", after=seen["split"], within_s=400)
    for fault, (client, _) in patients.items():
        client.wait("message", after=seen[fault], text="into the silence")


def test_replaced_stops_the_client(ward: Ward) -> None:
    """The client is told, and does not come back by itself."""
    client, phone = ward.patient()
    ward.hurt(phone, "replaced")
    client.wait("replaced")
    eventually("it is gone", lambda: not ward.device(phone)["connected"])


@pytest.mark.parametrize(
    ("fault", "on_connect"), [("logged_out", False), ("logged_out_at_connect", True)]
)
def test_a_removed_device_is_told_and_gone(ward: Ward, fault: str, on_connect: bool) -> None:
    """While it is connected or at its next login; the server has forgotten it."""
    client, phone = ward.patient()
    ward.hurt(phone, fault)
    assert client.wait("logged_out")["on_connect"] == on_connect
    assert phone not in {one["phone"] for one in ward.room.get("/api/devices")}


def test_a_refused_client_comes_back_when_it_may(ward: Ward) -> None:
    """503 at each login until lifted."""
    client, phone = ward.patient()
    seen = len(client.events)
    ward.hurt(phone, "refused")
    eventually("it is out", lambda: not ward.device(phone)["connected"])
    ward.write("while refused")
    ward.heal(phone)
    client.wait("connected", after=seen)
    client.wait("message", text="while refused")


def test_a_duplicate_is_shown_once(ward: Ward) -> None:
    """The client drops the second copy and receipts it."""
    client, phone = ward.patient()
    ward.write("so that the key is known")
    client.wait("message", text="so that the key is known")
    seen = len(client.events)
    ward.hurt(phone, "duplicate")
    ward.write("twice")
    ward.heal(phone)
    ward.write("once")
    client.wait("message", after=seen, text="once")
    assert client.texts(seen) == ["twice", "once"]


def test_a_fault_that_is_none_is_named(ward: Ward) -> None:
    """A wrong word or device is refused with a sentence."""
    _, phone = ward.patient()
    jid = quote(str(ward.device(phone)["jid"]))
    for path, fault, said in (
        (f"/api/devices/{jid}/faults", "tired", "'tired'"),
        ("/api/devices/1:1%40s.whatsapp.net/faults", "close", "no such device"),
    ):
        answer = call(ward.room.url() + path, {"fault": fault})
        assert answer.status == 400
        assert said in str(answer.json)


@pytest.mark.parametrize(
    ("fault", "reason"), [(Fault.REFUSED, "503"), (Fault.BANNED, "402"), (Fault.OUTDATED, "405")]
)
def test_a_login_is_refused_until_the_time_is_over(fault: Fault, reason: str) -> None:
    """What runs out lets the device in again, and a ban says how much is left."""
    now = 100.0
    standing = Standing(lambda: now, {DEVICE: {fault: InForce(until=130.0)}})
    refusal = standing.refusal(DEVICE)
    assert refusal is not None
    assert refusal.text("reason") == reason
    assert refusal.text("expire") == ("30" if fault is Fault.BANNED else "")
    now = 130.0
    assert standing.refusal(DEVICE) is None


def test_deaf_in_one_group_hears_the_others() -> None:
    """Answers and the other group's messages pass; a login ends it."""
    standing = Standing(lambda: 0.0, {DEVICE: {Fault.DEAF: InForce(group=GROUP)}})
    assert standing.copies(DEVICE, Node("message", {"from": GROUP})) == 0
    assert standing.copies(DEVICE, Node("message", {"from": OTHER})) == 1
    assert standing.copies(DEVICE, Node("iq", {"from": GROUP})) == 1
    assert standing.refusal(DEVICE) is None
    assert standing.copies(DEVICE, Node("message", {"from": GROUP})) == 1
