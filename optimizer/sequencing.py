"""Which machine goes onto the line after which: spread evenly, ratios of options kept, stations within takt and drift.

The beginning is Monden's goal chasing and, besides, the most even order there is (Kubiak and Sethi: an assignment of the copies of each
model to places, solved exactly); the better of both is then improved by exchanging machines, compiled, with everything counted at once.
The most even order also gives the bound that the variation is compared with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from plant.errors import Rejected
from plant.model_mix import Ints, Mix, MixMeasures, Option, mix_measures, sequence_faults

_EXCHANGES_A_MACHINE: Final = 6_000
_ROUNDS: Final = 40
_NEAR: Final = 1e-6
_TRIED: Final = 60
_MOST_FOR_EXACT: Final = 2_000
"""Machines for which the most even order is found exactly: its matrix takes 32 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """An order of machines that was checked."""

    order: Ints
    """(machines,): row of the machine at each place."""
    measures: MixMeasures
    bound: float
    """No order of these models varies less, whatever else it keeps."""
    option_bound: float
    """No order varies less in its options, each alone."""
    faults: tuple[str, ...]
    """What no order was found without: broken ratios and windows, in words."""
    by: str
    seconds: float


def sequence(
    mix: Mix, *, seconds: float = 10.0, seed: int = 0, stop: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
) -> Sequence:
    """Return the best order found for a mix. The same mix and seed give the same order where ``seconds`` are enough."""
    if not mix.machines:
        raise Rejected(f"{mix.name}: there is no machine to put in order")
    begun = clock()
    even = most_even(np.bincount(mix.model, minlength=len(mix.models))) if len(mix.machines) <= _MOST_FOR_EXACT else None
    starts = {"goal chasing": goal_chasing(mix)}
    if even is not None:
        starts["most even order"] = machines_in_turn(mix, even)
    by = min(starts, key=lambda name: mix_measures(mix, starts[name]).cost)
    best = starts[by]
    if seconds > 0 and len(mix.machines) > 1:
        found = _improved(mix, best, seconds, seed, stop, clock)
        if mix_measures(mix, found).cost < mix_measures(mix, best).cost - _NEAR:
            best, by = found, "exchanges"
    in_turn = machines_in_turn(mix, mix.model[best])
    if mix_measures(mix, in_turn).cost <= mix_measures(mix, best).cost + _NEAR:
        best = in_turn
    faults = sequence_faults(mix, best)
    measures = mix_measures(mix, best)
    return Sequence(best, measures, level_bound(mix), option_bound(mix), faults, by, clock() - begun)


def level_bound(mix: Mix) -> float:
    """Return the least variation of the models that any order has."""
    counts = np.bincount(mix.model, minlength=len(mix.models))
    if len(mix.machines) > _MOST_FOR_EXACT:
        return sum(_alone(int(count), len(mix.machines)) for count in counts)
    order = most_even(counts)
    return float(_variation_of(np.eye(len(mix.models), dtype=bool)[order]))


def option_bound(mix: Mix) -> float:
    """Return the sum of the least variations of the options, each as if there were no other."""
    return sum(_alone(int(mix.has[mix.model, at].sum()), len(mix.machines)) for at in range(len(mix.options)))


def _alone(count: int, places: int) -> float:
    """Return the least variation of one kind: at each place the whole number nearest to its share."""
    share = np.arange(1, places + 1) * (count / places)
    return float(((share - np.floor(share + 0.5)) ** 2).sum())


def _variation_of(has: NDArray[np.bool_]) -> float:
    counts = np.cumsum(has, axis=0, dtype=np.float64)
    places = np.arange(1, len(has) + 1)[:, None]
    return float(((counts - places * counts[-1] / len(has)) ** 2).sum())


def most_even(counts: NDArray[np.int64] | Ints) -> Ints:
    """Return the order of models (a model for each place) with the least squared deviation from even shares.

    Each copy of a model has a place it would like best, and the cost of any other is known; so it is an assignment.
    """
    places = int(counts.sum())
    k = np.arange(1, places + 1)
    costs = np.empty((places, places))
    owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    row = 0
    for count in counts:
        rate = count / places
        for copy in range(1, int(count) + 1):
            ideal = int(np.ceil((2 * copy - 1) / (2 * rate) - _NEAR))
            step = np.abs((copy - k * rate) ** 2 - (copy - 1 - k * rate) ** 2)
            summed = np.concatenate([[0.0], np.cumsum(step)])
            # too early: paid from the place up to the ideal one; too late: from the ideal one up to the place
            costs[row] = np.abs(summed[ideal - 1] - summed[k - 1])
            row += 1
    copies, at = linear_sum_assignment(costs)
    order = np.empty(places, np.int32)
    order[at] = owners[copies]
    return order


def machines_in_turn(mix: Mix, models: Ints) -> Ints:
    """Return an order of machines for an order of models: of each model the one that must be first goes first."""
    waiting = {model: list(rows) for model, rows in _by_model(mix).items()}
    return np.array([waiting[int(model)].pop(0) for model in models], np.int32)


def _by_model(mix: Mix) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row in np.lexsort((mix.earliest, mix.latest)):
        rows.setdefault(int(mix.model[row]), []).append(int(row))
    return rows


def goal_chasing(mix: Mix) -> Ints:
    """Return an order made place by place, each time with the model that costs least there (Monden), ratios and stations counted too."""
    places, weights = len(mix.machines), mix.weights
    counts = mix.counts.astype(np.float64)
    left, waiting = mix.counts.copy(), _by_model(mix)
    rate, option_rate = counts / places, (mix.has * counts[:, None]).sum(axis=0) / places
    made, had = np.zeros(len(counts)), np.zeros(len(mix.options))
    recent = list(mix.before)
    late = _drift(mix, recent)
    drifts = np.array([station.drift_s for station in mix.stations])
    order = []
    for place in range(1, places + 1):
        gain = 1.0 - 2.0 * (place * rate - made)
        cost = weights.level * gain + weights.options * (mix.has * (1.0 - 2.0 * (place * option_rate - had))).sum(axis=1)
        for at, option in enumerate(mix.options):
            cost += weights.ratio * np.where(mix.has[:, at], _excess(mix, recent, option, at), 0)
        over = late[:, None] + mix.work_s - mix.takt_s
        cost += weights.utility * np.maximum(0.0, over - drifts[:, None]).sum(axis=0)
        # what is not beyond the drift yet, but uses it up
        cost += 0.05 * weights.utility * np.maximum(0.0, over).sum(axis=0)
        if recent:
            cost += weights.setup * mix.setup_s[recent[-1]]
        for one in np.flatnonzero(left > 0):
            row = waiting[int(one)][0]
            cost[one] += weights.window * (max(0, mix.earliest[row] - place + 1) + max(0, place - 1 - mix.latest[row]))
            cost[one] -= weights.window / max(1, mix.latest[row] - place + 2)
        model = int(np.argmin(np.where(left > 0, cost, np.inf)))
        order.append(waiting[model].pop(0))
        left[model] -= 1
        made[model] += 1
        had += mix.has[model]
        late = np.minimum(np.maximum(0.0, late + mix.work_s[:, model] - mix.takt_s), drifts)
        recent.append(model)
    return np.array(order, np.int32)


def _drift(mix: Mix, models: list[int]) -> NDArray[np.float64]:
    late = np.zeros(len(mix.stations))
    for model in models:
        late = np.minimum(np.maximum(0.0, late + mix.work_s[:, model] - mix.takt_s), [station.drift_s for station in mix.stations])
    return late


def _excess(mix: Mix, recent: list[int], option: Option, at: int) -> int:
    """Return by how many the ratio would be exceeded in the stretch that ends with one more machine that has the option."""
    if option.of == 1:
        return max(0, 1 - option.at_most)
    return max(0, int(mix.has[recent[-(option.of - 1) :], at].sum()) + 1 - option.at_most) if recent else max(0, 1 - option.at_most)


def _improved(mix: Mix, order: Ints, seconds: float, seed: int, stop: Callable[[], bool], clock: Callable[[], float]) -> Ints:
    # compiled when first used: nobody else pays for it
    from optimizer.sequence_exchanges import exchange

    until = clock() + seconds
    best, best_cost = order, mix_measures(mix, order).cost
    now, random = order, np.random.default_rng(seed)
    exchanges = max(2_000, _EXCHANGES_A_MACHINE * len(order) // _ROUNDS)
    hot = _heat(mix, order, best_cost, random)
    for turn in range(_ROUNDS):
        if clock() >= until or stop():
            break
        heat = (hot * 0.8**turn, hot * 0.8 ** (turn + 1)) if turn < _ROUNDS - 1 else (_NEAR, _NEAR)
        now, found, _ = exchange(mix, now, exchanges, heat, int(random.integers(2**31)))
        cost = mix_measures(mix, found).cost
        if cost < best_cost - _NEAR:
            best, best_cost = found, cost
        if turn >= _ROUNDS - 2:
            now = best
    return best


def _heat(mix: Mix, order: Ints, cost: float, random: np.random.Generator) -> float:
    """Return what a small exchange costs: of some tried, the cheapest tenth of those that make it worse."""
    worse = []
    for _ in range(_TRIED):
        tried = order.copy()
        i, j = random.integers(len(order), size=2)
        tried[i], tried[j] = order[j], order[i]
        worse.append(mix_measures(mix, tried).cost - cost)
    positive = [one for one in worse if one > _NEAR]
    return float(np.quantile(positive, 0.1)) if positive else 1.0
