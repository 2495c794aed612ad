"""Promises: drawn through the whole plan, wider where less is known, and put right by what earlier promises became."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.plan_problem import Job, Lock, LockReason, PlanProblem, WorkUnit
from plant.plans import Plan
from plant.promises import LEVELS, Promise, Spread, drawn_ends, kept_shares, no_spread, promise, score

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000


def line(jobs: int = 3, *, closed: tuple[tuple[int, int], ...] = (), pauses: bool = True) -> tuple[PlanProblem, Plan]:
    """Parts that go through a saw (10 ticks) and a press (20 ticks), one after the other."""
    rows = 2 * jobs
    problem = PlanProblem(
        "line",
        (WorkUnit("saw", closed=closed, pauses=pauses), WorkUnit("press", closed=closed, pauses=pauses)),
        tuple(Job(f"J{n}", product="P") for n in range(jobs)),
        np.repeat(np.arange(jobs, dtype=np.int32), 2),
        ["saw", "press"] * jobs,
        np.full(rows, -1, np.int32),
        np.arange(rows, dtype=np.int32),
        np.tile(np.array([0, 1], np.int32), jobs),
        np.tile(np.array([10, 20], np.int64), jobs),
        np.full(rows, -1, np.int32),
        [""] * rows,
        np.arange(0, rows, 2, dtype=np.int32),
        np.arange(1, rows, 2, dtype=np.int32),
        np.zeros(jobs, np.int64),
        np.full(jobs, -1, np.int64),
    )
    saw = 10 * np.arange(jobs)
    press = 10 + 20 * np.arange(jobs)
    start = np.stack([saw, press], 1).ravel().astype(np.int64)
    return problem, Plan(np.arange(rows, dtype=np.int32), start, start + np.tile([10, 20], jobs))


def spread(problem: PlanProblem, log_sd: float = 0.2, rework: float = 0.0, scrap: float = 0.0) -> Spread:
    rows = np.ones(len(problem.mode_unit))
    return Spread(log_sd * rows, rework * rows, 15.0 * rows, scrap * rows)


def test_what_is_certain_ends_when_it_is_planned_to_also_over_closed_time() -> None:
    problem, plan = line()
    assert drawn_ends(problem, plan, no_spread(problem), draws=5).tolist() == [[30.0] * 5, [50.0] * 5, [70.0] * 5]
    closed, _ = line(closed=((45, 145),))
    assert drawn_ends(closed, plan, no_spread(closed), draws=2)[:, 0].tolist() == [30.0, 150.0, 170.0]
    unbroken, _ = line(closed=((45, 145),), pauses=False)
    assert drawn_ends(unbroken, plan, no_spread(unbroken), draws=2)[:, 0].tolist() == [30.0, 165.0, 185.0]


def test_lateness_is_handed_on_along_a_unit_and_a_product_is_late_together() -> None:
    problem, plan = line(12)
    alone = drawn_ends(problem, plan, spread(problem), draws=4000, seed=3, shared=0.0)
    together = drawn_ends(problem, plan, spread(problem), draws=4000, seed=3, shared=1.0)
    assert alone[-1].std() > alone[0].std()
    assert together[-1].std() > 1.5 * alone[-1].std(), "what is common does not average out"
    assert together[-1].mean() == pytest.approx(250, rel=0.03)
    again = drawn_ends(problem, plan, spread(problem, rework=0.5), draws=4000, seed=3)
    assert again[-1].mean() > together[-1].mean() + 60
    lost = drawn_ends(problem, plan, spread(problem, log_sd=0.0, scrap=0.1), draws=4000, seed=3)
    assert (lost[0] > 30).mean() == pytest.approx(1 - 0.9**2, abs=0.03)


def test_what_has_ended_is_certain_and_what_has_begun_ends_no_sooner_than_now() -> None:
    problem, plan = line()
    locks = (Lock(0, 0, 0, LockReason.STARTED, 10), Lock(1, 1, 10, LockReason.STARTED, 30))
    under_way = replace(problem, locks=locks, now=25)
    ends = drawn_ends(under_way, plan, spread(problem, 0.5), draws=500)
    assert ends[0].min() >= 25
    assert ends[0].std() > 0
    assert drawn_ends(replace(under_way, now=30), plan, spread(problem, 0.5), draws=50)[0].std() == 0
    held = replace(problem, locks=(Lock(4, 4, 60, LockReason.PERSON),))
    late = Plan(plan.mode, np.array([0, 10, 10, 30, 60, 70]), np.array([10, 30, 20, 50, 70, 90]))
    assert drawn_ends(held, late, no_spread(problem), draws=2)[2, 0] == 90, "a person's lock holds though the saw is free"


def test_a_promise_tells_dates_and_the_probability_of_the_due_date() -> None:
    chance = np.random.default_rng(1)
    ends = 6.5 * DAY_US * np.exp(0.1 * chance.standard_normal(20_000))
    told = promise("A", ends, made_us=0, planned_end_us=6 * DAY_US, due_us=round(7.5 * DAY_US), scores=())
    days = [time / DAY_US for time in told.ready_us]
    assert days == pytest.approx([6.5, 6.5 * np.exp(0.0842), 6.5 * np.exp(0.1645)], rel=0.02)
    assert told.due_probability == pytest.approx(0.92, abs=0.03)
    assert len(told.quantiles_us) == len(LEVELS)
    assert told.calibrated_by == 0
    never = promise("A", ends, made_us=0, planned_end_us=0, due_us=-5, scores=())
    assert never.due_probability == 0.0
    assert promise("A", ends, made_us=0, planned_end_us=0, due_us=None).due_probability is None


def test_promises_learn_from_orders_that_ended_until_they_are_kept_as_often_as_they_say() -> None:
    """The plant is a fifth slower and twice as uneven as its model."""
    chance = np.random.default_rng(7)
    model = np.exp(0.05 * chance.standard_normal(2000)) * DAY_US
    first: list[tuple[Promise, int]] = []
    later: list[tuple[Promise, int]] = []
    scores: list[float] = []
    for at in range(600):
        told = promise(f"A-{at}", model, made_us=0, planned_end_us=DAY_US, due_us=None, scores=scores)
        ended = round(DAY_US * 1.2 * np.exp(0.1 * chance.standard_normal()))
        (first if at < 30 else later).append((told, ended))
        scores.append(score(told, ended))
    naive = [(promise("A", model, made_us=0, planned_end_us=DAY_US, due_us=None), end) for _, end in later]
    assert kept_shares(naive)[1].kept < 0.25
    for share in kept_shares(later):
        assert share.kept == pytest.approx(share.promised, abs=0.06)
        assert share.orders == len(later)
    assert later[-1][0].calibrated_by == 400
    due = promise("A", model, made_us=0, planned_end_us=0, due_us=round(1.2 * DAY_US), scores=scores).due_probability
    assert due == pytest.approx(0.5, abs=0.08)


def test_drawing_a_plan_of_two_thousand_operations_takes_no_second_of_the_processor() -> None:
    import time

    problem, plan = line(1000, closed=tuple((100 * n + 60, 100 * n + 100) for n in range(300)))
    begin = time.process_time()
    ends = drawn_ends(problem, plan, spread(problem, rework=0.05), draws=200)
    assert ends.shape == (1000, 200)
    assert np.isfinite(ends).all()
    assert time.process_time() - begin < 10, "far below on a machine that does nothing else"
