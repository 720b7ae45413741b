"""The table of a benchmark run, written into docs/measurements.md between two marks."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.conftest import ROOT, docker

PAGE = ROOT / "docs" / "measurements.md"
BEGIN = "<!-- bench: begin; written by `make bench` -->"
END = "<!-- bench: end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what, how much, the floor beside it, what it must reach, and whether it does."""

    what: str
    seen: str
    floor: str
    must: str
    reached: bool | None
    """None where the figure is only reported."""

    def line(self) -> str:
        """A row of the table."""
        verdict = {True: "yes", False: "**no**", None: "reported"}[self.reached]
        return f"| {self.what} | {self.seen} | {self.floor} | {self.must} | {verdict} |"


def machine() -> str:
    """Where it was measured, in a sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**3
    engine = docker("version", "--format", "{{.Server.Version}}").strip()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    ).stdout.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}, {os.cpu_count()} cores, {memory} GiB, "
        f"kernel {platform.release()}, engine {engine}; command: `make bench`."
    )


def render(rows: list[Row], seen: str) -> str:
    """The table with its marks."""
    head = ("| what | seen | floor in the same run | must reach | reached |", f"|{' --- |' * 5}")
    return "\n".join([BEGIN, seen, "", *head, *(row.line() for row in rows), END])


def write(rows: list[Row], page: Path = PAGE) -> None:
    """Put the table into the page in place of the one before."""
    text = page.read_text()
    before, found, rest = text.partition(BEGIN)
    if not found:
        raise ValueError(f"{page} has no place for the table: {BEGIN}")
    page.write_text(before + render(rows, machine()) + rest.partition(END)[2])
