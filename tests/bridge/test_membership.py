"""In which groups this number is: asked at the login, at each change, and every hour."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from neonize.exc import NeonizeError

from bridge.connection import Connection, Word
from bridge.membership import Membership, Pace
from bridge.store import Store
from bridge.whatsapp import Group
from contracts.projects import Projects
from tests.bridge.filled import rules

ELSEWHERE = "120363000000000099@g.us"


@dataclass
class Client:
    """What WhatsApp would answer, and how often it was asked."""

    told: tuple[str, ...] = ()
    trouble: str = ""
    asked: int = 0
    numbers: dict[str, str] = field(default_factory=dict)

    def groups(self) -> tuple[Group, ...]:
        """As told; the snapshots are empty, and so nothing is learned from them."""
        self.asked += 1
        if self.trouble:
            raise NeonizeError(self.trouble)
        return tuple(Group(jid, "subject", 2, b"") for jid in self.told)

    def pn_of(self, lid: str) -> str:
        """As known."""
        return self.numbers.get(lid, "")


@dataclass
class Line:
    """A connection that is up."""

    whatsapp: Client = field(default_factory=Client)
    state: Connection = field(default_factory=lambda: Connection(word=Word.CONNECTED))
    groups_changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Watched:
    """A membership that is being watched."""

    line: Line
    membership: Membership
    projects: Projects

    async def until(self, probe: Callable[[], bool]) -> None:
        """Wait for it, at most a minute."""
        async with asyncio.timeout(60):
            while not probe():
                await asyncio.sleep(0.01)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """Watched with short pauses; the hour is still an hour."""
    async with watching(tmp_path, Pace(settle_s=0.01, failed_s=0.01)) as there:
        yield there


@asynccontextmanager
async def watching(volume: Path, pace: Pace) -> AsyncIterator[Watched]:
    """A number that is in a group of no project."""
    with Store(volume, "primary") as store:
        line, projects = Line(), rules()
        line.whatsapp.told = (ELSEWHERE,)
        subject = Membership(line, store, projects, pace)
        task = asyncio.create_task(subject.watch_groups())
        yield Watched(line, subject, projects)
        task.cancel()
        await asyncio.wait([task])


async def test_the_groups_are_asked_for_at_the_start(watched: Watched) -> None:
    """Every project in whose group this number is not is named."""
    await watched.until(lambda: watched.membership.known)
    assert watched.membership.absent_from == {one.name for one in watched.projects.projects}
    assert set(watched.membership.member_since) == {ELSEWHERE}


async def test_a_change_is_a_question(watched: Watched) -> None:
    """Who adds the number to a group sees it within seconds, and when it was added is kept."""
    await watched.until(lambda: watched.membership.known)
    since = watched.membership.member_since[ELSEWHERE]
    project = watched.projects.projects[0]
    watched.line.whatsapp.told = (ELSEWHERE, project.group)
    watched.line.groups_changed.set()
    await watched.until(lambda: project.group in watched.membership.member_since)
    assert project.name not in watched.membership.absent_from
    assert watched.membership.member_since[ELSEWHERE] == since


async def test_the_groups_are_asked_for_again_without_any_event(tmp_path: Path) -> None:
    """Once an hour: a change that no notification told is found."""
    assert Pace().ask_again_s == 3600
    async with watching(tmp_path, Pace(settle_s=0.01, ask_again_s=0.01)) as there:
        await there.until(lambda: there.line.whatsapp.asked >= 5)


async def test_what_was_not_answered_is_asked_again(watched: Watched) -> None:
    """Until then what was known before stands."""
    await watched.until(lambda: watched.membership.known)
    watched.line.whatsapp.trouble = "no answer"
    asked = watched.line.whatsapp.asked
    watched.line.groups_changed.set()
    await watched.until(lambda: watched.line.whatsapp.asked >= asked + 3)
    assert set(watched.membership.member_since) == {ELSEWHERE}
    watched.line.whatsapp.trouble = ""
    watched.line.whatsapp.told = ()
    await watched.until(lambda: not watched.membership.member_since)
