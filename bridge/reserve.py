"""Room that is kept for what is in flight when a disk fills faster than the bridge can leave.

A file of 16 MiB in each volume, with its blocks taken. The first sign of a full disk deletes it, in
the thread that saw the sign: what WhatsApp has acknowledged finds room, and the bridge disconnects.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from bridge.disk import Space

SIZE = 16 * 1024 * 1024
NAME = ".reserve"


def hold(spaces: Iterable[Space]) -> None:
    """Take the reserve where it is missing and leaves the volume above its floor.

    May write 16 MiB, so not on the loop. Raises OSError.
    """
    for space in spaces:
        reserve = Path(space.name) / NAME
        if space.free < space.floor + SIZE or _size(reserve) >= SIZE:
            continue
        descriptor = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        finally:
            os.close(descriptor)


def release(volumes: Iterable[Path]) -> None:
    """Give the reserve to what is in flight; from any thread, as often as one likes."""
    for volume in volumes:
        (volume / NAME).unlink(missing_ok=True)


def _size(reserve: Path) -> int:
    try:
        return reserve.stat().st_size
    except FileNotFoundError:
        return 0
