"""Many payloads at once say the same as each of them alone."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from plant.errors import Rejected
from plant.samples import NO_TIME
from plant.signals import DataType
from protocols.mqtt_many import ManyPayloads
from protocols.mqtt_many_columns import ManyColumns
from protocols.mqtt_payloads import Fit, PayloadForm, SignalKey, decode
from tests.protocols.test_mqtt_payloads import HOSTILE

Row = tuple[int, int, float | None, int, int, str | None]
Kind = Literal["value", "object", "samples", "float32", "array"]
KINDS: tuple[Kind, ...] = ("value", "object", "samples", "float32", "array")


def told_alone(form: PayloadForm, keys: list[SignalKey], payload: bytes) -> tuple[list[Row], int] | None:
    """Rows and number of one payload, or None where it cannot be read."""
    try:
        columns = decode(form, keys, payload)
    except Rejected:
        return None
    before = np.zeros(len(columns), np.int64) if columns.before_us is None else columns.before_us
    text = columns.text or [None] * len(columns)
    rows = zip(
        columns.key.tolist(), columns.fit.tolist(), columns.value.tolist(), columns.time_us.tolist(), before.tolist(), text, strict=True
    )
    return [row(*one) for one in rows], -1 if columns.sequence is None else columns.sequence


def row(key: int, fit: int, value: float, time_us: int, before: int, text: str | None) -> Row:
    return key, fit, None if math.isnan(value) else value, time_us, before, text


def told_together(columns: ManyColumns, m: int) -> list[tuple[list[Row], int] | None]:
    rows: list[list[Row]] = [[] for _ in range(m)]
    text = [None] * len(columns) if columns.text is None else columns.text.tolist()
    for n, one in enumerate(
        zip(
            columns.key.tolist(),
            columns.fit.tolist(),
            columns.value.tolist(),
            columns.time_us.tolist(),
            columns.before_us.tolist(),
            text,
            strict=True,
        )
    ):
        rows[int(columns.message[n])].append(row(*one))
    assert columns.message.tolist() == sorted(columns.message.tolist())
    return [None if n in columns.unreadable else (rows[n], int(columns.sequence[n])) for n in range(m)]


types = st.sampled_from(list(DataType))
numbers = (
    st.integers(-300, 300)
    | st.floats(-1e6, 1e6)
    | st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**64, 2**70, 1e39, 1e300, -0.0, 255, 256, 65535.0, 2**31])
)
values: st.SearchStrategy[Any] = numbers | numbers | numbers | st.sampled_from([None, True, False, "on", "a\0b", "é", [], {}, "x" * 70_000])
moments: st.SearchStrategy[Any] = st.integers(0, 2_000_000_000_000) | st.sampled_from(
    [None, 1.5, "2026-01-02T03:04:05Z", "never", True, 2**63, -(2**63), 10**30, []]
)
counts = st.integers(0, 1000) | st.sampled_from([None, -1, 2**63 - 1, 2**63, 2**70, 1.0, True, "1"])


@st.composite
def heads(draw: st.DrawFn) -> dict[str, Any]:
    head: dict[str, Any] = {}
    if draw(st.booleans()):
        head["time"] = draw(moments)
    if draw(st.booleans()):
        head["seq"] = draw(counts)
    return head


@st.composite
def payloads(draw: st.DrawFn, kind: str) -> bytes:
    if draw(st.integers(0, 12)) == 0:
        return draw(st.sampled_from(HOSTILE) | st.binary(max_size=20))
    content: Any
    if kind == "float32":
        return np.array(draw(st.lists(st.floats(width=32), min_size=1, max_size=4)), "<f4").tobytes()
    if kind == "value":
        content = draw(values) if draw(st.booleans()) else draw(heads()) | {"value": draw(values), "note": draw(st.text(max_size=3))}
    elif kind == "object":
        content = draw(heads()) | draw(st.dictionaries(st.sampled_from(["a", "b", "0", "1", "other"]), values, max_size=4))
    elif kind == "samples":
        content = [
            draw(heads()) | {"name": draw(st.sampled_from(["a", "b", "zz"])), "value": draw(values)} for _ in range(draw(st.integers(0, 4)))
        ]
    else:
        arrays = st.lists(numbers, max_size=6) | st.lists(st.floats(-10, 10), min_size=2, max_size=6)
        content = draw(heads()) | {"dt": draw(st.sampled_from([1, 30, 0.5, 33.3, 0, -1, "1", None, 10**9]))}
        content |= draw(st.dictionaries(st.sampled_from(["a", "b", "value"]), arrays | st.sampled_from([None, 1, [None, 1.5]]), max_size=3))
        if draw(st.booleans()):
            try:
                return msgspec.msgpack.encode(content)
            except (OverflowError, ValueError):
                pass
    return json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=250, deadline=None)
def test_many_payloads_say_what_each_of_them_says_alone(kind: Kind, data: st.DataObject) -> None:
    form = PayloadForm(kind, time_unit=data.draw(st.sampled_from(["s", "ms", "us", "ns"])), interval_us=data.draw(st.none() | st.just(5.0)))
    names = {"value": [""], "float32": ["0", "2"], "array": ["a", "b", ""]}.get(kind, ["a", "b"])
    keys = [SignalKey(name, data.draw(types)) for name in names]
    sent = data.draw(st.lists(payloads(kind), max_size=8))
    together = told_together(ManyPayloads(form, keys).decode(sent), len(sent))
    assert together == [told_alone(form, keys, payload) for payload in sent]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_payloads_take_none_of_the_others_with_them(kind: Kind) -> None:
    good = {
        "value": b"1.5",
        "object": b'{"a": 1.5}',
        "samples": b'[{"name": "a", "value": 1.5}]',
        "float32": np.array([1.5], "<f4").tobytes(),
        "array": b'{"a": [1.5, 1.5], "dt": 30}',
    }[kind]
    keys = [SignalKey({"value": "", "float32": "0"}.get(kind, "a"), DataType.DOUBLE)]
    sent = [one for bad in HOSTILE for one in (good, bad)]
    columns = ManyPayloads(PayloadForm(kind), keys).decode(sent)
    whole = set(columns.message[columns.value == 1.5].tolist())
    assert set(range(0, len(sent), 2)) <= whole


def test_one_bad_text_rejects_its_key_and_leaves_the_others_of_the_object() -> None:
    keys = [SignalKey("force", DataType.DOUBLE), SignalKey("mode", DataType.STRING)]
    bad = b'{"force": 2.5, "mode": "a\\u0000b", "seq": 4}'
    for columns in (decode(PayloadForm("object"), keys, bad), ManyPayloads(PayloadForm("object"), keys).decode([bad])):
        assert columns.fit.tolist() == [Fit.NUMBER, Fit.MISMATCH]
        assert columns.value.tolist()[0] == 2.5


@pytest.mark.parametrize("packed", [False, True], ids=["JSON", "MessagePack"])
def test_an_array_gives_each_value_its_time(packed: bool) -> None:
    content = {"time": 1_000, "dt": 30, "seq": 9, "value": [1.0, 2.5, 3.0], "b": [4, 5]}
    payload = msgspec.msgpack.encode(content) if packed else json.dumps(content).encode()
    keys = [SignalKey("", DataType.DOUBLE), SignalKey("b", DataType.INT16)]
    columns = ManyPayloads(PayloadForm("array"), keys).decode([payload])
    assert columns.value.tolist() == [1.0, 2.5, 3.0, 4.0, 5.0]
    assert columns.time_us.tolist() == [1_000_000, 1_030_000, 1_060_000, 1_000_000, 1_030_000]
    assert columns.sequence.tolist() == [9]


def test_an_array_without_a_time_ends_when_it_comes() -> None:
    columns = ManyPayloads(PayloadForm("array", interval_us=500.0), [SignalKey("", DataType.DOUBLE)]).decode(
        [b'{"value": [1, 2, 3]}', b"[1, 2]"]
    )
    assert columns.time_us.tolist() == [NO_TIME] * 5
    assert columns.before_us.tolist() == [1000, 500, 0, 500, 0]


def test_an_array_whose_step_nobody_tells_is_rejected_with_the_reason() -> None:
    columns = ManyPayloads(PayloadForm("array"), [SignalKey("", DataType.DOUBLE)]).decode([b'{"time": 5, "value": [1, 2, 3]}'])
    assert "neither 'dt' nor interval_ms" in columns.unreadable[0]
