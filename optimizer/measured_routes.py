"""What was measured of products that were made: counts and costs on each alternative, which are alike, which routes were best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.networks import Graph, KnownRoutes, best_way, known_routes
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork, route_fault
from plant.products import Product, ProductTable
from plant.route_costs import operation_cost

Floats = npt.NDArray[np.float64]
NEAREST: Final = 5
_ROWS_AT_ONCE: Final = 1_000_000
_ROWS_FOR_RUNS: Final = 2_000_000
"""The newest rows, from which routes are read where the network names none."""


@dataclass(frozen=True, slots=True)
class MeasuredRoutes:
    """Products that were made, as columns: rows are products, columns are alternatives of the network."""

    products: ProductTable
    counts: npt.NDArray[np.int64]
    costs: Floats
    """Mean cost as measured; NaN where nothing was."""
    routes: KnownRoutes
    of_product: dict[str, npt.NDArray[np.intp]]
    """Rows of ``routes`` by which each product was made."""
    _middle: Floats
    _spread: Floats
    _columns: Floats

    def nearest(self, product: Product, most: int = NEAREST) -> list[tuple[int, float]]:
        """Return rows and distances of the products that are most like one, the nearest first; never the product itself."""
        if not len(self.products):
            return []
        numbers = np.array([float(product.features[name]) for name in self.products.numbers], np.float64)
        squares = (((numbers - self._middle) / self._spread - self._columns) ** 2).sum(axis=1)
        for name, column in self.products.categories.items():
            squares += np.array([value != product.features[name] for value in column], np.float64)
        itself = self.products.positions.get(product.id)
        order = [int(at) for at in np.argsort(squares, kind="stable") if at != itself and self.counts[at].any()]
        return [(at, math.sqrt(float(squares[at]))) for at in order[:most]]

    def measured_ways(self, row: int) -> list[tuple[int, float]]:
        """Return rows of ``routes`` by which a product was made and what they cost it as measured, the cheapest first."""
        rows = self.of_product.get(self.products.ids[row])
        if rows is None:
            return []
        totals = np.append(self.costs[row], 0.0)[self.routes.positions[rows]].sum(axis=1)
        order = np.argsort(totals, kind="stable")
        return [(int(rows[at]), float(totals[at])) for at in order if np.isfinite(totals[at])]


def measured_routes(graph: Graph, products: ProductTable, history: OperationHistory) -> MeasuredRoutes:
    """Return what a history says of the products of a table; products without a row in it have no measurements."""
    network = graph.network
    named = [alternative.id for alternative in network.alternatives]
    kept = history.with_vocabularies(products.ids, named)
    shape = (len(products), len(named))
    counts, sums = np.zeros(shape[0] * shape[1]), np.zeros(shape[0] * shape[1])
    fixed = np.array([alternative.fixed_cost for alternative in network.alternatives])
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = kept.take(slice(start, start + _ROWS_AT_ONCE))
        cells = part.product.astype(np.int64) * shape[1] + part.alternative
        cost = operation_cost(
            network.cost,
            part.duration_min,
            part.first_pass,
            part.energy_kwh,
            part.wear,
            fixed_cost=fixed[part.alternative],
            scrapped=part.scrapped,
        )
        counts += np.bincount(cells, minlength=len(counts))
        sums += np.bincount(cells, cost, minlength=len(sums))
    costs = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    routes, of_product = _routes(graph, kept, counts.reshape(shape))
    columns = np.array([products.numbers[name] for name in products.numbers]).reshape(len(products.numbers), len(products)).T
    spread = np.maximum(columns.std(axis=0), 1e-9 + 1e-9 * np.abs(columns).max(axis=0)) if len(products) else np.ones(columns.shape[1])
    middle = columns.mean(axis=0) if len(products) else np.zeros(columns.shape[1])
    return MeasuredRoutes(
        products,
        counts.astype(np.int64).reshape(shape),
        costs.reshape(shape),
        routes,
        of_product,
        middle,
        spread,
        (columns - middle) / spread,
    )


def _routes(graph: Graph, history: OperationHistory, counts: Floats) -> tuple[KnownRoutes, dict[str, npt.NDArray[np.intp]]]:
    named = [(route.id, route.product, route.alternatives) for route in graph.network.routes]
    told = {product for _, product, _ in named}
    if any(product not in told and row.any() for product, row in zip(history.products, counts, strict=True)):
        found = _runs(graph.network, history) or _usual(graph, history.products, counts)
        named += [one for one in found if one[1] not in told]
    table = known_routes(graph, [route for _, _, route in named], [name for name, _, _ in named])
    rows: dict[str, list[int]] = {}
    for row, which in enumerate(table.rows):
        rows.setdefault(named[which][1], []).append(row)
    return table, {product: np.array(of, np.intp) for product, of in rows.items()}


def _runs(network: ProcessNetwork, history: OperationHistory) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the routes by which products were made, as the orders of a history show them."""
    recent = history.take(slice(max(0, len(history) - _ROWS_FOR_RUNS), None))
    recent = recent.take(recent.order >= 0)
    order = np.lexsort((recent.alternative, recent.order, recent.product))
    product, run, alternative = recent.product[order], recent.order[order], recent.alternative[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (product[1:] != product[:-1]) | (run[1:] != run[:-1])
    begins = np.flatnonzero(new)
    found: dict[tuple[int, tuple[int, ...]], None] = {}
    for start, stop in itertools.pairwise([*begins, len(order)] if len(order) else []):
        found.setdefault((int(product[start]), tuple(sorted(set(alternative[start:stop].tolist())))))
    told = []
    for at, positions in found:
        names = tuple(network.alternatives[position].id for position in positions)
        if route_fault(network, names) is None:
            told.append(("", history.products[at], names))
    return told


def _usual(graph: Graph, products: Sequence[str], counts: Floats) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return, where no row tells its order, what each product was made by most often, step by step."""
    told = []
    for product, row in zip(products, counts, strict=True):
        seldom = np.where(row > 0, 1.0 / np.maximum(row, 1.0), math.inf)
        way = best_way(graph, seldom)
        if way is not None:
            told.append(("", product, tuple(graph.network.alternatives[at].id for at in way.positions)))
    return told
