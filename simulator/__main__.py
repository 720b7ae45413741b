"""`python -m simulator`: the WhatsApp server on TLS port 443 and its HTTP API on 8090."""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack

from simulator import api, server, trust
from simulator.codes import Codes
from simulator.connection import Server
from simulator.database import Database
from simulator.downloads import Downloads
from simulator.faults import Faults, Standing
from simulator.files import Files
from simulator.groups import Groups
from simulator.history import History
from simulator.pairing import Pairing
from simulator.relay import Relay
from simulator.settings import Settings
from simulator.world import World

log = logging.getLogger("simulator")


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; the state directory holds all that must outlive this process."""
    settings.state.mkdir(parents=True, exist_ok=True)
    settings.trust.mkdir(parents=True, exist_ok=True)
    tls = trust.tls_files(settings.state, settings.trust)
    async with AsyncExitStack() as stack:
        database = stack.enter_context(Database(settings.state / "simulator.db"))
        world = World(database)
        relay = Relay(world)
        groups = Groups(world, relay)
        codes = Codes(Pairing(world))
        standing = Standing(world.now)
        connections = Server(world, relay, codes, trust.certificate_chain(), standing)
        faults = Faults(relay, standing, connections.live)
        chat = server.chat_application(connections)
        files = Files(database)
        downloads = Downloads(files, connections.address_of)
        downloads.add_host(chat)
        control = api.application(world, relay, groups, codes, faults)
        downloads.add_control(control)
        History(world, relay, files).add_control(control)
        await stack.enter_async_context(server.serving(control, settings.api_port, None))
        await stack.enter_async_context(server.serving(chat, settings.port, tls))
        log.info(
            "serving %d accounts, %d devices, %d groups",
            len(world.accounts),
            len(world.devices),
            len(world.groups),
        )
        await stop.wait()


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await main(settings, stop)


def _run() -> None:
    settings = Settings.read()
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stdout,
        force=True,
    )
    asyncio.run(_until_signal(settings))


if __name__ == "__main__":
    _run()
