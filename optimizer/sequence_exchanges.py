"""Exchanging machines in an order, compiled: some 100,000 exchanges a second with ratios, drift of each station, setups and evenness.

Only what an exchange changes is counted; the order that comes out is counted afresh by ``plant.model_mix`` and must cost the same.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from optimizer.plan_compiling import compiled
from plant.model_mix import Ints, Mix

_FAR: Final = 0.4
"""Share of exchanges over any distance; the others reach ``_NEARBY`` places."""
_NEARBY: Final = 12
_NEAR: Final = 1e-9


def exchange(mix: Mix, order: Ints, exchanges: int, heat: tuple[float, float], seed: int) -> tuple[Ints, Ints, float]:
    """Return the order after so many exchanges were tried (simulated annealing), the best one on the way, and what that costs less."""
    models = np.concatenate([mix.before, mix.model[order]]).astype(np.int32)
    now, best = order.astype(np.int32).copy(), order.astype(np.int32).copy()
    weights = mix.weights
    gain = _exchange(
        now,
        best,
        models,
        np.ascontiguousarray(mix.has),
        np.array([(option.at_most, option.of) for option in mix.options], np.int32).reshape(len(mix.options), 2),
        np.ascontiguousarray(mix.work_s, np.float64),
        np.array([station.drift_s for station in mix.stations], np.float64),
        float(mix.takt_s),
        np.ascontiguousarray(mix.setup_s, np.float64),
        np.stack([mix.earliest, mix.latest]).astype(np.int32),
        np.array([weights.level, weights.options, weights.ratio, weights.utility, weights.setup, weights.window], np.float64),
        exchanges,
        np.array(heat, np.float64),
        np.random.default_rng(seed),
    )
    return now, best, float(gain)


@compiled
def _variation_change(counts: NDArray[Any], rate: float, first: int, last: int, step: int) -> float:
    """Return how the squared deviation changes where the running count of places first..last-1 changes by ``step``."""
    change = 0.0
    for place in range(first, last):
        change += 1.0 + 2.0 * step * (counts[place] - (place + 1) * rate)
    return change


@compiled
def _ratio_change(has: NDArray[Any], at: int, other: int, step: int, most: int, length: int, fixed: int) -> int:
    """Return how the excess of the stretches that hold place ``at`` but not ``other`` changes where the count changes by ``step``."""
    n = len(has)
    if n <= length:
        return 0
    change = 0
    lowest = max(0, at - length + 1, fixed - length + 1)
    highest = min(at, n - length)
    for first in range(lowest, highest + 1):
        if first <= other < first + length:
            continue
        count = 0
        for place in range(first, first + length):
            count += has[place]
        change += max(0, count + step - most) - max(0, count - most)
    return change


@compiled
def _utility_change(
    work: NDArray[Any], late: NDArray[Any], models: NDArray[Any], i: int, j: int, takt: float, drift: float, fresh: NDArray[Any]
) -> tuple[float, int]:
    """Return how the work beyond takt and drift changes with places i < j exchanged, and the last place whose drift changes.

    ``fresh`` takes the new drifts.
    """
    n = len(models)
    change, drifted, last = 0.0, late[i], i
    place = i
    while place < n:
        model = models[place]
        if place == i:
            model = models[j]
        elif place == j:
            model = models[i]
        over, before = drifted + work[model] - takt, late[place] + work[models[place]] - takt
        change += max(0.0, over - drift) - max(0.0, before - drift)
        drifted = min(max(0.0, over), drift)
        place += 1
        fresh[place] = drifted
        last = place
        if drifted == late[place]:
            if place > j:
                break
            while place < j:
                place += 1
                fresh[place] = late[place]
            drifted = late[place]
    return change, last


@compiled
def _setup_change(setup: NDArray[Any], models: NDArray[Any], i: int, j: int) -> Any:
    n, a, b = len(models), models[i], models[j]
    change = 0.0
    if i > 0:
        change += setup[models[i - 1], b] - setup[models[i - 1], a]
    if j < n - 1:
        change += setup[a, models[j + 1]] - setup[b, models[j + 1]]
    if j == i + 1:
        change += setup[b, a] - setup[a, b]
    else:
        change += setup[b, models[i + 1]] - setup[a, models[i + 1]]
        change += setup[models[j - 1], a] - setup[models[j - 1], b]
    return change


@compiled
def _outside(window: NDArray[Any], machine: int, place: int) -> int:
    outside: int = max(0, window[0, machine] - place) + max(0, place - window[1, machine])
    return outside


@compiled
def _fill(models: NDArray[Any], fixed: int, has_model: NDArray[Any], counts: NDArray[Any], had: NDArray[Any], has: NDArray[Any]) -> None:
    """Fill in the running counts of models and of options, and which place has which option."""
    for place in range(fixed, len(models)):
        at = place - fixed
        for kind in range(len(counts)):
            counts[kind, at] = (counts[kind, at - 1] if at else 0) + (models[place] == kind)
        for option in range(len(had)):
            had[option, at] = (had[option, at - 1] if at else 0) + has_model[models[place], option]
    for place in range(len(models)):
        for option in range(len(has)):
            has[option, place] = has_model[models[place], option]


@compiled
def _fill_drifts(models: NDArray[Any], work: NDArray[Any], drift: NDArray[Any], takt: float, late: NDArray[Any]) -> None:
    for station in range(len(drift)):
        for place in range(len(models)):
            late[station, place + 1] = min(max(0.0, late[station, place] + work[station, models[place]] - takt), drift[station])


@compiled
def _options_change(
    i: int, j: int, fixed: int, a: int, b: int, has_model: NDArray[Any], had: NDArray[Any], has: NDArray[Any], ratios: NDArray[Any]
) -> tuple[float, int]:
    """Return how the variation of the options and the excess over their ratios change with models a at i and b at j exchanged."""
    varies, n = 0.0, had.shape[1]
    more = 0
    for option in range(len(ratios)):
        if has_model[a, option] == has_model[b, option]:
            continue
        step = 1 if has_model[b, option] else -1
        varies += _variation_change(had[option], had[option, n - 1] / n, i, j, step)
        more += _ratio_change(has[option], fixed + i, fixed + j, step, ratios[option, 0], ratios[option, 1], fixed)
        more += _ratio_change(has[option], fixed + j, fixed + i, -step, ratios[option, 0], ratios[option, 1], fixed)
    return varies, more


@compiled
def _carry_out(
    i: int,
    j: int,
    fixed: int,
    models: NDArray[Any],
    has_model: NDArray[Any],
    counts: NDArray[Any],
    had: NDArray[Any],
    has: NDArray[Any],
    late: NDArray[Any],
    fresh: NDArray[Any],
    lasts: NDArray[Any],
) -> None:
    """Bring all that is kept beside the order to where the models at i and j are exchanged."""
    a, b = models[fixed + i], models[fixed + j]
    models[fixed + i], models[fixed + j] = b, a
    for place in range(i, j):
        counts[a, place] -= 1
        counts[b, place] += 1
    for option in range(len(had)):
        if has_model[a, option] != has_model[b, option]:
            step = 1 if has_model[b, option] else -1
            has[option, fixed + i] += step
            has[option, fixed + j] -= step
            for place in range(i, j):
                had[option, place] += step
    for station in range(len(lasts)):
        for place in range(fixed + i + 1, lasts[station] + 1):
            late[station, place] = fresh[station, place]


@compiled
def _exchange(
    now: NDArray[Any],
    best: NDArray[Any],
    models: NDArray[Any],
    has_model: NDArray[Any],
    ratios: NDArray[Any],
    work: NDArray[Any],
    drift: NDArray[Any],
    takt: float,
    setup: NDArray[Any],
    window: NDArray[Any],
    weights: NDArray[Any],
    exchanges: int,
    heat: NDArray[Any],
    random: np.random.Generator,
) -> float:
    n, options, stations = len(now), len(ratios), len(drift)
    fixed = len(models) - n
    counts, had = np.zeros((len(has_model), n), np.int32), np.zeros((options, n), np.int32)
    has = np.zeros((options, fixed + n), np.int32)
    late, fresh = np.zeros((stations, fixed + n + 1)), np.zeros((stations, fixed + n + 1))
    lasts = np.zeros(stations, np.int32)
    _fill(models, fixed, has_model, counts, had, has)
    _fill_drifts(models, work, drift, takt, late)
    gained, most = 0.0, 0.0
    for turn in range(exchanges):
        i = int(random.random() * n)
        j = int(random.random() * n) if random.random() < _FAR else i + int(random.random() * (2 * _NEARBY + 1)) - _NEARBY
        if j < 0 or j >= n or i == j:
            continue
        i, j = min(i, j), max(i, j)
        a, b = models[fixed + i], models[fixed + j]
        cost = weights[5] * (
            _outside(window, now[i], j) + _outside(window, now[j], i) - _outside(window, now[i], i) - _outside(window, now[j], j)
        )
        if a != b:
            cost += weights[0] * _variation_change(counts[a], counts[a, n - 1] / n, i, j, -1)
            cost += weights[0] * _variation_change(counts[b], counts[b, n - 1] / n, i, j, 1)
            cost += weights[4] * _setup_change(setup, models, fixed + i, fixed + j)
            varies, more = _options_change(i, j, fixed, a, b, has_model, had, has, ratios)
            cost += weights[1] * varies + weights[2] * more
            for station in range(stations):
                beyond, lasts[station] = _utility_change(
                    work[station], late[station], models, fixed + i, fixed + j, takt, drift[station], fresh[station]
                )
                cost += weights[3] * beyond
        warm = heat[0] + (heat[1] - heat[0]) * turn / exchanges
        if cost > 0.0 and random.random() >= np.exp(-cost / warm):
            continue
        gained += cost
        now[i], now[j] = now[j], now[i]
        if a != b:
            _carry_out(i, j, fixed, models, has_model, counts, had, has, late, fresh, lasts)
        if gained < most - _NEAR:
            most = gained
            best[:] = now
    return -most
