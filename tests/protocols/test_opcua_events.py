"""The bytes of events, whatever they are."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from protocols.opcua_binary import Malformed
from protocols.opcua_events import FIELDS, named_events, raw_events

NAMESPACES = ("http://opcfoundation.org/UA/", "urn:own", "urn:press")
SAID = {
    "event_id": ua.Variant(b"\x00\xff", ua.VariantType.ByteString),
    "event_type": ua.Variant(ua.NodeId(2915, 0), ua.VariantType.NodeId),  # type: ignore[arg-type]
    "source_node": ua.Variant(ua.NodeId("oil", 2), ua.VariantType.NodeId),  # type: ignore[arg-type]
    "source_name": ua.Variant("oil", ua.VariantType.String),
    "time": ua.Variant(datetime(2026, 9, 21, 14, 13, 20, 1, tzinfo=UTC), ua.VariantType.DateTime),
    "message": ua.Variant(ua.LocalizedText("Öl zu heiß", "de"), ua.VariantType.LocalizedText),
    "severity": ua.Variant(700, ua.VariantType.UInt16),
    "branch": ua.Variant(ua.NodeId(0, 0), ua.VariantType.NodeId),  # type: ignore[arg-type]
    "active": ua.Variant(True, ua.VariantType.Boolean),
}


def body_of(count: int = 1) -> bytes:
    fields = [SAID.get(name, ua.Variant(None)) for name, _, _ in FIELDS]
    told = ua.EventNotificationList()
    told.Events = [ua.EventFieldList(ua.UInt32(7), fields)] * count
    return bytes(struct_to_binary(told))


def test_an_event_is_what_its_server_said_with_addresses_that_outlive_the_session() -> None:
    first, second = named_events(raw_events(body_of(2)), NAMESPACES)
    assert first == second
    assert first.handle == 7
    assert {name: value for name, value in first.fields.items() if value is not None} == {
        "event_id": b"\x00\xff",
        "event_type": "ns=0;i=2915",
        "source_node": "nsu=urn:press;s=oil",
        "source_name": "oil",
        "time": 1_790_000_000_000_001,
        "message": "Öl zu heiß",
        "severity": 700,
        "branch": "",
        "active": True,
    }


def test_damaged_events_are_refused_and_take_no_time() -> None:
    whole = body_of(3)
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(3000):
        body = bytearray(whole[: random.integers(4, len(whole) + 1)])
        for at in random.integers(0, len(body), 3):
            body[at] = random.integers(0, 256)
        try:
            named_events(raw_events(bytes(body)), NAMESPACES)
        except (Malformed, IndexError, struct.error):
            refused += 1
    assert refused > 1000
    with pytest.raises(Malformed):
        raw_events(struct.pack("<i", 2**31 - 1))
    with pytest.raises(Malformed):
        raw_events(struct.pack("<iIi", 1, 0, 2**30))
