"""One message from its copies: the greatest rank, the least time, every text kept; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.amendments import Version
from bridge.event import Interpretation, Media
from bridge.merge import Evidence, Rank


@dataclass(frozen=True, slots=True)
class Copy:
    """One stored event as a copy of a message."""

    seq: int
    received_at: int
    live: bool
    n: int | None
    """The message it was a copy of so far."""
    author: Evidence
    """What the event said, filled in from known pairs."""
    said: Interpretation


@dataclass(frozen=True, slots=True)
class Composed:
    """A message before anybody amended it."""

    chat: str
    id: str
    author: Evidence
    kind: str
    rank: Rank
    user_name: str | None
    from_me: bool
    sent_at: int
    media: Media | None
    received_at: int
    live: bool
    bodies: tuple[Version, ...]
    """The one that counts first; a second text under the same identity is kept, not preferred."""


def compose(copies: Sequence[Copy], author: Evidence) -> Composed:
    """Merge the copies of one message; the same for every order of arrival."""
    by_worth = sorted(copies, key=_worth)
    best = by_worth[0].said
    bodies: dict[str, int] = {}
    for copy in by_worth:
        if copy.said.rank is Rank.CONTENT:
            bodies.setdefault(copy.said.text, copy.said.sent_at)
    names = (copy.said.user_name for copy in by_worth if copy.said.user_name)
    return Composed(
        chat=best.chat,
        id=best.id,
        author=author,
        kind=best.kind,
        rank=best.rank,
        user_name=next(names, None),
        from_me=any(copy.said.from_me for copy in copies),
        sent_at=min(copy.said.sent_at for copy in copies),
        media=best.media,
        received_at=min(copy.received_at for copy in copies),
        live=any(copy.live for copy in copies),
        bodies=tuple(Version(sent_at, text) for text, sent_at in bodies.items()),
    )


def _worth(copy: Copy) -> tuple[int, bool, int, str, str, str, str]:
    said = copy.said
    return (
        -said.rank,
        not said.edited,
        said.sent_at,
        said.text,
        said.kind,
        said.user_name or "",
        said.media.url if said.media else "",
    )
