"""The monitor's settings: the only place that reads the environment and config/."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contracts.database_url import database_url_source, parse_database_url
from contracts.environments import PASSWORDS, SCHEMAS, as_role
from contracts.messages import messages_file
from contracts.problems import ConfigurationError, Problem
from contracts.projects import Projects, load_projects
from contracts.stack import Stack, load_stack

_WHERE = "environment"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Settings:
    """What one monitor needs to know."""

    environment: str
    log_level: str
    log_format: Literal["text", "json"]
    log_dir: Path
    log_file: str
    file: Path
    port: int
    database_url: Callable[[], str]
    """Asked before each connection; raises OSError while a file is missing."""
    projects: Projects


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and judge everything; raises ConfigurationError with all problems."""
    problems: list[Problem] = []

    def text(key: str, default: str = "") -> str:
        return environment.get(key, "").strip() or default

    def one_of(key: str, known: tuple[str, ...], default: str) -> str:
        value = text(key, default)
        found = next((word for word in known if word.lower() == value.lower()), None)
        if found is None:
            problems.append(Problem(_WHERE, key, value, f"must be one of {', '.join(known)}"))
        return found or known[0]

    name = one_of("MONITOR_ENVIRONMENT", tuple(SCHEMAS), "")
    level = one_of("LOG_LEVEL", _LEVELS, "INFO")
    style = one_of("LOG_FORMAT", ("text", "json"), "text")
    port = text("PORT", "8080")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):  # noqa: PLR2004
        problems.append(Problem(_WHERE, "PORT", port, "must be a TCP port"))
    config = Path(text("CONFIG_DIRECTORY", "/config"))
    projects: Projects | None = None
    stack: Stack | None = None
    try:
        projects = load_projects(config / "projects.yaml")
    except ConfigurationError as wrong:
        problems += wrong.problems
    try:
        stack = load_stack(config / "stack.yaml")
    except ConfigurationError as wrong:
        problems += wrong.problems
    secrets = Path(text("SECRETS_DIRECTORY", "/secrets"))
    source: Callable[[], str] = str
    try:
        source = database_url_source(environment, secrets / "postgres-password")
    except ValueError as both:
        problems.append(Problem(_WHERE, "DATABASE_URL", "", str(both)))
    if problems or projects is None or stack is None:
        raise ConfigurationError(problems)
    return Settings(
        environment=name,
        log_level=level,
        log_format="json" if style == "json" else "text",
        log_dir=stack.log_dir,
        log_file=f"wa-monitor-{name}.log",
        file=messages_file(Path(text("MESSAGES_DIRECTORY", "/messages"))),
        port=int(port),
        database_url=lambda: _url(source, name, secrets),
        projects=projects,
    )


def _url(source: Callable[[], str], environment: str, secrets: Path) -> str:
    """The URL for this environment's role; raises OSError and ValueError."""
    address = parse_database_url(source())
    if environment not in PASSWORDS:
        return address.url
    password = (secrets / PASSWORDS[environment]).read_text(encoding="utf-8").strip()
    return as_role(address, environment, password)
