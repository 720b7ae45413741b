# noqa: INP001 - a script that its image runs by path, no module of a package
"""Draws the secrets that no person has to choose, once, into the volume `secrets`.

Run by the one-shot service `volumes-secrets`. What exists is kept: a password that changed would
lock the stack out of its own Postgres. A file appears whole or not at all.
"""

import os
import secrets
import sys
from pathlib import Path
from typing import Final

# The database container is a member of the group (`group_add` in compose.yaml), and needs the
# password only. The others are for our own services alone.
SECRETS: Final = {"postgres-password": 0o640, "api-token": 0o600, "dev-password": 0o600}


def draw(directory: Path, name: str, mode: int) -> bool:
    """Write a secret of 256 bits to `directory/name` unless it is there; say whether it was drawn.

    Raises OSError if the volume cannot be written.
    """
    path = directory / name
    if path.exists():
        return False
    # The process id keeps two first starts at once apart; the link decides which of them counts.
    draft = directory / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def main() -> None:
    """Draw what is missing in the directory named by the first argument."""
    directory = Path(sys.argv[1])
    for name, mode in SECRETS.items():
        fate = "drawn" if draw(directory, name, mode) else "kept"
        sys.stdout.write(f"secret={name} {fate}\n")
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
