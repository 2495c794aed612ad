"""Promises for all orders that a plan holds: its times drawn, and put right by what earlier promises became."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from optimizer.plan_standing import clock_of
from plant.plan_problem import PlanProblem
from plant.plans import Plan
from plant.promises import Promise, Spread, drawn_ends, promise, score
from storage.database import Connection
from storage.promises import read_ended_promises, read_newest_promises

_DRAWS: Final = 300
_MATERIAL: Final = 0.02
"""Of the time that is left: what a promise must change by to be told anew."""
_LEAST_US: Final = 120_000_000
_PROBABILITY: Final = 0.03


def promises(
    problem: PlanProblem, plan: Plan, spread: Spread, *, made_us: int, scores: Sequence[float], seed: int, shared: float, whole: set[str]
) -> list[Promise]:
    """Return a promise for each order of ``whole``: those of which all parts are in the plan. ``spread`` covers the first modes."""
    origin, tick = clock_of(problem)
    ends = drawn_ends(problem, plan, _covering(spread, len(problem.mode_unit)), draws=_DRAWS, seed=seed, shared=shared)
    last = np.zeros(len(problem.jobs), np.int64)
    done = plan.mode >= 0
    np.maximum.at(last, problem.operation_job[done], plan.end[done])
    of_order: dict[str, list[int]] = {}
    for row, job in enumerate(problem.jobs):
        if job.order in whole:
            of_order.setdefault(job.order, []).append(row)
    found = []
    for order, rows in of_order.items():
        dues = [problem.jobs[row].due for row in rows if problem.jobs[row].due is not None]
        due = dues[0] if dues else None
        found.append(
            promise(
                order,
                origin + ends[rows].max(axis=0) * tick,
                made_us=made_us,
                planned_end_us=origin + int(last[rows].max()) * tick,
                due_us=None if due is None else origin + due * tick,
                scores=scores,
            )
        )
    return found


def known_scores(connection: Connection) -> list[float]:
    """Return by how much each order that ended was off its first promise."""
    return [score(one, ended) for one, ended in read_ended_promises(connection)]


def material(connection: Connection, fresh: Sequence[Promise]) -> list[Promise]:
    """Return the promises that say something else than the newest ones that are kept: nobody is told the same twice."""
    known = read_newest_promises(connection)
    return [one for one in fresh if one.order not in known or _differs(known[one.order], one)]


def _differs(before: Promise, after: Promise) -> bool:
    room = max(_MATERIAL * (after.ready_us[2] - after.made_us), _LEAST_US)
    if any(abs(new - old) > room for new, old in zip(after.ready_us, before.ready_us, strict=True)):
        return True
    if (before.due_probability is None) != (after.due_probability is None):
        return True
    return abs((after.due_probability or 0.0) - (before.due_probability or 0.0)) > _PROBABILITY


def _covering(spread: Spread, modes: int) -> Spread:
    """Operations that came in since (a part repeated) are as sure as planned."""
    more = np.zeros(max(0, modes - len(spread.log_sd)))
    return Spread(*(np.concatenate([column, more])[:modes] for column in (spread.log_sd, spread.rework, spread.rework_ticks, spread.scrap)))
