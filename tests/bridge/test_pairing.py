"""One bridge at a time shows its code in the log."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from bridge.api import served
from bridge.console import qr_for_terminal
from bridge.pairing import Turn
from bridge.settings import Peer


@dataclass
class Predecessor:
    """A bridge before ours, whose answer the test sets; it can be gone."""

    peer: Peer
    state: str = "waiting"


@pytest.fixture
async def before() -> AsyncIterator[Predecessor]:
    """A real server in the place of the bridge that pairs first."""
    found = Predecessor(Peer("primary", "064", "", ""))

    async def pairing(_: web.Request) -> web.Response:
        return web.json_response({"state": found.state, "qr": None})

    application = web.Application()
    application.router.add_get("/pairing", pairing)
    async with served(application, "127.0.0.1", 0) as port:
        found.peer = Peer("primary", "064", "", f"http://127.0.0.1:{port}")
        yield found


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that gives up soon."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        yield session


async def test_the_log_belongs_to_the_first_unpaired_bridge(
    before: Predecessor, http: aiohttp.ClientSession
) -> None:
    """The lines of two codes would mix, and neither could be scanned."""
    turn = Turn(http, [before.peer], absent_s=60, began=0)
    assert await turn.waits_for(1) == "064"
    before.state = "paired"
    assert await turn.waits_for(2) is None


async def test_a_bridge_that_does_not_answer_holds_nobody_up_for_long(
    http: aiohttp.ClientSession,
) -> None:
    """It may not exist at all; the code is on the page meanwhile."""
    gone = Peer("primary", "064", "", "http://127.0.0.1:9")
    turn = Turn(http, [gone], absent_s=60, began=0)
    assert await turn.waits_for(59) == "064"
    assert await turn.waits_for(60) is None


async def test_an_answer_is_remembered_for_a_while(
    before: Predecessor, http: aiohttp.ClientSession
) -> None:
    """A bridge that restarts while it is being paired keeps its turn."""
    turn = Turn(http, [before.peer], absent_s=60, began=0)
    assert await turn.waits_for(100) == "064"
    before.peer = Peer("primary", "064", "", "http://127.0.0.1:9")
    later = Turn(http, [before.peer], absent_s=60, began=100)
    assert await later.waits_for(159) == "064"


def test_the_code_for_the_terminal_is_square_with_a_quiet_zone() -> None:
    """Two modules to a character cell; a reader needs the light border."""
    lines = qr_for_terminal("https://wa.me/settings/linked_devices#" + "A" * 200).splitlines()
    width = {len(line) for line in lines}
    assert len(width) == 1
    assert abs(width.pop() - 2 * len(lines)) <= 1
    assert set(lines[0]) == {"█"}
    assert all(line.startswith("██") and line.endswith("██") for line in lines)
