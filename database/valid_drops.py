"""Lists of valid drops: a CSV file of people, judged row by row, and brought into the list."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from contracts.drops import DropPattern, find_drops
from contracts.environments import in_schema
from contracts.ledger import IMPORT_VALID_DROPS

COLUMN = "drop_number"

AT_ONCE = 5_000
"""Drops in one transaction, which holds the ledger alone."""


@dataclass(frozen=True, slots=True)
class DropList:
    """The drops of a file, each once; or every row that is wrong, named."""

    drops: tuple[str, ...]
    problems: tuple[str, ...]


def read_list(text: str, file: str, pattern: DropPattern) -> DropList:
    """Judge a CSV file: a column `drop_number`, or the first one; empty rows do not count."""
    drops: dict[str, None] = {}
    problems = []
    try:
        for line, value in _values(text):
            found = find_drops(value, pattern)
            if len(found) == 1 and _plain(found[0]).endswith(_plain(value).removeprefix("DROP")):
                drops[found[0]] = None
            else:
                problems.append(f"{file}, line {line}: {value!r} is no drop of this project")
    except csv.Error as broken:
        problems.append(f"{file}: not a CSV file: {broken}")
    if not drops and not problems:
        problems.append(f"{file}: there is no drop in it")
    return DropList(tuple(drops), tuple(problems))


def _values(text: str) -> Iterator[tuple[int, str]]:
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    place = 0
    for number, row in enumerate(rows):
        if number == 0 and COLUMN in (heads := [cell.strip().lower() for cell in row]):
            place = heads.index(COLUMN)
        elif any(cell.strip() for cell in row):
            yield rows.line_num, row[place].strip() if place < len(row) else ""


def _plain(value: str) -> str:
    return "".join(character for character in value.upper() if character.isalnum())


def import_drops(
    connection: psycopg.Connection[tuple[object, ...]],
    environment: str,
    project: str,
    drops: Sequence[str],
) -> int:
    """Add drops to a project's list; returns how many were not in it. Raises psycopg.Error."""
    statement = in_schema(IMPORT_VALID_DROPS, environment)
    added = 0
    for start in range(0, len(drops), AT_ONCE):
        some = list(drops[start : start + AT_ONCE])
        row = connection.execute(statement, (project, some)).fetchone()
        added += int(str(row[0])) if row else 0
    return added
