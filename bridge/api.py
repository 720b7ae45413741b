"""What a bridge answers over HTTP: /live, /health, /metrics, /heard, /pairing, its page.

Nothing here waits for WhatsApp, Postgres or the disk: the answers are what was last known. The Host
header is checked, so that a web page somewhere cannot read the pairing code through the browser of
whoever runs the bridge. /heard and /near-misses are for the other services of the stack and need
its token, and so does what changes something: POST /reconnect and POST /pairing/code.
"""

import hmac
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST

from bridge.pairing_code import CodeAnswer
from bridge.store import StoreUnavailable
from contracts.bridge_health import BridgeHealth
from contracts.health import Verdict
from contracts.heard import HeardAnswer

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Pairing:
    """Whether a phone must scan a code, and which; the shape of GET /pairing."""

    state: str
    qr: str | None
    code: str | None = None
    """The 8 characters, if somebody asked for them."""


class Answers(Protocol):
    """What the API asks of the bridge."""

    def live(self) -> Verdict:
        """Whether the process makes progress."""

    def health(self) -> BridgeHealth:
        """Whether a message sent now would be captured, and what is known of the ears."""

    def publish_health(self) -> Verdict:
        """Whether what was captured reaches Postgres."""

    def pairing(self) -> Pairing:
        """Whether a code must be scanned."""

    def connected(self) -> bool:
        """Whether WhatsApp is connected."""

    def reconnect(self) -> str | None:
        """Leave WhatsApp and dial anew; the reason if that must not be."""

    async def pairing_code(self) -> CodeAnswer:
        """The 8-character code, if one may be asked for now; OSError."""

    async def heard(self, after: int) -> HeardAnswer:
        """What was heard after a change; raises StoreUnavailable."""

    async def near_misses(self, day: date | None) -> dict[str, object]:
        """Texts that nearly name a drop, of a day or of the last 24 hours; StoreUnavailable."""

    async def metrics(self) -> bytes:
        """The figures for Prometheus."""

    async def page(self) -> str:
        """The page as HTML."""


def application(answers: Answers, hosts: Collection[str], token: str) -> web.Application:
    """Build the application.

    Args:
        answers: the bridge.
        hosts: the names it may be called by, without ports.
        token: what the other services of the stack show; nobody is let in by an empty one.
    """

    def verdict(judged: Verdict) -> web.Response:
        body = judged.to_json() | {"connected": answers.connected()}
        return web.json_response(body, status=200 if judged.ok else 503)

    def judged(ask: Callable[[], Verdict]) -> Handler:
        async def answer(_: web.Request) -> web.StreamResponse:
            return verdict(ask())

        return answer

    async def health(_: web.Request) -> web.Response:
        now = answers.health()
        return web.json_response(now.to_json(), status=200 if now.verdict.ok else 503)

    async def pairing(_: web.Request) -> web.Response:
        now = answers.pairing()
        return web.json_response({"state": now.state, "qr": now.qr, "code": now.code})

    async def metrics(_: web.Request) -> web.Response:
        figures = await answers.metrics()
        return web.Response(body=figures, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=await answers.page(), content_type="text/html")

    built = web.Application(middlewares=[_host_checked(frozenset(hosts)), _hardened])
    built.router.add_get("/live", judged(answers.live))
    built.router.add_get("/health", health)
    built.router.add_get("/health/publish", judged(answers.publish_health))
    built.add_routes(_internal(answers, token))
    built.router.add_get("/metrics", metrics)
    built.router.add_get("/pairing", pairing)
    built.router.add_get("/", page)
    return built


def _internal(answers: Answers, token: str) -> list[web.RouteDef]:
    """What only the stack's own services may ask."""

    async def heard(request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 19):  # noqa: PLR2004
            raise web.HTTPBadRequest(text=f"after={after!r} is not a change sequence\n")
        return web.json_response((await answers.heard(int(after))).to_json())

    async def near_misses(request: web.Request) -> web.Response:
        named = request.query.get("day")
        day = None if named is None else _day(named)
        return web.json_response(await answers.near_misses(day))

    async def reconnect(_: web.Request) -> web.Response:
        reason = answers.reconnect()
        body = {"reconnecting": reason is None} | ({} if reason is None else {"reason": reason})
        return web.json_response(body, status=202 if reason is None else 409)

    async def pairing_code(_: web.Request) -> web.Response:
        return _code(await answers.pairing_code())

    def admitted(route: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            _admit(request, token)
            try:
                return await route(request)
            except (StoreUnavailable, OSError) as unavailable:
                raise web.HTTPServiceUnavailable(text=f"{unavailable}\n") from None

        return answer

    return [
        web.get("/heard", admitted(heard)),
        web.get("/near-misses", admitted(near_misses)),
        web.post("/reconnect", admitted(reconnect)),
        web.post("/pairing/code", admitted(pairing_code)),
    ]


def _code(answer: CodeAnswer) -> web.Response:
    """201 with the code, 429 with the wait, or 409: it makes no sense now."""
    if answer.code is not None:
        return web.json_response({"code": answer.code}, status=201)
    wait_s = math.ceil(answer.verdict.wait_s)
    body = {"code": None, "reason": answer.verdict.reason, "wait_s": wait_s}
    headers = {"Retry-After": str(wait_s)} if wait_s else {}
    return web.json_response(body, status=429 if wait_s else 409, headers=headers)


def _day(named: str) -> date:
    """The day of a query; raises HTTPBadRequest."""
    try:
        day = date.fromisoformat(named)
    except ValueError:
        day = date.min
    if day.year // 100 != 20:  # noqa: PLR2004 - the century; others are typing errors
        raise web.HTTPBadRequest(text=f"day={named!r} is not a date like 2026-03-31\n")
    return day


def _admit(request: web.Request, token: str) -> None:
    """Let only the stack's own services in; raises HTTPUnauthorized."""
    shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not token or not hmac.compare_digest(shown, f"Bearer {token}".encode()):
        raise web.HTTPUnauthorized(text="this needs the API token of the stack\n")


def _host_checked(hosts: frozenset[str]) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = _host_name(request.headers.get("Host", ""))
        if name not in hosts:
            raise web.HTTPForbidden(text=f"this bridge does not answer to the name {name!r}\n")
        return await handler(request)

    return check


def _host_name(header: str) -> str:
    """The name in a Host header, without the port; IPv6 stays in brackets."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0].lower()


@web.middleware
async def _hardened(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers.update(_SECURITY)
    return response


@asynccontextmanager
async def served(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the context; gives the port, which 0 leaves to the system."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
