"""What survives the controller: one JSON file in its own volume, replaced as a whole.

Only decisions and their evidence are in it: no container's environment, so no secret.
"""

import fcntl
import json
import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from failover.seams import Happening

log = logging.getLogger(__name__)

FILE = "failover.json"
LOCK = "failover.lock"
KEPT = 500
"""Lines of history; the oldest go first."""


class AnotherController(Exception):
    """Somebody else decides already; the sentence says who."""


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the volume's lock, which the kernel gives back however the process ends.

    Raises:
        AnotherController: another process holds it.
        OSError: the volume cannot be written.
    """
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherController(f"another process holds {directory / LOCK}") from None
        yield
    finally:
        os.close(descriptor)


class FileMemory:
    """The memory of one controller; see seams.Memory."""

    def __init__(self, directory: Path) -> None:
        """Read what is there; a file that cannot be read is set aside and said loudly."""
        self._path = directory / FILE
        self._trust: Mapping[str, Any] | None = None
        self._history: deque[Happening] = deque(maxlen=KEPT)
        try:
            self._read()
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as broken:
            aside = self._path.with_suffix(".broken")
            self._path.replace(aside)
            reason = f"{type(broken).__name__}: {broken}; kept as {aside.name}"
            log.error("the memory cannot be read: starting without one", extra={"reason": reason})

    def _read(self) -> None:
        kept = json.loads(self._path.read_text("utf-8"))
        history = [Happening(**one) for one in kept["history"]]
        self._trust = dict(kept["trust"])
        self._history.extend(history)

    @property
    def trust(self) -> Mapping[str, Any] | None:
        """What was last kept; None at the very first start."""
        return self._trust

    def keep(self, trust: Mapping[str, Any], happening: Happening | None = None) -> None:
        """Write everything beside the file, sync it, and put it in its place; raises OSError."""
        history = [*self._history, *((happening,) if happening else ())][-KEPT:]
        text = json.dumps({"trust": trust, "history": [asdict(one) for one in history]}, indent=1)
        draft = self._path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._trust = trust
        if happening:
            self._history.append(happening)

    def history(self, at_most: int) -> Sequence[Happening]:
        """The newest lines, oldest first."""
        return list(self._history)[-at_most:] if at_most > 0 else []
