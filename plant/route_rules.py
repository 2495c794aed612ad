"""What a product may be made by: hard rules prune the network, they are never learned. Pure functions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.process_network import Condition, ProcessNetwork, Removal, Tie, route_fault
from plant.products import Product


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the rules leave of a factory's alternatives for one product."""

    alternatives: npt.NDArray[np.bool_]
    """For each of ``ProcessNetwork.alternatives``: whether it may be used."""
    removed: tuple[tuple[str, str], ...]
    """Alternative and rule, for each rule that takes it out."""


def holds(condition: Condition, product: Product) -> bool:
    """Whether a product is what a condition asks for."""
    value = product.features[condition.feature]
    if condition.one_of is not None:
        return value in condition.one_of
    number = float(value)
    above = condition.above is None or number > condition.above
    return above and (condition.below is None or number < condition.below)


def allowed(network: ProcessNetwork, product: Product) -> Allowed:
    """Return which alternatives the rules leave for a product, and which rule took each of the others."""
    left = np.ones(len(network.alternatives), np.bool_)
    removed: list[tuple[str, str]] = []
    for rule in network.rules:
        if not isinstance(rule, Removal) or not all(holds(condition, product) for condition in rule.conditions):
            continue
        for at, alternative in enumerate(network.alternatives):
            if rule.fits(alternative):
                left[at] = False
                removed.append((alternative.id, rule.id))
    return Allowed(left, tuple(removed))


def ties(network: ProcessNetwork) -> tuple[Tie, ...]:
    """Return the rules that tie operations to each other."""
    return tuple(rule for rule in network.rules if isinstance(rule, Tie))


def tie_broken(tie: Tie, route: Collection[str]) -> bool:
    """Whether a route does not keep a tie."""
    if tie.if_chosen not in route:
        return False
    missing = bool(tie.needs) and not any(alternative in route for alternative in tie.needs)
    return missing or any(alternative in route for alternative in tie.excludes)


def route_problems(network: ProcessNetwork, product: Product, route: Collection[str]) -> list[str]:
    """Return what is wrong with making a product by a route, a sentence each; empty where it may be made so."""
    fault = route_fault(network, route)
    told = [] if fault is None else [fault]
    texts = {rule.id: rule.text for rule in network.rules}
    chosen = set(route)
    told += [
        f"'{alternative}' is taken out by rule '{rule}': {texts[rule]}"
        for alternative, rule in allowed(network, product).removed
        if alternative in chosen
    ]
    return told + [f"'{tie.if_chosen}' breaks rule '{tie.id}': {tie.text}" for tie in ties(network) if tie_broken(tie, chosen)]
