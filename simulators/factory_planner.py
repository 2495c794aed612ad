"""What routes cost in truth, which is best, and how the plant's planners choose: by habit, with a blurred view, and with known odds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.network_file import network_of
from plant.process_network import ProcessNetwork
from plant.products import FeatureDefinition, FeatureKind, ProductTable
from plant.route_costs import CostWeights, operation_cost
from plant.route_rules import allowed, ties
from simulators.factory_shape import FEATURES, GRADES, OPERATIONS, network
from simulators.factory_truth import NOW_US, Codes, Floats, Truth, stream

NONE: Final = -1
"""In a route: the operation is not done on this way."""
_BLUR: Final = 0.45
_HABIT: Final = 0.05
_HEAT: Final = 0.7
_CUT, _BEND, _BEVEL, _WELD, _ROOT, _FILL = (OPERATIONS.index(name) for name in ("cut", "bend", "bevel", "weld", "weld-root", "weld-fill"))


@dataclass(frozen=True)
class Works:
    """A factory's network and its truth, with what follows from both."""

    truth: Truth

    @cached_property
    def network(self) -> ProcessNetwork:
        """The network, without routes."""
        return network_of(network(f"simulated factory {self.truth.seed}"))

    @cached_property
    def weights(self) -> CostWeights:
        """What things cost."""
        return self.network.cost

    @cached_property
    def products(self) -> ProductTable:
        """All products, as the optimizer meets them."""
        told = self.truth.products
        definitions = tuple(FeatureDefinition(f.name, f.unit, f.kind) for f in self.network.features)
        numbers = {f.name: told.features[:, FEATURES.index(f.name)] for f in definitions if f.kind is FeatureKind.NUMBER}
        grades = tuple(GRADES[int(code)] for code in told.features[:, FEATURES.index("grade")])
        return ProductTable(definitions, told.ids, told.families, numbers, {"grade": grades})

    @cached_property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Products by alternatives: what the rules leave."""
        return np.array([allowed(self.network, self.products.at(at)).alternatives for at in range(len(self.products))])

    @cached_property
    def groups(self) -> tuple[Codes, ...]:
        """By operation: its alternatives."""
        return tuple(np.flatnonzero(self.truth.operation == at) for at in range(len(OPERATIONS)))

    @cached_property
    def costs_now(self) -> Floats:
        """What ``costs`` returns at the end of the history."""
        return self.costs()

    def costs(self, time_us: int = NOW_US, factor: Floats | float = 1.0) -> Floats:
        """Return the expected cost of each product by each alternative; ``factor`` lengthens durations."""
        truth = self.truth
        minutes = truth.minutes(time_us) * factor
        energy = truth.energy_kwh * np.exp(truth.drift(np.arange(len(truth.operation)), time_us)) * factor
        return operation_cost(self.weights, minutes, truth.first_pass, energy, truth.wear)

    def route_costs(self, product: int, routes: Codes, time_us: int = NOW_US) -> Floats:
        """Return the true expected cost of routes (one a row, alternatives by operation) for one product."""
        truth = self.truth
        table = (self.costs_now if time_us == NOW_US else self.costs(time_us))[product]
        total = np.where(routes >= 0, table[routes], 0.0).sum(axis=1)
        if not truth.pair_log.any():
            return np.asarray(total, np.float64)
        cell = routes[:, _WELD] >= 0
        cut, weld = routes[cell, _CUT], routes[cell, _WELD]
        total[cell] += self._welding(product, time_us)[cut - self.groups[_CUT][0], weld - self.groups[_WELD][0]] - table[weld]
        return np.asarray(total, np.float64)

    def best_route(self, product: int, time_us: int = NOW_US) -> tuple[Codes, float]:
        """Return the best route by the truth, and its cost; all rules and ties are kept."""
        usable = self.allowed[product] & self.truth.allowed_now(time_us)
        table = np.where(usable, (self.costs_now if time_us == NOW_US else self.costs(time_us))[product], np.inf)
        route = np.full(len(OPERATIONS), NONE)
        for at, group in enumerate(self.groups):
            route[at] = group[int(table[group].argmin())]
        welding = np.where(np.isfinite(table[self.groups[_WELD]]), self._welding(product, time_us), np.inf)
        tried = [
            way
            for at, cut in enumerate(self.groups[_CUT])
            for bevel in self.groups[_BEVEL]
            for way in self._welded(route, int(cut), int(bevel), welding[at])
            if np.isfinite(table[way[way >= 0]]).all() and not self._breaks_tie(way)
        ]
        costs = self.route_costs(product, np.array(tried), time_us)
        return tried[int(costs.argmin())], float(costs.min())

    def _welded(self, route: Codes, cut: int, bevel: int, welding: Floats) -> list[Codes]:
        """Routes with this cut and bevel: by the two-step way, and by each of the best cells after this cut."""
        start = route.copy()
        start[[_CUT, _BEVEL]] = cut, bevel
        two = start.copy()
        two[_WELD] = NONE
        start[[_ROOT, _FILL]] = NONE
        cells = []
        for at in np.argsort(welding)[:4]:
            one = start.copy()
            one[_WELD] = self.groups[_WELD][at]
            cells.append(one)
        return [two, *cells]

    def _welding(self, product: int, time_us: int) -> Floats:
        """Return the cost of welding in each cell (columns) after each cut (rows)."""
        truth, cut, weld = self.truth, self.groups[_CUT], self.groups[_WELD]
        factor = np.exp(truth.pair_log[np.ix_(cut, weld)])
        mean = np.exp(truth.log_sigma[weld] ** 2 / 2) * (1 + truth.delay_share * truth.delay_mean)
        minutes = np.exp(truth.log_minutes[product, weld] + truth.drift(weld, time_us)) * mean * factor
        energy = truth.energy_kwh[product, weld] * np.exp(truth.drift(weld, time_us)) * factor
        return operation_cost(self.weights, minutes, truth.first_pass[product, weld], energy, truth.wear[product, weld])

    def _breaks_tie(self, route: Codes) -> bool:
        chosen = {self.network.alternatives[at].id for at in route if at >= 0}
        for tie in ties(self.network):
            if tie.if_chosen in chosen and ((tie.needs and not tie.needs & chosen) or tie.excludes & chosen):
                return True
        return False

    @cached_property
    def spread(self) -> Floats:
        """How far the costs of an operation's alternatives lie apart for a product: products by alternatives."""
        costs = self.costs_now
        spread = np.empty(costs.shape)
        for group in self.groups:
            spread[:, group] = costs[:, group].std(axis=1, keepdims=True)
        return spread

    @cached_property
    def view(self) -> Floats:
        """What planners believe things cost, biased by habit: products by alternatives."""
        habit = stream(self.truth.seed, "planners").normal(0, _HABIT, len(self.truth.operation))
        return np.asarray(self.costs_now + self.spread * habit, np.float64)

    def draw(self, product: int, count: int, rng: np.random.Generator, time_us: int = NOW_US) -> Codes:
        """Return routes as planners would choose them, one a row: each time they look, their view is blurred anew."""
        usable = self.allowed[product] & self.truth.allowed_now(time_us)
        seen = self.view[product] + self.spread[product] * rng.normal(0, _BLUR, (count, len(usable)))
        chosen = np.full((count, len(OPERATIONS)), NONE)
        cells = rng.random(count) < self._cell_odds(product, seen, usable)
        for at, group in enumerate(self.groups):
            odds = np.exp(-(seen[:, group] - seen[:, group].min(axis=1, keepdims=True)) / (_HEAT * self.spread[product, group[0]]))
            share = np.cumsum(odds * usable[group] * self._kept_ties(chosen, group), axis=1)
            picked = (rng.random((count, 1)) * share[:, -1:] > share).sum(axis=1)
            chosen[:, at] = group[np.minimum(picked, len(group) - 1)]
            if at == _WELD:
                chosen[~cells, at] = NONE
            elif at in {_ROOT, _FILL}:
                chosen[cells, at] = NONE
        return chosen

    def _cell_odds(self, product: int, seen: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
        """How probable welding in a cell is, against the two-step way."""
        least = [np.where(usable[self.groups[at]], seen[:, self.groups[at]], np.inf).min(axis=1) for at in (_WELD, _ROOT, _FILL)]
        heat = 2 * _HEAT * self.spread[product, self.groups[_WELD][0]]
        return np.asarray(1 / (1 + np.exp(np.clip((least[0] - least[1] - least[2]) / heat, -30, 30))), np.float64)

    def _kept_ties(self, chosen: Codes, group: Codes) -> npt.NDArray[np.bool_]:
        """Routes begun (rows) by alternatives of the next operation: which keep all ties."""
        kept = np.ones((len(chosen), len(group)), np.bool_)
        at = self.network.positions
        for tie in ties(self.network):
            column = np.flatnonzero(group == at[tie.if_chosen])
            if not len(column):
                continue
            needed = np.isin(chosen, [at[name] for name in tie.needs]).any(axis=1) if tie.needs else np.ones(len(chosen), np.bool_)
            barred = np.isin(chosen, [at[name] for name in tie.excludes]).any(axis=1)
            kept[:, column] &= np.asarray(needed & ~barred)[:, None]
        return kept
