"""Reading DATABASE_URL as people and hosting companies write it."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from contracts.database_url import database_url_source, parse_database_url


def test_parameters_only_libpq_knows_are_taken_out_and_named() -> None:
    """Neon's own URL works: TLS stays asked for, what a client would refuse is left out."""
    address = parse_database_url(
        "postgres://neo:p%40ss@ep-x-pooler.eu.neon.tech/neondb"
        "?sslmode=require&channel_binding=require&connect_timeout=10&pgbouncer=true"
    )
    assert address.url == (
        "postgresql://neo:p%40ss@ep-x-pooler.eu.neon.tech/neondb?sslmode=require"
    )
    assert address.removed == ("channel_binding", "connect_timeout", "pgbouncer")
    assert (address.host, address.database) == ("ep-x-pooler.eu.neon.tech", "neondb")


def test_the_password_is_not_in_what_may_be_shown() -> None:
    """Neither the representation nor the host contains credentials."""
    address = parse_database_url("postgresql://user:secret-word@db:5433/name")
    assert "secret-word" not in repr(address) + address.host
    assert address.host == "db:5433"


@pytest.mark.parametrize(
    "url",
    ["", "mysql://u:secret-word@h/d", "postgresql://u:secret-word@h:port/d", "postgresql:///d"],
)
def test_nonsense_is_refused_without_repeating_it(url: str) -> None:
    """A URL that cannot be used is a sentence, never the URL."""
    with pytest.raises(ValueError, match="the database URL") as refused:
        parse_database_url(url)
    assert "secret-word" not in str(refused.value)


def test_two_sources_at_once_are_a_mistake(tmp_path: Path) -> None:
    """DATABASE_URL and DATABASE_URL_FILE together are refused, empty ones are unset."""
    both = {"DATABASE_URL": "postgresql://a/b", "DATABASE_URL_FILE": str(tmp_path / "url")}
    with pytest.raises(ValueError, match="both set"):
        database_url_source(both, tmp_path / "password")
    (tmp_path / "password").write_text("p@ss\n")
    own = database_url_source({"DATABASE_URL": "", "DATABASE_URL_FILE": ""}, tmp_path / "password")
    assert own() == "postgresql://twinbridge:p%40ss@database:5432/twinbridge"


def test_a_file_is_read_again_each_time(tmp_path: Path) -> None:
    """The file may come later and may change; while it is missing that is an OSError."""
    file = tmp_path / "url"
    source = database_url_source({"DATABASE_URL_FILE": str(file)}, tmp_path / "password")
    with pytest.raises(FileNotFoundError):
        source()
    file.write_text("postgresql://a/b\n")
    assert source() == "postgresql://a/b"


@pytest.mark.parametrize(
    ("query", "authority"),
    [
        ("sslmode=verify-full", "/etc/ssl/certs/ca-certificates.crt"),
        ("sslmode=verify-full&sslrootcert=system", "/etc/ssl/certs/ca-certificates.crt"),
        ("sslrootcert=/config/ca.pem&sslmode=verify-ca", "/config/ca.pem"),
        ("sslmode=require", None),
    ],
)
def test_a_verified_certificate_needs_somebody_who_is_trusted(
    query: str, authority: str | None
) -> None:
    """Where verification is asked for and nobody is named, both clients trust the machine's own."""
    address = parse_database_url(f"postgresql://u@h/d?{query}")
    named = parse_qs(urlsplit(address.url).query).get("sslrootcert")
    assert named == (None if authority is None else [authority])
