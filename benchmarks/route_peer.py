"""The usual way, to compare with: gradient-boosted trees for each operation, on the rows, the alternative as a category."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from benchmarks.route_sets import Floats, RouteSet
from optimizer.networks import best_way, graph_of
from plant.route_costs import operation_cost
from plant.route_rules import allowed

Rows = NDArray[np.int64]

_TREES: dict[str, Any] = {"max_iter": 150, "learning_rate": 0.08, "max_leaf_nodes": 15, "min_samples_leaf": 15}


def peer_regret(kept: RouteSet) -> float:
    """Return the mean regret on products never made."""
    truth, network = kept.truth, kept.network
    new = np.flatnonzero(~truth.made & ~truth.outside)
    costs = np.full((len(new), len(network.alternatives)), np.inf)
    features, begin = _features(kept), 0
    for operation in network.operations:
        part = np.arange(begin, begin + len(operation.alternatives))
        begin += len(part)
        rows = np.isin(kept.history.alternative, part)
        if rows.any():
            costs[:, part] = _costs(kept, features, rows, part, new)
    graph = graph_of(network)
    regrets = []
    for at, row in enumerate(new):
        left = np.where(allowed(network, kept.products.at(int(row))).alternatives, costs[at], np.inf)
        way = best_way(graph, left)
        if way is not None:
            route = [network.alternatives[position].id for position in way.positions]
            regrets.append(kept.true_cost(int(row), route) / truth.oracle_cost[row] - 1.0)
    return float(np.mean(regrets))


def _features(kept: RouteSet) -> Floats:
    numbers = list(kept.products.numbers.values())
    categories = [np.unique(np.array(values), return_inverse=True)[1].astype(float) for values in kept.products.categories.values()]
    return np.stack([*numbers, *categories], axis=1)


def _costs(kept: RouteSet, features: Floats, rows: NDArray[np.bool_], part: Rows, new: Rows) -> Floats:
    history = kept.history
    alternative = history.alternative[rows].astype(float) - part[0]
    asked = np.column_stack([np.repeat(features[new], len(part), axis=0), np.tile(np.arange(len(part)), len(new))])
    seen = np.column_stack([features[history.product[rows]], alternative])
    kind = {**_TREES, "categorical_features": [seen.shape[1] - 1]}

    def told(values: NDArray[np.float32]) -> Floats:
        there = np.isfinite(values) & (values > 0)
        if not there.any():
            return np.zeros((len(new), len(part)))
        logs = HistGradientBoostingRegressor(**kind).fit(seen[there], np.log(values[there]))
        return np.asarray(np.exp(logs.predict(asked)).reshape(len(new), len(part)))

    right = HistGradientBoostingClassifier(**{**kind, "max_iter": 60, "min_samples_leaf": 40}).fit(seen, history.first_pass[rows])
    passes = right.predict_proba(asked)[:, -1].reshape(len(new), len(part))
    measures = [told(column[rows]) for column in (history.duration_min, history.energy_kwh, history.wear)]
    return np.asarray(operation_cost(kept.network.cost, measures[0], passes, measures[1], measures[2]))
