"""An independent check of every recommendation before it leaves: it shares no code with the search that found the route.

It walks the network anew, reads each rule for itself, and adds all numbers up again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from plant.process_network import Condition, Node, OneOf, ProcessNetwork, Removal, Step, Tie
from plant.products import Product
from plant.recommendations import Answer, Estimate, Recommendation, RouteEstimate

_EXACT: Final = 1e-6


def route_faults(network: ProcessNetwork, product: Product, route: tuple[str, ...], forbidden: Mapping[str, str]) -> list[str]:
    """Return what is wrong with making a product by a route; ``forbidden``: alternatives outside of their process window, and why."""
    known = {one.id: one for operation in network.operations for one in operation.alternatives}
    unknown = [name for name in route if name not in known]
    if unknown:
        return [f"there is no alternative '{unknown[0]}'"]
    told = [f"'{name}' is outside of its process window: {forbidden[name]}" for name in route if name in forbidden]
    done = Counter(known[name].operation for name in route)
    told += [f"operation '{operation}' is done {times} times" for operation, times in done.items() if times > 1]
    if not any(way == done.keys() for way in _ways(network.root, frozenset(done))):
        told.append("the operations are no whole way through the network")
    for rule in network.rules:
        if isinstance(rule, Tie):
            if rule.if_chosen in route and ((rule.needs and not rule.needs.intersection(route)) or rule.excludes.intersection(route)):
                told.append(f"rule '{rule.id}' is broken: {rule.text}")
        elif all(_true_of(condition, product) for condition in rule.conditions):
            told += [f"rule '{rule.id}' forbids '{name}': {rule.text}" for name in route if _speaks_of(rule, network, name)]
    return told


def recommendation_faults(
    network: ProcessNetwork, product: Product, recommendation: Recommendation, forbidden: Mapping[str, str]
) -> list[str]:
    """Return what is wrong with a recommendation; nothing wrong may leave."""
    if recommendation.answer is Answer.NOT_ENOUGH_EVIDENCE:
        return ["a route is told although evidence is missing"] if recommendation.route or not recommendation.reason else []
    routes = {recommendation.route} | {point.route for point in recommendation.pareto}
    if recommendation.today is not None:
        routes.add(recommendation.today.route)
    told = [fault for route in sorted(routes) for fault in route_faults(network, product, route, forbidden)]
    told += [
        f"what was measured does not cover '{name}'"
        for name in recommendation.route
        if name not in recommendation.intervals or not recommendation.intervals[name].supported
    ]
    if recommendation.predicted is not None:
        told += list(_estimate_faults(recommendation.predicted))
    return told + list(_sum_faults(recommendation))


def _sum_faults(recommendation: Recommendation) -> Iterator[str]:
    """Give where numbers do not add up."""
    predicted, gain = recommendation.predicted, recommendation.gain
    if predicted is None:
        yield "nothing is predicted"
        return
    costs = [step.cost.mean for step in recommendation.steps if step.cost is not None]
    if abs(sum(costs) - predicted.cost.mean) > _EXACT * max(1.0, abs(predicted.cost.mean)):
        yield "the costs of the steps do not sum up to the cost of the route"
    if {step.alternative for step in recommendation.steps} - {None} != set(recommendation.route):
        yield "the steps are not those of the route"
    if gain is not None:
        if abs(sum(step.difference for step in recommendation.steps) - gain.mean) > _EXACT * max(1.0, abs(predicted.cost.mean)):
            yield "the differences of the steps do not sum up to the gain"
        if not gain.low <= gain.mean <= gain.high:
            yield "the gain lies outside of its interval"


def _estimate_faults(predicted: RouteEstimate) -> Iterator[str]:
    estimates: dict[str, Estimate | None] = {
        "cost": predicted.cost,
        "duration": predicted.duration_min,
        "first-pass yield": predicted.first_pass,
        "energy": predicted.energy_kwh,
        "wear": predicted.wear,
    }
    for name, one in estimates.items():
        if one is None:
            continue
        if not all(math.isfinite(value) for value in (one.mean, one.low, one.high)):
            yield f"{name} is no number"
        elif not one.low - _EXACT <= one.mean <= one.high + _EXACT:
            yield f"{name} lies outside of its interval"
    if not 0.0 <= predicted.first_pass.mean <= 1.0:
        yield "the first-pass yield is no share"


def _ways(node: Node, present: frozenset[str]) -> Iterator[frozenset[str]]:
    """Give the sets of operations, of those that are present, by which a node can be done."""
    if isinstance(node, Step):
        if node.operation in present:
            yield frozenset({node.operation})
    elif isinstance(node, OneOf):
        for child in node.nodes:
            yield from _ways(child, present)
    else:
        done = {frozenset[str]()}
        for child in node.nodes:
            done = {before | way for before in done for way in _ways(child, present) if not before & way}
        yield from done


def _true_of(condition: Condition, product: Product) -> bool:
    value = product.features[condition.feature]
    if condition.one_of is not None and value not in condition.one_of:
        return False
    if condition.above is not None and not float(value) > condition.above:
        return False
    return condition.below is None or float(value) < condition.below


def _speaks_of(rule: Removal, network: ProcessNetwork, name: str) -> bool:
    one = network.alternative(name)
    asked = [
        (rule.operation, one.operation),
        (rule.work_unit, one.work_unit),
        (rule.program, one.program),
        (rule.tool, one.tool),
        (rule.alternative, one.id),
    ]
    return all(wanted is None or wanted == there for wanted, there in asked)
