"""From addresses in settings to nodes of a server, each on its own: one that is unknown or of another type stops no other."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from plant import status
from plant.errors import Unavailable
from plant.signals import DataType
from protocols.opcua_addresses import AddressProblem, Named, named_by
from protocols.opcua_attributes import AttributeValue
from protocols.opcua_datatypes import DataTypes, plain
from protocols.opcua_link import Link, ServiceFailed, status_name
from protocols.opcua_types import DATA_TYPES, TYPE_IDS

_NAMESPACE_ARRAY: Final = ua.NodeId(2255)  # type: ignore[arg-type]
_ROOT: Final = ua.NodeId(84)  # type: ignore[arg-type]
_HIERARCHICAL: Final = ua.NodeId(33)  # type: ignore[arg-type]
_TRANSLATE_RESPONSE: Final = 557
_VARIABLE: Final = 2
_SCALAR_RANKS: Final = frozenset({-1, -2, -3})
_GONE: Final = frozenset({int(StatusCodes.BadNodeIdUnknown), int(StatusCodes.BadNodeIdInvalid)})


@dataclass(frozen=True, slots=True)
class ResolvedNode:
    """An address that the server knows, with the type it is pinned to."""

    address: str
    data_type: DataType
    node_id: Any
    """As the server knows it in this session only; never kept beyond it."""
    warning: str | None = None
    """A fact a person should know, e.g. that the address names a namespace by its index."""


@dataclass(frozen=True, slots=True)
class UnresolvedNode:
    """An address that can't be read now, and why; the others can."""

    address: str
    status: int
    """StatusCode, e.g. BAD_NODE_ID_UNKNOWN or BAD_TYPE_MISMATCH."""
    reason: str


async def read_namespaces(link: Link) -> tuple[str, ...]:
    """Return the server's namespace URIs by index. Raises Unavailable."""
    answer = (await link.read_attributes([(_NAMESPACE_ARRAY, AttributeIds.Value)]))[0]
    if answer.is_bad or not isinstance(answer.value, list) or not answer.value:
        raise Unavailable(f"{link.endpoint.url}: the server does not tell its namespaces: {status_name(answer.status)}")
    return tuple(answer.value)


async def resolve(
    link: Link,
    namespaces: Sequence[str],
    addresses: Sequence[str],
    types: Sequence[DataType],
    names: MutableMapping[str, str] | None = None,
) -> list[ResolvedNode | UnresolvedNode]:
    """Return, in the order of the addresses, what the server knows of each.

    ``names`` are the browse names met before, by address, and are kept up: a node id that bears another name now, after a new program
    or a restart that numbered nodes anew, is another thing and is not read.
    """
    if len(addresses) != len(types):
        raise ValueError(f"{len(addresses)} addresses with {len(types)} types")
    found: dict[int, UnresolvedNode | Named] = {}
    for position, address in enumerate(addresses):
        try:
            found[position] = named_by(address, namespaces)
        except AddressProblem as problem:
            found[position] = UnresolvedNode(address, problem.status, problem.reason)
    nodes = {position: named.node_id for position, named in found.items() if isinstance(named, Named) and named.node_id is not None}
    paths = {position: named.path for position, named in found.items() if isinstance(named, Named) and named.node_id is None}
    for position, outcome in (await _follow(link, paths)).items():
        if isinstance(outcome, AddressProblem):
            found[position] = UnresolvedNode(addresses[position], outcome.status, f"'{addresses[position]}': {outcome.reason}")
        else:
            nodes[position] = outcome
    facts = await _describe(link, list(dict.fromkeys(nodes.values())))
    outcomes: list[ResolvedNode | UnresolvedNode] = []
    for position, (address, data_type) in enumerate(zip(addresses, types, strict=True)):
        named = found[position]
        if isinstance(named, UnresolvedNode):
            outcomes.append(named)
        else:
            node_facts = facts[nodes[position]]
            judged = _judge(address, data_type, nodes[position], node_facts, named.warning)
            outcomes.append(judged if isinstance(judged, UnresolvedNode) or names is None else _same_name(judged, node_facts, names))
    return outcomes


def _same_name(node: ResolvedNode, facts: _Facts, names: MutableMapping[str, str]) -> ResolvedNode | UnresolvedNode:
    if not isinstance(facts.name.value, str) or facts.name.is_bad:
        return node
    before = names.setdefault(node.address, facts.name.value)
    if before == facts.name.value:
        return node
    reason = (
        f"'{node.address}' was '{before}' and is '{facts.name.value}' now: another thing; check the address, then start the reader anew"
    )
    return UnresolvedNode(node.address, int(StatusCodes.BadBrowseNameInvalid), reason)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a server says of a node."""

    node_class: AttributeValue
    data_type: AttributeValue
    value_rank: AttributeValue
    name: AttributeValue
    sent_as: frozenset[int] | None


async def _describe(link: Link, nodes: list[ua.NodeId]) -> dict[ua.NodeId, _Facts]:
    attributes = (AttributeIds.NodeClass, AttributeIds.DataType, AttributeIds.ValueRank, AttributeIds.BrowseName)
    answers = await link.read_attributes([(node, attribute) for node in nodes for attribute in attributes])
    data_types = [plain(answer.value) for answer in answers[1::4] if isinstance(answer.value, ua.NodeId)]
    sent_as = await DataTypes(link).built_in(data_types)
    facts = {}
    for position, node in enumerate(nodes):
        node_class, data_type, value_rank, name = answers[4 * position : 4 * position + 4]
        known = sent_as[plain(data_type.value)] if isinstance(data_type.value, ua.NodeId) else None
        facts[node] = _Facts(node_class, data_type, value_rank, name, known)
    return facts


def _judge(address: str, data_type: DataType, node: ua.NodeId, facts: _Facts, warning: str | None) -> ResolvedNode | UnresolvedNode:
    """Return whether a node that exists may be read as this signal."""
    if facts.node_class.is_bad or facts.data_type.status in _GONE:
        code = facts.node_class.status if facts.node_class.is_bad else facts.data_type.status
        return UnresolvedNode(address, code, f"'{address}': the server says {status_name(code)}")
    if facts.node_class.value != _VARIABLE:
        reason = f"'{address}' is no variable on the server and has no value to read"
        return UnresolvedNode(address, int(StatusCodes.BadAttributeIdInvalid), reason)
    rank = facts.value_rank.value
    if isinstance(rank, int) and not facts.value_rank.is_bad and rank not in _SCALAR_RANKS:
        return UnresolvedNode(address, status.BAD_TYPE_MISMATCH, f"'{address}' is an array on the server; a signal is one value")
    if facts.sent_as is not None and TYPE_IDS[data_type] not in facts.sent_as:
        theirs = ", ".join(_type_name(type_id) for type_id in sorted(facts.sent_as))
        reason = f"'{address}' is {theirs} on the server, but the signal is pinned to {data_type}"
        return UnresolvedNode(address, status.BAD_TYPE_MISMATCH, reason)
    return ResolvedNode(address, data_type, node, warning)


def _type_name(type_id: int) -> str:
    return DATA_TYPES[type_id].value if type_id in DATA_TYPES else ua.VariantType(type_id).name


async def _follow(link: Link, paths: dict[int, tuple[ua.QualifiedName, ...]]) -> dict[int, ua.NodeId | AddressProblem]:
    """Return the node at the end of each browse path from the root."""
    outcomes: dict[int, ua.NodeId | AddressProblem] = {}
    asked = list(paths)
    size = link.limits.nodes_per_translate
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        request = ua.TranslateBrowsePathsToNodeIdsRequest()
        request.Parameters.BrowsePaths = [_browse_path(paths[position]) for position in part]
        try:
            response = await link.ask(request, ua.TranslateBrowsePathsToNodeIdsResponse, _TRANSLATE_RESPONSE)
        except ServiceFailed as failure:
            outcomes.update(dict.fromkeys(part, AddressProblem(failure.code, f"browse paths: {failure}")))
            continue
        results = response.Results or []
        if len(results) != len(part):
            raise Unavailable(f"{link.endpoint.url}: {len(results)} answers for {len(part)} browse paths")
        for position, result in zip(part, results, strict=True):
            outcomes[position] = _target(result)
    return outcomes


def _target(result: ua.BrowsePathResult) -> ua.NodeId | AddressProblem:
    code = int(result.StatusCode.value)
    if code >= 0x80000000:
        return AddressProblem(code, f"the server knows no such path: {status_name(code)}")
    targets = {plain(target.TargetId) for target in result.Targets or [] if target.RemainingPathIndex >= 0xFFFFFFFF}
    if not targets:
        return AddressProblem(int(StatusCodes.BadNoMatch), "the path leads nowhere on this server")
    if len(targets) > 1:
        return AddressProblem(int(StatusCodes.BadTooManyMatches), f"the path leads to {len(targets)} nodes; address one by its node id")
    return targets.pop()


def _browse_path(names: tuple[ua.QualifiedName, ...]) -> ua.BrowsePath:
    elements = [ua.RelativePathElement(_HIERARCHICAL, False, True, name) for name in names]  # type: ignore[arg-type]
    return ua.BrowsePath(_ROOT, ua.RelativePath(elements))
