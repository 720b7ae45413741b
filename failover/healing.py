"""Whom to help, purely: reconnect a sick bridge, restart it a minute later, then call a person.

Never two bridges at once, never one whose state only a person may change, never one that a person
stopped. A round of help is over when the bridge was seen fit. One that is beyond help blocks no
other, and is helped anew from the beginning when it fails again after having been fit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.failover_limits import FailoverLimits
from failover.looks import NEEDS_A_PERSON, Look, Sign, described
from failover.tracks import Standing, Track, cut_off
from failover.trust import HOUR_S, Mode, Round, Step, Trust

DEAF = "deaf"
SILENT_SERVER = "server silent"


class Act(StrEnum):
    """What is to be done for a bridge."""

    RECONNECT = "reconnect"
    RESTART = "restart"
    CALL = "call a person"


@dataclass(frozen=True, slots=True)
class Help:
    """What healing comes to: the rounds as they now are, and at most one act."""

    rounds: tuple[Round, ...]
    act: Act | None = None
    bridge: str = ""
    sentence: str = ""


def help_needed(
    trust: Trust, tracks: Mapping[str, Track], now: float, limits: FailoverLimits
) -> Help:
    """Decide whom to help now; the rounds come back with what is over closed."""
    recent = tuple(one for one in trust.rounds if not one.over or now - one.began_at < HOUR_S)
    rounds = tuple(_closed(one, tracks.get(one.bridge)) for one in recent)
    if cut_off(tracks):
        return Help(rounds)
    sick = _sick(trust, tracks)
    if trust.mode is Mode.PAUSED:
        would = "; ".join(f"would have helped {name}: {why}" for name, why in sick)
        return Help(rounds, sentence=f"paused; {would}" if would else "")
    for one in rounds:
        if not one.over and one.step is not Step.BEYOND:
            return _continued(one, rounds, tracks[one.bridge], now, limits)
    for name, why in sick:
        if (begun := _begun(name, why, rounds, now, limits)) is not None:
            return begun
    return Help(rounds)


def _sick(trust: Trust, tracks: Mapping[str, Track]) -> list[tuple[str, str]]:
    """Who needs help and why, the one that has failed for longest first."""
    found = [
        (track.bad_since or track.since, trust.order.index(name), name, why)
        for name, track in tracks.items()
        if (why := ailing(track)) is not None
    ]
    return [(name, why) for _, _, name, why in sorted(found)]


def ailing(track: Track) -> str | None:
    """Why this bridge needs help, or None: it is well, or nobody but a person may touch it."""
    look = track.last
    if look is None or not _may_be_helped(track, look):
        return None
    if DEAF in look.words and track.sign is Sign.UNFIT:
        return described(look)
    if SILENT_SERVER in look.words and track.word is Standing.DOWN:
        return described(look)
    if track.sign is Sign.HUNG and track.word is Standing.DOWN:
        return described(look)
    return None


def _may_be_helped(track: Track, look: Look) -> bool:
    if track.sign in {Sign.UNKNOWN, Sign.FATAL} or look.frozen or look.away:
        return False
    return not look.words & NEEDS_A_PERSON


def _closed(one: Round, track: Track | None) -> Round:
    """Over when the bridge was seen fit after the act, or is not ours to help any more."""
    if one.over:
        return one
    look = track.last if track else None
    if track is None:
        return replace(one, over=True)
    if look is None or look.at <= one.acted_at:
        return one
    touched = track.sign is Sign.FATAL or look.frozen
    return replace(one, over=track.sign is Sign.GOOD or touched)


def _continued(
    one: Round, rounds: tuple[Round, ...], track: Track, now: float, limits: FailoverLimits
) -> Help:
    """The round that is going on: wait, or take the next step."""
    if now - one.acted_at < limits.restart_after_s or track.sign is Sign.UNKNOWN:
        return Help(rounds)
    if one.step is Step.RECONNECTED:
        if track.last is not None and track.last.away:
            # Somebody stopped it, or its policy restarts it: both know more than we do.
            return Help(_with(rounds, one, replace(one, over=True)))
        sentence = f"{one.bridge} is not fit {limits.restart_after_s} s after it was reconnected"
        after = replace(one, step=Step.RESTARTED, acted_at=now, acts=2)
        return Help(_with(rounds, one, after), Act.RESTART, one.bridge, sentence)
    sentence = f"{one.bridge} is beyond help: restarted, and still not fit ({one.why})"
    after = replace(one, step=Step.BEYOND, acted_at=now)
    return Help(_with(rounds, one, after), Act.CALL, one.bridge, sentence)


def _begun(
    name: str, why: str, rounds: tuple[Round, ...], now: float, limits: FailoverLimits
) -> Help | None:
    """A new round for a bridge, unless one is on its way or it had its share of the hour."""
    own = [one for one in rounds if one.bridge == name]
    last = own[-1] if own else None
    if last is not None and not last.over and now - last.acted_at < HOUR_S:
        return None
    helped = [one for one in own if now - one.began_at < HOUR_S and one.acts]
    before = tuple(replace(one, over=True) if one is last else one for one in rounds)
    if len(helped) >= limits.helps_per_h:
        beyond = Round(name, why, now, Step.BEYOND, now, acts=0)
        sentence = f"{name} is beyond help: helped {len(helped)} times within the hour, and {why}"
        return Help((*before, beyond), Act.CALL, name, sentence)
    begun = Round(name, why, now, Step.RECONNECTED, now)
    return Help((*before, begun), Act.RECONNECT, name, f"{name} needs help: {why}")


def _with(rounds: Iterable[Round], before: Round, after: Round) -> tuple[Round, ...]:
    return tuple(after if one is before else one for one in rounds)


def beyond_help(rounds: Iterable[Round]) -> tuple[Round, ...]:
    """The bridges that a person must look at."""
    return tuple(one for one in rounds if one.step is Step.BEYOND and not one.over)
