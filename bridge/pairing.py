"""The QR code in the log, one bridge at a time, so that the lines of two codes do not mix.

The pairing code is the only secret that may be in a log: whoever reads it within a minute must
also hold the phone.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import aiohttp

from bridge.console import qr_for_terminal
from bridge.settings import Peer

log = logging.getLogger(__name__)

LOOK_S = 1.0
ANSWER_S = 2.0


class Turn:
    """Whether the bridges before this one are done with the log, or absent for `absent_s`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        predecessors: Sequence[Peer],
        absent_s: float,
        began: float,
    ) -> None:
        self._http = http
        self._heard = {peer.name: began for peer in predecessors}
        self._predecessors = predecessors
        self._absent_s = absent_s

    async def waits_for(self, now: float) -> str | None:
        """The name of the bridge that still needs the log, or None: it is our turn."""
        for peer in self._predecessors:
            state = await self._state(peer)
            if state is not None:
                self._heard[peer.name] = now
                if state == "waiting":
                    return peer.label
            elif now - self._heard[peer.name] < self._absent_s:
                return peer.label
        return None

    async def _state(self, peer: Peer) -> str | None:
        try:
            async with self._http.get(f"{peer.url}/pairing") as answer:
                answer.raise_for_status()
                return str((await answer.json())["state"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            return None


async def show_codes(
    current: Callable[[], str | None],
    predecessors: Sequence[Peer],
    absent_s: float,
    page: str,
    write: Callable[[str], None],
) -> None:
    """Print each new code once, when it is our turn; runs until cancelled."""
    shown: str | None = None
    said = False
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        turn = Turn(http, predecessors, absent_s, time.monotonic())
        while True:
            code = current()
            if code is not None and code != shown:
                other = await turn.waits_for(time.monotonic())
                if other is None:
                    shown = code
                    write(f"{qr_for_terminal(code)}\n")
                    log.info("scan this code with the phone", extra={"page": page})
                elif not said:
                    said = True
                    log.info("code on the page", extra={"page": page, "here_after": other})
            await asyncio.sleep(LOOK_S)
