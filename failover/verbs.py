"""What a person may tell the failover: each verb as a pure change of what is decided.

A verb that would surprise is refused, with what to do instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from failover.choice import View
from failover.tracks import Standing
from failover.trust import Mode, Trust

Changed = tuple[Trust, str, str]
Change = Callable[[View], Changed]
"""From what is known to the new trust, the sentence for the history, and the verb."""

PAUSE_AT_MOST_S = 7 * 24 * 3600


class Refused(Exception):
    """The verb is not carried out, and why."""


def change(verb: str, wanted: Mapping[str, Any]) -> Change:
    """The change that a verb with these arguments is; raises Refused."""
    match verb:
        case "switch":
            source, target = str(wanted.get("from", "")), str(wanted.get("to", ""))
            return lambda view: _switch(view, source, target, force=wanted.get("force") is True)
        case "pause":
            seconds = wanted.get("for_s")
            return lambda view: _pause(view, seconds)
        case "resume":
            return _resume
        case "failback":
            return lambda view: _failback(view, str(wanted.get("how", "")))
        case "promote":
            stack = wanted.get("stack", ())
            return lambda view: _promote(view, str(wanted.get("bridge", "")), tuple(stack))
        case _:
            raise Refused(f"there is no verb {verb!r}")


def _switch(view: View, source: str, target: str, *, force: bool) -> Changed:
    trust = view.trust
    _known(view, source)
    _known(view, target)
    if source != trust.side:
        raise Refused(f"{trust.side} is read at present, not {source}: look at the status again")
    if target == source:
        raise Refused(f"{target} is read already")
    _fit(view, target, force=force)
    sentence = f"a person switched from {source} to {target}"
    after = trust.switched(target, sentence, view.now, automatic=False)
    if view.tracks[target].word is not Standing.UP:
        # The rules would leave it again at once.
        sentence = f"{sentence} by force: pinned there"
        after = replace(after, reason=sentence, mode=Mode.PINNED, paused_until=None)
    return replace(after, latched=False), sentence, "switch"


def _pause(view: View, seconds: object) -> Changed:
    if seconds is None:
        seconds = view.limits.pause_s
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise Refused("a pause lasts a whole number of seconds")
    if not 0 < seconds <= PAUSE_AT_MOST_S:
        raise Refused("a pause lasts between a second and seven days")
    if view.trust.mode is Mode.PINNED:
        raise Refused(f"it is pinned to {view.trust.side} already, which does not end by itself")
    sentence = f"a person paused it for {seconds} s: nothing is moved and nobody is helped"
    paused = replace(view.trust, mode=Mode.PAUSED, paused_until=view.now + seconds)
    return paused, sentence, "pause"


def _resume(view: View) -> Changed:
    trust = replace(view.trust, mode=Mode.AUTO, paused_until=None, latched=False, by_hand=False)
    return trust, "a person resumed it: the rules decide again", "resume"


def _failback(view: View, how: str) -> Changed:
    match how:
        case "auto":
            trust = replace(view.trust, failback="auto")
        case "manual":
            trust = replace(view.trust, failback="manual")
        case _:
            raise Refused(f"failback is auto or manual, not {how!r}")
    return trust, f"a person set failback to {how}", "failback"


def _promote(view: View, bridge: str, stack: tuple[str, ...]) -> Changed:
    _known(view, bridge)
    trust = view.trust.preferring(bridge, stack)
    sentence = f"a person made {bridge} the preferred bridge"
    if bridge != trust.side:
        _fit(view, bridge, force=False)
        trust = trust.switched(bridge, sentence, view.now, automatic=False)
    return replace(trust, latched=False, by_hand=False), sentence, "promote"


def _known(view: View, bridge: str) -> None:
    if bridge not in view.tracks:
        raise Refused(f"{bridge!r} is no bridge; there are {', '.join(view.tracks)}")


def _fit(view: View, bridge: str, *, force: bool) -> None:
    track = view.tracks[bridge]
    if track.word is not Standing.UP and not force:
        said = track.said(view.now)
        raise Refused(f"{bridge} is not up, it is {said}; --force switches all the same")
