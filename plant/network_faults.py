"""What in ``network.json`` refers to nothing, is there twice, or leads nowhere: a sentence with its key each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from plant.network_pieces import ConditionPiece, NetworkFile, RemovalPiece, TiePiece
from plant.process_network import Node, OneOf, ProcessNetwork, Step, operations_of, route_fault
from plant.products import RESERVED, FeatureKind


def _twice(place: str, names: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for at, name in enumerate(names, 1):
        if name in seen:
            yield f"{place.format(at)}: '{name}' is there already; each must be there once"
        seen.add(name)


def file_faults(file: NetworkFile) -> Iterable[str]:
    """Return what refers to nothing, or is there twice."""
    yield from _twice("features[{}].name", (feature.name for feature in file.features))
    yield from _twice("operations[{}].id", (operation.id for operation in file.operations))
    yield from _twice("rules[{}].id", (rule.id for rule in file.rules))
    yield from _twice("routes[{}].id", (route.id for route in file.routes))
    for at, feature in enumerate(file.features, 1):
        if feature.name in RESERVED:
            yield f"features[{at}].name: '{feature.name}' is a column of each product already; call the feature otherwise"
    operation_of: dict[str, str] = {}
    yield from _operation_faults(file, operation_of)
    for at, rule in enumerate(file.rules, 1):
        told = _tie_faults(rule, operation_of) if isinstance(rule, TiePiece) else _removal_faults(rule, file)
        yield from (f"rules[{at}].{fault}" for fault in told)
    known = {route.id for route in file.routes}
    for product, route in file.current.items():
        if route not in known:
            yield f"current.{product}: there is no route '{route}'; add it to 'routes'"


def _operation_faults(file: NetworkFile, operation_of: dict[str, str]) -> Iterable[str]:
    """Fills ``operation_of`` with the operation of each alternative."""
    numbers = {feature.name for feature in file.features if feature.kind is FeatureKind.NUMBER}
    for at, operation in enumerate(file.operations, 1):
        for measure, features in operation.increases_with.items():
            for name in features:
                if name not in numbers:
                    yield f"operations[{at}].increases_with.{measure}: '{name}' is no feature of kind number"
        for nth, alternative in enumerate(operation.alternatives, 1):
            if alternative.id in operation_of:
                place = f"operations[{at}].alternatives[{nth}].id"
                yield f"{place}: '{alternative.id}' is an alternative of '{operation_of[alternative.id]}' already; give it an id of its own"
            operation_of.setdefault(alternative.id, operation.id)


def _tie_faults(rule: TiePiece, operation_of: Mapping[str, str]) -> Iterable[str]:
    if rule.if_chosen not in operation_of:
        yield f"if_chosen: there is no alternative '{rule.if_chosen}'"
    for key, named in (("needs", rule.needs), ("excludes", rule.excludes)):
        for alternative in named:
            if alternative not in operation_of:
                yield f"{key}: there is no alternative '{alternative}'"
            elif operation_of[alternative] == operation_of.get(rule.if_chosen):
                yield f"{key}: '{alternative}' does the same operation as '{rule.if_chosen}'; only one of them is in a route anyway"


def _removal_faults(rule: RemovalPiece, file: NetworkFile) -> Iterable[str]:
    alternatives = [alternative for operation in file.operations for alternative in operation.alternatives]
    known: dict[str, set[str]] = {
        "operation": {operation.id for operation in file.operations},
        "work_unit": {alternative.work_unit for alternative in alternatives},
        "program": {alternative.program for alternative in alternatives},
        "tool": {alternative.tool for alternative in alternatives},
        "alternative": {alternative.id for alternative in alternatives},
    }
    for key, name in vars(rule.remove).items():
        if name is not None and name not in known[key]:
            yield f"remove.{key}: there is no {key.replace('_', ' ')} '{name}'"
    kinds = {feature.name: feature.kind for feature in file.features}
    for nth, condition in enumerate(rule.if_, 1):
        kind = kinds.get(condition.feature)
        if kind is None:
            yield f"if[{nth}].feature: there is no feature '{condition.feature}'"
        else:
            yield from (f"if[{nth}]: {fault}" for fault in _condition_faults(condition, kind))


def _condition_faults(condition: ConditionPiece, kind: FeatureKind) -> Iterable[str]:
    category = kind is FeatureKind.CATEGORY
    if category and (condition.above is not None or condition.below is not None):
        yield f"'{condition.feature}' is a category; say 'is' or 'in'"
    for value in (*(condition.in_ or ()), *(() if condition.is_ is None else (condition.is_,))):
        if isinstance(value, str) is not category:
            yield f"'{condition.feature}' is a {kind.value}; {json.dumps(value)} is none"


def network_faults(network: ProcessNetwork) -> Iterable[str]:
    """Return what is wrong with the ways through a network."""
    known = {operation.id for operation in network.operations}
    placed = operations_of(network.root)
    for name in sorted(placed - known):
        yield f"network: there is no operation '{name}'"
    for name in sorted(known - placed):
        yield f"network: operation '{name}' stands nowhere in it; place it, or take it out of 'operations'"
    yield from sorted(set(_twice_on_a_way(network.root)))
    if placed != known:
        return
    for at, route in enumerate(network.routes, 1):
        fault = route_fault(network, route.alternatives)
        if fault is not None:
            yield f"routes[{at}] ('{route.id}'): {fault}"


def _twice_on_a_way(node: Node) -> Iterable[str]:
    if isinstance(node, Step):
        return
    if not isinstance(node, OneOf):
        seen: set[str] = set()
        for child in node.nodes:
            below = operations_of(child)
            for name in below & seen:
                yield f"network: operation '{name}' can occur twice on one way; give the second one an id of its own"
            seen |= below
    for child in node.nodes:
        yield from _twice_on_a_way(child)
