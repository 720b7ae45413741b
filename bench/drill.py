"""`make drill`: the bridge that the monitors read is killed and held down, while people write.

Prints, with times, how both monitors come to read the other bridge, what was lost, how the bridge
comes back, and how the monitors go home. `python -m bench.drill [--wait] [PROJECT]`: of the demo,
or of the Compose project that is named; without `--wait` a verb takes them home, so that nobody
waits for the hold time.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tests.conftest import call, docker, eventually

DEMO = "twinbridge-demo"
GROUP = "120363418298130331@g.us"
TECHNICIAN = "27000000101"
MONITORS = ("monitor-prod", "monitor-dev")
HOME, OTHER = "primary", "backup"
PATIENCE_S = 180
HOLD_S = 1_200
WRITE_S = 0.5


class Drill:
    """One drill of one project."""

    def __init__(self, project: str, recorded: Callable[[], set[str]], group: str = GROUP) -> None:
        self.project = project
        self.recorded = recorded
        self.group = group
        self.began = time.monotonic()
        self.written: dict[str, float] = {}
        """Message ids, and when each was written."""

    def say(self, sentence: str) -> None:
        """One line, with the seconds since the kill."""
        print(f"{time.monotonic() - self.began:7.1f} s  {sentence}", flush=True)

    def container(self, service: str) -> str:
        """The id of the service's container; empty if there is none."""
        labels = (
            f"label=com.docker.compose.project={self.project}",
            f"label=com.docker.compose.service={service}",
            "label=com.docker.compose.oneoff=False",
        )
        filters = [word for label in labels for word in ("--filter", label)]
        return "".join(docker("ps", "--all", "--quiet", *filters).split()[:1])

    def told(self, *verb: str, check: bool = True) -> str:
        """What the failover answers to a verb."""
        return docker(
            "exec", self.container("failover"), "python", "-m", "failover", *verb, check=check
        )

    def reads(self, service: str) -> str:
        """The bridge that the monitor reads, if it runs."""
        inspected = json.loads(docker("inspect", self.container(service)))[0]
        (volume,) = [m["Name"] for m in inspected["Mounts"] if m["Destination"] == "/messages"]
        side = str(volume).removeprefix(f"{self.project}_").removesuffix("-messages")
        return side if inspected["State"]["Running"] else ""

    def simulator(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - the API's JSON
        """Ask or tell the simulator."""
        where = docker("port", self.container("simulator"), "8090").split()[0]
        answer = call(f"http://{where}{path}", body)
        assert answer.status < 300, answer
        return answer.json

    @contextmanager
    def flow(self) -> Iterator[None]:
        """A technician writes a drop every half second."""
        ended = threading.Event()

        def write() -> None:
            number = int(time.time()) % 1_000_000
            while not ended.wait(WRITE_S):
                number += 1
                body = {"group": self.group, "sender": TECHNICIAN, "text": f"DR7{number:06d}"}
                with suppress(OSError):  # what the simulator did not take was not written
                    self.written[self.simulator("/api/messages", body)["id"]] = time.monotonic()

        writing = threading.Thread(target=write)
        writing.start()
        try:
            yield
        finally:
            ended.set()
            writing.join(60)

    def moved(self, side: str, within_s: float) -> None:
        """Wait until both monitors read that bridge, and tell of each."""
        waiting = list(MONITORS)

        def step() -> bool:
            for service in list(waiting):
                if self.reads(service) == side:
                    waiting.remove(service)
                    self.say(f"{service} reads the volume of {side}")
            return not waiting

        eventually(f"both monitors read {side}", step, within_s)

    def decided(self) -> str:
        """The failover's own sentence for its last switch."""
        lines = [json.loads(line) for line in self.told("history", "--json").splitlines()]
        return str([line["sentence"] for line in lines if line["what"] == "switch"][-1])

    def run(self, *, wait: bool) -> bool:
        """The whole drill; whether nothing was lost."""
        eventually(
            "both bridges are up", lambda: self.told("status").count(": up for") == 2, PATIENCE_S
        )
        for service in MONITORS:
            eventually(f"{service} reads {HOME}", lambda s=service: self.reads(s) == HOME, 60)  # type: ignore[misc]
        if not self.container("simulator"):
            self._through(wait=wait)
            self.say("what was lost cannot be told without a simulator: see make status")
            return True
        with self.flow():
            eventually("the flow has begun", lambda: self.written, PATIENCE_S)
            self._through(wait=wait)
        return self._lost_nothing()

    def _through(self, *, wait: bool) -> None:
        bridge = self.container(f"bridge-{HOME}")
        self.began = time.monotonic()
        docker("kill", bridge)
        self.say(f"bridge-{HOME} was killed, and is held down")
        try:
            self.moved(OTHER, PATIENCE_S)
            self.say(f"because: {self.decided()}")
            self._first_row()
        finally:
            docker("start", bridge)
        self.say(f"bridge-{HOME} is started again")
        self._healed()
        if wait:
            self.say("waiting until the rules take the monitors home (hold_s and rise_s)")
            self.moved(HOME, HOLD_S)
            self.say(f"because: {self.decided()}")
            return
        eventually(
            f"{HOME} is up for the failover",
            lambda: "switched" in self.told("switch", "--from", OTHER, "--to", HOME, check=False),
            PATIENCE_S,
        )
        self.say("told to switch back, so that nobody waits for the hold time")
        self.moved(HOME, PATIENCE_S)
        self.told("resume")

    def _first_row(self) -> None:
        """Wait for the row of a message that was written after the kill."""
        since = [one for one, at in self.written.items() if at > self.began]
        if since:
            eventually("its row", lambda: set(since) & self.recorded(), PATIENCE_S)
            self.say(f"{len(set(since) & self.recorded())} rows of messages since then are there")

    def _healed(self) -> None:
        probe = ("python", "-m", "contracts.health", "http://127.0.0.1:8080/health")
        eventually(
            "it would capture again",
            lambda: docker("exec", self.container(f"bridge-{HOME}"), *probe),
            PATIENCE_S,
        )
        self.say(f"bridge-{HOME} says that it would capture a message sent now")
        if self.container("simulator"):
            eventually(
                "nothing waits for it",
                lambda: all(one["queued"] == 0 for one in self.simulator("/api/devices")),
                PATIENCE_S,
            )
            self.say("and has what WhatsApp had kept for it")

    def _lost_nothing(self) -> bool:
        sent = set(self.written)
        try:
            eventually("every row", lambda: sent <= self.recorded(), PATIENCE_S)
        except AssertionError:
            self.say(f"LOST: {sorted(sent - self.recorded())}")
            return False
        self.say(f"lost: nothing; {len(sent)} messages were written, {len(sent)} are in Postgres")
        return True


def of_the_demo(project: str) -> Callable[[], set[str]]:
    """The ids that the stack's own Postgres has."""

    def recorded() -> set[str]:
        database = Drill(project, set).container("database")
        query = f"SELECT message_id FROM drop_mentions WHERE chat = '{GROUP}'"  # noqa: S608 - a constant
        words = ("psql", "--username", "twinbridge", "--tuples-only", "--no-align", "-c", query)
        return set(docker("exec", database, *words).split())

    return recorded


def main() -> int:
    """The command line."""
    line = argparse.ArgumentParser(prog="make drill", description=__doc__)
    line.add_argument("project", nargs="?", default=DEMO)
    line.add_argument("--wait", action="store_true")
    given = line.parse_args()
    drill = Drill(given.project, of_the_demo(given.project))
    if not drill.container("failover"):
        print(f"no failover runs in the Compose project {given.project}", file=sys.stderr)
        return 2
    if given.project != DEMO:
        print(f"This kills bridge-{HOME} of {given.project}, which was named.", flush=True)
    return 0 if drill.run(wait=given.wait) else 1


if __name__ == "__main__":
    sys.exit(main())
