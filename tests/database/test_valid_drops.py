"""Lists of valid drops: what a project accepts, and how its list is filled."""

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts.drops import DEFAULT_PATTERN, compile_pattern
from contracts.ledger import Mention, encode_mentions
from database.valid_drops import import_drops, read_list

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PATTERN = compile_pattern(DEFAULT_PATTERN)
ROOT = Path(__file__).parents[2]

REVIEWS = "SELECT drop_number, project FROM public.qa_photo_reviews ORDER BY 1"
INVALID = (
    "SELECT drop_number, message_id, reason, submitted_by FROM public.invalid_drop_submissions"
    " ORDER BY drop_number, message_id, reason"
)


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask Postgres."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def mention(drop: str, id_: str, project: str = "Lawley", minutes: int = 0) -> Mention:
    """A message naming a drop."""
    at = NOON + timedelta(minutes=minutes)
    group = f"12036300000000000{len(project)}@g.us"
    return Mention(drop, group, id_, project, at, at, id_, author_pn="27820000060")


def record(url: str, *mentions: Mention, bridge: str = "primary") -> None:
    """As a bridge or a monitor does."""
    record_them = "SELECT public.record_mentions(%s, %s::jsonb)"
    ask(url, record_them, bridge, encode_mentions(sorted(mentions)))


def configure(url: str, *projects: str) -> None:
    """As the migration does by projects.yaml."""
    ask(url, "SELECT public.configure_lists(%s)", list(projects))


def import_into(url: str, project: str, *drops: str) -> int:
    """As the verb does."""
    with psycopg.connect(url, autocommit=True) as connection:
        return import_drops(connection, "prod", project, drops)


def test_only_drops_of_the_list_become_reviews(database_url: str) -> None:
    """Others are listed once per message, whoever heard them; other projects have no list."""
    configure(database_url, "Lawley")
    assert import_into(database_url, "Lawley", "DR1000001", "DR1000009") == 2
    assert import_into(database_url, "Lawley", "DR1000001", "DR1000008") == 1
    for bridge in ("primary", "backup"):
        record(
            database_url,
            mention("DR1000001", "M1"),
            mention("DR1000002", "M2"),
            mention("DR1000002", "M3", minutes=30),
            mention("DR1000003", "M4", "Mohadin"),
            bridge=bridge,
        )
    assert ask(database_url, REVIEWS) == [("DR1000001", "Lawley"), ("DR1000003", "Mohadin")]
    assert ask(database_url, INVALID) == [
        ("DR1000002", "M2", "not_in_list", "27820000060"),
        ("DR1000002", "M3", "not_in_list", "27820000060"),
    ]


def test_a_drop_that_comes_into_the_list_becomes_a_review(database_url: str) -> None:
    """What was refused is not forgotten: with the list, the row is made of all its mentions."""
    configure(database_url, "Lawley")
    record(database_url, mention("DR1000002", "M2"), mention("DR1000002", "M3", minutes=30))
    assert ask(database_url, REVIEWS) == []
    import_into(database_url, "Lawley", "DR1000002")
    assert ask(database_url, REVIEWS) == [("DR1000002", "Lawley")]
    assert ask(database_url, "SELECT resubmitted FROM public.qa_photo_reviews") == [(True,)]
    assert ask(database_url, INVALID) == []


def test_a_review_that_is_there_stays(database_url: str) -> None:
    """A list that is asked for later removes nothing; a later mention of a drop outside it is
    listed, and without the list all is as before.
    """
    record(database_url, mention("DR1000001", "M1"))
    configure(database_url, "Lawley")
    record(database_url, mention("DR1000001", "M2", minutes=60))
    assert ask(database_url, REVIEWS) == [("DR1000001", "Lawley")]
    assert ask(database_url, "SELECT resubmitted FROM public.qa_photo_reviews") == [(False,)]
    assert [row[1:3] for row in ask(database_url, INVALID)] == [
        ("M1", "not_in_list"),
        ("M2", "not_in_list"),
    ]
    configure(database_url)
    assert ask(database_url, INVALID) == []
    assert ask(database_url, "SELECT resubmitted FROM public.qa_photo_reviews") == [(True,)]


def test_a_refused_drop_does_not_stand_in_another_project_s_way(database_url: str) -> None:
    """A number that the first project's list refuses belongs to the second one that names it."""
    configure(database_url, "Lawley")
    record(
        database_url, mention("DR1000001", "M1"), mention("DR1000001", "M2", "Mohadin", minutes=5)
    )
    assert ask(database_url, REVIEWS) == [("DR1000001", "Mohadin")]
    assert [row[1:3] for row in ask(database_url, INVALID)] == [("M1", "not_in_list")]


def test_a_file_is_read_by_its_column_or_its_first_one() -> None:
    """Spreadsheets write a mark at the beginning, columns of their own, empty rows, and spaces."""
    by_name = (
        "\ufeffaddress,Drop_Number\r\n1 Main Road, dr 1234567 \r\n,\r\n2 Main Road,DR-7654321\r\n"
    )
    assert read_list(by_name, "a.csv", PATTERN).drops == ("DR1234567", "DR7654321")
    assert read_list("DR1234567\nDR1234567\n\nDR7654321", "a.csv", PATTERN).drops == (
        "DR1234567",
        "DR7654321",
    )
    assert read_list("1234567", "a.csv", compile_pattern(r"(?:DR)?(\d{7})")).drops == ("DR1234567",)


def test_every_wrong_row_is_named() -> None:
    """File, line and value of each; a file without any drop is wrong too."""
    text = "drop_number\nDR1234567\nDR12\nDR1234567 and DR7654321\nnot DR1234567\n"
    assert read_list(text, "a.csv", PATTERN).problems == (
        "a.csv, line 3: 'DR12' is no drop of this project",
        "a.csv, line 4: 'DR1234567 and DR7654321' is no drop of this project",
        "a.csv, line 5: 'not DR1234567' is no drop of this project",
    )
    assert read_list("drop_number\n", "a.csv", PATTERN).problems == (
        "a.csv: there is no drop in it",
    )


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """A project with a list."""
    file = tmp_path / "projects.yaml"
    file.write_text(
        textwrap.dedent("""
            projects:
              - name: Velo Test
                group: 120363000000000001@g.us
                environments: [prod, dev]
                valid_drops: true
        """)
    )
    return file


def test_the_verb_imports_all_or_nothing(
    empty_database_url: str, tmp_path: Path, projects: Path
) -> None:
    """`migrate` tells the database which projects have a list; the import goes to every environment
    of the project; a wrong row or an unknown project is said, and nothing is imported.
    """

    def verb(*arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        program = textwrap.dedent("""
            import sys
            from pathlib import Path
            import database.settings
            database.settings.PROJECTS = Path(sys.argv.pop(1))
            from database.__main__ import main
            sys.exit(main())
        """)
        return subprocess.run(
            [sys.executable, "-c", program, str(projects), *arguments],
            env=os.environ | {"DATABASE_URL": empty_database_url},
            capture_output=True,
            input=text,
            text=True,
            cwd=ROOT,
            timeout=90,
            check=False,
        )

    assert verb("migrate").returncode == 0
    assert ask(empty_database_url, "SELECT project FROM public.listed_projects") == [("Velo Test",)]
    wrong = verb(
        "import-valid-drops", "Velo Test", "-", "--named", "d.csv", text="DR1234567\nDR1\n"
    )
    assert wrong.returncode == 1
    assert "d.csv, line 2: 'DR1' is no drop of this project" in wrong.stderr
    assert ask(empty_database_url, "SELECT count(*) FROM public.valid_drops") == [(0,)]
    file = tmp_path / "drops.csv"
    file.write_text("DR1234567\nDR7654321\n")
    done = verb("import-valid-drops", "Velo Test", str(file))
    assert done.returncode == 0, done.stderr
    assert "2 of 2 drops are new in the list of Velo Test (dev)" in done.stdout
    for schema in ("public", "dev"):
        assert ask(empty_database_url, f"SELECT count(*) FROM {schema}.valid_drops") == [(2,)]  # noqa: S608 - constants
    unknown = verb("import-valid-drops", "Velo", str(file))
    assert (unknown.returncode, "Velo Test" in unknown.stderr) == (1, True)
