"""`python -m database VERB`: migrate (waits for Postgres), adopt, and what people do to the ledger.

Being killed at any moment is safe, so signals keep their plain meaning.
Exit codes: 0 done, 1 it failed, 78 the configuration is wrong.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg

from contracts.database_url import DatabaseAddress
from contracts.environments import PASSWORDS, SCHEMAS, in_schema
from contracts.ledger import READ_DATABASE_ID, READ_SCHEMA, RELEASE_HELD
from contracts.problems import ConfigurationError
from contracts.projects import Projects, load_projects
from contracts.service import configure_logging
from database.connection import address_of, connect
from database.migrate import migrate
from database.reviews_table import AdoptionNeededError, adopt, refuse_unadopted
from database.roles import make_role, make_schema
from database.settings import Settings, read_settings
from database.valid_drops import import_drops, read_list

log = logging.getLogger("database")

LONGEST_WAIT_S = 10.0
"""Between two attempts to reach a Postgres that is not there yet."""

HELD = """
SELECT project, count(*), min(sent_at)::date, max(sent_at)::date
FROM public.drop_mentions WHERE held_back GROUP BY project ORDER BY project
"""
NEW_IDENTITY = """
UPDATE public.database_identity SET id = gen_random_uuid(), created_at = now() RETURNING id::text
"""


def migrate_when_reachable(settings: Settings) -> None:
    """Wait for Postgres, then migrate and hand the ledger its settings."""
    projects = load_projects(settings.projects)
    for attempt in count():
        try:
            _migrate(settings, projects)
        except (psycopg.OperationalError, OSError) as error:
            wait = min(LONGEST_WAIT_S, 0.5 * 2 ** min(attempt, 10))
            log.warning(
                "not migrated yet",
                extra={"reason": str(error).strip(), "again_in_s": round(wait, 1)},
            )
            time.sleep(wait)
        else:
            return


def _migrate(settings: Settings, projects: Projects) -> None:
    address = address_of(settings.database_url)
    refuse_unadopted(address)
    for environment in SCHEMAS:
        _migrate_environment(settings, projects, address, environment)


def _migrate_environment(
    settings: Settings, projects: Projects, address: DatabaseAddress, environment: str
) -> None:
    listed = [project.name for project in projects.of(environment) if project.valid_drops]
    with connect(address) as connection:
        make_schema(connection, environment)
        applied = migrate(address, environment=environment)
        recomputed = connection.execute(
            in_schema("SELECT public.configure_ledger(%s, %s)", environment),
            (str(projects.timezone), projects.same_submission_minutes),
        ).fetchone()
        connection.execute(in_schema("SELECT public.configure_lists(%s)", environment), (listed,))
        version = connection.execute(in_schema(READ_SCHEMA, environment)).fetchone()
        if secret := _password(settings, environment):
            make_role(connection, address.database, environment, secret)
    log.info(
        "schema is current",
        extra={
            "environment": environment,
            "version": version and version[0],
            "applied": ",".join(applied) or "nothing",
            "reviews_computed_anew": recomputed and recomputed[0],
        },
    )


def _password(settings: Settings, environment: str) -> str:
    """The password of the environment's own role; empty where it has none, or none was drawn."""
    if environment not in PASSWORDS:
        return ""
    try:
        return (settings.secrets / PASSWORDS[environment]).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        log.warning(
            "no password was drawn; the role is left as it is", extra={"environment": environment}
        )
        return ""


def adopt_reviews(settings: Settings, *, dry_run: bool) -> int:
    """Make a table of reviews by older code fit for the ledger; 1 while something is in the way."""
    plan = adopt(address_of(settings.database_url), dry_run=dry_run)
    if plan is None:
        print("there is no public.qa_photo_reviews; migrate makes it")
        return 0
    for line in plan.lines():
        print(line)
    if plan.obstacles:
        print("nothing was changed; adoption waits until nothing is in the way")
        return 1
    if dry_run:
        print("nothing was changed: this was a dry run")
    elif plan.changes:
        print("done; migrate goes on from here")
    return 0


def show_status(settings: Settings) -> None:
    """Print where the database is, its identity, schema and what is held back."""
    address = address_of(settings.database_url)
    with connect(address) as connection:
        print(f"database   {address.database} at {address.host}")
        for name, statement in (("schema", READ_SCHEMA), ("identity", READ_DATABASE_ID)):
            row = connection.execute(statement).fetchone() or ()
            print(f"{name:<10} {' '.join(str(value) for value in row)}")
        for project, held, first, last in connection.execute(HELD):
            print(f"held back  {held} of {project}, {first} to {last}")


def release_held(settings: Settings, project: str) -> None:
    """Act upon the mentions of a project that were too old when they were heard."""
    with connect(address_of(settings.database_url)) as connection:
        row = connection.execute(RELEASE_HELD.replace("$1", "%s"), (project,)).fetchone()
        print(f"{row[0] if row else 0} mentions of {project} released")


def import_list(settings: Settings, name: str, file: str, named: str | None) -> int:
    """Add the drops of a CSV file to the list of a project; nothing if a row of it is wrong."""
    projects = load_projects(settings.projects)
    project = next((one for one in projects.projects if one.name == name), None)
    if project is None:
        known = ", ".join(one.name for one in projects.projects)
        print(f"there is no project {name!r}; known are {known}", file=sys.stderr)
        return 1
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    read = read_list(text, named or file, project.pattern)
    for problem in read.problems:
        print(problem, file=sys.stderr)
    if read.problems:
        print("nothing was imported", file=sys.stderr)
        return 1
    with connect(address_of(settings.database_url)) as connection:
        for environment in project.environments:
            added = import_drops(connection, environment, name, read.drops)
            print(
                f"{added} of {len(read.drops)} drops are new in the list of {name} ({environment})"
            )
    if not project.valid_drops:
        print(f"{name} has no valid_drops: true in projects.yaml yet, so the list decides nothing")
    return 0


def recompute(settings: Settings) -> None:
    """Make every review again what its mentions say."""
    with connect(address_of(settings.database_url)) as connection:
        row = connection.execute("SELECT public.recompute_reviews()").fetchone()
        print(f"{row[0] if row else 0} drops computed anew")


def renew_identity(settings: Settings) -> None:
    """After a restore or a branch: every bridge publishes again what lies within the horizon."""
    with connect(address_of(settings.database_url)) as connection:
        row = connection.execute(NEW_IDENTITY).fetchone()
        print(f"the database is {row[0] if row else '?'} now; the bridges publish again")


def main() -> int:
    """Run one verb and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m database", description=__doc__)
    verbs = parser.add_subparsers(dest="verb")
    plain: dict[str, Callable[[Settings], None]] = {
        "migrate": migrate_when_reachable,
        "status": show_status,
        "recompute": recompute,
        "renew-identity": renew_identity,
    }
    for verb, action in plain.items():
        verbs.add_parser(verb, help=(action.__doc__ or "").strip())
    release = verbs.add_parser("release-held", help=(release_held.__doc__ or "").strip())
    release.add_argument("--project", required=True)
    importing = verbs.add_parser("import-valid-drops", help=(import_list.__doc__ or "").strip())
    importing.add_argument("project")
    importing.add_argument("file", help="CSV; - reads standard input")
    importing.add_argument("--named", help="what to call standard input when a row is wrong")
    adoption = verbs.add_parser("adopt", help=(adopt_reviews.__doc__ or "").strip())
    adoption.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    arguments = parser.parse_args()
    try:
        settings = read_settings()
        configure_logging(settings.log_level, settings.log_format, "")
        # It tells every statement; what was applied is said in one line of ours.
        logging.getLogger("yoyo").setLevel(logging.WARNING)
        if arguments.verb == "adopt":
            return adopt_reviews(settings, dry_run=arguments.dry_run)
        if arguments.verb == "import-valid-drops":
            return import_list(settings, arguments.project, arguments.file, arguments.named)
        if arguments.verb == "release-held":
            release_held(settings, arguments.project)
        else:
            plain[arguments.verb or "migrate"](settings)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 78
    except AdoptionNeededError as error:
        print(error, file=sys.stderr)
        return 1
    except (psycopg.Error, OSError, ValueError) as error:
        log.error("it failed", extra={"reason": str(error).strip()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
