"""GET /near-misses?day=: written by each bridge, read by alerts, which sends it to people daily.

Texts that nearly name a drop. No phone number is in it; it needs the stack's API token.
"""

import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ListedNearMiss:
    """One place in one message that looks like a drop and is none by its project's rules."""

    project: str
    chat: str
    id: str
    sent_at: datetime
    """The server's time, aware."""
    user_name: str | None
    found: str
    excerpt: str
    """The place with some of the text around it."""


@dataclass(frozen=True, slots=True)
class NearMissList:
    """The answer, as far as a reader needs it."""

    more: bool
    """There are others than those listed."""
    near_misses: tuple[ListedNearMiss, ...]


def parse_near_misses(body: bytes) -> NearMissList:
    """Read an answer; raises ValueError if it is not one."""
    try:
        told = json.loads(body)
        return NearMissList(
            more=bool(told["more"]),
            near_misses=tuple(
                ListedNearMiss(
                    project=str(one["project"]),
                    chat=str(one["chat"]),
                    id=str(one["id"]),
                    sent_at=datetime.fromisoformat(one["sent_at"]),
                    user_name=None if one["user_name"] is None else str(one["user_name"]),
                    found=str(one["found"]),
                    excerpt=str(one["excerpt"]),
                )
                for one in told["near_misses"]
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise ValueError(f"not an answer of /near-misses: {wrong!r}") from wrong
