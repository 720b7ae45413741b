"""Written by database/ (which makes schema and role), read by monitors: prod and dev in Postgres.

`prod` is the schema that the bridges write into, with the role of DATABASE_URL. `dev` has the same
tables and functions in a schema of its own, and a role that can do nothing elsewhere, so that no
mistake in `dev` reaches a review of `prod`.
"""

from urllib.parse import quote, urlsplit

from contracts.database_url import DatabaseAddress

SCHEMAS = {"prod": "public", "dev": "dev"}

PASSWORDS = {"dev": "dev-password"}
"""Environments with a role of their own: the secret that holds its password."""


def in_schema(statement: str, environment: str) -> str:
    """The statement for this environment; every name in it is qualified, as a pooler needs it."""
    return statement.replace("public.", f"{SCHEMAS[environment]}.")


def role_of(database: str, environment: str) -> str:
    """The role's name; the database's is in it, because roles are shared by all of a server."""
    return f"{database[:40]}_{environment}"


def as_role(address: DatabaseAddress, environment: str, password: str) -> str:
    """The URL of the same database for the environment's own role."""
    parts = urlsplit(address.url)
    user = quote(role_of(address.database, environment), safe="")
    netloc = f"{user}:{quote(password, safe='')}@{address.host}"
    return parts._replace(netloc=netloc).geturl()
