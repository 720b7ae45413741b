"""Three bridges, two of them on disks of 160 MiB that another process fills."""

import re
import shutil
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from tests.conftest import ROOT, Stack, call, eventually
from tests.scenarios.conftest import NUMBERS, Field, group_of

TRIO = NUMBERS | {"tertiary": "27820000003"}
PROJECT = "Story"  # any group of the simulator that stands in the configuration
TECHNICIAN = "27000000961"
PER_SECOND = 10
HELD_S = 8
HELD_LONG_S = 30
FILL = Path(__file__).with_name("fill.py")
HERE = Path(__file__).parent

COUNTED = (
    "SELECT id FROM message WHERE chat = ?1 AND rank < 2 UNION ALL"
    " SELECT id FROM loss AS l WHERE coalesce(chat, ?1) = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM message AS m WHERE m.chat = l.chat AND m.id = l.id)"
)
"""What the bridge itself says is missing: the id, or NULL where the client named none."""


def edits() -> dict[str, str]:
    """The files of docs/third-bridge.md, as somebody would copy them."""
    text = (ROOT / "docs" / "third-bridge.md").read_text(encoding="utf-8")
    found = re.findall(r"`([\w./]+)`[^\n]*\n\n +```\w+\n(.*?) +```", text, re.DOTALL)
    return {name: textwrap.dedent(block) for name, block in found}


def configuration(folder: Path) -> Path:
    """A copy of config/ with the third bridge and the scenarios' group."""
    shutil.copytree(ROOT / "config", folder)
    stack = folder / "stack.yaml"
    before, after = stack.read_text().split("\ntimings:")
    entry = textwrap.indent(edits()["config/stack.yaml"], "  ")
    stack.write_text(f"{before.rstrip()}\n\n{entry}\ntimings:{after}")
    projects = folder / "projects.yaml"
    known = yaml.safe_load(projects.read_text())
    known["projects"].append({"name": PROJECT, "group": group_of(PROJECT)})
    projects.write_text(yaml.safe_dump(known, sort_keys=False))
    folder.chmod(0o755)
    return folder


def pair(field: Field, bridge: str) -> None:
    """Pair the bridge with its number, and put that into the group."""
    url = field.stack.url(f"bridge-{bridge}", 8080)

    def code() -> str:
        return str(call(f"{url}/pairing").json.get("qr") or "")

    field.post("/api/accounts", phone=TRIO[bridge], name=f"Bridge {bridge}")
    field.post("/api/pair", qr=eventually(f"{bridge} shows a code", code, 90), phone=TRIO[bridge])
    field.post(f"/api/groups/{quote(group_of(PROJECT))}/members", phone=TRIO[bridge])


@pytest.fixture(scope="module")
def trio(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Three bridges and the simulator, paired and in one group; no Postgres, which nobody needs."""
    folder = tmp_path_factory.mktemp("trio")
    config = configuration(folder / "config")
    override = folder / "compose.override.yaml"
    override.write_text(edits()["compose.override.yaml"])
    base = (ROOT / "compose.demo.yaml", HERE / "compose.scenarios.yaml")
    stack = Stack(
        f"{run_id}-trio",
        (*base, override, HERE / "compose.small.yaml"),
        {
            "PRIMARY_PORT": "0",
            "BACKUP_PORT": "0",
            "TERTIARY_PORT": "0",
            "TERTIARY_NUMBER": TRIO["tertiary"],
            "SIMULATOR_PORT": "0",
            "SCENARIO_CONFIG": str(config),
            "SCENARIO_DATABASE_URL": "postgresql://nobody@nowhere.invalid/none",
        },
    )
    field = Field(stack, "", config)
    try:
        stack.compose("up", "--detach", "filler", *(f"bridge-{name}" for name in TRIO))
        eventually("the simulator answers", lambda: field.get("/api/state"), 90)
        field.post("/api/groups", jid=group_of(PROJECT), subject=PROJECT)
        for bridge in TRIO:
            pair(field, bridge)
        field.member(PROJECT, TECHNICIAN)
        for bridge in TRIO:
            capturing(field, bridge)
        yield field
    finally:
        stack.close()


def capturing(field: Field, bridge: str) -> None:
    """Wait until the bridge says that it would capture a message sent now."""
    url = field.stack.url(f"bridge-{bridge}", 8080)
    eventually(f"{bridge} is healthy", lambda: call(f"{url}/health").status == 200, 120)


def refused(field: Field, bridge: str) -> None:
    """The bridge says that it would not capture a message sent now."""
    eventually(f"{bridge} says 503", lambda: field.health(bridge).status == 503, 90)


def disk_word(field: Field, bridge: str) -> str:
    """What the bridge says of its disk."""
    return str(field.part(bridge, "disk")["word"])


@contextmanager
def flow(field: Field, seconds: float) -> Iterator[Future[object]]:
    """Technicians write ten messages a second, longer than the block takes."""
    body = {"group": group_of(PROJECT), "sender": TECHNICIAN, "kind": "text"}
    messages = [body | {"text": f"photo {number}"} for number in range(int(seconds * PER_SECOND))]
    with ThreadPoolExecutor(1) as technicians:
        before = len(field.ledger(PROJECT))
        written = technicians.submit(
            field.post, "/api/messages/bulk", messages=messages, rate=PER_SECOND
        )
        eventually("the flow has begun", lambda: len(field.ledger(PROJECT)) > before)
        yield written
        written.result(240)


def fill(field: Field, pace: float, *bridges: str) -> None:
    """Fill the volumes of these bridges until nothing is free."""
    folders = [f"/disks/{name}/{part}" for name in bridges for part in ("session", "messages")]
    field.stack.compose(
        "exec", "-T", "filler", "python", "-c", FILL.read_text(), str(pace), *folders
    )


def make_room(field: Field) -> None:
    """Delete what the other process has written."""
    field.stack.compose("exec", "-T", "filler", "sh", "-c", "rm -f /disks/*/*/filler")


def held(field: Field, bridge: str) -> set[str]:
    """The ids of the messages that a bridge's file has, read and interpreted."""
    unread = "SELECT 1 FROM event WHERE read_by IS NULL LIMIT 1"
    eventually(f"{bridge} has read all", lambda: not field.stored(bridge, unread), 120)
    sql = "SELECT id FROM message WHERE chat = ? AND rank = 2"
    return {row["id"] for row in field.stored(bridge, sql, group_of(PROJECT))}


def settled(field: Field) -> dict[str, set[str]]:
    """What each of the two has, once everything is delivered; what is missing has been counted."""
    for bridge in NUMBERS:
        capturing(field, bridge)
    field.wait_received(120)
    sent = {row["id"] for row in field.ledger(PROJECT)}
    files: dict[str, set[str]] = {}
    for bridge in NUMBERS:
        files[bridge] = held(field, bridge)
        counted = [row["id"] for row in field.stored(bridge, COUNTED, group_of(PROJECT))]
        print(f"{bridge}: {len(sent - files[bridge])} missing, {len(counted)} counted")
        unnamed = sent - files[bridge] - set(counted)
        assert len(unnamed) <= counted.count(None), f"{bridge} lacks {unnamed}, counted {counted}"
    assert files["primary"] | files["backup"] == sent, "the union of both files is not complete"
    return files


@pytest.mark.timeout(300)
def test_a_third_bridge_is_configuration(trio: Field) -> None:
    """The edits of docs/third-bridge.md, no line of code: it is paired, captures, and knows two
    peers that know it.
    """
    row = trio.write(PROJECT, TECHNICIAN, "good morning, all three")
    eventually("the third has it", lambda: row["id"] in held(trio, "tertiary"), 120)
    for bridge, phone in TRIO.items():
        url = trio.stack.url(f"bridge-{bridge}", 8080)
        eventually(
            f"{bridge} hears with the others",
            lambda u=url: _hearing(u) == "hearing",  # type: ignore[misc]
            120,
        )
        assert phone not in call(f"{url}/health").body.decode()


def _hearing(url: str) -> str:
    parts = call(f"{url}/health").json["parts"]
    return next(str(part["word"]) for part in parts if part["name"] == "hearing")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [HELD_S, pytest.param(HELD_LONG_S, marks=pytest.mark.soak)])
def test_both_leave_before_their_disk_is_full_and_nothing_is_lost(
    trio: Field, seconds: float
) -> None:
    """Ten messages a second arrive while another process fills the disk of both bridges and keeps
    it full: both leave in time, WhatsApp keeps the messages, and both return when there is room.
    """
    with flow(trio, seconds + 15):
        fill(trio, 8, *NUMBERS)
        for bridge in NUMBERS:
            eventually(f"{bridge} left", lambda b=bridge: disk_word(trio, b) == "low", 90)  # type: ignore[misc]
            refused(trio, bridge)
        time.sleep(seconds)  # how long the disk stays full, not a wait for anything
        for bridge in NUMBERS:
            refused(trio, bridge)
        make_room(trio)
    settled(trio)
    eventually("the third has heard it all", lambda: _complete(trio), 120)


def _complete(field: Field) -> bool:
    return {row["id"] for row in field.ledger(PROJECT)} == held(field, "tertiary")


@pytest.mark.soak  # what is in flight in that moment differs from run to run
@pytest.mark.timeout(300)
def test_a_disk_that_fills_at_once_costs_no_more_than_is_counted(trio: Field) -> None:
    """Faster than anybody can leave: what was in flight is stored, or it is counted as a loss; the
    other bridge has it.
    """
    with flow(trio, 10):
        fill(trio, 0, "primary")
        refused(trio, "primary")
        print(trio.part("primary", "disk"))
        make_room(trio)
    settled(trio)
