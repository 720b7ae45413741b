"""A callback that cannot store holds its event; one whose store hangs can be told from it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.store import StoreUnavailable
from bridge.whatsapp import WhatsApp
from tests.conftest import eventually

MESSAGE = 17
"""neonize's code of a message event."""


class Disk:
    """Takes an event, refuses it, or lets it wait, as it is told."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.refuses = False
        self.moves = threading.Event()
        self.moves.set()

    def capture(self, kind: str, payload: bytes, received_at_ms: int, live: bool) -> None:
        """Store one event."""
        assert (kind, live, received_at_ms > 0) == ("message", False, True)
        assert self.moves.wait(60)
        if self.refuses:
            raise StoreUnavailable("database is locked")
        self.taken.append(payload)


@contextmanager
def _calling_back(whatsapp: WhatsApp) -> Iterator[threading.Thread]:
    """One event comes in the thread of the client's callbacks."""
    called = whatsapp._receive  # noqa: SLF001 - what Go calls through neonize's dispatcher
    thread = threading.Thread(target=called, args=(0, MESSAGE, b"event"))
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def disk() -> Disk:
    """A disk that takes everything."""
    return Disk()


@pytest.fixture
def whatsapp(tmp_path: Path, disk: Disk) -> WhatsApp:
    """A client that was never started, over that disk."""
    return WhatsApp(tmp_path, "x", disk.capture, lambda _: None, lambda _: True)


def test_an_event_that_is_refused_is_held_and_nothing_hangs(whatsapp: WhatsApp, disk: Disk) -> None:
    """Ending the process would lose it; health says `holding`, and the next attempt may succeed."""
    disk.refuses = True
    with _calling_back(whatsapp):
        held = eventually("it is held", lambda: whatsapp.holds_since)
        assert whatsapp.storing_s < 30
        disk.refuses = False
    assert held
    assert disk.taken == [b"event"]
    assert whatsapp.holds_since is None
    assert whatsapp.storing_s == 0


def test_an_attempt_that_does_not_return_is_seen(whatsapp: WhatsApp, disk: Disk) -> None:
    """Nothing is being tried any more: the watchdog measures by it."""
    disk.moves.clear()
    with _calling_back(whatsapp):
        eventually("it hangs", lambda: whatsapp.storing_s > 0.5)
        disk.moves.set()
    assert disk.taken == [b"event"]
    assert whatsapp.storing_s == 0
