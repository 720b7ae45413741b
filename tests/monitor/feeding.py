"""A bridge's store in a process of its own, which writes what the test tells it.

The monitor reads with Python's SQLite, the store writes with another one: the two must never have
one file open in the same process, since closing it in one drops the locks of the other.

As a program: arguments are the volume, the bridge and the folder of projects.yaml; each line of
standard input is a JSON order, each is answered by a line with the file's seq and a time.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Feeder:
    """The store of one bridge, at work elsewhere."""

    process: "subprocess.Popen[str]"

    def message(
        self, id_: str, text: str, sender: str = "27820000050", *, ago_s: float = 60, **more: object
    ) -> int:
        """A technician writes; `sender` is digits, `@lid` behind them for a LID."""
        order = {"id": id_, "text": text, "sender": sender, "at": _ago(ago_s)}
        return self.order("message", **(order | more))

    def messages(self, orders: list[dict[str, object]]) -> int:
        """Many at once, each with id, text, sender and at."""
        return self.order("messages", orders=orders)

    def order(self, do: str, **what: object) -> int:
        """Do something and give the file's seq after it."""
        return self.timed(do, **what)[0]

    def timed(self, do: str, **what: object) -> tuple[int, int]:
        """Do something; the file's seq, and when it was durable, nanoseconds since 1970."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the feeder ended with {self.process.wait(30)}"
        seq, at = answer.split()
        return int(seq), int(at)


@contextmanager
def feeding(volume: Path, bridge: str, config: Path) -> Iterator[Feeder]:
    """A store that is open for as long as the block."""
    volume.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.monitor.feeding", str(volume), bridge, str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        yield Feeder(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def _ago(seconds: float) -> int:
    return int((time.time() - seconds) * 1000) // 1000 * 1000


def main() -> None:
    """Obey standard input."""
    # Here and not above: the process that starts this one must not load another SQLite.
    from bridge.store import Store  # noqa: PLC0415
    from contracts.projects import load_projects  # noqa: PLC0415

    volume, bridge, config = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    with Store(volume, bridge) as store:
        store.apply_rules(load_projects(config / "projects.yaml"))
        for line in sys.stdin:
            order = json.loads(line)
            match order["do"]:
                case "message":
                    store.capture("message", _payload(order), time.time_ns() // 10**6, live=True)
                case "messages":
                    for one in order["orders"]:
                        store.capture("message", _payload(one), time.time_ns() // 10**6, live=True)
                case "alias":
                    store.learn_alias(order["lid"], order["pn"], "test")
                case "own":
                    store.set_own_numbers(order["numbers"])
            at = time.time_ns()
            while store.interpret_pending():
                store.checkpoint()
            print(_seq(store), at, flush=True)


def _payload(order: dict[str, str]) -> bytes:
    """The event of a message, an edit (of `edits`) or a revoke (of `revokes`)."""
    from tests.bridge import events  # noqa: PLC0415 - not in the process that starts this one

    sender = order["sender"]
    whose = events.lid(sender[:-4]) if sender.endswith("@lid") else events.phone(sender)
    chat = order.get("chat", events.GROUP)
    envelope = events.info(order["id"], whose, at=int(order["at"]), chat=chat)
    if target := order.get("edits"):
        return events.message(envelope, events.edit(target, order["text"]))
    if target := order.get("revokes"):
        return events.message(envelope, events.revoke(target))
    return events.message(envelope, order["text"])


def _seq(store: object) -> int:
    ((seq,),) = store._query("SELECT seq FROM store")  # type: ignore[attr-defined]  # noqa: SLF001
    return int(seq)


if __name__ == "__main__":
    main()
