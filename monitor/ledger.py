"""The ledger of one environment over one connection: bounded in time, good for a pooler."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from contracts.environments import in_schema
from contracts.ledger import (
    ADVANCE_CURSORS,
    APPLY_WAITING,
    FOLLOW_STORE,
    FORGET_CURSORS,
    LACKING_MENTIONS,
    NOTE_COMPARISON,
    READ_CURSORS,
    READ_SCHEMA,
    RECORD_MENTIONS,
    REGISTER_OWN_NUMBER,
    SCHEMA_VERSION,
    Mention,
    encode_mentions,
)
from monitor.errors import SchemaMismatchError

CONNECT_S = 5.0
COMMAND_S = 10.0

Key = tuple[str, str, str]
"""Drop number, chat and message id."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What Postgres knows of a file: the cursors, and when it was last compared."""

    cursors: Mapping[tuple[str, str], int]
    """Chat and rules hash -> change_seq; absent is 0."""
    compared_at: datetime | None
    """None also when it has to be compared again."""
    lacked: int | None
    """What was lacking at that time."""


class Ledger:
    """The functions that a monitor calls. Every method raises what asyncpg raises."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", environment: str) -> None:
        self._connection = connection
        self._environment = environment

    async def check_schema(self) -> None:
        """Raise SchemaMismatchError when this code and the database do not go together."""
        try:
            row = await self._connection.fetchrow(self._sql(READ_SCHEMA))
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            row = None
        if row is None:
            raise SchemaMismatchError("the database has no schema yet: database-migrate has to run")
        if row["version"] < SCHEMA_VERSION:
            raise SchemaMismatchError(
                f"the database has schema {row['version']}, this monitor needs {SCHEMA_VERSION}:"
                " database-migrate of this release has to run"
            )
        if row["min_compatible"] > SCHEMA_VERSION:
            raise SchemaMismatchError(
                f"the database needs code for schema {row['min_compatible']} or later, this"
                f" monitor knows {SCHEMA_VERSION}: the monitor has to be upgraded"
            )

    async def follow(self, store_id: str, bridge: str) -> Followed:
        """Say that this file is read from now on, and learn how far it had been."""
        row = await self._connection.fetchrow(
            self._sql(FOLLOW_STORE), self._environment, store_id, bridge
        )
        rows = await self._connection.fetch(self._sql(READ_CURSORS), self._environment, store_id)
        cursors = {(one["chat"], one["rules_hash"]): one["change_seq"] for one in rows}
        if row is None or row["due"]:
            return Followed(cursors, None, None)
        return Followed(cursors, row["compared_at"], row["lacked"])

    async def advance(
        self, store_id: str, groups: Sequence[tuple[str, str]], change_seq: int
    ) -> None:
        """Move the cursors of these (chat, rules hash) forward, never back."""
        await self._connection.execute(
            self._sql(ADVANCE_CURSORS),
            self._environment,
            store_id,
            [chat for chat, _ in groups],
            [rules for _, rules in groups],
            change_seq,
        )

    async def forget(self, store_id: str) -> None:
        """Take away the cursors of a file that was rolled back."""
        await self._connection.execute(self._sql(FORGET_CURSORS), self._environment, store_id)

    async def lacking(self, mentions: Sequence[Mention]) -> frozenset[Key]:
        """The keys of those that would change the ledger."""
        rows = await self._connection.fetch(
            self._sql(LACKING_MENTIONS), encode_mentions(sorted(mentions))
        )
        return frozenset((row["drop_number"], row["chat"], row["message_id"]) for row in rows)

    async def record(self, bridge: str, mentions: Sequence[Mention]) -> int:
        """Hand one batch to the ledger in the order of the keys; how many reviews were made."""
        row = await self._connection.fetchrow(
            self._sql(RECORD_MENTIONS), bridge, encode_mentions(sorted(mentions))
        )
        return int(row["reviews"]) if row else 0

    async def apply_waiting(self, since: Mapping[str, datetime]) -> int:
        """Apply what nobody applied, per project not older than this; at most 500."""
        return int(
            await self._connection.fetchval(
                self._sql(APPLY_WAITING), list(since), list(since.values())
            )
        )

    async def register_own(self, bridge: str, number: str) -> None:
        """Know a number of ours, of which the file does not say whether it is a phone or a LID."""
        await self._connection.execute(self._sql(REGISTER_OWN_NUMBER), bridge, number, number)

    async def note_comparison(self, store_id: str, lacked: int) -> None:
        """Keep when the file was compared with the ledger, and what came of it."""
        await self._connection.execute(
            self._sql(NOTE_COMPARISON), self._environment, store_id, lacked
        )

    def _sql(self, statement: str) -> str:
        return in_schema(statement, self._environment)


@asynccontextmanager
async def connected(url: str, environment: str) -> AsyncIterator[Ledger]:
    """Connect, and leave at once whatever has become of the connection."""
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_S,
        command_timeout=COMMAND_S,
        statement_cache_size=0,  # a pooler may run the next statement on another server
        server_settings={"application_name": f"twinbridge-monitor-{environment}"},
    )
    try:
        yield Ledger(connection, environment)
    finally:
        # A polite close waits for a server that may be gone; nothing is under way here.
        connection.terminate()
