"""Compiled search: it finds what trying all finds, is never worse than what it begins with, and does the same again from the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.plan_annealing import soften
from optimizer.plan_dispatch import dispatched
from optimizer.plan_laying import plan_of
from optimizer.plan_search import Pool, crossed, improve, listed, searchable
from optimizer.plan_shop import shop_of
from optimizer.planning import plan
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import Lock, LockReason, Objective, PlanProblem
from plant.plans import Plan, Solved
from tests.optimizer.drawn_shops import drawn_shop
from tests.optimizer.test_planning import best_of_all_lists, first_of


def walked(problem: PlanProblem, begun: Plan, seed: int, walks: int = 1) -> list[Plan]:
    found: list[Plan] = []
    improve(problem, begun, seed=seed, stop=lambda: False, on_plan=found.append, walks=walks, pool=Pool(2))
    return found


def test_moves_of_critical_operations_find_the_best_plan_of_small_shops() -> None:
    for seed in range(8):
        problem = drawn_shop(seed, jobs=2, units=2, steps=2, setup=4 * (seed % 2))
        begun = first_of(problem)
        found = walked(problem, begun, seed)
        best = objective_of(problem, found[-1] if found else begun)
        assert plan_faults(problem, found[-1] if found else begun) == ()
        assert best == best_of_all_lists(problem)


@pytest.mark.parametrize("setup", [0, 12])
def test_each_plan_of_a_walk_is_better_than_the_last_and_without_fault(setup: int) -> None:
    problem = drawn_shop(11, jobs=10, units=5, steps=5, alternatives=3, setup=setup)
    begun = first_of(problem)
    costs = [objective_of(problem, begun)]
    for found in walked(problem, begun, 1):
        assert plan_faults(problem, found) == ()
        costs.append(objective_of(problem, found))
    assert len(costs) > 1
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)


def test_the_same_seed_walks_the_same_way() -> None:
    problem = drawn_shop(12, jobs=8, units=4, steps=4, setup=6)
    begun = first_of(problem)
    one, other = (walked(problem, begun, 5) for _ in range(2))
    assert len(one) == len(other) > 0
    assert all((a.start == b.start).all() and (a.mode == b.mode).all() for a, b in zip(one, other, strict=True))


def test_a_walk_leaves_alone_what_has_begun() -> None:
    told = 0
    for seed in range(4):
        problem = drawn_shop(seed, jobs=10, units=5, steps=4, alternatives=3, setup=5 * (seed % 2))
        begun = first_of(problem, rounds=1)
        now = int(np.quantile(begun.start, 0.3))
        rows = np.flatnonzero(begun.start < now).tolist()
        locks = tuple(Lock(at, int(begun.mode[at]), int(begun.start[at]), LockReason.STARTED, int(begun.end[at])) for at in rows)
        held = replace(problem, locks=locks, now=now)
        assert searchable(held)
        for found in walked(held, begun, seed):
            told += 1
            assert plan_faults(held, found) == ()
            assert (found.start[rows] == begun.start[rows]).all()
    assert told > 0


def test_a_cross_of_two_lists_keeps_what_both_keep() -> None:
    problem = drawn_shop(13, jobs=6, units=3, steps=4, setup=3)
    shop = shop_of(problem)
    for seed in range(5):
        one, other = (dispatched(shop, seed=2 * seed + at, rounds=2) for at in range(2))
        assert one is not None
        assert other is not None
        mode, order = crossed(listed(0, one[1], one[0]), listed(0, other[1], other[0]), np.random.default_rng(seed))
        made = plan_of(shop, order, mode)
        assert made is not None
        assert plan_faults(problem, made) == ()


def test_whole_planning_proves_small_shops() -> None:
    problem = drawn_shop(14, jobs=3, units=2, steps=2)
    answer = plan(problem, seconds=600, seed=1)
    assert isinstance(answer, Solved)
    assert answer.proved
    assert answer.objective == best_of_all_lists(problem)


@pytest.mark.heavy
@pytest.mark.parametrize("objective", [Objective(tardiness=3), Objective(makespan=0, flow=1), Objective(makespan=1, setup=1, tardiness=1)])
@pytest.mark.parametrize("pauses", [False, True])
def test_lists_become_better_with_due_dates_calendars_and_setups(objective: Objective, pauses: bool) -> None:
    drawn = drawn_shop(15, jobs=10, units=4, steps=4, setup=6, closed=True, due=True, pauses=pauses)
    problem = replace(drawn, objective=objective)
    begun = first_of(problem)
    costs, same = [objective_of(problem, begun)], []

    def better(found: Plan) -> None:
        assert plan_faults(problem, found) == ()
        costs.append(objective_of(problem, found))

    for _ in range(2):
        soften(
            shop_of(problem),
            begun,
            seed=1,
            left=lambda: 1e9,
            stop=lambda: False,
            on_plan=better,
            best_of_all=lambda: None,
            rounds=10,
        )
        same.append(costs[1:])
        del costs[1:]
    assert same[0] == same[1]
    assert same[0][-1] < 0.95 * costs[0]
