"""The TLS server at web.whatsapp.com: the clients' WebSocket, and what else that host serves."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from simulator.connection import Connection, Server
from simulator.trust import TlsFiles

CHAT = "/ws/chat"
_MAX_MESSAGE = 16 << 20
_CLOSE_SECONDS = 2.0


def chat_application(server: Server) -> web.Application:
    """The application that serves the clients; media routes may be added to it."""
    connections: set[Connection] = set()

    async def chat(request: web.Request) -> web.WebSocketResponse:
        # The client's frames are encrypted: deflating them costs time and gains nothing.
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=_MAX_MESSAGE, timeout=_CLOSE_SECONDS
        )
        await socket.prepare(request)
        connection = Connection(server, socket, request.transport)
        connections.add(connection)
        try:
            await connection.run()
        finally:
            connections.discard(connection)
        return socket

    async def close_all(_: web.Application) -> None:
        await asyncio.gather(*(connection.close() for connection in list(connections)))

    application = web.Application(client_max_size=_MAX_MESSAGE * 8)
    application.router.add_get(CHAT, chat)
    application.on_shutdown.append(close_all)
    return application


@asynccontextmanager
async def serving(
    application: web.Application,
    port: int,
    tls: TlsFiles | None,
    *,
    host: str = "0.0.0.0",  # noqa: S104 - a container of its own
) -> AsyncIterator[int]:
    """Serve until the context ends; yields the port, which the system chooses when it was 0."""
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=context)
        await site.start()
        yield _port(runner)
    finally:
        await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    address = runner.addresses[0]
    return int(address[1])
