"""The role of an environment: it may use its own schema and nothing else.

The limits are the role's own, because a pooler takes no settings from a connection.
"""

import logging

import psycopg
from psycopg import sql

from contracts.environments import SCHEMAS, role_of

log = logging.getLogger(__name__)

_SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "60s",
}
_CONNECTIONS = 10

_GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
)


def make_schema(connection: psycopg.Connection[tuple[object, ...]], environment: str) -> None:
    """Make the environment's schema unless it is there; what it holds is the migrations' work."""
    statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}")
    connection.execute(statement.format(sql.Identifier(SCHEMAS[environment])))


def make_role(
    connection: psycopg.Connection[tuple[object, ...]], database: str, environment: str, secret: str
) -> bool:
    """Make the role what it should be, whatever it was; False where this login may not do that."""
    name = role_of(database, environment)
    role, schema = sql.Identifier(name), sql.Identifier(SCHEMAS[environment])
    try:
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
        # Hosted Postgres wants to see the password itself, not what was made of it.
        verb = sql.SQL("ALTER" if known is not None else "CREATE")
        made = sql.SQL("{} ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}")
        connection.execute(made.format(verb, role, sql.Literal(_CONNECTIONS), sql.Literal(secret)))
        for setting, value in _SETTINGS.items():
            change = sql.SQL("ALTER ROLE {} SET {} = {}")
            connection.execute(change.format(role, sql.Identifier(setting), sql.Literal(value)))
        for grant in _GRANTS:
            connection.execute(sql.SQL(grant).format(role=role, schema=schema))
    except psycopg.errors.InsufficientPrivilege as refused:
        log.warning(
            "this login may make no roles; the environment stays without one",
            extra={"environment": environment, "reason": str(refused).strip()},
        )
        return False
    return True
