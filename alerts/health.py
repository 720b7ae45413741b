"""The health of alerts itself: would a fault that begins now be told? Pure, over known facts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from alerts.book import Waiting
from alerts.calendar import phone
from alerts.judgement import Condition
from contracts.alerting import AlertRules
from contracts.health import Part, Verdict
from contracts.status import OLD_S, Overall

WAIT_S = 300.0
"""A letter that waits for longer makes /health say 503."""
STUCK_S = 180.0
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Beat:
    """What became of the heartbeat."""

    word: str
    reason: str


NO_BEAT = Beat("off", "HEARTBEAT_URL is not set: nobody outside notices when alerts stop")


@dataclass(slots=True)
class Known:
    """What the loops last knew; written by them, read for answers. Times are monotonic."""

    started_at: float
    turned_at: float
    verdict_at: float | None = None
    overall: Overall | None = None
    conditions: tuple[Condition, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    beat: Beat = NO_BEAT


def judge_health(
    known: Known, monotonic: float, now: float, sinks: int, phones: tuple[Part, ...] = ()
) -> Verdict:
    """The verdict of /health; the first two parts decide, and without any sink the first alone."""
    decisive = (_watch(known, monotonic), _sinks(known, now, sinks))
    watched = (
        Part("heartbeat", known.beat.word != "failing", known.beat.word, known.beat.reason),
        _faults(known.conditions),
        *phones,
    )
    ok = decisive[0].ok and decisive[1].word != "waiting"
    return Verdict(ok, "ok" if ok else "down", decisive + watched)


def phone_fact(bridge: str) -> str:
    """The name under which it is remembered when a bridge's phone was opened."""
    return f"phone_opened_at {bridge}"


def judge_phones(
    known: Known, bridges: Iterable[str], now: float, rules: AlertRules
) -> tuple[Part, ...]:
    """For each number, when somebody last said that its phone was opened."""
    parts = []
    for bridge in bridges:
        opened_at = float(known.facts.get(phone_fact(bridge), now))
        finding = phone(now, bridge, opened_at, rules)
        days = f"{(now - opened_at) / _DAY_S:.0f} days ago, as somebody said"
        parts.append(
            Part(f"phone {bridge}", finding is None, finding.word if finding else "opened", days)
        )
    return tuple(parts)


def judge_life(known: Known, monotonic: float) -> Verdict:
    """The verdict of /live: does the loop turn?"""
    age = monotonic - known.turned_at
    ok = age < STUCK_S
    part = Part("loop", ok, "running" if ok else "stuck", f"last turn {age:.0f} s ago")
    return Verdict(ok, "ok" if ok else "down", (part,))


def _watch(known: Known, monotonic: float) -> Part:
    if known.verdict_at is None:
        age = monotonic - known.started_at
        return Part("watch", False, "starting", f"no complete verdict in {age:.0f} s")
    age = monotonic - known.verdict_at
    if age > OLD_S:
        return Part("watch", False, "outdated", f"the last complete verdict is {age:.0f} s old")
    word = known.overall.name if known.overall is not None else "unknown"
    return Part("watch", True, "current", f"{word}, {age:.0f} s ago")


def _sinks(known: Known, now: float, sinks: int) -> Part:
    if not sinks:
        return Part("sinks", False, "nobody", "ALERT_URLS is not set: alerts are in the log only")
    late = [one for one in known.waiting if now - one.oldest_at > WAIT_S]
    if late:
        said = "; ".join(
            f"{one.sink.partition('-')[0]}: {one.letters} alerts wait ({one.trouble or 'no word'})"
            for one in late
        )
        return Part("sinks", False, "waiting", said)
    return Part("sinks", True, "delivering", f"{sinks} of them")


def _faults(conditions: tuple[Condition, ...]) -> Part:
    told = [one for one in conditions if one.told_word]
    new = [one for one in told if not one.acknowledged]
    named = ", ".join(f"{' '.join(one.finding.key)}: {one.told_word}" for one in new or told)
    if new:
        return Part("faults", False, "told", f"nobody has acknowledged: {named}")
    if told:
        return Part("faults", True, "acknowledged", named)
    return Part("faults", True, "none", "nothing is open")
