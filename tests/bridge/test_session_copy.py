"""whatsapp.db is copied without being in the client's way."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from bridge.session_copy import LOCK_S, NotCopied, copied, write

WRITER = """
import sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
file.execute("CREATE TABLE IF NOT EXISTS ratchet (n INTEGER, pad TEXT)")
for n in range(500):
    time.sleep(0.002)
    file.execute("INSERT INTO ratchet VALUES (?, ?)", (n, "x" * 500))
    if n == 50:
        print("writing", flush=True)
"""


def _rows(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [n for (n,) in file.execute("SELECT n FROM ratchet ORDER BY n")]


@pytest.mark.timeout(120)
def test_copies_of_a_file_that_is_being_written_are_whole_and_stop_nobody(tmp_path: Path) -> None:
    """Each copy is one moment of the file, and the writer gets every row down."""
    source, target = tmp_path / "whatsapp.db", tmp_path / "copy.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(source)], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(5):
            content, _ = copied(source)
            write(target, content)
            rows = _rows(target)
            assert rows == list(range(len(rows)))
        assert writer.wait() == 0
    assert _rows(source) == list(range(500))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_copy_that_takes_too_long_is_given_up_and_the_lock_with_it(tmp_path: Path) -> None:
    """The client cannot write meanwhile, and what it cannot write it loses."""
    source = tmp_path / "whatsapp.db"
    with closing(sqlite3.connect(source)) as file:
        file.execute("CREATE TABLE ratchet (n INTEGER, pad BLOB)")
        file.execute("INSERT INTO ratchet VALUES (0, zeroblob(8000000))")
        file.commit()
    slow = count()
    with pytest.raises(NotCopied, match="nothing was kept"):
        copied(source, clock=lambda: next(slow) * LOCK_S)
    with closing(sqlite3.connect(source, timeout=0)) as file:
        file.execute("INSERT INTO ratchet VALUES (1, '')")
        file.commit()


def test_a_session_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """An empty whatsapp.db would be a new session."""
    with pytest.raises(NotCopied, match=r"whatsapp\.db"):
        copied(tmp_path / "whatsapp.db")
    assert list(tmp_path.iterdir()) == []
