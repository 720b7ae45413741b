"""What a monitor answers inside the stack: /health and /live. It is published nowhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from aiohttp import web

from contracts.health import Verdict
from monitor.health import judge, judge_life
from monitor.status import Status


@asynccontextmanager
async def served(status: Status, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the context; gives the port, which 0 leaves to the system."""

    def verdict(judged: Verdict) -> web.Response:
        body = judged.to_json() | {"follows": asdict(status.following)}
        return web.json_response(body, status=200 if judged.ok else 503)

    async def health(_: web.Request) -> web.StreamResponse:
        return verdict(judge(status.facts()))

    async def live(_: web.Request) -> web.StreamResponse:
        return verdict(judge_life(status.facts()))

    application = web.Application()
    application.router.add_get("/health", health)
    application.router.add_get("/live", live)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
