"""A controller that only moves monitors, to be killed: keeps its decision, then acts on it."""

import asyncio
from multiprocessing.connection import Connection
from pathlib import Path

from failover.engine import DockerEngine
from failover.seams import EngineAway
from failover.state import FileMemory, alone
from tests.failover.standins import SOCKET

STOP_S = 1


def control(project: str, directory: Path, side: str | None, told: Connection) -> None:
    """Decide for `side`, or go on with what was kept; tell when it is kept, and when it is done."""
    with alone(directory):
        memory = FileMemory(directory)
        kept = memory.trust or {"side": "primary", "epoch": 0}
        if side is not None:
            kept = {"side": side, "epoch": kept["epoch"] + 1}
            memory.keep(kept)
        told.send("kept")
        asyncio.run(_placed(project, kept["side"], kept["epoch"]))
        told.send("done")


async def _placed(project: str, side: str, epoch: int) -> None:
    with DockerEngine(SOCKET, project, ("primary", "backup"), STOP_S) as engine:
        while True:
            try:
                if (await engine.place(side, epoch)).done:
                    return
            except EngineAway:
                pass  # a look met a change; the next one does not
            await asyncio.sleep(0.2)
