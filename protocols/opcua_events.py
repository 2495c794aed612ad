"""Events of an OPC UA server: what is asked of each, what came, and a server that tells all its conditions anew.

Events come through a subscription as values do, so each message is accounted for by its number there. Their fields are decoded here
without trust in counts. OPC 10000-4, 7.22.3 and 7.25; OPC 10000-9, 5.5.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from protocols.opcua_addresses import AddressProblem, named_by, node_address
from protocols.opcua_attributes import variant_at
from protocols.opcua_binary import Malformed, after, after_variant, int32_at
from protocols.opcua_decoder import TICKS_1601_TO_1970
from protocols.opcua_link import Link, ServiceFailed

_BASE: Final = int(ObjectIds.BaseEventType)
_CONDITION: Final = int(ObjectIds.ConditionType)
_ACKNOWLEDGEABLE: Final = int(ObjectIds.AcknowledgeableConditionType)
_ALARM: Final = int(ObjectIds.AlarmConditionType)
FIELDS: Final[tuple[tuple[str, int, str], ...]] = (
    ("event_id", _BASE, "EventId"),
    ("event_type", _BASE, "EventType"),
    ("source_node", _BASE, "SourceNode"),
    ("source_name", _BASE, "SourceName"),
    ("time", _BASE, "Time"),
    ("server_time", _BASE, "ReceiveTime"),
    ("message", _BASE, "Message"),
    ("severity", _BASE, "Severity"),
    ("condition", _CONDITION, ""),
    ("branch", _CONDITION, "BranchId"),
    ("condition_name", _CONDITION, "ConditionName"),
    ("retain", _CONDITION, "Retain"),
    ("enabled", _CONDITION, "EnabledState/Id"),
    ("comment", _CONDITION, "Comment"),
    ("user", _CONDITION, "ClientUserId"),
    ("acknowledged", _ACKNOWLEDGEABLE, "AckedState/Id"),
    ("confirmed", _ACKNOWLEDGEABLE, "ConfirmedState/Id"),
    ("active", _ALARM, "ActiveState/Id"),
    ("suppressed", _ALARM, "SuppressedState/Id"),
    ("shelved", _ALARM, "SuppressedOrShelved"),
    ("shelving", _ALARM, "ShelvingState/CurrentState"),
)
"""Name here, type that defines it, browse path; the condition's own id is its NodeId."""
REFRESH_START: Final = f"ns=0;i={int(ObjectIds.RefreshStartEventType)}"
REFRESH_END: Final = f"ns=0;i={int(ObjectIds.RefreshEndEventType)}"
REFRESH_REQUIRED: Final = f"ns=0;i={int(ObjectIds.RefreshRequiredEventType)}"
QUEUE_OVERFLOW: Final = f"ns=0;i={int(ObjectIds.EventQueueOverflowEventType)}"
_CALL_RESPONSE: Final = int(ObjectIds.CallResponse_Encoding_DefaultBinary)
_MOST_FIELDS: Final = 200
_MOST_EVENTS: Final = 100_000
_NO_NODE: Final = "ns=0;i=0"


@dataclass(frozen=True, slots=True)
class Event:
    """What one event says, by the names of ``FIELDS``: addresses, texts, times in microseconds; None for what it does not say."""

    handle: int
    fields: dict[str, Any]

    @property
    def type(self) -> str:
        """The address of its type."""
        return str(self.fields.get("event_type") or "")

    def text(self, name: str) -> str:
        """Return a field that is text; empty where it is not said."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def flag(self, name: str) -> bool | None:
        """Return a field that is true or false."""
        value = self.fields.get(name)
        return value if isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class RawEvents:
    """An EventNotificationList whose fields are decoded; addresses still by index of the namespace."""

    events: tuple[tuple[int, tuple[Any, ...]], ...]
    """Client handle and fields of each, in the server's order."""


def raw_events(body: bytes) -> RawEvents:
    """Return the events of an EventNotificationList. Raises Malformed. Takes time in proportion to the bytes."""
    count, position = int32_at(body, 0), 4
    if count > _MOST_EVENTS:
        raise Malformed(f"{count} events in one message")
    events = []
    for _ in range(max(count, 0)):
        after(body, position, 8)
        handle, fields = struct.unpack_from("<Ii", body, position)
        position += 8
        if fields > _MOST_FIELDS:
            raise Malformed(f"{fields} fields in one event")
        values = []
        for _ in range(max(fields, 0)):
            end = after_variant(body, position)
            values.append(_readable(body, position))
            position = end
        events.append((handle, tuple(values)))
    return RawEvents(tuple(events))


def _readable(body: bytes, position: int) -> Any:
    """Return the value of a Variant; None where it is of no kind wanted here, or no text or address that can be read."""
    try:
        return variant_at(body, position)
    except (ValueError, LookupError, struct.error, UaError):
        return None


def named_events(raw: RawEvents, namespaces: Sequence[str]) -> list[Event]:
    """Return events with the names of their fields, and addresses that outlive the session."""
    return [Event(handle, _named(values, namespaces)) for handle, values in raw.events]


def _named(values: Sequence[Any], namespaces: Sequence[str]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for (name, _, _), value in zip(FIELDS, values, strict=False):
        if isinstance(value, ua.NodeId):
            address = node_address(value, namespaces)
            named[name] = "" if address == _NO_NODE else address
        elif name in ("time", "server_time"):
            named[name] = (value - TICKS_1601_TO_1970) // 10 if isinstance(value, int) and value > 0 else None
        else:
            named[name] = value
    return named


def event_filter() -> ua.EventFilter:
    """Return what is asked of each event: all fields, no event left out."""
    wanted = ua.EventFilter()
    wanted.SelectClauses = []
    for _, type_id, path in FIELDS:
        operand = ua.SimpleAttributeOperand()
        operand.TypeDefinitionId = ua.NodeId(type_id)  # type: ignore[arg-type]
        operand.BrowsePath = [ua.QualifiedName(name, 0) for name in path.split("/") if name]
        operand.AttributeId = ua.UInt32(AttributeIds.Value if path else AttributeIds.NodeId)
        wanted.SelectClauses.append(operand)
    return wanted


def notifier_of(address: str, namespaces: Sequence[str]) -> ua.NodeId | None:
    """Return the node of an address, None where it names none by itself."""
    try:
        return named_by(address, namespaces).node_id
    except AddressProblem:
        return None


async def refresh_conditions(link: Link, subscription: int) -> None:
    """Have the server tell all its conditions anew, between RefreshStart and RefreshEnd. Raises ServiceFailed, Unavailable."""
    request = ua.CallRequest()
    method = ua.CallMethodRequest()
    method.ObjectId = ua.NodeId(ObjectIds.ConditionType)  # type: ignore[arg-type]
    method.MethodId = ua.NodeId(ObjectIds.ConditionType_ConditionRefresh)  # type: ignore[arg-type]
    method.InputArguments = [ua.Variant(subscription, ua.VariantType.UInt32)]
    request.Parameters.MethodsToCall = [method]
    reply, body = await link.call(request, _CALL_RESPONSE)
    if int32_at(reply, body) != 1:
        raise ServiceFailed(0x80000000)
    status = int32_at(reply, body + 4) & 0xFFFFFFFF
    if status >= 0x80000000:
        raise ServiceFailed(status)
