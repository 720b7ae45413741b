"""A bridge does not load what it never uses."""

import subprocess
import sys

import pytest

from bridge.lean import Absent

LOADED = """
import sys
import bridge.__main__
from bridge.lean import UNUSED, Absent
from bridge.whatsapp import WhatsApp
import neonize.client
assert neonize.client.Image is Absent
print(*(name for name in (*UNUSED, "bs4", "urllib3") if name in sys.modules))
"""


def test_what_makes_media_is_not_loaded() -> None:
    """In a process of its own: a bridge stays below 100 MiB, and its client is the real one."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_a_stand_in_says_what_it_is() -> None:
    """Should a later bridge want to make media, the error names the place."""
    with pytest.raises(NotImplementedError, match=r"bridge/lean\.py"):
        Absent.open(b"")
