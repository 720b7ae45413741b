"""Copies whatsapp.db while the client uses it: `python -m bridge.session_copy TARGET`.

A process of its own, because a second SQLite library in the bridge's process would drop the
client's locks, and a short one: while somebody reads, the client cannot write, and what it cannot
write for seconds it acknowledges and loses. So the copy is made in memory under one lock, given up
after half a second, and written down afterwards. The kernel ends a process that hangs.

A copy is to be looked at. Restored, it cannot read senders that were first heard after it.
Exit codes: 0 copied; 1 not, with the reason.
"""

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

SESSION = Path("/session/whatsapp.db")
WAIT_S = 10.0
"""How long to wait for a moment in which the client does not write; waiting locks nothing."""

LOCK_S = 0.5
ENDED_S = 0.9
"""When the kernel ends the process if it does not even get to give up."""

PAGES = 256
"""Pages of 4 KiB between two looks at the clock."""

_BETWEEN_S = 0.002


class NotCopied(Exception):
    """There is no copy; the sentence says why."""


def copied(source: Path, clock: Callable[[], float] = time.monotonic) -> tuple[bytes, float]:
    """The database as bytes, and for how many seconds it was locked.

    Raises:
        NotCopied: it is not there, is no database, or takes too long.
    """

    def still_short(_status: int, remaining: int, _total: int) -> None:
        if clock() - locked_at > LOCK_S:
            raise NotCopied(f"{remaining} pages were left after {LOCK_S} s; nothing was kept")

    uri = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(":memory:")) as copy,
            closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as original,
        ):
            # One lock for the whole copy: without it each write would make it begin anew.
            original.execute("BEGIN")
            _lock(original)
            locked_at = clock()
            original.backup(copy, pages=PAGES, progress=still_short)
            original.rollback()
            return copy.serialize(), clock() - locked_at
    except sqlite3.Error as error:
        raise NotCopied(f"{source}: {error}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _lock(original: sqlite3.Connection) -> None:
    """Begin to read between two writes; from here on the process has `ENDED_S` to live."""
    deadline = time.monotonic() + WAIT_S
    while True:
        signal.setitimer(signal.ITIMER_REAL, ENDED_S)
        try:
            original.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as refused:
            if refused.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BETWEEN_S)
        else:
            return


def write(target: Path, content: bytes) -> None:
    """Write the copy so that it appears whole, for its owner only. Raises OSError."""
    draft = target.with_name(f"{target.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(target)


def main() -> int:
    """Copy the session of this container to the path that is named."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one path
        print("usage: python -m bridge.session_copy TARGET", file=sys.stderr)  # noqa: T201
        return 1
    try:
        content, locked = copied(SESSION)
        write(Path(sys.argv[1]), content)
    except (NotCopied, OSError) as failed:
        print(f"not copied: {failed}", file=sys.stderr)  # noqa: T201
        return 1
    said = f"{len(content)} bytes copied, locked for {locked * 1000:.0f} ms"
    print(said)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
