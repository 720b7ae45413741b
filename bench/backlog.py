"""A backlog after hours offline: how fast both bridges take it, and whether they say so."""

import threading
import time
from dataclasses import dataclass, field

from bench.latency import SIDES
from bench.world import BRIDGES, World
from tests.conftest import call, eventually

LOOK_S = 0.2
MANY = 1_000
"""So many undelivered messages are a backlog; fewer may be gone before the answer is read."""


@dataclass(slots=True)
class Watched:
    """What was seen while a backlog was taken."""

    resident_mib: float = 0.0
    looks: int = 0
    untrue: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages a second, from the first connection until both clients have taken everything."""

    messages: int
    floor_per_s: float
    product_per_s: float
    published_s: float
    """From the first connection until Postgres had every row."""
    watched: Watched


def measure(world: World, count: int) -> Backlog:
    """Everybody is away while `count` drops are written; then the floor comes, then the product."""
    everybody = (*SIDES["floor"], *SIDES["product"])
    world.stop(everybody)
    prefix = f"B{count}-{time.time_ns() // 1_000_000_000}-"
    world.write(prefix, count, None)
    floor = count / _taken(world, SIDES["floor"])
    world.stop(SIDES["floor"])
    watched = Watched()
    done = threading.Event()
    watching = threading.Thread(target=_watch, args=(world, watched, done))
    watching.start()
    began = time.monotonic()
    product = count / _taken(world, SIDES["product"])
    query = "SELECT count(*) FROM bench.recorded WHERE message_id LIKE %s"
    eventually("every row", lambda: world.sql(query, f"{prefix}%")[0][0] == count, 600)
    published = time.monotonic() - began
    done.set()
    watching.join()
    world.start(SIDES["floor"])
    return Backlog(count, floor, product, published, watched)


def _taken(world: World, services: tuple[str, ...]) -> float:
    """Start the clients; seconds from the first connection until their queues are empty."""
    world.stack.compose("start", *services)
    eventually("one is connected", lambda: any(world.connected([one]) for one in services), 180)
    began = time.monotonic()
    eventually("the backlog is taken", lambda: not world.queued(services), 900)
    return time.monotonic() - began


def _watch(world: World, watched: Watched, done: threading.Event) -> None:
    """Ask both bridges again and again; a backlog that health does not name is untrue."""
    while not done.wait(LOOK_S):
        for bridge in BRIDGES:
            try:
                waiting = world.queued([bridge])
                said = call(f"{world.stack.url(bridge, 8080)}/health", timeout=5).json
                still = world.queued([bridge])
                watched.resident_mib = max(watched.resident_mib, world.resident_mib(bridge))
            except (OSError, AssertionError, StopIteration, KeyError):
                continue  # not started yet
            watched.looks += 1
            if min(waiting, still) > MANY and not _names_a_backlog(said):
                watched.untrue.append(f"{still} queued, said {said['status']}")


def _names_a_backlog(said: dict[str, object]) -> bool:
    ears = said.get("ears")
    parts = {part["name"]: part for part in said["parts"]}  # type: ignore[attr-defined]
    return (
        said["ok"] is not True
        or (isinstance(ears, dict) and not ears["queue_ended"])
        or parts["store"]["word"] != "ok"
        or "; 0 pending" not in parts["publishing"]["reason"]
    )
