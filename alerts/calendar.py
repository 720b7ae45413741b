"""What follows from the clock: silence in working hours, phones to open, the time for a list.

Pure: the time and the zone are parameters.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.judgement import Finding
from contracts.alerting import DAYS, AlertRules

UNLINKED_DAYS = 14
"""WhatsApp unlinks the devices of a phone that was not used for so long."""
OVERDUE_DAYS = 12
"""From then on a reminder is an alarm."""
STACK = "stack"
"""The subject of what concerns no single bridge or service."""
_LOOK_BACK = timedelta(days=60)
_DAY_S = 86_400


def working_seconds(begin: float, end: float, rules: AlertRules, zone: ZoneInfo) -> float:
    """The part of a span (seconds since 1970) that lies in working hours, sixty days at most."""
    first, last = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    first = max(first, last - _LOOK_BACK)
    total = timedelta()
    day = first.astimezone(zone).date()
    while day <= last.astimezone(zone).date():
        if DAYS[day.weekday()] in rules.working_days:
            opens, closes = (
                datetime.combine(day, hour, zone).astimezone(UTC) for hour in rules.working_hours
            )
            total += max(min(closes, last) - max(opens, first), timedelta())
        day += timedelta(days=1)
    return total.total_seconds()


def silence(
    now: float, last_heard: float, rules: AlertRules, zone: ZoneInfo, *, ever: bool
) -> Finding | None:
    """The alarm when no bridge heard any message for too many working hours."""
    if not rules.silence_h:
        return None
    hours = working_seconds(last_heard, now, rules, zone) / 3600
    if hours < rules.silence_h:
        return None
    moment = said(last_heard, zone)
    since = f"since {moment}" if ever else f"ever; watched since {moment}"
    reason = f"no bridge has heard any message {since}: {rules.silence_h} working hours and more"
    return Finding(STACK, "silence", "silent", reason)


def phone(now: float, bridge: str, opened_at: float, rules: AlertRules) -> Finding | None:
    """The reminder to open the phone of a bridge's number."""
    days = (now - opened_at) / _DAY_S
    if days < rules.phone_days:
        return None
    overdue = days >= OVERDUE_DAYS
    reason = (
        f"nobody has said for {days:.0f} days that WhatsApp was opened on this number's phone; "
        f"after {UNLINKED_DAYS} days without use WhatsApp unlinks the bridge"
    )
    word = "overdue" if overdue else "due"
    return Finding(bridge, "phone", word, reason, urgent=overdue, daily=not overdue)


def list_day(now: float, rules: AlertRules, zone: ZoneInfo) -> str:
    """The newest day whose list of near misses is due, as 2026-11-28: yesterday, or the day before.

    A list is due on the next day at `near_misses_at`.
    """
    local = datetime.fromtimestamp(now, zone)
    early = local.time() < rules.near_misses_at
    return (local.date() - timedelta(days=1 + early)).isoformat()


def said(moment: float, zone: ZoneInfo) -> str:
    """A moment as people read it."""
    return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M %Z}"
