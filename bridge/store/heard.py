"""What a peer asks of the store: which messages were heard, and whether some of them were."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from contracts.heard import LIMIT, HeardMessage

Query = Callable[..., list[tuple[Any, ...]]]

LATE_MS = 15_000
"""What took so much longer than usual proves nothing: the peer may have been away when it was sent.

Seen under test: one bridge's server had been silent, the other one was logged out meanwhile; when
the silence ended, forty messages of that time accused the one that could not have heard them.
"""

_STORE = "SELECT store_id, seq FROM store"
# The least of the newest is how far this clock is from the server's, which may be minutes.
_USUAL = """
SELECT coalesce(min(took), 0) FROM (
    SELECT received_at - sent_at AS took FROM message WHERE live ORDER BY change_seq DESC LIMIT 200)
"""
_WINDOW = """
SELECT change_seq, chat, id, received_at,
       live AND NOT own AND rank = 2 AND received_at - sent_at < ?
  FROM message
 WHERE change_seq > ? AND superseded_by IS NULL
 ORDER BY change_seq LIMIT ?
"""
_HAS = """
SELECT EXISTS (SELECT 1 FROM event WHERE chat = ?1 AND id = ?2)
    OR EXISTS (SELECT 1 FROM message WHERE chat = ?1 AND id = ?2)
"""


@dataclass(frozen=True, slots=True)
class Window:
    """Messages by their changes, oldest first; `next` is the cursor to go on from."""

    store_id: str
    seq: int
    next: int
    messages: tuple[HeardMessage, ...]


def heard_after(query: Query, after: int, now_ms: int) -> Window:
    """The messages that changed after `after`."""
    ((store_id, seq),) = query(_STORE)
    ((usual,),) = query(_USUAL)
    rows = query(_WINDOW, usual + LATE_MS, after, LIMIT)
    heard = tuple(
        HeardMessage(chat, identity, max(0, now_ms - received_at), bool(witness))
        for _, chat, identity, received_at, witness in rows
    )
    return Window(store_id, seq, rows[-1][0] if rows else after, heard)


def lacking(query: Query, identities: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those `(chat, id)` of which nothing arrived here, not even an unreadable copy."""
    return frozenset(
        (chat, identity) for chat, identity in identities if not query(_HAS, chat, identity)[0][0]
    )
