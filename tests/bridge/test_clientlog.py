"""The client library's log lines end in the store, if they stand for something missing."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import clientlog
from bridge.losses import Finding, Meaning, judge
from bridge.store import Store

GROUP = "120363418298130331@g.us"
SENDER = "27820000001:1@s.whatsapp.net"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own."""
    with Store(tmp_path, "primary") as opened:
        yield opened


@pytest.mark.parametrize(
    "name", ["whatsmeow.Client", "whatsmeow.Client.Socket", "Whatsmeow.Database"]
)
def test_each_logger_of_the_library_is_judged_whatever_the_level_of_the_log(name: str) -> None:
    """The database's logger is spelled with a capital; LOG_LEVEL=ERROR must not hide a loss."""
    found: list[Finding] = []
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with clientlog.judged(found.append):
            logging.getLogger(name).warning("Failed to parse message: x")
    finally:
        root.setLevel(level)
    assert [one.meaning for one in found] == [Meaning.SUSPECTED]


def test_a_line_is_shortened_for_people_and_kept_whole_for_the_judge(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Go stack or a ciphertext fills pages; the record keeps it, the log does not."""
    found: list[Finding] = []
    text = "Something new\n" + "x" * 5_000
    with clientlog.judged(found.append):
        logging.getLogger("whatsmeow.Client").error(text)
    (record,) = (one for one in caplog.records if one.name == "bridge.clientlog")
    assert len(record.__dict__["line"]) == clientlog.SHOWN
    assert found[0].text == text


async def _record(store: Store, text: str) -> list[str]:
    """Let one line through the recorder; gives what asked to leave WhatsApp."""
    left: list[str] = []
    losses = clientlog.Losses(store, left.append, lambda: left.append("out of step"))
    before = store.losses()
    running = asyncio.create_task(losses.run())
    losses.found(judge(text))
    try:
        async with asyncio.timeout(60):
            while store.losses() == before and not left:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    return left


async def test_an_unknown_line_is_counted_as_a_suspected_loss(store: Store) -> None:
    """And stays until somebody has looked."""
    await _record(store, "a line that nobody has ever seen")
    assert store.counts().suspected_losses == 1


async def test_a_message_delivered_twice_and_never_stored_is_a_detected_loss(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for a little later, since its first delivery may still be on its way to the store."""
    monkeypatch.setattr(clientlog, "LOOK_AGAIN_S", 0.05)
    await _record(store, f"Ignoring message 3EB0AA from {SENDER} in {GROUP}: old counter")
    assert store.counts().detected_losses == 1


async def test_a_client_that_can_read_no_frame_is_told_to_dial_anew(store: Store) -> None:
    """What came in the frames was not acknowledged and comes again, so it is no loss."""
    line = "Failed to decrypt frame: cipher: message authentication failed"
    assert await _record(store, line) == ["out of step"]
    assert store.counts().suspected_losses == 0


async def test_a_session_that_cannot_be_written_makes_the_bridge_leave(store: Store) -> None:
    """Every further message would be acknowledged and unreadable."""
    text = "Failed to save session: database or disk is full"
    assert await _record(store, text) == [text]
