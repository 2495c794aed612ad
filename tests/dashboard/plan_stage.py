"""A small factory with orders and a plan of the day, as the pages about them and their REST meet it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from optimizer.plan_greedy import first_plan
from plant.customer_orders import CustomerOrder
from plant.plan_check import measures, objective_of, plan_faults
from plant.plan_file import write_plan, write_problem
from plant.plan_problem import Ints, Job, Lock, LockReason, Objective, PlanProblem, Ticks, Transport, WorkUnit
from plant.plans import Infeasible, Plan
from plant.promises import Promise
from storage.customer_orders import write_orders
from storage.database import Connection
from storage.disturbances import NewDisturbance, add_disturbance
from storage.plans import NewPlan, PlanKind, add_plan, set_reference
from storage.promises import write_promises

MINUTE_US = 60_000_000
NOW = 120
"""Ticks (minutes) from the begin of the plan to now."""
LINES = {
    "cutting": ("laser-1", "plasma-1"),
    "welding": ("robot-1", "robot-2", "robot-3"),
    "machining": ("cnc-1", "cnc-2"),
    "painting": ("booth",),
    "assembly": ("bay-1", "bay-2"),
}
STEPS = (
    ("cut", "cutting", 25),
    ("weld", "welding", 55),
    ("machine", "machining", 40),
    ("paint", "painting", 20),
    ("assemble", "assembly", 45),
)
FAMILIES = ("EX-05", "EX-20", "EX-30")


@dataclass(frozen=True)
class StagedPlan:
    """A plan in the database."""

    number: int
    reference: int
    problem: PlanProblem
    plan: Plan


def customer_orders(count: int, begin_us: int) -> list[CustomerOrder]:
    """Return orders for one or two machines each; every fourth wants more than can be."""
    found = []
    for n in range(count):
        due = 420 + 55 * n if n % 4 else 300
        found.append(
            CustomerOrder(
                number=f"SO-{1001 + n}",
                product=FAMILIES[n % 3],
                customer=("Nordbau", "Hanyang Mining", "Terra & Sons")[n % 3],
                quantity=1 + n % 2,
                due_us=begin_us + due * MINUTE_US,
                priority=9 if n == 4 else 5,
            )
        )
    return found


def problem_of(orders: list[CustomerOrder], begin_us: int, *, vehicles: bool = False) -> PlanProblem:
    """Return what is to be planned: five steps for each part, two or three units for most, shifts, setups between families at robots."""
    setup = np.array([[0, 12, 15], [12, 0, 10], [15, 10, 0]], np.int64)
    nights = tuple((600 + day * 1440, 1080 + day * 1440) for day in range(6))
    units = tuple(
        WorkUnit(name, setup if line == "welding" else None, closed=nights, group=line, pauses=line == "painting")
        for line, names in LINES.items()
        for name in names
    )
    rows = {unit.name: row for row, unit in enumerate(units)}
    jobs: list[Job] = []
    names: list[str] = []
    mode_name: list[str] = []
    operation_job, mode_operation, mode_unit, duration, state, before = [], [], [], [], [], []
    for order in orders:
        for part in range(order.quantity):
            family = FAMILIES.index(order.product)
            assert order.due_us is not None
            name = order.number if order.quantity == 1 else f"{order.number}-{part + 1}"
            due = (order.due_us - begin_us) // MINUTE_US
            jobs.append(Job(name, due=due, weight=order.priority, order=order.number, product=order.product, family=order.product))
            for step, (words, line, minutes) in enumerate(STEPS):
                row = len(names)
                operation_job.append(len(jobs) - 1)
                names.append(words)
                if step:
                    before.append(row - 1)
                for place, unit in enumerate(LINES[line]):
                    mode_operation.append(row)
                    mode_unit.append(rows[unit])
                    duration.append(minutes + 6 * family + 8 * place)
                    state.append(family if line == "welding" else -1)
                    mode_name.append(f"{words}-{unit}")
    return PlanProblem(
        name="plan of the day",
        units=units,
        jobs=tuple(jobs),
        operation_job=np.array(operation_job, np.int32),
        operation_name=names,
        operation_branch=np.full(len(names), -1, np.int32),
        mode_operation=np.array(mode_operation, np.int32),
        mode_unit=np.array(mode_unit, np.int32),
        mode_duration=np.array(duration, np.int64),
        mode_setup=np.array(state, np.int32),
        mode_name=mode_name,
        arc_before=np.array(before, np.int32),
        arc_after=np.array(before, np.int32) + 1,
        arc_least=np.zeros(len(before), np.int64),
        arc_most=np.full(len(before), -1, np.int64),
        transport=_transport(units) if vehicles else None,
        objective=Objective(makespan=1, tardiness=1, setup=1),
        tick_s=60.0,
        origin_us=begin_us,
    )


def _transport(units: tuple[WorkUnit, ...]) -> Transport:
    lines = list(LINES)
    place = np.array([1 + lines.index(unit.group) for unit in units], np.int32)
    count = len(lines) + 1
    travel = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(np.int64) * 2
    return Transport(travel, place, 0, 2)


def planned(problem: PlanProblem, *, now: int = NOW) -> tuple[PlanProblem, Plan]:
    """Return the plan as it stands at ``now``: what has begun is locked, and what begins within half an hour is frozen."""
    plan = first_plan(problem, seed=1, seconds=0.0)
    assert not isinstance(plan, Infeasible), plan
    locks = []
    for row in np.flatnonzero(plan.mode >= 0).tolist():
        start, mode = int(plan.start[row]), int(plan.mode[row])
        if start < now + 30 and now:
            reason = LockReason.STARTED if start < now else LockReason.FROZEN
            locks.append(Lock(row, mode, start, reason, int(plan.end[row]) if start < now else None))
    stands = replace(problem, locks=tuple(locks), now=now)
    assert plan_faults(stands, plan) == (), plan_faults(stands, plan)
    return stands, plan


def moved(problem: PlanProblem, plan: Plan) -> Plan:
    """Return the plan with the last three operations of the booth ten minutes later, as an older plan had them."""
    start, end = plan.start.copy(), plan.end.copy()
    for row in np.flatnonzero((plan.mode >= 0) & (plan.unit(problem) == _booth(problem)))[-3:]:
        start[row] += 10
        end[row] += 10
    return replace(plan, start=start, end=end)


def _booth(problem: PlanProblem) -> int:
    return next(row for row, unit in enumerate(problem.units) if unit.name == "booth")


def keep(
    connection: Connection,
    problem: PlanProblem,
    plan: Plan,
    now_us: int,
    *,
    reason: str = "orders",
    kind: PlanKind = PlanKind.LIVE,
    name: str = "",
    parent: int | None = None,
    count: int | None = None,
    causes: tuple[dict[str, Any], ...] = (),
) -> int:
    """Keep a plan as the optimizer would, and return its number."""
    ends: Ticks = plan.end[plan.mode >= 0]
    assert problem.origin_us is not None
    new = NewPlan(
        kind=kind,
        reason=reason,
        problem=write_problem(problem),
        plan=write_plan(problem, plan),
        objective=objective_of(problem, plan),
        bound=None,
        seconds=0.8,
        measures=asdict(measures(problem, plan)),
        jobs=len(problem.jobs),
        operations=int((plan.mode >= 0).sum()),
        moved=count,
        from_us=problem.origin_us,
        to_us=problem.origin_us + int(ends.max(initial=0)) * MINUTE_US,
        name=name,
        parent=parent,
        causes=causes,
    )
    return add_plan(connection, new, now_us=now_us)


def fill_plan(connection: Connection, now_us: int, *, count: int = 10, vehicles: bool = False) -> StagedPlan:
    """Fill orders, a reference plan and the plan that holds; the present is two hours after its begin, with vehicles at its begin."""
    now = 0 if vehicles else NOW
    begin_us = now_us - now_us % MINUTE_US - now * MINUTE_US
    orders = customer_orders(count, begin_us)
    write_orders(connection, orders, source="rest", actor="erp", now_us=begin_us)
    problem, plan = planned(problem_of(orders, begin_us, vehicles=vehicles), now=now)
    reference = keep(connection, problem, moved(problem, plan), now_us - 3600 * 1_000_000, reason="first")
    set_reference(connection, reference, actor="engineer", now_us=now_us)
    causes = ({"what": "orders", "added": [orders[-1].number], "changed": [], "gone": []},)
    number = keep(connection, problem, plan, now_us, parent=reference, count=3, causes=causes)
    write_promises(connection, [promised(order, problem, plan, now_us) for order in orders], plan=number)
    return StagedPlan(number, reference, problem, plan)


def promised(order: CustomerOrder, problem: PlanProblem, plan: Plan, now_us: int) -> Promise:
    """Return a promise of an order from when it is planned to end."""
    jobs: Ints = np.array([job.order == order.number for job in problem.jobs])[problem.operation_job]
    assert problem.origin_us is not None
    assert order.due_us is not None
    end_us = problem.origin_us + int(plan.end[jobs & (plan.mode >= 0)].max()) * MINUTE_US
    probability = 0.93 if end_us < order.due_us - 60 * MINUTE_US else 0.61 if end_us < order.due_us else 0.08
    ready = (end_us, end_us + 25 * MINUTE_US, end_us + 70 * MINUTE_US)
    return Promise(order.number, now_us, end_us, ready, probability, tuple(end_us + n * MINUTE_US for n in range(21)), 214)


def break_down(connection: Connection, unit: str, now_us: int, minutes: int = 90) -> int:
    """Note that a unit is down, and return the number of the disturbance."""
    told = NewDisturbance("breakdown", unit, "monitor", now_us, now_us + minutes * MINUTE_US, key=f"down {unit}", note="wire feeder jammed")
    return add_disturbance(connection, told, now_us=now_us)
