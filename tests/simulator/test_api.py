"""The HTTP API: who may change something, what it creates, how it refuses."""

import re
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from simulator import api
from simulator.codes import Codes
from simulator.faults import Faults, Standing
from simulator.groups import Groups
from simulator.ledger import LedgerRow
from simulator.pairing import Pairing
from simulator.writing import KINDS
from tests.simulator.studio import Studio, studio

ROOT = Path(__file__).resolve().parents[2]
Api = TestClient[Request, Application]
TECHNICIAN, BRIDGE = "27000000101", "27000000001"
GROUP = "120363000000000001@g.us"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[tuple[Studio, Api]]:
    """The API of a studio."""
    with studio(tmp_path / "simulator.db") as scene:
        application = api.application(
            scene.world,
            scene.relay,
            Groups(scene.world, scene.relay),
            Codes(Pairing(scene.world)),
            Faults(scene.relay, Standing(scene.world.now), {}),
        )
        async with TestClient(TestServer(application)) as client:
            yield scene, client


async def test_a_foreign_host_reads_but_changes_nothing(stage: tuple[Studio, Api]) -> None:
    """A page elsewhere whose name was pointed at this machine cannot drive the simulator."""
    scene, client = stage
    foreign = {"Host": "evil.example:8090"}
    body = {"phone": TECHNICIAN, "name": "Thabo"}
    refused = await client.post("/api/accounts", json=body, headers=foreign)
    assert refused.status == 403
    assert "evil.example" in (await refused.json())["error"]
    assert scene.world.accounts == {}


@pytest.mark.parametrize("host", ["localhost:8090", "127.0.0.1", "simulator:8090"])
async def test_its_own_names_may_change_something(stage: tuple[Studio, Api], host: str) -> None:
    """With and without a port, by address and by the names of the stack's network."""
    scene, client = stage
    body = {"phone": TECHNICIAN, "name": "Thabo"}
    made = await client.post("/api/accounts", json=body, headers={"Host": host})
    assert made.status == 201
    assert scene.world.accounts[TECHNICIAN].name == "Thabo"


async def test_a_form_on_a_foreign_page_changes_nothing(stage: tuple[Studio, Api]) -> None:
    """A browser sends a foreign form to localhost without asking; its Origin gives it away."""
    scene, client = stage
    body = '{"phone": "27000000101", "name": "Thabo"}'
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    refused = await client.post("/api/accounts", data=body, headers=headers)
    assert refused.status == 403
    assert scene.world.accounts == {}


async def test_creating_twice_is_creating_once(stage: tuple[Studio, Api]) -> None:
    """Accounts, groups and members: the second request finds what the first one made."""
    _, client = stage
    account = {"phone": TECHNICIAN, "name": "Thabo"}
    group = {"jid": GROUP, "subject": "Lawley", "addressing": "lid", "hide_numbers": True}
    for _attempt in range(2):
        for path, body in (
            ("/api/accounts", account),
            ("/api/groups", group),
            (f"/api/groups/{GROUP}/members", {"phone": TECHNICIAN, "role": "admin"}),
        ):
            assert (await client.post(path, json=body)).status in {200, 201}
    state = await (await client.get("/api/state")).json()
    (made,) = state["groups"]
    assert made["jid"] == GROUP
    assert (made["subject"], made["addressing"], made["hide_numbers"]) == ("Lawley", "lid", True)
    assert made["members"][TECHNICIAN] == "admin"


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/api/accounts", {"name": "no phone"}, "phone"),
        ("/api/accounts", {"phone": "+27 82", "name": "x"}, "digits"),
        ("/api/groups", {"subject": "x", "addressing": "email"}, "email"),
        ("/api/groups", {"subject": "x", "addressing": "pn", "hide_numbers": True}, "LID"),
        (f"/api/groups/{GROUP}/members", {"phone": "27000000999"}, "27000000999"),
        ("/api/pair", {"qr": "rubbish", "phone": TECHNICIAN}, ""),
        ("/api/messages", {"group": GROUP, "sender": TECHNICIAN, "text": "x"}, GROUP),
    ],
)
async def test_a_request_that_cannot_be_carried_out_is_told_why(
    stage: tuple[Studio, Api], path: str, body: dict[str, object], named: str
) -> None:
    """Status 400 and a sentence that names what is wrong; nothing is in the ledger."""
    scene, client = stage
    refused = await client.post(path, json=body)
    assert refused.status == 400
    assert named in (await refused.json())["error"]
    assert scene.relay.ledger.count() == 0


async def test_a_body_that_is_no_object_is_refused(stage: tuple[Studio, Api]) -> None:
    """Broken JSON and a bare list are answered with 400, not with a traceback."""
    _, client = stage
    for body in ("{", "[1]", ""):
        refused = await client.post("/api/accounts", data=body)
        assert refused.status == 400
        assert (await refused.json())["error"]


async def test_the_page_needs_nothing_from_elsewhere(stage: tuple[Studio, Api]) -> None:
    """The page and all it names come from the simulator itself."""
    _, client = stage
    page = await client.get("/")
    assert page.status == 200
    text = await page.text()
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    local = [name for name in named if not name.startswith("data:")]
    assert local
    for name in local:
        assert name.startswith("/")
        answer = await client.get(name)
        assert answer.status == 200
        text += await answer.text()
    assert not re.findall(r"https?://|//[a-z]+\.", text)


async def test_the_document_names_every_route_kind_and_field(stage: tuple[Studio, Api]) -> None:
    """docs/simulator.md leaves out nothing that the API, the kinds or a ledger row have."""
    _, client = stage
    document = (ROOT / "docs" / "simulator.md").read_text()
    app = client.server.app  # type: ignore[attr-defined]
    routes = {route.resource.canonical for route in app.router.routes() if route.resource}
    firsts = {route.split("{")[0] for route in routes if route.startswith("/api/")}
    assert firsts
    names = {*KINDS, *(field.name for field in fields(LedgerRow))}
    missing = [first for first in sorted(firsts) if first not in document]
    assert missing == []
    assert [name for name in sorted(names) if f"`{name}`" not in document] == []


async def test_the_queue_of_a_device_shows_what_it_has_not_receipted(
    stage: tuple[Studio, Api],
) -> None:
    """A client that is away has its notifications and messages waiting, in order."""
    scene, client = stage
    scene.listener(BRIDGE, "Bridge")
    scene.disconnect(BRIDGE)
    group = {"jid": GROUP, "subject": "Lawley", "addressing": "pn"}
    await client.post("/api/groups", json=group)
    await client.post(f"/api/groups/{GROUP}/members", json={"phone": BRIDGE})
    (device,) = await (await client.get("/api/devices")).json()
    assert (device["phone"], device["connected"]) == (BRIDGE, False)
    queue = await (await client.get(f"/api/devices/{device['jid']}/queue")).json()
    assert len(queue) == device["queued"] >= 1
    assert {one["from"] for one in queue} == {GROUP}
