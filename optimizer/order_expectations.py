"""What a plan may count on for a product: alternatives it may be made by, what each takes, how far that may be off, and its route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.knowledge import Knowledge
from optimizer.networks import best_way, graph_of
from plant.process_network import ProcessNetwork
from plant.products import Product, ProductTable, product_table
from plant.route_rules import allowed, route_problems
from plant.settings_plan import PlanSettings

Floats = npt.NDArray[np.float64]

_NORMAL_90: Final = 2 * 1.6448536269514722
"""Widths of a normal distribution between its 5 % and 95 % quantiles."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of one product, columns over the network's alternatives."""

    product: str
    family: str
    usable: npt.NDArray[np.bool_]
    """Rules and process windows leave it, and what it takes is known."""
    minutes: Floats
    """To plan with; NaN where it is not known."""
    log_sd: Floats
    rework: Floats
    rework_min: Floats
    scrap: Floats
    route: tuple[str, ...]
    """By which it is made where nobody decides otherwise; empty where there is none."""
    route_from: str
    """recommended, current or best."""
    problem: str = ""
    """Why it cannot be made; empty where it can."""


def expectations(
    network: ProcessNetwork,
    products: Mapping[str, Product],
    wanted: Sequence[str],
    known: Knowledge | None,
    recommended: Mapping[str, tuple[str, ...]],
    settings: PlanSettings,
) -> dict[str, Expectation]:
    """Return what a plan may count on for each product that is wanted. ``recommended``: routes that people approved."""
    there = [products[name] for name in dict.fromkeys(wanted) if name in products]
    measured = _measured(network, known, product_table(network.features, there), settings) if there else {}
    found: dict[str, Expectation] = {}
    for name in dict.fromkeys(wanted):
        if name in products:
            found[name] = _routed(network, products[name], measured[name], recommended.get(name, ()), known)
        else:
            nothing = np.full(len(network.alternatives), np.nan)
            words = f"there is no product '{name}'; import it (leadhand import products)"
            found[name] = Expectation(
                name, "", np.zeros(len(nothing), np.bool_), nothing, nothing, nothing, nothing, nothing, (), "", words
            )
    return found


@dataclass(frozen=True, slots=True)
class _Measured:
    minutes: Floats
    log_sd: Floats
    rework: Floats
    rework_min: Floats
    scrap: Floats


def _measured(network: ProcessNetwork, known: Knowledge | None, products: ProductTable, settings: PlanSettings) -> dict[str, _Measured]:
    count = len(network.alternatives)
    standard = np.array([settings.standard_minutes.get(one.id, np.nan) for one in network.alternatives], np.float64)
    nothing = np.zeros(count)
    if known is None or known.network.operations != network.operations or known.network.features != network.features:
        return {name: _Measured(standard, nothing, nothing, nothing, nothing) for name in products.ids}
    said = known.adviser.predictor.predict(products)
    cost = network.cost
    found = {}
    for row, name in enumerate(products.ids):
        band = said.duration_min
        mean, low, high = band.mean[row], band.low[row], band.high[row]
        seen = np.isfinite(mean) & said.supported[row]
        planned = mean + settings.caution * np.maximum(np.where(np.isfinite(high), high, mean) - mean, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            width = np.log(high) - np.log(np.maximum(low, 1e-9))
        again = np.where(np.isfinite(said.rework_min.mean[row]), said.rework_min.mean[row], 0.0)
        again = np.where(again > 0, again, cost.rework_fixed_min + cost.rework_share * np.where(seen, mean, 0.0))
        found[name] = _Measured(
            np.where(seen, planned, standard),
            np.where(seen & np.isfinite(width), np.clip(width / _NORMAL_90, 0.0, 2.0), 0.0),
            np.where(seen, np.clip(1.0 - said.first_pass.mean[row], 0.0, 1.0), 0.0),
            np.where(seen, again, 0.0),
            np.where(seen & np.isfinite(said.scrapped), np.clip(said.scrapped, 0.0, 1.0), 0.0),
        )
    return found


def _routed(network: ProcessNetwork, product: Product, one: _Measured, approved: tuple[str, ...], known: Knowledge | None) -> Expectation:
    usable = allowed(network, product).alternatives & np.isfinite(one.minutes) & (one.minutes > 0)
    if known is not None:
        for name in known.adviser.known.outside:
            if name in network.positions:
                usable[network.positions[name]] = False
    route, where, problem = _route(network, product, usable, one.minutes, approved)
    return Expectation(
        product.id, product.family, usable, one.minutes, one.log_sd, one.rework, one.rework_min, one.scrap, route, where, problem
    )


def _route(
    network: ProcessNetwork, product: Product, usable: npt.NDArray[np.bool_], minutes: Floats, approved: tuple[str, ...]
) -> tuple[tuple[str, ...], str, str]:
    current = network.current_route(product.id)
    for name, steps in (("recommended", approved), ("current", () if current is None else current.alternatives)):
        known = steps and all(step in network.positions and usable[network.positions[step]] for step in steps)
        if known and not route_problems(network, product, steps):
            return tuple(steps), name, ""
    best = best_way(graph_of(network), np.where(usable, minutes, np.inf))
    if best is not None:
        return tuple(network.alternatives[at].id for at in best.positions), "best", ""
    left = allowed(network, product).alternatives
    if best_way(graph_of(network), np.where(left, 0.0, np.inf)) is None:
        return (), "", f"rules leave no way to make '{product.id}'"
    lacking = [one.id for at, one in enumerate(network.alternatives) if left[at] and not usable[at]]
    words = ", ".join(lacking[:5]) + ("" if len(lacking) <= 5 else f" and {len(lacking) - 5} more")
    return (), "", f"it is not known what '{product.id}' takes on {words}: import history, or give standard_minutes in [optimizer.plan]"
