"""The media host: what clients upload and download, and what can go wrong with a download.

A download carries nothing that says which device asks, so a fault is everybody's. It lives in
memory: a simulator that is started again has none.
"""

import asyncio
import math
from enum import StrEnum

from aiohttp import web

from simulator.files import Files, UploadError


class MediaFault(StrEnum):
    """What can be done to downloads."""

    MISSING = "404"
    SLOW = "slow"
    TRUNCATED = "truncated"


SLOW_SECONDS = 5.0
"""How long the second half of a file is held back when nobody says how long."""


class Downloads:
    """Serves files as a media host does, with at most one fault in force, until it is lifted."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._fault: MediaFault | None = None
        self._seconds = SLOW_SECONDS
        self._lifted = asyncio.Event()

    def break_all(self, fault: MediaFault, seconds: float = SLOW_SECONDS) -> None:
        """Let every download from now on go wrong; `seconds` is how long a slow one is held back.

        Raises ValueError when the seconds are no length of time.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            message = f"'seconds' is more than 0, not {seconds!r}"
            raise ValueError(message)
        self.lift()
        self._fault, self._seconds = fault, seconds

    def lift(self) -> None:
        """No fault is in force any more; what is held back goes out now."""
        self._fault = None
        self._lifted.set()
        self._lifted = asyncio.Event()

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET /v/{name} on the media host."""
        encrypted = self._files.get(request.match_info["name"].removesuffix(".enc"))
        if encrypted is None or self._fault is MediaFault.MISSING:
            raise web.HTTPNotFound
        half = len(encrypted) // 2
        match self._fault:
            case MediaFault.SLOW:
                return await self._slowly(request, encrypted, half)
            case MediaFault.TRUNCATED:
                return web.Response(body=encrypted[:half])
            case _:
                return web.Response(body=encrypted)

    async def upload(self, request: web.Request) -> web.Response:
        """POST /mms/{kind}/{token} on the media host: the encrypted bytes of a file."""
        try:
            kept = await self._files.upload(
                request.match_info["token"], request.query.get("auth", ""), await request.read()
            )
        except UploadError as wrong:
            raise web.HTTPBadRequest(text=str(wrong)) from wrong
        return web.json_response(kept)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /mms/{kind}/{token} on the media host."""
        try:
            await self._files.drop(request.match_info["token"])
        except UploadError as wrong:
            raise web.HTTPBadRequest(text=str(wrong)) from wrong
        return web.Response()

    async def _slowly(self, request: web.Request, body: bytes, half: int) -> web.StreamResponse:
        """Half of it, then nothing for a while or until the fault is lifted, then the rest."""
        lifted, seconds = self._lifted, self._seconds
        response = web.StreamResponse()
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[:half])
        try:
            async with asyncio.timeout(seconds):
                await lifted.wait()
        except TimeoutError:
            pass  # the while is over
        await response.write(body[half:])
        await response.write_eof()
        return response

    async def show(self, _: web.Request) -> web.Response:
        """GET /api/media/faults: what is in force, null for nothing."""
        return web.json_response(self._in_force())

    async def ask(self, request: web.Request) -> web.Response:
        """POST /api/media/faults {fault, seconds?}."""
        body = await request.json()
        if not isinstance(body, dict):
            message = "the body is not a JSON object"
            raise TypeError(message)
        self.break_all(MediaFault(str(body["fault"])), float(body.get("seconds", SLOW_SECONDS)))
        return web.json_response(self._in_force(), status=201)

    async def ask_to_lift(self, _: web.Request) -> web.Response:
        """DELETE /api/media/faults."""
        self.lift()
        return web.json_response(self._in_force())

    def _in_force(self) -> dict[str, object]:
        seconds = self._seconds if self._fault is MediaFault.SLOW else None
        return {"fault": self._fault, "seconds": seconds}

    def add_host(self, app: web.Application) -> None:
        """Serve the files on the host that clients ask."""
        app.router.add_get("/v/{name}", self.download)
        app.router.add_post("/mms/{kind}/{token}", self.upload)
        app.router.add_delete("/mms/{kind}/{token}", self.delete)

    def add_control(self, app: web.Application) -> None:
        """Let the API's application break downloads; its guard looks at these requests too."""
        path = "/api/media/faults"
        app.add_routes(
            [
                web.get(path, self.show),
                web.post(path, self.ask),
                web.delete(path, self.ask_to_lift),
            ]
        )
