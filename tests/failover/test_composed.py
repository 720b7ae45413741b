"""The failover's own image under Compose, with the real engine: bridges die, hang, come back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Stack, docker, eventually

BRIEF = {
    "probe_ms": 500,
    "suspect_probe_ms": 200,
    "gone_s": 2,
    "hang_s": 4,
    "unfit_s": 5,
    "again_s": 1,
    "rise_probes": 5,
    "rise_s": 3,
    "hold_s": 3,
    "start_s": 2,
    "restart_after_s": 3,
    "switches_per_h": 100,
}
PATIENCE_S = 120

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def stack(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The failover between two bridges and a monitor, with the same rules and short times."""
    config = tmp_path_factory.mktemp("composed") / "config"
    shutil.copytree(ROOT / "config", config)
    file = config / "stack.yaml"
    written = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(written | {"failover": BRIEF}, sort_keys=False))
    for path in (config.parent, config, *config.iterdir()):
        path.chmod(0o755)
    started = Stack(
        f"{run_id}-failover",
        (Path(__file__).with_name("compose.composed.yaml"),),
        {"COMPOSED_CONFIG": str(config)},
    )
    try:
        started.compose("up", "--detach")
        yield started
    finally:
        started.close()


def told(stack: Stack, *verb: str, check: bool = True) -> str:
    """What a verb prints, as a person types it."""
    arguments = ("exec", "-T", "failover", "python", "-m", "failover", *verb)
    return stack.compose(*arguments, check=check, merge=not check)


def reads(stack: Stack) -> str:
    """The volume that the monitor's only container has at /messages, if that container runs."""
    seen = stack.inspect("monitor-prod")
    (volume,) = [m["Name"] for m in seen["Mounts"] if m["Destination"] == "/messages"]
    return str(volume.split("_")[-1]) if seen["State"]["Running"] else "nothing"


def settled(stack: Stack, bridge: str) -> None:
    """Wait until the monitor reads that bridge, and the failover says that it is in place."""
    eventually(
        f"the monitor reads {bridge}", lambda: reads(stack) == f"{bridge}-messages", PATIENCE_S
    )
    eventually(
        "the failover says so",
        lambda: f"monitor-prod reads {bridge}" in told(stack, "status"),
        PATIENCE_S,
    )


def both_up(stack: Stack) -> None:
    """Wait until the failover sees both bridges up."""
    eventually(
        "both bridges are up",
        lambda: told(stack, "status").count(": up for") == 2,
        PATIENCE_S,
    )


def test_a_bridge_that_dies_is_left_and_returned_to(stack: Stack) -> None:
    """The monitor reads the other one, and the better one again when it has risen; Compose still
    owns the container.
    """
    both_up(stack)
    stack.compose("kill", "--signal", "KILL", "bridge-primary")
    settled(stack, "backup")
    assert stack.compose("ps", "--format", "{{.Name}}", "monitor-prod").split() == [
        f"{stack.project}-monitor-prod-1"
    ]
    stack.compose("start", "bridge-primary")
    settled(stack, "primary")
    history = told(stack, "history")
    assert "primary is down" in history
    assert "backup is up, hears: a live message" in history


def test_one_that_hangs_is_left_and_restarted(stack: Stack) -> None:
    """Nothing tells of a frozen process but its silence; help brings it back."""
    both_up(stack)
    began = stack.inspect("bridge-primary")["State"]["StartedAt"]
    docker("kill", "--signal", "STOP", stack.container("bridge-primary"))
    settled(stack, "backup")
    eventually(
        "the frozen bridge is restarted",
        lambda: stack.inspect("bridge-primary")["State"]["StartedAt"] != began,
        PATIENCE_S,
    )
    settled(stack, "primary")


def test_a_person_can_pause_switch_and_resume(stack: Stack) -> None:
    """By verbs in the container, refused where they contradict what is."""
    both_up(stack)
    assert "nothing is moved" in told(stack, "pause", "--for", "1h")
    assert "is read at present" in told(
        stack, "switch", "--from", "backup", "--to", "primary", check=False
    )
    told(stack, "switch", "--from", "primary", "--to", "backup")
    settled(stack, "backup")
    told(stack, "resume")
    settled(stack, "primary")


def test_monitors_moved_without_the_failover_stay_where_a_person_put_them(stack: Stack) -> None:
    """READ_FROM with the failover away; the one that returns adopts it as pinned until resume."""
    stack.compose("stop", "failover")
    moved = Stack(stack.project, stack.files, stack.environment | {"READ_FROM": "backup"})
    moved.compose("up", "--detach", "--no-deps", "monitor-prod")
    stack.compose("start", "failover")
    eventually("it is pinned", lambda: "mode: pinned" in told(stack, "status"), PATIENCE_S)
    settled(stack, "backup")
    told(stack, "resume")
    settled(stack, "primary")


def test_its_process_is_not_root(stack: Stack) -> None:
    """It gives root up before it reads anything, and keeps no capability."""
    script = """
import pathlib
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        found = (process / "cmdline").read_bytes() == b"python\\0-m\\0failover\\0"
        lines = (process / "status").read_text().splitlines()
    except OSError:
        continue  # it has just ended
    if found:
        print([line.split()[1] for line in lines if line.startswith(("Uid", "CapEff"))])
"""
    seen = stack.compose("exec", "-T", "failover", "python", "-c", script)
    assert seen.strip() == "['10001', '0000000000000000']"
