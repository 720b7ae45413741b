"""A Postgres behind a PgBouncer, both of the tests' own: to be killed, stopped and paused."""

import asyncio
import os
import random
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
import pytest

from contracts.database_url import parse_database_url
from database.migrate import migrate
from tests.conftest import docker, eventually

Outage = Literal["kill", "stop", "pause"]

IMAGE = "twinbridge-test-pooler"
USER = "twinbridge"
PASSWORD = "heron-" + uuid.uuid4().hex  # no word of it may appear anywhere
INSIDE = 6432


@dataclass(frozen=True, slots=True)
class Server:
    """A container that listens on one port of loopback, the same after a restart."""

    container: str
    port: int

    @asynccontextmanager
    async def away(self, how: Outage) -> AsyncIterator[None]:
        """The server is away inside the context: killed, stopped, or paused with its sockets."""
        await asyncio.to_thread(docker, how, self.container)
        try:
            yield
        finally:
            back = "unpause" if how == "pause" else "start"
            await asyncio.to_thread(docker, back, self.container)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Postgres, and the pooler in front of it; both have every database under the same name."""

    postgres: Server
    pooler: Server
    network: str
    authority: Path
    """The certificate that signed the pooler's."""

    def direct(self, database: str) -> str:
        """The URL without the pooler."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.postgres.port}/{database}"

    def verified(self, database: str) -> str:
        """The URL by the pooler, whose certificate and name are checked."""
        query = f"sslmode=verify-full&sslrootcert={quote(str(self.authority), safe='')}"
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.pooler.port}/{database}?{query}"

    def hosted(self, database: str) -> str:
        """The URL as a hosted Postgres gives it, for the pooler."""
        query = "sslmode=require&channel_binding=require&pgbouncer=true&connect_timeout=15"
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.pooler.port}/{database}?{query}"

    def inside(self, database: str, authority: str) -> str:
        """The verified URL on the network, for a container that has the certificate there."""
        query = f"sslmode=verify-full&sslrootcert={authority}"
        return f"postgresql://{USER}:{PASSWORD}@pooler:{INSIDE}/{database}?{query}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database; gives its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._execute(f'CREATE DATABASE "{name}"')
        try:
            yield name
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.direct("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def answers(self, url: str) -> bool:
        """Whether a statement gets its answer."""
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.Error:
            return False


@pytest.fixture(scope="session")
def pooled(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    """Both servers, running."""
    docker("build", "--quiet", "--tag", IMAGE, str(Path(__file__).parent), timeout=300)
    label = f"org.twinbridge.test={run_id}"
    network = f"{run_id}-pooled"
    with ExitStack() as made:
        docker("network", "create", "--label", label, network)
        made.callback(docker, "network", "rm", network, check=False)
        postgres = _started(
            made,
            *("--label", label, "--network", network, "--network-alias", "behind"),
            *("--env", f"POSTGRES_USER={USER}", "--env", f"POSTGRES_PASSWORD={PASSWORD}"),
            image="postgres:17",
            inside=5432,
        )
        pooler = _started(
            made,
            *("--label", label, "--network", network, "--network-alias", "pooler"),
            *("--env", f"POOLER_USER={USER}", "--env", f"POOLER_PASSWORD={PASSWORD}"),
            *("--env", "BEHIND=behind"),
            image=IMAGE,
            inside=INSIDE,
        )
        authority = tmp_path_factory.mktemp("pooler") / "authority.pem"

        def certificate() -> str:
            return docker("exec", pooler.container, "cat", "authority.pem", check=False)

        authority.write_text(eventually("the pooler has its certificate", certificate))
        authority.chmod(0o644)
        both = Pooled(postgres, pooler, network, authority)
        eventually("Postgres answers", lambda: both.answers(both.direct("postgres")), 120)
        eventually("the pooler answers", lambda: both.answers(both.verified("postgres")), 120)
        yield both


@pytest.fixture
def pooled_database(pooled: Pooled) -> Iterator[str]:
    """The name of a database that was migrated through the pooler."""
    with pooled.database() as name:
        migrate(parse_database_url(pooled.verified(name)))
        yield name


def image(service: str) -> str:
    """An image of ours, of the tag that Compose would run."""
    return f"twinbridge-{service}:{os.environ.get('TWINBRIDGE_TAG') or 'latest'}"


def _started(made: ExitStack, *options: str, image: str, inside: int) -> Server:
    port = _free_port()
    published = f"127.0.0.1:{port}:{inside}"
    container = docker("run", "--detach", "--publish", published, *options, image).strip()
    made.callback(docker, "rm", "--force", "--volumes", container, check=False)
    return Server(container, port)


def _free_port() -> int:
    """A port that nobody has, below those that the kernel gives to connections going out."""
    while True:
        port = random.randint(20_000, 31_000)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
