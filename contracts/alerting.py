"""Whom to tell, when, and how often: written by people, read by alerts and by `make config-check`.

The section `alerts` of config/stack.yaml, and the addresses in .env that it is told through.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time

from contracts.entries import Entry

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AlertRules:
    """When somebody is told, in the unit that the name ends with; times are local ones."""

    ask_s: int
    confirm_s: int
    repeat_minutes: int
    acknowledged_repeat_h: int
    silence_h: int
    """Working hours without any message; 0 switches this alarm off."""
    working_days: tuple[str, ...]
    working_hours: tuple[time, time]
    phone_days: int
    near_misses_at: time


def read_alert_rules(entry: Entry) -> AlertRules:
    """Read the section; mistakes are noted in the entry."""
    rules = AlertRules(
        ask_s=entry.number("ask_s", 15, 1, 120),
        confirm_s=entry.number("confirm_s", 60, 0, 3_600),
        repeat_minutes=entry.number("repeat_minutes", 60, 1, 1_440),
        acknowledged_repeat_h=entry.number("acknowledged_repeat_h", 24, 1, 168),
        silence_h=entry.number("silence_h", 4, 0, 168),
        working_days=entry.texts("working_days", DAYS[:6], DAYS),
        working_hours=entry.parsed("working_hours", _hours, "07:00-18:00") or (time(7), time(18)),
        phone_days=entry.number("phone_days", 7, 1, 13),
        near_misses_at=entry.parsed("near_misses_at", _clock, "06:30") or time(6, 30),
    )
    entry.close()
    return rules


def alert_urls(text: str) -> tuple[str, ...]:
    """The addresses in `ALERT_URLS`, which blanks separate; raises ValueError without showing one.

    Whether Apprise knows the kind is found out by `make alert-test`.
    """
    urls = tuple(text.split())
    for place, url in enumerate(urls, 1):
        if not _ADDRESS.fullmatch(url):
            raise ValueError(f"address {place} is none: it looks like ntfy://ntfy.sh/topic")
    return urls


def heartbeat_url(text: str) -> str:
    """The address in `HEARTBEAT_URL`, or nothing; raises ValueError without showing it."""
    url = text.strip()
    if url and not re.fullmatch(r"https?://[^\s/]\S*", url):
        raise ValueError("must be one address that begins with https:// or http://")
    return url


ENVIRONMENT: dict[str, Callable[[str], object]] = {
    "ALERT_URLS": alert_urls,
    "HEARTBEAT_URL": heartbeat_url,
}
"""The variables of .env, and what judges them."""


def _clock(text: str) -> time:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError('not a time of day: it looks like "06:30", in quotes')
    return time.fromisoformat(text)


def _hours(text: str) -> tuple[time, time]:
    first, _, last = text.partition("-")
    begin, end = _clock(first), _clock(last)
    if begin >= end:
        raise ValueError("must begin before they end: they look like 07:00-18:00")
    return begin, end
