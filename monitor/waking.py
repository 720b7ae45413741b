"""Knowing that messages.db has changed, by inotify on its directory; a slow look is the net.

The kernel reports the write into the -wal *before* the commit can be read, so one look is not
enough: `AGAIN_S` says how soon to look again. A directory that was set aside, or that is not there
yet, is noticed in the volume above it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asyncinotify import Inotify, Mask, Watch

log = logging.getLogger(__name__)

AGAIN_S = (0.002, 0.003, 0.005, 0.010, 0.020, 0.040, 0.080)
"""Waits before each look after an event, until one of them finds something."""

NET_S = 2.0
"""Without any event there is a look all the same: a file system may report nothing."""

_IN_VOLUME = Mask.CREATE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE
_IN_DIRECTORY = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO | Mask.DELETE | Mask.MOVE_SELF


@asynccontextmanager
async def watched(directory: Path, wake: asyncio.Event) -> AsyncIterator[None]:
    """Set `wake` whenever something in the directory or at its place changes."""
    try:
        inotify = Inotify()
    except OSError as refused:
        log.warning("no inotify; messages are seen later", extra={"reason": str(refused)})
        yield
        return
    with inotify:
        task = asyncio.create_task(_watch(inotify, directory, wake), name="watching")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def _watch(inotify: Inotify, directory: Path, wake: asyncio.Event) -> None:
    watches = _Watches(inotify, directory)
    watches.renew()
    while True:
        try:
            async with asyncio.timeout(NET_S):
                event = await inotify.get()
        except TimeoutError:
            watches.renew()
            continue
        if event.watch is None or event.watch is not watches.inner or Mask.MOVE_SELF in event.mask:
            watches.renew()
        wake.set()


class _Watches:
    """The directory of now, and the volume in which another one may take its place."""

    def __init__(self, inotify: Inotify, directory: Path) -> None:
        self._inotify = inotify
        self._directory = directory
        self._outer: Watch | None = None
        self._inode = 0
        self._refused = ""
        self.inner: Watch | None = None

    def renew(self) -> None:
        """Watch what is there now."""
        try:
            if self._outer is None:
                self._outer = self._inotify.add_watch(self._directory.parent, _IN_VOLUME)
            inode = self._directory.stat().st_ino
            if inode != self._inode:
                self._drop_inner()
                self.inner = self._inotify.add_watch(self._directory, _IN_DIRECTORY)
                self._inode = inode
        except FileNotFoundError:
            self._drop_inner()
        except OSError as refused:
            if str(refused) != self._refused:
                self._refused = str(refused)
                log.warning("not watched; messages are seen later", extra={"reason": str(refused)})

    def _drop_inner(self) -> None:
        self._inode = 0
        if self.inner is not None:
            watch, self.inner = self.inner, None
            try:
                self._inotify.rm_watch(watch)
            except (OSError, KeyError):
                log.debug("the watch had ended by itself")
