"""The simulated factory: its truth is frozen, its best routes keep all rules, and its planners tell how probable each choice was."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import product as combinations

import numpy as np
import pytest

from plant.operation_history import OperationHistory, concatenated, wrong_values
from plant.route_rules import route_problems
from simulators.factory_planner import Works
from simulators.factory_runs import Catalogue, Floor, history_of
from simulators.factory_shape import OPERATIONS
from simulators.factory_truth import BEGIN_US, MODELS, NOW_US, VERSION, Kind, truth_of

HASHES = {
    (1, Kind.PLAIN): "fb46609485828e1a",
    (2, Kind.PLAIN): "4c8cdbb48549ee53",
    (1, Kind.HARSH): "1e65cf151606a606",
    (2, Kind.HARSH): "710ed847fb6a4f7d",
}


@cache
def _works(seed: int = 1001, kind: Kind = Kind.PLAIN) -> Works:
    return Works(truth_of(seed, kind))


@cache
def _history(rows: int = 20_000) -> tuple[Catalogue, OperationHistory]:
    catalogue, parts = history_of(_works(), rows)
    return catalogue, concatenated(list(parts))


@pytest.mark.parametrize(("seed", "kind"), list(HASHES))
def test_the_truth_is_frozen(seed: int, kind: Kind) -> None:
    works = _works(seed, kind)
    told = hashlib.sha256(str(VERSION).encode())
    for table in (works.costs(), works.truth.minutes(), works.truth.first_pass, works.truth.pair_log, works.truth.products.features):
        told.update(np.ascontiguousarray(np.round(table, 6) + 0.0).tobytes())
    for row in works.draw(MODELS, 50, np.random.default_rng(1)):
        told.update(np.ascontiguousarray(row, np.int64).tobytes())
    assert told.hexdigest()[:16] == HASHES[seed, kind], "the truth has changed: raise VERSION, and say so with all figures that follow"


def test_the_history_of_a_seed_is_frozen_too() -> None:
    catalogue, history = _history()
    told = hashlib.sha256(np.ascontiguousarray(catalogue.routes, np.int64).tobytes())
    told.update(np.ascontiguousarray(history.alternative, np.int32).tobytes())
    told.update(np.ascontiguousarray(np.round(history.duration_min, 2) + 0.0, np.float32).tobytes())
    assert told.hexdigest()[:16] == "b53c961645da829b"


@pytest.mark.parametrize("kind", list(Kind))
def test_no_route_is_better_than_the_best_one_and_it_keeps_all_rules(kind: Kind) -> None:
    works, rng = _works(1001, kind), np.random.default_rng(3)
    for product in (3, 40, 77, 101, 150):
        best, cost = works.best_route(product)
        names = [works.network.alternatives[at].id for at in best if at >= 0]
        assert route_problems(works.network, works.products.at(product), names) == []
        assert works.route_costs(product, works.draw(product, 500, rng)).min() >= cost - 1e-9


def test_the_best_route_is_the_best_of_all_that_there_are() -> None:
    works = _works(1001, Kind.HARSH)
    product = 120
    usable = works.allowed[product]
    groups = [[a for a in group if usable[a]] for group in works.groups]
    best = np.inf
    rest = sum(
        works.costs()[product][group].min()
        for at, group in enumerate(groups)
        if OPERATIONS[at] in {"machine", "paint", "assemble", "commission"}
    )
    tail = [min(groups[at], key=lambda a: works.costs()[product][a]) for at in range(6, 10)]
    ways = [(w, -1, -1) for w in groups[3]] + [(-1, r, f) for r, f in combinations(groups[4], groups[5])]
    bend = min(groups[1], key=lambda a: works.costs()[product][a])
    routes = np.array([[c, bend, v, *way, *tail] for c, v, way in combinations(groups[0], groups[2], ways)])
    kept = [not works._breaks_tie(route) for route in routes]
    best = works.route_costs(product, routes[kept]).min()
    assert rest > 0
    assert works.best_route(product)[1] == pytest.approx(best)


def test_planners_routes_keep_all_rules() -> None:
    works, rng = _works(), np.random.default_rng(4)
    for product in (0, 55, 99, 130):
        for route in works.draw(product, 40, rng):
            names = [works.network.alternatives[at].id for at in route if at >= 0]
            assert route_problems(works.network, works.products.at(product), names) == []


def test_a_history_has_no_wrong_value_and_all_stages() -> None:
    catalogue, history = _history()
    assert wrong_values(history) == {}
    assert 14_000 < len(history) < 26_000
    assert len(catalogue.uses) == len(np.unique(np.column_stack([catalogue.product, catalogue.routes]), axis=0))
    stages = {works_operation.stage for works_operation in _works().network.operations}
    assert stages == {"cutting", "forming", "welding", "machining", "painting", "assembly"}
    assert set(history.alternative.tolist()) == set(range(len(history.alternatives)))
    assert int(history.started_us.min()) >= BEGIN_US


def test_propensities_are_how_often_an_alternative_is_chosen() -> None:
    _, history = _history()
    code = history.alternatives.index("paint-booth-1")
    paints = history.take(np.isin(history.alternative, [code, code + 1]))
    expected = float(np.where(paints.alternative == code, paints.propensity, 1 - paints.propensity).sum())
    assert expected == pytest.approx(int((paints.alternative == code).sum()), rel=0.05)


def test_a_cell_that_became_slower_is_slower_from_then_on() -> None:
    truth = _works().truth
    alternative = np.flatnonzero(truth.unit == truth.worse_unit)[:1]
    before, after = truth.drift(alternative, BEGIN_US + 234 * 86_400_000_000), truth.drift(alternative, BEGIN_US + 236 * 86_400_000_000)
    assert float((after - before)[0]) == pytest.approx(np.log(1.15), abs=0.01)


def test_what_really_happens_has_the_expected_cost() -> None:
    works = _works(1001, Kind.HARSH)
    rows = concatenated(list(history_of(works, 60_000)[1]))
    late = rows.take(rows.started_us > NOW_US - 20 * 86_400_000_000)
    expected = works.truth.minutes()[late.product, late.alternative]
    assert float(late.duration_min.mean() / expected.mean()) == pytest.approx(1.0, abs=0.02)
    assert float(late.first_pass.mean()) == pytest.approx(float(works.truth.first_pass[late.product, late.alternative].mean()), abs=0.01)


def test_a_floor_does_what_it_is_told_and_a_worse_work_unit_costs_more() -> None:
    works = _works()
    floor, again = Floor(works, 1), Floor(works, 1)
    route = tuple(works.network.alternatives[at].id for at in works.best_route(110)[0] if at >= 0)
    done = floor.perform("N11", route, decided_by="model", propensity=dict.fromkeys(route, 0.5))
    assert [done.alternatives[code] for code in done.alternative] == list(route)
    assert done.duration_min.tolist() == again.perform("N11", route).duration_min.tolist()
    assert floor.time_us > NOW_US
    before = floor.true_costs()
    floor.worsen(works.network.alternative(route[0]).work_unit, 1.5)
    changed = floor.true_costs() > before + 1e-9
    units = {a.work_unit for a, column in zip(works.network.alternatives, changed.T, strict=True) if column.any()}
    assert units == {works.network.alternative(route[0]).work_unit}
