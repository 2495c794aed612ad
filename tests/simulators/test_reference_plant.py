"""The simulation of a plant: against a small case solved by hand, and against plans and the independent check of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.errors import Rejected
from plant.plan_check import plan_faults
from plant.plan_problem import Job, PlanProblem, Transport, WorkUnit
from plant.plans import Plan, Trip
from simulators.reference_plant import TAKT_S, reference_plant
from simulators.reference_plant_chance import Chance, chance_of
from simulators.reference_plant_figures import plant_figures, station_loads
from simulators.reference_plant_run import Follow, Prefer, Rule, run_plant


def shop(*, buffer: int | None = None, travel: int = 0, vehicles: int | None = None) -> PlanProblem:
    """Return three parts A, B, C that are sawn (4, 2, 3) and then drilled (2, 5, 4) on one saw and one drill; due 30, 9, 20."""
    ticks = [(4, 2), (2, 5), (3, 4)]
    setup = np.array([[0, 1], [1, 0]])
    ways = None if not travel else Transport(np.array([[0, travel], [travel, 0]]), np.array([0, 1], np.int32), 0, vehicles)
    return PlanProblem(
        name="by hand",
        units=(WorkUnit("saw", setup=setup), WorkUnit("drill", buffer=buffer)),
        jobs=(Job("A", due=30), Job("B", due=9), Job("C", due=20)),
        operation_job=np.array([0, 0, 1, 1, 2, 2], np.int32),
        operation_name=("saw", "drill") * 3,
        operation_branch=np.full(6, -1, np.int32),
        mode_operation=np.arange(6, dtype=np.int32),
        mode_unit=np.array([0, 1] * 3, np.int32),
        mode_duration=np.array(ticks, np.int64).ravel(),
        mode_setup=np.array([0, -1, 1, -1, 0, -1], np.int32),
        mode_name=("",) * 6,
        arc_before=np.array([0, 2, 4], np.int32),
        arc_after=np.array([1, 3, 5], np.int32),
        arc_least=np.zeros(3, np.int64),
        arc_most=np.full(3, -1, np.int64),
        transport=ways,
    )


def test_first_in_first_out_is_as_solved_by_hand() -> None:
    # saw: A 0-4; setup 1, B 5-7; setup 1, C 8-11. drill: A 4-6; B 7-12; C waits from 11 to 12, 12-16
    run = run_plant(shop(), Rule.FIFO)

    assert run.done.start.tolist() == [0, 4, 5, 7, 8, 12]
    assert run.done.end.tolist() == [4, 6, 7, 12, 11, 16]
    assert run.setup.tolist() == [0, 0, 1, 0, 1, 0]


def test_earliest_due_date_is_as_solved_by_hand() -> None:
    # saw: B (due 9) 0-2; setup 1, C (due 20) 3-6; A 6-10 without setup. drill: B 2-7; C 7-11; A 11-13
    run = run_plant(shop(), Rule.EDD)

    assert run.done.start.tolist() == [6, 11, 0, 2, 3, 7]
    assert run.done.end.tolist() == [10, 13, 2, 7, 6, 11]


def test_a_part_stays_in_the_way_while_none_more_may_wait() -> None:
    # no part can wait before the drill. FIFO: A drilled 4-6, B 7-12; C sawn 8-11, stays on the saw until the drill is free at 12
    run = run_plant(shop(buffer=0), Rule.FIFO)

    assert run.done.end.tolist() == [4, 6, 7, 12, 11, 16]
    assert run.blocked.tolist() == [0, 0, 0, 0, 1, 0]


def test_one_vehicle_carries_one_part_at_a_time_and_drives_back_empty() -> None:
    # ways of 3. A leaves at 4, there at 7; back empty at 10; B (sawn at 7) leaves at 10, there at 13; back at 16; C leaves at 16, at 19
    run = run_plant(shop(travel=3, vehicles=1), Rule.FIFO)

    assert run.done.start.tolist()[1::2] == [7, 13, 19]


def test_a_breakdown_makes_what_is_on_the_unit_wait_and_go_on() -> None:
    # the saw is down from 2 to 5: A has 2 of its 4 ticks done, goes on at 5 and ends at 7; setup 1, B 8-10
    run = run_plant(shop(), Rule.FIFO, Chance(np.ones(6), (((2, 5),), ())))

    assert run.done.end.tolist()[0] == 7
    assert run.done.start.tolist()[2] == 8


def test_a_plan_that_is_followed_ends_exactly_when_it_says() -> None:
    problem = shop(travel=3, vehicles=1)
    plan = Plan(
        np.arange(6, dtype=np.int32),
        np.array([6, 20, 0, 6, 3, 13], np.int64),
        np.array([10, 22, 2, 11, 6, 17], np.int64),
        (Trip(0, 3, 0, 1, 2, 5), Trip(0, 5, 0, 1, 8, 11), Trip(0, 1, 0, 1, 14, 17)),
    )
    assert plan_faults(problem, plan) == ()

    run = run_plant(problem, Follow(plan))

    assert run.done.start.tolist() == plan.start.tolist()
    assert run.done.end.tolist() == plan.end.tolist()


def test_a_plan_that_says_what_comes_first_lets_nothing_in_before_its_time_and_keeps_the_pace_where_it_is_held() -> None:
    # planned on the saw: C 0-3, B 4-6, A 7-11, set up before each; who waits for the part sets up when it is there: B 5-7, A 8-12
    plan = Plan(np.arange(6, dtype=np.int32), np.array([7, 12, 4, 7, 0, 3], np.int64), np.array([11, 14, 6, 12, 3, 7], np.int64))
    later = replace(plan, start=plan.start + np.array([0, 5] * 3), end=plan.end + np.array([0, 5] * 3))

    assert run_plant(shop(), Prefer(plan)).done.start.tolist() == [8, 12, 5, 7, 0, 3]
    assert run_plant(shop(), Prefer(later)).done.start.tolist() == [8, 12, 5, 7, 0, 3]
    assert run_plant(shop(), Prefer(later, frozenset({1}))).done.start.tolist() == [8, 17, 5, 12, 0, 8]


def test_closed_time_is_kept_as_the_check_of_plans_wants_it() -> None:
    problem = shop()
    shut = replace(problem, units=(replace(problem.units[0], closed=((3, 6),)), replace(problem.units[1], closed=((12, 14),), pauses=True)))

    done = run_plant(shut, Rule.FIFO).done

    assert plan_faults(shut, done) == ()
    assert done.start.tolist()[0] == 6


@pytest.mark.parametrize("rule", list(Rule))
def test_what_a_rule_does_without_chance_is_a_plan_without_fault_that_can_be_followed(rule: Rule) -> None:
    plant = reference_plant(40, 4)
    wide = replace(plant.problem, units=tuple(replace(unit, buffer=None) for unit in plant.problem.units))

    done = run_plant(wide, rule).done

    assert plan_faults(wide, done) == ()
    again = run_plant(wide, Follow(done)).done
    assert again.start.tolist() == done.start.tolist()
    assert again.end.tolist() == done.end.tolist()


def test_every_policy_meets_the_same_chance_and_the_same_seed_the_same_day() -> None:
    plant = reference_plant(30, 4)
    chance = chance_of(plant.problem, 2, steady=frozenset({plant.line[-1]}))

    first, again = (run_plant(plant.problem, Rule.EDD, chance, vehicles=6).done for _ in range(2))

    assert first.end.tolist() == again.end.tolist()
    other = run_plant(plant.problem, Rule.FIFO, chance, vehicles=6).done
    alone = np.array([mode == mode_ for mode, mode_ in zip(first.mode, other.mode, strict=True)])
    on_line = np.isin(first.unit(plant.problem), plant.line)
    assert alone[on_line].all()
    assert ((first.end - first.start) == (other.end - other.start))[on_line].mean() > 0.8


def test_figures_of_a_plant_are_as_counted_by_hand() -> None:
    # of FIFO: A 6, B 12, C 16; all released at 0; B is due at 9 and 3 late; drilled at 6, 12, 16: 6 and 4 between
    problem = shop()
    told = plant_figures(problem, run_plant(problem, Rule.FIFO).done, 1, 5)

    assert told.lead_mean == pytest.approx(34 / 3)
    assert told.late_mean == pytest.approx(1.0)
    assert (told.late_worst, told.makespan, told.work_most) == (3, 16, 2)
    assert (told.interval_least, told.interval_most, told.missed) == (4, 6, 2)
    loads = station_loads(problem, run_plant(problem, Rule.FIFO).done, [1], 5, 2)
    assert loads.tolist() == [[pytest.approx(0.7), pytest.approx(0.9)]]


def test_the_reference_plant_is_balanced_by_its_mix() -> None:
    plant = reference_plant(240, 5)
    work = plant.mix.work_s[:, plant.mix.model].mean(axis=1)

    assert len(plant.problem.operation_name) == 240 * 17
    assert np.allclose(work[:-1], work[0], rtol=0.01)
    assert work.max() < TAKT_S
    assert np.array_equal(reference_plant(240, 5).problem.mode_duration, plant.problem.mode_duration)


def test_what_is_not_simulated_is_said() -> None:
    with pytest.raises(Rejected, match="several operations at once"):
        run_plant(replace(shop(), jobs=(Job("A", one_at_a_time=False), Job("B"), Job("C"))), Rule.FIFO)
