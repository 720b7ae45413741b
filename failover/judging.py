"""One turn of the controller without its hands: what is decided, kept and said. Pure.

Everything that follows from a view is in the `Judgement`: the trust to keep before anything acts,
what goes into the history, the help to give, and the one sentence for the log.
"""

from dataclasses import dataclass, replace
from typing import Any

from failover.choice import Choice, Verdict, View, choose
from failover.healing import Act, Help, help_needed
from failover.seams import Happening
from failover.tracks import Track
from failover.trust import Mode, Trust


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a turn comes to."""

    trust: Trust
    choice: Choice
    help: Help
    happenings: tuple[Happening, ...]
    sentence: str
    key: tuple[object, ...]
    """Changes when the sentence says something new, and not with every second in it."""


def judge(view: View) -> Judgement:
    """Decide everything that this view decides."""
    trust, happenings = _unpaused(view)
    view = replace(view, trust=trust)
    choice = choose(view)
    if choice.target is not None:
        trust = trust.switched(choice.target, choice.sentence, view.now, automatic=True)
        evidence = evidenced(view)
        happenings.append(Happening(view.now, "switch", choice.sentence, evidence))
    if choice.latch and not trust.latched:
        trust = replace(trust, latched=True)
        happenings.append(Happening(view.now, "latch", choice.sentence, evidenced(view)))
    helped = help_needed(trust, view.tracks, view.now, view.limits)
    trust = replace(trust, rounds=helped.rounds)
    if helped.act is not None:
        said = _deed(helped)
        happenings.append(Happening(view.now, "help", said, evidenced(view)))
    words = tuple((name, track.word) for name, track in view.tracks.items())
    return Judgement(
        trust=trust,
        choice=choice,
        help=helped,
        happenings=tuple(happenings),
        sentence=_sentence(trust, choice, helped, view),
        key=(trust.epoch, trust.mode_in_words, choice.verdict, helped.act, helped.bridge, words),
    )


def evidenced(view: View) -> dict[str, Any]:
    """What was known when something was decided, as the history keeps it."""
    return {
        "mode": view.trust.mode_in_words,
        "epoch": view.trust.epoch,
        "bridges": {name: _evidence(track, view.now) for name, track in view.tracks.items()},
    }


def _evidence(track: Track, now: float) -> dict[str, Any]:
    look = track.last
    return {
        "word": str(track.word),
        "for_s": round(max(0.0, now - track.since), 1),
        "sign": str(track.sign),
        "good_in_a_row": track.good,
        "failing_for_s": None if track.bad_since is None else round(now - track.bad_since, 1),
        "unanswered_in_a_row": track.silent,
        "process": None if look is None or look.process is None else str(look.process.word),
        "seen": track.said(now),
    }


def _unpaused(view: View) -> tuple[Trust, list[Happening]]:
    """A pause ends by itself; then the rules decide again."""
    trust = view.trust
    if trust.mode is not Mode.PAUSED or trust.paused_until is None:
        return trust, []
    if view.now < trust.paused_until:
        return trust, []
    ended = Happening(view.now, "resume", "the pause is over: the rules decide again")
    return replace(trust, mode=Mode.AUTO, paused_until=None), [ended]


def _deed(helped: Help) -> str:
    deeds = {
        Act.RECONNECT: "it is told to reconnect",
        Act.RESTART: "its container is restarted",
        Act.CALL: "a person is needed",
    }
    return f"{helped.sentence}; {deeds[helped.act]}" if helped.act else helped.sentence


def _sentence(trust: Trust, choice: Choice, helped: Help, view: View) -> str:
    """The verdict in one sentence: who is read, what is decided, what each bridge is."""
    seen = "; ".join(
        f"{name} {track.word if name == trust.side else track.said(view.now)}"
        for name, track in view.tracks.items()
    )
    done = f"switching to {trust.side}" if choice.verdict is Verdict.SWITCH else choice.verdict
    parts = [f"reading {trust.side} ({trust.mode_in_words}): {done}", choice.sentence, seen]
    if helped.sentence:
        parts.append(_deed(helped))
    return " · ".join(parts)
