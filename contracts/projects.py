"""config/projects.yaml: written by people, read by bridge and monitor.

Which group belongs to which project, what a drop looks like there, and from when on it counts.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from contracts.drops import DEFAULT_PATTERN, DropPattern, compile_pattern
from contracts.entries import Entry
from contracts.problems import ConfigurationError

ENVIRONMENTS = ("prod", "dev")

EXTRACTION_VERSION = 1
"""Grows when `contracts.drops` finds other drops for one pattern: stored texts are replayed."""

_GROUP = re.compile(r"\d{10,20}(-\d{5,12})?@g\.us", re.ASCII)


@dataclass(frozen=True, slots=True)
class Project:
    """A project and its one WhatsApp group.

    `starts_at` is UTC; messages sent before it are stored and not acted on. `rules_hash` changes
    whenever the same stored messages could lead to other mentions, and only then.
    """

    name: str
    group: str
    environments: tuple[str, ...]
    pattern: DropPattern
    starts_at: datetime | None
    rules_hash: str
    valid_drops: bool = False
    """Only drops of the project's list become reviews; the list is in the database."""


@dataclass(frozen=True, slots=True)
class Projects:
    """All projects, and what holds for each of them.

    `timezone` decides which day a message belongs to; a message older than `horizon_days` is not
    acted on by itself; mentions by one author within `same_submission_minutes` are one submission.
    """

    projects: tuple[Project, ...]
    timezone: ZoneInfo
    horizon_days: int
    same_submission_minutes: int

    def by_group(self, jid: str) -> Project | None:
        """The project whose group this is, or None for a group that nobody configured."""
        return next((project for project in self.projects if project.group == jid), None)

    def of(self, environment: str) -> tuple[Project, ...]:
        """The projects that this environment acts on."""
        return tuple(p for p in self.projects if environment in p.environments)

    def acted_on_since(self, project: Project, now: datetime) -> datetime:
        """Mentions sent before this are stored, and wait for somebody to release them."""
        horizon = now - timedelta(days=self.horizon_days)
        return max(horizon, project.starts_at) if project.starts_at else horizon


def load_projects(path: Path) -> Projects:
    """Read projects.yaml.

    Raises:
        ConfigurationError: with everything that is wrong in the file.
    """
    top, problems = Entry.read(path)
    zone = top.parsed("timezone", _zone, "Africa/Johannesburg")
    horizon_days = top.number("horizon_days", 30, 1, 3_650)
    same_submission_minutes = top.number("same_submission_minutes", 10, 0, 1_440)
    entries = top.list("projects")
    projects = [_project(entry, zone or ZoneInfo("UTC")) for entry in entries]
    top.close()
    for field in ("name", "group"):
        _refuse_twins(entries, field, [getattr(project, field) for project in projects])
    if problems:
        raise ConfigurationError(problems)
    return Projects(tuple(projects), zone or ZoneInfo("UTC"), horizon_days, same_submission_minutes)


def _project(entry: Entry, zone: ZoneInfo) -> Project:
    name = entry.parsed("name", _name) or ""
    group = entry.parsed("group", _group) or ""
    environments = entry.texts("environments", ("prod",), ENVIRONMENTS)
    pattern = entry.parsed("pattern", compile_pattern, DEFAULT_PATTERN)
    starts_at = None
    if entry.has("starts_at"):
        starts_at = entry.parsed("starts_at", lambda text: _moment(text, zone))
    valid_drops = entry.yes_or_no("valid_drops", default=False)
    entry.close()
    pattern = pattern or compile_pattern(DEFAULT_PATTERN)
    rules = [EXTRACTION_VERSION, name, group, pattern.source, str(starts_at)]
    rules_hash = hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:16]
    return Project(name, group, environments, pattern, starts_at, rules_hash, valid_drops)


def _refuse_twins(entries: list[Entry], field: str, values: list[str]) -> None:
    # "lawley" and "Lawley" would be two projects for the database and one for everybody else.
    seen: set[str] = set()
    for entry, value in zip(entries, values, strict=True):
        if value and value.casefold() in seen:
            entry.wrong(field, value, "stands in two projects")
        seen.add(value.casefold())


def _name(text: str) -> str:
    if len(text) > 100 or text != text.strip() or not text.isprintable():  # noqa: PLR2004
        raise ValueError("a name has at most 100 characters, without spaces around it")
    return text


def _group(text: str) -> str:
    if not _GROUP.fullmatch(text):
        raise ValueError("not a group JID: it looks like 120363400000000000@g.us")
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError) as unknown:
        raise ValueError("not a time zone: it looks like Africa/Johannesburg") from unknown


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """A date (midnight in the zone) or a date with a time, as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) <= len("2026-11-24"):
            moment = datetime.combine(date.fromisoformat(text), time(), zone)
    except ValueError as wrong:
        raise ValueError("not a date: it looks like 2026-11-24 or 2026-11-24T06:00:00") from wrong
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError("not a date that anybody meant") from wrong
