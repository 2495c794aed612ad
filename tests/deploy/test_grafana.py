"""The dashboards and provisioning that are shipped for Grafana."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from plant.alarms import AlarmEvent, AlarmState
from plant.customer_orders import OrderState
from plant.inspections import Decision
from plant.states import EquipmentState
from tests.grafana import DASHBOARDS, Query, boards, queries
from tests.node_parts import Node

DEPLOY = DASHBOARDS.parent
_WORDS = {
    "state": {*EquipmentState, *AlarmState, *OrderState, "connected", "failed"},
    "verdict": {"ok", "not_ok"},
    "decision": set(Decision),
    "event": set(AlarmEvent),
}
"""What may stand in these columns; ``failed`` is a notice's, ``connected`` a source's."""


def _all() -> list[Query]:
    return [query for board in boards().values() for query in queries(board)]


def test_grafanas_own_types_take_each_dashboard(node: Node, tmp_path: Path) -> None:
    def check(files: list[Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [node.program, node.folder / "grafana_types.mjs", *files], capture_output=True, text=True, timeout=120, check=False
        )

    done = check(sorted(DASHBOARDS.glob("*.json")))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    wrong = tmp_path / "wrong.json"
    wrong.write_text(
        (DASHBOARDS / "plant.json").read_text("utf-8").replace('"lineWidth"', '"lineWide"').replace('"schemaVersion"', '"version"')
    )
    told = check([wrong])
    assert told.returncode == 1
    assert "lineWide" in told.stdout
    assert "schemaVersion" in told.stdout


@pytest.mark.parametrize("name", list(boards()))
def test_a_dashboard_can_be_provisioned_beside_the_others(name: str) -> None:
    board = boards()[name]
    assert board["uid"] == f"leadhand-{name}"
    assert board["tags"] == ["leadhand"]
    assert "id" not in board, "Grafana numbers dashboards itself"
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        if panel["type"] != "row":
            assert panel["description"], f"{panel['title']} does not tell what it shows"
            assert panel["datasource"]["uid"] in {"leadhand", "leadhand-prometheus"}
    taken = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(taken)) == len(taken), "no panel lies on another"


def test_the_words_that_queries_compare_with_are_those_that_are_stored() -> None:
    wrong = []
    for query in _all():
        for column, words in re.findall(
            r"\b(state|verdict|decision|event)\s*(?:=|<>|IS DISTINCT FROM|NOT IN|IN)\s*('[^']*'|\([^)]*\))", query.sql
        ):
            unknown = {word for word in re.findall(r"'([^']*)'", words) if word not in _WORDS[column]}
            wrong += [f"{query.panel}: {column} is never {word}" for word in unknown]
    assert wrong == []


def test_queries_read_stable_views_only_and_end_somewhere() -> None:
    for query in _all():
        tables = re.findall(
            r"\b(?:FROM|JOIN) (?!LATERAL)([\w$]+)", re.sub(r"EXTRACT\(\w+ FROM|extract\([^)]*? FROM|DISTINCT FROM", "", query.sql)
        )
        assert tables, query.panel
        assert all(table.startswith(("v_", "$rollup")) for table in tables), (query.panel, tables)
        if query.kind == "table" and "GROUP BY" not in query.sql:
            assert re.search(r"LIMIT \d+|FROM v_(sources|gateways|feed)\b", query.sql), f"{query.panel} could be endless"


def test_provisioning_names_each_variable_that_the_docs_tell_of() -> None:
    written = "".join(file.read_text("utf-8") for file in sorted((DEPLOY / "provisioning").rglob("*.yaml")))
    assert set(re.findall(r"\$(\w+)", written)) == {
        "LEADHAND_DATABASE_HOST",
        "LEADHAND_DATABASE_NAME",
        "LEADHAND_DATABASE_USER",
        "LEADHAND_DATABASE_PASSWORD",
        "LEADHAND_DATABASE_SSLMODE",
        "LEADHAND_PROMETHEUS_URL",
        "LEADHAND_DASHBOARDS",
    }
    told = (DEPLOY.parents[1] / "docs" / "grafana.md").read_text("utf-8")
    assert all(f"`{name}`" in told for name in re.findall(r"\$(\w+)", written))
