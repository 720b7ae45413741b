"""The ledger: every message the server accepted for delivery, written before it is delivered."""

import sqlite3
import time
from dataclasses import astuple, dataclass, replace

from simulator.database import Database


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One message as the server knows it; `seq` is 0 until it is appended.

    `t` is server time in seconds. `text` is None where the server cannot read it (a message that a
    real client encrypted). `lost_by_design` says that the real client can never show the message,
    `number_hidden` that no stanza told the clients the sender's phone number. `written_ms` is when
    the row was appended, in milliseconds since 1970: `t` counts whole seconds.
    """

    seq: int
    chat: str
    id: str
    kind: str
    sender_pn: str
    sender_lid: str
    number_hidden: bool
    t: int
    text: str | None = None
    target_id: str | None = None
    malformed: bool = False
    lost_by_design: bool = False
    written_ms: int = 0


class Ledger:
    """Append-only; the rows of a transaction that never committed are not in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, row: LedgerRow) -> LedgerRow:
        """Add the row to the open transaction and give it its number."""
        row = replace(row, written_ms=time.time_ns() // 1_000_000)
        seq = self._database.write(
            "insert into ledger values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            None,
            *astuple(row)[1:],
        )
        return replace(row, seq=seq)

    def after(self, seq: int, limit: int) -> list[LedgerRow]:
        """The rows with a greater number, oldest first."""
        rows = self._database.read(
            "select * from ledger where seq > ? order by seq limit ?", seq, limit
        )
        return [_row(row) for row in rows]

    def last(self, limit: int, chat: str | None = None) -> list[LedgerRow]:
        """The newest rows (of one chat), oldest first."""
        rows = self._database.read(
            "select * from ledger where ? is null or chat = ? order by seq desc limit ?",
            chat,
            chat,
            limit,
        )
        return [_row(row) for row in reversed(rows)]

    def find(self, chat: str, identity: str) -> list[LedgerRow]:
        """The rows with that id in that chat: two when two senders used one id."""
        rows = self._database.read(
            "select * from ledger where chat = ? and id = ? order by seq", chat, identity
        )
        return [_row(row) for row in rows]

    def count(self) -> int:
        """How many messages were sent."""
        return int(self._database.read("select count(*) from ledger")[0][0])


def _row(row: sqlite3.Row) -> LedgerRow:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over values
    for flag in ("number_hidden", "malformed", "lost_by_design"):
        values[flag] = bool(values[flag])
    return LedgerRow(**values)
