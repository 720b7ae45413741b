"""messages.db of one bridge: nothing that the client handed over is lost after `capture`."""

from bridge.store.connection import (
    StoreDamaged,
    StoreFull,
    StoreIncompatible,
    StoreUnavailable,
    set_aside,
)
from bridge.store.counts import Counts, RecentGroup, RecentMessage
from bridge.store.damage import SET_ASIDE
from bridge.store.outbox import OutboxCounts
from bridge.store.store import Store

__all__ = [
    "SET_ASIDE",
    "Counts",
    "OutboxCounts",
    "RecentGroup",
    "RecentMessage",
    "Store",
    "StoreDamaged",
    "StoreFull",
    "StoreIncompatible",
    "StoreUnavailable",
    "set_aside",
]
