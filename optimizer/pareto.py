"""A few routes that none beats in cost, time, yield and energy at once, well spread, each with the word for what it is best at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.networks import Costs, Graph, Limit, Positions, Way, best_way

MOST_POINTS: Final = 5
_ALIKE: Final = 0.002
"""Routes that differ by less than this share in all measures are shown as one."""
_LEAST_LOSS: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Measures:
    """What a route is judged by, for each alternative; all are summed up along a route, and less is better."""

    objective: Costs
    """Expected cost and what is added for risk; ``inf`` where an alternative may not be used."""
    duration_min: Costs
    loss: Costs
    """Minus the logarithm of the first-pass yield."""
    energy_kwh: Costs | None = None

    def named(self) -> dict[str, Costs]:
        """Return the measures besides the objective, by the label of the route that is best at it."""
        told = {"fastest": self.duration_min, "highest_yield": self.loss}
        return told | ({"least_energy": self.energy_kwh} if self.energy_kwh is not None else {})


def loss_of(first_pass: npt.ArrayLike) -> Costs:
    """Return yields as something to sum up; less is better."""
    return np.asarray(-np.log(np.clip(np.asarray(first_pass, np.float64), _LEAST_LOSS, 1.0)), np.float64)


def pareto_routes(graph: Graph, measures: Measures, best: Way) -> list[tuple[str, Positions]]:
    """Return 1 to 5 labelled routes that keep all rules; ``best`` is the one with the least objective, and comes first.

    Each is the cheapest within a limit on another measure (epsilon-constraint): at its very best, and half the way there.
    """
    named = measures.named()
    found = [("recommended", best.positions)]
    half: list[tuple[float, str, Positions]] = []
    for label, measure in named.items():
        usable = np.where(np.isfinite(measures.objective), measure, math.inf)
        extreme = best_way(graph, usable)
        if extreme is None:
            continue
        least, now = _sum(measure, extreme.positions), _sum(measure, best.positions)
        cheapest = best_way(graph, measures.objective, Limit(measure, least)) or extreme
        found.append((label, cheapest.positions))
        middle = best_way(graph, measures.objective, Limit(measure, (least + now) / 2))
        if middle is not None:
            half.append((now - least, label, middle.positions))
    balanced = [("balanced", positions) for _, label, positions in half if label == "fastest"]
    others = [("balanced", positions) for _, label, positions in half if label != "fastest"]
    return _spread(measures, [*found, *balanced, *others])


def _spread(measures: Measures, routes: list[tuple[str, Positions]]) -> list[tuple[str, Positions]]:
    """Return the routes that none of the others beats, without those that are nearly the same as one before."""
    columns = [measures.objective, *measures.named().values()]
    points = np.array([[_sum(column, positions) for column in columns] for _, positions in routes])
    scale = np.maximum(np.abs(points[0]), 1e-6)
    kept: list[int] = []
    for at, point in enumerate(points):
        beaten = ((points <= point + 1e-9).all(axis=1) & (points < point - 1e-9 * scale).any(axis=1)).any()
        alike = any((np.abs(points[other] - point) <= _ALIKE * scale).all() for other in kept)
        if at == 0 or not (beaten or alike):
            kept.append(at)
    labels: set[str] = set()
    shown: list[tuple[str, Positions]] = []
    for at in kept:
        label, positions = routes[at]
        if label not in labels and len(shown) < MOST_POINTS:
            labels.add(label)
            shown.append((label, positions))
    return shown


def _sum(column: Costs, positions: Positions) -> float:
    return math.fsum(column[list(positions)])
