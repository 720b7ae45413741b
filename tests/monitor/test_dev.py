"""`dev` is a schema and a role of its own."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from contracts.database_url import parse_database_url
from contracts.environments import as_role, role_of
from database.migrate import migrate
from database.roles import make_role, make_schema
from tests.monitor.conftest import Monitoring, ask
from tests.monitor.feeding import feeding


@pytest.fixture
def dev_url(database_url: str) -> Iterator[str]:
    """The database with the schema `dev`, as its own role."""
    address = parse_database_url(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        make_schema(connection, "dev")
        migrate(address, environment="dev")
        for password in ("an-old-one", "a new one/with: all@kinds"):
            assert make_role(connection, address.database, "dev", password)
    yield as_role(address, "dev", "a new one/with: all@kinds")
    role = f'"{role_of(address.database, "dev")}"'
    ask(database_url, f"DROP OWNED BY {role}")
    ask(database_url, f"DROP ROLE {role}")


async def test_dev_writes_into_its_own_schema(
    tmp_path: Path, config: Path, database_url: str, dev_url: str, monitoring: Monitoring
) -> None:
    """The monitor of `dev` makes the same rows in `dev`, as its own role, and none elsewhere."""
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        feeder.message("M1", "DR1000001", ago_s=7200)
        seq = feeder.message("M2", "DR1000001 again", "27820000051")
        async with monitoring(volume, dev_url, "dev") as monitor:
            await monitor.until_read(seq)
            await monitor.until_compared()
            assert monitor.status.lacked == 0
    reviews = "SELECT drop_number, submitted_by, resubmitted FROM {}.qa_photo_reviews"
    assert ask(dev_url, reviews.format("dev")) == [("DR1000001", "27820000051", True)]
    assert ask(database_url, reviews.format("public")) == []


async def test_our_own_numbers_are_known_in_dev_too(
    tmp_path: Path, config: Path, dev_url: str, monitoring: Monitoring
) -> None:
    """No bridge writes to `dev`; a number that the file knows as ours makes no review there, also
    when that becomes known after its message.
    """
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        async with monitoring(volume, dev_url, "dev") as monitor:
            feeder.message("M1", "DR1000001", "27820000009")
            await monitor.until_read(feeder.message("M2", "DR1000002"))
            await monitor.until_read(feeder.order("own", numbers=["27820000009"]))
            assert ask(dev_url, "SELECT drop_number FROM dev.qa_photo_reviews") == [("DR1000002",)]


def test_the_role_may_do_nothing_elsewhere(dev_url: str) -> None:
    """It can neither read nor write the reviews of `prod`, nor make anything."""
    for statement in (
        "SELECT * FROM public.qa_photo_reviews",
        "INSERT INTO public.qa_photo_reviews (drop_number) VALUES ('DR1')",
        "SELECT * FROM public.own_numbers",
        "SELECT public.release_held('Lawley')",
        "CREATE TABLE public.mine (n integer)",
        "CREATE TABLE dev.mine (n integer)",
        "CREATE SCHEMA mine",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(dev_url, statement)
    assert ask(dev_url, "SHOW statement_timeout") == [("30s",)]


def test_migrations_of_dev_are_complete(database_url: str, dev_url: str) -> None:
    """Both schemas have the same tables and the same functions, and nothing of one names the
    other.
    """
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = %s::regnamespace ORDER BY 1"
    for kind in (tables, functions):
        ours, theirs = (ask(database_url, kind, schema) for schema in ("public", "dev"))
        assert [name for name in ours if "yoyo" not in name[0]] == theirs
        assert len(theirs) > 9
    sources = "SELECT prosrc FROM pg_proc WHERE pronamespace = 'dev'::regnamespace"
    assert [source for (source,) in ask(dev_url, sources) if "public." in source] == []
