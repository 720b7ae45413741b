"""One process per session, and one server per session."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.session import (
    FOREIGN_EXIT,
    IN_USE_EXIT,
    SessionInUseError,
    SessionRefusedError,
    forget_old,
    held,
    set_aside,
)

HOLDER = """
import sys
from pathlib import Path
from bridge.session import held
with held(Path(sys.argv[1]), "whatsapp"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_a_sentence_and_the_first_keeps_the_session(
    tmp_path: Path,
) -> None:
    """Two processes on one session throw each other out: the second never gets that far."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SessionInUseError, match="used by another process") as refused:
            held(tmp_path, "whatsapp").__enter__()
        assert refused.value.exit_code == IN_USE_EXIT
        holder.communicate("")
    with held(tmp_path, "whatsapp"):
        pass


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    """The kernel gives the lock back: nobody has to delete a file after a crash."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    with held(tmp_path, "whatsapp") as database:
        assert database == tmp_path / "whatsapp.db"


@pytest.mark.parametrize(
    ("first", "second"), [("whatsapp", "simulator"), ("simulator", "whatsapp")]
)
def test_a_session_refuses_the_other_server(tmp_path: Path, first: str, second: str) -> None:
    """The demo can never log a real number out, nor production a demo's."""
    with held(tmp_path, first):  # type: ignore[arg-type]
        (tmp_path / "whatsapp.db").write_bytes(b"")
    with pytest.raises(SessionRefusedError, match="volumes of their own") as refused:
        held(tmp_path, second).__enter__()  # type: ignore[arg-type]
    assert refused.value.exit_code == FOREIGN_EXIT
    assert (tmp_path / "whatsapp.db").exists()
    with held(tmp_path, first):  # type: ignore[arg-type]
        pass


def test_a_session_without_a_marker_can_only_be_a_real_one(tmp_path: Path) -> None:
    """A volume from before the marker, or brought from elsewhere, is treated with the most care."""
    (tmp_path / "whatsapp.db").write_bytes(b"")
    with pytest.raises(SessionRefusedError, match="belongs to WhatsApp"):
        held(tmp_path, "simulator").__enter__()
    with held(tmp_path, "whatsapp"):
        pass


def test_what_is_written_beside_the_session_is_private(tmp_path: Path) -> None:
    """Files 0600 and the directory 0700 from the first moment on."""
    directory = tmp_path / "session"
    with held(directory, "whatsapp"):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"bridge.lock": 0o600, "trust-root": 0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def test_a_logged_out_session_is_kept_aside_private_and_the_next_one_is_new(
    tmp_path: Path,
) -> None:
    """Its log belongs to it: a new database beside an old write-ahead log would be damaged."""
    with held(tmp_path, "whatsapp") as database:
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).write_text(f"old{suffix}")
        aside = set_aside(database, NOW)
        assert aside is not None
        assert {one.name: one.read_text() for one in aside.iterdir()} == {
            "whatsapp.db": "old",
            "whatsapp.db-wal": "old-wal",
            "whatsapp.db-shm": "old-shm",
        }
        assert not list(tmp_path.glob("whatsapp.db*"))
        assert {stat.S_IMODE(one.stat().st_mode) for one in aside.iterdir()} == {0o600}
        assert set_aside(database, NOW) is None
    with pytest.raises(SessionRefusedError):
        held(tmp_path, "simulator").__enter__()


def test_what_was_set_aside_is_forgotten_after_30_days_and_nothing_else(tmp_path: Path) -> None:
    """Several logouts are several sessions; a person's own copy is not ours to delete."""
    with held(tmp_path, "whatsapp") as database:
        kept = []
        for days in (31, 29):
            database.write_text("session")
            kept.append(set_aside(database, NOW - timedelta(days=days)))
        old, young = kept
        assert old is not None
        assert young is not None
        mine = young.parent / "my-copy"
        mine.mkdir()
        assert forget_old(tmp_path, NOW) == (old.name,)
        assert sorted(young.parent.iterdir()) == sorted([young, mine])
