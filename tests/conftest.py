"""What every test may ask for: Compose projects, HTTP, and waiting that gives a hang its name."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest_plugins = ["tests.postgres", "tests.pooler"]

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


def docker(*arguments: str, timeout: float = 120, check: bool = True, merge: bool = False) -> str:
    """Run the docker client and return what it printed; a failure shows its standard error.

    `merge` adds standard error, where `docker logs` puts that of the container.
    """
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode != 0:
        message = (
            f"docker {' '.join(arguments[:4])} … exited {done.returncode}: {done.stderr[-3000:]}"
        )
        raise AssertionError(message)
    return done.stdout + done.stderr if merge else done.stdout


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer whose status is a value, so that a 503 can be looked at like a 200."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is whatever the service answered
        """The body as JSON."""
        return json.loads(self.body)


def call(
    url: str,
    body: object = None,
    timeout: float = 30,
    method: str | None = None,
    token: str | None = None,
) -> Answer:
    """GET, or POST with a JSON body, or the named method; connection errors are OSErrors."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.read())
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, refused.read())


def eventually(what: str, probe: Callable[[], T], within_s: float = 60) -> T:
    """Wait until `probe` returns something true without raising AssertionError or OSError.

    The deadline is generous on purpose: it is not a measurement, it gives a hang its name.
    """
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = probe()
        except (AssertionError, OSError, KeyError) as unready:
            last = unready
        else:
            if last:
                return last
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s:.0f} s: {what}; last seen: {last!r}")


@dataclass(frozen=True, slots=True)
class Stack:
    """One Compose project under test; whatever it started is removed when it is closed."""

    project: str
    files: tuple[Path, ...]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def complete_environment(self) -> dict[str, str]:
        """What Compose is run with."""
        return os.environ | self.environment

    def compose(
        self, *arguments: str, timeout: float = 300, check: bool = True, merge: bool = False
    ) -> str:
        """Run `docker compose` on this project; returns its output, with `merge` errors too."""
        named = [word for file in self.files for word in ("-f", str(file))]
        done = subprocess.run(
            ["docker", "compose", "-p", self.project, *named, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=ROOT,
            env=self.complete_environment,
        )
        if check and done.returncode != 0:
            message = (
                f"compose {' '.join(arguments)} exited {done.returncode}: {done.stderr[-4000:]}"
            )
            raise AssertionError(message)
        return done.stdout + done.stderr if merge else done.stdout

    def container(self, service: str) -> str:
        """The id of the service's container, running or not."""
        identity = self.compose("ps", "--all", "--quiet", service).strip()
        assert identity, f"{service} has no container"
        return identity.splitlines()[0]

    def inspect(self, service: str) -> Any:  # noqa: ANN401 - the engine's own JSON
        """What the engine says of the service's container."""
        return json.loads(docker("inspect", self.container(service)))[0]

    def url(self, service: str, port: int) -> str:
        """Where the service's port was published, always on loopback."""
        where = self.compose("port", service, str(port)).strip()
        assert where.startswith("127.0.0.1:"), f"{service}:{port} is published on {where!r}"
        return f"http://{where}"

    def kill_9(self, service: str) -> None:
        """Kill the container's first process by its host pid; waits while the container restarts.

        `docker kill` counts as a wish of the operator, and the restart policy would not act.
        """
        container = self.container(service)

        def pid() -> int:
            return int(docker("inspect", "--format", "{{.State.Pid}}", container))

        os.kill(eventually(f"{service} runs", pid), signal.SIGKILL)

    def close(self) -> None:
        """Remove containers, networks and volumes of this project, and nothing else."""
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20", check=False)


@pytest.fixture(scope="session")
def run_id() -> str:
    """A name for everything this run starts, so that two runs on one host never meet.

    .ci/pytest chooses it, and removes what still carries it when the run has ended, however it did.
    """
    return os.environ.get("TWINBRIDGE_TEST_PROJECT", f"twinbridge-test-{uuid.uuid4().hex[:8]}")
