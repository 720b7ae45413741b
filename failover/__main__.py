"""The failover's composition root, and with arguments its command line.

Exit codes: 75 another controller holds the volume or runs for the same stack; 78 wrong settings.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

from contracts import service
from failover import command
from failover.account import become_ordinary
from failover.api import application, served
from failover.controller import Controller
from failover.engine import DockerEngine
from failover.observing import Observer
from failover.seams import EngineAway
from failover.settings import Settings, read_port, read_settings, read_token
from failover.state import AnotherController, FileMemory, alone

log = logging.getLogger(__name__)

SECOND_EXIT = 75  # EX_TEMPFAIL: Docker tries again, and the other one may have gone
ASK_AGAIN_S = 2.0


async def main(stop: asyncio.Event) -> None:
    """Run until `stop` is set."""
    os.umask(0o077)
    settings = read_settings(os.environ)
    service.configure_logging(settings.log_level, settings.log_format, "")
    service.log_to_file(settings.log_dir, "failover.log")
    async with AsyncExitStack() as open_things:
        try:
            open_things.enter_context(alone(settings.state))
        except AnotherController as other:
            log.error("not started", extra={"reason": str(other)})
            raise SystemExit(SECOND_EXIT) from None
        engine = open_things.enter_context(
            DockerEngine(settings.docker_host, settings.project, settings.bridges)
        )
        await _run(settings, engine, open_things, stop)


async def _run(
    settings: Settings, engine: DockerEngine, open_things: AsyncExitStack, stop: asyncio.Event
) -> None:
    limits = settings.limits
    observer = await open_things.enter_async_context(
        Observer(
            settings.urls,
            engine,
            settings.api_token,
            limits.probe_timeout_ms / 1000,
            limits.late_ms / 1000,
        )
    )
    memory = FileMemory(settings.state)
    controller = Controller(settings.bridges, limits, engine, memory, observer)
    built = application(controller, settings.api_token)
    await open_things.enter_async_context(served(built, "0.0.0.0", settings.port))  # noqa: S104 - the stack's own network
    log.info("started", extra={"reads": controller.trust.side, "epoch": controller.trust.epoch})
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(_controlling(controller, engine))
        await stop.wait()
        working.cancel()
    log.info("stopped")


async def _controlling(controller: Controller, engine: DockerEngine) -> None:
    """Control the monitors, unless somebody else does."""
    if others := await _others(controller, engine):
        reason = f"{', '.join(others)} controls this stack already"
        log.error("not started", extra={"reason": reason})
        raise SystemExit(SECOND_EXIT)
    await controller.run()


async def _others(controller: Controller, engine: DockerEngine) -> Sequence[str]:
    """Other controllers of this stack, as soon as Docker says."""
    while True:
        try:
            return await engine.other_controllers(socket.gethostname())
        except EngineAway as away:
            controller.engine_trouble = str(away)
            log.warning("waiting for Docker", extra={"reason": str(away)})
        await asyncio.sleep(ASK_AGAIN_S)


if __name__ == "__main__":
    become_ordinary()
    if len(sys.argv) > 1:
        code, said = command.run(sys.argv[1:], read_port(os.environ), read_token(os.environ))
        with contextlib.suppress(BrokenPipeError):
            print(said)
        sys.exit(code)
    service.run(main)
