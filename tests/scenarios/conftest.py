"""One composed stack for all scenarios: two bridges, the simulator, and a Postgres of its own.

The bridges run the production image with the real client; Postgres is a container that
testcontainers starts, so the stack is one with `DATABASE_URL`. Every scenario has groups and drop
numbers of its own, so they share the stack and never one another's messages.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from tests.conftest import ROOT, Stack, call, docker, eventually

NUMBERS = {"primary": "27820000001", "backup": "27820000002"}
BRIDGES = {"primary": "bridge-primary", "backup": "bridge-backup"}
SERVICES = (*BRIDGES.values(), "database-migrate")
STORIES = (
    "Story",
    "Kinds",
    "Kills",
    "Race",
    "Texts",
    "Twins",
    "Deaf",
    "Faults",
    "Replayed",
    "History",
    "Away",
    "Watched",
    "Backlog",
    "Monitored",
    "Listed",
)
"""Projects of the scenarios, beside the seed's four."""

IMAGE = f"twinbridge-bridge:{os.environ.get('TWINBRIDGE_TAG', 'latest')}"

SETTINGS: dict[str, dict[str, object]] = {
    "Monitored": {"environments": ["prod", "dev"]},
    "Listed": {"environments": ["prod", "dev"], "valid_drops": True},
}
"""What some of these projects have beside a name and a group."""

READ_STORE = """
import json, sqlite3, sys
file = sqlite3.connect("file:/messages/current/messages.db?mode=ro", uri=True)
file.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in file.execute(sys.argv[1], sys.argv[2:])]))
"""


def group_of(project: str) -> str:
    """The group of a scenario's project, invented and always the same."""
    return f"12036399000000{STORIES.index(project):04d}@g.us"


@dataclass(frozen=True, slots=True)
class Field:
    """The running stack as a scenario sees it."""

    stack: Stack
    database_url: str
    config: Path

    def post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - the API's JSON
        """Change something in the simulator."""
        answer = call(f"{self.stack.url('simulator', 8090)}{path}", body, timeout=300)
        assert answer.status < 300, (path, answer)
        return answer.json

    def get(self, path: str) -> Any:  # noqa: ANN401 - the API's JSON
        """Read something from the simulator."""
        answer = call(f"{self.stack.url('simulator', 8090)}{path}", timeout=60)
        assert answer.status == 200, (path, answer)
        return answer.json

    def hurt(self, bridge: str, fault: str, **more: object) -> None:
        """Do a fault to the bridge's device."""
        self.post(f"/api/devices/{self._device(bridge)}/faults", fault=fault, **more)

    def heal(self, bridge: str) -> None:
        """Lift every fault of the bridge's device."""
        path = f"/api/devices/{self._device(bridge)}/faults"
        answer = call(f"{self.stack.url('simulator', 8090)}{path}", method="DELETE")
        assert answer.status == 200, answer

    def reconnect(self, bridge: str) -> Any:  # noqa: ANN401 - the bridge's answer
        """Ask the bridge to leave WhatsApp and dial anew, as the stack's own services may."""
        token = self.stack.compose("exec", "-T", BRIDGES[bridge], "cat", "/secrets/api-token")
        url = f"{self.stack.url(BRIDGES[bridge], 8080)}/reconnect"
        return call(url, {}, token=token.strip())

    def tell_history(self, bridge: str) -> None:
        """The phone of a number that was linked late tells its client what was written before."""
        self.post(f"/api/devices/{self._device(bridge)}/history", way="inline")

    def part(self, bridge: str, name: str) -> dict[str, Any]:
        """One part of the bridge's health."""
        parts = self.health(bridge).json["parts"]
        return next(part for part in parts if part["name"] == name)

    def _device(self, bridge: str) -> str:
        devices = self.get("/api/devices")
        return quote(next(one["jid"] for one in devices if one["phone"] == NUMBERS[bridge]))

    def member(self, project: str, phone: str, role: str = "") -> None:
        """Put a technician (made on demand) into the project's group."""
        self.post("/api/accounts", phone=phone, name=f"Technician {phone[-3:]}")
        self.post(f"/api/groups/{quote(group_of(project))}/members", phone=phone, role=role)

    def write(self, project: str, sender: str, text: str = "", **more: object) -> Any:  # noqa: ANN401
        """A technician writes; returns the ledger row."""
        body = {"group": group_of(project), "sender": sender, "kind": "text", "text": text}
        return self.post("/api/messages", **(body | more))

    def ledger(self, project: str, after: int = 0) -> list[dict[str, Any]]:
        """What the simulator sent into the project's group."""
        rows: list[dict[str, Any]] = []
        while page := self.get(f"/api/ledger?after={after}&limit=5000"):
            rows += page
            after = page[-1]["seq"]
        return [row for row in rows if row["chat"] == group_of(project)]

    def stored(self, bridge: str, sql: str, *values: str) -> list[dict[str, Any]]:
        """Rows of a bridge's messages.db, read by another container from a read-only mount."""
        printed = docker(
            *("run", "--rm", "--network", "none"),
            *("--label", f"org.twinbridge.test={self.stack.project.rpartition('-')[0]}"),
            *("--volume", f"{self.stack.project}_{bridge}-messages:/messages:ro"),
            *("--entrypoint", "python", IMAGE),
            *("-c", READ_STORE, sql, *values),
        )
        rows: list[dict[str, Any]] = json.loads(printed)
        return rows

    def texts(self, bridge: str, project: str) -> dict[str, str]:
        """The id and content of every message of the project's group in a bridge's file."""
        rows = self.stored(
            bridge, "SELECT id, content FROM messages WHERE chat_jid = ?", group_of(project)
        )
        return {row["id"]: row["content"] for row in rows}

    def sql(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of Postgres."""
        with psycopg.connect(
            self.database_url, row_factory=dict_row, autocommit=True
        ) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def health(self, bridge: str, path: str = "/health") -> Any:  # noqa: ANN401 - JSON
        """The bridge's answer, whatever its status."""
        return call(f"{self.stack.url(BRIDGES[bridge], 8080)}{path}", timeout=5)

    def published(self) -> bool:
        """Whether both bridges say that Postgres has everything they heard."""
        answers = [self.health(bridge, "/health/publish") for bridge in BRIDGES]
        return all(one.status == 200 and "0 pending" in str(one.json) for one in answers)

    def wait_connected(self, bridge: str, within_s: float = 60) -> None:
        """Wait until the bridge says that it would capture a message sent now."""
        eventually(f"{bridge} is healthy", lambda: self.health(bridge).status == 200, within_s)

    def wait_interpreted(self, within_s: float = 60) -> None:
        """Wait until both bridges have got everything and have read all that they stored."""
        self.wait_received(within_s)
        unread = "SELECT 1 FROM event WHERE read_by IS NULL LIMIT 1"
        for bridge in BRIDGES:
            eventually(
                f"{bridge} has read what it stored",
                lambda b=bridge: not self.stored(b, unread),  # type: ignore[misc]
                within_s,
            )

    def wait_received(self, within_s: float = 60) -> None:
        """Wait until no device has an undelivered message."""
        eventually(
            "all messages are receipted",
            lambda: all(one["queued"] == 0 for one in self.get("/api/devices")),
            within_s,
        )


def configuration(directory: Path) -> Path:
    """config/ with a project per scenario added; a copy, so that scenarios may edit it."""
    shutil.copytree(ROOT / "config", directory)
    file = directory / "projects.yaml"
    projects = yaml.safe_load(file.read_text())
    for story in STORIES:
        if story != "Replayed":  # added by its own scenario
            entry = {"name": story, "group": group_of(story)}
            projects["projects"].append(entry | SETTINGS.get(story, {}))
    file.write_text(yaml.safe_dump(projects, sort_keys=False))
    file = directory / "stack.yaml"
    stack = yaml.safe_load(file.read_text())
    stack["timings"] |= {"suspect_s": 5, "deaf_s": 15}
    stack["alerts"] |= {"ask_s": 2, "confirm_s": 2}
    file.write_text(yaml.safe_dump(stack, sort_keys=False))
    directory.chmod(0o755)
    return directory


def _pair(stack: Stack, field: Field, bridge: str) -> None:
    number = NUMBERS[bridge]

    def code() -> str:
        shown = call(f"{stack.url(BRIDGES[bridge], 8080)}/pairing").json
        return str(shown.get("qr") or "")

    field.post("/api/accounts", phone=number, name=f"Bridge {bridge}")
    field.post("/api/pair", qr=eventually(f"{bridge} shows a code", code), phone=number)


def _populate(field: Field) -> None:
    for number, story in enumerate(STORIES):
        addressing = ("pn", "lid")[number % 2]
        field.post(
            "/api/groups",
            jid=group_of(story),
            subject=story,
            addressing="lid" if story == "Twins" else addressing,
            hide_numbers=story == "Twins",
        )
        for phone in NUMBERS.values():
            field.post(f"/api/groups/{quote(group_of(story))}/members", phone=phone)


@contextmanager
def composed(
    project: str,
    config: Path,
    postgres: str,
    postgres_container: str,
    services: Sequence[str] = SERVICES,
    files: Sequence[Path] = (),
) -> Iterator[Field]:
    """A stack, up, paired, with a group per scenario; removed in the end."""
    database = f"scenarios_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"'.encode())
    server = urlsplit(postgres)
    stack = Stack(
        project,
        (ROOT / "compose.demo.yaml", Path(__file__).with_name("compose.scenarios.yaml"), *files),
        {
            "PRIMARY_PORT": "0",
            "BACKUP_PORT": "0",
            "SIMULATOR_PORT": "0",
            "SCENARIO_CONFIG": str(config),
            "SCENARIO_DATABASE_URL": (
                f"postgresql://{server.username}:{server.password}@reviews:5432/{database}"
            ),
        },
    )
    network = f"{stack.project}_default"
    try:
        stack.compose("up", "--no-start", *services)
        docker("network", "connect", "--alias", "reviews", network, postgres_container)
        stack.compose("up", "--detach", *services)
        started = Field(stack, server._replace(path=f"/{database}").geturl(), config)
        eventually("the simulator answers", lambda: started.get("/api/state"), 90)
        for bridge in BRIDGES:
            _pair(stack, started, bridge)
        _populate(started)
        for bridge in BRIDGES:
            started.wait_connected(bridge)
        yield started
    finally:
        docker("network", "disconnect", "--force", network, postgres_container, check=False)
        stack.close()


@pytest.fixture(scope="session")
def field(
    run_id: str,
    postgres: str,
    postgres_container: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Field]:
    """The stack that most scenarios share."""
    config = configuration(tmp_path_factory.mktemp("stack") / "config")
    with composed(f"{run_id}-field", config, postgres, postgres_container) as started:
        yield started
