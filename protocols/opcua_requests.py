"""Requests of OPC UA clients, looked at as bytes before asyncua decodes them: which service, and nothing that costs more than it is long.

asyncua takes counts at their word (a Variant of five bytes can keep it busy for minutes), also in places that nobody uses: a header's
extension, an unknown kind of filter. What controllers need of our server is a short list of services; the rest is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from protocols.opcua_binary import (
    Malformed,
    after,
    after_bytes,
    after_extension_object,
    after_node_id,
    after_variant,
    byte_at,
    int32_at,
)


def _request(name: str) -> int:
    return int(getattr(ObjectIds, f"{name}Request_Encoding_DefaultBinary"))


CREATE_SESSION: Final = _request("CreateSession")
_ACTIVATE: Final = _request("ActivateSession")
_CALL: Final = _request("Call")
_CREATE_ITEMS: Final = _request("CreateMonitoredItems")
_MODIFY_ITEMS: Final = _request("ModifyMonitoredItems")
OPEN_TO_ALL: Final = frozenset({_request("FindServers"), _request("GetEndpoints"), _request("CloseSecureChannel")})
"""What is answered without security: where and how to connect."""
SERVED: Final = OPEN_TO_ALL | frozenset(
    _request(name)
    for name in (
        *("CreateSession", "ActivateSession", "CloseSession", "Read", "Browse", "TranslateBrowsePathsToNodeIds", "Call"),
        *("RegisterNodes", "UnregisterNodes", "CreateSubscription", "ModifySubscription", "DeleteSubscriptions", "SetPublishingMode"),
        *("CreateMonitoredItems", "ModifyMonitoredItems", "DeleteMonitoredItems", "SetMonitoringMode", "Publish", "Republish"),
    )
)
_TOKENS: Final = frozenset(
    int(getattr(ObjectIds, f"{name}IdentityToken_Encoding_DefaultBinary")) for name in ("Anonymous", "UserName", "X509")
)
_DATA_FILTER: Final = int(ObjectIds.DataChangeFilter_Encoding_DefaultBinary)
_EVENT_FILTER: Final = int(ObjectIds.EventFilter_Encoding_DefaultBinary)
_LITERAL: Final = int(ObjectIds.LiteralOperand_Encoding_DefaultBinary)
_OPERANDS: Final = frozenset(
    {_LITERAL, int(ObjectIds.SimpleAttributeOperand_Encoding_DefaultBinary), int(ObjectIds.ElementOperand_Encoding_DefaultBinary)}
)
_MOST_CALLS: Final = 100
_MOST_ITEMS: Final = 20_000
_MOST_CLAUSES: Final = 200
_PLAIN_TYPES: Final = 21
"""Up to LocalizedText: none of these holds another Variant or structure."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose header has been walked."""

    kind: int
    handle: int
    body: int
    """Where its parameters begin."""


def asked(raw: bytes) -> Asked:
    """Return what a request is. Raises Malformed, also for a header with an extension, which no client of ours needs."""
    kind, place = _kind(raw, 0)
    place = after_node_id(raw, place)
    handle = int32_at(raw, after(raw, place, 8)) & 0xFFFFFFFF
    place = after_bytes(raw, after(raw, place, 16))
    place = after(raw, place, 4)
    extension, behind = _kind(raw, place)
    if extension or byte_at(raw, behind):
        raise Malformed("a header with an extension")
    return Asked(kind, handle, behind + 1)


def refusal(raw: bytes, what: Asked, *, secure: bool) -> int:
    """Return the StatusCode that a request is refused with, 0 where it may go on to asyncua."""
    if what.kind not in SERVED:
        return int(StatusCodes.BadServiceUnsupported)
    if not secure and what.kind not in OPEN_TO_ALL:
        return int(StatusCodes.BadSecurityPolicyRejected)
    try:
        if what.kind == _CALL:
            return _refused_call(raw, what.body)
        if what.kind == _ACTIVATE:
            return _refused_token(raw, what.body)
        if what.kind in {_CREATE_ITEMS, _MODIFY_ITEMS}:
            return _refused_items(raw, what.body, create=what.kind == _CREATE_ITEMS)
    except (Malformed, IndexError):
        return int(StatusCodes.BadDecodingError)
    return 0


def _kind(raw: bytes, place: int) -> tuple[int, int]:
    """Return the number of a node id of namespace 0, -1 for any other, and the position behind it."""
    end = after_node_id(raw, place)
    if raw[place] == 0:
        return raw[place + 1], end
    if raw[place] == 1 and raw[place + 1] == 0:
        return int.from_bytes(raw[place + 2 : place + 4], "little"), end
    if raw[place] == 2 and raw[place + 1 : place + 3] == b"\0\0":
        return int.from_bytes(raw[place + 3 : place + 7], "little"), end
    return -1, end


def _count(raw: bytes, place: int, most: int) -> tuple[int, int]:
    count = max(int32_at(raw, place), 0)
    if count > most:
        raise Malformed(f"{count} things at once")
    return count, place + 4


def _plain_variant(raw: bytes, place: int) -> int:
    end = after_variant(raw, place)
    if raw[place] & 0x3F > _PLAIN_TYPES:
        raise Malformed("a value of a kind that nothing here takes")
    return end


def _refused_call(raw: bytes, place: int) -> int:
    count, place = _count(raw, place, _MOST_CALLS)
    for _ in range(count):
        place = after_node_id(raw, after_node_id(raw, place))
        arguments, place = _count(raw, place, _MOST_CLAUSES)
        for _ in range(arguments):
            place = _plain_variant(raw, place)
    return 0


def _refused_token(raw: bytes, place: int) -> int:
    place = after_bytes(raw, after_bytes(raw, place))
    certificates, place = _count(raw, place, _MOST_CLAUSES)
    for _ in range(certificates):
        place = after_bytes(raw, after_bytes(raw, place))
    locales, place = _count(raw, place, _MOST_CLAUSES)
    for _ in range(locales):
        place = after_bytes(raw, place)
    kind, _ = _kind(raw, place)
    after_extension_object(raw, place)
    return 0 if kind == 0 or kind in _TOKENS else int(StatusCodes.BadIdentityTokenInvalid)


def _refused_items(raw: bytes, place: int, *, create: bool) -> int:
    count, place = _count(raw, after(raw, place, 8), _MOST_ITEMS)
    for _ in range(count):
        if create:
            place = after_bytes(raw, after(raw, after_node_id(raw, place), 4))
            place = after(raw, after_bytes(raw, after(raw, place, 2)), 4)
        else:
            place = after(raw, place, 4)
        place = after(raw, place, 12)
        end = after_extension_object(raw, place)
        kind, inside = _kind(raw, place)
        if kind == _EVENT_FILTER:
            _check_event_filter(raw[inside + 5 : end])
        elif kind not in {0, _DATA_FILTER}:
            return int(StatusCodes.BadMonitoredItemFilterUnsupported)
        place = after(raw, end, 5)
    return 0


def _check_event_filter(body: bytes) -> None:
    clauses, place = _count(body, 0, _MOST_CLAUSES)
    for _ in range(clauses):
        place = _after_attribute_operand(body, place)
    elements, place = _count(body, place, _MOST_CLAUSES)
    for _ in range(elements):
        operands, place = _count(body, after(body, place, 4), _MOST_CLAUSES)
        for _ in range(operands):
            end = after_extension_object(body, place)
            kind, inside = _kind(body, place)
            if kind not in _OPERANDS:
                raise Malformed("a filter with an operand of another kind")
            if kind == _LITERAL:
                _plain_variant(body[inside + 5 : end], 0)
            place = end


def _after_attribute_operand(body: bytes, place: int) -> int:
    names, place = _count(body, after_node_id(body, place), _MOST_CLAUSES)
    for _ in range(names):
        place = after_bytes(body, after(body, place, 2))
    return after_bytes(body, after(body, place, 4))
