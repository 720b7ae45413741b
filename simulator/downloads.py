"""The media host: what clients upload and download, and what can go wrong with a download.

A download carries nothing that says which device asks; a fault of one device is a fault of the
address that it is connected from. It lives in memory: a simulator that is started again has none.
"""

import asyncio
import math
from collections.abc import Callable
from enum import StrEnum

from aiohttp import web

from simulator.files import Files, UploadError
from simulator.node import Jid


class MediaFault(StrEnum):
    """What can be done to downloads."""

    MISSING = "404"
    SLOW = "slow"
    TRUNCATED = "truncated"


SLOW_SECONDS = 5.0
"""How long the second half of a file is held back when nobody says how long."""


class Downloads:
    """Serves files as a media host does, with at most one fault in force, until it is lifted."""

    def __init__(self, files: Files, address_of: Callable[[Jid], str | None]) -> None:
        """`address_of` says where a device is connected from."""
        self._files = files
        self._address_of = address_of
        self._fault: MediaFault | None = None
        self._device: Jid | None = None
        self._seconds = SLOW_SECONDS
        self._lifted = asyncio.Event()

    def apply(
        self, fault: MediaFault, seconds: float = SLOW_SECONDS, device: Jid | None = None
    ) -> None:
        """Let downloads go wrong from now on, of everybody or of one device.

        `seconds` is how long a slow one is held back. Raises ValueError when the seconds are no
        length of time.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            message = f"'seconds' is more than 0, not {seconds!r}"
            raise ValueError(message)
        self.lift()
        self._fault, self._seconds, self._device = fault, seconds, device

    def lift(self) -> None:
        """No fault is in force any more; what is held back goes out now."""
        self._fault = None
        self._lifted.set()
        self._lifted = asyncio.Event()

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET /v/{name} on the media host."""
        encrypted = self._files.get(request.match_info["name"].removesuffix(".enc"))
        fault = self._met_by(request)
        if encrypted is None or fault is MediaFault.MISSING:
            raise web.HTTPNotFound
        half = len(encrypted) // 2
        match fault:
            case MediaFault.SLOW:
                return await self._slowly(request, encrypted, half)
            case MediaFault.TRUNCATED:
                return web.Response(body=encrypted[:half])
            case _:
                return web.Response(body=encrypted)

    def _met_by(self, request: web.Request) -> MediaFault | None:
        concerned = self._device is None or request.remote == self._address_of(self._device)
        return self._fault if concerned else None

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
        """POST /api/media/faults {fault, seconds?, device?}."""
        body = await request.json()
        if not isinstance(body, dict):
            message = "the body is not a JSON object"
            raise TypeError(message)
        device = Jid.parse(str(body["device"])) if body.get("device") else None
        if device is not None and self._address_of(device) is None:
            message = f"{device} is not connected, so nobody knows where it downloads from"
            raise ValueError(message)
        seconds = float(body.get("seconds", SLOW_SECONDS))
        self.apply(MediaFault(str(body["fault"])), seconds, device)
        return web.json_response(self._in_force(), status=201)

    async def ask_to_lift(self, _: web.Request) -> web.Response:
        """DELETE /api/media/faults."""
        self.lift()
        return web.json_response(self._in_force())

    def _in_force(self) -> dict[str, object]:
        seconds = self._seconds if self._fault is MediaFault.SLOW else None
        device = str(self._device) if self._fault and self._device else None
        return {"fault": self._fault, "seconds": seconds, "device": device}

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
