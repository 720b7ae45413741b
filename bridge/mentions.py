"""Which drops the messages under one id name, by the rules of their group's project; pure.

Mentions are the union over all versions of a message: an edit adds to them and takes nothing
away, it only marks *withdrawn* what the message no longer says.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.amendments import Projected
from bridge.merge import Evidence
from contracts.drops import find_drops
from contracts.projects import Project


@dataclass(frozen=True, slots=True)
class Named:
    """One message as far as its mentions need it."""

    author: Evidence
    user_name: str | None
    own: bool
    """By one of our numbers: stored and shown, never a mention."""
    projected: Projected


@dataclass(frozen=True, slots=True)
class Derived:
    """A drop that the messages under one `(chat, id)` name or named."""

    drop_number: str
    project: str
    sent_at: int
    """Of the first version that named it, milliseconds."""
    author: Evidence
    user_name: str | None
    withdrawn: bool
    as_of: int
    as_of_id: str


def derive(messages: Iterable[Named], project: Project) -> dict[str, Derived]:
    """The mentions of all messages that share one id, by drop number."""
    found: dict[str, list[Derived]] = {}
    for message in messages:
        if not message.own:
            for mention in _of(message, project):
                found.setdefault(mention.drop_number, []).append(mention)
    return {drop: _merged(several) for drop, several in found.items()}


def _of(message: Named, project: Project) -> Iterable[Derived]:
    projected = message.projected
    first: dict[str, int] = {}
    named: tuple[str, ...] = ()
    for version in projected.versions:
        drops = find_drops(version.text, project.pattern)
        for drop in drops:
            first[drop] = min(first.get(drop, version.sent_at), version.sent_at)
        if version.text == projected.content and not projected.deleted:
            named = drops
    for drop, sent_at in first.items():
        yield Derived(
            drop_number=drop,
            project=project.name,
            sent_at=sent_at,
            author=message.author,
            user_name=message.user_name,
            withdrawn=drop not in named,
            as_of=projected.as_of,
            as_of_id=projected.as_of_id,
        )


def _merged(several: list[Derived]) -> Derived:
    """Two senders under one id named the same drop: one mention, by a choice without arrival."""
    chosen = min(several, key=lambda one: (one.withdrawn, one.sent_at, one.author.order))
    if len(several) == 1:
        return chosen
    as_of, as_of_id = max((one.as_of, one.as_of_id) for one in several)
    return Derived(
        drop_number=chosen.drop_number,
        project=chosen.project,
        sent_at=min(one.sent_at for one in several),
        author=chosen.author,
        user_name=chosen.user_name,
        withdrawn=chosen.withdrawn,
        as_of=as_of,
        as_of_id=as_of_id,
    )
