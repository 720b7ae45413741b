"""What the monitor's tests share: projects of their own, stores in other processes, monitors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from contracts.messages import messages_file
from contracts.projects import load_projects
from monitor.application import Application
from monitor.file import MessagesFile
from monitor.following import Follower, Pace
from monitor.health import judge
from monitor.status import Status
from monitor.waking import watched

GROUP = "120363000000000001@g.us"
OTHER = "120363000000000002@g.us"
QUICK = Pace(first_retry_s=0.05, longest_retry_s=0.2, waiting_s=0.2, compare_again_s=0.5)


def write_projects(folder: Path, **changes: object) -> Path:
    """A config folder with two projects of prod and dev; `changes` go to the first one."""
    folder.mkdir(parents=True, exist_ok=True)
    both = ["prod", "dev"]
    projects = [
        {"name": "Lawley", "group": GROUP, "environments": both, **changes},
        {"name": "Mohadin", "group": OTHER, "environments": both},
    ]
    (folder / "projects.yaml").write_text(yaml.safe_dump({"projects": projects}))
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The folder with projects.yaml."""
    return write_projects(tmp_path / "config")


@dataclass(slots=True)
class Monitor:
    """A monitor at work in this process."""

    status: Status
    task: "asyncio.Task[None]"

    async def until(self, what: str, probe: Callable[[], object], within_s: float = 90) -> None:
        """Wait for something; the deadline only gives a hang its name."""
        try:
            async with asyncio.timeout(within_s):
                while not await asyncio.to_thread(probe):
                    assert not self.task.done(), self.task.exception()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {what}; {self.status}") from None

    async def until_read(self, seq: int) -> None:
        """Wait until everything up to there is applied."""
        await self.until(f"read to {seq}", lambda: (self.status.following.read_seq or -1) >= seq)

    async def until_compared(self) -> None:
        """Wait until the file has been compared with the ledger."""
        await self.until("compared", lambda: self.status.lacked is not None)

    def part(self, name: str) -> Any:  # noqa: ANN401 - a Part
        """A part of its health."""
        return next(part for part in judge(self.status.facts()).parts if part.name == name)


Monitoring = Callable[..., AbstractAsyncContextManager[Monitor]]


@pytest.fixture
def monitoring(config: Path) -> Monitoring:
    """Run a monitor of a volume beside the test."""

    @asynccontextmanager
    async def run(
        volume: Path, url: str, environment: str = "prod", pace: Pace = QUICK
    ) -> AsyncIterator[Monitor]:
        status = Status()
        wake = asyncio.Event()
        file = messages_file(volume)
        projects = load_projects(config / "projects.yaml")
        follower = Follower(
            MessagesFile(file),
            wake,
            lambda: url,
            Application(projects, environment, status),
            status,
            environment,
            learn_own_numbers=environment == "dev",
            pace=pace,
        )
        async with watched(file.parent, wake):
            task = asyncio.create_task(follower.run())
            try:
                yield Monitor(status, task)
                assert not task.done(), task.exception()
            finally:
                task.cancel()
                await asyncio.wait([task])

    return run


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask Postgres."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


REVIEWS = """
SELECT drop_number, project, whatsapp_message_date, submitted_by, user_name, resubmitted,
       incomplete, comment, review_date FROM public.qa_photo_reviews ORDER BY drop_number
"""
MENTIONS = """
SELECT drop_number, chat, message_id, project, sent_at, author_lid, author_pn, user_name,
       withdrawn, as_of, as_of_id, held_back, heard_by, applied_at IS NULL
FROM public.drop_mentions ORDER BY drop_number, chat, message_id
"""
INVALID = """
SELECT drop_number, project, chat, message_id, sent_at, submitted_by, user_name, reason,
       review_project FROM public.invalid_drop_submissions ORDER BY drop_number, message_id
"""


def rows(url: str) -> tuple[list[tuple[Any, ...]], ...]:
    """Everything that mentions make, without the moments at which they were recorded."""
    return tuple(ask(url, statement) for statement in (REVIEWS, MENTIONS, INVALID))
