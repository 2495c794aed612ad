"""The check of plans: it finds each broken rule and names it, and agrees with the rules followed tick by tick."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from plant.plan_check import measures, objective_of, plan_faults
from plant.plan_problem import ALWAYS, Job, Lock, LockReason, Objective, PlanProblem, Resource, Transport, WorkUnit
from plant.plans import Plan, Trip
from tests.plant.slow_plan import keeps_all_rules, mutated, random_locks, random_plan, random_problem

SAW, WELD, PAINT = 0, 1, 2
"""The units, and where they stand: places 1, 2, 3; place 0 is the store."""


def _shop(**changed: object) -> PlanProblem:
    """Return two booms that are sawn, welded and painted; the second is painted by hand or in the booth."""
    problem = PlanProblem(
        name="booms",
        units=(
            WorkUnit("saw", buffer=1),
            WorkUnit("welder", setup=np.array([[0, 3], [2, 0]], np.int64), buffer=1),
            WorkUnit("booth", closed=((20, 25),), pauses=True),
        ),
        jobs=(Job("boom-1", due=20, weight=2), Job("boom-2", release=1, due=40)),
        operation_job=np.array([0, 0, 0, 1, 1, 1, 1], np.int32),
        operation_name=["sawing", "welding", "painting", "sawing", "welding", "painting", "touching up"],
        operation_branch=np.array([ALWAYS, ALWAYS, ALWAYS, ALWAYS, ALWAYS, 0, 1], np.int32),
        mode_operation=np.array([0, 1, 2, 3, 4, 5, 6], np.int32),
        mode_unit=np.array([SAW, WELD, PAINT, SAW, WELD, PAINT, PAINT], np.int32),
        mode_duration=np.array([4, 5, 4, 4, 5, 6, 1], np.int64),
        mode_setup=np.array([-1, 0, -1, -1, 1, -1, -1], np.int32),
        mode_name=[""] * 7,
        arc_before=np.array([0, 1, 3, 4, 4], np.int32),
        arc_after=np.array([1, 2, 4, 5, 6], np.int32),
        arc_least=np.array([0, 2, 0, 0, 0], np.int64),
        arc_most=np.array([-1, -1, 9, -1, -1], np.int64),
        branch_choice=np.array([0, 0], np.int32),
        choice_branch=np.array([ALWAYS], np.int32),
        resources=(Resource("welders", 1, ((30, 40, 1),)),),
        need_mode=np.array([1, 4, 2], np.int32),
        need_resource=np.array([0, 0, 0], np.int32),
        need_amount=np.array([1, 1, 1], np.int32),
    )
    return replace(problem, **changed)  # type: ignore[arg-type]


def _plan(**rows: tuple[int, int] | None) -> Plan:
    """Return the plan of the shop with the rows that are given changed: start and end, None: not done."""
    told: dict[str, tuple[int, int] | None] = {
        "saw1": (0, 4),
        "weld1": (4, 9),
        "paint1": (17, 26),
        "saw2": (4, 8),
        "weld2": (12, 17),
        "paint2": (26, 32),
        "touch2": None,
        **rows,
    }
    spans = list(told.values())
    mode = [row if span is not None else -1 for row, span in enumerate(spans)]
    start, end = ([0 if span is None else span[side] for span in spans] for side in (0, 1))
    return Plan(np.array(mode, np.int32), np.array(start, np.int64), np.array(end, np.int64))


def test_a_plan_that_keeps_all_rules_has_no_faults() -> None:
    assert plan_faults(_shop(), _plan()) == ()
    assert keeps_all_rules(_shop(), _plan())


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ({"saw2": (3, 7)}, ["sawing of boom-2 starts at 3 on saw", "sawing of boom-1 ends at 4"]),
        ({"weld1": (3, 8)}, ["welding of boom-1 starts at 3", "while sawing of boom-1 is being done", "until 4"]),
        ({"saw1": (0, 5), "weld1": (5, 10), "saw2": (5, 9), "weld2": (13, 18)}, ["sawing of boom-1", "ends at 5; it takes 4, to 4"]),
        ({"weld2": (11, 16)}, ["welding of boom-2 starts at 11", "welding of boom-1 ends at 9 and a setup of 3 lies between"]),
        ({"paint1": (10, 14)}, ["painting of boom-1 starts at 10", "welding of boom-1, which ends at 9 and 2 at least"]),
        ({"weld2": (18, 23), "paint1": (11, 15)}, ["welding of boom-2 starts at 18", "sawing of boom-2 ends at 8; 9 at most"]),
        ({"paint1": (17, 21)}, ["painting of boom-1", "ends at 21; it takes 4 and closed time between, to 26"]),
        ({"paint1": (22, 26)}, ["painting of boom-1 starts at 22 on booth; it starts in closed time, 20 to 25"]),
        ({"paint2": None}, ["none of the branches of a choice is taken, of painting of boom-2 | touching up of boom-2"]),
        ({"touch2": (32, 33)}, ["more than one of the branches of a choice is taken"]),
        ({"weld1": None}, ["welding of boom-1 is not done, and no choice leaves it out"]),
        ({"paint1": (33, 37)}, ["while painting of boom-1 is done, at 33, 2 of welders would be needed or away, and there are 1"]),
        ({"paint1": (14, 18)}, ["while painting of boom-1 is done, at 14, 2 of welders"]),
    ],
)
def test_each_broken_rule_is_named_with_operations_and_times(rows: dict[str, tuple[int, int] | None], named: list[str]) -> None:
    faults = plan_faults(_shop(), _plan(**rows))

    for words in named:
        assert any(words in fault for fault in faults), faults
    assert not keeps_all_rules(_shop(), _plan(**rows))


def test_a_mode_of_another_operation_and_a_wrong_length_are_told_first() -> None:
    foreign = _plan()
    foreign.mode[0] = 3
    assert plan_faults(_shop(), foreign) == ("sawing of boom-1 is done in mode 3, which is one of sawing of boom-2",)
    foreign.mode[0] = 9
    assert "mode 9, and there are 7 modes" in plan_faults(_shop(), foreign)[0]
    short = Plan(np.zeros(2, np.int32), np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert plan_faults(_shop(), short) == ("the plan has 2 rows of mode, the problem has 7 operations",)


def test_release_and_now_are_kept() -> None:
    early = _plan(saw2=(0, 4), saw1=(4, 8), weld1=(20, 25), weld2=(5, 10), paint1=(27, 31), paint2=(31, 37))
    assert "sawing of boom-2 starts at 0 on saw, before its job is released at 1" in plan_faults(_shop(), early)
    assert "sawing of boom-1 starts at 0 on saw, before now, 3" in plan_faults(_shop(now=3), _plan())


def test_no_setup_is_planned_before_now() -> None:
    units = _shop().units
    shop = _shop(units=(units[0], replace(units[1], setup_state=1), units[2]), now=4, locks=(Lock(0, 0, 0, LockReason.STARTED),))

    faults = plan_faults(shop, _plan())

    assert faults == ("welding of boom-1 starts at 4 on welder, and its setup would have to begin at 2, before now, 4",)


def test_setup_lies_in_open_time_and_waits_for_the_part_where_it_must() -> None:
    saw, welder, booth = _shop().units
    closed = _shop(units=(saw, replace(welder, closed=((10, 11),)), booth))
    assert plan_faults(closed, _plan()) == ("welding of boom-2 starts at 12 on welder; its setup of 3 lies in closed time, 10 to 11",)
    late = _plan(saw2=(7, 11))
    assert plan_faults(_shop(), late) == ()
    with_part = _shop(units=(saw, replace(welder, setup_with_part=True), booth))
    assert plan_faults(with_part, late) == (
        "welding of boom-2 starts at 12 on welder; its setup of 3 needs the part, which is there at 11",
    )


def test_work_that_cannot_pause_stays_out_of_closed_time() -> None:
    saw, welder, booth = _shop().units
    shop = _shop(units=(saw, welder, replace(booth, pauses=False)))
    faults = plan_faults(shop, _plan(paint1=(17, 21)))
    assert faults == ("painting of boom-1 starts at 17 on booth; it lasts to 21 and is in closed time, 20 to 25",)


def test_a_buffer_holds_as_many_as_it_can() -> None:
    saw, welder, booth = _shop().units
    full = _shop(units=(saw, replace(welder, buffer=0), booth))
    assert plan_faults(full, _plan()) == (
        "the part of welding of boom-2 comes to welder at 8 and waits to 12 as number 1; 0 can wait there",
    )


def test_locks_keep_mode_start_and_end() -> None:
    locks = (Lock(1, 1, 5, LockReason.FROZEN), Lock(5, 5, None, LockReason.PERSON), Lock(0, 0, 0, LockReason.STARTED, end=6))
    faults = plan_faults(_shop(locks=locks), _plan(paint2=None, touch2=(26, 27)))
    assert faults[:3] == (
        "welding of boom-1 starts at 4 on welder, and it is locked (frozen) to 5",
        "painting of boom-2 is not done, and it is locked (person) to mode 5 on booth",
        "sawing of boom-1 ends at 4, and it is locked (started) to end at 6",
    )


def test_what_started_is_a_fact_and_only_what_is_planned_answers_for_it() -> None:
    locks = (Lock(0, 0, 0, LockReason.STARTED, end=6), Lock(3, 3, 4, LockReason.STARTED))
    both = _plan(saw1=(0, 6), weld1=(6, 11), weld2=(14, 19), paint1=(19, 28), paint2=(28, 34))
    assert plan_faults(_shop(locks=locks), both) == ()
    planned = plan_faults(_shop(locks=locks[:1]), both)
    assert planned == ("sawing of boom-2 starts at 4 on saw, where sawing of boom-1 ends at 6",)


def _carried() -> tuple[PlanProblem, Plan]:
    travel = np.array([[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]], np.int64)
    shop = _shop(transport=Transport(travel, np.array([1, 2, 3], np.int32), 0, 1))
    trips = (
        Trip(0, 0, 0, 1, 0, 1),
        Trip(0, 3, 0, 1, 3, 4),
        Trip(0, 1, 1, 2, 5, 6),
        Trip(0, 4, 1, 2, 9, 10),
        Trip(0, 2, 2, 3, 11, 12),
        Trip(0, 5, 2, 3, 20, 21),
    )
    rows: dict[str, tuple[int, int] | None] = {
        "saw1": (1, 5),
        "saw2": (5, 9),
        "weld1": (6, 11),
        "weld2": (14, 19),
        "paint1": (19, 28),
        "paint2": (28, 34),
    }
    return shop, replace(_plan(**rows), trips=trips)


@pytest.mark.parametrize(
    ("at", "trip", "named"),
    [
        (2, None, "the part of welding of boom-1 must get from place 1 to place 2, and there is no trip"),
        (2, Trip(0, 1, 1, 2, 5, 7), "leaves at 5 and arrives at 7; the way from place 1 to place 2 takes 1"),
        (2, Trip(0, 1, 1, 2, 6, 7), "welding of boom-1 starts at 6, and its part is there at 7"),
        (2, Trip(0, 1, 1, 2, 4, 5), "leaves at 4, before sawing of boom-1 has ended at 5"),
        (2, Trip(1, 1, 1, 2, 5, 6), "is carried by vehicle 2, and there are 1"),
        (2, Trip(0, 1, 0, 2, 5, 7), "must get from place 1 to place 2, and its trip is from place 0 to place 2"),
        (
            1,
            Trip(0, 3, 0, 1, 1, 2),
            "vehicle 1 leaves place 0 at 1 with the part of sawing of boom-2; coming empty from place 1 it is there at 2",
        ),
        (1, Trip(0, 3, 0, 1, 0, 1), "leaves at 0, before its job is released at 1"),
        (5, Trip(0, 6, 2, 3, 20, 21), "the part of touching up of boom-2 is carried, and the operation is not done"),
        (5, Trip(0, 77, 2, 3, 20, 21), "a trip is to operation 77"),
    ],
)
def test_each_part_is_carried_by_a_vehicle_that_can_be_there(at: int, trip: Trip | None, named: str) -> None:
    shop, plan = _carried()
    assert plan_faults(shop, plan) == ()
    assert keeps_all_rules(shop, plan)

    trips = [*plan.trips]
    trips[at : at + 1] = [] if trip is None else [trip]
    faults = plan_faults(shop, replace(plan, trips=tuple(trips)))

    assert any(named in fault for fault in faults), faults


def test_a_trip_that_left_before_now_is_a_fact_only_where_the_unit_is_decided() -> None:
    shop, plan = _carried()
    facts = tuple(Lock(row, row, int(plan.start[row]), LockReason.STARTED) for row in (0, 1, 3))
    later = replace(shop, now=10, locks=facts)

    assert plan_faults(later, plan) == ("the trip to welding of boom-2 leaves at 9, before now, 10",)
    decided = replace(later, locks=(*facts, Lock(4, 4, None, LockReason.FROZEN)))
    assert plan_faults(decided, plan) == ()


def test_with_vehicles_to_spare_the_way_alone_counts() -> None:
    shop, plan = _carried()
    assert shop.transport is not None
    spare = replace(shop, transport=replace(shop.transport, vehicles=None))
    assert plan_faults(spare, replace(plan, trips=())) == ()
    near = replace(plan, trips=(), start=np.where(np.arange(7) == 0, 0, plan.start), end=np.where(np.arange(7) == 0, 4, plan.end))
    assert plan_faults(spare, near) == ("sawing of boom-1 starts at 0, and its part is there at 1",)


def test_a_side_of_a_choice_may_be_empty_and_choices_stand_inside_branches() -> None:
    shop = _shop(
        operation_branch=np.array([ALWAYS, ALWAYS, ALWAYS, ALWAYS, ALWAYS, 2, 3], np.int32),
        branch_choice=np.array([0, 0, 1, 1], np.int32),
        choice_branch=np.array([ALWAYS, 1], np.int32),
    )
    assert plan_faults(shop, _plan()) == ()
    assert plan_faults(shop, _plan(paint2=None)) == ()
    assert "more than one of the branches" in plan_faults(shop, _plan(touch2=(32, 33)))[0]


def test_what_takes_no_time_does_not_stand_inside_what_does() -> None:
    instant = _shop(mode_duration=np.array([4, 5, 4, 0, 5, 6, 1], np.int64))
    assert plan_faults(instant, _plan(saw2=(4, 4), weld2=(12, 17))) == ()
    assert any("sawing of boom-1 ends at 4" in fault for fault in plan_faults(instant, _plan(saw2=(3, 3), weld2=(12, 17))))


def test_measures_and_objective_count_as_they_are_told() -> None:
    counts = Objective(makespan=1, tardiness=10, setup=100, moved=1000, flow=10_000)
    mode = np.array([0, 1, 2, 3, 4, -1, 6], np.int32)
    shop = _shop(objective=counts, reference_mode=mode, reference_start=np.array([0, 4, 12, 4, 12, 0, 25], np.int64))

    worth = measures(shop, _plan())

    assert (worth.makespan, worth.tardiness, worth.late_jobs, worth.setup) == (32, 2 * 6, 1, 3)
    assert (worth.moved, worth.flow) == (2, 26 + 31)
    assert objective_of(shop, _plan()) == 32 + 10 * 12 + 100 * 3 + 1000 * 2 + 10_000 * 57


def test_times_are_told_by_the_clock_where_there_is_one() -> None:
    shop = _shop(tick_s=60.0, origin_us=1_767_225_600_000_000)
    assert "sawing of boom-2 starts at 2026-01-01 00:03:00Z on saw" in plan_faults(shop, _plan(saw2=(3, 7)))[0]


@pytest.mark.parametrize("part", range(4))
def test_it_agrees_with_the_rules_followed_tick_by_tick(part: int) -> None:
    kept = broken = 0
    for seed in range(part * 30, part * 30 + 30):
        random = np.random.default_rng(seed)
        problem = random_problem(random)
        plan = random_plan(problem, random)
        if plan is None:
            continue
        assert plan_faults(problem, plan) == (), seed
        for turn in range(6):
            locked = random_locks(problem, plan, random) if turn > 3 else problem
            other = mutated(locked, plan, random)
            keeps = keeps_all_rules(locked, other)
            kept, broken = kept + keeps, broken + (not keeps)
            assert (plan_faults(locked, other) == ()) == keeps, (seed, turn, plan_faults(locked, other))
    assert kept > 10
    assert broken > 10


def test_ten_thousand_operations_are_checked_in_a_moment() -> None:
    problem, plan = _large(10_000)
    began = time.process_time()
    assert plan_faults(problem, plan) == ()
    assert time.process_time() - began < 3.0


def _large(count: int) -> tuple[PlanProblem, Plan]:
    """Return jobs of ten operations over fifty units with setups, closed time, people, vehicles to spare."""
    jobs, units = count // 10, 50
    job = np.repeat(np.arange(jobs), 10).astype(np.int32)
    step = np.tile(np.arange(10), jobs)
    unit = ((step * 5 + job % 5) % units).astype(np.int32)
    start = (job // 5 * 20 + step * 20).astype(np.int64)
    rows = np.arange(count, dtype=np.int32)
    follows = rows[:-1][job[1:] == job[:-1]]
    horizon = int(start.max()) + 20
    return PlanProblem(
        name="large",
        units=tuple(
            WorkUnit(f"M{row}", setup=np.full((7, 7), 5, np.int64), closed=((horizon, horizon + 9),), pauses=True, buffer=9)
            for row in range(units)
        ),
        jobs=tuple(Job(f"J{row}", due=0) for row in range(jobs)),
        operation_job=job,
        operation_name=[f"step {row}" for row in step],
        operation_branch=np.full(count, ALWAYS, np.int32),
        mode_operation=rows,
        mode_unit=unit,
        mode_duration=np.full(count, 10, np.int64),
        mode_setup=(job % 7).astype(np.int32),
        mode_name=[""] * count,
        arc_before=follows,
        arc_after=follows + np.int32(1),
        arc_least=np.zeros(len(follows), np.int64),
        arc_most=np.full(len(follows), -1, np.int64),
        resources=(Resource("people", 200),),
        need_mode=rows,
        need_resource=np.zeros(count, np.int32),
        need_amount=np.ones(count, np.int32),
        transport=Transport(np.where(np.eye(units, dtype=np.bool_), 0, 3).astype(np.int64), np.arange(units, dtype=np.int32), 0, None),
    ), Plan(rows, start + 5, start + 15)
