"""config/stack.yaml, section `failover`: written by people, read by the failover service.

When a bridge counts as down or as risen, how long a switch holds, and how often a bridge is helped.
Everything has a default; the unit is in the name.
"""

from dataclasses import dataclass
from typing import Literal, cast

from contracts.entries import Entry

Failback = Literal["auto", "manual"]


@dataclass(frozen=True, slots=True)
class FailoverLimits:
    """The numbers of the failover; config/README.md says what each is for."""

    probe_ms: int
    suspect_probe_ms: int
    probe_timeout_ms: int
    late_ms: int
    fall_probes: int
    gone_s: int
    hang_s: int
    unfit_s: int
    again_s: int
    rise_probes: int
    rise_s: int
    heard_s: int
    hold_s: int
    hold_at_most_s: int
    switches_per_h: int
    start_s: int
    start_probes: int
    pause_s: int
    restart_after_s: int
    helps_per_h: int
    failback: Failback


def read_failover(entry: Entry) -> FailoverLimits:
    """Read the section; what is wrong is noted in the file's problems."""
    limits = FailoverLimits(
        probe_ms=entry.number("probe_ms", 2_000, 100, 60_000),
        suspect_probe_ms=entry.number("suspect_probe_ms", 500, 50, 60_000),
        probe_timeout_ms=entry.number("probe_timeout_ms", 1_000, 100, 30_000),
        late_ms=entry.number("late_ms", 2_000, 100, 60_000),
        fall_probes=entry.number("fall_probes", 5, 1, 1_000),
        gone_s=entry.number("gone_s", 5, 1, 3_600),
        hang_s=entry.number("hang_s", 8, 1, 3_600),
        unfit_s=entry.number("unfit_s", 30, 1, 3_600),
        again_s=entry.number("again_s", 10, 1, 3_600),
        rise_probes=entry.number("rise_probes", 30, 1, 10_000),
        rise_s=entry.number("rise_s", 60, 1, 86_400),
        heard_s=entry.number("heard_s", 600, 1, 86_400),
        hold_s=entry.number("hold_s", 300, 1, 86_400),
        hold_at_most_s=entry.number("hold_at_most_s", 3_600, 1, 604_800),
        switches_per_h=entry.number("switches_per_h", 3, 1, 1_000),
        start_s=entry.number("start_s", 15, 1, 3_600),
        start_probes=entry.number("start_probes", 3, 1, 1_000),
        pause_s=entry.number("pause_s", 3_600, 1, 604_800),
        restart_after_s=entry.number("restart_after_s", 60, 1, 3_600),
        helps_per_h=entry.number("helps_per_h", 3, 1, 60),
        failback=cast("Failback", entry.parsed("failback", _failback, "auto") or "auto"),
    )
    for low, high in (
        ("suspect_probe_ms", "probe_ms"),
        ("gone_s", "hang_s"),
        ("hang_s", "unfit_s"),
        ("again_s", "rise_s"),
        ("hold_s", "hold_at_most_s"),
    ):
        least, value = getattr(limits, low), getattr(limits, high)
        if value < least:
            entry.wrong(high, value, f"must not be below {low} ({least})")
    entry.close()
    return limits


def _failback(text: str) -> str:
    if text not in {"auto", "manual"}:
        raise ValueError("must be auto or manual")
    return text
