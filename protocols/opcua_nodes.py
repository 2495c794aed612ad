"""Nodes of a server by address, by path and by what lies below one, for those who call and write: each is looked up once a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from plant.errors import Rejected
from protocols.opcua_addresses import AddressProblem, named_by
from protocols.opcua_attributes import AttributeValue
from protocols.opcua_client import OpcUaSession
from protocols.opcua_datatypes import plain
from protocols.opcua_link import Link

_TRANSLATE_RESPONSE: Final = int(ObjectIds.TranslateBrowsePathsToNodeIdsResponse_Encoding_DefaultBinary)
_BROWSE_RESPONSE: Final = int(ObjectIds.BrowseResponse_Encoding_DefaultBinary)
_WRITE_RESPONSE: Final = int(ObjectIds.WriteResponse_Encoding_DefaultBinary)
_ROOT: Final = ua.NodeId(84)  # type: ignore[arg-type]
_HIERARCHICAL: Final = ua.NodeId(33)  # type: ignore[arg-type]
_LAST: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Child:
    """An object below another one."""

    node: Any
    parent: Any
    type: tuple[int, Any]
    """Namespace index and identifier of its type."""
    name: tuple[int, str]
    """Namespace index and text of its browse name."""


class NodeBook:
    """The nodes of one session by address."""

    def __init__(self, session: OpcUaSession) -> None:
        self._session = session
        self._known: dict[str, Any] = {}

    async def node(self, address: str) -> Any:
        """Return the node at an address. Raises Rejected where the server has none, and Unavailable."""
        if address not in self._known:
            self._known[address] = await self._look_up(address)
        return self._known[address]

    async def _look_up(self, address: str) -> Any:
        url = self._session.link.endpoint.url
        try:
            named = named_by(address, self._session.namespaces)
        except AddressProblem as problem:
            raise Rejected(f"{url}: {problem.reason}") from problem
        if named.node_id is not None:
            return named.node_id
        found = (await follow(self._session.link, [(_ROOT, named.path)]))[0]
        if found is None:
            raise Rejected(f"{url}: the server has no node at '{address}'")
        return found

    async def read(self, addresses: Sequence[str]) -> list[AttributeValue]:
        """Return the values at addresses. Raises Rejected where an address names nothing, and Unavailable."""
        nodes = [await self.node(address) for address in addresses]
        return await self._session.link.read_attributes([(node, AttributeIds.Value) for node in nodes])

    async def write_counts(self, values: Sequence[tuple[str, int]]) -> None:
        """Write numbers (UInt32) to addresses, all in one request. Raises Rejected where an address names nothing, and Unavailable."""
        request = ua.WriteRequest()
        request.Parameters.NodesToWrite = [
            ua.WriteValue(
                await self.node(address),
                AttributeIds.Value,
                Value=ua.DataValue(ua.Variant(number & _LAST, ua.VariantType.UInt32)),
            )
            for address, number in values
        ]
        await self._session.link.call(request, _WRITE_RESPONSE)


async def follow(link: Link, paths: Sequence[tuple[Any, tuple[ua.QualifiedName, ...]]]) -> list[Any | None]:
    """Return the node at the end of each path (a node and browse names below it), None where there are none or several.

    Raises Unavailable.
    """
    found: list[Any | None] = []
    size = link.limits.nodes_per_translate
    for start in range(0, len(paths), size):
        request = ua.TranslateBrowsePathsToNodeIdsRequest()
        request.Parameters.BrowsePaths = [
            ua.BrowsePath(node, ua.RelativePath([ua.RelativePathElement(_HIERARCHICAL, False, True, name) for name in names]))  # type: ignore[arg-type]
            for node, names in paths[start : start + size]
        ]
        response = await link.ask(request, ua.TranslateBrowsePathsToNodeIdsResponse, _TRANSLATE_RESPONSE)
        for result in response.Results or []:
            targets = {plain(one.TargetId) for one in result.Targets or [] if one.RemainingPathIndex >= _LAST}
            bad = int(result.StatusCode.value) >= 0x80000000
            found.append(targets.pop() if len(targets) == 1 and not bad else None)
    return found


async def children(link: Link, nodes: Sequence[Any]) -> list[Child]:
    """Return the objects below nodes. Raises Unavailable."""
    found = []
    for start in range(0, len(nodes), link.limits.nodes_per_browse):
        part = nodes[start : start + link.limits.nodes_per_browse]
        results = await _browse(link, part, ua.BrowseDirection.Forward, int(ua.NodeClass.Object))
        for node, result in zip(part, results, strict=False):
            for one in result.References or []:
                kind = plain(one.TypeDefinition)
                name = (one.BrowseName.NamespaceIndex, one.BrowseName.Name or "")
                found.append(Child(plain(one.NodeId), node, (kind.NamespaceIndex, kind.Identifier), name))
    return found


async def parent(link: Link, node: Any) -> Any:
    """Return the object that a node lies below; the node itself where there is none. Raises Unavailable."""
    results = await _browse(link, [node], ua.BrowseDirection.Inverse, 0)
    references = [one for result in results for one in result.References or []]
    return plain(references[0].NodeId) if references else node


async def _browse(link: Link, nodes: Sequence[Any], direction: ua.BrowseDirection, classes: int) -> list[ua.BrowseResult]:
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = ua.UInt32(0)
    request.Parameters.NodesToBrowse = [
        ua.BrowseDescription(node, direction, _HIERARCHICAL, True, ua.UInt32(classes), ua.UInt32(0x3F)) for node in nodes
    ]
    response = await link.ask(request, ua.BrowseResponse, _BROWSE_RESPONSE)
    return list(response.Results or [])
