"""Orders become a problem to plan: every way through the network that rules leave, the shifts, setups and people of the site."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.ordering import Ordered, origin_of
from optimizer.planning import Progress, plan
from plant.customer_orders import CustomerOrder
from plant.plan_check import plan_faults
from plant.plans import Plan, Solved
from tests.optimizer.ordered_works import HOUR, MINUTES, MONDAY, planned, rules

LIGHT = CustomerOrder("A-1", "EX-5", "Miller", 2, MONDAY + 40 * HOUR, None, 9)
HEAVY = CustomerOrder("A-2", "EX-30", "Li", 1, None, MONDAY + 8 * HOUR)


def solved(made: Ordered) -> Plan:
    heard: list[Progress] = []
    found = plan(made.problem, seconds=60.0, seed=1, workers=1, on_progress=heard.append, stop=lambda: bool(heard))
    assert isinstance(found, Solved), found
    assert plan_faults(made.problem, found.plan) == ()
    return found.plan


def modes_of(made: Ordered, job: str) -> dict[str, set[str]]:
    problem = made.problem
    found: dict[str, set[str]] = {}
    for mode, row in enumerate(problem.mode_operation):
        if problem.jobs[problem.operation_job[row]].name == job:
            found.setdefault(problem.operation_name[row], set()).add(problem.mode_name[mode])
    return found


def way(made: Ordered, plan: Plan, job: str) -> list[str]:
    rows = [row for row in np.argsort(plan.start, kind="stable") if plan.mode[row] >= 0]
    return [made.problem.mode_name[plan.mode[row]] for row in rows if made.problem.jobs[made.problem.operation_job[row]].name == job]


def test_each_serial_is_a_job_with_all_ways_that_rules_leave_and_a_plan_takes_one_of_them() -> None:
    made = planned([LIGHT, HEAVY], rules())
    assert [(job.name, job.order, job.weight, job.release, job.due) for job in made.problem.jobs] == [
        ("A-1-1", "A-1", 16, 0, 40 * 60),
        ("A-1-2", "A-1", 16, 0, 40 * 60),
        ("A-2", "A-2", 4, 8 * 60, None),
    ]
    assert modes_of(made, "A-2")["cut"] == {"plasma"}, "30 t are too heavy for the laser"
    light = modes_of(made, "A-1-1")
    assert light["cut"] == {"laser", "plasma"}
    assert light["weld"] == {"cell-P1"}, "P3 needs a milled bevel, and the route does not choose it"
    assert set(light) == {"cut", "bend", "bevel", "weld", "root", "fill", "paint"}
    assert made.problem.now == 6 * 60
    found = solved(made)
    for job in ("A-1-1", "A-1-2", "A-2"):
        steps = way(made, found, job)
        assert len(steps) == (6 if "bench" in steps else 5)
        assert ("bench" in steps) != bool({"cell-P1", "cell-P3"} & set(steps)), "one branch of the choice"
        assert steps[0] in {"laser", "plasma"}
        assert steps[-1] == "booth"
    assert made.left_out == {}


def test_an_approved_route_goes_before_the_current_one_and_a_tie_is_kept_by_what_is_left_open() -> None:
    approved = {"EX-5": ("laser", "brake", "mill", "cell-P3", "booth")}
    made = planned([LIGHT], rules(), approved=approved)
    light = modes_of(made, "A-1-1")
    assert light["weld"] == {"cell-P1", "cell-P3"}
    assert light["bevel"] == {"mill"}, "P3 may be chosen, and needs the mill"
    one_route = planned([LIGHT], rules(alternatives="route"), approved=approved)
    assert way(one_route, solved(one_route), "A-1-1") in (
        ["laser", "brake", "mill", "cell-P3", "booth"],
        ["laser", "mill", "brake", "cell-P3", "booth"],
    )
    assert one_route.problem.branch_choice.size == 0
    slow = planned([LIGHT], rules(spread_percent=5))
    assert modes_of(slow, "A-1-1")["cut"] == {"laser"}, "the plasma takes a fifth longer"


def test_what_somebody_decided_is_kept_and_what_cannot_be_made_is_left_out_with_a_reason() -> None:
    decided = ("plasma", "brake", "torch", "bench", "portal", "booth")
    jobs = planned([LIGHT], rules())
    assert jobs.left_out == {}
    made = planned([LIGHT, CustomerOrder("A-3", "EX-99")], rules(standard_minutes={**MINUTES}))
    assert "there is no product 'EX-99'" in made.left_out["A-3"]
    unknown = {name: minutes for name, minutes in MINUTES.items() if name != "booth"}
    left = planned([LIGHT], rules(standard_minutes=unknown)).left_out["A-1-1"]
    assert "booth" in left
    assert "standard_minutes" in left
    from optimizer.order_expectations import expectations
    from optimizer.ordering import ordered
    from plant.customer_orders import job_orders
    from tests.optimizer.ordered_works import network, products

    how, works = rules(), network()
    job = replace(job_orders(LIGHT)[0], alternatives=decided)
    expected = expectations(works, products(), ["EX-5"], None, {}, how.settings)
    kept = ordered([job], expected, works, how, origin_us=MONDAY, now_us=MONDAY)
    assert way(kept, solved(kept), "A-1-1")[-3:] == ["bench", "portal", "booth"]
    broken = ordered([replace(job, alternatives=decided[:-1])], expected, works, how, origin_us=MONDAY, now_us=MONDAY)
    assert broken.left_out == {"A-1-1": "its route is no whole way through the network"}


def test_shifts_setups_people_buffers_and_ways_of_the_site_bind_the_plan() -> None:
    how = rules(
        units=[
            {"unit": "*/*", "calendar": "day", "pauses": False},
            {"unit": "welding/cell", "calendar": "day", "setup_by": "family", "setup_minutes": 30, "buffer": 1},
            {"unit": "paint/booth", "setup_by": "product", "setup_minutes": 9, "setups": [{"from": "*", "to": "EX-5", "minutes": 3}]},
        ],
        resources=[{"name": "welders", "capacity": 1, "calendar": "day"}],
        needs=[{"resource": "welders", "unit": "welding/*"}, {"resource": "welders", "operation": "root"}],
        transport={"vehicles": 1, "start": "gate", "places": {"paint/*": "paint shop"}, "minutes": 4},
    )
    made = planned([LIGHT, HEAVY], how)
    problem = made.problem
    units = {unit.name: unit for unit in problem.units}
    cell, booth = units["welding/cell"], units["paint/booth"]
    assert (cell.buffer, cell.pauses, cell.group) == (1, True, "welding")
    assert cell.closed[0] == (0, 6 * 60)
    assert cell.closed[1] == (14 * 60, 30 * 60)
    assert booth.closed == ()
    assert cell.setup is not None
    assert cell.setup.tolist() == [[0, 30], [30, 0]]
    assert booth.setup is not None
    assert booth.setup.tolist() == [[0, 9], [3, 0]]
    assert [(one.name, one.closed[0]) for one in problem.resources] == [("welders", (0, 360, 1))]
    assert problem.transport is not None
    assert problem.transport.travel.tolist() == [[0, 4], [4, 0]]
    needing = {problem.operation_name[problem.mode_operation[mode]] for mode in problem.need_mode}
    assert needing == {"weld", "root"}
    found = solved(made)
    assert found.start[found.mode >= 0].min() >= 6 * 60


def test_ticks_are_counted_from_a_whole_hour_before_all_that_is_planned() -> None:
    how = rules()
    assert origin_of(MONDAY + HOUR + 5, None, how) == MONDAY + HOUR
    assert origin_of(MONDAY + HOUR + 5, MONDAY - 7, how) == MONDAY - HOUR
