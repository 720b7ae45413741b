"""Lets alerts tell a story in children that are killed -9 at one line after the other.

A program of its own, because it forks. After each kill another child goes on with what is on the
disk. Prints how many lines the story has and how many kills it survived; ends with 1 if a letter
is missing, comes under two numbers, or changes.
"""

import asyncio
import itertools
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import aiohttp  # noqa: F401 - imported once here and not in every child

import alerts
from alerts.book import Book, Due, Letter
from alerts.delivery import Sink, deliver_next
from alerts.health import Known
from alerts.judgement import Kind, acknowledged
from alerts.settings import Settings
from alerts.watch import LISTED, Watch
from alerts.watching import Told, Watched
from contracts.health import Part, Verdict
from contracts.status import Answer
from tests.alerts.bridges import CURRENT, FIT
from tests.alerts.test_judgement import RULES

START = 1_795_000_000.0
FOLDER = str(Path(alerts.__file__).parent)
LOST = Part("whatsapp", ok=False, word="logged out", reason="by the phone")
LIST = Letter(Kind.LIST, "near misses of a day: 1", "DR12345", urgent=False)
SINKS = (Sink.of("json://one/"), Sink.of("json://two/"))

WORLD: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0, ()),
    (60, ("primary logged out",)),
    (120, ("primary logged out", "backup gone")),
    (3_700, ("primary banned", "backup gone")),
    (3_760, ("backup gone",)),
    (7_400, ("backup gone",)),
    (7_460, ()),
    (8 * 86_400, ()),
)
"""Seconds after the start, and what is wrong then."""


def told(name: str, wrong: tuple[str, ...], at: float) -> Told:
    """What a bridge says at that time."""
    watched = Watched(name, "", bridge=True)
    if f"{name} gone" in wrong:
        return Told(watched, Answer(None, "gone", 0), Answer(None, "gone", 0), None)
    words = [one.removeprefix(f"{name} ") for one in wrong if one.startswith(name)]
    parts = tuple(replace(LOST, word=word) for word in words) + FIT[1:]
    health = Answer(Verdict(not words, "", parts), "", 0)
    return Told(watched, health, Answer(Verdict(True, "", (CURRENT,)), "", 0), at)


def live(volume: Path) -> None:
    """Tell the rest of the story, from where the last process was killed."""
    settings = Settings(
        rules=replace(RULES, confirm_s=0),
        zone=ZoneInfo("UTC"),
        watched=(),
        sinks=SINKS,
        heartbeat_url="",
        api_token="",
        book=volume / "alerts.db",
        port=0,
        log_level="INFO",
        log_format="text",
    )
    book = Book(settings.book)
    book.prepare(settings.sink_names)
    clock = volume / "clock"
    passed = int(clock.read_text() or 0) if clock.exists() else 0
    for step in range(passed, len(WORLD)):
        after, wrong = WORLD[step]
        now = START + after
        facts = book.facts()
        listed: dict[str, str | Letter] = {LISTED: f"day {step}"}
        if step == 3 and facts.get(LISTED) != f"day {step}":
            listed["letter"] = LIST
        watch = Watch(settings, book, Known(0, 0), lambda now=now: now)  # type: ignore[misc]
        watch.conclude(
            tuple(told(name, wrong, now) for name in ("primary", "backup")), facts, listed
        )
        asyncio.run(deliver_all(book, volume))
        if step == 2:
            book.acknowledge(acknowledged(book.conditions().values(), {"backup"}))
        replaced = volume / "clock.new"
        replaced.write_text(str(step + 1))
        replaced.rename(clock)


async def deliver_all(book: Book, volume: Path) -> None:
    """Bring what waits to two sinks that never forget, and refuse every third try."""
    turn = asyncio.Semaphore(1)
    for sink in SINKS:
        tries = itertools.count(1)

        async def bring(sink: Sink, due: Due, tries: "itertools.count[int]" = tries) -> str:
            if next(tries) % 3 == 0:
                return "busy"
            arrived = os.open(volume / sink.name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(arrived, f"{due.id}\t{due.letter.title}\t{due.letter.body!r}\n".encode())
            os.close(arrived)
            return ""

        while await deliver_next(book, sink, bring, turn) is not None:
            pass


def killing(line: int) -> Callable[[FrameType, str, object], object]:
    """A trace function that kills this process before the given line of alerts."""
    left = itertools.count(line, -1)

    def trace(frame: FrameType, event: str, _: object) -> object:
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        if event == "line" and next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def run(volume: Path, line: int | None) -> bool:
    """Run a child; says whether it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if line is not None:
                trace = killing(line)
                threading.settrace(trace)  # type: ignore[arg-type]
                sys.settrace(trace)  # type: ignore[arg-type]
            live(volume)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def arrived(volume: Path) -> list[list[str]]:
    """What each sink has got: every letter once, in the order in which it first came."""
    sinks = []
    for sink in SINKS:
        lines = (volume / sink.name).read_text().splitlines()
        numbers = [line.split("\t")[0] for line in dict.fromkeys(lines)]
        assert len(numbers) == len(set(numbers)), f"one number for two letters: {lines}"
        sinks.append(list(dict.fromkeys(lines)))
    return sinks


def main() -> None:
    """Kill at every so many lines of the whole story (the argument), and then again and again."""
    kills = 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        assert not run(whole, None)
        expected = arrived(whole)
        assert len(expected[0]) == len(expected[1]) == 8, expected
        for line in itertools.count(1, int(sys.argv[1])):
            volume = Path(folder) / str(line)
            volume.mkdir()
            if not run(volume, line):
                break
            kills += 1
            for again in range(3):
                kills += run(volume, (again + 1) * (line % 97 + 23))
            assert not run(volume, None)
            seen = arrived(volume)
            assert [sorted(one) for one in seen] == [sorted(one) for one in expected], line
    print(f"lines {line} kills {kills}")


if __name__ == "__main__":
    main()
