"""`python -m contracts.check [folder]`: written for people; is what they wrote in config/ right?

Does what every service does at its start, without starting one. Exit code 0, or 78 with a line
for everything that is wrong.
"""

import sys
from pathlib import Path

from contracts.problems import ConfigurationError, Problem
from contracts.projects import Projects, load_projects
from contracts.service import MISCONFIGURED
from contracts.stack import Stack, load_stack


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
    return projects, stack, tuple(problems)


def main() -> int:
    """Print what is configured, or everything that is wrong."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("config")
    projects, stack, problems = check(folder)
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201 - the answer of a command
    if projects is None or stack is None:
        return MISCONFIGURED
    names = ", ".join(f"{p.name} ({', '.join(p.environments)})" for p in projects.projects)
    bridges = ", ".join(bridge.name for bridge in stack.bridges)
    print(f"{folder} is right. Projects: {names}. Bridges: {bridges}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
