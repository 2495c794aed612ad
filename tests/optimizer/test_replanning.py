"""A disturbed plan: at once, repaired with few moves, improved only where it is worth it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.replanning import at_once, is_materially_better, repaired
from plant.disturbances import Breakdown
from plant.plan_check import plan_faults
from plant.plan_compare import moved_count
from plant.plan_problem import Lock, LockReason, Objective, PlanProblem, Resource
from plant.plan_shift import Shifted, Unsettled, shifted
from plant.plans import Infeasible, Plan
from plant.remaining import Disturbed, applied
from tests.plant.random_replans import broken, replans
from tests.plant.small_shop import large_shop, nothing, shop, stands


class _Ticks:
    """A clock that goes on by a little at each look: so many looks are the time there is, on any machine."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        self.at += 0.001
        return self.at


def _down(problem: PlanProblem, plan: Plan) -> Disturbed:
    end = int(plan.end.max())
    busy = np.zeros(len(problem.units), np.int64)
    np.add.at(busy, plan.unit(problem), plan.end - plan.start)
    unit = problem.units[int(busy.argmax())].name
    rows = np.flatnonzero(plan.start > end // 2).tolist()[::9]
    locked = replace(problem, locks=tuple(Lock(row, int(plan.mode[row]), int(plan.start[row]), LockReason.PERSON) for row in rows))
    return applied(locked, plan, [Breakdown(unit, end // 3, end // 3 + end // 4)], end // 3, frozen=end // 40)


def _first(problem: PlanProblem) -> Plan:
    found = shifted(problem, nothing(problem))
    assert isinstance(found, Shifted)
    return found.plan


@pytest.mark.parametrize(("problem", "exact"), [(large_shop(12, 8, 8, seed=3), False), (large_shop(6, 5, 4, seed=3), True)])
def test_a_repair_is_better_than_the_shift_keeps_locks_and_places_few_anew(problem: PlanProblem, exact: bool) -> None:
    disturbed = _down(problem, _first(problem))
    first = at_once(disturbed.problem, disturbed.plan)
    assert isinstance(first, Shifted)
    # with the exact windows time is the machine's own: what is found in it may differ, what it must keep may not
    found = repaired(disturbed.problem, disturbed.plan, first, seconds=1.0, seed=1, share=0.1, clock=_Ticks(), exact=exact)
    assert plan_faults(found.problem, found.plan) == ()
    assert found.objective < found.objective_shifted
    assert found.placed_anew <= 0.1 * len(problem.operation_job)
    assert (found.placed_anew, found.shifted) == moved_count(disturbed.problem, disturbed.plan, found.plan)
    told = {one.lock.operation for one in found.loosed}
    for lock in disturbed.problem.locks:
        kept = found.plan.mode[lock.operation] == lock.mode and lock.start in {None, int(found.plan.start[lock.operation])}
        assert kept or lock.operation in told


def test_a_repair_moves_nothing_where_that_does_not_help() -> None:
    problem = shop({name: [("weld", [("weld", 4), ("weld 2", 40)])] for name in ("A", "B", "C")})
    plan = stands(problem, 0, 4, 8)
    disturbed = applied(problem, plan, [Breakdown("weld", 5, 9)], 5)
    first = at_once(disturbed.problem, disturbed.plan)
    assert isinstance(first, Shifted)
    found = repaired(disturbed.problem, disturbed.plan, first, seconds=0.5, clock=_Ticks(), exact=False)
    assert (found.placed_anew, found.objective) == (0, found.objective_shifted)


def test_a_repair_ends_when_it_is_told_to() -> None:
    problem = large_shop(12, 8, 8, seed=3)
    disturbed = _down(problem, _first(problem))
    first = at_once(disturbed.problem, disturbed.plan)
    assert isinstance(first, Shifted)
    found = repaired(disturbed.problem, disturbed.plan, first, seconds=60.0, stop=lambda: True)
    assert found.tries == 0


def test_where_no_order_can_be_kept_another_one_is_found() -> None:
    seen = 0
    for seed in (17, 40, 78, 140, 151, 172):
        for one in replans(seed):
            if isinstance(one.found, Unsettled):
                seen += 1
                found = at_once(one.disturbed.problem, one.disturbed.plan, urgent=one.disturbed.urgent)
                assert isinstance(found, Infeasible | Shifted)
                if isinstance(found, Shifted):
                    assert broken(replace(one, found=found)) == []
    assert seen


def test_what_cannot_be_planned_is_told_in_words() -> None:
    problem = shop({"A": [("weld", [("weld", 4)])]})
    never = replace(
        problem,
        resources=(Resource("welder", 1),),
        need_mode=np.array([0], np.int32),
        need_resource=np.array([0], np.int32),
        need_amount=np.array([2], np.int32),
    )
    found = at_once(never, stands(problem, 0))
    assert isinstance(found, Infeasible)
    assert found.why


def test_a_new_plan_is_taken_only_where_it_is_materially_better() -> None:
    problem = shop({name: [("weld", [("weld", 100)])] for name in ("A", "B")}, objective=Objective(makespan=1, tardiness=1, moved=3))
    problem = replace(problem, jobs=tuple(replace(job, due=250) for job in problem.jobs))
    standing = stands(problem, 0, 120)
    against = replace(problem, reference_mode=standing.mode, reference_start=standing.start)
    assert is_materially_better(against, standing, stands(problem, 0, 100))
    assert not is_materially_better(against, standing, stands(problem, 0, 119)), "one tick is not worth it"
    assert not is_materially_better(against, standing, standing)
    assert not is_materially_better(against, standing, stands(problem, 0, 130))
    dear = replace(against, objective=replace(against.objective, moved=50))
    assert not is_materially_better(dear, standing, stands(problem, 0, 100)), "what is moved counts more than it gains"
