"""Postgres away, paused, cut off, of another schema: nothing is lost, parked or silent."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from bridge.publisher import Pace
from tests.bridge.publishing import QUICK, Memory, drops, mention, publishing, read
from tests.bridge.road import road_to


async def test_nothing_is_lost_while_postgres_is_away(database_url: str) -> None:
    """Refused connections are retried with everything kept; when it answers, all arrives."""
    async with road_to(database_url) as road:
        await road.close()
        outbox = Memory([mention(1)])
        async with publishing(outbox, road.url) as running:
            await running.until("unreachable")
            await running.hear(mention(2))
            assert not running.status.ok
            assert not any(outbox.parked.values())
            await road.reopen()
            await running.settled()
            assert await drops(database_url) == {"DR1000001", "DR1000002"}


async def test_a_paused_postgres_is_left_after_a_time_limit(database_url: str) -> None:
    """A server that takes bytes and gives none back is noticed, and the next attempt delivers."""
    impatient = replace(QUICK, connect_s=0.3, command_s=0.3)
    async with (
        road_to(database_url) as road,
        publishing(Memory([mention(1)]), road.url, pace=impatient) as running,
    ):
        await running.settled()
        road.open.clear()
        await running.hear(mention(2))
        await running.until("unreachable")
        assert running.status.reason == "no answer in time"
        road.open.set()
        await running.settled()
        assert await drops(database_url) == {"DR1000001", "DR1000002"}


async def test_an_answer_that_never_came_changes_nothing_twice(database_url: str) -> None:
    """The connection is cut after Postgres committed: the batch is sent again, and counts once."""
    async with (
        road_to(database_url) as road,
        publishing(Memory(), road.url, pace=Pace(first_retry_s=0.02)) as running,
    ):
        await running.until("current")
        road.swallow = b"record_mentions"
        await running.hear(mention(1))
        await running.settled()
        assert await read(
            database_url, "SELECT count(*), bool_or(resubmitted) FROM qa_photo_reviews"
        ) == [(1, False)]
        assert road.carried == 2
        assert (running.status.new, running.status.known) == (0, 1)


async def test_a_batch_that_takes_too_long_is_made_smaller(database_url: str) -> None:
    """Postgres that cannot take 500 mentions within the limit still gets them all."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END $$;"
        "CREATE TRIGGER slow BEFORE INSERT ON drop_mentions FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    await connection.close()
    impatient = replace(QUICK, command_s=0.3)
    backlog = [mention(n) for n in range(100)]
    async with publishing(Memory(backlog), database_url, pace=impatient) as running:
        await running.settled()
        assert len(await drops(database_url)) == 100


DAMAGES = {
    "another column name": "ALTER TABLE qa_photo_reviews RENAME COLUMN user_name TO username",
    "no function": "DROP FUNCTION record_mentions",
    "no privilege": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE insufficient_privilege; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON drop_mentions"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    ),
    "a column that nobody fills": (
        "ALTER TABLE qa_photo_reviews ADD COLUMN region text NOT NULL DEFAULT 'x';"
        "ALTER TABLE qa_photo_reviews ALTER COLUMN region DROP DEFAULT"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_database_that_refuses_everything_is_loud_and_parks_nothing(
    database_url: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The 21 hours of silence: every insert fails because the database is not what the code
    expects. Every attempt is an error in the log, the status says so, nothing is parked, and the
    repair alone brings everything in.
    """
    connection = await asyncpg.connect(database_url)
    outbox = Memory([mention(n) for n in range(20)])
    await connection.execute(damage)
    async with publishing(outbox, database_url) as running:
        await running.until("refused")
        await _errors_logged(caplog, 3)
        assert not running.status.ok
        assert running.status.pending == 20
        assert not any(outbox.parked.values())
    await connection.close()


async def test_a_repaired_schema_lets_everything_in(database_url: str) -> None:
    """What was held while a column had another name arrives once the name is right."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("ALTER TABLE qa_photo_reviews RENAME COLUMN project TO site")
    async with publishing(Memory([mention(1)]), database_url) as running:
        await running.until("refused")
        assert "42703" in running.status.reason
        await connection.execute("ALTER TABLE qa_photo_reviews RENAME COLUMN site TO project")
        await running.settled()
        assert await drops(database_url) == {"DR1000001"}
    await connection.close()


@pytest.mark.parametrize(
    ("version", "min_compatible", "says"),
    [
        (0, 0, "database-migrate of this release has to run"),
        (9, 9, "the bridge has to be upgraded"),
    ],
)
async def test_another_schema_is_waited_for(
    database_url: str, version: int, min_compatible: int, says: str
) -> None:
    """A database too old or too new for this code is not written to; the status says who has to
    move, and publishing begins by itself when that is done.
    """
    connection = await asyncpg.connect(database_url)
    change = "UPDATE public.schema SET version = $1, min_compatible = $2"
    await connection.execute(change, version, min_compatible)
    async with publishing(Memory([mention(1)]), database_url) as running:
        await running.until("refused")
        assert says in running.status.reason
        assert await drops(database_url) == set()
        await connection.execute(change, 2, 1)
        await running.settled()
        assert await drops(database_url) == {"DR1000001"}
    await connection.close()


async def test_a_database_without_schema_is_waited_for(empty_database_url: str) -> None:
    """Before the first migration the bridge waits and says what has to run."""
    async with publishing(Memory([mention(1)]), empty_database_url) as running:
        await running.until("refused")
        assert "database-migrate has to run" in running.status.reason


async def test_a_wrong_url_is_said_and_survived(database_url: str) -> None:
    """Nonsense in place of the URL stops nothing but publishing, and is not repeated in the log."""
    where = ["mysql://user:secret-word@host/db"]
    async with publishing(Memory([mention(1)]), lambda: where[0]) as running:
        await running.until("refused")
        assert "secret-word" not in running.status.reason
        where[0] = database_url
        await running.settled()


async def _errors_logged(caplog: pytest.LogCaptureFixture, wanted: int) -> None:
    async with asyncio.timeout(20):
        while sum(r.message == "publishing" and r.levelname == "ERROR" for r in caplog.records) < (
            wanted
        ):
            await asyncio.sleep(0.02)
