"""What the tests of the service stand on: bridges that answer over HTTP, and two recorders."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from contracts.failover_limits import FailoverLimits
from failover.api import served
from failover.controller import Controller
from failover.observing import Observer
from failover.seams import (
    EngineAway,
    Follower,
    Happening,
    Placement,
    ProcessState,
    ProcessWord,
)
from tests.failover.world import Bridge, State, limits

TOKEN = "a-token-of-the-tests"


def brief() -> FailoverLimits:
    """The same rules with short times, so that a test need not wait for minutes."""
    return replace(
        limits(),
        probe_ms=100,
        suspect_probe_ms=50,
        probe_timeout_ms=30_000,
        late_ms=60_000,
        fall_probes=3,
        gone_s=0,
        hang_s=0,
        start_s=0,
        start_probes=1,
        again_s=0,
        restart_after_s=0,
    )


class AnsweringBridge:
    """A real server with a bridge's /health and /reconnect."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bridge = Bridge()
        self.reconnects: list[str] = []

    def application(self) -> web.Application:
        """The two routes."""

        async def health(_: web.Request) -> web.Response:
            now = asyncio.get_running_loop().time()
            if self.bridge.state is State.BROKEN:
                return web.Response(status=500, text="Internal Server Error")
            found = self.bridge.look(now, docker=True).health
            if found is None:
                raise web.HTTPInternalServerError
            said = found.to_json() | {"bridge": self.name}
            return web.json_response(said, status=200 if found.verdict.ok else 503)

        async def reconnect(request: web.Request) -> web.Response:
            self.reconnects.append(request.headers.get("Authorization", ""))
            if not self.bridge.stubborn:
                self.bridge.turn(State.FIT, asyncio.get_running_loop().time())
            return web.json_response({"reconnecting": True}, status=202)

        built = web.Application()
        built.router.add_get("/health", health)
        built.router.add_post("/reconnect", reconnect)
        return built


class RecordingEngine:
    """Where Docker would be: remembers what it was told, and says what the test lets run."""

    def __init__(self, names: Sequence[str]) -> None:
        self.processes = {name: ProcessState(ProcessWord.RUNNING) for name in names}
        self.away = False
        self.placed: list[tuple[str, int]] = []
        self.restarted: list[str] = []
        self.standing = [Follower("monitor-prod", names[0], 0, running=True)]
        self.hints: asyncio.Queue[str] = asyncio.Queue()
        self.acknowledged = 0

    def _answers(self) -> None:
        if self.away:
            raise EngineAway("the test has taken Docker away")

    async def bridges(self) -> Mapping[str, ProcessState]:
        """What runs."""
        self._answers()
        return dict(self.processes)

    async def followers(self) -> Sequence[Follower]:
        """Where the monitors stand."""
        self._answers()
        return tuple(self.standing)

    async def place(self, side: str, epoch: int) -> Placement:
        """Move them."""
        self._answers()
        moved = tuple(one.service for one in self.standing if one.side != side)
        if moved:
            self.placed.append((side, epoch))
        self.standing = [
            replace(one, side=side, epoch=epoch, pinned_to=None) if one.side != side else one
            for one in self.standing
        ]
        return Placement(side, epoch, tuple(self.standing), moved)

    async def restart(self, bridge: str) -> None:
        """Restart a bridge."""
        self._answers()
        self.restarted.append(bridge)

    def acknowledge(self) -> None:
        """A person has spoken."""
        self.acknowledged += 1

    async def events(self) -> AsyncIterator[str]:
        """What the test lets happen."""
        while True:
            yield await self.hints.get()


@dataclass
class RecordingMemory:
    """What was kept, through JSON, as the file would hold it."""

    kept: str = ""
    lines: list[Happening] = field(default_factory=list)
    full: bool = False

    @property
    def trust(self) -> Mapping[str, Any] | None:
        """What was last kept."""
        return json.loads(self.kept) if self.kept else None

    def keep(self, trust: Mapping[str, Any], happening: Happening | None = None) -> None:
        """Keep it, unless the disk is full."""
        if self.full:
            raise OSError(28, "No space left on device")
        self.kept = json.dumps(trust)
        if happening is not None:
            self.lines.append(happening)

    def history(self, at_most: int) -> Sequence[Happening]:
        """The newest lines."""
        return self.lines[-at_most:]

    @property
    def happened(self) -> list[str]:
        """What kind of thing each line is."""
        return [line.what for line in self.lines]


@dataclass
class Parts:
    """A controller at work, and everything around it."""

    controller: Controller
    engine: RecordingEngine
    memory: RecordingMemory
    bridges: Mapping[str, AnsweringBridge]


@asynccontextmanager
async def working(
    *names: str,
    memory: RecordingMemory | None = None,
    engine: RecordingEngine | None = None,
    numbers: FailoverLimits | None = None,
) -> AsyncIterator[Parts]:
    """A controller runs for the length of the context."""
    names = names or ("primary", "backup")
    numbers = numbers or brief()
    async with AsyncExitStack() as open_things:
        bridges = {name: AnsweringBridge(name) for name in names}
        urls = {}
        for name, bridge in bridges.items():
            serving = served(bridge.application(), "127.0.0.1", 0)
            urls[name] = f"http://127.0.0.1:{await open_things.enter_async_context(serving)}"
            now = asyncio.get_running_loop().time()
            bridge.bridge.connected_at, bridge.bridge.heard_at = now - 3_600, now
        engine = engine or RecordingEngine(names)
        memory = memory or RecordingMemory()
        observer = Observer(urls, engine, TOKEN, numbers.probe_timeout_ms / 1000, 60)
        await open_things.enter_async_context(observer)
        controller = Controller(names, numbers, engine, memory, observer)
        running = asyncio.create_task(controller.run())
        try:
            yield Parts(controller, engine, memory, bridges)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
