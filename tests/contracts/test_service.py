"""What Docker sees of a service: signals, exit codes and one line an event, in real processes."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRELUDE = """
import asyncio, logging, sys, threading
from contracts.problems import ConfigurationError, Problem
from contracts.service import configure_logging, run
log = logging.getLogger("bridge.capture")
"""


@contextmanager
def service(body: str) -> Iterator[subprocess.Popen[str]]:
    """A process with this program; it is killed if the test leaves it behind."""
    program = PRELUDE + textwrap.dedent(body)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ended(body: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program that ends by itself."""
    with service(body) as process:
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err


def logged(body: str, style: str = "text", prefix: str = "") -> str:
    """What a program logs, without the time at the head of each line."""
    code, _, err = ended(
        f"configure_logging('INFO', {style!r}, {prefix!r})\n{textwrap.dedent(body)}"
    )
    assert code == 0, err
    return err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped(number: signal.Signals) -> None:
    """A signal sets the event, what was opened is closed, and the exit code is 0."""
    body = """
    async def main(stop):
        try:
            print("up")
            await stop.wait()
        finally:
            await asyncio.sleep(0)
            print("closed")
    run(main)
    """
    with service(body) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (0, "closed\n", "")


def test_done() -> None:
    """A one-shot service that is done exits 0."""
    assert ended("async def main(stop): print('done')\nrun(main)") == (0, "done\n", "")


def test_bug() -> None:
    """A bug ends the service with its traceback and 1, after the other tasks have unwound."""
    code, out, err = ended(
        """
        async def other():
            try:
                await asyncio.Event().wait()
            finally:
                print("closed")
        async def broken():
            await asyncio.sleep(0)
            raise KeyError("from 27820000001")
        async def main(stop):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(other())
                tasks.create_task(broken())
        run(main)
        """
    )

    assert (code, out) == (1, "closed\n")
    assert "KeyError: 'from *********01'" in err
    assert "27820000001" not in err


@pytest.mark.parametrize("nested", [False, True])
def test_wrong_configuration(nested: bool) -> None:
    """Wrong settings print every problem and end with 78, also out of a TaskGroup."""
    start = (
        "async with asyncio.TaskGroup() as t: t.create_task(read())" if nested else "await read()"
    )
    code, _, err = ended(
        f"""
        async def read():
            wrong = Problem.of("f.yaml", "a", 1, "no"), Problem("f.yaml", "b", "", "is missing")
            raise ConfigurationError(wrong)
        async def main(stop):
            {start}
        run(main)
        """
    )

    assert code == 78
    assert [line.split("wrong configuration: ")[1] for line in err.splitlines()] == [
        "f.yaml: a = 1: no",
        "f.yaml: b: is missing",
    ]


@pytest.mark.parametrize(("argument", "code"), [("75", 75), ("", 0), ("'no 27820000001'", 1)])
def test_exit_code_of_its_own(argument: str, code: int) -> None:
    """SystemExit keeps its code, from a task as well, and what is open is closed first."""
    left, out, err = ended(
        f"""
        async def leave():
            raise SystemExit({argument})
        async def main(stop):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(leave())
            finally:
                await asyncio.sleep(0)
                print("closed")
        run(main)
        """
    )

    assert (left, out) == (code, "closed\n")
    assert "27820000001" not in err


def test_thread_that_never_returns() -> None:
    """A foreign thread that hangs does not keep the process alive."""
    body = """
    async def main(stop):
        threading.Thread(target=threading.Event().wait).start()
    run(main)
    """
    assert ended(body)[0] == 0


def test_thread_that_dies() -> None:
    """An exception in a thread is an event in the log, masked, and not lost."""
    err = logged(
        """
        def die(): raise ValueError("27820000001")
        async def main(stop):
            thread = threading.Thread(target=die, name="go")
            thread.start()
            thread.join()
        run(main)
        """
    )

    assert "CRITICAL contracts.service: a thread died thread_name=go" in err
    assert "ValueError: *********01" in err


def test_text_line() -> None:
    """An event is one line: prefix, time, level, logger, sentence, keys; numbers masked."""
    err = logged(
        """
        log.info("message captured from %s\\nnow", "27820000001", extra={
            "drop": "DR1234567", "message_id": "3EB0123456789ABCDEF0", "sender": 27820000001,
            "chat": "120363418298130331@g.us", "text": "a b\\n27820000001", "count": 3,
            "none": None})
        """,
        prefix="[BACKUP] ",
    )

    (line,) = err.splitlines()
    assert line.startswith("[BACKUP] 20")
    assert line.split("Z INFO ")[1] == (
        "bridge.capture: message captured from *********01 now drop=DR1234567"
        " message=3EB0123456789ABCDEF0 sender=*********01 chat=120363418298130331@g.us"
        ' text="a b\\n*********01" count=3 none=None'
    )


def test_json_line() -> None:
    """As JSON an event is one object, its keys beside the sentence, the traceback in one key."""
    err = logged(
        """
        try:
            {}["27820000001"]
        except KeyError:
            keys = {"bridge": "backup", "count": 3, "who": ["27820000001"]}
            log.exception("no such number", extra=keys)
        """,
        style="json",
        prefix="[BACKUP] ",
    )

    line = json.loads(err)
    assert line.pop("time").endswith("Z")
    assert "KeyError: '*********01'" in line.pop("trouble")
    assert line == {
        "level": "ERROR",
        "logger": "bridge.capture",
        "event": "no such number",
        "prefix": "[BACKUP]",
        "bridge": "backup",
        "count": 3,
        "who": "['*********01']",
    }


def test_earlier_handlers_go() -> None:
    """A library that configured the root logger first does not double or unmask the lines."""
    _, _, err = ended(
        """
        logging.basicConfig()
        configure_logging("INFO", "text", "")
        log.info("27820000001")
        """
    )

    assert err.count("\n") == 1
    assert "27820000001" not in err


def test_where_standard_error_is() -> None:
    """Lines go where standard error is when logging is configured."""
    _, out, err = ended(
        """
        sys.stderr = sys.stdout
        configure_logging("INFO", "text", "")
        log.info("here")
        """
    )

    assert "here" in out
    assert err == ""


@pytest.mark.parametrize(("level", "style"), [("LOUD", "text"), ("INFO", "xml")])
def test_unknown_level_or_format(level: str, style: str) -> None:
    """A level or format that does not exist is refused."""
    code, _, err = ended(f"configure_logging({level!r}, {style!r}, '')")

    assert code == 1
    assert "ValueError" in err
