"""Simulated annealing over routes, ways and order at once, compiled: a list is changed, laid out, kept or not.

A list holds all operations of all branches, in an order that keeps every arc; those of branches that are not taken are passed over. So a
change of branch is one number, and the list is again a list.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_compiling import compiled
from plant.plan_problem import Ints, Ticks


class RouteShop(NamedTuple):
    """Columns; what belongs to row i of one stands in another from ``x_at[i]`` up to ``x_at[i + 1]``."""

    job: Ints
    branch: Ints
    """(operations,): -1: always done."""
    mode_at: Ints
    mode_operation: Ints
    unit: Ints
    duration: Ticks
    before_at: Ints
    before: Ints
    least: Ticks
    after_at: Ints
    after: Ints
    choice_of: Ints
    """(branches,)"""
    parent: Ints
    """(choices,): the branch it stands in, -1: none."""
    branch_at: Ints
    """(choices + 1,): its branches ..."""
    branches: Ints
    """... that can be taken."""
    depth_first: Ints
    """(branches,): each after the branch it stands in."""
    earliest: Ticks
    units: int
    jobs: int


class Lists(NamedTuple):
    """Where a walk stands; it is changed in place."""

    order: Ints
    place: Ints
    mode: Ints
    chosen: Ints
    """(choices,): the branch."""
    taken: NDArray[np.bool_]
    """(branches,)"""
    start: Ticks
    end: Ticks
    cause: Ints
    """(operations,): what ends when it starts; -1: nothing."""


@compiled
def lay_routes(shop: RouteShop, lists: Lists, most: int) -> int:
    """Fill in times; return when the last operation ends, or something above ``most`` as soon as it is known to be."""
    job_free = np.zeros(shop.jobs, np.int64)
    job_last = np.full(shop.jobs, -1, np.int32)
    free = np.zeros(shop.units, np.int64)
    last = np.full(shop.units, -1, np.int32)
    length = np.int64(0)
    for i in range(lists.order.shape[0]):
        v = lists.order[i]
        if shop.branch[v] >= 0 and not lists.taken[shop.branch[v]]:
            continue
        m, j = lists.mode[v], shop.job[v]
        u = shop.unit[m]
        s, c = shop.earliest[v], -1
        if job_free[j] > s:
            s, c = job_free[j], job_last[j]
        for k in range(shop.before_at[v], shop.before_at[v + 1]):
            w = shop.before[k]
            if shop.least[k] > 0 and (shop.branch[w] < 0 or lists.taken[shop.branch[w]]) and lists.end[w] + shop.least[k] > s:
                s, c = lists.end[w] + shop.least[k], w
        if free[u] > s:
            s, c = free[u], last[u]
        e = s + shop.duration[m]
        lists.start[v], lists.end[v], lists.cause[v] = s, e, c
        job_free[j], job_last[j] = e, v
        free[u], last[u] = e, v
        if e > length:
            length = e
            if length > most:
                return int(length)
    return int(length)


@compiled
def take(shop: RouteShop, lists: Lists) -> None:
    """Fill in which branches are taken, by what is chosen."""
    for i in range(shop.depth_first.shape[0]):
        b = shop.depth_first[i]
        above = shop.parent[shop.choice_of[b]]
        lists.taken[b] = lists.chosen[shop.choice_of[b]] == b and (above < 0 or lists.taken[above])


@compiled
def shift(lists: Lists, v: int, place: int) -> None:
    """Move an operation to another place of the list."""
    at = lists.place[v]
    step = 1 if place > at else -1
    while at != place:
        w = lists.order[at + step]
        lists.order[at], lists.place[w] = w, at
        at += step
    lists.order[place], lists.place[v] = v, place


@compiled
def anneal(  # noqa: C901, PLR0912, PLR0915 - one loop that is compiled
    shop: RouteShop, lists: Lists, best: Lists, now_is: int, best_is: int, target: int, hot: float, cold: float, steps: int, seed: int
) -> tuple[int, int]:
    """Walk ``steps`` steps while it cools; return what the list and the best list are worth. ``best`` is filled in."""
    np.random.seed(seed)  # noqa: NPY002 - the compiled generator
    count, choices = lists.order.shape[0], lists.chosen.shape[0]
    critical, waits_for = np.empty(count, np.int32), np.full(count, -1, np.int32)
    criticals = 0
    fresh = False
    for step in range(steps):
        if best_is <= target:
            break
        heat = hot * (cold / hot) ** (step / steps)
        if not fresh:
            # The chain of operations each of which starts when the one before ends, back from the last.
            v = -1
            for w in range(count):
                if (shop.branch[w] < 0 or lists.taken[shop.branch[w]]) and (v < 0 or lists.end[w] > lists.end[v]):
                    v = w
            for k in range(criticals):
                waits_for[critical[k]] = -1
            criticals = 0
            while v >= 0:
                critical[criticals] = v
                waits_for[v] = lists.cause[v]
                criticals += 1
                v = lists.cause[v]
            fresh = True
        v = critical[np.random.randint(criticals)] if np.random.random() < 0.75 else np.random.randint(count)  # noqa: NPY002
        if shop.branch[v] >= 0 and not lists.taken[shop.branch[v]]:
            continue
        drawn = np.random.random()  # noqa: NPY002
        old_mode, old_place, new_place = lists.mode[v], lists.place[v], -1
        choice, old_branch = -1, -1
        if choices > 0 and drawn < 0.08:
            choice = shop.choice_of[shop.branch[v]] if shop.branch[v] >= 0 else np.random.randint(choices)  # noqa: NPY002
            options = shop.branch_at[choice + 1] - shop.branch_at[choice]
            old_branch = lists.chosen[choice]
            if options < 2:
                continue
            lists.chosen[choice] = shop.branches[shop.branch_at[choice] + np.random.randint(options)]  # noqa: NPY002
            if lists.chosen[choice] == old_branch:
                continue
            take(shop, lists)
        else:
            ways = shop.mode_at[v + 1] - shop.mode_at[v]
            if drawn < 0.45 and ways > 1:
                lists.mode[v] = shop.mode_at[v] + np.random.randint(ways)  # noqa: NPY002
            low, high = 0, count - 1
            for k in range(shop.before_at[v], shop.before_at[v + 1]):
                low = max(low, lists.place[shop.before[k]] + 1)
            for k in range(shop.after_at[v], shop.after_at[v + 1]):
                high = min(high, lists.place[shop.after[k]] - 1)
            c = waits_for[v]
            if drawn > 0.7 and c >= 0:
                # Directly before what it waits for.
                new_place = max(low, lists.place[c])
            else:
                reach = 4 + count // 6
                low, high = max(low, old_place - reach), min(high, old_place + reach)
                new_place = low + np.random.randint(high - low + 1)  # noqa: NPY002
            if new_place == old_place and lists.mode[v] == old_mode:
                continue
            shift(lists, v, new_place)
        most = now_is + np.int64(-heat * np.log(1.0 - np.random.random()))  # noqa: NPY002
        length = lay_routes(shop, lists, int(most))
        if length <= most:
            now_is = length
            fresh = False
            if length < best_is:
                best_is = length
                best.order[:], best.place[:], best.mode[:] = lists.order, lists.place, lists.mode
                best.chosen[:], best.taken[:] = lists.chosen, lists.taken
                best.start[:], best.end[:], best.cause[:] = lists.start, lists.end, lists.cause
            continue
        if choice >= 0:
            lists.chosen[choice] = old_branch
            take(shop, lists)
        else:
            lists.mode[v] = old_mode
            shift(lists, v, old_place)
    return now_is, best_is
