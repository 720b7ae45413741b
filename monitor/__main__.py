"""A monitor as a process: `python -m monitor`, told its environment by MONITOR_ENVIRONMENT.

Exit codes: 0 asked to stop; 1 something broke, with its traceback; 78 the settings are wrong.
"""

import asyncio
import logging
import os
from contextlib import AsyncExitStack

from contracts import service
from contracts.environments import PASSWORDS
from monitor.api import served
from monitor.application import Application
from monitor.file import MessagesFile
from monitor.following import Follower
from monitor.settings import read_settings
from monitor.status import Status
from monitor.waking import watched

log = logging.getLogger("monitor")


async def main(stop: asyncio.Event) -> None:
    """Run one monitor until `stop` is set."""
    settings = read_settings(os.environ)
    service.configure_logging(settings.log_level, settings.log_format, "")
    service.log_to_file(settings.log_dir, settings.log_file)
    status = Status()
    wake = asyncio.Event()
    application = Application(settings.projects, settings.environment, status)
    follower = Follower(
        MessagesFile(settings.file),
        wake,
        settings.database_url,
        application,
        status,
        settings.environment,
        learn_own_numbers=settings.environment in PASSWORDS,
    )
    async with AsyncExitStack() as open_things:
        await open_things.enter_async_context(served(status, "0.0.0.0", settings.port))  # noqa: S104 - in a container, published nowhere
        await open_things.enter_async_context(watched(settings.file.parent, wake))
        log.info(
            "monitor started",
            extra={
                "environment": settings.environment,
                "file": settings.file,
                "projects": ", ".join(p.name for p in application.groups.values()) or "none",
            },
        )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(follower.run(), name="following")
            await stop.wait()
            log.info("stopping", extra={"environment": settings.environment})
            running.cancel()


if __name__ == "__main__":
    service.run(main)
