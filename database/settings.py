"""The only module of database/ that reads the environment."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contracts.database_url import database_url_source
from contracts.problems import ConfigurationError, Problem

PROJECTS = Path("/config/projects.yaml")
SECRETS = Path("/secrets")


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs per machine."""

    database_url: Callable[[], str]
    """Called before each connection; raises OSError while a file is missing."""
    projects: Path
    secrets: Path
    log_level: str
    log_format: Literal["text", "json"]


def read_settings() -> Settings:
    """Read the environment; raises ConfigurationError."""
    try:
        source = database_url_source(os.environ, SECRETS / "postgres-password")
    except ValueError as error:
        problem = Problem(".env", "DATABASE_URL", "", str(error))
        raise ConfigurationError((problem,)) from None
    return Settings(
        database_url=source,
        projects=PROJECTS,
        secrets=SECRETS,
        log_level=os.environ.get("LOG_LEVEL") or "INFO",
        log_format="json" if os.environ.get("LOG_FORMAT") == "json" else "text",
    )
