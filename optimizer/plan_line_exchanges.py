"""The order of machines on a line made better by what it really costs there: compiled, each order passed through all stations.

Machines are exchanged or moved; each order is passed through the stations with their places for waiting, hung to the takt, and its lead
times, lateness and broken ratios are counted. When parts are ready for the line is taken as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_compiling import compiled

_EXCHANGES: Final = 0.5
_FAR: Final = 0.25
"""How far machines are moved at most, as a share of all places; every order of magnitude is as likely."""


@dataclass(frozen=True, slots=True, eq=False)
class Passing:
    """What machines meet on a line, in columns; times in ticks."""

    ready: NDArray[np.int64]
    """(machines,): when each is there."""
    work: NDArray[np.int64]
    """(stations, machines)"""
    waits: NDArray[np.int64]
    """(stations,): how many can wait before it; a large number where as many as come."""
    way: NDArray[np.int64]
    """(stations,): ticks from the station before."""
    least: int
    """Ticks between machines that leave, at least ..."""
    most: int
    """... and at most."""
    slack: int
    behind: NDArray[np.int64]
    """(machines,): ticks from leaving the line to being done."""
    due: NDArray[np.int64]
    late_cost: NDArray[np.float64]
    """(machines,): of a tick of lateness, where a tick of lead time costs ``lead_cost``."""
    lead_cost: float
    has: NDArray[np.bool_]
    """(machines, options)"""
    ratios: NDArray[np.int64]
    """(options, 2): at most, of."""
    ratio_cost: float


def better_order(
    passing: Passing, order: NDArray[np.int32], tries: int, heat: tuple[float, float], seed: int
) -> tuple[NDArray[np.int32], float]:
    """Return the best order met in so many tries, and what it costs."""
    best = order.astype(np.int64).copy()
    cost = _search(
        best,
        passing.ready,
        passing.work,
        passing.waits,
        passing.way,
        np.array([passing.least, passing.most, passing.slack], np.int64),
        passing.behind,
        passing.due,
        passing.late_cost,
        np.array([passing.lead_cost, passing.ratio_cost], np.float64),
        np.ascontiguousarray(passing.has),
        passing.ratios,
        tries,
        np.array(heat, np.float64),
        np.random.default_rng(seed),
    )
    return best.astype(np.int32), float(cost)


@compiled
def _passed(
    order: NDArray[Any],
    first: int,
    ready: NDArray[Any],
    work: NDArray[Any],
    waits: NDArray[Any],
    way: NDArray[Any],
    starts: NDArray[Any],
    ends: NDArray[Any],
) -> None:
    """Fill in starts and ends of all stations from place ``first`` on."""
    stations = len(waits)
    for at in range(first, len(order)):
        machine = order[at]
        start = ready[machine]
        for station in range(stations):
            start += way[station]
            if at > 0:
                start = max(start, ends[station, at - 1])
            if station + 1 < stations and at >= waits[station + 1]:
                start = max(start, starts[station + 1, at - waits[station + 1]] - work[station, machine] - way[station + 1])
            starts[station, at] = start
            start += work[station, machine]
            ends[station, at] = start


@compiled
def _excess(order: NDArray[Any], has: NDArray[Any], ratios: NDArray[Any]) -> int:
    excess = 0
    for option in range(len(ratios)):
        most, length, count = ratios[option, 0], ratios[option, 1], 0
        for at in range(len(order)):
            count += has[order[at], option]
            if at >= length:
                count -= has[order[at - length], option]
            if at >= length - 1 and count > most:
                excess += count - most
    return excess


@compiled
def _cost(
    order: NDArray[Any],
    soonest: NDArray[Any],
    takt: NDArray[Any],
    behind: NDArray[Any],
    due: NDArray[Any],
    late_cost: NDArray[Any],
    lead_cost: float,
    leaves: NDArray[Any],
) -> float:
    n = len(order)
    for back in range(n):
        at = n - 1 - back
        leaves[at] = soonest[at] + takt[2]
        if at < n - 1:
            leaves[at] = max(leaves[at], leaves[at + 1] - takt[1])
    cost = 0.0
    for at in range(n):
        if at > 0:
            leaves[at] = max(leaves[at], leaves[at - 1] + takt[0])
        machine = order[at]
        end = leaves[at] + behind[machine]
        cost += lead_cost * end + late_cost[machine] * max(0, end - due[machine])
    return cost


@compiled
def _search(
    best: NDArray[Any],
    ready: NDArray[Any],
    work: NDArray[Any],
    waits: NDArray[Any],
    way: NDArray[Any],
    takt: NDArray[Any],
    behind: NDArray[Any],
    due: NDArray[Any],
    late_cost: NDArray[Any],
    costs: NDArray[Any],
    has: NDArray[Any],
    ratios: NDArray[Any],
    tries: int,
    heat: NDArray[Any],
    random: np.random.Generator,
) -> Any:
    n, stations = len(best), len(waits)
    now, tried = best.copy(), best.copy()
    starts, ends = np.zeros((stations, n), np.int64), np.zeros((stations, n), np.int64)
    fresh_starts, fresh_ends = np.zeros((stations, n), np.int64), np.zeros((stations, n), np.int64)
    leaves = np.zeros(n, np.int64)
    _passed(now, 0, ready, work, waits, way, starts, ends)
    cost = _cost(now, ends[stations - 1], takt, behind, due, late_cost, costs[0], leaves) + costs[1] * _excess(now, has, ratios)
    fresh_starts[:], fresh_ends[:] = starts, ends
    least = cost
    for turn in range(tries):
        i = int(random.random() * n)
        reach = int(np.exp(random.random() * np.log(_FAR * n))) + 1
        j = i + reach if random.random() < _EXCHANGES else i - reach
        if j < 0 or j >= n:
            continue
        low, high = min(i, j), max(i, j)
        if random.random() < _EXCHANGES:
            tried[i], tried[j] = now[j], now[i]
        elif i < j:
            tried[i:j] = now[i + 1 : j + 1]
            tried[j] = now[i]
        else:
            tried[j + 1 : i + 1] = now[j:i]
            tried[j] = now[i]
        _passed(tried, low, ready, work, waits, way, fresh_starts, fresh_ends)
        found = _cost(tried, fresh_ends[stations - 1], takt, behind, due, late_cost, costs[0], leaves)
        found += costs[1] * _excess(tried, has, ratios)
        warm = heat[0] + (heat[1] - heat[0]) * turn / tries
        if found <= cost or random.random() < np.exp((cost - found) / warm):
            cost = found
            now[low : high + 1] = tried[low : high + 1]
            starts[:, low:], ends[:, low:] = fresh_starts[:, low:], fresh_ends[:, low:]
            if cost < least:
                least = cost
                best[:] = now
        else:
            tried[low : high + 1] = now[low : high + 1]
            fresh_starts[:, low:], fresh_ends[:, low:] = starts[:, low:], ends[:, low:]
    return least
