"""One connection to Postgres as the publisher needs it: bounded in time, good for a pooler."""

import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from contracts.database_url import DatabaseAddress, parse_database_url
from contracts.ledger import (
    READ_IDENTITY,
    READ_OWN_NUMBERS,
    READ_SCHEMA,
    RECORD_MENTIONS,
    REGISTER_OWN_NUMBER,
    SCHEMA_VERSION,
    Mention,
    encode_mentions,
)

log = logging.getLogger(__name__)

KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 10, 5, 3


class SchemaMismatchError(Exception):
    """This code cannot write into the database as it is; the message says who has to move."""


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """A number of ours: phone and LID as digits, either may be unknown."""

    name: str
    pn: str | None
    lid: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database this is, and whether it still has what it was asked for."""

    database_id: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one batch did: mentions new to the ledger, known to it, and reviews inserted."""

    new: int
    known: int
    reviews: int


class Database:
    """The ledger's functions over one connection. Every method raises what asyncpg raises."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", bridge: str) -> None:
        self._connection = connection
        self._bridge = bridge

    async def identity(self, published: Sequence[Mention]) -> "Identity":
        """Check the schema, then give the id that outbox marks are kept for.

        `published` are mentions that this bridge has published there.
        Raises SchemaMismatchError when this code and the database do not go together.
        """
        try:
            row = await self._connection.fetchrow(READ_SCHEMA)
        except asyncpg.UndefinedTableError:
            row = None
        if row is None:
            raise SchemaMismatchError("the database has no schema yet: database-migrate has to run")
        if row["version"] < SCHEMA_VERSION:
            raise SchemaMismatchError(
                f"the database has schema {row['version']}, this bridge needs {SCHEMA_VERSION}: "
                "database-migrate of this release has to run"
            )
        if row["min_compatible"] > SCHEMA_VERSION:
            raise SchemaMismatchError(
                f"the database needs code for schema {row['min_compatible']} or later, "
                f"this bridge knows {SCHEMA_VERSION}: the bridge has to be upgraded"
            )
        found = await self._connection.fetchrow(
            READ_IDENTITY,
            self._bridge,
            [mention.drop_number for mention in published],
            [mention.chat for mention in published],
            [mention.message_id for mention in published],
            [mention.as_of for mention in published],
        )
        if found is None:
            raise SchemaMismatchError("the database has no identity: database-migrate has to run")
        return Identity(found["id"], found["confirmed"])

    async def record(self, mentions: Sequence[Mention]) -> Recorded:
        """Hand one batch to the ledger, in one transaction and in the order of the keys."""
        row = await self._connection.fetchrow(
            RECORD_MENTIONS, self._bridge, encode_mentions(sorted(mentions))
        )
        if row is None:
            raise asyncpg.InterfaceError("the ledger gave no answer")
        return Recorded(row["recorded"], row["known"], row["reviews"])

    async def register(self, number: OwnNumber) -> None:
        """Say that a number is ours, so that nothing it writes becomes a review."""
        await self._connection.execute(REGISTER_OWN_NUMBER, number.name, number.pn, number.lid)

    async def own_numbers(self) -> frozenset[OwnNumber]:
        """Every number that is ours, whoever registered it."""
        rows = await self._connection.fetch(READ_OWN_NUMBERS)
        return frozenset(OwnNumber(row["name"], row["pn"], row["lid"]) for row in rows)


def read_address(source: Callable[[], str]) -> DatabaseAddress:
    """Read the URL and clean it; raises OSError and ValueError, neither with a secret in it."""
    address = parse_database_url(source())
    if address.removed:
        log.info(
            "parameters of the database URL left out",
            extra={"parameters": ",".join(address.removed)},
        )
    return address


@asynccontextmanager
async def connected(
    address: DatabaseAddress, bridge: str, connect_s: float, command_s: float
) -> AsyncIterator[Database]:
    """Connect, and leave at once whatever has become of the connection.

    Without its own time limits a call would wait for ever on a Postgres that is paused.
    """
    connection = await asyncpg.connect(
        address.url,
        timeout=connect_s,
        command_timeout=command_s,
        statement_cache_size=0,  # a pooler may run the next statement on another server
        server_settings={"application_name": f"twinbridge-{bridge}"},
    )
    try:
        _keep_alive(connection)
        yield Database(connection, bridge)
    finally:
        # A polite close waits for a server that may be gone; nothing is under way here.
        connection.terminate()


def _keep_alive(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Notice a peer that vanished; asyncpg has no option for it, so its socket is asked for."""
    transport = connection._transport  # noqa: SLF001 - see above  # type: ignore[attr-defined]
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
