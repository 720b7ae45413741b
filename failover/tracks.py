"""What many looks at one bridge come to: UP, SUSPECT, DOWN or UNKNOWN. Pure.

A first failure only raises suspicion and the rate of looking; so many failures in a row *and* so
much time decide. Down is quick and up again is slow. What could not be seen ends a row of failures
and starts none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from contracts.failover_limits import FailoverLimits
from failover.looks import Look, Sign, described, sign

SAME_INSTANT_S = 3.0  # failures that began within one round of looks


class Standing(StrEnum):
    """The word for one bridge."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Track:
    """The looks at one bridge so far; times are the looks' own."""

    word: Standing = Standing.UNKNOWN
    since: float = 0.0
    """When the word last changed."""
    sign: Sign = Sign.UNKNOWN
    looks: int = 0
    """Since the controller started, also those that saw nothing."""
    good: int = 0
    good_since: float | None = None
    bad_since: float | None = None
    """Of the present row of failures, of any kind."""
    silent: int = 0
    silent_since: float | None = None
    """Of the present row of failures without an answer."""
    failed_at: float | None = None
    """When it last failed."""
    canary_at: float | None = None
    """When a canary was last heard there: where somebody sends them, a proof like a message."""
    fallen: bool = False
    """It was down, and has not been good for long enough since."""
    last: Look | None = None

    def risen(self, now: float, limits: FailoverLimits) -> bool:
        """Whether it has been good for so long that going back to it is safe."""
        return (
            self.word is Standing.UP
            and self.good >= limits.rise_probes
            and self.good_since is not None
            and now - self.good_since >= limits.rise_s
        )

    def down_for(self, now: float) -> float:
        """Seconds since the failures began that it is down for; 0 if it is not down."""
        if self.word is not Standing.DOWN:
            return 0.0
        return now - (self.since if self.bad_since is None else self.bad_since)

    def said(self, now: float) -> str:
        """Word, duration and the last look, for people."""
        seen = described(self.last) if self.last else "not looked at yet"
        since = self.since if self.bad_since is None else min(self.since, self.bad_since)
        return f"{self.word} for {max(0.0, now - since):.0f} s ({seen})"


def seen(track: Track, look: Look, limits: FailoverLimits) -> Track:
    """The track after one more look."""
    shown = sign(look)
    track = replace(track, sign=shown, last=look, looks=track.looks + 1)
    match shown:
        case Sign.UNKNOWN:
            after = replace(track, bad_since=None, silent=0, silent_since=None)
            return _turned(after, Standing.UNKNOWN, look.at)
        case Sign.GOOD:
            return _good(track, look, limits)
        case _:
            return _bad(track, look, limits)


def _good(track: Track, look: Look, limits: FailoverLimits) -> Track:
    since = look.at if track.good_since is None else track.good_since
    track = replace(
        track,
        good=track.good + 1,
        good_since=since,
        bad_since=None,
        silent=0,
        silent_since=None,
    )
    if track.fallen:
        if track.good < limits.start_probes or look.at - since < limits.again_s:
            return _turned(track, Standing.DOWN, look.at)
        return _turned(replace(track, fallen=False), Standing.UP, look.at)
    if track.word is Standing.SUSPECT and track.good < 2:  # noqa: PLR2004 - once may be chance
        return track
    return _turned(track, Standing.UP, look.at)


def _bad(track: Track, look: Look, limits: FailoverLimits) -> Track:
    answered = look.health is not None
    track = replace(
        track,
        good=0,
        good_since=None,
        failed_at=look.at,
        bad_since=look.at if track.bad_since is None else track.bad_since,
        silent=0 if answered else track.silent + 1,
        silent_since=None
        if answered
        else look.at
        if track.silent_since is None
        else track.silent_since,
    )
    if track.fallen or _down(track, look.at, limits):
        return _turned(replace(track, fallen=True), Standing.DOWN, look.at)
    return _turned(track, Standing.SUSPECT, look.at)


def _down(track: Track, at: float, limits: FailoverLimits) -> bool:
    if track.sign is Sign.FATAL:
        return True
    if track.bad_since is not None and at - track.bad_since >= limits.unfit_s:
        return True
    if track.silent < limits.fall_probes or track.silent_since is None:
        return False
    patience = limits.gone_s if track.sign is Sign.GONE else limits.hang_s
    return at - track.silent_since >= patience


def _turned(track: Track, word: Standing, at: float) -> Track:
    return track if track.word is word else replace(track, word=word, since=at)


def cut_off(tracks: Mapping[str, Track]) -> bool:
    """Whether we may be the one who is cut off.

    Every bridge fell silent in the same instant, and Docker says that all of them run: that is
    our own network, or a machine that stood still, before it is two bridges that hang.
    """
    began = [track.silent_since for track in tracks.values() if track.sign is Sign.HUNG]
    times = [at for at in began if at is not None]
    return (
        len(tracks) > 1 and len(times) == len(tracks) and max(times) - min(times) <= SAME_INSTANT_S
    )
