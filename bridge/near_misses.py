"""Texts that nearly name a drop, for a person to look at once a day; the detection is pure.

A near miss never becomes a mention by itself: "DR12345" may be any of a hundred houses.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import re2

from bridge.store import Store
from bridge.store.texts import GroupText
from contracts.drops import DropPattern, find_drops, folded
from contracts.projects import Project, Projects
from contracts.redaction import mask_number

WINDOW_HOURS = 24
"""What is listed when nobody names a day."""

MAX_LISTED = 500
"""Near misses in one answer; `more` says that there is more."""

_MAX_MESSAGES = 20_000
"""Messages of a group that are looked at: more than any group sees in a day."""

_MAX_PER_TEXT = 20
_MAX_SHOWN = 80
_AROUND = 60
"""Characters of the text on either side of a place that its excerpt shows."""

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
    excerpt: str
    """The place with some of the text around it, on one line, phone numbers masked."""

    def to_json(self) -> dict[str, str | None]:
        """One entry of the answer."""
        return {
            "project": self.project,
            "chat": self.chat,
            "id": self.id,
            "sent_at": self.sent_at.isoformat(),
            "user_name": self.user_name,
            "found": self.found,
            "excerpt": self.excerpt,
        }


@dataclass(frozen=True, slots=True)
class NearMisses:
    """The answer of GET /near-misses."""

    since: datetime
    until: datetime
    """Later messages are not in it."""
    more: bool
    """There are others than those listed."""
    near_misses: tuple[NearMiss, ...]

    def to_json(self) -> dict[str, object]:
        """The body."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "more": self.more,
            "near_misses": [one.to_json() for one in self.near_misses],
        }


def find_near_misses(text: str, pattern: DropPattern) -> tuple[str, ...]:
    """The places in a text that nearly are a drop, each once, in order, in plain characters.

    A place in which the pattern finds a drop is none, whatever stands beside it.
    """
    return tuple(_places(folded(text), pattern))


def _places(text: str, pattern: DropPattern) -> dict[str, int]:
    """Each place in a folded text, and where it begins."""
    found: dict[str, int] = {}
    for match in _NEARLY.finditer(text):
        place = match.group().strip()
        if sum(c.isdecimal() for c in place) < _FEWEST_DIGITS or find_drops(place, pattern):
            continue
        found.setdefault(place[:_MAX_SHOWN], match.start())
        if len(found) == _MAX_PER_TEXT:
            break
    return found


def _excerpt(text: str, place: str, start: int) -> str:
    """Whole words around a place, or a phone number cut in two would not be known for one."""
    end = start + len(place)
    before = text[max(0, start - _AROUND) : start]
    if start > _AROUND:
        before = f"… {before.partition(' ')[2]}"
    after = text[end : end + _AROUND]
    if len(text) > end + _AROUND:
        after = f"{after.rpartition(' ')[0]} …"
    words = f"{mask_number(before)}{mask_number(place)}{mask_number(after)}"
    return " ".join(words.split())


def near_misses_in(texts: Iterable[GroupText], projects: Projects) -> tuple[NearMiss, ...]:
    """Judge messages; those of groups that nobody configured are passed over."""
    return tuple(
        near_miss
        for text in texts
        if (project := projects.by_group(text.chat))
        for near_miss in _judged(text, project)
    )


def _judged(message: GroupText, project: Project) -> Iterator[NearMiss]:
    text = folded(message.content)
    for place, start in _places(text, project.pattern).items():
        yield NearMiss(
            project=project.name,
            chat=message.chat,
            id=message.id,
            sent_at=datetime.fromtimestamp(message.sent_at / 1000, UTC),
            user_name=message.user_name,
            found=mask_number(place),
            excerpt=_excerpt(text, place, start),
        )


def read_near_misses(
    store: Store, projects: Projects, now: datetime, day: date | None = None
) -> NearMisses:
    """List those of a day in the projects' zone, else of `WINDOW_HOURS` before `now` (aware).

    Reads the file: call it in a thread. Raises StoreUnavailable.
    """
    until = now
    since = now - timedelta(hours=WINDOW_HOURS)
    if day is not None:
        since, until = (
            datetime.combine(midnight, time(), projects.timezone).astimezone(UTC)
            for midnight in (day, day + timedelta(days=1))
        )
    groups = [project.group for project in projects.projects]
    texts = store.texts_between(groups, _milliseconds(since), _milliseconds(until), _MAX_MESSAGES)
    listed = near_misses_in(texts, projects)
    return NearMisses(
        since=since,
        until=until,
        more=len(listed) > MAX_LISTED,
        near_misses=listed[:MAX_LISTED],
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
