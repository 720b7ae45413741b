"""The bridge's settings: the only place that reads the environment and config/.

Everything wrong is found before anything starts and told at once, as file, key, value and reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from bridge.session import TrustRoot
from bridge.witness import Limits
from contracts.database_url import database_url_source
from contracts.problems import ConfigurationError, Problem
from contracts.projects import Projects, load_projects
from contracts.retention import Retention
from contracts.stack import BridgeEntry, Stack, load_stack

Loaded = TypeVar("Loaded")

_WHERE = "environment"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FORMATS = ("text", "json")
_ROOTS = ("whatsapp", "simulator")
_PORT = 8080  # in the container; stack.yaml says where it is published


@dataclass(frozen=True, slots=True)
class Peer:
    """Another bridge of this stack."""

    name: str
    label: str
    number: str
    url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What one bridge needs to know; numbers are digits, directories are volumes."""

    name: str
    label: str
    log_prefix: str
    log_level: str
    log_format: Literal["text", "json"]
    retention: Retention
    log_dir: Path
    log_file: str
    expected_number: str
    peers: tuple[Peer, ...]
    predecessors: tuple[Peer, ...]
    pairing_turn_s: float
    hearing: Limits
    api_token: str
    """What the peers show each other; empty if none was drawn, and nobody is let in."""
    hosts: tuple[str, ...]
    port: int
    page: str
    session: Path
    messages: Path
    trust_root: TrustRoot
    database_url: Callable[[], str]
    """Asked before each connection; raises OSError while a file is missing."""
    projects: Projects


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and judge everything; raises ConfigurationError with all problems."""
    reading = _Reading(environment)
    config = reading.path("CONFIG_DIRECTORY", "/config")
    projects = reading.loaded(lambda: load_projects(config / "projects.yaml"))
    stack = reading.loaded(lambda: load_stack(config / "stack.yaml"))
    level = reading.choice("LOG_LEVEL", _LEVELS, "INFO", upper=True)
    style = reading.choice("LOG_FORMAT", _FORMATS, "text")
    root = reading.choice("TWINBRIDGE_TRUST_ROOT", _ROOTS, "whatsapp")
    port = reading.port("PORT", _PORT)
    database_url = reading.database_url()
    own, peers, predecessors = _bridges(reading, stack)
    if projects and stack and (short := stack.retention.short_of(projects.horizon_days)):
        days = str(stack.retention.messages_days)
        reading.problems.append(
            Problem("config/stack.yaml", "retention.messages_days", days, short)
        )
    if reading.problems or projects is None or stack is None or own is None:
        raise ConfigurationError(reading.problems)
    return Settings(
        name=own.name,
        label=own.label,
        log_prefix=own.log_prefix,
        log_level=level,
        log_format=cast("Literal['text', 'json']", style),
        retention=stack.retention,
        log_dir=stack.log_dir,
        log_file=_log_file(own.name),
        expected_number=reading.number(own.number_env),
        peers=peers,
        predecessors=predecessors,
        pairing_turn_s=stack.timings.pairing_turn_s,
        hearing=Limits(
            suspect_s=stack.timings.suspect_s,
            deaf_s=stack.timings.deaf_s,
            unproven_s=stack.timings.unproven_h * 3600,
        ),
        api_token=reading.secret("api-token"),
        hosts=("localhost", "127.0.0.1", "[::1]", own.name, _service(own.name)),
        port=port,
        page=f"http://127.0.0.1:{own.published_port}/",
        session=reading.path("SESSION_DIRECTORY", "/session"),
        messages=reading.path("MESSAGES_DIRECTORY", "/messages"),
        trust_root=cast("TrustRoot", root),
        database_url=database_url,
        projects=projects,
    )


def _service(bridge: str) -> str:
    """The name of a bridge's service, which is its host name inside the stack."""
    return f"bridge-{bridge}"


def _log_file(bridge: str) -> str:
    """The names that the field knows."""
    suffix = "" if bridge == "primary" else f"-{bridge}"
    return f"whatsapp-bridge{suffix}.log"


def _bridges(
    reading: "_Reading", stack: Stack | None
) -> tuple[BridgeEntry | None, tuple[Peer, ...], tuple[Peer, ...]]:
    """Find this bridge in the stack, the others, and those that pair before it."""
    name = reading.text("BRIDGE_NAME")
    if stack is None:
        return None, (), ()
    known = [entry.name for entry in stack.bridges]
    if name not in known:
        reading.wrong("BRIDGE_NAME", name, f"not a bridge of stack.yaml; one of {', '.join(known)}")
        return None, (), ()
    place = known.index(name)
    own = stack.bridges[place]
    peers = tuple(_peer(reading, entry) for entry in stack.bridges if entry.name != name)
    number = reading.number(own.number_env)
    for peer in peers:
        if number and peer.number == number:
            reading.wrong(
                own.number_env,
                f"…{number[-2:]}",
                f"is the number of bridge {peer.name} too; two bridges need two numbers",
            )
    return own, peers, tuple(peer for peer in peers if known.index(peer.name) < place)


def _peer(reading: "_Reading", entry: BridgeEntry) -> Peer:
    url = f"http://{_service(entry.name)}:{_PORT}"
    return Peer(entry.name, entry.label, reading.number(entry.number_env), url)


class _Reading:
    """Reads the environment and keeps what is wrong with it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[Problem] = []

    def wrong(self, key: str, value: str, reason: str) -> None:
        """Note a problem once."""
        problem = Problem(_WHERE, key, value, reason)
        if problem not in self.problems:
            self.problems.append(problem)

    def loaded(self, load: Callable[[], Loaded]) -> Loaded | None:
        """Load a file; its problems join ours."""
        try:
            return load()
        except ConfigurationError as wrong:
            self.problems.extend(wrong.problems)
            return None

    def text(self, key: str) -> str:
        """A variable without surrounding space; empty when unset."""
        return self._environment.get(key, "").strip()

    def path(self, key: str, default: str) -> Path:
        """A directory or file."""
        return Path(self.text(key) or default)

    def database_url(self) -> Callable[[], str]:
        """Where the address of Postgres comes from; it is read later, and may change."""
        password = self.path("SECRETS_DIRECTORY", "/secrets") / "postgres-password"
        try:
            return database_url_source(self._environment, password)
        except ValueError as both:
            self.wrong("DATABASE_URL", "", str(both))
            return str

    def secret(self, name: str) -> str:
        """A secret that was drawn at the first start; empty if there is none."""
        path = self.path("SECRETS_DIRECTORY", "/secrets") / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            return ""
        except OSError as unreadable:
            self.wrong("SECRETS_DIRECTORY", str(path), f"cannot be read: {unreadable.strerror}")
            return ""

    def choice(self, key: str, known: tuple[str, ...], default: str, *, upper: bool = False) -> str:
        """One of a few words."""
        value = self.text(key) or default
        value = value.upper() if upper else value.lower()
        if value not in known:
            self.wrong(key, value, f"must be one of {', '.join(known)}")
        return value

    def port(self, key: str, default: int) -> int:
        """A TCP port."""
        value = self.text(key) or str(default)
        if value.isascii() and value.isdigit() and 0 <= int(value) < 65536:  # noqa: PLR2004
            return int(value)
        self.wrong(key, value, "must be a TCP port")
        return default

    def number(self, key: str) -> str:
        """A phone number in digits, country code first; empty when unset."""
        value = self.text(key).removeprefix("+").replace(" ", "")
        if value and not (value.isascii() and value.isdigit() and 8 <= len(value) <= 15):  # noqa: PLR2004
            masked = f"{len(value)} characters ending in {value[-2:]}"
            self.wrong(key, masked, "must be 8 to 15 digits, country code first, no leading zero")
        return value
