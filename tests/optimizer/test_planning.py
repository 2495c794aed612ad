"""Planning in the time given: first plans, what is told of them, proofs, stopping, and that nothing with a fault leaves."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest

from optimizer import planning
from optimizer.plan_board import Board
from optimizer.plan_bounds import lower_bound
from optimizer.plan_dispatch import dispatched
from optimizer.plan_laying import lay, plan_of
from optimizer.plan_shop import shop_of, speaks, unspeakable
from optimizer.planning import Progress, plan
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import Lock, LockReason, PlanProblem
from plant.plans import Infeasible, Plan, Solved
from tests.optimizer.drawn_problems import drawn_problem, with_locks
from tests.optimizer.drawn_shops import drawn_shop


def first_of(problem: PlanProblem, rounds: int = 3) -> Plan:
    found = dispatched(shop_of(problem), seed=1, rounds=rounds, seconds=60)
    assert found is not None
    made = plan_of(shop_of(problem), found[0], found[1])
    assert made is not None
    return made


def best_of_all_lists(problem: PlanProblem) -> int:
    """Return the least cost of all orders and modes there are, laid out one by one."""
    shop, count = shop_of(problem), len(problem.operation_job)
    start, end, ends = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(len(problem.jobs), np.int64)
    found = []
    tokens = problem.operation_job.tolist()
    ways = [range(shop.mode_at[at], shop.mode_at[at + 1]) for at in range(count)]
    for turns in sorted(set(itertools.permutations(tokens))):
        steps = {job: iter(np.flatnonzero(problem.operation_job == job)) for job in set(tokens)}
        order = np.array([next(steps[job]) for job in turns], np.int32)
        found += [lay(shop, order, np.array(modes, np.int32), start, end, ends) for modes in itertools.product(*ways)]
    return min(cost for cost in found if cost >= 0)


def test_first_plans_of_shops_keep_every_rule_and_cost_what_they_say() -> None:
    told = 0
    for seed in range(150):
        problem = drawn_problem(seed, vehicles=False)
        if speaks(problem):
            told += 1
            found = dispatched(shop_of(problem), seed=seed, rounds=3)
            assert found is not None
            made = plan_of(shop_of(problem), found[0], found[1])
            assert made is not None
            assert plan_faults(problem, made) == ()
            assert objective_of(problem, made) == found[2]
            locked = with_locks(problem, made, seed)
            again = dispatched(shop_of(locked), seed=seed, rounds=3)
            later = None if again is None else plan_of(shop_of(locked), again[0], again[1])
            assert later is None or plan_faults(locked, later) == ()
    assert told > 5


@pytest.mark.parametrize("pauses", [False, True])
def test_first_plans_keep_clear_of_closed_time_and_leave_room_for_setups(pauses: bool) -> None:
    for seed in range(10):
        problem = drawn_shop(seed, setup=4, closed=True, due=True, pauses=pauses)
        assert plan_faults(problem, first_of(problem)) == ()


def test_what_is_fixed_later_is_a_hole_that_others_go_round() -> None:
    for seed in range(6):
        problem = drawn_shop(seed, jobs=7, units=1, steps=1, alternatives=1, setup=6)
        # in the middle of all work, where a setup before and after it has to be left
        moved = int(problem.mode_duration.sum() // 2)
        made = first_of(replace(problem, locks=(Lock(0, 0, moved, LockReason.PERSON),)))
        assert plan_faults(problem, made) == ()
        assert made.start[0] == moved
        assert (made.start < moved).any()
        assert (made.start > moved).any()


def test_the_first_plan_of_five_thousand_operations_keeps_every_rule() -> None:
    problem = drawn_shop(1, jobs=250, units=40, steps=20, alternatives=3, setup=5, due=True)
    found = dispatched(shop_of(problem), seed=1, rounds=1)
    assert found is not None
    made = plan_of(shop_of(problem), found[0], found[1])
    assert made is not None
    assert plan_faults(problem, made) == ()


def test_bounds_are_never_above_the_best_plan_there_is() -> None:
    for seed in range(12):
        problem = drawn_shop(seed, jobs=2, units=2, steps=2, setup=3 * (seed % 2), due=seed % 3 == 0)
        assert lower_bound(shop_of(problem)) <= best_of_all_lists(problem)


def test_a_bound_shares_work_out_among_units() -> None:
    problem = drawn_shop(5, jobs=8, units=3, steps=3, alternatives=3)
    shop = shop_of(problem)
    shortest = np.minimum.reduceat(shop.duration, shop.mode_at[:-1])
    assert lower_bound(shop) >= shortest.sum() / 3


def test_what_cannot_be_told_as_a_shop_is_named() -> None:
    problem = drawn_shop(1)
    assert speaks(problem)
    units = (replace(problem.units[0], buffer=1), *problem.units[1:])
    assert unspeakable(replace(problem, units=units)) == "buffers"


def test_the_first_plan_is_told_at_once_and_no_time_at_all_gives_it() -> None:
    heard: list[Progress] = []
    problem = drawn_shop(2, jobs=8)
    answer = plan(problem, seconds=0, seed=1, on_progress=heard.append)
    assert isinstance(answer, Solved)
    assert heard[0].by == "greedy"
    assert plan_faults(problem, answer.plan) == ()
    assert answer.objective == objective_of(problem, answer.plan)
    assert 0 < answer.bound <= answer.objective


def test_the_same_seed_gives_the_same_first_plan() -> None:
    problem = drawn_shop(4, setup=3, due=True)
    first, again = (dispatched(shop_of(problem), seed=9, rounds=5, seconds=60) for _ in range(2))
    assert first is not None
    assert again is not None
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()


def test_a_plan_to_begin_with_is_kept_where_nothing_is_better() -> None:
    problem = drawn_shop(6, jobs=8)
    known = plan(problem, seconds=0, seed=1)
    assert isinstance(known, Solved)
    answer = plan(problem, seconds=0, seed=2, begin_with=known.plan)
    assert isinstance(answer, Solved)
    assert answer.objective <= known.objective


def test_a_plan_with_a_fault_is_never_taken() -> None:
    problem = drawn_shop(7)
    good = first_of(problem)
    board = Board(problem)
    bad = replace(good, start=good.start - 1, end=good.end - 1)
    assert not board.offer(bad, "nobody")
    assert board.plan is None
    assert board.dropped == 1
    assert board.offer(good, "greedy")
    assert not board.offer(bad, "nobody")
    assert board.plan is good


def test_locks_that_cannot_both_be_kept_are_infeasible_and_why_is_told() -> None:
    problem = drawn_shop(1, jobs=2, units=1, steps=1, alternatives=1)
    both = tuple(Lock(at, at, 3, LockReason.FROZEN) for at in range(2))
    answer = plan(replace(problem, locks=both), seconds=600, seed=1, workers=1)
    assert isinstance(answer, Infeasible)
    assert answer.why


def test_stop_ends_it_and_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def busy(search: planning._Search, *_: object) -> None:
        begun.set()
        while not search.over():
            search.board.over.wait(0.01)

    monkeypatch.setattr(planning._Search, "work", busy)
    before = set(threading.enumerate())
    answer = plan(drawn_shop(8, jobs=8), seconds=600, seed=1, stop=begun.is_set)
    assert isinstance(answer, Solved)
    assert answer.wall_s < 300
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive(), thread.name


def test_an_interrupt_gives_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(planning._Search, "work", lambda *_: None)
    monkeypatch.setattr(planning._Search, "goes_on", interrupted)
    assert isinstance(plan(drawn_shop(8, jobs=8), seconds=600, seed=1), Solved)


def test_a_worker_that_fails_does_not_take_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(planning._Search, "_walk", fails)
    monkeypatch.setattr(planning._Search, "_prove", lambda *_: None)
    assert isinstance(plan(drawn_shop(8, jobs=8), seconds=600, seed=1), Solved)
