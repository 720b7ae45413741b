"""What alerts know as figures for Prometheus; names and words of our own, no reason, no address."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alerts.health import Known


def render(known: Known, monotonic: float) -> bytes:
    """Every figure that is known, in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Figures(known, monotonic))
    return generate_latest(registry)


class _Figures(Collector):
    """One look at alerts, as prometheus-client wants it."""

    def __init__(self, known: Known, monotonic: float) -> None:
        self._known = known
        self._monotonic = monotonic

    def collect(self) -> Iterable[Metric]:
        """The families that are known."""
        known = self._known
        if known.verdict_at is not None and known.overall is not None:
            yield GaugeMetricFamily(
                "twinbridge_overall",
                "0 REDUNDANT, 1 UNPROVEN, 2 DEGRADED, 3 CRITICAL: the word of make status.",
                value=int(known.overall),
            )
            yield GaugeMetricFamily(
                "twinbridge_alerts_verdict_age_seconds",
                "Age of the last complete verdict.",
                value=self._monotonic - known.verdict_at,
            )
        open_ = GaugeMetricFamily(
            "twinbridge_alerts_open",
            "1 for each fault that people were told of; acknowledged says whether one answered.",
            labels=("subject", "part", "word", "acknowledged"),
        )
        for one in known.conditions:
            if one.told_word:
                acknowledged = "yes" if one.acknowledged else "no"
                open_.add_metric((*one.finding.key, one.told_word, acknowledged), 1)
        yield open_
        yield GaugeMetricFamily(
            "twinbridge_alerts_undelivered",
            "Alerts that a sink has not had yet.",
            value=sum(one.letters for one in known.waiting),
        )
