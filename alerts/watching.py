"""Asking: what every bridge and service says now, over HTTP. Nothing is judged here but forms."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from contracts.near_misses import NearMissList, parse_near_misses
from contracts.status import Answer, verdict_of

ASK_S = 8.0
"""Seconds until somebody who does not answer counts as unreachable."""
_MOST_BYTES = 4 * 1024 * 1024
_LAST_CAPTURED = re.compile(
    rb"^twinbridge_last_captured_timestamp_seconds(?:\{[^}]*\})? (\S+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Watched:
    """Somebody who is watched, and where; a service that is no bridge has one question less."""

    name: str
    url: str
    bridge: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What one of them said in one look; a service has no `publishing`."""

    watched: Watched
    health: Answer
    publishing: Answer | None
    last_captured: float | None
    """When this bridge last captured an event, in seconds since 1970."""


async def look(session: aiohttp.ClientSession, all_watched: Sequence[Watched]) -> tuple[Told, ...]:
    """Ask all at the same time."""
    return tuple(await asyncio.gather(*(_told(session, one) for one in all_watched)))


async def near_misses(
    session: aiohttp.ClientSession, bridge: Watched, token: str, day: str
) -> NearMissList:
    """The bridge's list of a day; raises OSError, aiohttp.ClientError or ValueError."""
    headers = {"Authorization": f"Bearer {token}"}
    status, body = await _get(session, f"{bridge.url}/near-misses?day={day}", headers)
    if status != 200:  # noqa: PLR2004 - OK
        raise ValueError(f"it answered {status}")
    return parse_near_misses(body)


async def _told(session: aiohttp.ClientSession, one: Watched) -> Told:
    if not one.bridge:
        return Told(one, await _ask(session, f"{one.url}/health"), None, None)
    health, publishing, last_captured = await asyncio.gather(
        _ask(session, f"{one.url}/health"),
        _ask(session, f"{one.url}/health/publish"),
        _last_captured(session, f"{one.url}/metrics"),
    )
    return Told(one, health, publishing, last_captured)


async def _ask(session: aiohttp.ClientSession, url: str) -> Answer:
    asked = time.monotonic()
    try:
        verdict = verdict_of(*await _get(session, url))
    except (OSError, aiohttp.ClientError) as trouble:
        return Answer(None, f"no answer: {_named(trouble)}", 0.0)
    except ValueError:
        return Answer(None, "the answer is not a verdict", 0.0)
    return Answer(verdict, "", time.monotonic() - asked)


def last_captured(figures: bytes) -> float | None:
    """When a bridge last captured an event, by its /metrics; None if it never did.

    Raises:
        ValueError: the figure is none.
    """
    found = _LAST_CAPTURED.search(figures)
    return float(found[1]) if found else None


async def _last_captured(session: aiohttp.ClientSession, url: str) -> float | None:
    try:
        _, body = await _get(session, url)
        return last_captured(body)
    except (OSError, aiohttp.ClientError, ValueError):
        return None  # its /health says so in words


async def _get(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body; a total time limit, or a body that drips would hold the whole look."""
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    async with session.get(url, headers=headers, timeout=timeout, allow_redirects=False) as answer:
        body = b""
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError("the answer has no end")
        return answer.status, body


def _named(trouble: Exception) -> str:
    """A reason that stays the same while the trouble does; aiohttp's own names ports and times."""
    if isinstance(trouble, TimeoutError):
        return f"not within {ASK_S:.0f} s"
    if isinstance(trouble, aiohttp.ClientConnectorDNSError):
        return "its name is not known: it does not run"
    if isinstance(trouble, aiohttp.ClientConnectorError):
        return (trouble.os_error.strerror or "cannot be reached").lower()
    return type(trouble).__name__
