"""The failover's settings: the only place that reads the environment and config/.

Everything wrong is found before anything starts and told at once, as file, key, value and reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from contracts.failover_limits import FailoverLimits
from contracts.problems import ConfigurationError, Problem
from contracts.stack import load_stack

_WHERE = "environment"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_PORT = 8080  # in the container; nothing of it is published
BRIDGE_PORT = 8080
_SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the failover needs to know."""

    bridges: tuple[str, ...]
    """Most preferred first."""
    limits: FailoverLimits
    log_level: str
    log_format: Literal["text", "json"]
    log_dir: Path
    state: Path
    """The folder of the durable state, a volume of its own."""
    api_token: str
    docker_host: str
    project: str
    """The Compose project whose monitors are moved: never those of another stack."""
    port: int

    @property
    def urls(self) -> Mapping[str, str]:
        """Where each bridge answers inside the stack."""
        return {name: f"http://bridge-{name}:{BRIDGE_PORT}" for name in self.bridges}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and judge everything; raises ConfigurationError with all problems."""
    problems: list[Problem] = []
    config = Path(environment.get("CONFIG_DIRECTORY", "").strip() or "/config")
    stack = None
    try:
        stack = load_stack(config / "stack.yaml")
    except ConfigurationError as wrong:
        problems.extend(wrong.problems)
    level = environment.get("LOG_LEVEL", "").strip().upper() or "INFO"
    if level not in _LEVELS:
        reason = f"must be one of {', '.join(_LEVELS)}"
        problems.append(Problem(_WHERE, "LOG_LEVEL", level, reason))
    style = environment.get("LOG_FORMAT", "").strip().lower() or "text"
    if style not in {"text", "json"}:
        problems.append(Problem(_WHERE, "LOG_FORMAT", style, "must be one of text, json"))
    token = read_token(environment)
    if not token:
        problems.append(Problem(_WHERE, "SECRETS_DIRECTORY", "", "there is no api-token there"))
    project = environment.get("STACK_PROJECT", "").strip()
    if not project:
        problems.append(Problem(_WHERE, "STACK_PROJECT", "", "compose.yaml sets it"))
    if problems or stack is None:
        raise ConfigurationError(problems)
    return Settings(
        bridges=tuple(bridge.name for bridge in stack.bridges),
        limits=stack.failover,
        log_level=level,
        log_format=cast("Literal['text', 'json']", style),
        log_dir=stack.log_dir,
        state=Path(environment.get("STATE_DIRECTORY", "").strip() or "/state"),
        api_token=token,
        docker_host=environment.get("DOCKER_HOST", "").strip() or _SOCKET,
        project=project,
        port=read_port(environment),
    )


def read_port(environment: Mapping[str, str]) -> int:
    """The port of the internal API; a person has no reason to change it."""
    text = environment.get("PORT", "").strip()
    return int(text) if text.isascii() and text.isdigit() else _PORT


def read_token(environment: Mapping[str, str]) -> str:
    """The API token of the stack; empty if there is none."""
    folder = Path(environment.get("SECRETS_DIRECTORY", "").strip() or "/secrets")
    try:
        return (folder / "api-token").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
