"""A list of operations laid out in time with vehicles that carry the parts: each part is fetched by whoever can bring it first.

One plain function, which runs as it is at first and is compiled for the search. What stands fixed is for the general decoder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_shop import Shop
from plant.plan_problem import Ints, Ticks


class Laid(NamedTuple):
    """What a list gives, by operation, to be filled in."""

    start: Ticks
    end: Ticks
    vehicle: Ints
    """-1: it is not carried."""
    leaves: Ticks


def laid(count: int) -> Laid:
    """Return room for what a list gives."""
    return Laid(np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1, np.int32), np.zeros(count, np.int64))


def carry(  # noqa: C901, PLR0912, PLR0915 - one loop that is compiled as a whole
    shop: Shop, vehicles: int, order: Ints, mode: Ints, out: Laid, until: float
) -> tuple[float, float]:
    """Fill in times and trips, and return what the plan costs, and the mean end of jobs; breaks off where it costs more than ``until``."""
    units, jobs = shop.setup_at.shape[0], shop.release.shape[0]
    free = np.full(units, np.int64(shop.now))
    state = shop.first_state.copy()
    job_free = shop.release.copy()
    job_place = np.full(jobs, shop.first_place, np.int32)
    vehicle_free = np.full(vehicles, np.int64(shop.now))
    vehicle_place = np.full(vehicles, shop.first_place, np.int32)
    known = shop.reference_mode.shape[0] > 0
    setups, moved = np.int64(0), 0
    for i in range(order.shape[0]):
        v = order[i]
        m, j = mode[v], shop.job[v]
        u = shop.unit[m]
        ready = shop.earliest[v]
        for k in range(shop.before_at[v], shop.before_at[v + 1]):
            ready = max(ready, out.end[shop.before[k]] + shop.before_least[k])
        origin, place = job_place[j], shop.place[u]
        there = job_free[j]
        out.vehicle[v] = -1
        if origin != place:
            least, way, chosen = np.int64(1) << 60, np.int64(0), 0
            for k in range(vehicles):
                empty = shop.travel[vehicle_place[k], origin]
                at = max(vehicle_free[k] + empty, there)
                if at < least or (at == least and empty < way):
                    least, way, chosen = at, empty, k
            out.vehicle[v], out.leaves[v] = chosen, least
            there = least + shop.travel[origin, place]
            vehicle_free[chosen], vehicle_place[chosen] = there, place
        ready = max(ready, there)
        lasts, mine, square = shop.duration[m], shop.state[m], shop.setup_at[u]
        gap = np.int64(0)
        if square >= 0 and state[u] >= 0 and mine >= 0:
            gap = shop.setup[square + state[u] * shop.setup_states[u] + mine]
        s = max(max(ready, there + gap) if shop.with_part[u] else ready, free[u] + gap)
        e = s + lasts
        for k in range(shop.closed_at[u], shop.closed_at[u + 1]):
            begin, over = shop.closed_from[k], shop.closed_to[k]
            if begin >= e:
                break
            if over <= s - gap:
                continue
            if shop.pauses[u] and begin > s:
                e += over - begin
            else:
                s = over + gap
                e = s + lasts
        setups += gap
        free[u] = e
        if mine >= 0:
            state[u] = mine
        out.start[v], out.end[v] = s, e
        job_free[j], job_place[j] = e, place
        if float(e) * shop.weights[0] > until:
            return np.inf, np.inf
        if known and shop.reference_mode[v] >= 0 and (shop.reference_mode[v] != m or shop.reference_start[v] != s):
            moved += 1
    makespan, late, flow, ends = np.int64(0), np.int64(0), np.int64(0), 0.0
    for j in range(jobs):
        makespan = max(makespan, job_free[j])
        ends += job_free[j]
        if job_free[j] > shop.due[j]:
            late += (job_free[j] - shop.due[j]) * shop.weight[j]
        flow += job_free[j] - shop.release[j]
    cost = makespan * shop.weights[0] + late * shop.weights[1] + setups * shop.weights[2] + moved * shop.weights[3] + flow * shop.weights[4]
    return float(cost), ends / max(jobs, 1)


class Walk(NamedTuple):
    """A search that goes on where it stopped."""

    order: Ints
    place: Ints
    """(operations,): where each stands in the list."""
    mode: Ints
    best_order: Ints
    best_mode: Ints
    luck: NDArray[np.uint64]
    """(1,)"""


def walk_from(order: Ints, mode: Ints, seed: int) -> Walk:
    """Return a search that begins with a list."""
    place = np.zeros(len(mode), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    luck = np.array([0x9E3779B97F4A7C15 ^ (seed * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF) or 1], np.uint64)
    return Walk(order.copy(), place, mode.copy(), order.copy(), mode.copy(), luck)
