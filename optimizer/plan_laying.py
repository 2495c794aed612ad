"""A list of operations laid out in time: each as early as it can be after those before it in the list.

One plain function, which runs as it is for the first plan and is compiled for the search: calendars, setups, what is fixed, ways.
"""

from __future__ import annotations

import numpy as np

from optimizer.plan_shop import Shop
from plant.plan_problem import Ints, Ticks
from plant.plans import Plan

NOT_SO = -1
"""The list gives no plan: something fixed would come too late, or no closed time is short enough."""


def plan_of(shop: Shop, order: Ints, mode: Ints) -> Plan | None:
    """Return the plan that a list gives; None where it gives none."""
    start, end, job_free = np.zeros(len(mode), np.int64), np.zeros(len(mode), np.int64), np.zeros(len(shop.release), np.int64)
    if lay(shop, order, mode, start, end, job_free) == NOT_SO:
        return None
    return Plan(mode.astype(np.int32), start, end)


def lay(shop: Shop, order: Ints, mode: Ints, start: Ticks, end: Ticks, job_free: Ticks) -> int:  # noqa: C901, PLR0912, PLR0915
    """Fill in starts and ends, and ends of jobs; say what the plan costs; NOT_SO where there is none."""
    units, jobs = shop.setup_at.shape[0], shop.release.shape[0]
    free = np.zeros(units, np.int64)
    state = shop.first_state.copy()
    window = shop.closed_at[:-1].copy()
    passed = shop.fixed_at[:-1].copy()
    job_free[:] = 0
    job_place = np.full(jobs, shop.first_place, np.int32)
    ways = shop.travel.shape[0] > 0
    known = shop.reference_mode.shape[0] > 0
    setups, moved = np.int64(0), 0
    for i in range(order.shape[0]):
        v = order[i]
        m, j = mode[v], shop.job[v]
        u = shop.unit[m]
        ready = shop.earliest[v]
        for k in range(shop.before_at[v], shop.before_at[v + 1]):
            ready = max(ready, end[shop.before[k]] + shop.before_least[k])
        if shop.one_at_a_time[j]:
            ready = max(ready, job_free[j])
        if ways:
            ready = max(ready, max(job_free[j], shop.release[j]) + shop.travel[job_place[j], shop.place[u]])
        if shop.fixed_start[v] >= 0:
            s, e = shop.fixed_start[v], shop.fixed_end[v]
            # what came before and was fixed too is a fact
            for k in range(shop.before_at[v], shop.before_at[v + 1]):
                if shop.fixed_start[shop.before[k]] < 0 and end[shop.before[k]] + shop.before_least[k] > s:
                    return -1
            if ways and job_place[j] != shop.place[u] and ready > s and s >= shop.now and job_free[j] > shop.now:
                return -1
        else:
            lasts, mine, at = shop.duration[m], shop.state[m], shop.setup_at[u]
            s, e = np.int64(0), np.int64(0)
            while True:
                gap = np.int64(0)
                if at >= 0 and state[u] >= 0 and mine >= 0:
                    gap = shop.setup[at + state[u] * shop.setup_states[u] + mine]
                s = max(ready + gap if shop.with_part[u] else ready, max(free[u], shop.now) + gap)
                while window[u] < shop.closed_at[u + 1] and shop.closed_to[window[u]] <= free[u]:
                    window[u] += 1
                e = s + lasts
                for k in range(window[u], shop.closed_at[u + 1]):
                    begin, until = shop.closed_from[k], shop.closed_to[k]
                    if begin >= e:
                        break
                    if until <= s - gap:
                        continue
                    if shop.pauses[u] and begin > s:
                        e += until - begin
                    else:
                        s = until + gap
                        e = s + lasts
                if passed[u] < shop.fixed_at[u + 1]:
                    f = shop.fixed[passed[u]]
                    turn = np.int64(0)
                    if at >= 0:
                        other = shop.state[shop.fixed_mode[f]]
                        turn = shop.setup[at + mine * shop.setup_states[u] + other]
                        if state[u] >= 0 and e + turn > shop.fixed_start[f]:
                            setups += shop.setup[at + state[u] * shop.setup_states[u] + other]
                        if e + turn > shop.fixed_start[f]:
                            state[u] = other
                    if e + turn > shop.fixed_start[f]:
                        free[u] = max(free[u], shop.fixed_end[f])
                        passed[u] += 1
                        continue
                break
            setups += gap
            free[u] = e
            state[u] = mine
        start[v], end[v] = s, e
        job_free[j] = max(job_free[j], e)
        if ways:
            job_place[j] = shop.place[u]
        if known and shop.reference_mode[v] >= 0 and (shop.reference_mode[v] != m or shop.reference_start[v] != s):
            moved += 1
    makespan, late, flow = np.int64(0), np.int64(0), np.int64(0)
    for j in range(jobs):
        makespan = max(makespan, job_free[j])
        if job_free[j] > shop.due[j]:
            late += (job_free[j] - shop.due[j]) * shop.weight[j]
        if job_free[j] > 0:
            flow += job_free[j] - shop.release[j]
    for u in range(units):
        if shop.setup_at[u] >= 0:
            for k in range(passed[u], shop.fixed_at[u + 1]):
                other = shop.state[shop.fixed_mode[shop.fixed[k]]]
                if state[u] >= 0:
                    setups += shop.setup[shop.setup_at[u] + state[u] * shop.setup_states[u] + other]
                state[u] = other
    cost = makespan * shop.weights[0] + late * shop.weights[1] + setups * shop.weights[2] + moved * shop.weights[3] + flow * shop.weights[4]
    return cost  # type: ignore[no-any-return]  # noqa: RET504
