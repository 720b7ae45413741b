"""A bridge that dies anywhere loses nothing of what it had acknowledged."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bridge.events import GROUP
from tests.bridge.filled import mentions, messages, open_store, rules, settle

ROOT = Path(__file__).parents[2]


def program(name: str, *arguments: str) -> list[str]:
    """The command of a test's own program."""
    return [sys.executable, "-W", "ignore", "-m", f"tests.bridge.{name}", *arguments]


@pytest.mark.timeout(300)
def test_interrupted_before_every_statement() -> None:
    """Death before any single SQL statement costs nothing that was acknowledged.

    The rest of the work ends in the messages, mentions and outbox of an undisturbed life.
    """
    done = subprocess.run(
        program("interrupted"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


@pytest.mark.timeout(120)
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Killed with -9 while it captures and interprets, it has every acknowledged message."""
    seed = int(os.environ.get("TWINBRIDGE_TEST_SEED", "0")) or random.randrange(2**32)
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for life in range(5):
        child = subprocess.Popen(
            program("capturing", str(tmp_path), str(life)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        acknowledged.add(child.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.4))
        child.send_signal(signal.SIGKILL)
        acknowledged.update(line.strip() for line in child.stdout if line.endswith("\n"))
        child.stdout.close()
        child.wait()
    with open_store(tmp_path) as store:
        store.apply_rules(rules())
        settle(store)
        assert all(store.has_message(GROUP, id_) for id_ in acknowledged), f"seed {seed}"
    assert acknowledged <= {seen.id for seen in messages(tmp_path)}, f"seed {seed}"
    assert {f"DR{id_.removeprefix('M')} {id_}" for id_ in acknowledged} <= set(mentions(tmp_path))
    assert len(acknowledged) > 5
