"""Looks at every bridge: its process as Docker lists it, and what it answers at /health."""

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from contracts.bridge_health import BridgeHealth, parse_bridge_health
from failover.looks import Look, Reply
from failover.seams import Engine, EngineAway, ProcessState

log = logging.getLogger(__name__)

DOCKER_S = 2.0  # an inspect takes 2 ms; one that takes seconds says nothing about now
AT_MOST = 262_144  # bytes of an answer
RECONNECT_S = 5.0


class Unresolved(OSError):
    """The name of a bridge could not be resolved in time."""


class _Resolver(AbstractResolver):
    """The system's resolver, with a limit of its own.

    A DNS that hangs must be told from a bridge that hangs: only the second says something.
    """

    def __init__(self, limit_s: float) -> None:
        self._inner = ThreadedResolver()
        self._limit_s = limit_s

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses; raises Unresolved."""
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._inner.resolve(host, port, family)
        except (OSError, TimeoutError) as failed:
            raise Unresolved(f"{host}: {failed!r}") from failed

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


class Observer:
    """Asks all bridges at once; one that does not answer keeps no other waiting."""

    def __init__(
        self, urls: Mapping[str, str], engine: Engine, token: str, timeout_s: float, late_s: float
    ) -> None:
        self._urls = urls
        self._engine = engine
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._late_s = late_s
        self._session: aiohttp.ClientSession | None = None
        self.docker_trouble = ""
        """Why Docker did not say what runs; empty while it does."""

    async def __aenter__(self) -> Self:
        # A connection for each question: one that was kept open may be to a dead process.
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._timeout_s * 0.8), use_dns_cache=False, force_close=True
        )
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def looks(self, blind: str = "") -> Mapping[str, Look]:
        """One round of looks; `blind` says why none of them may count."""
        began = time.monotonic()
        names = list(self._urls)
        processes, answers = await asyncio.gather(
            self._processes(),
            asyncio.gather(*(self._asked(self._urls[name]) for name in names)),
        )
        took = time.monotonic() - began
        if took > max(DOCKER_S, self._timeout_s) + self._late_s:
            blind = blind or f"a round of looks took {took:.1f} s: the machine stood still"
        now = time.time()
        return {
            name: Look(
                now, None if processes is None else processes.get(name), reply, health, blind
            )
            for name, (reply, health) in zip(names, answers, strict=True)
        }

    async def _processes(self) -> Mapping[str, ProcessState] | None:
        trouble, listed = "", None
        try:
            async with asyncio.timeout(DOCKER_S):
                listed = await self._engine.bridges()
        except EngineAway as away:
            trouble = str(away) or "Docker does not answer"
        except TimeoutError:
            trouble = f"Docker did not answer within {DOCKER_S:.0f} s"
        if bool(trouble) != bool(self.docker_trouble):
            said = {"reason": trouble or "answers again"}
            log.log(logging.WARNING if trouble else logging.INFO, "docker", extra=said)
        self.docker_trouble = trouble
        return listed

    async def _asked(self, url: str) -> tuple[Reply, BridgeHealth | None]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with self._open.get(f"{url}/health", timeout=timeout) as answer:
                body = await answer.content.read(AT_MOST)
                while not answer.content.at_eof() and len(body) < AT_MOST:
                    body += await answer.content.read(AT_MOST)
        except TimeoutError:
            return Reply.TIMED_OUT, None
        except aiohttp.ClientConnectorDNSError:
            return Reply.NAMELESS, None
        except (aiohttp.ClientConnectionError, OSError):
            return Reply.REFUSED, None
        except aiohttp.ClientError:
            return Reply.GARBLED, None
        try:
            return Reply.ANSWERED, parse_bridge_health(body)
        except ValueError:
            return Reply.GARBLED, None

    async def reconnect(self, bridge: str) -> str:
        """Tell a bridge to connect anew; what it said to that."""
        timeout = aiohttp.ClientTimeout(total=RECONNECT_S)
        url = f"{self._urls[bridge]}/reconnect"
        try:
            async with self._open.post(url, headers=self._headers, timeout=timeout) as answer:
                said = (await answer.content.read(400)).decode(errors="replace").strip()
                return f"{answer.status} {said}"
        except (aiohttp.ClientError, TimeoutError, OSError) as failed:
            return f"no answer: {failed!r}"

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the observer is used before it is entered")
        return self._session
