"""Requests to our own OPC UA server are walked as bytes first: real ones pass, and what would hang asyncua's decoder does not reach it."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary

from protocols.opcua_binary import Malformed
from protocols.opcua_events import event_filter
from protocols.opcua_requests import asked, refusal


def judged(raw: bytes, *, secure: bool = True) -> int:
    return refusal(raw, asked(raw), secure=secure)


def items(with_filter: Any) -> bytes:
    request = ua.CreateMonitoredItemsRequest()
    asked_for = ua.MonitoringParameters(ua.UInt32(1), 10.0, with_filter, ua.UInt32(2), True)
    request.Parameters.ItemsToCreate = [ua.MonitoredItemCreateRequest(RequestedParameters=asked_for)] * 2
    return struct_to_binary(request)


def call(*arguments: ua.Variant) -> bytes:
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [ua.CallMethodRequest(InputArguments=list(arguments))]
    return struct_to_binary(request)


REAL = [
    struct_to_binary(ua.ReadRequest()),
    struct_to_binary(ua.BrowseRequest()),
    struct_to_binary(ua.PublishRequest()),
    struct_to_binary(ua.ActivateSessionRequest()),
    items(None),
    items(ua.DataChangeFilter()),
    items(event_filter()),
    call(ua.Variant("a", ua.VariantType.String), ua.Variant([1.0], ua.VariantType.Double, is_array=True)),
]


@pytest.mark.parametrize("raw", REAL, ids=[f"request{at}" for at in range(len(REAL))])
def test_what_clients_send_passes(raw: bytes) -> None:
    assert judged(raw) == 0
    assert asked(raw).handle == 0
    assert judged(raw, secure=False) == StatusCodes.BadSecurityPolicyRejected


def test_without_security_only_the_way_in_is_told() -> None:
    assert judged(struct_to_binary(ua.GetEndpointsRequest()), secure=False) == 0
    assert judged(struct_to_binary(ua.FindServersRequest()), secure=False) == 0
    assert judged(struct_to_binary(ua.CreateSessionRequest()), secure=False) == StatusCodes.BadSecurityPolicyRejected


@pytest.mark.parametrize(
    "request_",
    [ua.WriteRequest(), ua.AddNodesRequest(), ua.DeleteNodesRequest(), ua.HistoryReadRequest(), ua.TransferSubscriptionsRequest()],
)
def test_services_that_no_controller_needs_are_not_there(request_: Any) -> None:
    assert judged(struct_to_binary(request_)) == StatusCodes.BadServiceUnsupported


def test_what_would_hang_the_decoder_does_not_reach_it() -> None:
    nulls = b"\x80\xff\xff\xff\x7f"
    good = call(ua.Variant("MARK", ua.VariantType.String))
    argument = b"\x0c" + struct.pack("<i", 4) + b"MARK"
    assert judged(good.replace(argument, nulls)) == StatusCodes.BadDecodingError
    nested = b"\x18" * 40 + b"\x00"
    assert judged(good.replace(argument, nested)) == StatusCodes.BadDecodingError
    literal = ua.LiteralOperand(ua.Variant("MARK", ua.VariantType.String))
    where = ua.ContentFilter([ua.ContentFilterElement(ua.FilterOperator.Equals, [literal])])
    filtered = items(ua.EventFilter(WhereClause=where))
    assert judged(filtered) == 0
    assert judged(filtered.replace(argument, nulls + bytes(4))) == StatusCodes.BadDecodingError
    assert judged(items(ua.AggregateFilter())) == StatusCodes.BadMonitoredItemFilterUnsupported
    request = ua.ActivateSessionRequest()
    request.Parameters.UserIdentityToken = literal
    assert judged(struct_to_binary(request)) == StatusCodes.BadIdentityTokenInvalid
    extended = ua.ReadRequest()
    extended.RequestHeader.AdditionalHeader = literal
    with pytest.raises(Malformed, match="extension"):
        asked(struct_to_binary(extended))


def test_changed_requests_are_refused_or_pass_and_never_raise_anything_else() -> None:
    choose = random.Random(11)  # noqa: S311 - changes, not secrets
    for _ in range(2000):
        changed = bytearray(choose.choice(REAL))
        del changed[choose.randrange(4, len(changed) + 1) :]
        for _ in range(choose.randrange(0, 4)):
            changed[choose.randrange(len(changed))] = choose.choice((0, 0x7F, 0x80, 0xFF, choose.randrange(256)))
        try:
            judged(bytes(changed))
        except (Malformed, IndexError):
            continue
