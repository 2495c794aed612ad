"""What a server's data types are sent as: from any DataType node to the built-in types its values may have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from asyncua import ua

from protocols.opcua_link import Link, ServiceFailed

BROWSE_RESPONSE: Final = 530
_MOST_LEVELS: Final = 20
_ALL: Final = frozenset(range(1, 26))
_BUILT_IN: Final = frozenset(set(range(1, 26)) - {24})
_FAMILIES: Final[dict[int, frozenset[int]]] = {
    24: _ALL,
    26: frozenset(range(2, 12)),
    27: frozenset({2, 4, 6, 8}),
    28: frozenset({3, 5, 7, 9}),
    29: frozenset({6}),
}
"""Abstract types of namespace 0 (BaseDataType, Number, Integer, UInteger, Enumeration) and what a value of them may be."""
_HAS_SUBTYPE: Final = ua.NodeId(45)  # type: ignore[arg-type]


class DataTypes:
    """The data types of one server, learnt as they are met."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[ua.NodeId, frozenset[int] | None] = {}

    async def built_in(self, types: Iterable[ua.NodeId]) -> dict[ua.NodeId, frozenset[int] | None]:
        """Return, for each data type, the built-in types its values are sent as; None where the server does not tell."""
        unknown = {node for node in types if node not in self._known}
        above = {node: node for node in unknown}
        for _ in range(_MOST_LEVELS):
            climbing = []
            for node, current in above.items():
                sent_as = _standard(current)
                if sent_as is not None or current.is_null():
                    self._known[node] = sent_as
                else:
                    climbing.append(node)
            if not climbing:
                break
            parents = await self._parents({above[node] for node in climbing})
            above = {node: parents[above[node]] for node in climbing}
        for node in unknown:
            self._known.setdefault(node, None)
        return {node: self._known[node] for node in types}

    async def _parents(self, types: set[ua.NodeId]) -> dict[ua.NodeId, ua.NodeId]:
        """Return the type that each is a subtype of; the null id where the server does not tell."""
        parents = dict.fromkeys(types, ua.NodeId())
        asked = list(types)
        size = self._link.limits.nodes_per_browse
        for start in range(0, len(asked), size):
            part = asked[start : start + size]
            request = ua.BrowseRequest()
            request.Parameters.NodesToBrowse = [_upwards(node) for node in part]
            try:
                response = await self._link.ask(request, ua.BrowseResponse, BROWSE_RESPONSE)
            except ServiceFailed:
                continue
            for node, result in zip(part, response.Results or [], strict=False):
                if result.References:
                    parents[node] = plain(result.References[0].NodeId)
        return parents


def plain(node: ua.NodeId) -> ua.NodeId:
    """Return a node id without server and URI, so that equal ones compare equal."""
    return ua.NodeId(node.Identifier, node.NamespaceIndex)


def _standard(node: ua.NodeId) -> frozenset[int] | None:
    if node.NamespaceIndex != 0 or not isinstance(node.Identifier, int):
        return None
    if node.Identifier in _FAMILIES:
        return _FAMILIES[node.Identifier]
    return frozenset({node.Identifier}) if node.Identifier in _BUILT_IN else None


def _upwards(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Inverse,
        ReferenceTypeId=_HAS_SUBTYPE,
        IncludeSubtypes=True,
        NodeClassMask=0,
        ResultMask=0,
    )
