"""Killed -9 between any two lines, alerts lose nothing and give one letter one number."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def survived(stride: int, timeout: float) -> int:
    """Kill at every so many lines; how many kills there were."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.alerts.interrupted", str(stride)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    words = done.stdout.split()
    assert words[::2] == ["lines", "kills"]
    return int(words[3])


@pytest.mark.timeout(300)
def test_killed_now_and_then() -> None:
    """Each letter reaches each of two sinks, whenever the processes before died, and a letter that
    comes twice has the same number twice.
    """
    assert survived(101, 290) > 60


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_killed_between_any_two_lines() -> None:
    """The same for every single line."""
    assert survived(1, 7_000) > 5_000
