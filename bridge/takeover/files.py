"""The files of an older bridge: proved to be in nobody's use, and copied while that holds."""

import errno
import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BESIDE = ("", "-wal", "-journal")
"""The file itself, and where its last transactions may be. (`-shm` is made anew.)"""


class NotTakenOver(Exception):
    """Nothing was changed; the sentence says why."""


@dataclass(frozen=True, slots=True)
class OldFile:
    """An open database file with what stands beside it."""

    path: Path
    parts: dict[str, int]
    """Descriptors by suffix."""
    still: bool
    """The kernel has promised that nobody has it open for writing."""

    def copied_to(self, directory: Path) -> Path:
        """Copy it; raises NotTakenOver if somebody opened it meanwhile, OSError."""
        for suffix, descriptor in self.parts.items():
            with (
                os.fdopen(os.dup(descriptor), "rb") as source,
                (directory / f"{self.path.name}{suffix}").open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        if self.still and fcntl.fcntl(self.parts[""], fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            raise NotTakenOver(f"{self.path} was opened by another process meanwhile")
        return directory / self.path.name


@contextmanager
def opened(path: Path, *, must_be_still: bool) -> Iterator[OldFile]:
    """Open the file and have the kernel promise that no process writes to it.

    A lock would not do: SQLite holds one only while it writes, and the old process may be idle.
    Raises NotTakenOver.
    """
    # A process that opens the file breaks the lease; the signal that says so would end us.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    parts: dict[str, int] = {}
    try:
        for suffix in BESIDE:
            part = path.with_name(path.name + suffix)
            if part.exists():
                parts[suffix] = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        if "" not in parts:
            raise NotTakenOver(f"there is no {path}")
        yield OldFile(path, parts, _leased(path, parts[""], must_be_still))
    except PermissionError as refused:
        raise NotTakenOver(f"{path} cannot be read: {refused.strerror}") from refused
    finally:
        for descriptor in parts.values():
            os.close(descriptor)


def _leased(path: Path, descriptor: int, must_be_still: bool) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as refused:
        if not must_be_still:
            return False
        if refused.errno == errno.EAGAIN:
            raise NotTakenOver(
                f"{path} is open for writing in another process: stop the old bridge first"
            ) from refused
        raise NotTakenOver(
            f"that no process uses {path} cannot be proved on its file system"
            f" ({refused.strerror}): copy the directory to another one"
        ) from refused
    return True


def become_owner_of(volume: Path) -> None:
    """Give up root's rights for good, and go on as the account that the volume belongs to."""
    if os.getuid() != 0:
        return
    owner = volume.stat()
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
