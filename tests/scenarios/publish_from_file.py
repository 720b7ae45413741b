"""Run in the bridge's image: publish one messages.db to one database, from a word on.

`publish_from_file.py BRIDGE URL` opens the store, says "ready", waits for a line on standard input
(the barrier of the race), publishes until the outbox is empty and says how many mentions it had.
"""

import asyncio
import logging
import sys
from pathlib import Path

from bridge.publisher import PublishStatus, publish
from bridge.store import Store


async def main(bridge: str, url: str) -> None:
    """Publish everything this file has for that database."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    with Store(Path("/messages"), bridge) as store:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        status = PublishStatus()
        job = asyncio.create_task(
            publish(store, lambda: url, asyncio.Event(), status, bridge=bridge, own=lambda: None)
        )
        while status.word != "current":
            await asyncio.sleep(0.05)
            assert not job.done(), job.exception()
        job.cancel()
        print(status.word, flush=True)


asyncio.run(main(*sys.argv[1:]))
