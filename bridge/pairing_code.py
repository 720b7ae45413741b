"""The 8-character code: another way to link the phone than the QR, and not to be asked for often.

WhatsApp locks a number for hours or days when codes are asked for again and again. So a person asks
for each of them, nothing here asks by itself, and there is a growing wait between two. What was
asked for is remembered on the disk before the question leaves: a restart must not forget it.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from neonize.exc import NeonizeError

from bridge.connection import Connection, Word
from bridge.listening import in_thread

FILE = "pairing-codes.json"
REMEMBERED_S = 24 * 3600.0
WAITS_S = (180.0, 600.0, 1_800.0, 7_200.0)
"""Seconds after the first, second, … question within a day; the last one for all that follow."""

ATTEMPT_S = 160.0
"""For so long the client shows QR codes; with the last of them the 8-character code dies too."""

ENOUGH_S = 75.0
"""A person needs so long to find the place on the phone and to type."""


@dataclass(frozen=True, slots=True)
class CodeVerdict:
    """Whether a code may be asked for now; if not, why, and after how long it may (0: not so)."""

    ok: bool
    reason: str
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """The code that is on show, or why there is none."""

    code: str | None
    verdict: CodeVerdict


def judge_request(
    asked: Sequence[float], state: Connection, number: str, *, now: float, monotonic: float
) -> CodeVerdict:
    """Whether a code may be asked for: `asked` and `now` in seconds since 1970."""
    if not number:
        return CodeVerdict(False, "this bridge's number is not set; a code is made for a number")
    if state.word is not Word.PAIRING or state.qr is None:
        return CodeVerdict(False, f"not waiting for a code to be shown: {state.word}")
    recent = [one for one in asked if now - one < REMEMBERED_S]
    if recent:
        again = max(recent) + WAITS_S[min(len(recent), len(WAITS_S)) - 1]
        if again > now:
            reason = f"{len(recent)} codes were asked for in the last day; WhatsApp locks numbers"
            return CodeVerdict(False, reason, again - now)
    left = state.since + ATTEMPT_S - monotonic
    if left < ENOUGH_S:
        return CodeVerdict(False, "the codes on show run out; new ones follow", max(left, 0.0) + 5)
    return CodeVerdict(True, "a code may be asked for")


class Codes:
    """Asks the client for codes, as seldom as is safe, and knows the one that is on show."""

    def __init__(
        self,
        directory: Path,
        number: str,
        state: Callable[[], Connection],
        pair: Callable[[str], str],
    ) -> None:
        """`pair` blocks and gives the code for a number; it raises NeonizeError."""
        self._file = directory / FILE
        self._number = number
        self._state = state
        self._pair = pair
        self._shown: tuple[float, str] | None = None
        self._asking = asyncio.Lock()

    @property
    def current(self) -> str | None:
        """The code on show; it is gone when the client's attempt to pair is over."""
        state = self._state()
        if self._shown is None or state.word is not Word.PAIRING or state.qr is None:
            return None
        since, code = self._shown
        return code if since == state.since else None

    async def ask(self) -> CodeAnswer:
        """The code on show, or a new one if it is time; OSError if it cannot be remembered."""
        async with self._asking:
            if (code := self.current) is not None:
                return CodeAnswer(code, CodeVerdict(True, "on show"))
            asked, now = await asyncio.to_thread(self._asked), time.time()
            state = self._state()
            verdict = judge_request(asked, state, self._number, now=now, monotonic=time.monotonic())
            if not verdict.ok:
                return CodeAnswer(None, verdict)
            kept = [*(one for one in asked if now - one < REMEMBERED_S), now]
            await asyncio.to_thread(self._remember, kept)
            try:
                code = await in_thread(partial(self._pair, self._number))
            except NeonizeError as refused:
                reason = f"WhatsApp gave no code: {refused}"
                return CodeAnswer(None, CodeVerdict(False, reason, WAITS_S[0]))
            self._shown = state.since, code
            return CodeAnswer(code, verdict)

    def _remember(self, asked: Sequence[float]) -> None:
        with self._file.open("w") as file:
            json.dump(asked, file)
            file.flush()
            os.fsync(file.fileno())

    def _asked(self) -> list[float]:
        """When codes were asked for; a file that makes no sense tells of one, by its own time."""
        try:
            return [float(one) for one in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError):
            return [self._file.stat().st_mtime]
