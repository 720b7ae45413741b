"""What the peers heard and we did not: are we deaf? Pure; all times are monotonic seconds.

A connected client can be deaf without any event: pings are answered and nothing arrives. Only a
peer's ears tell. A message counts as missed only if both numbers must have got it: the peer heard
it live, we were a member of the group before it, and connected without a break since well before.
Judged by the age of the oldest such message, never by a count: one message is proof enough once
it is old, and a thousand in flight are none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from contracts.health import Part

CONNECTED_BEFORE_S = 20.0  # what was sent around a reconnect may still be on its way
MEMBERSHIP_AGE_S = 3_900.0  # asked hourly; an older answer proves nothing
PEER_AGE_S = 60.0  # a peer that has not answered for so long is no witness
NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """From which age of a missed message this bridge is suspect, and from which it is deaf."""

    suspect_s: float
    deaf_s: float
    unproven_s: float
    """Without any message for so long nothing proves that this bridge hears."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A message that a peer heard and of which nothing arrived here."""

    chat: str
    id: str
    heard_at: float
    """When the peer heard it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about this bridge's hearing."""

    connected_since: float | None
    """None while it is not connected."""
    membership_at: float | None
    """When WhatsApp last told our groups; None if it never did."""
    member_since: Mapping[str, float]
    """Groups we are in, each since it was first seen to be so."""
    missing: Collection[Missing]
    peers_at: Mapping[str, float | None]
    """When each peer last answered."""
    heard_at: float | None
    """When a live message last arrived here."""


def counted(evidence: Evidence, now: float) -> tuple[Missing, ...]:
    """The missed messages that prove something, oldest first."""
    if evidence.connected_since is None or evidence.membership_at is None:
        return ()
    if now - evidence.membership_at > MEMBERSHIP_AGE_S:
        return ()
    connected = evidence.connected_since + CONNECTED_BEFORE_S
    return tuple(
        sorted(
            (
                one
                for one in evidence.missing
                if one.heard_at >= connected
                and one.heard_at > evidence.member_since.get(one.chat, float("inf"))
            ),
            key=lambda one: (one.heard_at, one.chat, one.id),
        )
    )


def lacking(missing: Collection[Missing], member_since: Mapping[str, float]) -> int:
    """How many messages of our groups a peer heard and we did not, for whatever reason."""
    return sum(one.chat in member_since for one in missing)


def judge_hearing(evidence: Evidence, names: Mapping[str, str], limits: Limits, now: float) -> Part:
    """The part `hearing`; `names` are the projects by group."""
    missed = counted(evidence, now)
    if missed and (age := now - missed[0].heard_at) >= limits.suspect_s:
        deaf = age >= limits.deaf_s
        groups = sorted({names.get(one.chat, "a group without a project") for one in missed})
        listed = ", ".join(groups[:NAMED_AT_MOST])
        reason = (
            f"{len(missed)} messages that a peer heard have not arrived, "
            f"the oldest for {age:.0f} s; groups: {listed}"
        )
        return Part("hearing", False, "deaf" if deaf else "suspect", reason)
    return _unaccused(evidence, limits, now)


def _unaccused(evidence: Evidence, limits: Limits, now: float) -> Part:
    if evidence.connected_since is None:
        return Part("hearing", True, "unproven", "not connected")
    if not evidence.peers_at:
        return Part("hearing", True, "alone", "there is no other bridge to compare with")
    silent = sorted(
        name for name, at in evidence.peers_at.items() if at is None or now - at > PEER_AGE_S
    )
    if len(silent) == len(evidence.peers_at):
        return Part("hearing", True, "unproven", f"no answer from {', '.join(silent)}")
    if evidence.membership_at is None or now - evidence.membership_at > MEMBERSHIP_AGE_S:
        return Part("hearing", True, "unproven", "WhatsApp has not told our groups lately")
    if evidence.heard_at is None or now - evidence.heard_at > limits.unproven_s:
        hours = limits.unproven_s / 3600
        return Part("hearing", True, "unproven", f"no message has come for {hours:.1f} h")
    compared = ", ".join(sorted(evidence.peers_at.keys() - set(silent)))
    return Part("hearing", True, "hearing", f"lacks nothing that {compared} heard")
