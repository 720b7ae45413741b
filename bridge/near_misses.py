"""Texts that nearly name a drop, for a person to look at once a day; the detection is pure.

A near miss never becomes a mention by itself: "DR12345" may be any of a hundred houses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import re2

from bridge.store import Store
from bridge.store.texts import GroupText
from contracts.drops import DropPattern, find_drops, folded
from contracts.projects import Projects

WINDOW_HOURS = 24

MAX_LISTED = 500
"""Near misses in one answer; `more` says that there is more."""

_MAX_MESSAGES = 20_000
"""Messages of a group that are looked at: more than any group sees in a day."""

_MAX_PER_TEXT = 20
_MAX_SHOWN = 80
_FEWEST_DIGITS = 4

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
# Digits in groups, the letters that are taken for digits, and whatever is stuck to either end:
# find_drops has to see the neighbours that made it refuse.
_NEARLY = re2.compile(
    r"[\pL\pN]*D ?R+(?:OP)?S?[^\pL\pN\n]{0,4}(?:N(?:O|R|UM|UMBER)[^\pL\pN\n]{0,4})?"
    r"[0-9OIL](?:[ ./_-]{0,2}[0-9OIL])*[\pL\pN]*",
    _OPTIONS,
)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """One place in one message that looks like a drop and is none by its project's rules."""

    project: str
    chat: str
    id: str
    sent_at: datetime
    """The server's time, UTC."""
    user_name: str | None
    """Push name; no phone number leaves the bridge this way."""
    found: str

    def to_json(self) -> dict[str, str | None]:
        """One entry of the answer."""
        return {
            "project": self.project,
            "chat": self.chat,
            "id": self.id,
            "sent_at": self.sent_at.isoformat(),
            "user_name": self.user_name,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class NearMisses:
    """The answer of GET /near-misses."""

    since: datetime
    more: bool
    """There are others than those listed."""
    near_misses: tuple[NearMiss, ...]

    def to_json(self) -> dict[str, object]:
        """The body."""
        return {
            "since": self.since.isoformat(),
            "more": self.more,
            "near_misses": [one.to_json() for one in self.near_misses],
        }


def find_near_misses(text: str, pattern: DropPattern) -> tuple[str, ...]:
    """The places in a text that nearly are a drop, each once, in order, in plain characters.

    A place in which the pattern finds a drop is none, whatever stands beside it.
    """
    found: dict[str, None] = {}
    for match in _NEARLY.finditer(folded(text)):
        place = match.group().strip()
        if sum(c.isdecimal() for c in place) < _FEWEST_DIGITS or find_drops(place, pattern):
            continue
        found[place[:_MAX_SHOWN]] = None
        if len(found) == _MAX_PER_TEXT:
            break
    return tuple(found)


def near_misses_in(texts: Iterable[GroupText], projects: Projects) -> tuple[NearMiss, ...]:
    """Judge messages; those of groups that nobody configured are passed over."""
    return tuple(
        NearMiss(
            project=project.name,
            chat=text.chat,
            id=text.id,
            sent_at=datetime.fromtimestamp(text.sent_at / 1000, UTC),
            user_name=text.user_name,
            found=place,
        )
        for text in texts
        if (project := projects.by_group(text.chat))
        for place in find_near_misses(text.content, project.pattern)
    )


def read_near_misses(store: Store, projects: Projects, now: datetime) -> NearMisses:
    """List those of the last `WINDOW_HOURS` before `now` (aware); raises StoreUnavailable.

    Reads the file: call it in a thread.
    """
    since_ms = int(now.timestamp() * 1000) - WINDOW_HOURS * 3_600_000
    groups = [project.group for project in projects.projects]
    listed = near_misses_in(store.texts_since(groups, since_ms, _MAX_MESSAGES), projects)
    return NearMisses(
        since=datetime.fromtimestamp(since_ms / 1000, UTC),
        more=len(listed) > MAX_LISTED,
        near_misses=listed[:MAX_LISTED],
    )
