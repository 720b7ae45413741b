"""Postgres and the pooler killed, stopped and paused under load: a real store, real servers."""

from pathlib import Path

import pytest

from tests.bridge.at_work import at_work
from tests.bridge.publishing import drops, read
from tests.pooler import Outage, Pooled


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("server", "how"),
    [
        ("postgres", "kill"),
        ("postgres", "stop"),
        ("postgres", "pause"),
        ("pooler", "kill"),
        ("pooler", "stop"),
        ("pooler", "pause"),
    ],
)
async def test_nothing_is_lost_while_a_server_is_away(
    pooled: Pooled, pooled_database: str, tmp_path: Path, server: str, how: Outage
) -> None:
    """Capturing goes on while a server is away; publishing says *unreachable* and /health stays
    200. When the server is back, everything arrives by itself, once, and nothing was parked.
    """
    broken = {"postgres": pooled.postgres, "pooler": pooled.pooler}[server]
    async with (
        at_work(tmp_path, pooled.verified(pooled_database)) as bridge,
        bridge.under_load(),
    ):
        await bridge.until("current")
        await bridge.more(10)
        async with broken.away(how):
            await bridge.until("unreachable")
            await bridge.more(20)
            health, publishing = bridge.health()
            assert (health.ok, publishing.ok) == (True, False)
            assert [part.word for part in publishing.parts] == ["unreachable"]
        await bridge.until("current")
        await bridge.more(10)
    async with at_work(tmp_path, pooled.verified(pooled_database)) as after:
        await after.published()
        assert after.status.parked == 0
    direct = pooled.direct(pooled_database)
    assert await drops(direct) == bridge.heard
    assert await read(direct, "SELECT count(*) FROM drop_mentions") == [(len(bridge.heard),)]
    assert await read(direct, "SELECT count(*) FROM qa_photo_reviews WHERE resubmitted") == [(0,)]
