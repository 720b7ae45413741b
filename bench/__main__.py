"""`make bench`: every part in turn, a table at the end. `python -m bench PART…` runs some parts.

Parts: latency, burst, backlog, resources. The table goes into docs/measurements.md only when all
parts were run, so that one table is one run.
"""

import sys
from collections.abc import Callable

from bench import backlog, latency, resources
from bench.table import Row, write
from bench.world import World, world

SLOW_COUNT = 120
FAST_COUNT = 3_000
BACKLOG_COUNT = 10_000


def _latency(world: World, rate: float, count: int, limits: tuple[float, float]) -> list[Row]:
    found = latency.measure(world, rate, count)
    floor, product = found["floor"], found["product"]
    return [
        Row(
            f"message leaves the simulator -> row committed, {rate:g}/s, {name}, {count} messages",
            f"{ours:.1f} ms, {ours / theirs:.2f}x",
            f"{theirs:.1f} ms",
            f"<= {limit:g}x the floor",
            ours <= limit * theirs,
        )
        for name, ours, theirs, limit in (
            ("p50", product.p50_ms, floor.p50_ms, limits[0]),
            ("p99", product.p99_ms, floor.p99_ms, limits[1]),
        )
    ]


def slow(world: World) -> list[Row]:
    """One message a second."""
    return _latency(world, 1, SLOW_COUNT, (1.5, 3))


def fast(world: World) -> list[Row]:
    """A hundred messages a second."""
    return _latency(world, 100, FAST_COUNT, (2, 4))


def a_backlog(world: World) -> list[Row]:
    """10,000 messages that waited for both bridges, and the memory after 40,000."""
    found = backlog.measure(world, BACKLOG_COUNT)
    for _ in range(3):
        backlog.measure(world, BACKLOG_COUNT)
    after = resources.resident(world)
    share = 100 * found.product_per_s / found.floor_per_s
    untrue = len(found.watched.untrue)
    return [
        Row(
            f"backlog of {found.messages}, both bridges at once",
            f"{found.product_per_s:.0f}/s, {share:.0f} % of the floor;"
            f" in Postgres after {found.published_s:.0f} s",
            f"{found.floor_per_s:.0f}/s",
            ">= 75 %",
            share >= 75,
        ),
        Row(
            "health during it names the backlog",
            f"{found.watched.looks - untrue} of {found.watched.looks} answers",
            "",
            "all",
            untrue == 0,
        ),
        _memory("a bridge in the burst", found.watched.resident_mib),
        _memory("a bridge after 40,000 messages", after),
    ]


def _memory(what: str, mib: float) -> Row:
    return Row(f"resident memory of {what}", f"{mib:.1f} MiB", "", "<= 100 MiB", mib <= 100)


def at_rest(world: World) -> list[Row]:
    """What an idle stack takes, and how soon a bridge listens."""
    found = resources.idle(world)
    return [
        _memory("an idle bridge", found.resident_mib),
        Row(
            "memory of the whole stack with Postgres, idle",
            f"{found.stack_mib:.0f} MiB",
            "",
            "<= 1229 MiB",
            found.stack_mib <= 1229,
        ),
        Row(
            "idle processor of a bridge",
            f"{found.core_percent:.2f} % of a core",
            "",
            "<= 1 %",
            found.core_percent <= 1,
        ),
        Row(
            "container start -> connected again",
            f"{resources.start_s(world):.1f} s",
            "",
            "reported",
            None,
        ),
    ]


PARTS: dict[str, Callable[[World], list[Row]]] = {
    "resources": at_rest,
    "latency": slow,
    "burst": fast,
    "backlog": a_backlog,
}


def main() -> int:
    """Run what was named, or everything."""
    named = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in named if name not in PARTS]:
        print(f"no such part: {' '.join(unknown)}; there are {' '.join(PARTS)}", file=sys.stderr)
        return 2
    rows: list[Row] = []
    with world() as started:
        for name in named:
            for row in PARTS[name](started):
                print(row.line(), flush=True)
                rows.append(row)
    if len(named) == len(PARTS):
        write(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
