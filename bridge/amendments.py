"""Which edits and revokes count, and what a message is after them; pure.

The client library hands over an edit or a revoke by *anybody*, unchecked. An edit counts only if
its author positively matches the author of the target; a revoke also if its author was an admin.
What cannot be decided waits, until the target or a pair of LID and phone number is known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bridge.event import AmendmentKind
from bridge.merge import Evidence, Match, match


class Verdict(StrEnum):
    """What is known of an amendment."""

    ACCEPTED = "accepted"
    WAITING = "waiting"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Event:
    """A received amendment with its own identity and author."""

    sent_at: int
    id: str
    kind: AmendmentKind
    author: Evidence
    claimed_author: Evidence
    text: str

    @property
    def order(self) -> tuple[int, str, str, str]:
        """Server time first; the rest only makes the order total."""
        return self.sent_at, self.id, self.kind, self.text


@dataclass(frozen=True, slots=True)
class AdminEvidence:
    """What is known of a group's admins from one moment."""

    at: int
    admins: tuple[Evidence, ...] | None
    """All of them, or None for a change."""
    promoted: tuple[Evidence, ...]
    demoted: tuple[Evidence, ...]

    @property
    def order(self) -> tuple[int, bool]:
        """In time; a change of the same moment is newer than the list."""
        return self.at, self.admins is None


def was_admin(who: Evidence, at: int, evidence: Iterable[AdminEvidence]) -> bool:
    """Whether `who` was an admin at the time, by the last word before it or the first after it.

    A function of the set: the same in whatever order the evidence came.
    """
    before = after = None
    for one in sorted(evidence, key=lambda one: one.order):
        word = _says(who, one)
        if word is None:
            continue
        if one.at <= at:
            before = word
        elif after is None:
            # The first word after it tells what was: a promoted member had not been an admin.
            after = word if one.admins is not None else not word
    return bool(after) if before is None else before


def _says(who: Evidence, one: AdminEvidence) -> bool | None:
    if one.admins is not None:
        return _listed(who, one.admins)
    if _listed(who, one.promoted):
        return True
    return False if _listed(who, one.demoted) else None


def _listed(who: Evidence, several: Sequence[Evidence]) -> bool:
    return any(match(who, one) is Match.SAME for one in several)


def judge(event: Event, target: Evidence, alone: bool, admins: Iterable[AdminEvidence]) -> Verdict:
    """Whether an amendment counts for one message.

    Args:
        event: the amendment.
        target: the author of the message.
        alone: no other message has the same id, so the amendment need not say whose it means.
        admins: what is known of the group's admins.
    """
    if event.kind is AmendmentKind.SECRET:
        return Verdict.REJECTED
    by_author = match(event.author, target)
    if by_author is Match.SAME:
        return Verdict.ACCEPTED
    may_be_admins = event.kind is AmendmentKind.REVOKE and _means(event, target, alone)
    if may_be_admins and was_admin(event.author, event.sent_at, admins):
        return Verdict.ACCEPTED
    return Verdict.REJECTED if by_author is Match.DIFFERENT else Verdict.WAITING


def _means(event: Event, target: Evidence, alone: bool) -> bool:
    claim = match(event.claimed_author, target)
    return claim is Match.SAME or (alone and claim is Match.UNKNOWN)


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict over all messages that have the id; none yet means waiting."""
    if Verdict.ACCEPTED in verdicts:
        return Verdict.ACCEPTED
    return Verdict.WAITING if not verdicts or Verdict.WAITING in verdicts else Verdict.REJECTED


@dataclass(frozen=True, slots=True)
class Version:
    """A text the message once had, and since when."""

    sent_at: int
    text: str


@dataclass(frozen=True, slots=True)
class Projected:
    """A message after its accepted amendments."""

    content: str
    deleted: bool
    edited_at: int | None
    versions: tuple[Version, ...]
    as_of: int
    as_of_id: str
    """Time and id of the last event behind the row."""


def project(
    own_id: str, born: int, bodies: Sequence[Version], accepted: Iterable[Event]
) -> Projected:
    """Apply the accepted amendments in the order of the server's time.

    Args:
        own_id: the message's id.
        born: its own server time, milliseconds.
        bodies: what its own copies said, the one that counts first.
        accepted: in any order.
    """
    events = sorted(accepted, key=lambda event: event.order)
    edits = [event for event in events if event.kind is AmendmentKind.EDIT]
    versions = dict.fromkeys((*bodies, *(Version(edit.sent_at, edit.text) for edit in edits)))
    as_of, as_of_id = max(
        [(born, own_id), *((event.sent_at, event.id) for event in events)],
    )
    return Projected(
        content=edits[-1].text if edits else bodies[0].text if bodies else "",
        deleted=any(event.kind is AmendmentKind.REVOKE for event in events),
        edited_at=edits[-1].sent_at if edits else None,
        versions=tuple(versions),
        as_of=as_of,
        as_of_id=as_of_id,
    )
