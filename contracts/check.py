"""`python -m contracts.check [folder]`: written for people; is what they wrote right?

Judges config/ and the variables of .env that it is started with, as every service does at its
start, without starting one. Exit code 0, or 78 with a line for everything that is wrong.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from contracts.alerting import ENVIRONMENT
from contracts.database_url import database_url_source, parse_database_url
from contracts.problems import ConfigurationError, Problem
from contracts.projects import Projects, load_projects
from contracts.service import MISCONFIGURED
from contracts.stack import Stack, load_stack

_WORDS = {
    "LOG_LEVEL": ("debug", "info", "warning", "error"),
    "LOG_FORMAT": ("text", "json"),
}


def check(folder: Path) -> tuple[Projects | None, Stack | None, tuple[Problem, ...]]:
    """Load every file of the folder; what could not be loaded is None and has its problems."""
    problems: list[Problem] = []
    projects, stack = None, None
    try:
        projects = load_projects(folder / "projects.yaml")
    except ConfigurationError as wrong:
        problems += wrong.problems
    try:
        stack = load_stack(folder / "stack.yaml")
    except ConfigurationError as wrong:
        problems += wrong.problems
    if projects and stack and (short := stack.retention.short_of(projects.horizon_days)):
        days = str(stack.retention.messages_days)
        problems.append(Problem("config/stack.yaml", "retention.messages_days", days, short))
    return projects, stack, tuple(problems)


def check_environment(environment: Mapping[str, str], stack: Stack) -> list[Problem]:
    """What is wrong with the variables of .env; neither a number nor a URL is shown."""
    problems = []
    numbers: dict[str, str] = {}
    for bridge in stack.bridges:
        number = re.sub(r"[+ ]", "", environment.get(bridge.number_env, ""))
        if number and not re.fullmatch(r"[1-9][0-9]{7,14}", number):
            reason = "must be 8 to 15 digits, country code first, no leading zero"
            problems.append(Problem(".env", bridge.number_env, "", reason))
        elif number and number in numbers:
            reason = f"is the number of bridge {numbers[number]} too; two bridges need two numbers"
            problems.append(Problem(".env", bridge.number_env, "", reason))
        numbers.setdefault(number, bridge.name)
    try:
        database_url_source(environment, Path())
        if url := environment.get("DATABASE_URL", "").strip():
            parse_database_url(url)
    except ValueError as wrong:
        problems.append(Problem(".env", "DATABASE_URL", "", str(wrong)))
    for key, parse in ENVIRONMENT.items():
        try:
            parse(environment.get(key, ""))
        except ValueError as wrong:
            problems.append(Problem(".env", key, "", str(wrong)))
    for key, allowed in _WORDS.items():
        value = environment.get(key, "").strip()
        if value and value.casefold() not in allowed:
            problems.append(Problem.of(".env", key, value, f"must be one of {', '.join(allowed)}"))
    return problems


def main() -> int:
    """Print what is configured, or everything that is wrong."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("config")
    projects, stack, problems = check(folder)
    if stack is not None:
        problems += tuple(check_environment(os.environ, stack))
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201 - the answer of a command
    if problems or projects is None or stack is None:
        return MISCONFIGURED
    names = ", ".join(f"{p.name} ({', '.join(p.environments)})" for p in projects.projects)
    bridges = ", ".join(bridge.name for bridge in stack.bridges)
    print(f"{folder} is right. Projects: {names}. Bridges: {bridges}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
