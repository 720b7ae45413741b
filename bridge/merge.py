"""Who wrote a message, and which copies of it are one: pure decisions, the same in any order.

The author of a message is evidence, not key. The same message may be known by a LID to one event
and by a phone number to another, and two senders may use one id. So the copies under one
`(chat, id)` are gathered into clusters from the *set* of their evidence, never by arrival.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum


class Rank(IntEnum):
    """How much is known of a message; a greater rank replaces a smaller one."""

    PLACEHOLDER = 0
    """It exists and could not be decrypted."""
    UNPARSED = 1
    """It was decrypted and this version could not read it; the bytes are kept."""
    CONTENT = 2


class Match(Enum):
    """What the evidence of two authors says about their being one."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an author: digits only, the device cut off, either part may be missing."""

    lid: str | None = None
    pn: str | None = None

    @property
    def order(self) -> tuple[str, str]:
        """A total order, for choices that must not depend on arrival."""
        return self.lid or "", self.pn or ""


NOBODY = Evidence()


def match(one: Evidence, other: Evidence) -> Match:
    """SAME needs something known of both and equal; anything known of both and unequal decides."""
    pairs = ((one.lid, other.lid), (one.pn, other.pn))
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not known:
        return Match.UNKNOWN
    return Match.SAME if all(a == b for a, b in known) else Match.DIFFERENT


@dataclass(frozen=True, slots=True)
class Cluster:
    """One message: the merged evidence, and the positions of the copies that belong to it."""

    author: Evidence
    members: tuple[int, ...]


def gather(copies: Sequence[Evidence]) -> tuple[Cluster, ...]:
    """Clusters of copies that are the same message, sorted by their evidence.

    1. Every distinct (LID, phone) is a cluster.
    2. A copy known by one of the two joins the cluster that has it, or founds one with its like.
    3. A single cluster known by LID only and a single one known by phone only do not contradict
       each other: they are one. With more of either it cannot be known who is who, and they stay
       apart (the mention of a drop has no author in its key, so nothing is doubled by it).
    4. A copy without any evidence belongs to the first.
    """
    authors = _authors(set(copies) - {NOBODY})
    members: dict[Evidence, list[int]] = {author: [] for author in authors} or {NOBODY: []}
    for position, copy in enumerate(copies):
        members[_home(copy, authors)].append(position)
    return tuple(Cluster(author, tuple(found)) for author, found in members.items())


def _authors(known: set[Evidence]) -> tuple[Evidence, ...]:
    full = {one for one in known if one.lid is not None and one.pn is not None}
    lids = {one for one in known if one.pn is None} - {Evidence(lid=one.lid) for one in full}
    pns = {one for one in known if one.lid is None} - {Evidence(pn=one.pn) for one in full}
    if len(lids) == 1 and len(pns) == 1:
        full |= {Evidence(lids.pop().lid, pns.pop().pn)}
    return tuple(sorted(full | lids | pns, key=lambda one: one.order))


def _home(copy: Evidence, authors: tuple[Evidence, ...]) -> Evidence:
    if copy == NOBODY:
        return authors[0] if authors else NOBODY
    return next(author for author in authors if match(copy, author) is Match.SAME)


def number(
    clusters: Sequence[Cluster], earlier: Sequence[int | None], used: Iterable[int]
) -> tuple[int, ...]:
    """The `n` of each cluster: once given to a message it stays, and it is never given again.

    Args:
        clusters: the messages under one `(chat, id)`.
        earlier: per copy the `n` it had, None for a new one.
        used: every `n` under this `(chat, id)` that a reader may have seen.
    """
    given: dict[int, int] = {}
    taken: set[int] = set()
    for position, n in sorted(
        ((position, n) for position, n in enumerate(earlier) if n is not None),
        key=lambda pair: (pair[1], pair[0]),
    ):
        home = next(index for index, one in enumerate(clusters) if position in one.members)
        if home not in given and n not in taken:
            given[home] = n
            taken.add(n)
    free = max((*used, *taken, -1)) + 1
    for index in range(len(clusters)):
        if index not in given:
            given[index] = free
            free += 1
    return tuple(given[index] for index in range(len(clusters)))


def resolve(author: Evidence, phones: Mapping[str, str], lids: Mapping[str, str]) -> Evidence:
    """Fill what is missing from known pairs; what is known is never replaced.

    Args:
        author: what the event itself said.
        phones: LID to phone number.
        lids: phone number to its only LID.
    """
    if author.lid is not None and author.pn is None:
        return Evidence(author.lid, phones.get(author.lid))
    if author.pn is not None and author.lid is None:
        return Evidence(lids.get(author.pn), author.pn)
    return author
