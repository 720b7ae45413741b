"""A real Postgres for every test that asks: one server a run, one fresh database a test.

TWINBRIDGE_TEST_POSTGRES may name a scratch server (a superuser's URL) to be used instead of a
container.
"""

import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config

from contracts.database_url import parse_database_url
from database.migrate import migrate

IMAGE = "postgres:17"
PASSWORD = "pigeon-" + uuid.uuid4().hex  # no word of it may appear anywhere


@pytest.fixture(scope="session")
def postgres_server(run_id: str) -> Iterator[PostgresContainer]:
    """The container of this run's own server."""
    # The sweeper of testcontainers is an image of its own; .ci/pytest sweeps by label instead.
    testcontainers_config.ryuk_disabled = True
    server = PostgresContainer(IMAGE, driver=None, password=PASSWORD).with_kwargs(
        labels={"org.twinbridge.test": run_id}
    )
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres_container(postgres_server: PostgresContainer) -> str:
    """The id of that container, for those who connect it to a network of theirs."""
    return str(postgres_server.get_wrapped_container().id)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The URL of a superuser on a server of this run's own, or on the scratch server."""
    scratch = os.environ.get("TWINBRIDGE_TEST_POSTGRES")
    if scratch:
        return scratch
    server: PostgresContainer = request.getfixturevalue("postgres_server")
    return str(server.get_connection_url())


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> Iterator[str]:
    """The name of a database that has been migrated and is only copied from."""
    with _created(postgres) as name:
        migrate(parse_database_url(_url(postgres, name)))
        yield name


@pytest.fixture
def database_url(postgres: str, migrated_template: str) -> Iterator[str]:
    """A fresh database with the newest schema."""
    with _created(postgres, migrated_template) as name:
        url = _url(postgres, name)
        with psycopg.connect(url) as connection:  # a copy would share its template's identity
            connection.execute("UPDATE public.database_identity SET id = gen_random_uuid()")
        yield url


@pytest.fixture
def empty_database_url(postgres: str) -> Iterator[str]:
    """A fresh database without anything in it."""
    with _created(postgres) as name:
        yield _url(postgres, name)


class _created:  # noqa: N801 - used like a function
    """A database that is dropped at the end, whoever is still connected."""

    def __init__(self, server: str, template: str = "template1") -> None:
        self.server = server
        self.template = template
        self.name = f"test_{uuid.uuid4().hex[:12]}"

    def __enter__(self) -> str:
        self._execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.template}"')
        return self.name

    def __exit__(self, *_: object) -> None:
        self._execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement.encode())


def _url(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()
