"""From the outbox to the sinks: each letter to each sink, in order, until it is there.

At least once: whoever is killed between "it is there" and "it is written that it is there" brings
the letter again, with the same number. The commands post into the same file, so it is looked at
every second; that costs less than a tenth of a percent of a core.
"""

import asyncio
import hashlib
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from alerts.book import Book, BookUnavailable, Due
from alerts.courier import DELIVERED
from alerts.judgement import Kind

log = logging.getLogger(__name__)

LOOK_S = 1.0
BACK_OFF_S = 5.0
BACK_OFF_MOST_S = 300.0
CHILD_S = 90.0
"""A sink that does not answer has time limits of its own in Apprise; this is the last one."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where letters go.

    The name is made of the address, so that a corrected one is another sink; the kind is what may
    be shown of it.
    """

    name: str
    kind: str
    url: str

    @classmethod
    def of(cls, url: str) -> "Sink":
        """The sink at an address."""
        kind = url.partition("://")[0].lower()
        return cls(f"{kind}-{hashlib.sha256(url.encode()).hexdigest()[:12]}", kind, url)

    def __repr__(self) -> str:
        return f"Sink({self.name})"


Bring = Callable[[Sink, Due], Awaitable[str]]
"""Brings a letter to a sink; returns why it is not there, or nothing."""


def wait_s(failures: int) -> float:
    """How long a sink is left alone after so many failures in a row."""
    return float(min(BACK_OFF_S * 2 ** min(failures - 1, 10), BACK_OFF_MOST_S))


async def deliver(
    book: Book,
    sinks: Sequence[Sink],
    bring: Bring,
    pause_s: Callable[[int], float] = wait_s,
) -> None:
    """Bring what waits, for ever; one child at a time, so that memory is that of one."""
    one_at_a_time = asyncio.Semaphore(1)
    async with asyncio.TaskGroup() as tasks:
        for sink in sinks:
            tasks.create_task(_serve(book, sink, bring, one_at_a_time, pause_s), name=sink.name)


async def _serve(
    book: Book,
    sink: Sink,
    bring: Bring,
    turn: asyncio.Semaphore,
    pause_s: Callable[[int], float],
) -> None:
    failures = 0
    while True:
        try:
            outcome = await deliver_next(book, sink, bring, turn)
        except BookUnavailable as unavailable:
            log.error("the outbox cannot be used", extra={"reason": str(unavailable)})
            outcome = "unavailable"
        if outcome is None:
            await asyncio.sleep(LOOK_S)
        elif outcome:
            failures += 1
            await asyncio.sleep(pause_s(failures))
        else:
            failures = 0


async def deliver_next(book: Book, sink: Sink, bring: Bring, turn: asyncio.Semaphore) -> str | None:
    """Try the next letter: None if there is none, else why it is not there, or nothing."""
    due = await asyncio.to_thread(book.next_for, sink.name)
    if due is None:
        return None
    async with turn:
        trouble = await bring(sink, due)
    await asyncio.to_thread(book.record, due.id, sink.name, trouble, time.time())
    known = {"alert": due.id, "sink": sink.kind, "title": due.letter.title}
    if trouble:
        log.warning("an alert is not delivered yet", extra=known | {"reason": trouble})
    else:
        log.info("an alert is delivered", extra=known)
    return trouble


_KINDS = {Kind.RECOVERED: "success", Kind.LIST: "info", Kind.TEST: "info"}


async def bring_by_child(sink: Sink, due: Due) -> str:
    """Bring a letter by a short-lived child; why it is not there, or nothing."""
    letter = due.letter
    order = {
        "url": sink.url,
        "title": f"[Twinbridge] {letter.title}",
        "body": f"{letter.body}\nAlert {due.id}",
        "kind": _KINDS.get(letter.kind, "failure" if letter.urgent else "warning"),
    }
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alerts.courier"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(CHILD_S):
            said, _ = await child.communicate(json.dumps(order).encode())
    except TimeoutError:
        return f"the sink did not take it within {CHILD_S:.0f} s"
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode == DELIVERED:
        return ""
    return said.decode(errors="replace") or f"the child ended with {child.returncode}"
