"""The demo's stack under a name of its own, with two bare clients beside it, to be measured."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.conftest import ROOT, Stack, call, docker, eventually

GROUP = "120363418298130331@g.us"
TECHNICIANS = tuple(f"270000002{number:02d}" for number in range(20))
BRIDGES = {"bridge-primary": "27820000001", "bridge-backup": "27820000002"}
BARE = {"bare-1": "27820000003", "bare-2": "27820000004"}
PRODUCT = ("database", "database-migrate", *BRIDGES)
PATIENCE_S = 180

PREPARE = """
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.floor (message_id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS bench.recorded (message_id text PRIMARY KEY);
CREATE OR REPLACE FUNCTION bench.record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bench.recorded VALUES (NEW.message_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER bench_record AFTER INSERT ON public.drop_mentions
FOR EACH ROW EXECUTE FUNCTION bench.record();
"""
"""A mention's row is updated by the second bridge; what keeps the first commit is a row beside."""


@dataclass(frozen=True, slots=True)
class World:
    """The running stack as a measurement sees it."""

    stack: Stack
    database: psycopg.Connection[tuple[Any, ...]]

    def post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - the API's JSON
        """Change something in the simulator."""
        answer = call(f"{self.stack.url('simulator', 8090)}{path}", body, timeout=900)
        assert answer.status < 300, (path, answer)
        return answer.json

    def get(self, path: str) -> Any:  # noqa: ANN401 - the API's JSON
        """Read something from the simulator."""
        return call(f"{self.stack.url('simulator', 8090)}{path}", timeout=60).json

    def health(self, bridge: str) -> Any:  # noqa: ANN401 - JSON
        """The bridge's answer, whatever its status."""
        return call(f"{self.stack.url(bridge, 8080)}/health", timeout=5)

    def connected(self, services: Sequence[str]) -> bool:
        """Whether the clients of all these services are connected to the simulator."""
        numbers = {(BRIDGES | BARE)[service] for service in services}
        devices = [one for one in self.get("/api/devices") if one["phone"] in numbers]
        return len(devices) == len(numbers) and all(one["connected"] for one in devices)

    def queued(self, services: Sequence[str]) -> int:
        """How many messages the clients of these services have not taken yet."""
        numbers = {(BRIDGES | BARE)[service] for service in services}
        return sum(one["queued"] for one in self.get("/api/devices") if one["phone"] in numbers)

    def write(self, prefix: str, count: int, rate: float | None) -> dict[str, int]:
        """Technicians write `count` drops; id -> when each left, milliseconds since 1970."""
        drops = [
            {
                "group": GROUP,
                "sender": TECHNICIANS[number % len(TECHNICIANS)],
                "id": f"{prefix}{number:06d}",
                "text": f"DR{1_000_000 + number}",
            }
            for number in range(count)
        ]
        body = {"messages": drops} | ({"rate": rate} if rate else {})
        answer = self.post("/api/messages/bulk", **body)
        return {row["id"]: row["written_ms"] for row in answer["rows"]}

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of Postgres."""
        cursor = self.database.execute(query.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def stop(self, services: Sequence[str]) -> None:
        """Stop these containers."""
        self.stack.compose("stop", "--timeout", "30", *services)

    def start(self, services: Sequence[str]) -> None:
        """Start these containers and wait until their clients are connected."""
        self.stack.compose("start", *services)
        self.await_connected(services)

    def await_connected(self, services: Sequence[str]) -> None:
        """Wait until the clients of these services are connected."""
        eventually(f"{services} connected", lambda: self.connected(services), PATIENCE_S)

    def pid(self, service: str) -> int:
        """The host's number of the Python process in the container."""
        rows = docker("top", self.stack.container(service), "-o", "pid,args").splitlines()[1:]
        return next(int(row.split()[0]) for row in rows if "python" in row and "init" not in row)

    def resident_mib(self, service: str) -> float:
        """VmRSS of the service's process."""
        status = Path(f"/proc/{self.pid(service)}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found, status
        return int(found[1]) / 1024


@contextmanager
def world() -> Iterator[World]:
    """The stack, up and paired, with a group in which all numbers are; removed at the end."""
    ports = {"PRIMARY_PORT": "0", "BACKUP_PORT": "0", "SIMULATOR_PORT": "0"}
    files = (ROOT / "compose.demo.yaml", ROOT / "bench" / "compose.bench.yaml")
    stack = Stack("twinbridge-bench", files, ports)
    try:
        stack.compose("up", "--detach", *PRODUCT, *BARE)
        database = eventually("Postgres answers", lambda: _database(stack), PATIENCE_S)
        assert database is not None
        started = World(stack, database)
        eventually("the simulator answers", lambda: started.get("/api/state"), PATIENCE_S)
        _populate(started)
        for service, number in (BRIDGES | BARE).items():
            code = eventually(f"{service} shows a code", lambda s=service: _code(started, s), 120)  # type: ignore[misc]
            started.post("/api/pair", qr=code, phone=number)
        started.await_connected((*BRIDGES, *BARE))
        for bridge in BRIDGES:
            eventually(f"{bridge} is well", lambda b=bridge: started.health(b).status == 200, 120)  # type: ignore[misc]
        started.sql(PREPARE)
        yield started
    finally:
        stack.close()


def _database(stack: Stack) -> psycopg.Connection[tuple[Any, ...]] | None:
    where = urlsplit(stack.url("database", 5432))
    password = stack.compose("exec", "-T", "database", "cat", "/secrets/postgres-password")
    try:
        return psycopg.connect(
            host=where.hostname,
            port=where.port,
            user="twinbridge",
            dbname="twinbridge",
            password=password.strip(),
            autocommit=True,
        )
    except psycopg.OperationalError:
        return None


def _populate(world: World) -> None:
    for number in (*BRIDGES.values(), *BARE.values(), *TECHNICIANS):
        world.post("/api/accounts", phone=number, name=f"Number {number[-3:]}")
    world.post("/api/groups", jid=GROUP, subject="Lawley", addressing="pn")
    for number in (*BRIDGES.values(), *BARE.values(), *TECHNICIANS):
        world.post(f"/api/groups/{GROUP}/members", phone=number)


def _code(world: World, service: str) -> str:
    if service in BRIDGES:
        shown = call(f"{world.stack.url(service, 8080)}/pairing").json
        return str(shown.get("qr") or "")
    lines = docker("logs", world.stack.container(service), merge=True)
    return next((line[3:] for line in reversed(lines.splitlines()) if line[:3] == "qr "), "")


def seconds_until(what: str, probe: Any, within_s: float) -> float:  # noqa: ANN401 - any question
    """How long it takes until the question is answered with yes."""
    began = time.monotonic()
    eventually(what, probe, within_s)
    return time.monotonic() - began
