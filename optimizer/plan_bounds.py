"""What no plan can beat, without a search: the longest way of a job, and the loads of units when alternatives are shared out best."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from optimizer.plan_shop import FAR, Shop

_MOST_MODES = 60_000


def lower_bound(shop: Shop) -> int:
    """Return a number that no plan's cost is below."""
    count, jobs = len(shop.job), len(shop.release)
    if not count:
        return 0
    allowed = _allowed(shop)
    shortest = np.full(count, FAR)
    operation = np.repeat(np.arange(count), np.diff(shop.mode_at))
    np.minimum.at(shortest, operation[allowed], shop.duration[allowed])
    still = shop.fixed_start >= 0
    head, tail = np.where(still, shop.fixed_start, shop.earliest), np.zeros(count, np.int64)
    shortest = np.where(still, shop.fixed_end - shop.fixed_start, shortest)
    order = _in_order(shop)
    for v in order:
        for k in range(shop.before_at[v], shop.before_at[v + 1]):
            if not still[v]:
                w = shop.before[k]
                head[v] = max(head[v], head[w] + shortest[w] + shop.before_least[k])
    for v in reversed(order):
        for k in range(shop.after_at[v], shop.after_at[v + 1]):
            w = shop.after[k]
            tail[v] = max(tail[v], shop.after_least[k] + shortest[w] + tail[w])
    ends = np.zeros(jobs, np.int64)
    np.maximum.at(ends, shop.job, head + shortest + tail)
    alone = np.zeros(jobs, np.int64)
    np.add.at(alone, shop.job, np.where(still, 0, shortest))
    begins = np.full(jobs, FAR)
    np.minimum.at(begins, shop.job[~still], head[~still])
    there = begins < FAR
    ends = np.where(shop.one_at_a_time & there, np.maximum(ends, begins + alone), ends)
    late = np.maximum(ends - shop.due, 0) * shop.weight
    made = np.bincount(shop.job, minlength=jobs) > 0
    weights = shop.weights
    makespan = int(ends.max(initial=0))
    if weights[0] > 0:
        makespan = max(makespan, _loads(shop, operation, allowed & ~still[operation], head, tail, makespan))
    return int(weights[0] * makespan + weights[1] * late.sum() + weights[4] * (ends - shop.release)[made].sum())


def _allowed(shop: Shop) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    operation = np.repeat(np.arange(len(shop.job)), np.diff(shop.mode_at))
    fixed = shop.fixed_mode[operation]
    return np.asarray((fixed < 0) | (fixed == np.arange(len(shop.unit))))


def _in_order(shop: Shop) -> list[int]:
    waits = np.diff(shop.before_at).tolist()
    order = [v for v in range(len(waits)) if not waits[v]]
    for v in order:
        for w in shop.after[shop.after_at[v] : shop.after_at[v + 1]].tolist():
            waits[w] -= 1
            if not waits[w]:
                order.append(w)
    return order


def _loads(
    shop: Shop,
    operation: np.ndarray[tuple[int], np.dtype[np.int64]],
    allowed: np.ndarray[tuple[int], np.dtype[np.bool_]],
    head: np.ndarray[tuple[int], np.dtype[np.int64]],
    tail: np.ndarray[tuple[int], np.dtype[np.int64]],
    least: int,
) -> int:
    """Return the least end of all by the loads of units, each operation cut up among its modes as suits best."""
    rows = np.flatnonzero(allowed)
    if not len(rows) or len(rows) > _MOST_MODES:
        return least
    units = len(shop.setup_at)
    unit = shop.unit[rows]
    # what can be done on a unit begins no earlier, and has at least so much after it
    opens, rests = np.full(units, FAR), np.full(units, FAR)
    np.minimum.at(opens, unit, head[operation[rows]])
    np.minimum.at(rests, unit, tail[operation[rows]])
    used = opens < FAR
    edge = np.where(used, opens + rests, 0)
    asked, at = np.unique(operation[rows], return_inverse=True)
    columns = np.arange(len(rows))
    loads = coo_array(
        (
            np.concatenate([shop.duration[rows], np.full(units, -1)]).astype(float),
            (np.concatenate([unit, np.arange(units)]), np.concatenate([columns, np.full(units, len(rows))])),
        ),
        shape=(units, len(rows) + 1),
    )
    once = coo_array((np.ones(len(rows)), (at, columns)), shape=(len(asked), len(rows) + 1))
    cost = np.zeros(len(rows) + 1)
    cost[-1] = 1.0
    answer = linprog(  # type: ignore[call-overload]  # sparse columns are taken, the stubs do not know
        cost,
        A_ub=loads.tocsr(),
        b_ub=-edge.astype(float),
        A_eq=once.tocsr(),
        b_eq=np.ones(len(asked)),
        bounds=np.column_stack([np.append(np.zeros(len(rows)), least), np.full(len(rows) + 1, np.inf)]),
        method="highs",
        options={"time_limit": 2.0},
    )
    if answer.status != 0:
        return least
    return max(least, math.ceil(float(answer.fun) - 1e-6 * max(1.0, float(answer.fun))))
