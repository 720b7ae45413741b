"""Migrations: one schema, however many migrators run and wherever one of them dies."""

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts.database_url import parse_database_url
from contracts.ledger import SCHEMA_VERSION
from database.migrate import MIGRATIONS, migrate
from database.reviews_table import adopt

ROOT = Path(__file__).parents[2]
ALL = tuple(sorted(path.stem for path in MIGRATIONS.glob("*.sql")))


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Ask Postgres."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_a_second_migration_finds_nothing_to_do(empty_database_url: str) -> None:
    """All migrations are applied in the order of their numbers, and once."""
    address = parse_database_url(empty_database_url)
    assert migrate(address) == ALL
    assert migrate(address) == ()
    ((version, min_compatible),) = ask(
        empty_database_url, "SELECT version, min_compatible FROM public.schema"
    )
    assert min_compatible <= SCHEMA_VERSION == version


def test_eight_migrators_at_once_do_the_work_of_one(empty_database_url: str) -> None:
    """Whoever is late waits, sees what was done, and fails nothing."""
    address = parse_database_url(empty_database_url)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(migrate, [address] * 8))) == 8
    assert ask(empty_database_url, "SELECT count(*) FROM _yoyo_migration") == [(len(ALL),)]
    assert ask(empty_database_url, "SELECT count(*) FROM public.database_identity") == [(1,)]


@pytest.mark.parametrize("moment", ["in the middle of a migration", "before any"])
def test_a_killed_migrator_leaves_nothing_behind(
    empty_database_url: str, tmp_path: Path, moment: str
) -> None:
    """After kill -9 during a migration none of it stays, no lock stays, and the next completes."""
    slow = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, slow)
    name = "0000_first.sql" if moment == "before any" else "9999_last.sql"
    (slow / name).write_text(
        "CREATE TABLE public.half (n integer);\nDO $$ BEGIN PERFORM pg_sleep(2); END $$;\n"
    )
    migrator = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import sys
                from pathlib import Path
                from contracts.database_url import parse_database_url
                from database.migrate import migrate
                migrate(parse_database_url(sys.argv[1]), Path(sys.argv[2]))
                """
            ),
            empty_database_url,
            str(slow),
        ],
        cwd=ROOT,
    )
    asleep = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    while ask(empty_database_url, asleep) != [(1,)]:
        assert migrator.poll() is None
        time.sleep(0.02)
    migrator.send_signal(signal.SIGKILL)
    assert migrator.wait(10) == -signal.SIGKILL
    assert ask(empty_database_url, "SELECT to_regclass('public.half')") == [(None,)]

    (slow / name).write_text("CREATE TABLE public.half (n integer);\n")
    applied = migrate(parse_database_url(empty_database_url), slow)
    assert Path(name).stem in applied
    assert ask(empty_database_url, "SELECT count(*) FROM public.half") == [(0,)]
    assert ask(empty_database_url, "SELECT count(*) FROM _yoyo_migration") == [(len(ALL) + 1,)]


def test_a_failing_migration_leaves_the_ones_before_it(
    empty_database_url: str, tmp_path: Path
) -> None:
    """A migration is applied wholly or not at all; the repaired one goes on from there."""
    broken = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, broken)
    last = broken / "9999_last.sql"
    last.write_text("CREATE TABLE public.half (n integer);\nSELECT 1 / 0;\n")
    address = parse_database_url(empty_database_url)
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(address, broken)
    assert ask(empty_database_url, "SELECT to_regclass('public.half')") == [(None,)]
    last.write_text("CREATE TABLE public.half (n integer);\n")
    assert migrate(address, broken) == ("9999_last",)


def test_a_table_of_the_field_is_adopted_with_its_rows(empty_database_url: str) -> None:
    """A qa_photo_reviews that is older than the ledger keeps its rows, first times and feedback;
    a later message about one of its drops is a resubmission, and its own one heard again is not.
    """
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE public.qa_photo_reviews (
                id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
                drop_number varchar(50) NOT NULL, review_date date, user_name varchar(100),
                project varchar(100), comment text, completed boolean DEFAULT false,
                incomplete boolean DEFAULT false, submitted_by varchar,
                whatsapp_message_date timestamptz, feedback_sent timestamptz,
                incorrect_steps text [], created_at timestamptz DEFAULT now(),
                updated_at timestamptz DEFAULT now(),
                completed_photos integer, outstanding_photos integer,
                outstanding_photos_loaded_to_1map boolean, incorrect_comments jsonb,
                """
            + ", ".join(f"{step} boolean NOT NULL DEFAULT false" for step in STEPS)
            + ")"
        )
        connection.execute(
            "INSERT INTO public.qa_photo_reviews (drop_number, project, submitted_by, incomplete,"
            " whatsapp_message_date, feedback_sent, review_date, updated_at)"
            " VALUES ('DR1', 'Lawley', '27001', true, '2026-03-01 10:00+00',"
            " '2026-03-01 12:00+00', '2026-03-01', '2026-03-01 12:00+00'),"
            " ('DR2', 'Lawley', '27001', false, '2026-03-01 10:00+00', NULL, '2026-03-01', now())"
        )
    adopt(parse_database_url(empty_database_url), dry_run=False)
    migrate(parse_database_url(empty_database_url))
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for drop, sent_at in (("DR1", "2026-03-01T13:00Z"), ("DR2", "2026-03-01T10:00Z")):
            connection.execute(
                "SELECT public.record_mentions('primary', jsonb_build_array(jsonb_build_object("
                " 'drop_number', %s::text, 'chat', '1@g.us', 'message_id', 'M', 'project',"
                " 'Lawley', 'sent_at', %s::text, 'as_of', %s::text, 'as_of_id', 'M',"
                " 'author_lid', '901', 'withdrawn', false, 'held_back', false)))",
                (drop, sent_at, sent_at),
            )
    assert ask(
        empty_database_url,
        "SELECT drop_number, whatsapp_message_date = '2026-03-01 10:00+00', resubmitted,"
        " incomplete, feedback_sent, review_date::text FROM public.qa_photo_reviews"
        " ORDER BY drop_number",
    ) == [
        ("DR1", True, True, False, None, "2026-03-01"),
        ("DR2", True, False, False, None, "2026-03-01"),
    ]


STEPS = (
    "step_01_house_photo",
    "step_02_cable_from_pole",
    "step_03_cable_entry_outside",
    "step_04_cable_entry_inside",
    "step_05_wall_for_installation",
    "step_06_ont_back_after_install",
    "step_07_power_meter_reading",
    "step_08_ont_barcode",
    "step_09_ups_serial",
    "step_10_final_installation",
    "step_11_green_lights",
    "step_12_customer_signature",
)
