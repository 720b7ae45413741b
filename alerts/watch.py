"""The loop: look at everything, judge, write what is to be sent, and say outside that we do."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import aiohttp

from alerts import calendar, watching
from alerts.book import Book, BookUnavailable, Letter
from alerts.health import Beat, Known, phone_fact
from alerts.judgement import Finding, Judgement, judge
from alerts.letters import letter_of, list_letter
from alerts.observation import observe, overall
from alerts.settings import Settings
from alerts.watching import Told
from contracts.near_misses import NearMissList
from contracts.status import Overall

log = logging.getLogger(__name__)

LOOK_MOST_S = 60.0
"""A look that takes longer is given up; its parts have shorter limits of their own."""
LIST_PATIENCE_S = 3600.0
"""How long the daily list waits for a bridge that does not answer, if another one does."""
LIST_DAYS = 7
"""Days whose lists are made up for after alerts were not running."""
HEARTBEAT_S = 60.0
WAIT_MOST_S = 900.0
"""A letter that waits longer than this is a reason not to say outside that all is well."""

SINCE = "watched_since"
HEARD = "last_captured_at"
LISTED = "listed_until"


@dataclass(frozen=True, slots=True)
class Round:
    """What one look came to, before it is written."""

    judgement: Judgement
    overall: Overall
    letters: tuple[Letter, ...]
    facts: dict[str, str]


class Watch:
    """One stack that is watched, and what is known of it."""

    def __init__(
        self, settings: Settings, book: Book, known: Known, now: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._book = book
        self._known = known
        self._now = now
        self._list_wanted_since: float | None = None
        self._beat_due = 0.0

    async def run(self) -> None:
        """Look again and again; trouble with the book is told in the log and by the silence."""
        async with aiohttp.ClientSession() as session:
            while True:
                self._known.turned_at = time.monotonic()
                try:
                    async with asyncio.timeout(LOOK_MOST_S):
                        await self.look_once(session)
                        await self.beat(session)
                except TimeoutError:
                    log.error("a look was given up", extra={"after_s": LOOK_MOST_S})
                except BookUnavailable as unavailable:
                    log.error("a look is not written", extra={"reason": str(unavailable)})
                await asyncio.sleep(self._settings.rules.ask_s)

    async def look_once(self, session: aiohttp.ClientSession) -> Round:
        """Look, judge and write: a complete verdict, once this returns."""
        facts = await asyncio.to_thread(self._book.facts)
        told = await watching.look(session, self._settings.watched)
        listed = await self._list(session, facts)
        done = await asyncio.to_thread(self.conclude, told, facts, listed)
        self._known.verdict_at = time.monotonic()
        self._known.overall = done.overall
        self._known.conditions = done.judgement.conditions
        self._known.waiting = await asyncio.to_thread(self._book.waiting)
        self._known.facts = facts | done.facts
        for notice in done.judgement.notices:
            extra = {"about": " ".join(notice.finding.key), "word": notice.finding.word}
            log.warning("an alert is posted", extra=extra | {"kind": str(notice.kind)})
        return done

    def conclude(
        self, told: tuple[Told, ...], facts: dict[str, str], listed: dict[str, str | Letter]
    ) -> Round:
        """Judge and write in one go."""
        now, rules, zone = self._now(), self._settings.rules, self._settings.zone
        new = {name: value for name, value in listed.items() if isinstance(value, str)}
        letters = [value for value in listed.values() if isinstance(value, Letter)]
        new |= _first_facts(now, facts, told)
        heard = [float(facts[HEARD])] if HEARD in facts else []
        heard += [one.last_captured for one in told if one.last_captured is not None]
        if heard:
            new[HEARD] = repr(max(heard))
        known = facts | new
        others: list[Finding | None] = [
            calendar.silence(
                now,
                max(heard, default=float(known[SINCE])),
                rules,
                zone,
                ever=bool(heard),
            )
        ]
        others += [
            calendar.phone(now, one.watched.name, float(known[phone_fact(one.watched.name)]), rules)
            for one in told
            if one.watched.bridge
        ]
        word = overall(told)
        before, waiting = self._book.conditions(), self._book.waiting_keys()
        judgement = judge(now, observe(told, others), before, waiting, rules)
        letters += [letter_of(notice, word.name, zone) for notice in judgement.notices]
        sinks = self._settings.sink_names
        self._book.settle(judgement.conditions, letters, sinks, now, new)
        return Round(judgement, word, tuple(letters), new)

    async def _list(
        self, session: aiohttp.ClientSession, facts: dict[str, str]
    ) -> dict[str, str | Letter]:
        """The daily list of near misses when it is due: a fact to note, and perhaps a letter."""
        rules, zone = self._settings.rules, self._settings.zone
        due = date.fromisoformat(calendar.list_day(self._now(), rules, zone))
        if LISTED not in facts:
            return {LISTED: due.isoformat()}
        listed = date.fromisoformat(facts[LISTED])
        if listed >= due:
            return {}
        day = max(listed + timedelta(days=1), due - timedelta(days=LIST_DAYS - 1)).isoformat()
        bridges = [one for one in self._settings.watched if one.bridge]
        lists: dict[str, NearMissList] = {}
        for bridge in bridges:
            try:
                lists[bridge.name] = await watching.near_misses(
                    session, bridge, self._settings.api_token, day
                )
            except (OSError, aiohttp.ClientError, ValueError) as trouble:
                extra = {"bridge": bridge.name, "day": day, "reason": type(trouble).__name__}
                log.warning("the near misses are not known yet", extra=extra)
        if self._list_wanted_since is None:
            self._list_wanted_since = time.monotonic()
        patient = time.monotonic() - self._list_wanted_since < LIST_PATIENCE_S
        if not lists or (patient and len(lists) < len(bridges)):
            return {}
        self._list_wanted_since = None
        letter = list_letter(day, lists, zone)
        return {LISTED: day} | ({"letter": letter} if letter else {})

    async def beat(self, session: aiohttp.ClientSession) -> None:
        """Ping the heartbeat, at most once a minute, if the verdict that was just written allows.

        Whoever waits for the ping raises the alarm when it stays away: when nothing is captured,
        when alerts cannot be delivered, and when this service is not there.
        """
        url = self._settings.heartbeat_url
        if not url or time.monotonic() < self._beat_due:
            return
        if self._known.overall is Overall.CRITICAL:
            self._say(Beat("held back", "the stack is CRITICAL"))
            return
        oldest = min((one.oldest_at for one in self._known.waiting), default=self._now())
        if self._now() - oldest > WAIT_MOST_S:
            self._say(Beat("held back", "an alert cannot be delivered"))
            return
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with session.get(url, timeout=timeout) as answer:
                answered = answer.status
        except (OSError, aiohttp.ClientError) as trouble:
            # Never the trouble's own words: they have the address in them.
            self._say(Beat("failing", f"it could not be reached: {type(trouble).__name__}"))
            return
        if answered >= 300:  # noqa: PLR2004 - whatever is not a success
            self._say(Beat("failing", f"it was answered with {answered}"))
            return
        self._beat_due = time.monotonic() + HEARTBEAT_S
        self._say(Beat("sent", "after the last complete verdict"))

    def _say(self, beat: Beat) -> None:
        if beat != self._known.beat and beat.word != "sent":
            log.warning("the heartbeat is not sent", extra={"reason": beat.reason})
        self._known.beat = beat


def _first_facts(now: float, facts: dict[str, str], told: tuple[Told, ...]) -> dict[str, str]:
    """What is remembered from the first look on."""
    names = [SINCE, *(phone_fact(one.watched.name) for one in told if one.watched.bridge)]
    return {name: repr(now) for name in names if name not in facts}
