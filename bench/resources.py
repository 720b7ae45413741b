"""What the stack takes of the machine: memory, processor, and the time until it listens."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.world import BRIDGES, World
from tests.conftest import docker, eventually

IDLE_S = 30.0
_UNITS = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "B": 1 / 1024 / 1024}


@dataclass(frozen=True, slots=True)
class Idle:
    """One bridge at rest, and all containers of the product together."""

    resident_mib: float
    core_percent: float
    stack_mib: float


def idle(world: World) -> Idle:
    """The worse of the two bridges over half a minute in which nobody writes."""
    before = {bridge: _processor_s(world, bridge) for bridge in BRIDGES}
    began = time.monotonic()
    time.sleep(IDLE_S)
    span = time.monotonic() - began
    used = max(_processor_s(world, bridge) - before[bridge] for bridge in BRIDGES)
    return Idle(resident(world), 100 * used / span, stack_mib(world))


def resident(world: World) -> float:
    """VmRSS of the larger bridge in MiB."""
    return max(world.resident_mib(bridge) for bridge in BRIDGES)


def stack_mib(world: World) -> float:
    """What the engine counts for every container but the simulator and the bare clients."""
    rows = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
    ours = [
        row.split()[1]
        for row in rows
        if row.startswith(world.stack.project) and "simulator" not in row and "-bare-" not in row
    ]
    return sum(_mib(one) for one in ours)


def _mib(text: str) -> float:
    unit = next(unit for unit in _UNITS if text.endswith(unit))
    return float(text.removesuffix(unit)) * _UNITS[unit]


def _processor_s(world: World, service: str) -> float:
    fields = Path(f"/proc/{world.pid(service)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_s(world: World) -> float:
    """From `docker start` of a stopped bridge until /health says 200."""
    world.stop(["bridge-backup"])
    began = time.monotonic()
    docker("start", world.stack.container("bridge-backup"))
    eventually("healthy again", lambda: world.health("bridge-backup").status == 200, 120)
    return time.monotonic() - began
