"""A plan along a mixed-model line: without fault by the independent check, by the takt, and exactly as it is simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.plan_line import Line, plan_line
from plant.errors import Rejected
from plant.plan_check import plan_faults
from plant.plan_problem import Lock, LockReason
from plant.plans import Solved
from simulators.reference_plant import TAKT_S, reference_plant
from simulators.reference_plant_figures import plant_figures
from simulators.reference_plant_run import Follow, run_plant


@pytest.mark.heavy
def test_machines_leave_by_the_takt_and_the_simulation_agrees() -> None:
    plant = reference_plant(40, 7)

    found = plan_line(plant.problem, Line(plant.line, TAKT_S, 300), plant.mix, seconds=8, seed=1, clock=lambda: 0.0)

    assert isinstance(found.outcome, Solved)
    plan = found.outcome.plan
    assert plan_faults(plant.problem, plan) == ()
    told = plant_figures(plant.problem, plan, plant.line[-1], TAKT_S)
    assert told.missed == 0
    assert sorted(found.sequence.order.tolist()) == list(range(40))
    assert found.outcome.bound <= found.outcome.objective
    done = run_plant(plant.problem, Follow(plan)).done
    assert done.start.tolist() == plan.start.tolist()
    assert done.end.tolist() == plan.end.tolist()


@pytest.mark.heavy
def test_closed_time_of_shops_is_kept() -> None:
    plant = reference_plant(20, 8)
    units = tuple(replace(unit, closed=((3600, 5400), (12_000, 12_600))) if unit.group == "cut" else unit for unit in plant.problem.units)
    problem = replace(plant.problem, units=units)

    found = plan_line(problem, Line(plant.line, TAKT_S), plant.mix, seconds=4, seed=1, clock=lambda: 0.0)

    assert isinstance(found.outcome, Solved)
    assert plan_faults(problem, found.outcome.plan) == ()


def test_what_is_not_planned_along_a_line_is_said() -> None:
    plant = reference_plant(5, 8)
    line = Line(plant.line, TAKT_S)
    locked = replace(plant.problem, locks=(Lock(0, 0, 0, LockReason.PERSON),))

    with pytest.raises(Rejected, match="locks"):
        plan_line(locked, line, plant.mix, seconds=1, seed=1)
    with pytest.raises(Rejected, match="stations"):
        plan_line(plant.problem, Line((*plant.line, 0), TAKT_S), plant.mix, seconds=1, seed=1)
    with pytest.raises(Rejected, match="machines in the mix"):
        plan_line(plant.problem, line, reference_plant(4, 8).mix, seconds=1, seed=1)
    assert np.all(plant.mix.model >= 0)
