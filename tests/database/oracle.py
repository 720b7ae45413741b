"""What the reviews must be, in plain Python: written from the rules, apart from the SQL.

`expected` takes everything that was ever said, as a bag: no order, no batches, no bridges.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.ledger import Mention

ZONE = ZoneInfo("Africa/Johannesburg")
SAME_SUBMISSION = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Own:
    """One of our numbers."""

    name: str
    pn: str | None
    lid: str | None


@dataclass(frozen=True, slots=True)
class Act:
    """The reviewer's last act on a drop, and what it left behind."""

    at: datetime
    resubmitted: bool
    incomplete: bool
    feedback_sent: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """The columns that follow from the mentions."""

    drop_number: str
    project: str
    first_at: datetime
    review_date: date
    submitted_by: str | None
    user_name: str | None
    resubmitted: bool
    incomplete: bool
    feedback_sent: datetime | None
    notes: tuple[str, ...]
    """Lines of ours in the comment that are not older than the last act."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A mention in another project than the drop's."""

    drop_number: str
    project: str
    chat: str
    message_id: str
    review_project: str


@dataclass(frozen=True, slots=True)
class _Known:
    """All copies of one mention, together."""

    drop_number: str
    chat: str
    message_id: str
    project: str
    sent_at: datetime
    lid: str | None
    pn: str | None
    name: str | None
    withdrawn: bool
    believed: bool
    ours: bool
    held: bool

    @property
    def place(self) -> tuple[datetime, str, str]:
        return (self.sent_at, self.chat, self.message_id)

    @property
    def has_author(self) -> bool:
        return bool(self.lid or self.pn or self.name)

    def by_author_of(self, other: "_Known") -> bool:
        return (self.lid is not None and self.lid == other.lid) or (
            self.pn is not None and self.pn == other.pn
        )


def expected(
    copies: Iterable[Mention], own: Iterable[Own] = (), acts: Mapping[str, Act] | None = None
) -> tuple[set[Review], set[Invalid]]:
    """Every review and every mention in a wrong project, from the whole bag."""
    numbers = list(own)
    grouped: dict[tuple[str, str, str], list[Mention]] = {}
    for copy in copies:
        grouped.setdefault(copy.key, []).append(copy)
    by_drop: dict[str, list[_Known]] = {}
    for group in grouped.values():
        known = _together(group, numbers)
        if not known.ours and not known.held:
            by_drop.setdefault(known.drop_number, []).append(known)
    reviews, invalid = set(), set()
    for drop, mentions in by_drop.items():
        standing = [m for m in mentions if not m.withdrawn] or mentions
        standing.sort(key=lambda m: m.place)
        project = standing[0].project
        invalid |= {
            Invalid(drop, m.project, m.chat, m.message_id, project)
            for m in standing
            if m.project != project
        }
        reviews.add(_review([m for m in standing if m.project == project], (acts or {}).get(drop)))
    return reviews, invalid


def _together(copies: list[Mention], own: list[Own]) -> _Known:
    lids = {c.author_lid for c in copies if c.author_lid}
    pns = {c.author_pn for c in copies if c.author_pn}
    names = {c.user_name for c in copies if c.user_name}
    believed = len(lids) <= 1 and len(pns) <= 1
    newest = max((c.as_of, c.as_of_id) for c in copies)
    ours = believed and any(
        (o.pn is not None and o.pn in pns) or (o.lid is not None and o.lid in lids) for o in own
    )
    return _Known(
        drop_number=copies[0].drop_number,
        chat=copies[0].chat,
        message_id=copies[0].message_id,
        project=min(c.project for c in copies),
        sent_at=min(c.sent_at for c in copies),
        lid=min(lids) if lids and believed else None,
        pn=min(pns) if pns and believed else None,
        name=min(names) if names and believed else None,
        withdrawn=any(c.withdrawn for c in copies if (c.as_of, c.as_of_id) == newest),
        believed=believed,
        ours=ours,
        held=all(c.held_back for c in copies),
    )


def _review(mentions: list[_Known], act: Act | None) -> Review:
    first = mentions[0]
    since = act.at.replace(microsecond=0) if act else None
    again = _resubmissions(mentions, since)
    authored = [m for m in mentions if m.has_author]
    pn = name = None
    if authored:
        newest = authored[-1]
        pn = newest.pn or next(
            (m.pn for m in reversed(mentions) if m.pn and m.lid and m.lid == newest.lid), None
        )
        name = newest.name or next(
            (m.name for m in reversed(mentions) if m.name and m.by_author_of(newest)), None
        )
    return Review(
        drop_number=first.drop_number,
        project=first.project,
        first_at=first.sent_at,
        review_date=first.sent_at.astimezone(ZONE).date(),
        submitted_by=pn,
        user_name=name[:100] if name else None,
        resubmitted=bool(again) or bool(act and act.resubmitted),
        incomplete=not again and bool(act and act.incomplete),
        feedback_sent=act.feedback_sent if act and not again else None,
        notes=tuple(
            f"[twinbridge] resubmitted {moment:%Y-%m-%dT%H:%M:%SZ}" for moment in sorted(again)
        ),
    )


def _resubmissions(mentions: list[_Known], since: datetime | None) -> set[datetime]:
    """Walk forward; a mention begins a submission unless its author was here just now."""
    found: set[datetime] = set()
    walked: list[_Known] = []
    for mention in mentions:
        if since is not None and mention.sent_at < since:
            continue
        goes_on = any(
            earlier.by_author_of(mention) and mention.sent_at - earlier.sent_at <= SAME_SUBMISSION
            for earlier in walked
        )
        is_first = since is None and mention is mentions[0]
        walked.append(mention)
        if not goes_on and not is_first:
            found.add(mention.sent_at)
    return found
