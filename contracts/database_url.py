"""Set by people in .env, read by the bridges and by database/: where Postgres is.

Hosted Postgres gives URLs for libpq; of their parameters only those stay that every client of
ours understands. asyncpg would pass the rest on as server settings, which Postgres and PgBouncer
refuse (``channel_binding``, ``connect_timeout``, ``pgbouncer``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

KEPT = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"})
"""Parameters that change what a connection is, known to libpq and to asyncpg."""

SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Who is trusted where the URL names nobody: libpq and asyncpg would look into a home directory."""

OWN_DATABASE = "postgresql://twinbridge:{password}@database:5432/twinbridge"
"""The stack's own Postgres, used when nobody names another."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """A URL that can be connected to, and what of it may be shown."""

    url: str = field(repr=False)
    host: str
    """Host and port as written, never the credentials."""
    database: str
    removed: tuple[str, ...]
    """Names of the parameters that were taken out."""


def parse_database_url(url: str) -> DatabaseAddress:
    """Clean a URL; raises ValueError with a sentence that never contains the URL or a secret."""
    text = url.strip().strip("'\"")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises ValueError for a port that is no number
    except ValueError:
        raise ValueError(
            "the database URL cannot be read; is its password percent-encoded?"
        ) from None
    if parts.scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ValueError("the database URL does not begin with postgresql://")
    if not parts.hostname or parts.fragment:
        raise ValueError("the database URL names no host, or has a # that is not percent-encoded")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if _is_kept(name, value)]
    if dict(kept).get("sslmode") in {"verify-ca", "verify-full"}:
        named = dict(kept).get("sslrootcert", "system")
        kept = [pair for pair in kept if pair[0] != "sslrootcert"]
        kept.append(("sslrootcert", SYSTEM_AUTHORITIES if named == "system" else named))
    removed = tuple(name for name, value in pairs if not _is_kept(name, value))
    database = unquote(parts.path.lstrip("/")) or unquote(parts.username or "")
    query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
    return DatabaseAddress(
        url=f"postgresql://{parts.netloc}/{quote(database, safe='')}{query}",
        host=parts.netloc.rpartition("@")[2],
        database=database,
        removed=removed,
    )


def _is_kept(name: str, value: str) -> bool:
    # Neon finds the endpoint of a client without SNI in the options.
    return name in KEPT or (name == "options" and "endpoint" in value)


def database_url_source(environment: Mapping[str, str], password_file: Path) -> Callable[[], str]:
    """Say where the URL comes from: DATABASE_URL, DATABASE_URL_FILE or the stack's own Postgres.

    The result is called before each connection, so a changed file counts without a restart; it
    raises OSError while a file is missing. Raises ValueError if both variables are set.
    """
    url = environment.get("DATABASE_URL", "").strip()
    file = environment.get("DATABASE_URL_FILE", "").strip()
    if url and file:
        raise ValueError("DATABASE_URL and DATABASE_URL_FILE are both set; one must be empty")
    if url:
        return lambda: url
    if file:
        return lambda: Path(file).read_text(encoding="utf-8").strip()
    return lambda: OWN_DATABASE.format(
        password=quote(password_file.read_text(encoding="utf-8").strip(), safe="")
    )
