"""The client library's log: shortened for people, and judged line by line for losses."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bridge.losses import Finding, Loss, Meaning, judge, loss_of
from bridge.store import Store, StoreUnavailable

log = logging.getLogger(__name__)

# The names in neonize/utils/log.py; parts of the client log below the first.
LOGGERS = ("whatsmeow", "Whatsmeow")
SHOWN = 300  # characters; a stanza's ciphertext and a Go stack fill pages
LOOK_AGAIN_S = 10.0  # what came twice may still be on its way to the store the first time
RETRY_S = 5.0

_NO_LOSS = frozenset({Meaning.HARMLESS, Meaning.PLACEHOLDER, Meaning.OUT_OF_STEP})


class _Judged(logging.Handler):
    """Judges each warning; called in the thread that takes Go's log lines."""

    def __init__(self, found: Callable[[Finding], None]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        """Judge one line and say it shortened; a known harmless one is no warning."""
        finding = judge(record.getMessage())
        quiet = finding.meaning in (Meaning.HARMLESS, Meaning.REDELIVERED, Meaning.CUT_OFF)
        level = logging.DEBUG if quiet else record.levelno
        line = " ".join(finding.text.split())[:SHOWN]
        log.log(level, "client", extra={"line": line, "meaning": str(finding.meaning)})
        self._found(finding)


@contextmanager
def judged(found: Callable[[Finding], None]) -> Iterator[None]:
    """Lead the client's warnings to `found`, which is called in a thread of the client."""
    handler = _Judged(found)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    # Whatever LOG_LEVEL says: a line that is not made cannot be judged.
    for one in loggers:
        one.setLevel(logging.WARNING)
        one.propagate = False
        one.addHandler(handler)
    logging.getLogger("neonize").setLevel(logging.ERROR)
    # The level handed to Go is that of this very logger.
    logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)
    try:
        yield
    finally:
        for one in loggers:
            one.removeHandler(handler)


class Losses:
    """Writes down what the lines stand for; on the loop, since some must be looked at later."""

    def __init__(
        self, store: Store, unwritable: Callable[[str], None], out_of_step: Callable[[], None]
    ) -> None:
        self._store = store
        self._unwritable = unwritable
        self._out_of_step = out_of_step
        self._loop = asyncio.get_running_loop()
        self._findings: asyncio.Queue[tuple[float, Finding]] = asyncio.Queue()

    def found(self, finding: Finding) -> None:
        """Take a judged line from any thread."""
        if finding.meaning is Meaning.DISK:
            self._unwritable(finding.text)
        elif finding.meaning is Meaning.OUT_OF_STEP:
            self._out_of_step()
        if finding.meaning in _NO_LOSS or self._loop.is_closed():
            return
        later = finding.meaning in (Meaning.REDELIVERED, Meaning.CUT_OFF)
        due = self._loop.time() + (LOOK_AGAIN_S if later else 0.0)
        self._loop.call_soon_threadsafe(self._findings.put_nowait, (due, finding))

    def lost(self, text: str) -> None:
        """Take an event that was received and could not be stored before the client stopped."""
        self.found(judge(text))

    async def run(self) -> None:
        """Record until cancelled; what is due later waits, and holds nothing else up."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                due, finding = await self._findings.get()
                tasks.create_task(self._record(due, finding))

    async def _record(self, due: float, finding: Finding) -> None:
        await asyncio.sleep(due - self._loop.time())
        while True:
            try:
                loss = await asyncio.to_thread(self._judge_and_write, finding)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_S)
                continue
            if loss is not None:
                said = {"chat": loss.chat, "message_id": loss.message_id, "kind": loss.kind}
                log.error("loss", extra=said | {"cause": finding.cause})
            return

    def _judge_and_write(self, finding: Finding) -> Loss | None:
        loss = loss_of(finding, self._store.has_message)
        if loss is not None:
            self._store.record_loss(loss.kind, loss.text, loss.chat, loss.message_id)
        return loss
