"""A proxy in front of the engine's socket that can stall, or cut what is open."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ENGINE = "/var/run/docker.sock"


class StallingProxy:
    """Passes bytes between a socket of its own and the engine's, until it is told not to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._flows = threading.Event()
        self._flows.set()
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """Where the engine seems to be."""
        return f"unix://{self.path}"

    def stall(self) -> None:
        """From now on nothing passes, and nothing is refused either."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass everything again, also what waited."""
        self._flows.set()

    def cut(self) -> None:
        """Close every connection that is open."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.close()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        assert self._ready.wait(10)

    def close(self) -> None:
        """Stop, and close everything."""
        self.flow()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_unix_server(self._serve, str(self.path))
        )
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._pass()
        there, back = await asyncio.open_unix_connection(ENGINE)
        both = {writer, back}
        self._open |= both
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._open -= both
            for each in both:
                each.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await self._pass()
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _pass(self) -> None:
        while not self._flows.is_set():
            await asyncio.sleep(0.02)


@contextmanager
def stalling(directory: Path) -> Iterator[StallingProxy]:
    """The proxy, listening."""
    proxy = StallingProxy(directory / "docker.sock")
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
