"""A simulated factory is written, and recommendations are judged by its truth; what is wrong with them is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from leadhand.__main__ import app
from optimizer.files import read_history, read_products
from plant.errors import SettingsError
from plant.network_file import load_network
from simulators.factory import main as write_factory
from simulators.factory_answers import Checker, read_answers
from simulators.factory_figures import inside_share
from simulators.factory_reference import Reference, read_reference
from simulators.factory_score import judged, lines
from simulators.factory_score import main as score


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("factory") / "works"
    assert write_factory(["--seed", "1001", "--out", str(out), "--rows", "10000", "--truth", "harsh"]) == 0
    return out


@cache
def _reference(folder: Path) -> Reference:
    return read_reference(folder)


def _perfect(folder: Path) -> dict[str, Any]:
    """What somebody who knows the truth recommends."""
    oracle = {row["product"]: row for row in pq.read_table(folder / "truth" / "products.parquet").to_pylist()}
    intervals: dict[str, Any] = {}
    columns = ["product", "alternative", "duration_min"]
    for row in pq.read_table(folder / "truth" / "truth.parquet", columns=columns, filters=[("product", ">=", "N")]).to_pylist():
        middle = row["duration_min"]
        wide = {"duration_min": [middle, middle * 0.77, middle * 1.23], "count": 9, "supported": True}
        intervals.setdefault(row["product"], {})[row["alternative"]] = wide
    items = []
    for product, row in oracle.items():
        if row["outside"]:
            items.append({"product": product, "answer": "not_enough_evidence"})
        else:
            items.append(
                {"product": product, "answer": "recommended", "route": row["oracle_route"], "intervals": intervals.get(product, {})}
            )
    return {"leadhand": "recommendations/1", "items": items}


def _scored(folder: Path, told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bool]]:
    """All figures, and which musts are kept."""
    path, reference = folder.parent / "R.json", _reference(folder)
    path.write_text(json.dumps(told), encoding="utf-8")
    figures, musts = judged(reference, read_answers(path, reference.products, reference.alternatives))
    assert lines(figures, musts)
    return figures, {must.name: must.kept for must in musts}


def test_a_factory_is_written_as_the_optimizer_reads_it(folder: Path) -> None:
    network = load_network(folder / "network.json")
    products = read_products(folder / "products.csv", network)
    history = read_history(folder / "history.parquet", network, products)
    assert len(products) == 164
    assert 7_000 < len(history) < 14_000
    assert set(network.current) == set(products.ids[:100])


def test_who_knows_the_truth_has_no_regret(folder: Path) -> None:
    figures, kept = _scored(folder, _perfect(folder))
    assert figures["regret_percent"] == pytest.approx(0.0, abs=1e-9)
    assert figures["rule_violations"] == 0
    assert figures["baselines_percent"]["planner"] > figures["baselines_percent"]["nearest_best"] > 3
    assert not kept.pop("predicted / realised gain")
    assert all(kept.values()), kept


def test_a_gain_is_compared_with_what_it_truly_is(folder: Path) -> None:
    told = _perfect(folder)
    table = pq.read_table(folder / "truth" / "truth.parquet", columns=["product", "alternative", "cost"]).to_pylist()
    cost = {(row["product"], row["alternative"]): row["cost"] for row in table}
    for item in told["items"]:
        if item["answer"] == "recommended" and item["product"].startswith("N"):
            other = [name for name in ("paint-booth-1", "paint-booth-2") if name not in item["route"]]
            route = [other[0] if name.startswith("paint") else name for name in item["route"]]
            gain = cost[item["product"], other[0]] - min(cost[item["product"], f"paint-booth-{n}"] for n in (1, 2))
            item |= {"gain": {"mean": gain, "low": 0, "high": 9, "against": "nearest"}, "against": {"nearest": {"route": route}}}
    figures, kept = _scored(folder, told)
    assert figures["gains"]["new"]["ratio"] == pytest.approx(1.0, abs=1e-6)
    assert figures["gains"]["new"]["made_worse"] == 0
    assert all(kept.values()), kept


def _break_rule(told: dict[str, Any]) -> None:
    for item in told["items"]:
        if item["answer"] == "recommended" and "bevel-bevel-mill-2" in item["route"]:
            item["route"] = ["cut-oxyfuel-1" if name.startswith("cut") else name for name in item["route"]]
            return


def _answer_few(told: dict[str, Any]) -> None:
    told["items"] = [item for item in told["items"] if not item["product"].startswith("N1")]


def _answer_all(told: dict[str, Any]) -> None:
    told["items"][-1] = {**told["items"][0], "product": told["items"][-1]["product"]}


def _too_sure(told: dict[str, Any]) -> None:
    for item in told["items"]:
        for told_of in item.get("intervals", {}).values():
            mean = told_of["duration_min"][0]
            told_of["duration_min"] = [mean, 0.95 * mean, 1.05 * mean]


def _first_ways(told: dict[str, Any]) -> None:
    for item in told["items"]:
        if item["answer"] == "recommended":
            item["route"] = ["commission-stand-1" if name.startswith("commission") else name for name in item["route"]]
            item["route"] = ["paint-booth-1" if name.startswith("paint") else name for name in item["route"]]
            item["route"] = ["machine-mill-3" if name.startswith("machine") else name for name in item["route"]]
            item["route"] = ["bend-press-brake-2" if name.startswith("bend") else name for name in item["route"]]
            item["route"] = ["assemble-line-2" if name.startswith("assemble") else name for name in item["route"]]


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        (_break_rule, "rule violations"),
        (_answer_few, "share answered"),
        (_answer_all, "answers outside the support"),
        (_too_sure, "coverage of 90 % intervals"),
        (_too_sure, "coverage of the worst step"),
        (_first_ways, "mean regret, %"),
    ],
)
def test_what_is_missed_is_said(folder: Path, change: Callable[[dict[str, Any]], None], missed: str) -> None:
    told = _perfect(folder)
    change(told)
    figures, kept = _scored(folder, told)
    assert not kept[missed], figures


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"leadhand": "recommendations/2"}, 'leadhand: write "leadhand": "recommendations/1"'),
        ({"items": 7}, "items: write a list"),
        ({"items": [{"product": "M001", "answer": "perhaps"}]}, "items[1].answer: write one of recommended"),
        ({"items": [{"product": "M001", "answer": "recommended"}]}, "items[1].route: is missing"),
        ({"items": [{"product": "M001", "answer": "recommended", "route": ["laser"]}]}, "there is no alternative 'laser'"),
        ({"items": [{"product": "X", "answer": "keep_current"}]}, "'X' stands in no row of products.csv"),
        ({"items": [{"product": "M001", "answer": "keep_current"}] * 2}, "items[2].product: 'M001' is answered already"),
        (
            {"items": [{"product": "M001", "answer": "keep_current", "intervals": {"paint-booth-1": {"duration_min": [5, 6, 7]}}}]},
            "items[1].intervals.paint-booth-1.duration_min: low, mean and high must stand in this order",
        ),
        (
            {"items": [{"product": "M001", "answer": "keep_current", "gain": {"mean": 1, "against": "current"}}]},
            "items[1].against.current.route: is missing",
        ),
    ],
)
def test_another_makers_file_gets_errors_that_name_item_and_key(folder: Path, told: dict[str, Any], said: str) -> None:
    path = folder.parent / "wrong.json"
    path.write_text(json.dumps({"leadhand": "recommendations/1", "items": []} | told), encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        read_answers(path, _reference(folder).products, _reference(folder).alternatives)
    assert any(said in problem for problem in error.value.problems), error.value.problems


def test_a_folder_without_a_truth_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score([str(tmp_path), str(tmp_path / "R.json")]) == 2
    assert "is no route set with its truth" in capsys.readouterr().err


def test_the_checker_of_routes_knows_all_kinds_of_rules() -> None:
    network = {
        "operations": [{"id": o, "alternatives": [{"id": f"{o}{n}", "work_unit": f"u{n}"} for n in (1, 2)]} for o in "abc"],
        "network": {"sequence": ["a", {"one_of": ["b", {"any_order": ["c"]}]}]},
        "rules": [
            {"id": "1", "text": "one", "if": [{"feature": "x", "above": 1, "below": 3}], "remove": {"work_unit": "u1", "operation": "a"}},
            {"id": "2", "text": "two", "if_chosen": "a2", "needs": ["b1", "c1"]},
            {"id": "3", "text": "three", "if": {"feature": "g", "in": ["S"]}, "remove": {"alternative": "b1"}},
        ],
    }
    checker = Checker(network)
    assert checker.faults({"x": 1, "g": "T"}, ["a1", "b1"]) == []
    assert checker.faults({"x": 2, "g": "T"}, ["a1", "b1"]) == ["a1: one"]
    assert checker.faults({"x": 2, "g": "T"}, ["a2", "c2"]) == ["a2: two"]
    assert checker.faults({"x": 1, "g": "S"}, ["a1", "b1"]) == ["b1: three"]
    assert "no way" in checker.faults({"x": 1, "g": "T"}, ["a1", "b1", "c1"])[0]


def test_the_share_inside_an_interval_is_what_draws_give() -> None:
    rng = np.random.default_rng(1)
    delay = np.where(rng.random(400_000) < 0.2, rng.exponential(0.8, 400_000), 0.0)
    drawn = np.exp(3.0 + 0.12 * rng.normal(size=400_000)) * (1 + delay)
    one = np.ones(1)
    told = inside_share(3.0 * one, 0.12 * one, 0.2 * one, 0.8 * one, 17.0 * one, 26.0 * one)[0]
    assert told == pytest.approx(float(((drawn > 17) & (drawn < 26)).mean()), abs=0.004)


def test_the_commands_run_the_simulator_as_a_process(folder: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["simulate", "factory", "--seed", "1001", "--out", str(folder)]).exit_code == 2
    (folder.parent / "none.json").write_text(json.dumps({"leadhand": "recommendations/1", "items": []}), encoding="utf-8")
    assert run.invoke(app, ["evaluate", str(folder), str(folder.parent / "none.json")]).exit_code == 1
