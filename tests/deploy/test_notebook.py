"""The notebook that is shipped runs against a plant, as a reader, and finds what is there."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.running import ROBOT, RunningDashboard

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook" / "leadhand.ipynb"


def _cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _shown(cells: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Any]]:
    """What is known after all cells ran, and what each showed, as Jupyter runs them."""
    known: dict[str, Any] = {}
    shown = []
    for cell in cells:
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), cell["id"], "exec"), known)  # noqa: S102 - it is our own notebook
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), cell["id"], "eval"), known))  # noqa: S307 - likewise
    return known, shown


def test_each_cell_runs_as_a_reader_and_finds_what_is_stored(dashboard: RunningDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    glue = "&" if "?" in dashboard.database_url else "?"
    monkeypatch.setenv("LEADHAND_READER_URL", f"{dashboard.database_url}{glue}options=-crole%3Dleadhand_reader")
    monkeypatch.setenv("LEADHAND_SIGNAL", f"{ROBOT}/current")
    known, shown = _shown(_cells())
    ledger = known["ledger"]
    assert ledger.loc["robots", ["expected", "stored", "unchanged", "gap", "not_yet_explained"]].tolist() == [1000, 900, 90, 10, 0]
    assert ledger.loc["robots", "taken %"] == pytest.approx(99.0)
    assert shown[1].to_dict() == {"overrun": 10}
    assert known["figure"].layout.title.text == f"{ROBOT}/current"
    samples = known["samples"]
    assert len(samples) > 1900
    assert known["samples"].time.diff().dt.total_seconds().median() == pytest.approx(0.03)
    assert known["connection"].closed


def test_a_notebook_is_kept_without_what_it_showed() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in _cells()), "no plant's figures, no path of a machine"
