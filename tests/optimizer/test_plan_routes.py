"""Routes searched with the schedule: bounds below every plan, and searches that reach them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from optimizer.plan_formats import read_instance
from optimizer.plan_greedy import first_plan
from optimizer.plan_model import solve
from optimizer.plan_route_bounds import route_bound
from optimizer.plan_shape import Shape, shape_of
from optimizer.planning import plan
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import PlanProblem
from plant.plans import Plan, Solved

_SHARED = (
    Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data") / "optimizer" / "ipps"
)


def instance(name: str) -> PlanProblem:
    """Return a shared instance; skip where there is none, which in CI is a failure."""
    file = _SHARED / name
    if not file.exists():
        words = f"{file} is missing; LEADHAND_SHARED_DATA names the folder of shared data"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return read_instance(file.read_text(), name, "ipps")


def bound_of(problem: PlanProblem) -> int:
    """Return the bound of a problem that can be planned."""
    shape = shape_of(problem)
    assert isinstance(shape, Shape)
    return route_bound(shape)


@pytest.mark.parametrize(("name", "optimum"), [("kim/problem01.ipps", 427), ("kim/problem04.ipps", 306)])
def test_the_bound_of_a_known_problem_is_its_optimum_and_the_exact_model_reaches_it(name: str, optimum: int) -> None:
    problem = instance(name)
    first = first_plan(problem, seed=1)
    assert isinstance(first, Plan)
    assert bound_of(problem) == optimum
    answer = solve(problem, seconds=300, seed=1, workers=2, hint=first, upper=objective_of(problem, first))
    assert answer.plan is not None
    assert not plan_faults(problem, answer.plan)
    assert answer.objective == answer.bound == optimum


def test_a_first_plan_is_never_below_the_bound_and_near_it() -> None:
    known = json.loads((_SHARED / "kim" / "best_known.json").read_text()) if _SHARED.exists() else {}
    ratios = []
    for row in (*range(1, 25, 4),):
        problem = instance(f"kim/problem{row:02}.ipps")
        first = first_plan(problem, seed=1)
        assert isinstance(first, Plan)
        bound = bound_of(problem)
        assert bound <= known[f"kim{row:02}"]["optimum_or_best"] <= 1.1 * bound
        ratios.append(objective_of(problem, first) / bound)
    assert min(ratios) >= 1
    assert np.mean(ratios) < 1.2


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["kim/problem16.ipps", "1620/04.ipps"])
def test_routes_and_schedule_are_found_and_proved_together(name: str) -> None:
    problem = instance(name)
    outcome = plan(problem, seconds=300, seed=1, workers=2)
    assert isinstance(outcome, Solved)
    assert outcome.proved
    assert not plan_faults(problem, outcome.plan)
    assert outcome.bound == bound_of(problem)
