"""The loop that turns captured events into messages and mentions while the bridge runs."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bridge.store import Store, StoreUnavailable

log = logging.getLogger(__name__)

BATCH = 50
"""Events that are read before any of them is written."""

LOOK_AGAIN_S = 5.0
"""Seconds after which the loop looks for work without being woken: a net, not the way."""

UNAVAILABLE_S = 1.0
"""Seconds between attempts while the store cannot be written."""


async def interpret(store: Store, captured: asyncio.Event, changed: Callable[[], None]) -> None:
    """Interpret what is captured, for ever; cancelled, it leaves nothing half done.

    Args:
        store: its `on_captured` is to set `captured` (with `call_soon_threadsafe`). Whatever else
            makes work (new rules, an alias, own numbers) should set it too.
        captured: wakes the loop.
        changed: called on the event loop after anything was interpreted: mentions may be pending.
    """
    with ThreadPoolExecutor(1, "interpreter") as thread:
        loop = asyncio.get_running_loop()
        while True:
            captured.clear()
            try:
                done = await loop.run_in_executor(thread, _step, store)
            except StoreUnavailable as unavailable:
                log.warning("store not writable", extra={"reason": str(unavailable)})
                await asyncio.sleep(UNAVAILABLE_S)
                continue
            if done:
                changed()
                continue
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await captured.wait()
            except TimeoutError:
                pass


def _step(store: Store) -> int:
    done = store.interpret_pending(BATCH)
    store.checkpoint()
    return done
