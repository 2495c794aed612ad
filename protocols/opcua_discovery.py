"""What variables an OPC UA server has, with names, types, units and ranges, for a person to choose from.

Variables below variables are met too (S7 controllers keep more than half of theirs there). The search is bounded in nodes, and
each node is visited once however many references lead to it, so that a server whose references run in circles ends it as well.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from plant.errors import Unavailable
from plant.signals import DataType, Range
from protocols.opcua_addresses import node_address, path_address
from protocols.opcua_attributes import AttributeValue, Structure, localized_text_at, text_at
from protocols.opcua_binary import Malformed, int32_at
from protocols.opcua_client import OpcUaEndpoint, open_session
from protocols.opcua_datatypes import BROWSE_RESPONSE, DataTypes, plain
from protocols.opcua_link import Link, ServiceFailed
from protocols.opcua_types import DATA_TYPES
from protocols.opcua_units import ucum_of

_BROWSE_NEXT_RESPONSE: Final = 536
_OBJECTS: Final = ua.NodeId(85)  # type: ignore[arg-type]
_SERVER: Final = ua.NodeId(2253)  # type: ignore[arg-type]
_HIERARCHICAL: Final = ua.NodeId(33)  # type: ignore[arg-type]
_HAS_PROPERTY: Final = ua.NodeId(46)  # type: ignore[arg-type]
_RANGE: Final = 886
_EU_INFORMATION: Final = 889
_SCALAR_RANKS: Final = frozenset({-1, -2, -3})
_NODES_AT_ONCE: Final = 50
"""Nodes browsed in one request: small controllers answer many at once slowly or not at all."""
_REFERENCES_AT_ONCE: Final = 1000
_MOST_DEPTH: Final = 60
_VISITED_PER_VARIABLE: Final = 10
"""At most ten times as many nodes are visited as variables are wanted."""


@dataclass(frozen=True, slots=True)
class FoundVariable:
    """One variable met while browsing."""

    address: str
    """``nsu=<uri>;s=...``: what a signal's settings take."""
    browse_path: str
    """``/Objects/nsu=<uri>:Line1/...``: the other form that settings take; survives node ids that change at each reboot."""
    name: str
    data_type: DataType | None
    """None where a signal can't be pinned to it (arrays, structures, dates) or the server does not tell."""
    unit: str
    """UCUM code where known, else empty."""
    unit_name: str
    """The unit in the server's own words."""
    range: Range | None
    description: str
    folders: tuple[str, ...] = ()
    """Names of what it lies in, below Objects, outermost first."""


@dataclass(slots=True)
class _Met:
    """A variable met, before it is asked about."""

    node_id: ua.NodeId
    path: tuple[ua.QualifiedName, ...]
    name: str
    range_node: ua.NodeId | None = None
    unit_node: ua.NodeId | None = None


async def discover(endpoint: OpcUaEndpoint, most: int = 20_000) -> list[FoundVariable]:
    """Return the server's variables below Objects, at most ``most``, without the server's own diagnostics.

    Raises Unavailable or Rejected as ``open_session`` does.
    """
    session = await open_session(endpoint)
    try:
        met = await _search(session.link, most)
        return await _ask_about(session.link, session.namespaces, met)
    finally:
        await session.close()


async def _search(link: Link, most: int) -> list[_Met]:
    """Return the variables, nearest to the root first."""
    found: dict[ua.NodeId, _Met] = {}
    seen = {_OBJECTS, _SERVER}
    level: list[tuple[ua.NodeId, tuple[ua.QualifiedName, ...]]] = [(_OBJECTS, (ua.QualifiedName("Objects"),))]
    for _ in range(_MOST_DEPTH):
        below: list[tuple[ua.NodeId, tuple[ua.QualifiedName, ...]]] = []
        for start in range(0, len(level), _NODES_AT_ONCE):
            part = level[start : start + _NODES_AT_ONCE]
            for (parent, path), references in zip(part, await _browse(link, [node for node, _ in part]), strict=True):
                for reference in references:
                    node = plain(reference.NodeId)
                    if _is_metadata(reference):
                        _note(found.get(parent), reference.BrowseName.Name, node)
                    elif node not in seen:
                        seen.add(node)
                        own_path = (*path, reference.BrowseName)
                        below.append((node, own_path))
                        if reference.NodeClass == ua.NodeClass.Variable:
                            name = reference.DisplayName.Text or reference.BrowseName.Name or ""
                            found[node] = _Met(node, own_path, name)
                if len(found) >= most or len(seen) >= _VISITED_PER_VARIABLE * most + 1000:
                    return list(found.values())[:most]
        level = below
        if not level:
            break
    return list(found.values())


def _is_metadata(reference: ua.ReferenceDescription) -> bool:
    """Return whether a reference leads to a property of the standard, which tells about its owner and is no signal itself."""
    return plain(reference.ReferenceTypeId) == _HAS_PROPERTY and reference.BrowseName.NamespaceIndex == 0


def _note(owner: _Met | None, name: str | None, node: ua.NodeId) -> None:
    if owner is None:
        return
    if name == "EngineeringUnits":
        owner.unit_node = node
    elif name == "EURange" or (name == "InstrumentRange" and owner.range_node is None):
        owner.range_node = node


async def _browse(link: Link, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
    """Return what lies below each node: objects and variables. What the server refuses to show is empty."""
    lists: list[list[ua.ReferenceDescription]] = []
    size = min(link.limits.nodes_per_browse, _NODES_AT_ONCE)
    while len(lists) < len(nodes):
        part = nodes[len(lists) : len(lists) + size]
        request = ua.BrowseRequest()
        request.Parameters.RequestedMaxReferencesPerNode = ua.UInt32(_REFERENCES_AT_ONCE)
        request.Parameters.NodesToBrowse = [_downwards(node) for node in part]
        try:
            response = await link.ask(request, ua.BrowseResponse, BROWSE_RESPONSE)
        except ServiceFailed:
            if size == 1:
                lists.append([])
            size = max(1, size // 2)
            continue
        results = response.Results or []
        if len(results) != len(part):
            raise Unavailable(f"{link.endpoint.url}: {len(results)} answers for {len(part)} nodes browsed")
        lists += [await _whole(link, result) for result in results]
    return lists


async def _whole(link: Link, result: ua.BrowseResult) -> list[ua.ReferenceDescription]:
    """Return all references of one node, of which the server gives a part at a time."""
    references = list(result.References or [])
    point = result.ContinuationPoint
    while point:
        request = ua.BrowseNextRequest()
        request.Parameters.ReleaseContinuationPoints = False
        request.Parameters.ContinuationPoints = [point]
        try:
            response = await link.ask(request, ua.BrowseNextResponse, _BROWSE_NEXT_RESPONSE)
        except ServiceFailed:
            break
        results = response.Parameters.Results or []
        if len(results) != 1 or not results[0].References:
            break
        references += results[0].References
        point = results[0].ContinuationPoint
        if len(references) > 200_000:
            break
    return references


async def _ask_about(link: Link, namespaces: Sequence[str], met: Sequence[_Met]) -> list[FoundVariable]:
    """Return the variables with what the server tells about each."""
    asked = (AttributeIds.DataType, AttributeIds.ValueRank, AttributeIds.Description)
    answers = await link.read_attributes([(variable.node_id, attribute) for variable in met for attribute in asked])
    properties = [node for variable in met for node in (variable.range_node, variable.unit_node) if node is not None]
    values = dict(
        zip(properties, await link.read_attributes([(node, AttributeIds.Value) for node in properties]), strict=True) if properties else ()
    )
    data_types = await DataTypes(link).built_in([plain(a.value) for a in answers[0::3] if isinstance(a.value, ua.NodeId)])
    found = []
    for position, variable in enumerate(met):
        data_type, value_rank, description = answers[3 * position : 3 * position + 3]
        sent_as = data_types[plain(data_type.value)] if isinstance(data_type.value, ua.NodeId) else None
        unit, unit_name = _unit(values.get(variable.unit_node) if variable.unit_node is not None else None)
        found.append(
            FoundVariable(
                node_address(variable.node_id, namespaces),
                path_address(variable.path, namespaces),
                variable.name,
                _data_type(sent_as, value_rank),
                unit,
                unit_name,
                _range(values.get(variable.range_node) if variable.range_node is not None else None),
                description.value.replace("\0", "") if isinstance(description.value, str) else "",
                tuple(name.Name or "" for name in variable.path[1:-1]),
            )
        )
    return found


def _data_type(sent_as: frozenset[int] | None, value_rank: AttributeValue) -> DataType | None:
    """Return the one type a signal can be pinned to."""
    if sent_as is None or len(sent_as) != 1 or (isinstance(value_rank.value, int) and value_rank.value not in _SCALAR_RANKS):
        return None
    return DATA_TYPES.get(next(iter(sent_as)))


def _body(value: AttributeValue | None, encoding: int) -> bytes | None:
    """Return the bytes of a structure of namespace 0, where the value is one of that encoding."""
    if value is None or value.is_bad or not isinstance(value.value, Structure):
        return None
    type_id = value.value.type_id
    return value.value.body if type_id.NamespaceIndex == 0 and type_id.Identifier == encoding else None


def _range(value: AttributeValue | None) -> Range | None:
    body = _body(value, _RANGE)
    if body is None or len(body) != 16:
        return None
    low, high = struct.unpack("<dd", body)
    return Range(low, high) if low < high else None


def _unit(value: AttributeValue | None) -> tuple[str, str]:
    """Return a unit as UCUM code and in the server's words, both empty where there is none."""
    body = _body(value, _EU_INFORMATION)
    if body is None:
        return "", ""
    try:
        namespace, position = text_at(body, 0)
        number = int32_at(body, position)
        name, _ = localized_text_at(body, position + 4)
    except (Malformed, IndexError):
        return "", ""
    return ucum_of(namespace, number, name), name


def _downwards(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=_HIERARCHICAL,
        IncludeSubtypes=True,
        NodeClassMask=ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable),
        ResultMask=ua.UInt32(63),
    )
