"""messages.db of one bridge: nothing that the client handed over is lost after `capture`."""

from bridge.store.connection import StoreFull, StoreIncompatible, StoreUnavailable, set_aside
from bridge.store.counts import Counts, RecentGroup, RecentMessage
from bridge.store.outbox import OutboxCounts
from bridge.store.store import Store

__all__ = [
    "Counts",
    "OutboxCounts",
    "RecentGroup",
    "RecentMessage",
    "Store",
    "StoreFull",
    "StoreIncompatible",
    "StoreUnavailable",
    "set_aside",
]
