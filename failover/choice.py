"""Who is to be read: a pure decision, with the sentence that will be logged.

Leaving a bridge that is down needs one that is up, and nothing else may stand in the way. Going
from a working bridge to a better one has time: it must have risen, lack nothing, be known to hear,
and the last switch must be long enough ago.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts.failover_limits import FailoverLimits
from failover.looks import Sign
from failover.tracks import Standing, Track, cut_off
from failover.trust import Mode, Trust


class Verdict(StrEnum):
    """What the choice comes to."""

    STAY = "stay"
    SWITCH = "switch"
    WATCH = "watch"  # the bridge that is read is suspect
    STRANDED = "stranded"  # it is down, and so is every other
    BLIND = "blind"
    STARTING = "starting"
    HELD = "held"  # a better bridge waits for the hold time, or for a proof
    LATCHED = "latched"
    READY = "ready"  # a better bridge waits for a person
    PAUSED = "paused"
    PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision; `target` is set exactly when the monitors are to be moved."""

    verdict: Verdict
    sentence: str
    target: str | None = None
    latch: bool = False
    """There were too many switches: from now on a person is needed."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything that a decision rests on."""

    trust: Trust
    tracks: Mapping[str, Track]
    now: float
    started_at: float
    """When this controller started."""
    limits: FailoverLimits

    @property
    def read(self) -> Track:
        """The bridge that is read."""
        return self.tracks[self.trust.side]


def choose(view: View) -> Choice:
    """Decide, and let a pause, a pin or the start have the last word."""
    wanted = _wanted(view)
    if wanted.target is None:
        return wanted
    trust, now, limits = view.trust, view.now, view.limits
    would = f"would have switched to {wanted.target}: {wanted.sentence}"
    if trust.mode is Mode.PAUSED:
        return Choice(Verdict.PAUSED, f"paused; {would}")
    if trust.mode is Mode.PINNED:
        return Choice(Verdict.PINNED, f"pinned to {trust.side} by a person; {would}")
    few = [name for name, track in view.tracks.items() if track.looks < limits.start_probes]
    if now - view.started_at < limits.start_s or few:
        return Choice(Verdict.STARTING, f"just started; {would}")
    return wanted


def _wanted(view: View) -> Choice:
    """What would be done if nobody stood in the way."""
    side, now = view.trust.side, view.now
    word = view.read.word
    if all(track.word is Standing.UNKNOWN for track in view.tracks.values()):
        return Choice(Verdict.BLIND, f"nothing can be seen, nothing is done; {side} stays")
    if cut_off(view.tracks):
        sentence = (
            "no bridge answers since the same instant, and Docker says that all of them run: "
            f"it may be the failover that is cut off; {side} stays"
        )
        return Choice(Verdict.BLIND, sentence)
    match word:
        case Standing.UNKNOWN:
            return Choice(Verdict.BLIND, f"{side} cannot be seen, which does not mean down; stays")
        case Standing.SUSPECT:
            return Choice(Verdict.WATCH, f"{side} is {view.read.said(now)}; looking closely")
        case Standing.DOWN if view.read.sign is Sign.GOOD:
            return Choice(Verdict.WATCH, f"{side} was down and answers again; it stays meanwhile")
        case Standing.DOWN:
            return _leave(view)
        case _:
            return _better(view)


def _leave(view: View) -> Choice:
    """The bridge that is read is down: away from it, if anywhere is up."""
    trust, now = view.trust, view.now
    up = [
        name for name in trust.order if name != trust.side and view.tracks[name].word is Standing.UP
    ]
    down = f"{trust.side} is {view.read.said(now)}"
    if not up:
        return Choice(Verdict.STRANDED, f"{down}, and no other bridge is up; it stays")
    many = trust.automatic_within_h(now) >= view.limits.switches_per_h
    if (trust.latched or many) and view.read.down_for(now) < view.limits.hold_s:
        sentence = (
            f"{down}, after {trust.automatic_within_h(now)} switches in an hour: "
            f"left only after {view.limits.hold_s} s, or by a person"
        )
        return Choice(Verdict.LATCHED, sentence, latch=True)
    target = min(up, key=_worth(view))
    sentence = f"{down}; {target} is up, {hears(view.tracks[target], now, view.limits)[1]}"
    return Choice(Verdict.SWITCH, sentence, target, latch=many)


def _worth(view: View) -> Callable[[str], tuple[int, bool, int]]:
    """Least first: lacking as little as may be, known to hear, most preferred."""

    def worth(name: str) -> tuple[int, bool, int]:
        track = view.tracks[name]
        heard = hears(track, view.now, view.limits)[0]
        return lacks(track), not heard, view.trust.order.index(name)

    return worth


def _better(view: View) -> Choice:
    """The bridge that is read works: is there a better one, and may we go there now?"""
    trust, now = view.trust, view.now
    place = trust.order.index(trust.side)
    candidates = [name for name in trust.order[:place] if view.tracks[name].risen(now, view.limits)]
    if not candidates:
        best = "the most preferred" if place == 0 else "no better one has risen"
        return Choice(Verdict.STAY, f"{trust.side} is up, {best}")
    waits = ""
    for name in candidates:
        track = view.tracks[name]
        heard, proof = hears(track, now, view.limits)
        if missing := lacks(track):
            waits = waits or f"{name} has risen, and lacks {missing} messages of the last day"
        elif not heard:
            waits = waits or f"{name} has risen, and {proof}"
        else:
            return _return_to(view, name, f"{name} is preferred, has risen, and {proof}")
    return Choice(Verdict.HELD, f"{waits}; {trust.side} stays")


def _return_to(view: View, target: str, sentence: str) -> Choice:
    """A better bridge is fit: the hold, the latch and a person's will are looked at."""
    trust, now = view.trust, view.now
    if trust.by_hand or trust.failback == "manual":
        who = "a person chose this one" if trust.by_hand else "failback is manual"
        return Choice(Verdict.READY, f"{sentence}; {who}: {trust.side} stays until told otherwise")
    if trust.latched or trust.automatic_within_h(now) >= view.limits.switches_per_h:
        said = (
            f"{sentence}; too many switches in an hour: {trust.side} stays until a person resumes"
        )
        return Choice(Verdict.LATCHED, said, latch=True)
    until = trust.held_until(view.limits)
    if until is not None and now < until:
        said = f"{sentence}; held for another {until - now:.0f} s after the last switch"
        return Choice(Verdict.HELD, said)
    return Choice(Verdict.SWITCH, sentence, target)


def lacks(track: Track) -> int:
    """Messages of the last day that a peer heard and that are still missing there."""
    health = track.last.health if track.last else None
    return health.ears.lacks if health else 0


def hears(track: Track, now: float, limits: FailoverLimits) -> tuple[bool, str]:
    """Whether it is known to hear again, and by which proof.

    A live message or a canary counts if it came since the last failure and within the present
    connection. Without one, the queue that WhatsApp kept must have ended, and ten minutes passed.
    """
    look = track.last
    ears = look.health.ears if look and look.health else None
    if look is None or ears is None or ears.connected_s is None:
        return False, "is not known to be connected"
    since = max(look.at - ears.connected_s, track.failed_at or 0.0)
    live = None if ears.live_age_s is None else look.at - ears.live_age_s
    if live is not None and live >= since:
        return True, f"hears: a live message {max(0.0, now - live):.0f} s ago"
    if track.canary_at is not None and track.canary_at >= since:
        return True, f"hears: a canary {max(0.0, now - track.canary_at):.0f} s ago"
    if ears.queue_ended and ears.connected_s >= limits.heard_s:
        return True, (
            f"should hear: connected for {ears.connected_s:.0f} s, and no queue is on its way"
        )
    return False, "nothing proves yet that it hears: no live message since it is back"
