"""What survives the controller, and that there is one controller."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from failover.seams import Happening
from failover.state import FILE, KEPT, AnotherController, FileMemory, alone

HOLD = """
import signal, sys
from pathlib import Path
from failover.state import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_what_was_kept_is_there_for_the_next_one(tmp_path: Path) -> None:
    """The trust as a whole and the newest lines of history, in a file of the account's own."""
    lines = [{"at": float(number), "what": "switch", "sentence": "why"} for number in range(KEPT)]
    (tmp_path / FILE).write_text(json.dumps({"trust": {"side": "primary"}, "history": lines}))
    memory = FileMemory(tmp_path)
    assert memory.trust == {"side": "primary"}
    for number in range(KEPT, KEPT + 10):
        memory.keep({"side": "backup", "epoch": number}, Happening(float(number), "switch", "why"))
    memory.keep({"side": "primary"})

    after = FileMemory(tmp_path)
    assert after.trust == {"side": "primary"}
    assert len(after.history(10_000)) == KEPT
    assert [line.at for line in after.history(2)] == [KEPT + 8, KEPT + 9]
    assert after.history(0) == []


def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    """The controller starts without a memory, and the file is kept for people."""
    (tmp_path / FILE).write_text("{half a fi")
    memory = FileMemory(tmp_path)
    assert memory.trust is None
    memory.keep({"side": "primary"})
    assert json.loads((tmp_path / FILE).read_text())["trust"] == {"side": "primary"}
    assert (tmp_path / "failover.broken").read_text() == "{half a fi"


def test_a_disk_that_refuses_changes_nothing(tmp_path: Path) -> None:
    """What could not be made durable is not remembered either."""
    memory = FileMemory(tmp_path)
    memory.keep({"side": "primary"}, Happening(1.0, "switch", "why"))
    (tmp_path / "failover.draft").mkdir()
    with pytest.raises(OSError, match="directory"):
        memory.keep({"side": "backup"}, Happening(2.0, "switch", "why"))
    assert memory.trust == {"side": "primary"}
    assert [line.at for line in memory.history(5)] == [1.0]


def test_one_controller_holds_the_volume_until_it_is_killed(tmp_path: Path) -> None:
    """A second one is refused; after a SIGKILL the kernel has given the lock back."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AnotherController), alone(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
    with alone(tmp_path):
        pass
