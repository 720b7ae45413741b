"""A process that no longer moves ends loudly instead of looking alive."""

import subprocess
import sys
import threading

import pytest

from bridge import watchdog
from bridge.watchdog import DIALLING_S, STUCK_EXIT, STUCK_S, Progress, judge, watched

STUCK = """
import asyncio, time
from bridge import watchdog
from contracts import service

async def main(stop):
    service.configure_logging("INFO", "text", "")
    watchdog.LOOK_S, watchdog.STUCK_S = 0.05, 0.5
    beat = watchdog.Beat()

    def progress():
        return watchdog.Progress(beat.age_s, 0.0, 0.0, dialling=False)

    def end(reason):
        watchdog.end(reason, lambda: print("left", flush=True))

    with watchdog.watched(progress, end):
        beating = asyncio.ensure_future(beat.run())
        await asyncio.sleep(0.2)
        print("blocking", flush=True)
        time.sleep(600)

service.run(main)
"""


def test_what_moves_is_left_alone() -> None:
    """Up to thirty seconds are a slow disk or a busy machine."""
    assert judge(Progress(STUCK_S, STUCK_S, STUCK_S, dialling=False)) is None


def test_a_loop_without_a_turn_for_30_s_is_named() -> None:
    """The loop first: while it is stuck nobody asks the client either."""
    assert "event loop" in (judge(Progress(31, 99, 99, dialling=False)) or "")


def test_a_connected_client_that_does_not_answer_for_30_s_is_named() -> None:
    """It answers from memory, so that only a deadlock makes it late."""
    assert "WhatsApp client" in (judge(Progress(0, 31, 0, dialling=False)) or "")


def test_an_attempt_to_store_that_does_not_return_for_30_s_is_named() -> None:
    """A store that says no is asked again for ever; one that says nothing is a hang."""
    assert "to store" in (judge(Progress(0, 0, 31, dialling=False)) or "")


def test_a_client_that_dials_is_given_three_minutes() -> None:
    """An attempt into a network that swallows packets takes long and is no bug."""
    assert judge(Progress(0, DIALLING_S, 0, dialling=True)) is None
    assert judge(Progress(0, DIALLING_S + 1, 0, dialling=True)) is not None


def test_a_process_whose_loop_is_blocked_ends_with_a_critical_line_and_its_own_code() -> None:
    """In a real process: the loop cannot be asked to stop, so nothing waits for it."""
    done = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == STUCK_EXIT, done
    assert done.stdout.split() == ["blocking", "left"]
    assert "CRITICAL" in done.stdout + done.stderr
    assert "the event loop has made no turn" in done.stdout + done.stderr


def test_the_watch_acts_once_and_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge that is asked to stop must not be ended by its watch afterwards."""
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    said: list[str] = []
    acted = threading.Event()

    def act(reason: str) -> None:
        said.append(reason)
        acted.set()

    with watched(lambda: Progress(99, 0, 0, dialling=False), act):
        assert acted.wait(60)
    assert len(said) == 1
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}
