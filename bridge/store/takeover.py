"""Events of an older bridge's file into ours: each once, however often it is tried."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from bridge.event import label
from bridge.store.transaction import Writer

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement with its values."""

_HAS_MESSAGE = "SELECT 1 FROM event WHERE chat = ? AND id = ? AND kind = ? AND payload = ? LIMIT 1"
_HAS_OTHER = "SELECT 1 FROM event WHERE kind = ? AND payload = ? LIMIT 1"
_INSERT = "INSERT INTO event (kind, payload, received_at, live, chat, id) VALUES (?, ?, ?, 0, ?, ?)"


class Older(Protocol):
    """An event that somebody else heard long ago."""

    @property
    def kind(self) -> str: ...  # noqa: D102 - as it says
    @property
    def payload(self) -> bytes: ...  # noqa: D102 - as it says
    @property
    def moment(self) -> int: ...  # noqa: D102 - milliseconds


def not_here(ask: Ask, events: Iterable[Older]) -> Iterator[Older]:
    """Pass on the events that the file has not got."""
    for event in events:
        about = label(event.kind, event.payload)
        if about.id is None:
            here = ask(_HAS_OTHER, str(event.kind), event.payload)
        else:
            here = ask(_HAS_MESSAGE, about.chat, about.id, str(event.kind), event.payload)
        if not here:
            yield event


def take_over(writer: Writer, events: Iterable[Older]) -> int:
    """Store what is not here yet, in one transaction; gives how many were new."""
    new = 0
    with writer.transaction("cannot take over"):
        for event in not_here(writer.execute, events):
            about = label(event.kind, event.payload)
            writer.execute(
                _INSERT, str(event.kind), event.payload, event.moment, about.chat, about.id
            )
            new += 1
    return new
