"""A network.json is read strictly; what is wrong is told with its key; the ways through it and its rules are what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plant.errors import SettingsError
from plant.network_file import load_network, network_json, network_of, network_schema, parse_network
from plant.process_network import AnyOrder, OneOf, Sequence, Step, route_fault
from plant.products import Product
from plant.route_costs import CostWeights, operation_cost, risk_cost
from plant.route_rules import allowed, route_problems
from tests.plant.route_examples import small_network

LIGHT = Product("EX-10", "mini", {"tonnage_t": 10.0, "weld_length_m": 40.0, "grade": "S355"})
HEAVY = Product("EX-30", "large", {"tonnage_t": 30.0, "weld_length_m": 90.0, "grade": "S355"})
HARD = Product("EX-12", "mini", {"tonnage_t": 12.0, "weld_length_m": 40.0, "grade": "S960"})


def test_a_network_is_read_with_all_it_says() -> None:
    network = network_of(small_network())
    assert [a.id for a in network.alternatives] == ["cut-laser", "cut-plasma", "weld-r1", "weld-r2", "weld-h", "paint-1", "test-1"]
    assert network.alternative("weld-r1").parameters == {"current_a": 260}
    assert network.alternative("weld-r2").since_us == 1_785_542_400_000_000
    assert network.operation("weld").increases_with == {"duration_min": ("weld_length_m",)}
    assert network.root == Sequence(
        (Step("cut"), OneOf((Step("weld"), Sequence((Step("weld-hand"),)))), AnyOrder((Step("paint"), Step("test"))))
    )
    route = network.current_route("EX-10")
    assert route is not None
    assert route.id == "R1"
    assert network.current_route("EX-11") is None


def test_a_network_written_is_read_as_the_same() -> None:
    network = network_of(small_network())
    assert parse_network(json.dumps(network_json(network))) == network


def test_a_route_must_be_one_whole_way_through_the_network() -> None:
    network = network_of(small_network())
    assert route_fault(network, ("cut-laser", "weld-r1", "paint-1", "test-1")) is None
    assert route_fault(network, ("cut-laser", "weld-h", "test-1", "paint-1")) is None
    assert "no whole way" in str(route_fault(network, ("cut-laser", "weld-r1", "weld-h", "paint-1", "test-1")))
    assert "no whole way" in str(route_fault(network, ("cut-laser", "paint-1", "test-1")))
    assert "done twice" in str(route_fault(network, ("cut-laser", "cut-plasma", "weld-r1", "paint-1", "test-1")))
    assert "no alternative" in str(route_fault(network, ("cut-water",)))


def test_rules_prune_what_a_product_may_be_made_by() -> None:
    network = network_of(small_network())
    assert allowed(network, LIGHT).alternatives.all()
    heavy, hard = allowed(network, HEAVY), allowed(network, HARD)
    assert heavy.removed == (("weld-r1", "envelope"),)
    assert np.flatnonzero(~heavy.alternatives).tolist() == [2]
    assert hard.removed == (("weld-r1", "grade"), ("weld-r2", "grade"))


def test_a_route_that_breaks_a_rule_is_told_with_the_rules_text() -> None:
    network = network_of(small_network())
    assert route_problems(network, LIGHT, ("cut-laser", "weld-r2", "paint-1", "test-1")) == []
    [needs] = route_problems(network, LIGHT, ("cut-plasma", "weld-r2", "paint-1", "test-1"))
    assert needs == "'weld-r2' breaks rule 'edge': robot 2 needs laser edges"
    [excludes] = route_problems(network, LIGHT, ("cut-plasma", "weld-h", "paint-1", "test-1"))
    assert "dust" in excludes
    [removed] = route_problems(network, HEAVY, ("cut-laser", "weld-r1", "paint-1", "test-1"))
    assert removed == "'weld-r1' is taken out by rule 'envelope': robot 1 lifts 20 t"


def test_the_cost_of_an_operation_is_what_the_formula_says() -> None:
    weights = CostWeights(per_minute=2, per_kwh=0.2, per_wear=3, rework_fixed_min=60, rework_share=0.8, per_scrap=100, risk_aversion=0.5)
    cost = operation_cost(weights, [10.0, 20.0], [1.0, 0.9], [5.0, np.nan], [1.0, np.nan], fixed_cost=7, scrapped=0.01)
    assert cost.tolist() == pytest.approx([7 + 20 + 1 + 3 + 1, 7 + 2 * (20 + 0.1 * 76) + 1])
    assert np.isnan(operation_cost(weights, np.nan, 1.0))
    assert risk_cost(weights, [10.0, 10.0], [14.0, 9.0]).tolist() == [2.0, 0.0]


def _set(*path: Any, to: object) -> Callable[[dict[str, Any]], None]:
    def change(network: dict[str, Any]) -> None:
        at: Any = network
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("leadhand", to="network/9"), 'leadhand: write "leadhand": "network/1", not "network/9"'),
        (_set("nodes", to=[]), "nodes: unknown key"),
        (_set("features", 0, "name", to="family"), "features[1].name: 'family' is a column of each product already"),
        (_set("features", 1, "name", to="tonnage_t"), "features[2].name: 'tonnage_t' is there already"),
        (
            _set("operations", 1, "alternatives", 0, "id", to="cut-laser"),
            "operations[2].alternatives[1].id: 'cut-laser' is an alternative of 'cut'",
        ),
        (_set("operations", 0, "alternatives", to=[]), "operations[1].alternatives: "),
        (_set("operations", 0, "alternatives", 0, "work_unit", to=None), "operations[1].alternatives[1].work_unit: "),
        (_set("operations", 1, "increases_with", "duration_min", to=["grade"]), "operations[2].increases_with.duration_min: 'grade' is no"),
        (_set("network", "sequence", 0, to="saw"), "network: there is no operation 'saw'"),
        (_set("network", "sequence", 0, to="paint"), "network: operation 'paint' can occur twice on one way"),
        (_set("network", "sequence", 0, to=7), 'network.sequence[1]: write an operation\'s id, or one of {"sequence": [...]}'),
        (_set("network", "sequence", 1, to={"one_of": []}), "network.sequence[2].one_of: "),
        (_set("rules", 0, "if", "feature", to="height"), "rules[1].if[1].feature: there is no feature 'height'"),
        (_set("rules", 0, "if", "feature", to="grade"), "rules[1].if[1]: 'grade' is a category; say 'is' or 'in'"),
        (_set("rules", 0, "if", "is", to=3), "rules[1].if[1]: say 'above' and/or 'below', or 'is', or 'in'"),
        (_set("rules", 0, "remove", to={}), "rules[1].remove: say at least one of"),
        (_set("rules", 0, "remove", "work_unit", to="robot-9"), "rules[1].remove.work_unit: there is no work unit 'robot-9'"),
        (_set("rules", 2, "needs", to=["weld-r1"]), "rules[3].needs: 'weld-r1' does the same operation"),
        (_set("rules", 2, "if_chosen", to="x"), "rules[3].if_chosen: there is no alternative 'x'"),
        (_set("rules", 2, to={"id": "z", "text": "z"}), "rules[3]: a rule needs 'remove'"),
        (_set("cost", "per_minute", to=-1), "cost.per_minute: "),
        (_set("routes", 0, "alternatives", to=["cut-laser"]), "routes[1] ('R1'): the operations cut are no whole way"),
        (_set("current", "EX-10", to="R9"), "current.EX-10: there is no route 'R9'"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_key(change: Callable[[dict[str, Any]], None], said: str) -> None:
    network = small_network()
    change(network)
    with pytest.raises(SettingsError) as told:
        network_of(network, "works.json")
    assert any(problem.startswith(f"works.json: {said}") for problem in told.value.problems), told.value.problems


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is no JSON"),
        (b"[]", "the file: "),
        (b"\xff\xfe{}", "is no UTF-8 text"),
        (b'{"leadhand": "network/1", "leadhand": "network/1"}', 'the key "leadhand" is there twice'),
        (b'{"leadhand": NaN}', "NaN is no number of JSON"),
        (b"[" * 200_000, "is nested too deeply"),
    ],
)
def test_what_is_no_network_at_all_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_network(content)


def test_a_network_nested_without_end_is_refused() -> None:
    network = small_network()
    for _ in range(400):
        network["network"] = {"sequence": [network["network"]]}
    with pytest.raises(SettingsError):
        network_of(network)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_network(tmp_path / "none.json")


def test_the_schema_names_what_a_network_holds() -> None:
    schema = network_schema()
    assert set(small_network()) == set(schema["properties"])
    assert "if" in schema["$defs"]["RemovalPiece"]["properties"]
