"""How long a captured message takes to its row: measured and printed, never judged by time."""

import asyncio
import statistics
import time
from pathlib import Path

import pytest

from tests.bridge.at_work import at_work
from tests.bridge.publishing import read
from tests.bridge.road import road_to

SECONDS = 15
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("away_ms", [0, 20], ids=["beside", "20 ms away"])
@pytest.mark.parametrize("per_second", [1, 10, 100])
async def test_from_capture_to_row(
    database_url: str,
    tmp_path: Path,
    per_second: int,
    away_ms: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything arrives. Printed are the time from before the capture to the statement that made
    the row, and how many transactions Postgres had for each message.
    """
    started: dict[str, float] = {}
    async with road_to(database_url) as road, at_work(tmp_path, road.url) as bridge:
        road.delay_s = away_ms / 2000
        await bridge.until("current")
        ((before,),) = await read(database_url, COMMITS)
        begin = time.monotonic()
        for number in range(SECONDS * per_second):
            await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            started[f"H{number}"] = time.time()
            await bridge.hear(number)
        await bridge.published()
    rows = await read(database_url, "SELECT message_id, applied_at FROM drop_mentions")
    ((after,),) = await read(database_url, COMMITS)
    assert {id_ for id_, _ in rows} == set(started)
    cuts = statistics.quantiles(
        [(applied.timestamp() - started[id_]) * 1000 for id_, applied in rows], n=100
    )
    commits = (after - before) / len(started)
    with capsys.disabled():
        print(f"\n{per_second}/s, {away_ms} ms away: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms,")
        print(f"{commits:.1f} transactions a message", end=" ")
