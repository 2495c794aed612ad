"""Nodes of our own OPC UA server, put into asyncua's address space at once.

Its own way takes many times as long, and a thousand work units have twenty thousand nodes.
"""

from __future__ import annotations

from typing import Any, Final

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

_HAS_COMPONENT: Final = ua.NodeId(ObjectIds.HasComponent)  # type: ignore[arg-type]
_ORGANIZES: Final = ua.NodeId(ObjectIds.Organizes)  # type: ignore[arg-type]
_HAS_TYPE: Final = ua.NodeId(ObjectIds.HasTypeDefinition)  # type: ignore[arg-type]
_VARIABLE_TYPE: Final = ua.NodeId(ObjectIds.BaseDataVariableType)  # type: ignore[arg-type]
_READABLE: Final = 1
_WRITABLE: Final = 2
"""AccessLevel: CurrentRead, CurrentWrite."""


def node_id(identifier: int | str, namespace: int = 0) -> ua.NodeId:
    """Return a NodeId with a number or a text in it."""
    return ua.NodeId(identifier, namespace)  # type: ignore[arg-type]  # asyncua's own names for int and str


class Nodes:
    """Adds nodes to a server's address space."""

    def __init__(self, space: AddressSpace, namespace: int) -> None:
        self._space = space
        self.namespace = namespace
        self._shared = {
            AttributeIds.WriteMask: _fixed(0, ua.VariantType.UInt32),
            AttributeIds.UserWriteMask: _fixed(0, ua.VariantType.UInt32),
        }
        self._of_variables = self._shared | {
            AttributeIds.NodeClass: _fixed(int(ua.NodeClass.Variable), ua.VariantType.Int32),
            AttributeIds.AccessLevel: _fixed(_READABLE, ua.VariantType.Byte),
            AttributeIds.UserAccessLevel: _fixed(_READABLE, ua.VariantType.Byte),
            AttributeIds.Historizing: _fixed(False, ua.VariantType.Boolean),
            AttributeIds.MinimumSamplingInterval: _fixed(0.0, ua.VariantType.Double),
        }
        self._ranks = {array: _fixed(1 if array else -1, ua.VariantType.Int32) for array in (False, True)}
        self._types: dict[ua.VariantType, AttributeValue] = {}

    def own(self, identifier: int | str) -> ua.NodeId:
        """Return a node id in our namespace."""
        return node_id(identifier, self.namespace)

    def add_object(
        self, identifier: str, parent: ua.NodeId, name: str, kind: ua.NodeId, *, events: bool = False, organized: bool = True
    ) -> ua.NodeId:
        """Add an object below another one."""
        node = self._new(identifier, name)
        node.attributes |= self._shared | {
            AttributeIds.NodeClass: _fixed(int(ua.NodeClass.Object), ua.VariantType.Int32),
            AttributeIds.EventNotifier: _fixed(int(events), ua.VariantType.Byte),
        }
        self._put(node, parent, _ORGANIZES if organized else _HAS_COMPONENT, ua.NodeClass.Object, kind)
        return node.nodeid

    def add_variable(self, identifier: str, parent: ua.NodeId, name: str, value: ua.Variant, *, writable: bool = False) -> ua.NodeId:
        """Add a variable that clients can read, and write only where it is said."""
        node = self._new(identifier, name)
        array, kind = bool(value.is_array), value.VariantType
        if kind not in self._types:
            self._types[kind] = _fixed(node_id(int(kind.value)), ua.VariantType.NodeId)
        node.attributes |= self._of_variables | {
            AttributeIds.Value: AttributeValue(ua.DataValue(value)),
            AttributeIds.DataType: self._types[kind],
            AttributeIds.ValueRank: self._ranks[array],
        }
        if writable:
            both = _fixed(_READABLE | _WRITABLE, ua.VariantType.Byte)
            node.attributes |= {AttributeIds.AccessLevel: both, AttributeIds.UserAccessLevel: both}
        if array:
            node.attributes[AttributeIds.ArrayDimensions] = _fixed([0], ua.VariantType.UInt32)
        self._put(node, parent, _HAS_COMPONENT, ua.NodeClass.Variable, _VARIABLE_TYPE)
        return node.nodeid

    def share(self, owner: ua.NodeId, method: ua.NodeId) -> None:
        """Let an object have a method of its type: all of them share its node, and the object called says which one it is."""
        name = self._space[method].attributes[AttributeIds.BrowseName].value
        shown = self._space[method].attributes[AttributeIds.DisplayName].value
        if name is None or shown is None or name.Value is None or shown.Value is None:
            raise ValueError("a method without a name")
        self._refer(owner, _HAS_COMPONENT, method, (name.Value.Value, shown.Value.Value), ua.NodeClass.Method, node_id(0))

    def _new(self, identifier: str, name: str) -> NodeData:
        node = NodeData(self.own(identifier))
        node.attributes[AttributeIds.NodeId] = _fixed(node.nodeid, ua.VariantType.NodeId)
        node.attributes[AttributeIds.BrowseName] = _fixed(ua.QualifiedName(name, self.namespace), ua.VariantType.QualifiedName)
        node.attributes[AttributeIds.DisplayName] = _fixed(ua.LocalizedText(name), ua.VariantType.LocalizedText)
        return node

    def _put(self, node: NodeData, parent: ua.NodeId, reference: ua.NodeId, kind: ua.NodeClass, definition: ua.NodeId) -> None:
        self._space[node.nodeid] = node
        name, shown = node.attributes[AttributeIds.BrowseName].value, node.attributes[AttributeIds.DisplayName].value
        names = (name.Value.Value, shown.Value.Value)  # type: ignore[union-attr]  # just given
        self._refer(parent, reference, node.nodeid, names, kind, definition)
        above = self._space[parent].attributes
        up = (above[AttributeIds.BrowseName].value.Value.Value, above[AttributeIds.DisplayName].value.Value.Value)  # type: ignore[union-attr]
        self._refer(node.nodeid, reference, parent, up, ua.NodeClass.Object, node_id(0), forward=False)
        type_names = (ua.QualifiedName(""), ua.LocalizedText(""))
        type_class = ua.NodeClass.ObjectType if kind == ua.NodeClass.Object else ua.NodeClass.VariableType
        self._refer(node.nodeid, _HAS_TYPE, definition, type_names, type_class, node_id(0))

    def _refer(
        self,
        source: ua.NodeId,
        reference: ua.NodeId,
        target: ua.NodeId,
        names: Any,
        kind: ua.NodeClass,
        definition: ua.NodeId,
        *,
        forward: bool = True,
    ) -> None:
        described = ua.ReferenceDescription(reference, forward, target, names[0], names[1], kind, definition)
        self._space[source].references.append(described)


def _fixed(value: Any, kind: ua.VariantType) -> AttributeValue:
    return AttributeValue(ua.DataValue(ua.Variant(value, kind)))
