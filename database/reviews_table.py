"""Observe `qa_photo_reviews` and change it as the plan of adoption says, in one transaction."""

from typing import Any

import psycopg
from psycopg import sql

from contracts.database_url import DatabaseAddress
from database.adoption import UNIQUE_INDEX, Duplicate, FoundColumn, FoundTable, Plan, plan_adoption
from database.connection import connect

Connection = psycopg.Connection[tuple[Any, ...]]

_MIGRATED = "SELECT to_regclass('public.schema') IS NOT NULL"
_TABLE = """
SELECT
    c.relkind = 'r', pg_has_role(c.relowner, 'USAGE'), pg_get_userbyid(c.relowner),
    EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary),
    EXISTS (
        SELECT FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'drop_number'
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
    )
FROM pg_class AS c WHERE c.oid = to_regclass('public.qa_photo_reviews')
"""
_COLUMNS = """
SELECT
    a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
    a.atthasdef OR a.attidentity <> ''
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass('public.qa_photo_reviews') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
# Rows through jsonb, so that a column that is missing reads as NULL and not as an error.
_DUPLICATES = """
SELECT drop_number, count(*), array_agg(DISTINCT project ORDER BY project)
FROM (
    SELECT j ->> 'drop_number' AS drop_number, coalesce(j ->> 'project', 'no project') AS project
    FROM (SELECT to_jsonb(r) AS j FROM public.qa_photo_reviews AS r) AS rows
) AS named
WHERE drop_number IS NOT NULL
GROUP BY drop_number HAVING count(*) > 1 ORDER BY drop_number
"""
_FAULTS = """
SELECT
    count(*) FILTER (WHERE coalesce(j ->> 'drop_number', '') = ''),
    count(*) FILTER (WHERE length(j ->> 'drop_number') > 50),
    count(*) FILTER (WHERE length(j ->> 'project') > 100),
    count(*) FILTER (WHERE length(j ->> 'bridge_source') > 20)
FROM (SELECT to_jsonb(r) AS j FROM public.qa_photo_reviews AS r) AS rows
"""
_FAULT_NAMES = (
    "drop_number is missing or empty",
    "drop_number is longer than 50 characters",
    "project is longer than 100 characters",
    "bridge_source is longer than 20 characters",
)
_REPEATED_IDS = """
SELECT coalesce(sum(n), 0)::integer FROM (
    SELECT count(*) AS n
    FROM (SELECT to_jsonb(r) ->> 'id' AS id FROM public.qa_photo_reviews AS r) AS rows
    GROUP BY id HAVING count(*) > 1 OR id IS NULL
) AS repeated
"""


class AdoptionNeededError(Exception):
    """The reviews were made by other code and do not fit yet; the text has the plan."""


def refuse_unadopted(address: DatabaseAddress) -> None:
    """Raise AdoptionNeededError if the first migration would meet a table that does not fit.

    Reads only. Raises psycopg.Error.
    """
    with connect(address) as connection:
        if _is_true(connection, _MIGRATED):
            return
        plan = observe_plan(connection)
    if plan is not None and not plan.fits:
        plan_text = "\n".join(f"  {line}" for line in plan.lines())
        raise AdoptionNeededError(
            "public.qa_photo_reviews was made by other code and does not fit yet;"
            " nothing was changed. `make adopt DRY_RUN=1` shows the plan again,"
            f" `make adopt` applies it:\n{plan_text}"
        )


def adopt(address: DatabaseAddress, *, dry_run: bool) -> Plan | None:
    """Give the plan, applied unless it is a dry run or has obstacles; None without a table.

    All of it or nothing. Raises psycopg.Error; LockNotAvailable while others use the table.
    """
    with connect(address) as connection, connection.transaction():
        if dry_run:
            connection.execute("SET TRANSACTION READ ONLY")
            return observe_plan(connection)
        plan = observe_plan(connection)
        if plan is None or plan.obstacles or not plan.changes:
            return plan
        # What others write between the look and the change would not be in the plan.
        connection.execute("SET LOCAL lock_timeout = '10s'")
        connection.execute("LOCK TABLE public.qa_photo_reviews IN ACCESS EXCLUSIVE MODE")
        plan = observe_plan(connection)
        if plan is not None and not plan.obstacles:
            _apply(connection, plan)
        return plan


def observe_plan(connection: Connection) -> Plan | None:
    """Look at the table and judge it; None if there is none."""
    table = connection.execute(_TABLE).fetchone()
    if table is None:
        return None
    is_table, owned, owner, has_primary_key, unique_on_drop = table
    counts = connection.execute(_FAULTS).fetchone() or ()
    repeated = connection.execute(_REPEATED_IDS).fetchone() or (0,)
    columns = tuple(FoundColumn(*row) for row in connection.execute(_COLUMNS))
    return plan_adoption(
        FoundTable(
            is_table=is_table,
            owned=owned,
            owner=owner,
            columns=columns,
            has_primary_key=has_primary_key,
            unique_on_drop=unique_on_drop,
            duplicates=tuple(
                Duplicate(drop, rows, tuple(projects))
                for drop, rows, projects in connection.execute(_DUPLICATES)
            ),
            faulty_rows=tuple(
                (name, rows) for name, rows in zip(_FAULT_NAMES, counts, strict=True) if rows
            ),
            # Without the column every row gets an id of its own when it is added.
            repeated_ids=repeated[0] if any(c.name == "id" for c in columns) else 0,
        )
    )


def _apply(connection: Connection, plan: Plan) -> None:
    for column in plan.add:
        statement = sql.SQL("ALTER TABLE public.qa_photo_reviews ADD COLUMN {} {}").format(
            sql.Identifier(column.name), sql.SQL(column.type)
        )
        if column.default:
            statement += sql.SQL(" NOT NULL DEFAULT {}").format(sql.SQL(column.default))
        connection.execute(statement)
    for column in plan.set_default:
        connection.execute(
            sql.SQL("ALTER TABLE public.qa_photo_reviews ALTER COLUMN {} SET DEFAULT {}").format(
                sql.Identifier(column.name), sql.SQL(column.default or "NULL")
            )
        )
    if plan.make_primary_key:
        connection.execute("ALTER TABLE public.qa_photo_reviews ADD PRIMARY KEY (id)")
    if plan.make_unique_index:
        connection.execute(
            sql.SQL("CREATE UNIQUE INDEX {} ON public.qa_photo_reviews (drop_number)").format(
                sql.Identifier(UNIQUE_INDEX)
            )
        )


def _is_true(connection: Connection, question: str) -> bool:
    row = connection.execute(question.encode()).fetchone()
    return bool(row and row[0])
