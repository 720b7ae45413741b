"""Fills volumes with a file each, until the last byte: another process on the bridges' disk.

Arguments: MiB a second and volume from where little is free (0: as fast as it goes), and folders.
"""

import os
import sys
import time
from pathlib import Path

MIB = 1024 * 1024
SLOWLY_FROM = 75 * MIB


def free(folder: Path) -> int:
    """The free bytes of the volume."""
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


def main() -> None:
    """Until nothing is free, all folders at the same time."""
    pace = float(sys.argv[1])
    folders = [Path(name) for name in sys.argv[2:]]
    files = {folder: os.open(folder / "filler", os.O_WRONLY | os.O_CREAT) for folder in folders}
    while files:
        for folder, file in list(files.items()):
            room = free(folder)
            size = MIB if room >= MIB else 4096
            try:
                os.write(file, b"x" * size)
            except OSError:
                os.close(files.pop(folder))
        if pace and any(free(folder) < SLOWLY_FROM for folder in files):
            time.sleep(1 / pace)


if __name__ == "__main__":
    main()
