"""A reader that stops in the middle of reading: the bridge captures on, and health says why."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.health import StoreFacts, judge
from bridge.store import Store
from contracts.messages import messages_file
from tests.bridge.events import info, message, phone
from tests.bridge.filled import feed, open_store, settle
from tests.bridge.test_health import WELL

READER = """
import sys
from pathlib import Path
from contracts.messages import open_for_reading
file = open_for_reading(Path(sys.argv[1]))
file.execute("BEGIN")
file.execute("SELECT count(*) FROM message").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""

BIG = "x" * 60_000
UNTIL = 66 * 1024 * 1024
KEPT = 24 * 1024 * 1024


def _capture_until(store: Store, size: int, name: str) -> int:
    """Capture messages with thumbnails until the -wal has this size; gives how many it took."""
    number = 0
    while store.wal_bytes() < size:
        number += 1
        text = message(info(f"{name}{number}", phone("2782")), BIG)
        feed(store, [("message", text)])
        if number % 50 == 0:
            settle(store)
            store.checkpoint()
    settle(store)
    return number


@pytest.mark.timeout(180)
def test_a_reader_that_is_paused_costs_room_and_a_verdict_and_no_message(tmp_path: Path) -> None:
    """The -wal grows behind it, health says that a reader blocks; once it is gone the -wal is cut
    back by itself.
    """
    with open_store(tmp_path) as store:
        feed(store, [("message", message(info("A0", phone("2782")), "hello"))])
        settle(store)
        with subprocess.Popen(
            [sys.executable, "-c", READER, str(messages_file(tmp_path))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as reader:
            try:
                assert reader.stdout is not None
                assert reader.stdout.readline() == "reading\n"
                reader.send_signal(signal.SIGSTOP)
                captured = _capture_until(store, UNTIL, "P")
                facts = replace(WELL, store=StoreFacts(store.counts(), None, 0.0))
            finally:
                reader.kill()  # also one that is stopped
            (part,) = (one for one in judge(facts).parts if one.name == "store")
            assert (part.ok, part.word) == (False, "blocked")
            assert "a reader blocks the checkpoint" in part.reason
        store.checkpoint()
        feed(store, [("message", message(info("Z", phone("2782")), "and on"))])
        assert store.wal_bytes() <= KEPT
        settle(store)
        assert store.counts().messages == captured + 2
