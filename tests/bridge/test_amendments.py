"""Which edits and revokes count, and what they make of a message."""

import pytest

from bridge.amendments import (
    AdminEvidence,
    Event,
    Verdict,
    Version,
    judge,
    overall,
    project,
    was_admin,
)
from bridge.event import AmendmentKind
from bridge.merge import NOBODY, Evidence

AUTHOR = Evidence("L1", "P1")
OTHER = Evidence("L2", "P2")


def event(
    kind: AmendmentKind,
    author: Evidence,
    *,
    at: int = 100,
    claimed: Evidence = NOBODY,
    text: str = "",
    id_: str = "E1",
) -> Event:
    """An amendment."""
    return Event(at, id_, kind, author, claimed, text)


def listed(at: int, *admins: Evidence) -> AdminEvidence:
    """A list of all admins."""
    return AdminEvidence(at, admins, (), ())


EDIT, REVOKE, SECRET = AmendmentKind.EDIT, AmendmentKind.REVOKE, AmendmentKind.SECRET


@pytest.mark.parametrize(
    ("amendment", "target", "verdict"),
    [
        (event(EDIT, Evidence("L1")), AUTHOR, Verdict.ACCEPTED),
        (event(EDIT, OTHER), AUTHOR, Verdict.REJECTED),
        (event(EDIT, Evidence("L1")), Evidence(None, "P1"), Verdict.WAITING),
        (event(EDIT, NOBODY), AUTHOR, Verdict.WAITING),
        (event(EDIT, AUTHOR), NOBODY, Verdict.WAITING),
        (event(REVOKE, Evidence(None, "P1")), AUTHOR, Verdict.ACCEPTED),
        (event(REVOKE, OTHER), AUTHOR, Verdict.REJECTED),
        (event(SECRET, AUTHOR), AUTHOR, Verdict.REJECTED),
    ],
)
def test_verdict_by_author(amendment: Event, target: Evidence, verdict: Verdict) -> None:
    """Only a positive match counts; what is not known yet waits."""
    assert judge(amendment, target, alone=True, admins=()) is verdict


def test_admin_revokes_but_does_not_edit() -> None:
    """An admin may take anybody's message away, and may not put words into it."""
    admins = (listed(1, OTHER),)
    assert judge(event(REVOKE, OTHER), AUTHOR, True, admins) is Verdict.ACCEPTED
    assert judge(event(EDIT, OTHER), AUTHOR, True, admins) is Verdict.REJECTED


def test_admin_revoke_hits_the_message_it_names() -> None:
    """With two messages under one id an admin's revoke takes only the one whose author it names."""
    admins = (listed(1, OTHER),)
    third = Evidence("L3", "P3")
    named = event(REVOKE, OTHER, claimed=Evidence("L3"))
    assert judge(named, third, False, admins) is Verdict.ACCEPTED
    assert judge(named, AUTHOR, False, admins) is Verdict.REJECTED
    unnamed = event(REVOKE, OTHER)
    assert judge(unnamed, AUTHOR, False, admins) is Verdict.REJECTED


@pytest.mark.parametrize(
    ("evidence", "admin"),
    [
        ([], False),
        ([listed(50, OTHER)], True),
        ([listed(50)], False),
        ([listed(50, OTHER), listed(90)], False),
        ([listed(50), AdminEvidence(90, None, (OTHER,), ())], True),
        ([listed(50, OTHER), AdminEvidence(90, None, (), (OTHER,))], False),
        ([AdminEvidence(150, None, (OTHER,), ())], False),
        ([AdminEvidence(150, None, (), (OTHER,))], True),
        ([listed(150, OTHER)], True),
        ([AdminEvidence(90, None, (AUTHOR,), ())], False),
    ],
)
def test_admin_at_the_time(evidence: list[AdminEvidence], admin: bool) -> None:
    """The last word before the revoke decides, else the first after it; in any order of arrival."""
    assert was_admin(OTHER, 100, evidence) is admin
    assert was_admin(OTHER, 100, reversed(evidence)) is admin


def test_overall_verdict() -> None:
    """Accepted for one message under the id is accepted; no message yet is waiting."""
    assert overall([]) is Verdict.WAITING
    assert overall([Verdict.REJECTED, Verdict.ACCEPTED]) is Verdict.ACCEPTED
    assert overall([Verdict.REJECTED, Verdict.WAITING]) is Verdict.WAITING
    assert overall([Verdict.REJECTED]) is Verdict.REJECTED


def test_projection_follows_server_time() -> None:
    """The latest edit is the content whatever came first; all versions stay; a revoke marks."""
    first = event(EDIT, AUTHOR, at=100, text="one")
    second = event(EDIT, AUTHOR, at=200, text="two", id_="E0")
    gone = event(REVOKE, AUTHOR, at=150, id_="R1")
    for order in ([first, second, gone], [gone, second, first]):
        after = project("A1", 50, [Version(50, "zero")], order)
        assert (after.content, after.deleted, after.edited_at) == ("two", True, 200)
        assert [version.text for version in after.versions] == ["zero", "one", "two"]
        assert (after.as_of, after.as_of_id) == (200, "E0")
    untouched = project("A1", 50, [Version(50, "zero")], [])
    assert (untouched.content, untouched.deleted, untouched.as_of) == ("zero", False, 50)
