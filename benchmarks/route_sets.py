"""A simulated factory with its hidden truth, as benchmarks read it: the route set by the product's own readers, the truth beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from optimizer.files import read_history, read_products
from plant.network_file import load_network
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork
from plant.products import ProductTable
from plant.route_costs import operation_cost

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """What operations really take, products x alternatives."""

    duration_min: Floats
    log_median: Floats
    log_sigma: Floats
    delay_share: Floats
    delay_mean: Floats
    first_pass: Floats
    energy_kwh: Floats
    wear: Floats
    cost: Floats
    planner_odds: Floats
    usable: NDArray[np.bool_]
    oracle_cost: Floats
    planner_cost: Floats
    made: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    pairs: tuple[tuple[int, int, float], ...]
    """Alternatives of two operations, and the logarithm by which the first changes the time of the second."""

    def minutes(self, product: NDArray[np.int64], alternative: NDArray[np.int64], random: np.random.Generator) -> Floats:
        """Return what single operations take."""
        at = (product, alternative)
        usual = np.exp(self.log_median[at] + self.log_sigma[at] * random.standard_normal(len(product)))
        delayed = random.random(len(product)) < self.delay_share[at]
        return np.asarray(usual * np.where(delayed, 1.0 + random.exponential(self.delay_mean[at]), 1.0), np.float64)


@dataclass(frozen=True, slots=True)
class RouteSet:
    """What the optimizer may know, and what it may not."""

    network: ProcessNetwork
    products: ProductTable
    history: OperationHistory
    truth: Truth

    def true_cost(self, product: int, route: Sequence[str]) -> float:
        """Return the expected cost of a route, with what operations do to each other."""
        truth, weights = self.truth, self.network.cost
        at = [self.network.positions[alternative] for alternative in route]
        total = float(truth.cost[product, at].sum())
        for first, second, logarithm in truth.pairs:
            if first in at and second in at:
                factor = np.exp(logarithm)
                there = (product, second)
                changed = operation_cost(
                    weights,
                    truth.duration_min[there] * factor,
                    truth.first_pass[there],
                    truth.energy_kwh[there] * factor,
                    truth.wear[there],
                )
                total += float(changed) - float(truth.cost[there])
        return total


def simulated(folder: Path, seed: int, kind: str) -> RouteSet:
    """Return a simulated factory; it is made by a process of its own."""
    if not (folder / "network.json").exists():
        arguments = [sys.executable, "-m", "simulators.factory", "--seed", str(seed), "--truth", kind, "--out", str(folder)]
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    network = load_network(folder / "network.json")
    products = read_products(folder / "products.csv", network)
    history = read_history(folder / "history.parquet", network, products)
    return RouteSet(network, products, history, _truth(folder / "truth", network, products))


def _truth(folder: Path, network: ProcessNetwork, products: ProductTable) -> Truth:
    rows: dict[str, Any] = {name: column.to_numpy() for name, column in _columns(folder / "truth.parquet").items()}
    shape = (len(products), len(network.alternatives))
    row = np.array([products.positions[name] for name in rows.pop("product")])
    column = np.array([network.positions[name] for name in rows.pop("alternative")])
    tables: dict[str, Any] = {}
    for name, values in rows.items():
        tables[name] = np.zeros(shape, values.dtype)
        tables[name][row, column] = values
    by_product = _columns(folder / "products.parquet")
    order = np.argsort([products.positions[name] for name in by_product["product"].to_pylist()])
    told = {name: by_product[name].to_numpy()[order] for name in ("oracle_cost", "planner_cost", "made", "outside")}
    pairs = _columns(folder / "pairs.parquet")
    both = tuple(
        (network.positions[first], network.positions[second], float(by))
        for first, second, by in zip(*(pairs[name].to_pylist() for name in ("first", "second", "log_minutes")), strict=True)
    )
    return Truth(**tables, **told, pairs=both)


def _columns(path: Path) -> dict[str, Any]:
    table = pq.read_table(path)
    return {name: table.column(name) for name in table.column_names}


def machine() -> str:
    """Return how loaded the machine is."""
    return json.dumps({"load": [round(one, 1) for one in os.getloadavg()], "cores": os.cpu_count()})
