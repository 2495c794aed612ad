"""Sparkplug B payloads: against ourselves, against Eclipse Tahu's own package, and against hostile bytes."""

from __future__ import annotations

import base64
import gzip
import json
import math
import struct
import subprocess
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.errors import Rejected
from protocols import sparkplug_payload
from protocols.sparkplug_payload import Metric, MetricType, Payload, Value, decode, encode, is_read, properties_of, value_of
from tests.node_parts import Node

TIME_MS = 1_790_000_000_000
INT_BITS = {MetricType.INT8: 8, MetricType.INT16: 16, MetricType.INT32: 32, MetricType.INT64: 64}
UINT_BITS = {MetricType.UINT8: 8, MetricType.UINT16: 16, MetricType.UINT32: 32, MetricType.UINT64: 64, MetricType.DATETIME: 64}
ARRAY_OF = {MetricType(22 + n): kind for n, kind in enumerate([*INT_BITS, *[k for k in UINT_BITS if k is not MetricType.DATETIME]])}
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def whole(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def scalars() -> dict[MetricType, st.SearchStrategy[Any]]:
    found: dict[MetricType, st.SearchStrategy[Any]] = {kind: whole(bits, signed=True) for kind, bits in INT_BITS.items()}
    found |= {kind: whole(bits, signed=False) for kind, bits in UINT_BITS.items()}
    found[MetricType.FLOAT] = st.floats(width=32)
    found[MetricType.DOUBLE] = st.floats()
    found[MetricType.BOOLEAN] = st.booleans()
    for kind in (MetricType.STRING, MetricType.TEXT, MetricType.UUID):
        found[kind] = st.text(st.characters(codec="utf-8"), max_size=50)
    return found


def arrays() -> dict[MetricType, st.SearchStrategy[Any]]:
    of = scalars()
    found: dict[MetricType, st.SearchStrategy[Any]] = {
        array: st.lists(of[kind], max_size=20)
        for array, kind in sparkplug_payload.ELEMENT_TYPES.items()
        if array is not MetricType.STRING_ARRAY
    }
    found[MetricType.STRING_ARRAY] = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), max_size=9)
    return found


VALUES = scalars() | arrays() | {MetricType.BYTES: st.binary(max_size=50), MetricType.FILE: st.binary(max_size=50)}
metrics = st.sampled_from(list(VALUES)).flatmap(
    lambda kind: st.builds(
        Metric,
        name=names,
        value=st.none() | VALUES[kind],
        datatype=st.just(kind),
        alias=st.just(-1) | st.integers(0, 2**64 - 1),
        time_ms=st.just(0) | st.integers(1, 2**63),
        historical=st.booleans(),
        transient=st.booleans(),
        properties=st.dictionaries(names, st.integers(-(2**31), 2**31 - 1) | st.booleans() | st.floats() | names, max_size=3),
    )
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other))
    return one == other and type(one) is type(other)


@given(st.lists(metrics, max_size=8), st.none() | st.integers(0, 255))
@settings(deadline=None, max_examples=60)
def test_what_is_encoded_is_decoded_for_all_types(sent: list[Metric], sequence: int | None) -> None:
    found = decode(encode(TIME_MS, sequence, sent))
    assert (found.time_ms, found.sequence) == (TIME_MS, sequence)
    assert len(found.metrics) == len(sent)
    for one, row in zip(sent, found.metrics, strict=True):
        assert (row.name, row.alias, row.time_ms, row.datatype) == (one.name, one.alias, one.time_ms, one.datatype)
        assert (row.historical, row.transient, row.null) == (one.historical, one.transient, one.value is None)
        assert same(value_of(row.datatype, row.field, row.raw), one.value)
        told = properties_of(row.properties)
        assert told.keys() == one.properties.keys()
        assert all(same(told[name], value) for name, value in one.properties.items())


def read_all(payload: Payload) -> None:
    """Look at each value as each type; only Rejected may come out."""
    for row in payload.metrics:
        for datatype in range(36):
            try:
                value_of(datatype, row.field, row.raw)
            except Rejected:
                continue
        try:
            properties_of(row.properties)
        except Rejected:
            continue


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_rejected(content: bytes) -> None:
    try:
        read_all(decode(content))
    except Rejected:
        return


@given(st.lists(metrics, min_size=1, max_size=4), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_payload_with_bytes_exchanged_is_read_or_rejected(sent: list[Metric], changes: list[tuple[int, int]]) -> None:
    content = bytearray(encode(TIME_MS, 1, sent))
    for place, byte in changes:
        content[place % len(content)] = byte
    try:
        read_all(decode(bytes(content)))
    except Rejected:
        return


def nested_template(levels: int) -> bytes:
    """A template in a template in a template ..."""

    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        tag = number << 3 | 2
        return (bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])) + length + bytes([size]) + content

    metric = b""
    for _ in range(levels):
        metric = field(18, field(2, metric))
    return field(2, metric)


def test_nesting_costs_no_stack_and_no_time() -> None:
    content = nested_template(20_000)
    begin = time.process_time()
    (row,) = decode(content).metrics
    assert time.process_time() - begin < 0.5
    assert row.field == "template_value"
    with pytest.raises(Rejected, match="template"):
        value_of(MetricType.TEMPLATE, row.field, row.raw)


def test_a_payload_of_too_many_metrics_is_rejected_at_once() -> None:
    begin = time.process_time()
    with pytest.raises(Rejected, match="metrics"):
        decode(b"\x12\x00" * 480_000)
    assert time.process_time() - begin < 1


def compressed(content: bytes, *, with_gzip: bool) -> bytes:
    body = gzip.compress(content) if with_gzip else zlib.compress(content)
    payload = sparkplug_payload._Payload()
    payload.uuid, payload.body = "SPBV1.0_COMPRESSED", body
    packed: bytes = payload.SerializeToString()
    return packed


@pytest.mark.parametrize("with_gzip", [True, False])
def test_a_compressed_payload_is_read_and_may_not_grow_without_bound(with_gzip: bool) -> None:
    content = encode(TIME_MS, 7, [Metric("level", 1.5, MetricType.DOUBLE)] * 1000)
    found = decode(compressed(content, with_gzip=with_gzip))
    assert (found.sequence, len(found.metrics)) == (7, 1000)
    with pytest.raises(Rejected, match="grows"):
        decode(compressed(content, with_gzip=with_gzip), 1000)
    with pytest.raises(Rejected):
        decode(compressed(content, with_gzip=with_gzip)[:-20])


@pytest.mark.parametrize(
    ("kind", "value", "field", "raw"),
    [
        (MetricType.INT8, -23, "int_value", 0xFFFFFFE9),
        (MetricType.INT8, -23, "int_value", 0xE9),
        (MetricType.INT16, -30000, "int_value", 0xFFFF8AD0),
        (MetricType.INT32, -1, "long_value", 2**64 - 1),
        (MetricType.INT32, -1, "int_value", 2**32 - 1),
        (MetricType.UINT32, 2**32 - 1, "long_value", 2**32 - 1),
        (MetricType.INT64, -(2**63), "long_value", 2**63),
        (MetricType.INT8_ARRAY, [-17, 123], "bytes_value", b"\xef\x7b"),
        (MetricType.INT16_ARRAY, [-30000, 30000], "bytes_value", b"\xd0\x8a\x30\x75"),
        (MetricType.BOOLEAN_ARRAY, [False, False, True, True, False, True, False, False, True, True, False, True], "bytes_value",
         b"\x0c\0\0\0\x34\xd0"),
        (MetricType.STRING_ARRAY, ["ABC", "hello"], "bytes_value", b"ABC\0hello\0"),
    ],
)  # fmt: skip
def test_numbers_and_arrays_are_read_as_the_specification_writes_them(kind: MetricType, value: Value, field: str, raw: Any) -> None:
    assert value_of(kind, field, raw) == value


@pytest.mark.parametrize(
    ("kind", "field", "raw"),
    [(MetricType.INT8, "int_value", 300), (MetricType.UINT8, "int_value", 256), (MetricType.DOUBLE, "int_value", 1),
     (MetricType.BOOLEAN, "int_value", 1), (MetricType.STRING, "double_value", 1.0), (MetricType.DATASET, "dataset_value", b""),
     (99, "int_value", 1)],
)  # fmt: skip
def test_a_value_that_its_type_cannot_have_is_rejected(kind: int, field: str, raw: Any) -> None:
    with pytest.raises(Rejected):
        value_of(kind, field, raw)


def test_all_types_but_data_sets_and_templates_are_read_by_the_parser_in_c() -> None:
    assert sparkplug_payload.BACKEND == "upb"
    assert [kind.name for kind in MetricType if not is_read(kind)] == ["DATASET", "TEMPLATE", "PROPERTY_SET", "PROPERTY_SET_LIST"]


class Codec:
    """Eclipse Tahu's package for JavaScript."""

    def __init__(self, node: Node) -> None:
        self._process = subprocess.Popen(
            [node.program, "sparkplug_codec.mjs"], cwd=node.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, **what: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def codec(node: Node) -> Iterator[Codec]:
    peer = Codec(node)
    yield peer
    peer.close()


PEER_TYPES = {
    **{MetricType[name.upper()]: name for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")},
    **{MetricType[name.upper()]: name for name in ("Float", "Double", "Boolean", "String", "Text", "UUID", "DateTime", "Bytes")},
}
EDGES: dict[MetricType, list[Any]] = {
    **{kind: [-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1] for kind, bits in INT_BITS.items()},
    **{kind: [0, 1, 2**bits - 1] for kind, bits in UINT_BITS.items()},
    MetricType.FLOAT: [0.0, -1.5, 3.4028234663852886e38],
    MetricType.DOUBLE: [0.0, -1 / 7, 1.7976931348623157e308],
    MetricType.BOOLEAN: [True, False],
    MetricType.STRING: ["", "Schweißstrom 电流"],
    MetricType.TEXT: ["long"],
    MetricType.UUID: ["0b5e8d6e-3d3f-4a4e-9a36-0c0a7c6f9d11"],
    MetricType.BYTES: [b"", b"\x00\xff"],
}
CASES = [(kind, value) for kind, values in EDGES.items() for value in [*values, None]]


def plain(kind: MetricType, value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return (
        str(value) if kind in (MetricType.INT64, MetricType.UINT32, MetricType.UINT64, MetricType.DATETIME) and value is not None else value
    )


def test_we_read_what_eclipse_tahu_writes(codec: Codec) -> None:
    sent = [
        {"name": f"m{n}", "alias": n, "timestamp": TIME_MS + n, "type": PEER_TYPES[kind], "value": plain(kind, value)}
        for n, (kind, value) in enumerate(CASES)
    ]
    found = decode(base64.b64decode(codec.ask(encode={"timestamp": TIME_MS, "seq": 200, "metrics": sent})))
    assert (found.time_ms, found.sequence) == (TIME_MS, 200)
    for n, ((kind, value), row) in enumerate(zip(CASES, found.metrics, strict=True)):
        assert (row.name, row.alias, row.time_ms, row.datatype) == (f"m{n}", n, TIME_MS + n, kind)
        if value is None:
            assert row.null
        else:
            assert same(value_of(row.datatype, row.field, row.raw), value), (kind, value)


def test_eclipse_tahu_reads_what_we_write(codec: Codec) -> None:
    # its decoder reads 32 bits without sign from the 64-bit field only, where the specification names the 32-bit one
    cases = [(kind, value) for kind, value in CASES if value is not None and kind is not MetricType.UINT32]
    sent = [Metric(f"m{n}", value, kind, alias=n, time_ms=TIME_MS) for n, (kind, value) in enumerate(cases)]
    found = codec.ask(decode=base64.b64encode(encode(TIME_MS, 3, sent)).decode())
    assert (found["timestamp"], found["seq"]) == (str(TIME_MS), "3")
    for (kind, value), metric in zip(cases, found["metrics"], strict=True):
        assert metric["type"] == PEER_TYPES[kind]
        # nor does it give 64 bits their sign back
        wanted = str(value % 2**64) if kind is MetricType.INT64 else plain(kind, value)
        assert metric["value"] == wanted, (kind, value)
