"""Stops one thread of another process, as a hang does, while the rest of the process goes on.

By ptrace (Linux): a thread that is seized and interrupted stops where it is, and nobody in its
process can tell it from one that hangs. It goes on when the block is left.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x4000_0000
WAITING = frozenset({232, 281, 441})
"""epoll_wait and its successors on x86-64: what an event loop is in while it has nothing to do."""
_FLUSHING = frozenset({74, 75})
"""fsync and fdatasync on x86-64."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def threads(process: int) -> list[int]:
    """The threads of a process, the main one first."""
    return sorted(int(path.name) for path in Path(f"/proc/{process}/task").iterdir())


def call_of(thread: int) -> int:
    """The number of the system call that a thread is in; -1 if it is in none."""
    said = Path(f"/proc/{thread}/syscall").read_text(encoding="ascii").split()
    return int(said[0]) if said and said[0] != "running" else -1


def flushes(thread: int, file: str) -> bool:
    """Whether a thread is making this file durable."""
    said = Path(f"/proc/{thread}/syscall").read_text(encoding="ascii").split()
    if len(said) < 2 or said[0] == "running" or int(said[0]) not in _FLUSHING:
        return False
    return str(Path(f"/proc/{thread}/fd/{int(said[1], 16)}").readlink()).endswith(file)


@contextmanager
def stopped(thread: int) -> Iterator[None]:
    """Hold a thread, which shows the call it was in; raises OSError if it is gone."""
    _ptrace(_SEIZE, thread)
    over = threading.Event()
    reaping = threading.Thread(target=_reap, args=(thread, over), daemon=True)
    try:
        _ptrace(_INTERRUPT, thread)
        os.waitpid(thread, _WALL)
        reaping.start()
        yield
    finally:
        with suppress(OSError):  # its process has ended
            _ptrace(_DETACH, thread)
        over.set()
        if reaping.ident is not None:
            reaping.join()


def _reap(thread: int, over: threading.Event) -> None:
    """Take the thread's end: until then its process's own parent is not told of it."""
    with suppress(ChildProcessError):
        while not over.wait(0.05):
            os.waitpid(thread, _WALL | os.WNOHANG)
