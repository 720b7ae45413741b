"""Ends the process when its loop or its client no longer moves; the restart policy brings it back.

A process that hangs looks alive to Docker and captures nothing. The watch is a thread, since a loop
that is stuck cannot look at itself. `judge` decides and is pure; times are monotonic seconds.
Before the end the client disconnects, so that no receipt leaves for what nobody will store, and
what it has received is still stored where that is possible.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

LOOK_S = 1.0
STUCK_S = 30.0
DIALLING_S = 180.0  # a client that dials answers only when the attempt is over
PAUSED_S = 5.0  # a watch that wakes so late was itself held: the machine slept
LEAVING_S = 12.0  # a client that hangs cannot be made to leave
LAST_WORDS_S = 3.0  # the log may be what hangs
STUCK_EXIT = 70  # EX_SOFTWARE: a bug of ours or of a library, nothing a person has set


@dataclass(frozen=True, slots=True)
class Progress:
    """For how many seconds nothing has moved; `dialling` as long as the client is not connected."""

    loop_s: float
    client_s: float
    storing_s: float
    """Of one attempt to store an event; a store that refuses makes progress, one that hangs not."""
    dialling: bool


def judge(progress: Progress) -> str | None:
    """The sentence that ends the process, or None while everything moves."""
    if progress.loop_s > STUCK_S:
        return f"the event loop has made no turn for {progress.loop_s:.0f} s"
    if progress.client_s > (DIALLING_S if progress.dialling else STUCK_S):
        return f"the WhatsApp client has not answered for {progress.client_s:.0f} s"
    if progress.storing_s > STUCK_S:
        return f"an attempt to store an event has not returned for {progress.storing_s:.0f} s"
    return None


class Beat:
    """The last turn of the loop."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the loop last turned; asked from any thread."""
        return time.monotonic() - self._at

    async def run(self) -> None:
        """Take every turn until cancelled."""
        while True:
            self._at = time.monotonic()
            await asyncio.sleep(LOOK_S)


def end(reason: str, leave: Callable[[], object]) -> None:
    """Disconnect, say why, and end: what would have to unwind is what hangs."""
    last = threading.Timer(LEAVING_S + LAST_WORDS_S, os._exit, (STUCK_EXIT,))
    last.daemon = True
    last.start()
    leaving = threading.Thread(target=leave, name="leaving", daemon=True)
    leaving.start()
    log.critical("stuck, ending the process", extra={"reason": reason})
    leaving.join(LEAVING_S)
    logging.shutdown()
    os._exit(STUCK_EXIT)


@contextmanager
def watched(measure: Callable[[], Progress], act: Callable[[str], None]) -> Iterator[None]:
    """Watch from a thread until the block is left; `act` gets the sentence, once."""
    stopped = threading.Event()

    def watch() -> None:
        judged_from = slept_from = time.monotonic()
        while not stopped.wait(LOOK_S):
            now = time.monotonic()
            if now - slept_from > LOOK_S + PAUSED_S:
                judged_from = now + STUCK_S  # everything is late, and nothing is stuck
            slept_from = now
            if now >= judged_from and (reason := judge(measure())) is not None:
                act(reason)
                return

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
