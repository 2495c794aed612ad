from __future__ import annotations

import json
import math
import struct
from typing import Any, Literal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from plant.errors import Rejected
from plant.samples import NO_TIME
from plant.signals import DataType
from protocols.mqtt_payloads import Fit, PayloadColumns, PayloadForm, SignalKey, decode

FORMS: tuple[Literal["value", "object", "samples", "float32"], ...] = ("value", "object", "samples", "float32")
KEYS = [SignalKey(name, data_type) for name, data_type in zip("abcdefghijkl", DataType, strict=True)]
OBJECT = PayloadForm("object")
HOSTILE: list[bytes] = [
    b"",
    b"\0",
    b"{",
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b'{"a": 1e400}',
    b"1e400",
    b"9" * 100_000,
    b"-" + b"9" * 5000,
    b'{"a": ' + b"9" * 100_000 + b"}",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"l": "\\u0000"}',
    b'{"l": "\\ud800"}',
    b'{"a": 1, "a": 2}',
    b'{"a": 1, "seq": -1}',
    b'{"a": 1, "seq": 1.5}',
    b'{"a": 1, "seq": "1"}',
    b'{"a": 1, "seq": 99999999999999999999}',
    b'{"a": 1, "time": "yesterday"}',
    b'{"a": 1, "time": "2026-13-45T00:00:00"}',
    b'{"a": 1, "time": 1e300}',
    b'{"a": 1, "time": 9223372036854775807}',
    b'{"a": 1, "time": []}',
    b'{"a": 1, "time": true}',
    b"[1, 2, 3]",
    b"[[]]",
    b'[{"name": "a"}]',
    b'[{"value": 1}]',
    b'[{"name": ["a"], "value": 1}]',
    b'[{"name": {"a": 1}, "value": 1}]',
    b"null",
    b'"a"',
    b"true",
    b"1_000",
    "١٢٣".encode(),
    b"0x10",
    b"{'a': 1}",
    b'{"a": 1} trailing',
    json.dumps({"l": "x" * 70_000}).encode(),
]


def taken(form: PayloadForm, payload: bytes) -> PayloadColumns | None:
    try:
        return decode(form, KEYS, payload)
    except Rejected:
        return None


def assert_sane(columns: PayloadColumns) -> None:
    n = len(columns)
    assert len(columns.fit) == len(columns.value) == len(columns.has_value) == len(columns.time_us) == n
    assert columns.text is None or len(columns.text) == n
    assert columns.has_value.tolist() == [fit == Fit.NUMBER for fit in columns.fit.tolist()]
    assert np.isnan(columns.value[~columns.has_value]).all()
    for text in columns.text or []:
        assert text is None or ("\0" not in text and text.encode("utf-8") is not None)
    assert columns.sequence is None or 0 <= columns.sequence < 2**63


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("payload", HOSTILE, ids=lambda payload: repr(payload[:24]))
def test_a_hostile_payload_is_read_or_rejected_with_a_reason(form: Literal["value"], payload: bytes) -> None:
    columns = taken(PayloadForm(form), payload)
    if columns is not None:
        assert_sane(columns)


@given(st.binary(max_size=300), st.sampled_from(FORMS))
@settings(max_examples=400)
def test_no_bytes_raise_anything_but_rejected(payload: bytes, form: Literal["value"]) -> None:
    columns = taken(PayloadForm(form), payload)
    if columns is not None:
        assert_sane(columns)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*"abl", "time", "seq", "value", "name"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from(FORMS))
@settings(max_examples=400)
def test_no_json_raises_anything_but_rejected(value: Any, form: Literal["value"]) -> None:
    columns = taken(PayloadForm(form), json.dumps(value).encode("utf-8", "surrogatepass"))
    if columns is not None:
        assert_sane(columns)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_comes_through_bit_for_bit(number: float) -> None:
    key = [SignalKey("x", DataType.DOUBLE)]
    for columns in (
        decode(OBJECT, key, json.dumps({"x": number}).encode()),
        decode(PayloadForm("samples"), key, json.dumps([{"name": "x", "value": number}]).encode()),
        decode(PayloadForm("value"), key, repr(number).encode()),
    ):
        assert struct.pack("d", columns.value[0]) == struct.pack("d", number)


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_keeps_all_its_digits(number: int) -> None:
    columns = decode(OBJECT, [SignalKey("x", DataType.INT64)], json.dumps({"x": number}).encode())
    assert columns.value[0] == float(number)
    text = None if columns.text is None else columns.text[0]
    assert text == (str(number) if abs(number) > 2**53 else None)


@pytest.mark.parametrize(
    ("data_type", "value", "fit"),
    [
        (DataType.DOUBLE, "1.5", Fit.MISMATCH),
        (DataType.DOUBLE, True, Fit.MISMATCH),
        (DataType.DOUBLE, 3, Fit.NUMBER),
        (DataType.DOUBLE, None, Fit.NULL),
        (DataType.DOUBLE, [1.0], Fit.MISMATCH),
        (DataType.STRING, 1, Fit.MISMATCH),
        (DataType.STRING, "1", Fit.TEXT),
        (DataType.STRING, "", Fit.TEXT),
        (DataType.BOOLEAN, True, Fit.NUMBER),
        (DataType.BOOLEAN, 1, Fit.NUMBER),
        (DataType.BOOLEAN, 2, Fit.MISMATCH),
        (DataType.BYTE, 255, Fit.NUMBER),
        (DataType.BYTE, 256, Fit.MISMATCH),
        (DataType.SBYTE, -129, Fit.MISMATCH),
        (DataType.INT32, 2.0, Fit.NUMBER),
        (DataType.INT32, 2.5, Fit.MISMATCH),
        (DataType.UINT64, 2**64 - 1, Fit.NUMBER),
        (DataType.UINT64, 2**64, Fit.MISMATCH),
        (DataType.UINT64, -1, Fit.MISMATCH),
        (DataType.FLOAT, 1e39, Fit.MISMATCH),
        (DataType.FLOAT, 0.1, Fit.NUMBER),
    ],
)
def test_a_value_fits_the_type_it_is_pinned_to_or_not(data_type: DataType, value: Any, fit: Fit) -> None:
    columns = decode(OBJECT, [SignalKey("x", data_type)], json.dumps({"x": value}).encode())
    assert columns.fit.tolist() == [fit]


@pytest.mark.parametrize(
    ("time", "unit", "us"),
    [
        (1_700_000_000, "s", 1_700_000_000_000_000),
        (1_700_000_000_123, "ms", 1_700_000_000_123_000),
        (1_700_000_000_123_456, "us", 1_700_000_000_123_456),
        (1_700_000_000_123_456_789, "ns", 1_700_000_000_123_456),
        (1_700_000_000.5, "s", 1_700_000_000_500_000),
        ("2023-11-14T22:13:20Z", "ms", 1_700_000_000_000_000),
        ("2023-11-14T23:13:20.000001+01:00", "ms", 1_700_000_000_000_001),
        ("2023-11-14T22:13:20", "ms", 1_700_000_000_000_000),
        (None, "ms", NO_TIME),
    ],
)
def test_times_are_read_exactly(time: Any, unit: Literal["s"], us: int) -> None:
    columns = decode(PayloadForm("object", time_unit=unit), [SignalKey("x", DataType.DOUBLE)], json.dumps({"x": 1, "time": time}).encode())
    assert columns.time_us.tolist() == [us]


def test_an_object_gives_nested_keys_its_sequence_and_leaves_out_what_is_not_there() -> None:
    keys = [SignalKey("motor.current", DataType.DOUBLE), SignalKey("missing", DataType.DOUBLE), SignalKey("a.b", DataType.DOUBLE)]
    columns = decode(OBJECT, keys, b'{"motor": {"current": 2.5}, "a.b": 3, "seq": 7, "other": 1}')
    assert columns.key.tolist() == [0, 2]
    assert columns.value.tolist() == [2.5, 3.0]
    assert columns.sequence == 7


def test_samples_have_their_own_times() -> None:
    payload = b'[{"name":"a","time":1,"value":true,"seq":4},{"name":"zz","value":1},{"name":"l","time":2,"value":"on"}]'
    columns = decode(PayloadForm("samples", time_unit="us"), KEYS, payload)
    assert columns.time_us.tolist() == [1, 2]
    assert columns.text == [None, "on"]
    assert columns.sequence == 4


def test_float32_takes_positions_and_keeps_nan() -> None:
    keys = [
        SignalKey("2", DataType.FLOAT),
        SignalKey("0", DataType.DOUBLE),
        SignalKey("9", DataType.FLOAT),
        SignalKey("1", DataType.STRING),
    ]
    columns = decode(PayloadForm("float32"), keys, np.array([1.5, np.nan, -0.0], "<f4").tobytes())
    assert columns.key.tolist() == [0, 1, 3]
    assert columns.fit.tolist() == [Fit.NUMBER, Fit.NUMBER, Fit.MISMATCH]
    assert math.copysign(1, columns.value[0]) == -1
    with pytest.raises(Rejected, match="no whole number of float32"):
        decode(PayloadForm("float32"), keys, b"12345")


def test_a_value_may_be_plain_or_an_object_with_time() -> None:
    key = [SignalKey("", DataType.DOUBLE)]
    assert decode(PayloadForm("value"), key, b" 12.5\n").value.tolist() == [12.5]
    columns = decode(PayloadForm("value", time_unit="us"), key, b'{"value": 3, "time": 5, "seq": 9}')
    assert (columns.value.tolist(), columns.time_us.tolist(), columns.sequence) == ([3.0], [5], 9)
    assert decode(PayloadForm("value"), [SignalKey("", DataType.STRING)], b"hello").text == ["hello"]
    assert decode(PayloadForm("value"), [SignalKey("", DataType.BOOLEAN)], b"true").value.tolist() == [1.0]
