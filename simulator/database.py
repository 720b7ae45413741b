"""The simulator's SQLite file: one connection, one open transaction, group commit.

Everything written between two commits is one transaction, so statements that are executed without
an `await` between them become durable together: a ledger row, its queue rows and whatever else the
writer adds.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

LAZY_SECONDS = 0.2

SCHEMA = """
create table if not exists accounts (
    phone text primary key, lid text not null unique, name text not null,
    identity blob not null, registration integer not null, next_device integer not null
);
create table if not exists devices (
    phone text not null, device integer not null, noise blob not null unique,
    identity blob not null, registration integer not null,
    signed_id integer not null, signed_value blob not null, signed_signature blob not null,
    paired_at integer not null, primary key (phone, device)
);
create table if not exists prekeys (
    phone text not null, device integer not null, key integer not null, value blob not null,
    primary key (phone, device, key)
);
create table if not exists groups (
    jid text primary key, subject text not null, addressing text not null,
    hide_numbers integer not null, created_at integer not null, creator text not null
);
create table if not exists members (
    jid text not null, phone text not null, role text not null, primary key (jid, phone)
);
create table if not exists ledger (
    seq integer primary key, chat text not null, id text not null, kind text not null,
    sender_pn text not null, sender_lid text not null, number_hidden integer not null,
    t integer not null, text text, target_id text, malformed integer not null,
    lost_by_design integer not null, written_ms integer not null
);
create index if not exists ledger_chat_id on ledger (chat, id);
create table if not exists queue (
    seq integer primary key, phone text not null, device integer not null, tag text not null,
    id text not null, origin text not null, participant text not null, held integer not null,
    stanza blob not null
);
"""


class Database:
    """A durable store with a lazily opened transaction; use it from the event loop only."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(SCHEMA)
        self._durable: asyncio.Future[None] | None = None
        self._lazy: asyncio.TimerHandle | None = None
        self._then: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lazy is not None:
            self._lazy.cancel()
        if self._connection.in_transaction:
            self._connection.execute("commit")
        self._connection.close()

    def script(self, sql: str) -> None:
        """Create tables of another module (`create table if not exists …`)."""
        self._commit()
        self._connection.executescript(sql)

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Query; sees what has been written and is not yet durable."""
        return self._connection.execute(sql, values).fetchall()

    def write(self, sql: str, *values: object) -> int:
        """Execute in the open transaction; returns the rowid of an insert."""
        self._open()
        return self._connection.execute(sql, values).lastrowid or 0

    def write_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Execute once per row in the open transaction."""
        self._open()
        self._connection.executemany(sql, rows)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Statements inside are kept all or, when one raises, none."""
        self._open()
        self._connection.execute("savepoint together")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback to together")
            raise
        finally:
            self._connection.execute("release together")

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` right after the next commit, which holds everything written so far."""
        self._then.append(then)
        _ = self._schedule()

    async def committed(self) -> None:
        """Return when everything written before the call is durable; callers share one commit."""
        await asyncio.shield(self._schedule())

    def _schedule(self) -> asyncio.Future[None]:
        if self._durable is None:
            loop = asyncio.get_running_loop()
            self._durable = loop.create_future()
            loop.call_soon(self._commit)
        return self._durable

    def _open(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("begin immediate")
        if self._lazy is None:
            self._lazy = asyncio.get_running_loop().call_later(LAZY_SECONDS, self._commit)

    def _commit(self) -> None:
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        waiting, self._durable = self._durable, None
        then, self._then = self._then, []
        try:
            if self._connection.in_transaction:
                self._connection.execute("commit")
        except sqlite3.Error as error:
            if waiting is None:
                raise
            waiting.set_exception(error)
            return
        for call in then:
            call()
        if waiting is not None:
            waiting.set_result(None)
