"""What alerts answer inside the stack: /health, /live, /metrics. Nothing here changes anything."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST

from contracts.health import Verdict


class Answers(Protocol):
    """What the API asks of the service."""

    def live(self) -> Verdict:
        """Whether the loop turns."""

    def health(self) -> Verdict:
        """Whether a fault that begins now would be told."""

    def metrics(self) -> bytes:
        """The figures for Prometheus."""


def application(answers: Answers) -> web.Application:
    """Build the application."""

    def judged(ask: Callable[[], Verdict]) -> Handler:
        async def answer(_: web.Request) -> web.StreamResponse:
            verdict = ask()
            return web.json_response(verdict.to_json(), status=200 if verdict.ok else 503)

        return answer

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=answers.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    built = web.Application()
    built.router.add_get("/live", judged(answers.live))
    built.router.add_get("/health", judged(answers.health))
    built.router.add_get("/metrics", metrics)
    return built


@asynccontextmanager
async def served(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the context; gives the port, which 0 leaves to the system."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
