"""A poisoned row in a batch: found, put aside with its error, and in nobody's way."""

from pathlib import Path

import asyncpg
import pytest

from tests.bridge.at_work import at_work
from tests.bridge.publishing import drops, read

POISON = {
    "P\x00": "22P05",  # no database takes a NUL
    "P23": "23514",
    "P42": "42804",
}
REFUSALS = """
ALTER TABLE public.drop_mentions ADD CONSTRAINT none_of_these CHECK (message_id <> 'P23');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE datatype_mismatch USING MESSAGE = 'another type'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON public.drop_mentions
FOR EACH ROW WHEN (new.message_id = 'P42') EXECUTE FUNCTION public.refuse();
"""


@pytest.mark.timeout(120)
async def test_a_poisoned_row_stops_nothing_else(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Three of 100 mentions of a day without Postgres are refused, each for another class of error
    (22, 23, 42): the other 97 are published, the three are named with their errors, health is
    yellow and stays 200, and what is heard afterwards goes on. Once the cause is gone, a restart
    brings in what can be.
    """
    connection = await asyncpg.connect(database_url)
    await connection.execute(REFUSALS)
    where = ["postgresql://nobody@127.0.0.1:1/away"]
    ids = [*POISON, *(f"H{number}" for number in range(97))]
    async with at_work(tmp_path, lambda: where[0]) as bridge:
        await bridge.until("unreachable")
        for number, id_ in enumerate(ids):
            await bridge.hear(number, id_)
        where[0] = database_url
        await bridge.published()
        await bridge.until("parked")
        assert bridge.status.parked == 3
        assert await drops(database_url) == bridge.heard - {f"DR200000{n}" for n in range(3)}
        named = {
            record.__dict__["message_id"]: record.__dict__["reason"]
            for record in caplog.records
            if record.message == "mention parked"
        }
        assert {id_: reason.split(":")[0] for id_, reason in named.items()} == {
            id_: f"SQLSTATE {state}" for id_, state in POISON.items()
        }
        health, publishing = bridge.health()
        assert health.ok
        assert publishing.ok
        for verdict in (health, publishing):
            assert [part.word for part in verdict.parts if not part.ok] == ["parked"]
        await bridge.hear(200)
        await bridge.published()
        assert "DR2000200" in await drops(database_url)
    await connection.execute("DROP TRIGGER refuse ON public.drop_mentions")
    await connection.execute("ALTER TABLE public.drop_mentions DROP CONSTRAINT none_of_these")
    await connection.close()
    async with at_work(tmp_path, database_url) as after:
        await after.until("parked")
        assert after.status.parked == 1
    assert await read(database_url, "SELECT count(*) FROM drop_mentions") == [(100,)]
