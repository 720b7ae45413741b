"""Media faults: what a download meets, and what the real client makes of it."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from simulator.database import Database
from simulator.downloads import Downloads, MediaFault
from simulator.files import Files
from simulator.media import PHOTO
from simulator.node import PN_SERVER, Jid
from tests.simulator.room import Client, Room

ANN, BOB, WRITER = "27820000001", "27820000002", "27820000009"
FAULTS = "/api/media/faults"
FILE = f"/v/{PHOTO.name}.enc"

HERE, ELSEWHERE, AWAY = (Jid(ANN, PN_SERVER, number) for number in (1, 2, 3))

Host = tuple[Downloads, TestClient[Request, Application]]

pytestmark = pytest.mark.timeout(300)


def address_of(device: Jid) -> str | None:
    """Where the tests' devices are connected from."""
    return {HERE: "127.0.0.1", ELSEWHERE: "10.0.0.1"}.get(device)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """The media host and its control in one application."""
    with Database(tmp_path / "simulator.db") as database:
        downloads, app = Downloads(Files(database), address_of), Application()
        downloads.add_host(app)
        downloads.add_control(app)
        async with TestClient(TestServer(app)) as client:
            yield downloads, client


async def test_a_fault_is_shown_until_it_is_lifted(host: Host) -> None:
    """The API names what is in force; after the lift, files are whole again."""
    _, client = host
    nothing = {"fault": None, "seconds": None, "device": None}
    assert await (await client.get(FAULTS)).json() == nothing
    asked = await client.post(FAULTS, json={"fault": "404"})
    assert (asked.status, await asked.json()) == (201, nothing | {"fault": "404"})
    assert (await client.get(FILE)).status == 404
    assert await (await client.delete(FAULTS)).json() == nothing
    assert await (await client.get(FILE)).read() == PHOTO.encrypted


async def test_a_fault_of_one_device_is_not_that_of_another(host: Host) -> None:
    """A device is known by its address; one that is not connected cannot be told."""
    _, client = host
    for device, status in ((ELSEWHERE, 200), (HERE, 404)):
        body = {"fault": "404", "device": str(device)}
        assert (await (await client.post(FAULTS, json=body)).json())["device"] == str(device)
        assert (await client.get(FILE)).status == status
    refused = await client.post(FAULTS, json={"fault": "404", "device": str(AWAY)})
    assert refused.status >= 400


async def test_a_truncated_file_ends_early_without_saying_so(host: Host) -> None:
    """Status 200 and a beginning: only the hash tells the client."""
    downloads, client = host
    downloads.apply(MediaFault.TRUNCATED)
    answer = await client.get(FILE)
    body = await answer.read()
    assert answer.status == 200
    assert 0 < len(body) < len(PHOTO.encrypted)
    assert PHOTO.encrypted.startswith(body)


async def test_a_slow_file_is_held_back_until_the_fault_is_lifted(host: Host) -> None:
    """Half of it comes, the rest with the lift, and the whole is right."""
    downloads, client = host
    downloads.apply(MediaFault.SLOW, 200)
    answer = await client.get(FILE)
    first = await answer.content.readexactly(len(PHOTO.encrypted) // 2)
    rest = asyncio.ensure_future(answer.read())
    downloads.lift()
    assert first + await rest == PHOTO.encrypted


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
async def test_seconds_that_are_no_time_are_refused(host: Host, seconds: float) -> None:
    """A fault that could never end is not put in force."""
    downloads, _ = host
    with pytest.raises(ValueError, match="seconds"):
        downloads.apply(MediaFault.SLOW, seconds)


async def test_an_upload_is_kept_under_the_hash_of_its_bytes(host: Host) -> None:
    """The answer says where it is; it can be downloaded until somebody deletes it."""
    _, client = host
    sent = b"encrypted bytes of a photo" * 100
    token = urlsafe_b64encode(sha256(sent).digest()).decode()
    answer = await client.post(f"/mms/image/{token}", params={"auth": "simulated"}, data=sent)
    where = (await answer.json())["direct_path"]
    assert where.startswith("/v/")
    assert "?" in where
    assert await (await client.get(where)).read() == sent
    assert (await client.delete(f"/mms/image/{token}")).status == 200
    assert (await client.get(where)).status == 404


@pytest.mark.parametrize(
    ("auth", "token", "said"),
    [
        ("somebody", "", "not what the chat server gave out"),
        ("simulated", "not the hash of it", "not the hash"),
        ("simulated", "A", "not a token"),
    ],
)
async def test_an_upload_that_is_not_what_it_says_is_refused(
    host: Host, auth: str, token: str, said: str
) -> None:
    """A wrong authorisation, another file's token, and no token at all."""
    _, client = host
    token = token if token == "A" else urlsafe_b64encode(sha256(token.encode()).digest()).decode()
    refused = await client.post(f"/mms/image/{token}", params={"auth": auth}, data=b"bytes")
    assert refused.status == 400
    assert said in await refused.text()


@pytest.fixture(scope="module")
def photo(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Room, Client]]:
    """A room with one paired client."""
    logs: Path = tmp_path_factory.mktemp("room")
    with Room(f"{run_id}-media", f"org.twinbridge.test={run_id}", logs) as room:
        for phone in (ANN, WRITER):
            room.post("/api/accounts", phone=phone, name=phone)
        room.group("Photos", "pn", ANN, WRITER)
        yield room, room.paired("ann", ANN)


@pytest.mark.parametrize(
    ("fault", "refused"), [("404", True), ("truncated", True), ("slow", False), (None, False)]
)
def test_the_real_client_downloads_or_says_that_it_could_not(
    photo: tuple[Room, Client], fault: str | None, *, refused: bool
) -> None:
    """Missing and truncated files raise; a slow one is right in the end, as one without fault."""
    room, client = photo
    (group,) = room.get("/api/state")["groups"]
    row = room.post("/api/messages", group=group["jid"], sender=WRITER, kind="image", text="x")
    client.wait("message", id=row["id"], fields=["imageMessage"])
    if fault:
        room.post(FAULTS, fault=fault, seconds=1)
    try:
        answer = client.do("download", id=row["id"])
    finally:
        room.delete(FAULTS)
    assert bool(answer["refused"]) == refused, answer
    assert (sha256(bytes.fromhex(answer["content"])).digest() == PHOTO.plain_hash) != refused


def test_what_one_client_uploads_another_one_downloads(photo: tuple[Room, Client]) -> None:
    """A photo sent by a real client is opened by another real client, byte for byte; a fault of
    that one's downloads is not the first one's.
    """
    room, ann = photo
    (group,) = room.get("/api/state")["groups"]
    room.post("/api/accounts", phone=BOB, name="Bob")
    room.post(f"/api/groups/{quote(group['jid'])}/members", phone=BOB)
    bob = room.paired("bob", BOB)
    picture = PHOTO.encrypted * 50
    sent = ann.do("send_image", to=group["jid"], content=picture.hex(), caption="DR1234567")
    shown = bob.wait("message", id=sent["id"], fields=["imageMessage"])
    assert shown["chat"] == group["jid"]
    assert bytes.fromhex(bob.do("download", id=sent["id"])["content"]) == picture
    (broken,) = [one["jid"] for one in room.get("/api/devices") if one["phone"] == BOB]
    room.post(FAULTS, fault="404", device=broken)
    assert bob.do("download", id=sent["id"])["refused"]
    row = room.post("/api/messages", group=group["jid"], sender=WRITER, kind="image", text="x")
    ann.wait("message", id=row["id"], fields=["imageMessage"])
    assert not ann.do("download", id=row["id"])["refused"]
    room.delete(FAULTS)
