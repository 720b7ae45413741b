"""The settings of alerts: the only place that reads the environment and config/.

Everything wrong is found before anything starts and told at once; an address is never shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast
from zoneinfo import ZoneInfo

from alerts.delivery import Sink
from alerts.watching import Watched
from contracts.alerting import AlertRules, alert_urls, heartbeat_url
from contracts.problems import ConfigurationError, Problem
from contracts.projects import load_projects
from contracts.stack import load_stack

T = TypeVar("T")

_PORT = 8080  # of every service, inside the stack; nothing of alerts is published
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """What alerts need to know; its repr shows nothing, because addresses are secrets."""

    rules: AlertRules
    zone: ZoneInfo
    watched: tuple[Watched, ...]
    sinks: tuple[Sink, ...]
    heartbeat_url: str
    api_token: str
    """What bridges want to see; empty if none was drawn, and they let nobody in."""
    book: Path
    port: int
    log_level: str
    log_format: Literal["text", "json"]

    @property
    def sink_names(self) -> tuple[str, ...]:
        """The sinks as the book knows them."""
        return tuple(sink.name for sink in self.sinks)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and judge everything; raises ConfigurationError with all problems."""
    problems: list[Problem] = []

    def text(key: str, default: str = "") -> str:
        return environment.get(key, "").strip() or default

    def loaded(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigurationError as wrong:
            problems.extend(wrong.problems)
            return None

    def judged(key: str, parse: Callable[[str], T], default: T) -> T:
        try:
            return parse(text(key))
        except ValueError as wrong:
            problems.append(Problem("environment", key, "", str(wrong)))
            return default

    config = Path(text("CONFIG_DIRECTORY", "/config"))
    projects = loaded(lambda: load_projects(config / "projects.yaml"))
    stack = loaded(lambda: load_stack(config / "stack.yaml"))
    urls: tuple[str, ...] = judged("ALERT_URLS", alert_urls, tuple[str, ...]())
    heartbeat = judged("HEARTBEAT_URL", heartbeat_url, "")
    level = text("LOG_LEVEL", "INFO").upper()
    style = text("LOG_FORMAT", "text").lower()
    for key, value, known in (("LOG_LEVEL", level, _LEVELS), ("LOG_FORMAT", style, _FORMATS)):
        if value not in known:
            reason = f"must be one of {', '.join(known)}"
            problems.append(Problem.of("environment", key, value, reason))
    token = judged("SECRETS_DIRECTORY", _token, "")
    port = judged("PORT", _port, _PORT)
    if problems or projects is None or stack is None:
        raise ConfigurationError(problems)
    watched = [
        Watched(bridge.name, f"http://bridge-{bridge.name}:{_PORT}", bridge=True)
        for bridge in stack.bridges
    ]
    watched += [
        Watched(name, f"http://{name}:{_PORT}", bridge=False)
        for name in text("WATCHED_SERVICES").split()
    ]
    return Settings(
        rules=stack.alerts,
        zone=projects.timezone,
        watched=tuple(watched),
        sinks=tuple({sink.name: sink for sink in map(Sink.of, urls)}.values()),
        heartbeat_url=heartbeat,
        api_token=token,
        book=Path(text("ALERTS_DIRECTORY", "/alerts")) / "alerts.db",
        port=port,
        log_level=level,
        log_format=cast("Literal['text', 'json']", style),
    )


def _port(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and int(text) < 65_536):  # noqa: PLR2004
        raise ValueError("must be a TCP port")
    return int(text or _PORT)


def _token(directory: str) -> str:
    """The API token that was drawn at the first start; raises ValueError if it cannot be read."""
    try:
        return (Path(directory or "/secrets") / "api-token").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except OSError as unreadable:
        raise ValueError(f"the API token cannot be read: {unreadable.strerror}") from unreadable
