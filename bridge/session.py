"""The session directory: one process uses it, and it belongs to one server for ever.

Two processes on one WhatsApp session throw each other out in turn, and messages fall between; a
session of the real WhatsApp that meets the simulator is answered "logged out" and deletes itself.
Both are refused before the client library opens anything. Nothing here ever deletes a session in
use; one that WhatsApp logged out is kept aside for 30 days.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

TrustRoot = Literal["whatsapp", "simulator"]

IN_USE_EXIT = 75  # EX_TEMPFAIL: it may work once the other process is gone
FOREIGN_EXIT = 77  # EX_NOPERM: it will never work with this volume

ASIDE = "logged-out"
KEPT_ASIDE = timedelta(days=30)

_DATABASE = "whatsapp.db"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_LOCK = "bridge.lock"
_MARKER = "trust-root"
_SERVER = {"whatsapp": "WhatsApp", "simulator": "the simulator"}


class SessionRefusedError(Exception):
    """The session must not be used; `exit_code` is what the process ends with."""

    exit_code = FOREIGN_EXIT


class SessionInUseError(SessionRefusedError):
    """Another process holds the session."""

    exit_code = IN_USE_EXIT


@contextmanager
def held(directory: Path, trust_root: TrustRoot) -> Iterator[Path]:
    """Hold the session directory for this process; gives the path of the session database.

    Raises SessionInUseError if another process holds it, SessionRefusedError if it belongs to the
    other server, OSError if the directory cannot be used.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            message = (
                f"the session in {directory} is used by another process; WhatsApp would throw "
                "both out in turn. Stop the other one, or give this bridge a volume of its own"
            )
            raise SessionInUseError(message) from taken
        _bind(directory, trust_root)
        yield directory / _DATABASE
    finally:
        os.close(lock)


def set_aside(database: Path, now: datetime) -> Path | None:
    """Move a logged-out session away, so that the next client pairs in a new file; gives where to.

    None if there is no session. Call it with the client stopped. Raises OSError.
    """
    if not database.exists():
        return None
    aside = database.parent / ASIDE / now.astimezone(UTC).strftime(_STAMP)
    aside.mkdir(mode=0o700, parents=True)
    # The database last: interrupted, a new one never stands beside an old journal.
    for suffix in ("-shm", "-wal", "-journal", ""):
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.chmod(0o600)
            part.rename(aside / part.name)
    return aside


def forget_old(directory: Path, now: datetime) -> tuple[str, ...]:
    """Delete what was set aside more than 30 days ago; gives the names of what is gone.

    Raises OSError. What does not carry a time as its name is not ours and stays.
    """
    gone: list[str] = []
    kept = directory / ASIDE
    for aside in sorted(kept.iterdir()) if kept.is_dir() else ():
        try:
            since = datetime.strptime(aside.name, _STAMP).replace(tzinfo=UTC)
        except ValueError:
            continue
        if now - since > KEPT_ASIDE:
            shutil.rmtree(aside)
            gone.append(aside.name)
    return tuple(gone)


def _bind(directory: Path, trust_root: TrustRoot) -> None:
    """Refuse the other server's session; bind a new one to this server before it is used."""
    owner = _owner(directory)
    if owner is None:
        _write_marker(directory, trust_root)
    elif owner != trust_root:
        message = (
            f"the session in {directory} belongs to {_SERVER.get(owner, repr(owner))} and this "
            f"process trusts {_SERVER[trust_root]}; connecting would log the number out. "
            "Production and demo need volumes of their own"
        )
        raise SessionRefusedError(message)


def _owner(directory: Path) -> str | None:
    """Which server the session belongs to; an unmarked database can only be a real one."""
    try:
        return (directory / _MARKER).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return "whatsapp" if (directory / _DATABASE).exists() else None


def _write_marker(directory: Path, trust_root: TrustRoot) -> None:
    """Write the marker so that a crash leaves either none or a whole one."""
    draft = directory / f"{_MARKER}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{trust_root}\n".encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(directory / _MARKER)
