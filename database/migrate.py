"""Bring a database to the newest schema, safe against a second migrator and against kill -9.

yoyo reads, orders and records the migrations. Its own lock is a row that outlives a killed
process, and it marks a migration in another transaction than the one that applied it. Here both
are one transaction that begins with an advisory lock: whoever dies leaves nothing behind, and
whoever waited sees what the other one did. One connection is enough, also behind a pooler in
transaction mode.
"""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yoyo import internalmigrations, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, default_migration_table

from contracts.database_url import DatabaseAddress
from contracts.environments import in_schema
from database.connection import connect

MIGRATIONS = Path(__file__).with_name("migrations")

_LOCK = "SELECT pg_advisory_xact_lock(7226870418351958)"
_NOBODY = DatabaseURI("postgresql+psycopg", None, None, None, None, None, {})


class _OneTransaction(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo's backend, with a migration and its mark in one transaction on one connection."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        super().__init__(_NOBODY, default_migration_table)

    def connect(self, dburi: DatabaseURI) -> Any:  # noqa: ANN401, ARG002 - yoyo's own signature
        return connect(self.address)

    def get_log_data(
        self, migration: Migration | None = None, operation: str = "apply"
    ) -> dict[str, Any]:
        # yoyo's own would ask for the user's and the host's name: a container has no user, and a
        # name server that does not answer would hold the migration up.
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": "database",
            "hostname": "",
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }

    def prepare(self) -> None:
        with self.transaction():
            self.execute(_LOCK)
            if internalmigrations.needs_upgrading(self):
                internalmigrations.upgrade(self)

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        with self.transaction():
            self.execute(_LOCK)
            if self.is_applied(migration):
                return
            migration.process_steps(self, "apply", force=force)
            self.log_migration(migration, "apply")
            if mark:
                self.mark_one(migration, log=False)


def migrate(
    address: DatabaseAddress, migrations: Path = MIGRATIONS, environment: str = "prod"
) -> tuple[str, ...]:
    """Apply what is missing, each migration wholly or not at all; returns the names applied.

    Raises psycopg.Error. May be called at any time, by any number of processes at once.
    """
    with _written_for(environment, migrations) as folder, _OneTransaction(address) as backend:
        backend.prepare()
        missing = backend.to_apply(read_migrations(str(folder)))
        for migration in missing:
            backend.apply_one(migration)
        return tuple(migration.id for migration in missing)


@contextmanager
def _written_for(environment: str, migrations: Path) -> Iterator[Path]:
    """The same migrations for the environment's schema, under names of their own."""
    if environment == "prod":
        yield migrations
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for path in migrations.glob("*.sql"):
            text = in_schema(path.read_text(encoding="utf-8"), environment)
            text = text.replace("-- depends: ", f"-- depends: {environment}-", 1)
            (folder / f"{environment}-{path.name}").write_text(text, encoding="utf-8")
        yield folder
