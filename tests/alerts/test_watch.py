"""A look at real servers: what is asked, judged and written, over a clock that the test turns."""

import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from alerts.book import Book
from alerts.delivery import Sink
from alerts.health import Known, judge_health, judge_phones, phone_fact
from alerts.metrics import render
from alerts.settings import Settings
from alerts.watch import Watch
from contracts.health import Part
from contracts.status import Overall
from tests.alerts.bridges import TOKEN, Answering, answering
from tests.alerts.sinks import SECRET, listening
from tests.alerts.test_judgement import RULES

ZONE = ZoneInfo("Africa/Johannesburg")
MORNING = datetime(2026, 11, 27, 8, 0, tzinfo=ZONE).timestamp()
HOUR = 3600.0
LOST = Part("whatsapp", ok=False, word="logged out", reason="by the phone 27820000001")


class Watching:
    """Two bridges, a service, the book, and a clock that stands still until it is turned."""

    def __init__(
        self, book: Path, watched: list[Answering], session: aiohttp.ClientSession
    ) -> None:
        self.primary, self.backup, self.monitor = watched
        self.now = MORNING
        self.session = session
        self.book = Book(book)
        self.settings = Settings(
            rules=replace(RULES, confirm_s=0),
            zone=ZONE,
            watched=tuple(one.watched for one in watched),
            sinks=(Sink.of("json://127.0.0.1:1/"),),
            heartbeat_url="",
            api_token=TOKEN,
            book=book,
            port=0,
            log_level="INFO",
            log_format="text",
        )
        self.book.prepare(self.settings.sink_names)
        self.restart()

    def restart(self) -> None:
        """A new process with the same book."""
        at = time.monotonic()
        self.known = Known(at, at)
        self.watch = Watch(self.settings, self.book, self.known, lambda: self.now)

    async def look(self, later_s: float = 0.0) -> list[str]:
        """Turn the clock, look once; the titles of what is to be sent."""
        self.now += later_s
        for bridge in (self.primary, self.backup):
            if bridge.last_captured is not None:
                bridge.last_captured = max(bridge.last_captured, self.now - 60)
        done = await self.watch.look_once(self.session)
        return [letter.title for letter in done.letters]

    def posted(self) -> list[str]:
        """The bodies in the outbox, oldest first, as a sink would get them."""
        bodies = []
        (name,) = self.settings.sink_names
        while due := self.book.next_for(name):
            bodies.append(due.letter.body)
            self.book.record(due.id, name, "", self.now)
        return bodies


@pytest.fixture
def servers() -> Iterator[list[Answering]]:
    """All that is watched, fit."""
    with ExitStack() as open_things:
        yield [
            open_things.enter_context(answering(name, bridge=name != "monitor-prod"))
            for name in ("primary", "backup", "monitor-prod")
        ]


@pytest.fixture
async def watching(tmp_path: Path, servers: list[Answering]) -> AsyncIterator[Watching]:
    """They are watched, and were fit when they were first looked at."""
    async with aiohttp.ClientSession() as session:
        made = Watching(tmp_path / "alerts.db", servers, session)
        made.primary.last_captured = MORNING
        assert await made.look() == []
        yield made


async def test_a_bridge_that_is_lost_and_found(watching: Watching) -> None:
    """The part is named with its word and reason, without a phone number, and with what remains of
    the stack; a process that is started anew does not tell it again.
    """
    watching.primary.parts, watching.primary.ok = (LOST,), False
    assert await watching.look() == ["primary whatsapp: logged out"]
    watching.restart()
    assert await watching.look() == []
    assert watching.known.overall is Overall.DEGRADED

    watching.primary.parts, watching.primary.ok = (replace(LOST, ok=True, word="connected"),), True
    assert await watching.look(60) == ["recovered: primary whatsapp"]
    told, recovered = watching.posted()
    assert "27820000001" not in told
    assert "Overall: DEGRADED" in told
    assert "Since 2026-11-27 08:00 SAST." in told
    assert recovered.endswith("Overall: REDUNDANT")


async def test_one_message_for_a_bridge_that_is_gone(watching: Watching) -> None:
    """Not one for each question that it does not answer; both gone are CRITICAL."""
    watching.primary.parts = None
    assert await watching.look() == ["primary health: unreachable"]
    watching.backup.parts = None
    assert await watching.look() == ["backup health: unreachable"]
    assert watching.known.overall is Overall.CRITICAL


async def test_yellow_parts_and_publishing_and_services(watching: Watching) -> None:
    """What needs a person is told although a message sent now would be captured."""
    watching.backup.parts = (Part("capture", ok=False, word="loss", reason="1 detected"),)
    watching.backup.publishing = Part("publishing", ok=False, word="refused", reason="password")
    watching.monitor.parts, watching.monitor.ok = (), False
    assert set(await watching.look()) == {
        "backup capture: loss",
        "backup publishing: refused",
        "monitor-prod health: down",
    }


async def test_silence_is_an_alarm_and_a_message_ends_it(watching: Watching) -> None:
    """Whatever the bridges say, no message for four working hours is told; what was heard is
    remembered over a restart of everything.
    """
    watching.primary.last_captured = None
    assert await watching.look(3.5 * HOUR) == []
    assert await watching.look(0.6 * HOUR) == ["stack silence: silent"]
    watching.restart()
    assert await watching.look() == []
    watching.backup.last_captured = watching.now
    assert await watching.look() == ["recovered: stack silence"]


async def test_a_phone_is_reminded_of_until_somebody_opened_it(watching: Watching) -> None:
    """After seven days, once a day, for each number; a person's word ends it, health shows it."""
    assert await watching.look(6.9 * 24 * HOUR) == []
    assert set(await watching.look(0.2 * 24 * HOUR)) == {"primary phone: due", "backup phone: due"}
    watching.posted()
    watching.book.note({phone_fact("primary"): repr(watching.now)})
    assert await watching.look(24 * HOUR) == [
        "still: backup phone: due",
        "recovered: primary phone",
    ]

    parts = judge_phones(watching.known, ["primary", "backup"], watching.now, RULES)
    assert [(part.name, part.ok, part.word) for part in parts] == [
        ("phone primary", True, "opened"),
        ("phone backup", False, "due"),
    ]


def near_miss(identity: str, found: str) -> dict[str, str]:
    """One near miss as a bridge lists it."""
    return {
        "project": "Lawley",
        "chat": "120363418298130331@g.us",
        "id": identity,
        "sent_at": "2026-11-27T09:30:00+00:00",
        "user_name": "Thabo",
        "found": found,
        "excerpt": f"done {found} thanks",
    }


async def test_the_daily_list_of_near_misses(watching: Watching) -> None:
    """Yesterday's, in the morning, once, from both bridges without doubles; no list, no message."""
    watching.primary.near_misses = {"2026-11-27": [near_miss("A", "DR12345")]}
    both = [near_miss("A", "DR12345"), near_miss("B", "DR 123 4567")]
    watching.backup.near_misses = {"2026-11-27": both}
    assert await watching.look(22 * HOUR) == []
    assert await watching.look(1 * HOUR) == ["near misses of 2026-11-27: 2"]
    assert await watching.look(HOUR) == []
    assert await watching.look(24 * HOUR) == []
    (body,) = watching.posted()
    assert body.splitlines()[:2] == [
        "Lawley, 11:30, Thabo: done DR12345 thanks",
        "Lawley, 11:30, Thabo: done DR 123 4567 thanks",
    ]


async def test_the_list_waits_for_a_bridge_that_is_away(watching: Watching) -> None:
    """It is sent when the bridge is back; a day that was missed is made up for."""
    days = {"2026-11-27": [near_miss("A", "DR12345")], "2026-11-28": [near_miss("B", "DR54321")]}
    watching.primary.near_misses = days
    watching.backup.parts = None
    assert await watching.look(48 * HOUR) == ["backup health: unreachable"]
    watching.backup.parts = ()
    assert "near misses of 2026-11-27: 1" in await watching.look()
    assert await watching.look() == ["near misses of 2026-11-28: 1"]


async def test_the_heartbeat(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """Pinged after a complete verdict, at most once a minute; never while nothing is captured or an
    alert cannot be delivered; its address is in no log.
    """
    with listening() as outside:
        watching.settings = replace(watching.settings, heartbeat_url=outside.http)
        watching.restart()
        await watching.look()
        await watching.watch.beat(watching.session)
        await watching.watch.beat(watching.session)
        assert len(outside.asked) == 1
        assert watching.known.beat.word == "sent"

        watching.restart()
        watching.primary.parts = watching.backup.parts = None
        await watching.look()
        await watching.watch.beat(watching.session)
        assert (len(outside.asked), watching.known.beat.word) == (1, "held back")

        watching.primary.parts = watching.backup.parts = ()
        await watching.look(HOUR)
        await watching.watch.beat(watching.session)
        assert (len(outside.asked), watching.known.beat.word) == (1, "held back")
        watching.posted()
        outside.refusing = True
        await watching.look()
        await watching.watch.beat(watching.session)
        assert (len(outside.asked), watching.known.beat.word) == (2, "failing")
    await watching.watch.beat(watching.session)
    assert watching.known.beat.word == "failing"
    assert SECRET not in caplog.text + str(watching.known.beat)


async def test_health_of_alerts(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """Fit while the last complete verdict is young and alerts are delivered; who acknowledged is
    seen; a status older than five minutes is none.
    """
    caplog.set_level(logging.INFO)

    def words(later_s: float = 0.0, sinks: int = 1) -> tuple[bool, dict[str, str]]:
        verdict = judge_health(
            watching.known, time.monotonic() + later_s, watching.now + later_s, sinks
        )
        return verdict.ok, {part.name: part.word for part in verdict.parts}

    fit = {"watch": "current", "sinks": "delivering", "heartbeat": "off", "faults": "none"}
    assert words() == (True, fit)
    assert words(301) == (False, fit | {"watch": "outdated"})
    assert words(sinks=0) == (True, fit | {"sinks": "nobody"})

    watching.primary.parts, watching.primary.ok = (LOST,), False
    await watching.look()
    await watching.look()
    assert words() == (True, fit | {"faults": "told"})
    assert words(290) == (True, fit | {"faults": "told"})
    await watching.look(301)
    assert words() == (False, fit | {"faults": "told", "sinks": "waiting"})
    figures = render(watching.known, time.monotonic()).decode()
    assert "twinbridge_overall 2.0" in figures
    assert "twinbridge_alerts_undelivered 1.0" in figures
    assert 'acknowledged="no",part="whatsapp",subject="primary",word="logged out"} 1.0' in figures
    watching.posted()
    watching.book.acknowledge(watching.book.conditions().values())
    await watching.look()
    assert words() == (True, fit | {"faults": "acknowledged"})
    assert "by the phone" not in caplog.text
