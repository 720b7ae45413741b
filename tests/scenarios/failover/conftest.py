"""One composed stack for the stories of failover: as `field`, with both monitors and the failover.

The same code as in production, with short times. Every story ends where it began, on the primary.
"""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.conftest import docker, eventually
from tests.scenarios.conftest import (
    BRIDGES,
    NUMBERS,
    SERVICES,
    Field,
    composed,
    configuration,
    group_of,
)

MONITORS = ("monitor-dev", "monitor-prod")
STORY = "Watched"
TECHNICIAN = "27000001001"
BRIEF = {
    "probe_ms": 500,
    "suspect_probe_ms": 250,
    "probe_timeout_ms": 3_000,
    "gone_s": 2,
    "hang_s": 6,
    "unfit_s": 20,
    "again_s": 1,
    "rise_probes": 4,
    "rise_s": 2,
    "heard_s": 5,
    "hold_s": 2,
    "hold_at_most_s": 2,
    "start_s": 2,
    "restart_after_s": 8,
    "switches_per_h": 100,
    "helps_per_h": 60,
}
PATIENCE_S = 120
DROPS = count(9_100_000)


@dataclass(frozen=True, slots=True)
class Watched:
    """The running stack as a story of failover sees it."""

    field: Field

    def told(self, *verb: str, check: bool = True) -> str:
        """What a verb prints, as a person types it."""
        words = ("exec", "-T", "failover", "python", "-m", "failover", *verb)
        return self.field.stack.compose(*words, check=check, merge=not check)

    def history(self) -> list[dict[str, Any]]:
        """Every line of it."""
        told = self.told("history", "--json", "--last", "500")
        return [json.loads(line) for line in told.splitlines() if line.startswith("{")]

    def switches(self) -> int:
        """How often the monitors were told to read another bridge."""
        return sum(1 for line in self.history() if line["what"] == "switch")

    def reads(self) -> set[str]:
        """The bridges that the monitors read, each by one container with its own name that runs."""
        stack = self.field.stack
        found = set()
        for service in MONITORS:
            seen = stack.inspect(service)
            assert seen["State"]["Running"], service
            assert seen["Name"] == f"/{stack.project}-{service}-1"
            (volume,) = [m["Name"] for m in seen["Mounts"] if m["Destination"] == "/messages"]
            found.add(str(volume).removeprefix(f"{stack.project}_").removesuffix("-messages"))
        return found

    def settled(self, bridge: str) -> None:
        """Wait until both monitors read that bridge."""
        eventually(f"the monitors read {bridge}", lambda: self.reads() == {bridge}, PATIENCE_S)

    def both_up(self) -> None:
        """Wait until the failover sees both bridges up."""
        eventually(
            "both bridges are up",
            lambda: self.told("status").count(": up for") == 2,
            PATIENCE_S,
        )

    def home(self) -> None:
        """Everything runs, nobody stands in the way, and the monitors read the primary."""
        stack = self.field.stack
        for bridge in BRIDGES:
            self.field.heal(bridge)
        stack.compose("up", "--detach", "--no-deps", "--no-recreate", *BRIDGES.values())
        self.told("resume")
        self.both_up()
        self.settled("primary")

    def freeze(self, service: str) -> None:
        """Stop every process of the service, as a hang does: its container still runs."""
        self._signal(service, signal.SIGSTOP)

    def thaw(self, service: str) -> None:
        """Let them go on."""
        self._signal(service, signal.SIGCONT)

    def _signal(self, service: str, number: signal.Signals) -> None:
        listed = docker("top", self.field.stack.container(service), "-eo", "pid").split()
        for pid in listed[1:]:
            os.kill(int(pid), number)

    @contextmanager
    def flow(self) -> Iterator[list[str]]:
        """Technicians write four drops a second, from before the story until it has ended."""
        written: list[str] = []
        ended = threading.Event()
        failed: list[BaseException] = []

        def write() -> None:
            try:
                while not ended.wait(0.25):
                    row = self.field.write(STORY, TECHNICIAN, f"DR{next(DROPS)} installed")
                    written.append(row["id"])
            except BaseException as error:  # noqa: BLE001 - told to the story
                failed.append(error)

        writing = threading.Thread(target=write)
        writing.start()
        try:
            eventually("the flow has begun", lambda: written)
            yield written
        finally:
            ended.set()
            writing.join(60)
        assert not failed, failed

    def more(self, written: list[str], count: int) -> None:
        """Wait until so many more were written."""
        goal = len(written) + count
        eventually(f"{count} more messages", lambda: len(written) >= goal, PATIENCE_S)

    def whole(self) -> None:
        """What the simulator sent is what the files hold together, and what Postgres has."""
        field = self.field
        field.wait_received(PATIENCE_S)
        sent = {row["id"] for row in field.ledger(STORY)}

        def stored() -> set[str]:
            return {one for bridge in BRIDGES for one in field.texts(bridge, STORY)}

        eventually("the files have everything", lambda: stored() == sent, PATIENCE_S)
        mentions = "SELECT message_id FROM drop_mentions WHERE chat = %s"

        def recorded() -> set[str]:
            return {row["message_id"] for row in field.sql(mentions, group_of(STORY))}

        eventually("Postgres has everything", lambda: recorded() == sent, PATIENCE_S)
        twice = field.sql(
            "SELECT drop_number FROM qa_photo_reviews WHERE project = %s AND resubmitted", STORY
        )
        assert twice == [], "one message, one submission, however often the readers moved"


@pytest.fixture(scope="module")  # gone before the next stack starts: both would be slow
def watched_stack(
    run_id: str,
    postgres: str,
    postgres_container: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    """The stack with monitors and the failover, up and paired."""
    config = configuration(tmp_path_factory.mktemp("watched") / "config")
    file = config / "stack.yaml"
    written = yaml.safe_load(file.read_text())
    written["timings"] |= {"suspect_s": 5, "deaf_s": 10}
    written["failover"] = BRIEF
    file.write_text(yaml.safe_dump(written, sort_keys=False))
    services = (*SERVICES, *MONITORS, "failover")
    files = (Path(__file__).with_name("compose.failover.yaml"),)
    with composed(
        f"{run_id}-watched", config, postgres, postgres_container, services, files
    ) as started:
        for one in yaml.safe_load((config / "projects.yaml").read_text())["projects"]:
            # The seed's projects too: a group that no number is in would not be redundant.
            started.post("/api/groups", jid=one["group"], subject=one["name"], addressing="pn")
            for phone in NUMBERS.values():
                started.post(f"/api/groups/{quote(one['group'])}/members", phone=phone)
        started.member(STORY, TECHNICIAN)
        yield Watched(started)


@pytest.fixture
def watched(watched_stack: Watched) -> Watched:
    """The stack, at home."""
    watched_stack.home()
    return watched_stack
