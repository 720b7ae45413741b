"""What Docker and its logs may expect of every service: read by Compose and by people.

A service stops on SIGTERM or SIGINT by unwinding and exits 0; wrong settings end it with 78 and
everything that is wrong; a bug ends it with its traceback and 1. Its log is one event a line, on
standard error and, where there is a volume for it, in a file.
"""

import asyncio
import contextlib
import json
import logging
import logging.handlers
import os
import signal
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Literal, NoReturn, TextIO

from contracts.problems import ConfigurationError
from contracts.redaction import mask_number, mask_secrets

__all__ = [
    "BUG",
    "MISCONFIGURED",
    "STOPPED",
    "configure_logging",
    "log_to_file",
    "mask_number",
    "run",
]

STOPPED = 0
BUG = 1
MISCONFIGURED = 78
"""EX_CONFIG of sysexits.h."""

LOG_FILE_BYTES = 10_000_000
LOG_FILES = 5
"""The file that grows and four older ones, `.1` being the youngest."""

UNWIND_S = 10
"""Seconds that tasks have to unwind after the main one ended in an unforeseen way."""

log = logging.getLogger(__name__)


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> NoReturn:
    """Run a service until it is done or told to stop, and end the process.

    `main` gets the event that SIGTERM and SIGINT set, and unwinds when it is set. SystemExit keeps
    its own code. The process ends by `os._exit`: neonize's threads are not daemons and may never
    return, so that an ordinary exit would wait for ever.
    """
    code = BUG
    try:
        code = _outcome(main)
    finally:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _outcome(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    # A service that died before it configured its log still says why, masked.
    if not logging.getLogger().handlers:
        configure_logging("INFO", "text", "")
    threading.excepthook = _thread_died
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        loop.run_until_complete(_awaited(main, stop))
    except SystemExit as leaving:
        return _code(leaving)
    except asyncio.CancelledError:
        if stop.is_set():
            return STOPPED
        log.critical("the service was cancelled by nobody")
        return BUG
    except BaseException as failure:  # noqa: BLE001 - the last one to see it says what it was
        return _failed(failure)
    else:
        return STOPPED
    finally:
        _unwind(loop)


async def _awaited(main: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    await main(stop)


def _unwind(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left and wait for it: SystemExit leaves the loop before `async with` can."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    deadline = loop.time() + UNWIND_S
    while left and loop.time() < deadline:
        # A TaskGroup raises SystemExit once more, out of the loop, when it has unwound.
        with contextlib.suppress(SystemExit):
            loop.run_until_complete(asyncio.wait(left, timeout=UNWIND_S))
        left = asyncio.all_tasks(loop)


def _failed(failure: BaseException) -> int:
    wrong = _configuration(failure)
    if wrong is None:
        log.critical("the service ends on a bug", exc_info=failure)
        return BUG
    for line in str(wrong).splitlines():
        log.critical("wrong configuration: %s", line)
    return MISCONFIGURED


def _configuration(failure: BaseException) -> ConfigurationError | None:
    """The configuration's problems, also out of a TaskGroup, if nothing else went wrong."""
    if isinstance(failure, ConfigurationError):
        return failure
    if isinstance(failure, BaseExceptionGroup):
        inner = [_configuration(each) for each in failure.exceptions]
        known = [each for each in inner if each is not None]
        if len(known) == len(inner):
            return ConfigurationError(problem for each in known for problem in each.problems)
    return None


def _code(leaving: SystemExit) -> int:
    if leaving.code is None:
        return STOPPED
    if isinstance(leaving.code, int):
        return leaving.code
    log.critical("%s", leaving.code)
    return BUG


def _thread_died(hook: threading.ExceptHookArgs) -> None:
    name = hook.thread.name if hook.thread else "?"
    error = (hook.exc_type, hook.exc_value or hook.exc_type(), hook.exc_traceback)
    log.critical("a thread died", exc_info=error, extra={"thread_name": name})


def configure_logging(level: str, format: Literal["text", "json"], prefix: str) -> None:  # noqa: A002
    """Write every record as one line to standard error as it is now; earlier handlers go.

    `prefix` opens each text line and is a key of each JSON line. Phone numbers are masked in
    message, extras and tracebacks alike.

    Raises:
        ValueError: for a level or a format that does not exist.
    """
    formats: dict[str, type[_Line]] = {"text": _TextLine, "json": _JsonLine}
    if format not in formats:
        raise ValueError(f"LOG_FORMAT is text or json, not {format!r}")
    handler: logging.StreamHandler[TextIO] = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formats[format](prefix))
    # neonize calls logging.basicConfig when it is imported.
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default", ResourceWarning)


def log_to_file(directory: Path, name: str) -> None:
    """Write the same lines to a file as well: mode 644, five of 10 MB.

    To be called after `configure_logging`. A log that cannot be written stops no service: it is
    said once, and the lines are on standard error anyway.
    """
    root = logging.getLogger()
    try:
        file = _LogFile(directory / name)
    except OSError as unwritable:
        log.warning("no log file", extra={"file": name, "reason": str(unwritable)})
        return
    file.setFormatter(root.handlers[0].formatter)
    root.addHandler(file)


class _LogFile(logging.handlers.RotatingFileHandler):
    """A log that anybody on this machine may read, whatever the service's umask."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=LOG_FILE_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8")
        self._failed = False

    def _open(self) -> TextIOWrapper:
        file = super()._open()
        os.fchmod(file.fileno(), 0o644)
        return file

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        """Say once that the disk is full: a traceback for each line would bury the log."""
        if not self._failed:
            self._failed = True  # before the next line, which is written by this handler too
            log.error("the log file cannot be written", extra={"file": self.baseFilename})


_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_RENAMED = {"message_id": "message"}
"""logging keeps the key `message` for itself, so callers write `message_id`."""


class _Line(logging.Formatter):
    """A record taken apart: what, with which keys, and why."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def extras(self, record: logging.LogRecord) -> dict[str, object]:
        """What the caller passed as `extra`, masked."""
        given = ((key, value) for key, value in vars(record).items() if key not in _PLAIN)
        return {_RENAMED.get(key, key): _masked(value) for key, value in given}

    def trouble(self, record: logging.LogRecord) -> str:
        """Traceback and stack, masked; empty if there is none."""
        parts = []
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(record.stack_info)
        return mask_secrets(mask_number("\n".join(parts)))

    def formatException(  # noqa: N802 - the name that logging has given it
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """The traceback as Python prints it."""
        return super().formatException(ei)


class _TextLine(_Line):
    """`2026-11-24T06:00:00.000Z INFO bridge.capture: message captured drop=DR1234567`."""

    def format(self, record: logging.LogRecord) -> str:
        message = " ".join(mask_secrets(mask_number(record.getMessage())).split())
        keys = "".join(f" {k}={_quoted(v)}" for k, v in self.extras(record).items())
        trouble = self.trouble(record)
        # A traceback is for reading: its lines stay lines, indented below their event.
        tail = "".join(f"\n    {line}" for line in trouble.splitlines())
        return (
            f"{self.prefix}{_time(record)} {record.levelname} {record.name}: {message}{keys}{tail}"
        )


class _JsonLine(_Line):
    """One object a line; the extras are keys beside time, level, logger and event."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "event": mask_secrets(mask_number(record.getMessage())),
        }
        if self.prefix.strip():
            line["prefix"] = self.prefix.strip()
        line |= {key: value for key, value in self.extras(record).items() if key not in line}
        trouble = self.trouble(record)
        if trouble:
            line["trouble"] = trouble
        return json.dumps(line, ensure_ascii=False, default=str)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _masked(value: object) -> object:
    """The value as text with numbers masked; what cannot hold a phone number stays what it is."""
    if value is None or isinstance(value, bool | float):
        return value
    text = mask_secrets(mask_number(str(value)))
    return value if isinstance(value, int) and text == str(value) else text


def _quoted(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and text and not set(text) & set(' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)
