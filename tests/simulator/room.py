"""A room of containers: one simulator and any number of bare clients, in the production images.

The clients run in the bridge's image, unchanged, through the launcher; so what is tested here is
what the demo runs, without a line of the product.
"""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

from tests.conftest import call, docker, eventually

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120.0
"""Generous: it gives a hang its name and measures nothing."""
TAG = os.environ.get("TWINBRIDGE_TAG", "latest")
SIMULATOR, BRIDGE = f"twinbridge-simulator:{TAG}", f"twinbridge-bridge:{TAG}"

Event = dict[str, Any]
T = TypeVar("T")


class Client:
    """A bare client: its events as they come, its commands, its death."""

    def __init__(self, room: "Room", name: str, session: str) -> None:
        self.name = f"{room.name}-{name}"
        self.events: list[Event] = []
        self._grown = threading.Condition()
        self._number = 0
        arguments = [
            *("docker", "run", "--rm", "--interactive", "--init", "--name", self.name),
            *("--label", room.label, "--network", room.name, "--user", "0:0"),
            *("--volume", f"{room.name}-trust:/trust:ro"),
            *("--volume", f"{room.name}-{session}:/session"),
            *("--volume", f"{ROOT}/simulator/launch.py:/simulator/launch.py:ro"),
            *("--volume", f"{ROOT}/tests/simulator/client.py:/client/client.py:ro"),
            *("--env", "PYTHONPATH=/client", BRIDGE),
            *("python", "-u", "/simulator/launch.py", "client", "/session/bare.db"),
        ]
        with (room.logs / f"{name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._grown:
                self.events.append(json.loads(line))
                self._grown.notify_all()

    def wait(
        self, event: str, *, after: int = 0, within_s: float = PATIENCE_SECONDS, **facts: object
    ) -> Event:
        """The first event of that name with those facts, from the `after`-th event on."""

        def matches(seen: Event) -> bool:
            return seen["event"] == event and facts.items() <= seen.items()

        return self.wait_for(
            f"{event} {facts}",
            lambda: next(filter(matches, self.events[after:]), None),
            within_s,
        )

    def wait_for(
        self, what: str, probe: Callable[[], T | None], within_s: float = PATIENCE_SECONDS
    ) -> T:
        """Look again after each event until `probe` returns something."""
        deadline = time.monotonic() + within_s
        with self._grown:
            while not (found := probe()):
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name}: not within {within_s:.0f} s: {what}"
                self._grown.wait(left)
            return found

    def texts(self, after: int = 0) -> list[str]:
        """The texts of the messages it has shown, in the order of arrival."""
        return [
            seen["text"]
            for seen in self.events[after:]
            if seen["event"] == "message" and seen["text"]
        ]

    def do(self, command: str, **arguments: object) -> Event:
        """Carry out a command and return its answer; an error in it fails the test."""
        self._number += 1
        line = json.dumps({"do": command, "number": self._number, **arguments})
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self.wait("answer", number=self._number, within_s=PATIENCE_SECONDS)
        assert "error" not in answer, answer
        return answer

    def kill(self) -> None:
        """As a power cut would; returns when the container is gone."""
        docker("kill", self.name, check=False)
        self._process.wait(timeout=PATIENCE_SECONDS)
        self._reader.join(timeout=PATIENCE_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@dataclass
class Room:
    """The simulator's container, its network and volumes; everything carries the room's name."""

    name: str
    label: str
    logs: Path
    clients: list[Client] = field(default_factory=list)

    def __enter__(self) -> Self:
        docker(
            *("network", "create", "--label", self.label),
            # No way out: a client whose simulator is away must not meet the real WhatsApp.
            *("--opt", "com.docker.network.bridge.enable_ip_masquerade=false", self.name),
        )
        docker(
            *("run", "--detach", "--init", "--name", self.name, "--label", self.label),
            *("--network", self.name, "--network-alias", "web.whatsapp.com"),
            *("--sysctl", "net.ipv4.ip_unprivileged_port_start=0"),
            *("--publish", "127.0.0.1::8090", "--volume", f"{self.name}-trust:/trust"),
            *("--volume", f"{self.name}-state:/state", SIMULATOR),
        )
        self._wait_until_up()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.kill()
        (self.logs / "simulator.log").write_text(docker("logs", self.name, check=False))
        docker("rm", "--force", self.name, check=False)
        docker("network", "rm", self.name, check=False)
        volumes = docker("volume", "ls", "--quiet", "--filter", f"name={self.name}-").split()
        docker("volume", "rm", *volumes, check=False)

    def restart_simulator(self) -> None:
        """Kill the simulator and start it again on its state."""
        docker("kill", self.name)
        docker("start", self.name)
        self._wait_until_up()

    def client(self, name: str, session: str | None = None) -> Client:
        """Start a bare client; a name is a session, unless another one's is given."""
        client = Client(self, name, session or name)
        self.clients.append(client)
        return client

    def paired(self, name: str, phone: str) -> Client:
        """Start a client, pair it with the account, and wait until it is connected."""
        client = self.client(name)
        self.post("/api/pair", qr=client.wait("qr")["code"], phone=phone)
        client.wait("connected")
        return client

    def get(self, path: str) -> Any:  # noqa: ANN401 - the API's JSON
        """GET from the simulator's API."""
        answer = call(self.url() + path)
        assert answer.status == 200, (path, answer)
        return answer.json

    def post(self, path: str, **body: object) -> Any:  # noqa: ANN401 - the API's JSON
        """POST to the simulator's API."""
        answer = call(self.url() + path, body, timeout=PATIENCE_SECONDS)
        assert answer.status < 300, (path, answer)
        return answer.json

    def delete(self, path: str) -> None:
        """DELETE by the simulator's API."""
        answer = call(self.url() + path, method="DELETE")
        assert answer.status == 200, (path, answer)

    def group(self, subject: str, addressing: str, *phones: str, hide_numbers: bool = False) -> str:
        """Create a group with these members (accounts exist); the first one owns it."""
        made = self.post(
            "/api/groups", subject=subject, addressing=addressing, hide_numbers=hide_numbers
        )
        jid = str(made["jid"])
        for phone in phones:
            self.post(f"/api/groups/{quote(jid)}/members", phone=phone)
        return jid

    def undelivered(self, phone: str) -> int:
        """How many stanzas the account's devices have not receipted."""
        return sum(one["queued"] for one in self.get("/api/devices") if one["phone"] == phone)

    def url(self) -> str:
        """Where the simulator's API is."""
        where = docker("port", self.name, "8090/tcp").split()[0]
        return f"http://{where}"

    def _wait_until_up(self) -> None:
        eventually("the simulator answers", lambda: call(self.url() + "/api/state").status == 200)
