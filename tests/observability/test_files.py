"""Dashboard, rules and scrape example: checked by Prometheus's own tool, and against the code."""

import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import metrics as alerts_metrics
from alerts.health import Known
from alerts.judgement import Condition, Finding
from alerts.watching import last_captured
from bridge import metrics as bridge_metrics
from bridge.health import StoreFacts
from contracts.stack import load_stack
from contracts.status import Overall
from tests.bridge.test_health import COUNTS, WELL
from tests.bridge.test_metrics import MACHINE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "observability"
NOT_OURS = {"up"}
"""Prometheus makes it itself for everything that it asks."""


def figures() -> dict[str, set[str]]:
    """Every metric that bridges and alerts have, with its labels."""
    counts = replace(COUNTS, last_captured_at_ms=1)
    bridge = bridge_metrics.render(replace(WELL, store=StoreFacts(counts, None, 0.0)), MACHINE)
    condition = Condition(
        Finding("a", "b", "c", ""), present=True, since=0, unfit_since=0, told_word="c"
    )
    known = Known(0, 0, verdict_at=0, overall=Overall.REDUNDANT, conditions=(condition,))
    found: dict[str, set[str]] = {}
    for line in (bridge + alerts_metrics.render(known, time.monotonic())).decode().splitlines():
        sample = re.match(r"(\w+)(?:\{(.*)\})? ", line)
        if sample and not line.startswith("#"):
            labels = set(re.findall(r'(\w+)="', sample[2] or ""))
            found[sample[1]] = found.get(sample[1], set()) | labels
    return found


def test_alerts_find_out_when_a_bridge_last_heard_anything() -> None:
    """They read it from the figures of the bridge, under the name that it has there."""
    counts = replace(COUNTS, last_captured_at_ms=1_795_000_000_500)
    facts = replace(WELL, store=StoreFacts(counts, None, 0.0))
    assert last_captured(bridge_metrics.render(facts, MACHINE)) == 1_795_000_000.5
    never = replace(WELL, store=StoreFacts(replace(counts, last_captured_at_ms=None), None, 0.0))
    assert last_captured(bridge_metrics.render(never, MACHINE)) is None


def dashboard() -> Any:  # noqa: ANN401 - Grafana's own JSON
    """The dashboard."""
    return json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))


def expressions() -> dict[str, str]:
    """Every expression of rules and dashboard, by who has it."""
    rules = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


def test_every_metric_is_there() -> None:
    """A rule over a figure that nobody has would never speak, and a panel would stay empty."""
    known = figures()
    for who, expression in expressions().items():
        named = set(re.findall(r"\b(twinbridge_\w+|up)\b", expression))
        assert named, who
        assert named - NOT_OURS <= set(known), who
        for name, matchers in re.findall(r"(twinbridge_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)=", matchers)) <= known[name] | {"bridge", "job"}, who


def test_what_people_read_is_there() -> None:
    """Labels in a sentence are labels of the metric, or the one that the scrape example sets."""
    rules = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
    known = figures()
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        names = re.findall(r"twinbridge_\w+", rule["expr"])
        labels = {"bridge"}.union(*(known[name] for name in names))
        said = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", said)) <= labels, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_every_word_of_the_overall_has_its_colour() -> None:
    """The dashboard shows the words of `make status`."""
    (panel,) = (one for one in dashboard()["panels"] if one["title"] == "Overall")
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    shown = {int(value): how["text"] for value, how in mapping["options"].items()}
    assert shown == {int(one): one.name for one in Overall}


def test_the_scrape_example_names_every_bridge() -> None:
    """As config/stack.yaml has them, under the names of their services."""
    example = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job["static_configs"] for job in example["scrape_configs"]}
    bridges = load_stack(ROOT / "config" / "stack.yaml").bridges
    assert [(one["targets"], one["labels"]) for one in jobs["twinbridge-bridges"]] == [
        ([f"bridge-{bridge.name}:8080"], {"bridge": bridge.name}) for bridge in bridges
    ]
    assert [one["targets"] for one in jobs["twinbridge-alerts"]] == [["alerts:8080"]]


@pytest.fixture
def promtool() -> str:
    """Prometheus's own tool, which images/machine.sh fetches on a machine of CI."""
    found = shutil.which("promtool") or shutil.which("promtool", path=ROOT / ".local" / "bin")
    if found is None:
        pytest.skip("promtool is not here (Debian's package prometheus has it)")
    return found


def run(*words: str | Path, folder: Path = ROOT) -> None:
    """Run the tool; whatever it finds is a failure."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_speak_when_they_should(promtool: str) -> None:
    """Their unit tests: each state over time, and who is told what."""
    run(promtool, "check", "rules", "observability/rules.yaml")
    run(promtool, "test", "rules", "observability/rules.test.yaml")
    run(promtool, "check", "config", "observability/prometheus.yaml")


def test_the_dashboard_asks_what_prometheus_understands(promtool: str, tmp_path: Path) -> None:
    """Every expression of the dashboard is one, written down as rules for the tool to check."""
    rules = [
        {"record": f"panel_{number}", "expr": target["expr"]}
        for number, target in enumerate(
            target for panel in dashboard()["panels"] for target in panel["targets"]
        )
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool, "check", "rules", file)
