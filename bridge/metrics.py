"""What is known of this bridge as figures for Prometheus; the shape of GET /metrics.

Only counts, sizes, times and words of our own: no reason, number, JID or text can get in, because
none is passed on. Everything is a gauge, the counts of losses too: a loss that is healed goes away.
A figure that is not known is left out, so that a rule sees its absence instead of a zero.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.disk import Space
from bridge.health import Facts, judge
from bridge.losses import Cause
from bridge.store import Counts

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine gives to the bridge: its volumes, and the memory it holds in bytes."""

    volumes: tuple[Space, ...]
    resident_bytes: int


def resident_bytes() -> int:
    """The memory this process holds in bytes; raises OSError where there is no /proc."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def render(facts: Facts, machine: Machine) -> bytes:
    """Every figure in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Figures(facts, machine))
    return generate_latest(registry)


class _Figures(Collector):
    """One look at a bridge, as prometheus-client wants it."""

    def __init__(self, facts: Facts, machine: Machine) -> None:
        self._facts = facts
        self._machine = machine

    def collect(self) -> Iterable[Metric]:
        """The families that are known."""
        yield from _health(self._facts)
        if self._facts.store.counts is not None:
            yield from _store(self._facts.store.counts)
            yield _losses(self._facts.store.causes)
        yield from _publishing(self._facts)
        yield from _machine(self._machine)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"twinbridge_{name}", documentation, value=value)


def _health(facts: Facts) -> Iterator[Metric]:
    verdict = judge(facts)
    yield _gauge("health_ok", "1 if a message sent now would be captured.", verdict.ok)
    parts = GaugeMetricFamily(
        "twinbridge_health_part",
        "1 if this part of the health is fit; the word is that of /health.",
        labels=("part", "word"),
    )
    for part in verdict.parts:
        parts.add_metric((part.name, part.word), part.ok)
    yield parts
    yield _gauge("connected", "1 if WhatsApp is connected.", facts.connection.connected)


def _store(counts: Counts) -> Iterator[Metric]:
    for name, documentation, value in (
        ("messages", "Messages in messages.db.", counts.messages),
        ("losses_detected", "Messages known to be missing.", counts.detected_losses),
        ("losses_suspected", "Messages that may be missing.", counts.suspected_losses),
        ("placeholders", "Messages that could not be decrypted yet.", counts.placeholders),
        ("unparsed_events", "Events this version cannot read; kept.", counts.unparsed),
        ("backlog_events", "Events stored and not interpreted yet.", counts.backlog),
        ("wal_bytes", "Size of the write-ahead log of messages.db.", counts.wal_bytes),
    ):
        yield _gauge(name, documentation, value)
    if counts.last_captured_at_ms is not None:
        yield _gauge(
            "last_captured_timestamp_seconds",
            "When an event was last captured, in seconds since 1970.",
            counts.last_captured_at_ms / 1000,
        )


def _losses(causes: tuple[Cause, ...]) -> Metric:
    losses = GaugeMetricFamily(
        "twinbridge_losses",
        "Losses by their cause, detected or suspected; what is healed goes away.",
        labels=("kind", "cause"),
    )
    for one in causes:
        losses.add_metric((one.kind, one.cause), one.count)
    return losses


def _publishing(facts: Facts) -> Iterator[Metric]:
    publishing = facts.publishing
    yield _gauge("publish_pending_rows", "Rows not in Postgres yet.", publishing.pending)
    yield _gauge("publish_parked_rows", "Rows Postgres refused; kept.", publishing.parked)


def _machine(machine: Machine) -> Iterator[Metric]:
    free = GaugeMetricFamily(
        "twinbridge_disk_free_bytes", "Free in the volume.", labels=("volume",)
    )
    size = GaugeMetricFamily(
        "twinbridge_disk_size_bytes", "Size of the volume.", labels=("volume",)
    )
    for space in machine.volumes:
        volume = Path(space.name).name
        free.add_metric((volume,), space.free)
        size.add_metric((volume,), space.size)
    yield free
    yield size
    yield _gauge(
        "process_resident_memory_bytes", "Memory the process holds.", machine.resident_bytes
    )
