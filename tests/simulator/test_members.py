"""Virtual members against listeners that read Signal as a client does, written apart."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from simulator import api
from simulator.codes import Codes
from simulator.faults import Faults, Standing
from simulator.groups import Groups
from simulator.node import Node
from simulator.pairing import Pairing
from simulator.relay import WINDOW, Retry
from tests.simulator.studio import Heard, Listener, Studio, studio

ANN, BOB = "27000000001", "27000000002"
THABO, LERATO = "27000000101", "27000000102"
PN, LID, HIDDEN = "120363000000000001@g.us", "120363000000000002@g.us", "120363000000000003@g.us"
GROUPS = ((PN, "pn", False), (LID, "lid", False), (HIDDEN, "lid", True))


@dataclass
class Stage:
    """Three groups with two listeners and two technicians, driven by the HTTP API."""

    scene: Studio
    http: TestClient[Request, Application]

    async def post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - the API's JSON
        """POST and expect success."""
        answer = await self.http.post(path, json=body)
        content = await answer.json()
        assert answer.status < 300, (path, body, content)
        return content

    async def write(self, group: str, sender: str, kind: str, **more: object) -> dict[str, Any]:
        """One message; returns its ledger row."""
        row = await self.post("/api/messages", group=group, sender=sender, kind=kind, **more)
        assert isinstance(row, dict)
        return row

    async def bulk(self, messages: list[dict[str, object]], **more: object) -> list[dict[str, Any]]:
        """Many messages; returns their ledger rows."""
        answer = await self.post("/api/messages/bulk", messages=messages, **more)
        rows = answer["rows"]
        assert isinstance(rows, list)
        return rows

    async def populate(self) -> None:
        """Accounts, groups, members; the notifications are not what is tested here."""
        for phone, name in ((THABO, "Thabo"), (LERATO, "Lerato")):
            await self.post("/api/accounts", phone=phone, name=name)
        for jid, addressing, hidden in GROUPS:
            group = {"jid": jid, "subject": jid, "addressing": addressing, "hide_numbers": hidden}
            await self.post("/api/groups", **group)
            for phone in (ANN, BOB, THABO, LERATO):
                await self.post(f"/api/groups/{jid}/members", phone=phone)
        for listener in self.listeners:
            listener.stanzas.clear()

    @property
    def listeners(self) -> tuple[Listener, Listener]:
        """The two bridges' stand-ins."""
        return self.scene.listeners[ANN], self.scene.listeners[BOB]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A populated stage."""
    with studio(tmp_path / "simulator.db") as scene:
        async with TestClient(TestServer(_application(scene))) as client:
            stage = Stage(scene, client)
            scene.listener(ANN, "Ann")
            scene.listener(BOB, "Bob")
            await stage.populate()
            yield stage


def _application(scene: Studio) -> Application:
    groups = Groups(scene.world, scene.relay)
    faults = Faults(scene.relay, Standing(scene.world.now), {})
    return api.application(scene.world, scene.relay, groups, Codes(Pairing(scene.world)), faults)


def _enc_types(heard: Heard) -> list[str]:
    return [enc.text("type") for enc in heard.stanza.all("enc")]


@pytest.mark.parametrize("group", [PN, LID, HIDDEN])
async def test_a_thousand_messages_are_read_by_both_as_the_ledger_has_them(
    stage: Stage, group: str
) -> None:
    """Text, id, time, sender and order agree at both; the number is there unless hidden."""
    messages: list[dict[str, object]] = [
        {
            "group": group,
            "sender": (THABO, LERATO)[number % 2],
            "kind": "text",
            "text": f"DR{1_700_000 + number} ✓ {'x' * (number % 40)}",
        }
        for number in range(1000)
    ]
    rows = await stage.bulk(messages)
    assert [row["text"] for row in rows] == [message["text"] for message in messages]
    expected = [(row["id"], row["text"], str(row["t"]), row["sender_pn"]) for row in rows]
    for listener in stage.listeners:
        read = [
            (
                heard.id,
                heard.content.conversation if heard.content else heard.why,
                heard.stanza.text("t"),
                _author(stage, heard),
            )
            for heard in listener.heard
        ]
        assert read == expected
        told = "".join(str(heard.stanza) for heard in listener.heard)
        assert ("@s.whatsapp.net" in told) == (group != HIDDEN)
    assert {row["number_hidden"] for row in rows} == {group == HIDDEN}


def _author(stage: Stage, heard: Heard) -> str:
    participant = heard.stanza.jid("participant")
    account = stage.scene.world.account_of(participant) if participant else None
    return account.phone if account else "nobody"


async def test_a_sender_key_is_brought_once_per_member_group_and_device(stage: Stage) -> None:
    """The first message carries it beside the text; from then on one ciphertext serves all."""
    for group in (PN, LID):
        for sender in (THABO, LERATO):
            for text in ("first", "second"):
                await stage.write(group, sender, "text", text=text)
    for listener in stage.listeners:
        assert [_enc_types(heard) for heard in listener.heard] == [
            ["pkmsg", "skmsg"],
            ["skmsg"],
        ] * 4
        assert listener.texts() == ["first", "second"] * 4
    shared = [
        [enc.data for heard in listener.heard for enc in heard.stanza.all("enc")][1::3]
        for listener in stage.listeners
    ]
    assert shared[0] == shared[1]


async def test_a_device_that_is_paired_later_gets_the_key_with_its_first_message(
    stage: Stage,
) -> None:
    """Nothing of what was written before is needed to read what comes after."""
    await stage.write(LID, THABO, "text", text="before")
    carol = stage.scene.listener("27000000003", "Carol")
    await stage.post(f"/api/groups/{LID}/members", phone="27000000003")
    await stage.write(LID, THABO, "text", text="after")
    assert carol.texts() == ["after"]
    assert stage.listeners[0].texts() == ["before", "after"]
    assert _enc_types(stage.listeners[0].heard[1]) == ["skmsg"]


async def test_a_restart_keeps_the_members_keys(tmp_path: Path) -> None:
    """A simulator started again on its state goes on where the chains were."""
    path = tmp_path / "simulator.db"
    with studio(path) as scene:
        async with TestClient(TestServer(_application(scene))) as client:
            before = Stage(scene, client)
            for phone, name in ((ANN, "Ann"), (BOB, "Bob")):
                scene.listener(phone, name)
            await before.populate()
            await before.write(HIDDEN, THABO, "text", text="before")
            old = scene.listeners
    with studio(path) as scene:
        scene.listeners = old
        for phone, listener in old.items():
            listener.relay = scene.relay
            scene.connect(phone)
        async with TestClient(TestServer(_application(scene))) as client:
            row = await Stage(scene, client).write(HIDDEN, THABO, "text", text="after")
    assert row["seq"] == 2
    for listener in old.values():
        assert listener.texts() == ["before", "after"]
        assert _enc_types(listener.heard[1]) == ["skmsg"]


async def test_a_device_that_asks_again_gets_key_and_text(stage: Stage) -> None:
    """The answer to a retry receipt opens a new session and carries the original content."""
    row = await stage.write(LID, THABO, "text", text="DR1234567")
    ann = stage.listeners[0]
    thabo = stage.scene.world.accounts[THABO]
    group = ann.heard[0].stanza.jid("from")
    assert group is not None
    assert stage.scene.relay.on_retry is not None
    ann.sender_keys.clear()
    receipt = Node("receipt", {"type": "retry", "id": row["id"]})
    await stage.scene.relay.on_retry(Retry(ann.device, group, row["id"], thabo, 2, receipt))
    again = ann.heard[-1]
    assert (again.id, again.stanza.text("t")) == (row["id"], str(row["t"]))
    (enc,) = again.stanza.all("enc")
    assert (enc.text("type"), enc.text("count")) == ("pkmsg", "2")
    assert ann.texts()[-1] == "DR1234567"
    await stage.write(LID, THABO, "text", text="and on")
    assert ann.texts()[-1] == "and on"
    assert stage.scene.relay.ledger.count() == 2


async def test_a_retry_does_not_make_older_messages_unreadable(stage: Stage) -> None:
    """The key comes as it was for that message, so what is still on its way can be read."""
    ann, bob = stage.listeners
    first = await stage.write(LID, THABO, "text", text="first")
    stage.scene.disconnect(ANN)
    await stage.write(LID, THABO, "text", text="on its way")
    ann.sender_keys.clear()
    group, thabo = ann.heard[0].stanza.jid("from"), stage.scene.world.accounts[THABO]
    assert group is not None
    assert stage.scene.relay.on_retry is not None
    (waiting,) = stage.scene.relay.backlog(ann.device.jid)
    stage.scene.connect(ANN)
    retry = Retry(ann.device, group, first["id"], thabo, 1, Node("receipt"))
    await stage.scene.relay.on_retry(retry)
    ann.send(waiting.stanza)
    assert ann.texts() == ["first", "first", "on its way"]
    assert bob.texts() == ["first", "on its way"]


async def test_a_stanza_that_the_client_drops_takes_no_key_with_it(stage: Stage) -> None:
    """The sender's key comes with the first message that can be read."""
    await stage.write(PN, THABO, "no_participant", text="dropped")
    await stage.write(PN, THABO, "text", text="read")
    assert [_enc_types(heard) for heard in stage.listeners[0].heard] == [
        ["skmsg"],
        ["pkmsg", "skmsg"],
    ]


async def test_each_device_may_get_the_same_messages_in_its_own_order(stage: Stage) -> None:
    """`order` turns what one account's devices get; both can read all of it."""
    ids = [f"3EB0{number:04d}" for number in range(6)]
    messages: list[dict[str, object]] = [
        {"group": PN, "sender": THABO, "kind": "text", "text": f"DR{identity}", "id": identity}
        for identity in ids
    ]
    turned = ids[::-1]
    rows = await stage.bulk(messages, order={BOB: turned})
    assert [row["id"] for row in rows] == ids
    ann, bob = stage.listeners
    assert [heard.id for heard in ann.heard] == ids
    assert [heard.id for heard in bob.heard if heard.content] == turned
    assert bob.texts() == [f"DR{identity}" for identity in turned]


async def test_a_held_message_waits_for_its_release(stage: Stage) -> None:
    """One listener has it at once, the other when its phone is released, behind what came since."""
    held = await stage.write(PN, THABO, "text", text="DR1111111", hold=[BOB])
    free = await stage.write(PN, THABO, "text", text="DR2222222")
    ann, bob = stage.listeners
    assert ann.texts() == ["DR1111111", "DR2222222"]
    assert [heard.id for heard in bob.heard if heard.content] == [free["id"]]
    assert [row.id for row in stage.scene.relay.ledger.after(0, 10)] == [held["id"], free["id"]]
    assert await stage.post("/api/release", phone=BOB) == {"released": 1}
    assert bob.texts() == ["DR2222222", "DR1111111"]
    assert await stage.post("/api/release", phone=BOB) == {"released": 0}


async def test_writing_waits_for_the_receipts_of_a_connected_device(stage: Stage) -> None:
    """No device has more than the window in flight, and the last message still arrives."""
    ann, _ = stage.listeners
    ann.receipts = False
    messages: list[dict[str, object]] = [
        {"group": PN, "sender": THABO, "kind": "text", "text": f"DR{number:07d}"}
        for number in range(WINDOW + 50)
    ]
    writing = asyncio.create_task(stage.bulk(messages))
    async with asyncio.timeout(30):
        await ann.has_heard(WINDOW)
    assert not writing.done()
    ann.receipts = True
    for stanza in list(ann.stanzas):
        ann.receipt(stanza)
    rows = await writing
    assert [heard.id for heard in ann.heard] == [row["id"] for row in rows]
    assert ann.deepest <= WINDOW


async def test_an_absent_device_does_not_stop_the_writers(stage: Stage) -> None:
    """Its queue grows, the other device has everything."""
    stage.scene.disconnect(BOB)
    rows = await stage.bulk(
        [
            {"group": PN, "sender": THABO, "kind": "text", "text": f"DR{number:07d}"}
            for number in range(WINDOW + 10)
        ]
    )
    ann, bob = stage.listeners
    assert len(ann.heard) == len(rows)
    assert stage.scene.relay.queues.size(bob.device.jid) == len(rows)


async def test_a_rate_is_kept(stage: Stage) -> None:
    """20 messages at 100 a second take at least 0.19 s, and are in the ledger in order."""
    began = asyncio.get_running_loop().time()
    rows = await stage.bulk(
        [{"group": PN, "sender": THABO, "kind": "text", "text": str(n)} for n in range(20)],
        rate=100,
    )
    assert asyncio.get_running_loop().time() - began >= 0.19
    assert [row["text"] for row in rows] == [str(number) for number in range(20)]


async def test_two_senders_may_use_one_id(stage: Stage) -> None:
    """Both messages are delivered, and the ledger holds both under the same id."""
    for sender, text in ((THABO, "DR1111111"), (LERATO, "DR2222222")):
        await stage.write(PN, sender, "text", text=text, id="3EB0SAME")
    for listener in stage.listeners:
        assert listener.texts() == ["DR1111111", "DR2222222"]
        assert {heard.id for heard in listener.heard} == {"3EB0SAME"}
    rows = stage.scene.relay.ledger.find(PN, "3EB0SAME")
    assert [row.sender_pn for row in rows] == [THABO, LERATO]
