"""A road to Postgres that can be closed, jammed or cut in the middle of an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 65_536
BIND_COMPLETE = b"2\x00\x00\x00\x04"


@dataclass(slots=True)
class Road:
    """A TCP proxy on loopback."""

    target: str
    port: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, bytes are accepted and go nowhere, as with a paused server."""
    delay_s: float = 0.0
    """How long bytes take in each direction, one after the other."""
    swallow: bytes = b""
    """The result of the next statement that contains this is swallowed and the connection cut:
    Postgres has committed, and the client never hears of it."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    asked: bool = False
    carried: int = 0
    """Connections so far."""
    server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The target's URL, by this road."""
        parts = urlsplit(self.target)
        credentials = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{credentials}@127.0.0.1:{self.port}").geturl()

    async def close(self) -> None:
        """Refuse new connections and cut those there are."""
        if self.server is not None:
            self.server.close()
            self.server = None
        self.cut()

    async def reopen(self) -> None:
        """Accept connections, on the port of before."""
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        self.open.set()

    def cut(self) -> None:
        """Cut every connection."""
        for task in self.tasks:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carried += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            parts = urlsplit(self.target)
            there, back = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, back, answers=False))
                    both.create_task(self._pump(there, writer, answers=True))
            finally:
                back.transport.abort()
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # either end went away: that is what this road is for
        finally:
            writer.transport.abort()
            self.tasks.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await source.read(CHUNK):
            if not answers and self.swallow and self.swallow in data:
                self.asked = True
            if answers and self.asked and BIND_COMPLETE in data:
                self.swallow, self.asked = b"", False
                raise ConnectionAbortedError
            await self.open.wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError


@asynccontextmanager
async def road_to(target: str) -> AsyncIterator[Road]:
    """A road that is open at first."""
    road = Road(target)
    await road.reopen()
    try:
        yield road
    finally:
        await road.close()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*road.tasks, return_exceptions=True)
