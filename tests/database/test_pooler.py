"""PgBouncer in transaction mode with TLS, as hosted Postgres has it, before a plain Postgres."""

import psycopg
import pytest

from contracts.database_url import parse_database_url
from database.connection import connect
from database.migrate import migrate
from tests.conftest import ROOT, docker
from tests.pooler import INSIDE, Pooled, image


def test_migrations_run_through_a_pooler(pooled: Pooled) -> None:
    """An empty database is migrated by the pooler with its certificate verified, and again by the
    URL as it is hosted: nothing is left to do then, whichever way one looks.
    """
    with pooled.database() as name:
        applied = migrate(parse_database_url(pooled.verified(name)))
        assert len(applied) > 3
        assert migrate(parse_database_url(pooled.hosted(name))) == ()
        assert migrate(parse_database_url(pooled.direct(name))) == ()


def test_an_unknown_authority_is_refused(pooled: Pooled) -> None:
    """With verify-full and no authority of its own, a URL trusts those of the machine only."""
    url = pooled.verified("postgres").partition("&")[0]
    assert url.endswith("sslmode=verify-full")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(parse_database_url(url))


def test_the_hosted_url_is_refused_as_it_is(pooled: Pooled) -> None:
    """What is taken out of the URL has to go: this pooler refuses what it does not know."""
    with pytest.raises(psycopg.ProgrammingError, match="pgbouncer"):
        psycopg.connect(pooled.hosted("postgres"), connect_timeout=5)


def test_the_verbs_work_through_a_pooler(pooled: Pooled, pooled_database: str) -> None:
    """The image's verbs, by the pooler's name on its network, with the certificate verified."""
    inside = pooled.inside(pooled_database, "/authority.pem")

    def run(*verb: str) -> str:
        return docker(
            *("run", "--rm", "--network", pooled.network, "--read-only"),
            *("--tmpfs", "/tmp"),  # noqa: S108 - the container's own
            *("--env", f"DATABASE_URL={inside}"),
            *("--volume", f"{pooled.authority}:/authority.pem:ro"),
            *("--volume", f"{ROOT / 'config'}:/config:ro"),
            *(image("database"), "python", "-m", "database", *verb),
            merge=True,
        )

    assert "schema is current" in run("migrate")
    shown = run("status")
    assert f"{pooled_database} at pooler:{INSIDE}" in shown
    assert "0 mentions of Lawley released" in run("release-held", "--project", "Lawley")
    assert "0 drops computed anew" in run("recompute")
    assert "the bridges publish again" in run("renew-identity")
    assert run("status") != shown
