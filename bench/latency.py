"""Message leaves the simulator -> row committed, the product beside the floor."""

import statistics
from dataclasses import dataclass

from bench.world import BARE, BRIDGES, World
from tests.conftest import eventually

AT = "SELECT message_id, (1000 * extract(epoch FROM pg_xact_commit_timestamp(xmin)))::float8"
COMMITTED = {
    "floor": f"{AT} FROM bench.floor WHERE message_id LIKE %s",
    "product": f"{AT} FROM bench.recorded WHERE message_id LIKE %s",
}
SIDES = {"floor": tuple(BARE), "product": tuple(BRIDGES)}


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over so many messages."""

    messages: int
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, milliseconds: list[float]) -> "Latency":
        """The median and the 99th percentile."""
        cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
        return cls(len(milliseconds), cuts[49], cuts[98])


def measure(world: World, rate: float, count: int) -> dict[str, Latency]:
    """The same flow for the floor and for the product, one after the other.

    The other side's clients are stopped meanwhile: two cores are not to be shared with what is
    not measured. Both sides are two clients of which the first to commit counts.
    """
    found = {}
    for side, services in SIDES.items():
        other = SIDES["product" if side == "floor" else "floor"]
        world.stop(other)
        world.await_connected(services)
        world.write(f"WARM{side[0].upper()}{rate:g}-", 20, 10)
        found[side] = _one(world, side, rate, count)
        world.start(other)
        eventually("nothing waits", lambda: not world.queued((*BRIDGES, *BARE)), 300)
    return found


def _one(world: World, side: str, rate: float, count: int) -> Latency:
    prefix = f"{side[0].upper()}{rate:g}-{count}-"
    left = world.write(prefix, count, rate)

    def committed() -> dict[str, float]:
        rows: dict[str, float] = dict(world.sql(COMMITTED[side], f"{prefix}%"))
        return rows if len(rows) == count else {}

    at = eventually(f"{count} rows of the {side}", committed, 300)
    return Latency.of([at[identity] - left[identity] for identity in left])
