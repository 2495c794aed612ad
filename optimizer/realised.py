"""What a recommendation really brought: orders made by its route, each at its measured cost, against what was expected of the other."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork
from plant.recommendations import Recommendation
from plant.route_costs import CostWeights
from storage.recommendations import RealisedGain

Floats = npt.NDArray[np.float64]
_LEAST_ORDERS: Final = 3
"""Fewer say nothing of how much orders differ."""
_SIDE: Final = 1.645
"""Of a 90 % interval, in standard errors."""

_NONE: Final = np.zeros((0, 2), np.int32)
_NO_ROWS: Final = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class OrderCosts:
    """Orders that were made wholly by a route, and what each cost as measured."""

    costs: Floats
    operations: int
    from_us: int
    to_us: int

    @classmethod
    def of(cls, network: ProcessNetwork, history: OperationHistory, route: Collection[str]) -> Self:
        """Return the orders of a history that have each step of the route, and no other; an order still at work is not among them."""
        wanted = sorted(network.positions[name] for name in route if name in network.positions)
        names = [alternative.id for alternative in network.alternatives]
        rows = history.with_vocabularies(history.products, names)
        told = rows.take(rows.order >= 0)
        runs, at = np.unique(np.stack([told.order, told.serial], axis=1), axis=0, return_inverse=True) if len(told) else (_NONE, _NO_ROWS)
        costs = measured_costs(network, told)
        done = np.zeros((len(runs), len(names)), np.bool_)
        done[at, told.alternative] = True
        whole = (
            (done.sum(axis=1) == len(wanted)) & done[:, wanted].all(axis=1) if len(wanted) == len(set(route)) else np.zeros(len(runs), bool)
        )
        kept = whole[at]
        totals = np.bincount(at, weights=costs, minlength=len(runs))[whole]
        times = told.started_us[kept]
        first, last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        return cls(totals, int(kept.sum()), first, last)


def measured_costs(network: ProcessNetwork, history: OperationHistory) -> Floats:
    """Return what each operation cost as measured, by the factory's formula with what really happened in place of what was expected."""
    weights: CostWeights = network.cost
    fixed = np.array([alternative.fixed_cost for alternative in network.alternatives], np.float64)[history.alternative]
    duration = np.asarray(history.duration_min, np.float64)
    usual = weights.rework_fixed_min + weights.rework_share * duration
    told = np.asarray(history.rework_min, np.float64)
    rework = np.where(history.first_pass, 0.0, np.where(np.isnan(told), usual, told))
    energy, wear = (np.nan_to_num(np.asarray(column, np.float64)) for column in (history.energy_kwh, history.wear))
    minutes = weights.per_minute * (duration + rework)
    return np.asarray(
        fixed + minutes + weights.per_kwh * energy + weights.per_wear * wear + weights.per_scrap * history.scrapped, np.float64
    )


def realised_gain(said: Recommendation, orders: OrderCosts, now_us: int) -> RealisedGain | None:
    """Return what the orders saved against the route that was compared with; None where no order was made, or nothing was compared."""
    against = said.against.current or said.against.nearest
    if against is None or not len(orders.costs):
        return None
    n = len(orders.costs)
    mean = against.predicted.cost.mean - float(orders.costs.mean())
    low = high = None
    if n >= _LEAST_ORDERS:
        off = _SIDE * float(orders.costs.std(ddof=1)) / math.sqrt(n)
        low, high = mean - off, mean + off
    return RealisedGain(now_us, n, orders.operations, orders.from_us, orders.to_us, mean, low, high)
