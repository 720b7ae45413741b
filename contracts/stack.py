"""config/stack.yaml: written by people, read by every service.

Which bridges there are, in order of preference, and the timings that all must agree on.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from contracts.alerting import AlertRules, read_alert_rules
from contracts.entries import Entry
from contracts.failover_limits import FailoverLimits, read_failover
from contracts.problems import ConfigurationError
from contracts.retention import Retention, read_retention


@dataclass(frozen=True, slots=True)
class BridgeEntry:
    """One bridge. `name` is its identity for ever: `bridge_source`, volumes and service use it.

    `label` is what people call it; `number_env` is the variable with its expected phone number;
    `published_port` is the one on this machine's loopback; `log_prefix` opens each of its lines.
    """

    name: str
    label: str
    number_env: str
    published_port: int
    log_prefix: str


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things may take, in the unit that the name ends with."""

    pairing_turn_s: int
    suspect_s: int
    deaf_s: int
    unproven_h: int


@dataclass(frozen=True, slots=True)
class Stack:
    """The bridges, most preferred first, timings, the log folder, what the services go by."""

    bridges: tuple[BridgeEntry, ...]
    timings: Timings
    log_dir: Path
    failover: FailoverLimits
    alerts: AlertRules
    retention: Retention

    def bridge(self, name: str) -> BridgeEntry | None:
        """The bridge of that name, or None."""
        return next((bridge for bridge in self.bridges if bridge.name == name), None)


def load_stack(path: Path) -> Stack:
    """Read stack.yaml.

    Raises:
        ConfigurationError: with everything that is wrong in the file.
    """
    top, problems = Entry.read(path)
    entries = top.list("bridges")
    bridges = [_bridge(entry) for entry in entries]
    timings = _timings(top.section("timings"))
    log_dir = top.parsed("log_dir", _directory, "/logs") or Path()
    failover = read_failover(top.section("failover"))
    alerts = read_alert_rules(top.section("alerts"))
    retention = read_retention(top.section("retention"))
    top.close()
    for field in ("name", "label", "number_env", "published_port", "log_prefix"):
        values = [getattr(bridge, field) for bridge in bridges]
        for place, (entry, value) in enumerate(zip(entries, values, strict=True)):
            if value and value in values[:place]:
                entry.wrong(field, value, "stands in two bridges")
    if problems:
        raise ConfigurationError(problems)
    return Stack(tuple(bridges), timings, log_dir, failover, alerts, retention)


def _bridge(entry: Entry) -> BridgeEntry:
    name = entry.parsed("name", _name) or ""
    bridge = BridgeEntry(
        name=name,
        label=entry.text("label"),
        number_env=entry.parsed("number_env", _variable) or "",
        published_port=entry.number("published_port", None, 1_024, 65_535),
        log_prefix=entry.text("log_prefix", "", may_be_empty=True),
    )
    entry.close()
    return bridge


def _timings(entry: Entry) -> Timings:
    timings = Timings(
        pairing_turn_s=entry.number("pairing_turn_s", 180, 1, 3_600),
        suspect_s=entry.number("suspect_s", 60, 5, 3_600),
        deaf_s=entry.number("deaf_s", 120, 10, 7_200),
        unproven_h=entry.number("unproven_h", 4, 1, 168),
    )
    if timings.deaf_s < timings.suspect_s:
        entry.wrong("deaf_s", timings.deaf_s, f"must not be below suspect_s ({timings.suspect_s})")
    entry.close()
    return timings


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(
            "not an absolute path: it is a folder of the containers, as in compose.yaml"
        )
    return path


def _name(text: str) -> str:
    # bridge_source is varchar(20), and the name is part of a service's name.
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", text):
        raise ValueError("a name has at most 20 small letters, digits and hyphens")
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", text):
        raise ValueError("not the name of an environment variable: it looks like PRIMARY_NUMBER")
    return text
