"""``network.json``: how a factory can make its products, read strictly. Each thing wrong is told with its key and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from plant.errors import SettingsError
from plant.network_faults import file_faults, network_faults
from plant.network_pieces import AnyOrderPiece, ConditionPiece, NetworkFile, OneOfPiece, RemovalPiece, SequencePiece, TiePiece
from plant.process_network import (
    Alternative,
    AnyOrder,
    Condition,
    Node,
    OneOf,
    Operation,
    ProcessNetwork,
    Removal,
    Route,
    Rule,
    Sequence,
    Step,
    Tie,
)
from plant.products import FeatureDefinition
from plant.route_costs import CostWeights
from plant.strict_json import most, parsed, pieces_of

FORMAT: Final = "network/1"
LARGEST_BYTES: Final = 200_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def network_schema() -> dict[str, Any]:
    """Return the JSON schema of network.json."""
    return NetworkFile.model_json_schema(by_alias=True)


def load_network(path: Path) -> ProcessNetwork:
    """Return what a file says. Raises SettingsError that names, for each thing wrong, file, key and what to do."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise SettingsError(f"{path}: holds more than {LARGEST_BYTES // 1_000_000} MB; is it a network.json?")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_network(content, str(path))


def parse_network(content: bytes | str, place: str = "network.json") -> ProcessNetwork:
    """Return what a file's content says; ``place`` names the file in errors."""
    return network_of(parsed(content, place), place)


def network_of(read: object, place: str = "network.json") -> ProcessNetwork:
    """Return what a parsed file says."""
    file = pieces_of(read, place, FORMAT, NetworkFile, "docs/routes.md")
    problems = list(file_faults(file))
    if not problems:
        made = _assembled(file)
        problems = list(network_faults(made))
        if not problems:
            return made
    raise SettingsError(most([f"{place}: {problem}" for problem in problems], place))


def network_json(network: ProcessNetwork) -> dict[str, Any]:
    """Return a network as its file says it; what is as by default is left out."""
    return {
        "leadhand": FORMAT,
        "name": network.name,
        "features": [_given({"name": f.name, "unit": f.unit, "kind": f.kind.value}) for f in network.features],
        "operations": [_operation_json(operation) for operation in network.operations],
        "network": _node_json(network.root),
        "rules": [_rule_json(rule) for rule in network.rules],
        "cost": asdict(network.cost),
        "routes": [{"id": r.id, "product": r.product, "alternatives": list(r.alternatives)} for r in network.routes],
        "current": dict(network.current),
    }


def _assembled(file: NetworkFile) -> ProcessNetwork:
    operations = tuple(
        Operation(
            told.id,
            told.stage,
            tuple(
                Alternative(a.id, told.id, a.work_unit, a.program, a.tool, dict(a.parameters), a.fixed_cost, _since_us(a.since))
                for a in told.alternatives
            ),
            told.name,
            {str(measure): features for measure, features in told.increases_with.items()},
        )
        for told in file.operations
    )
    return ProcessNetwork(
        file.name,
        tuple(FeatureDefinition(feature.name, feature.unit, feature.kind) for feature in file.features),
        operations,
        _node(file.network),
        tuple(_rule(rule) for rule in file.rules),
        CostWeights(**file.cost.model_dump()),
        tuple(Route(route.id, route.product, route.alternatives) for route in file.routes),
        dict(file.current),
    )


def _node(told: str | SequencePiece | AnyOrderPiece | OneOfPiece) -> Node:
    if isinstance(told, str):
        return Step(told)
    if isinstance(told, SequencePiece):
        return Sequence(tuple(_node(child) for child in told.sequence))
    if isinstance(told, AnyOrderPiece):
        return AnyOrder(tuple(_node(child) for child in told.any_order))
    return OneOf(tuple(_node(child) for child in told.one_of))


def _rule(told: RemovalPiece | TiePiece) -> Rule:
    if isinstance(told, TiePiece):
        return Tie(told.id, told.text, told.if_chosen, frozenset(told.needs), frozenset(told.excludes))
    return Removal(told.id, told.text, tuple(_condition(condition) for condition in told.if_), **told.remove.model_dump())


def _condition(told: ConditionPiece) -> Condition:
    values = told.in_ if told.in_ is not None else None if told.is_ is None else (told.is_,)
    return Condition(told.feature, told.above, told.below, None if values is None else frozenset(values))


def _since_us(since: datetime | date | None) -> int | None:
    if since is None:
        return None
    time = since if isinstance(since, datetime) else datetime(since.year, since.month, since.day, tzinfo=UTC)
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _given(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value not in ("", (), [], {}, None) and value != 0.0}


def _operation_json(operation: Operation) -> dict[str, Any]:
    alternatives = []
    for a in operation.alternatives:
        since = None if a.since_us is None else (_EPOCH + timedelta(microseconds=a.since_us)).isoformat().replace("+00:00", "Z")
        told = {"id": a.id, "work_unit": a.work_unit, "program": a.program, "tool": a.tool, "parameters": dict(a.parameters)}
        alternatives.append(_given({**told, "fixed_cost": a.fixed_cost, "since": since}))
    trends = {measure: list(features) for measure, features in operation.increases_with.items()}
    head = _given({"id": operation.id, "stage": operation.stage, "name": operation.name, "increases_with": trends})
    return {**head, "alternatives": alternatives}


def _node_json(node: Node) -> Any:
    if isinstance(node, Step):
        return node.operation
    key = {Sequence: "sequence", AnyOrder: "any_order", OneOf: "one_of"}[type(node)]
    return {key: [_node_json(child) for child in node.nodes]}


def _rule_json(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Tie):
        return _given(
            {"id": rule.id, "text": rule.text, "if_chosen": rule.if_chosen, "needs": sorted(rule.needs), "excludes": sorted(rule.excludes)}
        )
    conditions = []
    for condition in rule.conditions:
        told: dict[str, Any] = {"feature": condition.feature, "above": condition.above, "below": condition.below}
        told["in"] = None if condition.one_of is None else sorted(condition.one_of, key=str)
        conditions.append({key: value for key, value in told.items() if value is not None})
    remove = {key: getattr(rule, key) for key in ("operation", "work_unit", "program", "tool", "alternative")}
    return {
        "id": rule.id,
        "text": rule.text,
        **({"if": conditions} if conditions else {}),
        "remove": {key: value for key, value in remove.items() if value is not None},
    }
