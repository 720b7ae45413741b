"""A database that was the wrong one, or was restored from an older dump: healed by publishing."""

import asyncio
from pathlib import Path

import asyncpg
import psycopg
import pytest

from bridge.publisher import PublishStatus
from contracts.database_url import parse_database_url
from database.migrate import migrate
from tests.bridge.at_work import at_work
from tests.bridge.publishing import Memory, drops, mention, publishing, read
from tests.conftest import docker
from tests.pooler import USER, Pooled, Server


def within(server: Server, script: str) -> None:
    """Run a script where pg_dump and psql are: beside the server."""
    docker("exec", "--user", "postgres", server.container, "bash", "-ec", script)


def restored(pooled: Pooled, name: str) -> None:
    """Put the dump in the database's place, as somebody does who restores a backup."""
    with psycopg.connect(pooled.direct("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    quiet = "--quiet --single-transaction --set ON_ERROR_STOP=1"
    within(pooled.postgres, f"psql -U {USER} {quiet} -f /tmp/{name}.sql {name} > /dev/null")


@pytest.mark.timeout(180)
async def test_a_restored_older_dump_is_filled_up_again(
    pooled: Pooled, pooled_database: str, tmp_path: Path
) -> None:
    """A dump of an hour ago is restored while both bridges publish. Its identity is the old one,
    yet both notice what it lacks, each for itself, and everything is there again: also what only
    one of them had heard.
    """
    url, direct = pooled.verified(pooled_database), pooled.direct(pooled_database)
    for name in ("primary", "backup"):
        (tmp_path / name).mkdir()
    async with (
        at_work(tmp_path / "primary", url) as primary,
        at_work(tmp_path / "backup", url, "backup") as backup,
    ):
        for number in range(20):
            await primary.hear(number)
            await backup.hear(number)
        await primary.published()
        await backup.published()
        within(pooled.postgres, f"pg_dump -U {USER} {pooled_database} > /tmp/{pooled_database}.sql")
        identity = await read(direct, "SELECT id FROM database_identity")
        await primary.hear(20)
        await primary.hear(21)
        await backup.hear(21)
        await primary.published()
        await backup.published()
        assert await drops(direct) == primary.heard
        restored(pooled, pooled_database)
        await primary.hear(22)
        both = "SELECT drop_number FROM drop_mentions WHERE heard_by @> ARRAY['primary', 'backup']"
        async with asyncio.timeout(90):
            while await drops(direct) != primary.heard or len(await read(direct, both)) < 21:
                await asyncio.sleep(0.1)
        assert await read(direct, "SELECT id FROM database_identity") == identity
        assert (primary.status.parked, backup.status.parked) == (0, 0)


async def test_a_restart_does_not_hide_that_a_dump_was_restored(
    pooled: Pooled, pooled_database: str, tmp_path: Path
) -> None:
    """Restored while the bridge was down: what it had published is known from its own file."""
    url, direct = pooled.verified(pooled_database), pooled.direct(pooled_database)
    within(pooled.postgres, f"pg_dump -U {USER} {pooled_database} > /tmp/{pooled_database}.sql")
    async with at_work(tmp_path, url) as before:
        await before.hear(1)
        await before.published()
    restored(pooled, pooled_database)
    assert await drops(direct) == set()
    async with at_work(tmp_path, url) as after:
        await after.until("current")
        assert await drops(direct) == before.heard


async def test_a_day_on_the_wrong_database_is_made_good(
    pooled: Pooled, pooled_database: str, tmp_path: Path
) -> None:
    """Published elsewhere all day: once the URL is right, the right one gets all of it, and what
    it had before is not published twice into something else.
    """
    direct = pooled.direct(pooled_database)
    with pooled.database() as wrong:
        migrate(parse_database_url(pooled.direct(wrong)))
        where = [pooled.verified(pooled_database)]
        async with at_work(tmp_path, lambda: where[0]) as bridge:
            await bridge.hear(1)
            await bridge.published()
            where[0] = pooled.verified(wrong)
            mistaken = await _another_than(bridge.status, bridge.status.database_id)
            for number in range(2, 40):
                await bridge.hear(number)
            await bridge.published()
            assert await drops(pooled.direct(wrong)) == bridge.heard
            assert await drops(direct) == {"DR2000001"}
            where[0] = pooled.verified(pooled_database)
            await _another_than(bridge.status, mistaken)
            await bridge.published()
            assert await drops(direct) == bridge.heard
            assert await read(direct, "SELECT count(*) FROM drop_mentions") == [(39,)]


async def _another_than(status: PublishStatus, database_id: str | None) -> str:
    async with asyncio.timeout(60):
        while status.database_id is None or status.database_id == database_id:
            await asyncio.sleep(0.05)
    return status.database_id


async def test_what_is_lacking_is_not_hidden_by_what_is_newer(database_url: str) -> None:
    """A ledger loses a mention, and a newer one is published before the next look at it: the look
    still asks for what was there at the last one, and finds out.
    """
    outbox = Memory([mention(1)])
    async with publishing(outbox, database_url) as running:
        await running.settled()
        await _looked_again(running.status)
        connection = await asyncpg.connect(database_url)
        await connection.execute("DELETE FROM drop_mentions")
        await connection.execute("DELETE FROM qa_photo_reviews")
        await connection.close()
        await running.hear(mention(2))
        async with asyncio.timeout(60):
            while await drops(database_url) != {"DR1000001", "DR1000002"}:
                await asyncio.sleep(0.05)


async def _looked_again(status: PublishStatus) -> None:
    # Only a look at the database writes this field.
    status.database_id = None
    async with asyncio.timeout(60):
        while status.database_id is None:
            await asyncio.sleep(0.01)
