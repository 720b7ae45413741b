"""What the failover answers inside the stack: /health, /live, /state, /history; and its verbs.

No port of it is published. What changes something needs the API token of the stack.
"""

import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from aiohttp import web

from failover import health
from failover.controller import Controller
from failover.healing import beyond_help
from failover.verbs import Refused, change

VERBS = ("switch", "pause", "resume", "failback", "promote")
HISTORY_AT_MOST = 1_000


def application(controller: Controller, token: str) -> web.Application:
    """Build the application; nobody may change anything by an empty token."""

    async def healthy(_: web.Request) -> web.Response:
        judged = health.judge(facts(controller))
        return web.json_response(judged.to_json(), status=200 if judged.ok else 503)

    async def live(_: web.Request) -> web.Response:
        judged = health.judge_life(facts(controller))
        return web.json_response(judged.to_json(), status=200 if judged.ok else 503)

    async def told(_: web.Request) -> web.Response:
        return web.json_response(state(controller))

    async def history(request: web.Request) -> web.Response:
        last = request.query.get("last", "20")
        if not (last.isascii() and last.isdigit() and 0 < int(last) <= HISTORY_AT_MOST):
            raise web.HTTPBadRequest(text=f"last={last!r} is not a number up to 1000\n")
        lines = controller.memory.history(int(last))
        return web.json_response([asdict(line) for line in lines])

    async def verb(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not token or not hmac.compare_digest(shown, f"Bearer {token}".encode()):
            raise web.HTTPUnauthorized(text="this needs the API token of the stack\n")
        wanted = await _wanted(request)
        try:
            done = change(request.match_info["verb"], wanted | {"stack": controller.order})
            sentence = await controller.decided(done)
        except Refused as refused:
            raise web.HTTPConflict(text=f"{refused}\n") from None
        except OSError as failed:
            raise web.HTTPServiceUnavailable(text=f"it could not be kept: {failed}\n") from None
        return web.json_response({"done": sentence})

    built = web.Application(client_max_size=4_096)
    built.router.add_get("/health", healthy)
    built.router.add_get("/live", live)
    built.router.add_get("/state", told)
    built.router.add_get("/history", history)
    built.router.add_post(f"/{{verb:{'|'.join(VERBS)}}}", verb)
    return built


async def _wanted(request: web.Request) -> dict[str, Any]:
    try:
        said = json.loads(await request.read() or b"{}")
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise web.HTTPBadRequest(text="the body is a JSON object\n")
    return said


def facts(controller: Controller) -> health.Facts:
    """What the verdict is made of, as it is now."""
    return health.Facts(
        trust=controller.trust,
        choice=controller.choice,
        placement=controller.placement,
        beyond=beyond_help(controller.trust.rounds),
        docker_trouble=controller.observer.docker_trouble or controller.engine_trouble,
        memory_trouble=controller.memory_trouble,
        loop_s=time.monotonic() - controller.turned_at,
    )


def state(controller: Controller) -> dict[str, Any]:
    """Everything that `status` prints."""
    now, trust = time.time(), controller.trust
    placement = controller.placement
    judged = health.judge(facts(controller))
    return {
        "reads": trust.side,
        "epoch": trust.epoch,
        "since": trust.since,
        "reason": trust.reason,
        "mode": trust.mode_in_words,
        "paused_until": trust.paused_until,
        "failback": trust.failback,
        "order": list(trust.order),
        "verdict": str(controller.choice.verdict),
        "sentence": controller.choice.sentence,
        "bridges": {
            name: {"word": str(track.word), "said": track.said(now)}
            for name, track in controller.tracks.items()
        },
        "monitors": [asdict(one) for one in placement.followers] if placement else [],
        "placed": placement is not None and placement.done,
        "rounds": [asdict(one) for one in trust.rounds if not one.over],
        "health": judged.to_json(),
    }


@asynccontextmanager
async def served(built: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the context; gives the port, which 0 leaves to the system."""
    runner = web.AppRunner(built, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
