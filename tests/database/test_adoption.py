"""Adoption: reviews that older code made keep every row, and nothing is changed half."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts.database_url import parse_database_url
from database.adoption import COLUMNS, Plan
from database.migrate import migrate
from database.reviews_table import (
    AdoptionNeededError,
    adopt,
    observe_plan,
    refuse_unadopted,
)

ROOT = Path(__file__).parents[2]

FIELD_TABLE = """
CREATE TABLE public.qa_photo_reviews (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    drop_number varchar(50) NOT NULL, review_date date, user_name varchar(100),
    project varchar(100), comment text, completed boolean, incorrect_steps text [],
    sharepoint_url text, created_at timestamptz DEFAULT now(),
    step_01_house_photo boolean NOT NULL DEFAULT false
);
INSERT INTO public.qa_photo_reviews (drop_number, project, comment, completed, sharepoint_url)
VALUES ('DR1000001', 'Lawley', 'good', true, 'https://example.invalid/1'),
       ('DR1000002', 'Mohadin', NULL, NULL, NULL);
"""
TWICE = """
INSERT INTO public.qa_photo_reviews (drop_number, project, comment)
VALUES ('DR1000001', 'Mohadin', 'again'), ('DR1000001', NULL, 'and again');
"""
ROWS = "SELECT to_jsonb(r) FROM public.qa_photo_reviews AS r ORDER BY id"


def ask(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; the rows of the last one."""
    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


def catalogue(url: str) -> list[tuple[Any, ...]]:
    """Everything that adoption might change, and the rows."""
    return ask(
        url,
        "SELECT column_name, data_type, column_default, is_nullable"
        " FROM information_schema.columns WHERE table_name = 'qa_photo_reviews'"
        " ORDER BY ordinal_position",
    ) + ask(url, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1", ROWS)


def adopted(url: str, *, dry_run: bool = False) -> Plan:
    """The plan for a table that must exist."""
    plan = adopt(parse_database_url(url), dry_run=dry_run)
    assert plan is not None
    return plan


def test_a_migrated_database_needs_no_adoption(database_url: str) -> None:
    """Adoption knows the columns that the migrations make: same names, types, defaults."""
    with psycopg.connect(database_url) as connection:
        plan = observe_plan(connection)
    assert plan is not None
    assert plan.fits
    assert plan.kept == ()
    assert list(plan.lines()) == ["nothing to do: the table fits"]
    made = ask(
        database_url,
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod),"
        " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute AS a"
        " LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attrelid = 'public.qa_photo_reviews'::regclass AND a.attnum > 0",
    )
    assert {(c.name, c.type, c.default) for c in COLUMNS} == set(made)


def test_an_empty_database_needs_no_adoption(empty_database_url: str) -> None:
    """Without a table there is no plan, and migrate is not held up."""
    address = parse_database_url(empty_database_url)
    assert adopt(address, dry_run=False) is None
    refuse_unadopted(address)


def test_a_dry_run_tells_the_plan_and_changes_nothing(empty_database_url: str) -> None:
    """Missing columns, defaults, the unique index and the columns to keep are all in the plan."""
    ask(empty_database_url, FIELD_TABLE)
    before = catalogue(empty_database_url)
    lines = list(adopted(empty_database_url, dry_run=True).lines())
    assert "add column bridge_source character varying(20)" in lines
    assert "add column outstanding_photos integer default 12" in lines
    assert "set default of completed to false (rows that exist stay)" in lines
    assert "make the unique index qa_photo_reviews_one_per_drop on drop_number" in lines
    assert "keep the columns that are not ours: sharepoint_url" in lines
    assert catalogue(empty_database_url) == before


def test_an_adopted_table_is_migrated_with_every_row(empty_database_url: str) -> None:
    """Adoption keeps rows and foreign columns as they are; after it nothing is left to do, and
    the migrations make one mention of each row.
    """
    ask(empty_database_url, FIELD_TABLE)
    address = parse_database_url(empty_database_url)
    old = ask(empty_database_url, ROWS)
    assert adopted(empty_database_url).changes
    assert adopted(empty_database_url, dry_run=True).fits
    new = ask(empty_database_url, ROWS)
    assert [row.items() >= was.items() for (row,), (was,) in zip(new, old, strict=True)] == [
        True,
        True,
    ]
    assert {row["outstanding_photos"] for (row,) in new} == {12}
    refuse_unadopted(address)
    migrate(address)
    assert ask(empty_database_url, "SELECT drop_number FROM public.drop_mentions ORDER BY 1") == [
        ("DR1000001",),
        ("DR1000002",),
    ]


def test_duplicates_are_named_and_never_touched(empty_database_url: str) -> None:
    """With a drop number on several rows nothing at all is changed, and each is named."""
    ask(empty_database_url, FIELD_TABLE, TWICE)
    before = catalogue(empty_database_url)
    plan = adopted(empty_database_url)
    assert "duplicate: DR1000001 on 3 rows (Lawley, Mohadin, no project)" in list(plan.lines())
    assert any("1 drop numbers stand on 3 rows" in obstacle for obstacle in plan.obstacles)
    assert catalogue(empty_database_url) == before
    with pytest.raises(AdoptionNeededError, match="DR1000001 on 3 rows"):
        refuse_unadopted(parse_database_url(empty_database_url))
    assert catalogue(empty_database_url) == before


@pytest.mark.parametrize(
    ("statement", "obstacle"),
    [
        (
            "ALTER TABLE public.qa_photo_reviews ADD feedback_sent timestamp",
            "feedback_sent is timestamp without time zone, and timestamp with time zone is needed",
        ),
        (
            "ALTER TABLE public.qa_photo_reviews ALTER user_name TYPE varchar(50)",
            "user_name is character varying(50), and character varying(100) is needed",
        ),
        (
            "ALTER TABLE public.qa_photo_reviews ALTER comment TYPE varchar(255)",
            "comment is character varying(255), and text is needed",
        ),
        (
            "UPDATE public.qa_photo_reviews SET drop_number = '' WHERE drop_number = 'DR1000002'",
            "drop_number is missing or empty on 1 rows",
        ),
        (
            """
            ALTER TABLE public.qa_photo_reviews ADD batch integer NOT NULL DEFAULT 1;
            ALTER TABLE public.qa_photo_reviews ALTER batch DROP DEFAULT;
            """,
            "batch is not ours, and no row can be made without a value for it",
        ),
        (
            "ALTER TABLE public.qa_photo_reviews DROP COLUMN drop_number",
            "the table has no column drop_number",
        ),
        (
            """
            ALTER TABLE public.qa_photo_reviews RENAME TO old;
            CREATE VIEW public.qa_photo_reviews AS SELECT * FROM public.old;
            """,
            "public.qa_photo_reviews is no plain table",
        ),
    ],
)
def test_what_a_person_must_decide_is_in_the_way(
    empty_database_url: str, statement: str, obstacle: str
) -> None:
    """A type that would lose something, a row or a column nobody can fill: said, nothing done."""
    ask(empty_database_url, FIELD_TABLE, statement)
    before = catalogue(empty_database_url)
    assert obstacle in adopted(empty_database_url).obstacles
    assert catalogue(empty_database_url) == before


def test_a_table_without_a_key_gets_one(empty_database_url: str) -> None:
    """Rows without ids get one each, and the ids become the primary key."""
    ask(empty_database_url, FIELD_TABLE, "ALTER TABLE public.qa_photo_reviews DROP COLUMN id")
    assert adopted(empty_database_url).make_primary_key
    assert adopted(empty_database_url, dry_run=True).fits
    assert ask(
        empty_database_url, "SELECT count(DISTINCT id)::integer FROM public.qa_photo_reviews"
    ) == [(2,)]


def test_the_verbs_tell_and_exit_as_documented(empty_database_url: str) -> None:
    """An unadopted table is refused with the way on; after adopt, migrate completes."""
    ask(empty_database_url, FIELD_TABLE)

    def run(*verb: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", RUN_VERB, str(ROOT / "config/projects.yaml"), *verb],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": empty_database_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    refused = run("migrate")
    assert refused.returncode == 1
    assert "make adopt" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert ask(empty_database_url, "SELECT to_regclass('public.schema')") == [(None,)]
    dry = run("adopt", "--dry-run")
    assert (dry.returncode, "this was a dry run" in dry.stdout) == (0, True)
    applied = run("adopt")
    assert (applied.returncode, "migrate goes on from here" in applied.stdout) == (0, True)
    assert run("migrate").returncode == 0


RUN_VERB = """
import sys
from pathlib import Path
import database.settings
database.settings.PROJECTS = Path(sys.argv.pop(1))
from database.__main__ import main
sys.exit(main())
"""
