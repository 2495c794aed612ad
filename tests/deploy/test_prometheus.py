"""What is shipped for Prometheus speaks of metrics that there are, and alerts when it should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from storage.people import Scope
from tests.dashboard.running import RunningDashboard
from tests.grafana import DASHBOARDS

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
_WHERE_BUDGETED = {"leadhand_database_budget_bytes"}
"""Told only where the site gives the database a size."""


def _named(text: str) -> set[str]:
    return set(re.findall(r"\bleadhand_[a-z_]+\b", text))


def test_each_metric_that_alerts_and_panels_name_is_there_with_its_labels(dashboard: RunningDashboard) -> None:
    with dashboard.program(Scope.METRICS) as client:
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    there = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    texts = [PROMETHEUS.joinpath(name).read_text("utf-8") for name in ("leadhand.rules.yml", "leadhand.rules.test.yml")]
    texts.append((DASHBOARDS / "processes.json").read_text("utf-8"))
    for text in texts:
        assert _named(text) - _WHERE_BUDGETED - set(there) == set()
        for name, labels in re.findall(r"\b(leadhand_[a-z_]+)\{([^}]*)\}", text):
            asked = set(re.findall(r"(\w+)\s*=~?", labels)) - {"instance"}
            assert asked <= there[name], name
    used = set().union(*map(_named, texts))
    said = {name for name in there if not name.endswith("_created")} | _WHERE_BUDGETED
    assert said - used <= {
        "leadhand_live_resets_total",
        "leadhand_kept_since_seconds",
        "leadhand_signals",
        "leadhand_source_interval_seconds",
        "leadhand_source_missed_ticks_total",
        "leadhand_source_spool_bytes",
    }, "a new metric is shown somewhere, or stands here"


def test_alerts_fire_when_they_should_and_not_before() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package prometheus has it")
    for arguments in (
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("check", "rules", "leadhand.rules.yml"),
        ("test", "rules", "leadhand.rules.test.yml"),
    ):
        done = subprocess.run([promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_says_what_to_do() -> None:
    rules = (PROMETHEUS / "leadhand.rules.yml").read_text("utf-8").split("- alert: ")[1:]
    assert len(rules) >= 10
    for rule in rules:
        assert "summary:" in rule, rule
        assert "action:" in rule, rule
        assert re.search(r"severity: (page|ticket)", rule), rule
