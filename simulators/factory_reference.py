"""What recommendations of a simulated factory are compared with: the truth, and what one would do without a model."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from plant.errors import SettingsError
from plant.route_costs import CostWeights, operation_cost
from simulators.factory_answers import Checker

Floats = npt.NDArray[np.float64]
_MEASURES: Final = (
    "duration_min",
    "first_pass",
    "energy_kwh",
    "wear",
    "log_median",
    "log_sigma",
    "delay_share",
    "delay_mean",
    "planner_odds",
)


@dataclass(frozen=True, slots=True)
class Told:
    """One product."""

    family: str
    features: Mapping[str, float | str]
    made: bool
    outside: bool


@dataclass(frozen=True)
class Reference:
    """A route set with its truth."""

    head: Mapping[str, Any]
    network: Mapping[str, Any]
    products: Mapping[str, Told]
    history: pa.Table
    table: Mapping[str, Floats]
    """By measure: products (rows) by alternatives (columns) as true now."""
    usable: npt.NDArray[np.bool_]
    pairs: Mapping[tuple[str, str], float]
    oracles: Mapping[str, float]
    planners: Mapping[str, float]

    @cached_property
    def checker(self) -> Checker:
        """The judge of routes."""
        return Checker(self.network)

    @cached_property
    def alternatives(self) -> tuple[str, ...]:
        """All ids, in the order of the columns."""
        return tuple(a["id"] for operation in self.network["operations"] for a in operation["alternatives"])

    @cached_property
    def _columns(self) -> Mapping[str, int]:
        return {name: column for column, name in enumerate(self.alternatives)}

    @cached_property
    def operation_of(self) -> Mapping[str, str]:
        """The operation of each alternative."""
        return {a["id"]: operation["id"] for operation in self.network["operations"] for a in operation["alternatives"]}

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Where a product stands in the tables."""
        return {product: at for at, product in enumerate(self.products)}

    @cached_property
    def weights(self) -> CostWeights:
        """What things cost."""
        return CostWeights(**self.network["cost"])

    def oracle(self, product: str) -> float:
        """Return the cost of the best route."""
        return self.oracles[product]

    def checker_faults_way(self, faults: Sequence[str]) -> bool:
        """Whether a route is no way at all, so that it has no cost."""
        return any("no way through the network" in fault for fault in faults)

    def cost(self, product: str, route: Collection[str]) -> float:
        """Return the true expected cost of a route."""
        at = self.rows[product]
        columns = np.array([self._columns[name] for name in route])
        shift = np.exp([sum(self.pairs.get((other, name), 0.0) for other in route) for name in route])
        told = {name: self.table[name][at, columns] for name in ("duration_min", "first_pass", "energy_kwh", "wear")}
        cost = operation_cost(self.weights, told["duration_min"] * shift, told["first_pass"], told["energy_kwh"] * shift, told["wear"])
        return float(cost.sum())

    def baselines(self, product: str) -> dict[str, float]:
        """Return what planners' routes, and the nearest product's usual and best measured route cost this product."""
        told = {"planner": self.planners[product]}
        features = self.products[product].features
        for near in self._nearest(product):
            routes = [(r, n, cost) for r, n, cost in self._measured.get(near, []) if not self.checker.faults(features, r)]
            if routes:
                costs = [self.cost(product, route) for route, _, _ in routes]
                told["nearest_usual"] = float(np.average(costs, weights=[count for _, count, _ in routes]))
                told["nearest_best"] = costs[int(np.argmin([measured for _, _, measured in routes]))]
                break
        return told

    def _nearest(self, product: str) -> list[str]:
        at = self.rows[product]
        distance = ((self._standard - self._standard[at]) ** 2).sum(axis=1)
        names = list(self.products)
        return [names[near] for near in np.argsort(distance) if self.products[names[near]].made and names[near] != product]

    @cached_property
    def _standard(self) -> Floats:
        made = np.array([told.made for told in self.products.values()])
        columns: list[Floats] = []
        for feature in self.network["features"]:
            values = [told.features[feature["name"]] for told in self.products.values()]
            if feature.get("kind") == "category":
                columns += [np.array([float(value == word) for value in values]) for word in sorted({str(value) for value in values})]
            else:
                columns.append(np.array(values, np.float64))
        stacked = np.column_stack(columns)
        spread = stacked[made].std(axis=0)
        return np.asarray((stacked - stacked[made].mean(axis=0)) / np.where(spread > 0, spread, 1.0), np.float64)

    @cached_property
    def _measured(self) -> Mapping[str, list[tuple[tuple[str, ...], int, float]]]:
        """By product: each route that was run, how often, and its mean measured cost."""
        history = self.history
        order = history["order"].combine_chunks().dictionary_encode()
        orders = np.asarray(order.indices.to_numpy(zero_copy_only=False))
        names = np.array(self.alternatives)
        alternative = np.array([self._columns[name] for name in history["alternative"].to_pylist()])
        product = history["product"].to_pylist()
        cost = self._row_costs(alternative)
        by = np.lexsort((alternative, orders))
        edges = np.flatnonzero(np.r_[True, np.diff(orders[by]) > 0, True])
        found: dict[str, dict[tuple[int, ...], list[float]]] = {}
        for begin, end in pairwise(edges.tolist()):
            rows = by[begin:end]
            route = tuple(alternative[rows].tolist())
            found.setdefault(product[int(rows[0])], {}).setdefault(route, []).append(float(cost[rows].sum()))
        return {
            made: [(tuple(names[list(route)].tolist()), len(costs), float(np.mean(costs))) for route, costs in routes.items()]
            for made, routes in found.items()
        }

    def _row_costs(self, alternative: npt.NDArray[np.int64]) -> Floats:
        columns = {
            name: np.array(self.history[name].to_numpy(), np.float64) for name in ("duration_min", "rework_min", "energy_kwh", "wear")
        }
        for name in ("energy_kwh", "wear"):
            missing = np.isnan(columns[name])
            count = np.bincount(alternative[~missing], minlength=len(self.alternatives))
            mean = np.bincount(alternative[~missing], columns[name][~missing], minlength=len(self.alternatives)) / np.maximum(count, 1)
            columns[name][missing] = mean[alternative[missing]]
        minutes = columns["duration_min"] + np.nan_to_num(columns["rework_min"])
        weights = self.weights
        return np.asarray(weights.per_minute * minutes + weights.per_kwh * columns["energy_kwh"] + weights.per_wear * columns["wear"])


def read_reference(folder: Path) -> Reference:
    """Return a route set and its truth. Raises SettingsError where a file is missing or is none of ours."""
    try:
        head = json.loads((folder / "truth" / "truth.json").read_bytes())
        network = json.loads((folder / "network.json").read_bytes())
        told = pq.read_table(folder / "truth" / "products.parquet").to_pylist()
        truth = pq.read_table(folder / "truth" / "truth.parquet")
        pairs = pq.read_table(folder / "truth" / "pairs.parquet").to_pylist()
        columns = ["order", "product", "alternative", "duration_min", "rework_min", "energy_kwh", "wear"]
        history = pq.read_table(folder / "history.parquet", columns=columns)
        with (folder / "products.csv").open(encoding="utf-8", newline="") as lines:
            features = {row["product"]: row for row in csv.DictReader(lines)}
        numbers = [f["name"] for f in network["features"] if f.get("kind") != "category"]
        products = {
            row["product"]: Told(
                features[row["product"]]["family"],
                {
                    name: float(v) if name in numbers else v
                    for name, v in features[row["product"]].items()
                    if name not in {"product", "family"}
                },
                row["made"],
                row["outside"],
            )
            for row in told
        }
        shape = (len(products), -1)
        return Reference(
            head=head,
            network=network,
            products=products,
            history=history,
            table={name: np.asarray(truth[name].to_numpy(), np.float64).reshape(shape) for name in _MEASURES},
            usable=np.asarray(truth["usable"].to_pylist(), np.bool_).reshape(shape),
            pairs={(row["first"], row["second"]): row["log_minutes"] for row in pairs},
            oracles={row["product"]: row["oracle_cost"] for row in told},
            planners={row["product"]: row["planner_cost"] for row in told},
        )
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        words = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise SettingsError(f"{folder}: is no route set with its truth, as 'leadhand simulate factory' writes one: {words}") from error
