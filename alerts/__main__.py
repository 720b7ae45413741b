"""The composition root: `python -m alerts` serves; its verbs are for people.

    test              send a message through the outbox to every sink, and say what became of it
    ack [SUBJECT …]   say that you know of the faults that were told; of these subjects, or of all
    opened BRIDGE     say that WhatsApp was opened on the phone of that bridge's number
    list              what people have been told and is not over
    near-misses [DAY] the texts of a day that nearly name a drop; of yesterday, if no day is named

Exit codes of the service: 0 asked to stop, 1 a bug, 78 wrong settings or a newer book.
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta

import aiohttp

from alerts import calendar, delivery, health, metrics, watching
from alerts.api import application, served
from alerts.book import Book, BookIncompatible, BookUnavailable
from alerts.health import Beat, Known, phone_fact
from alerts.judgement import acknowledged
from alerts.letters import letter_for_test, list_letter
from alerts.settings import Settings, read_settings
from alerts.watch import Watch
from contracts import service
from contracts.health import Verdict
from contracts.near_misses import NearMissList
from contracts.problems import ConfigurationError

log = logging.getLogger("alerts")

TEST_S = 120.0
"""Seconds that `test` waits for all sinks."""


class _Service:
    """What the API asks, answered from what the loops last knew."""

    def __init__(self, settings: Settings, known: Known) -> None:
        self._settings = settings
        self._known = known

    def live(self) -> Verdict:
        """Whether the loop turns."""
        return health.judge_life(self._known, time.monotonic())

    def health(self) -> Verdict:
        """Whether a fault that begins now would be told."""
        now, settings = time.time(), self._settings
        bridges = [one.name for one in settings.watched if one.bridge]
        phones = health.judge_phones(self._known, bridges, now, settings.rules)
        return health.judge_health(self._known, time.monotonic(), now, len(settings.sinks), phones)

    def metrics(self) -> bytes:
        """The figures for Prometheus."""
        return metrics.render(self._known, time.monotonic())


async def serve(stop: asyncio.Event) -> None:
    """Watch and deliver until `stop` is set."""
    os.umask(0o077)
    settings = read_settings(os.environ)
    service.configure_logging(settings.log_level, settings.log_format, "")
    book = Book(settings.book)
    try:
        book.prepare(settings.sink_names)
    except BookIncompatible as newer:
        log.error("not started", extra={"reason": str(newer)})
        raise SystemExit(service.MISCONFIGURED) from None
    except BookUnavailable as unavailable:
        log.error("not started", extra={"reason": str(unavailable)})
        raise SystemExit(service.BUG) from None
    now = time.monotonic()
    known = Known(started_at=now, turned_at=now)
    if settings.heartbeat_url:
        known.beat = Beat("starting", "not sent yet")
    async with AsyncExitStack() as open_things:
        api = application(_Service(settings, known))
        await open_things.enter_async_context(served(api, "0.0.0.0", settings.port))  # noqa: S104 - inside the stack; nothing is published
        log.info(
            "alerts started",
            extra={
                "watched": " ".join(one.name for one in settings.watched),
                "sinks": " ".join(sink.kind for sink in settings.sinks) or "none",
            },
        )
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(Watch(settings, book, known).run(), name="watch"),
                tasks.create_task(
                    delivery.deliver(book, settings.sinks, delivery.bring_by_child),
                    name="deliver",
                ),
            ]
            await stop.wait()
            for task in running:
                task.cancel()
    log.info("stopped")


def test(settings: Settings, book: Book) -> int:
    """Post a test message, wait for its fate at every sink, and print it."""
    if not settings.sinks:
        print("ALERT_URLS is not set: there is nobody to tell.")
        return 1
    letter = letter_for_test(time.time(), settings.zone)
    number = book.post(letter, settings.sink_names, time.time())
    kinds = {sink.name: sink.kind for sink in settings.sinks}
    deadline = time.monotonic() + TEST_S
    fates = book.fate(number)
    while not all(one.delivered or one.trouble for one in fates) and time.monotonic() < deadline:
        time.sleep(0.2)  # the service, another process, writes the fate into the book
        fates = book.fate(number)
    for one in fates:
        fate = "delivered" if one.delivered else one.trouble or "not tried: does the service run?"
        print(f"alert {number}, {kinds[one.sink]}: {fate}")
    return 0 if all(one.delivered for one in fates) else 1


def ack(book: Book, subjects: list[str]) -> int:
    """Acknowledge what was told, and print it."""
    known = acknowledged(book.conditions().values(), set(subjects))
    book.acknowledge(known)
    for one in known:
        print(f"acknowledged: {' '.join(one.finding.key)}: {one.told_word}")
    if not known:
        print("Nothing that was told waits for it.")
    return 0


def opened(settings: Settings, book: Book, bridge: str) -> int:
    """Note that a phone was opened."""
    bridges = [one.name for one in settings.watched if one.bridge]
    if bridge not in bridges:
        print(f"{bridge!r} is no bridge; there are: {', '.join(bridges)}", file=sys.stderr)
        return 2
    book.note({phone_fact(bridge): repr(time.time())})
    print(f"Noted: WhatsApp was opened on the phone of {bridge}.")
    return 0


async def near_misses(settings: Settings, day: str) -> int:
    """Print the list of a day, as the daily message has it."""
    lists: dict[str, NearMissList] = {}
    async with aiohttp.ClientSession() as session:
        for one in (one for one in settings.watched if one.bridge):
            try:
                lists[one.name] = await watching.near_misses(session, one, settings.api_token, day)
            except (OSError, aiohttp.ClientError, ValueError) as trouble:
                print(f"{one.name} gives no list: {trouble}", file=sys.stderr)
    letter = list_letter(day, lists, settings.zone)
    print(f"{letter.title}\n{letter.body}" if letter else f"near misses of {day}: none")
    return 0 if lists else 1


def show(settings: Settings, book: Book) -> int:
    """Print what people know of and is not over."""
    told = [one for one in book.conditions().values() if one.told_word]
    for one in told:
        known = "acknowledged" if one.acknowledged else "not acknowledged"
        since = calendar.said(one.unfit_since, settings.zone)
        print(f"{' '.join(one.finding.key)}: {one.told_word}, since {since}, {known}")
    if not told:
        print("Nothing is open.")
    return 0


def _day(text: str) -> date:
    """A day as 2026-11-28; raises ValueError."""
    return date.fromisoformat(text)


def main() -> int:
    """Serve, or do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("test")
    verbs.add_parser("ack").add_argument("subjects", nargs="*", metavar="SUBJECT")
    verbs.add_parser("opened").add_argument("bridge", metavar="BRIDGE")
    verbs.add_parser("list")
    listing = verbs.add_parser("near-misses")
    listing.add_argument("day", nargs="?", metavar="DAY", type=_day)
    asked = parser.parse_args()
    if asked.verb is None:
        service.run(serve)
    try:
        settings = read_settings(os.environ)
        book = Book(settings.book)
        match asked.verb:
            case "test":
                return test(settings, book)
            case "ack":
                return ack(book, asked.subjects)
            case "opened":
                return opened(settings, book, asked.bridge)
            case "near-misses":
                yesterday = datetime.now(settings.zone).date() - timedelta(days=1)
                return asyncio.run(near_misses(settings, str(asked.day or yesterday)))
            case _:
                return show(settings, book)
    except ConfigurationError as wrong:
        print(wrong, file=sys.stderr)
        return service.MISCONFIGURED
    except BookUnavailable as unavailable:
        print(f"the book of alerts cannot be used: {unavailable}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
