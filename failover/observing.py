"""Looks at every bridge: its process as Docker lists it, and what it answers at /health."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

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
    """The system's resolver with a limit of its own, and one lookup per name at a time.

    A DNS that hangs must be told from a bridge that hangs. The name of a container that has ended
    may take ten seconds to lead nowhere: asked for anew every two seconds in the loop's own
    threads, it would soon keep everybody else from theirs.
    """

    def __init__(self, names: int, limit_s: float) -> None:
        self._threads = ThreadPoolExecutor(max(1, names), "resolving")
        self._limit_s = limit_s
        self._asked: dict[str, asyncio.Future[Any]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses; raises Unresolved."""
        asked = self._asked.get(host)
        if asked is None or asked.done():
            look_up: Callable[[], Any] = partial(
                socket.getaddrinfo, host, port, family, socket.SOCK_STREAM
            )
            asked = asyncio.get_running_loop().run_in_executor(self._threads, look_up)
            asked.add_done_callback(_retrieved)
            self._asked[host] = asked
        try:
            async with asyncio.timeout(self._limit_s):
                found = await asyncio.shield(asked)
        except (OSError, TimeoutError) as failed:
            raise Unresolved(f"{host}: {failed!r}") from failed
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Wait for nobody: a lookup may hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _retrieved(asked: "asyncio.Future[Any]") -> None:
    """A lookup that nobody waits for any more may fail in silence."""
    if not asked.cancelled():
        asked.exception()


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
            resolver=_Resolver(len(self._urls), self._timeout_s * 0.8),
            use_dns_cache=False,
            force_close=True,
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
