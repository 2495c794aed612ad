"""Replies of servers become columns that say the same as asyncua's decoder, and hostile replies become nothing but Unavailable."""

from __future__ import annotations

import math
import struct
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import from_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plant.errors import Unavailable
from plant.samples import NO_TIME
from protocols.opcua_decoder import BAD_DECODING_ERROR, TICKS_1601_TO_1970, ReplyDecoder, decode_results
from protocols.opcua_values import NOT_SCALAR, ReadColumns

TIME = 134_398_201_610_311_191
FORMS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d", 13: "q", 19: "I"}
END = struct.pack("<i", -1)


@dataclass(frozen=True)
class Record:
    """One DataValue as sent; None is what is left out."""

    variant: bytes | None
    status: int | None = None
    source: int | None = None
    source_picoseconds: int | None = None
    server: int | None = None
    server_picoseconds: int | None = None

    def encoded(self) -> bytes:
        fields: tuple[tuple[int, str, int | None], ...] = (
            (2, "I", self.status),
            (4, "q", self.source),
            (16, "H", self.source_picoseconds),
            (8, "q", self.server),
            (32, "H", self.server_picoseconds),
        )
        mask, body = (0, b"") if self.variant is None else (1, self.variant)
        for bit, form, field in fields:
            if field is not None:
                mask |= bit
                body += struct.pack("<" + form, field)
        return bytes([mask]) + body


def scalar(type_id: int, value: Any) -> bytes:
    return bytes([type_id]) + struct.pack("<" + FORMS[type_id], value)


def string(text: bytes | None, type_id: int = 12) -> bytes:
    return bytes([type_id]) + (struct.pack("<i", -1) if text is None else struct.pack("<i", len(text)) + text)


def reply(records: list[Record]) -> bytes:
    return struct.pack("<i", len(records)) + b"".join(record.encoded() for record in records) + END


def decode(records: list[Record], decoder: ReplyDecoder | None = None) -> ReadColumns:
    return (decoder or ReplyDecoder(len(records))).decode(reply(records), 0)


RANGES = {2: (-128, 127), 3: (0, 255), 4: (-(2**15), 2**15 - 1), 5: (0, 2**16 - 1), 6: (-(2**31), 2**31 - 1), 7: (0, 2**32 - 1)}
RANGES |= {8: (-(2**63), 2**63 - 1), 9: (0, 2**64 - 1), 19: (0, 2**32 - 1), 13: (1, 2**61)}
numbers = st.one_of(
    *(st.integers(*span).map(partial(scalar, type_id)) for type_id, span in RANGES.items()),
    st.booleans().map(lambda value: scalar(1, value)),
    st.floats(width=32).map(lambda value: scalar(10, value)),
    st.floats().map(lambda value: scalar(11, value)),
)
texts = st.one_of(st.none(), st.text(max_size=12).map(str.encode)).map(string)
others = st.one_of(
    st.just(b"\x00"),
    st.binary(max_size=9).map(lambda value: string(value, 15)),
    st.uuids().map(lambda value: b"\x0e" + value.bytes_le),
    st.lists(st.floats(), max_size=4).map(lambda values: struct.pack(f"<Bi{len(values)}d", 0x8B, len(values), *values)),
    st.lists(st.text(max_size=5), max_size=3).map(
        lambda values: struct.pack("<Bi", 0x8C, len(values)) + b"".join(string(v.encode())[1:] for v in values)
    ),
    st.just(struct.pack("<Bi4di2i", 0xCB, 4, 1.0, 2.0, 3.0, 4.0, 2, 2, 2)),
    st.text(max_size=5).map(lambda value: b"\x15\x02" + string(value.encode())[1:]),
    st.text(max_size=5).map(lambda value: b"\x14\x01\x00" + string(value.encode())[1:]),
    st.binary(max_size=8).map(lambda value: b"\x16\x01\x05\x39\x30\x01" + struct.pack("<i", len(value)) + value),
    st.just(b"\x16\x00\x00\x00"),
    st.just(b"\x11\x03\x02\x00\x03\x00\x00\x00abc"),
    st.just(b"\x98\x02\x00\x00\x00\x06\x01\x00\x00\x00\x01\x01"),
)
rare = st.one_of(
    st.binary(max_size=6).map(lambda value: string(value, 16)),
    st.just(b"\x12\xc3\x02\x00\x03\x00\x00\x00abc" + string(b"urn:a")[1:] + struct.pack("<I", 7)),
    st.just(b"\x17\x03\x06\x05\x00\x00\x00" + struct.pack("<I", 0x80050000)),
    st.just(b"\x97\x02\x00\x00\x00\x01\x01\x01\x00"),
    st.just(b"\x19\x33\x01\x00\x00\x00\x02\x00\x00\x00" + string(b"why")[1:] + struct.pack("<I", 0x80050000)),
    st.just(b"\x99\x01\x00\x00\x00\x00"),
    st.just(b"\xd8\x02\x00\x00\x00\x0c" + string(b"a")[1:] + b"\x0b" + struct.pack("<d", 1.5) + struct.pack("<3i", 2, 1, 2)),
)
"""What asyncua reads wrongly, or for ever, once it is damaged: not for the tests that damage."""
ticks = st.one_of(st.none(), st.integers(TICKS_1601_TO_1970 + 10, TICKS_1601_TO_1970 + 10**17))
statuses = st.one_of(st.none(), st.sampled_from([0, 0x40900000, 0x80340000, 0x80050000, 0xC0000000, 0x00000480]), st.integers(0, 2**32 - 1))
picoseconds = st.one_of(st.none(), st.integers(0, 9999))
records = st.builds(Record, st.one_of(st.none(), numbers, numbers, texts, others), statuses, ticks, picoseconds, ticks, picoseconds)


def micros(moment: datetime | None) -> int:
    if moment is None:
        return NO_TIME
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def assert_says_the_same(columns: ReadColumns, position: int, theirs: ua.DataValue) -> None:
    status = 0 if theirs.StatusCode is None else theirs.StatusCode.value
    assert columns.status[position] == status
    assert columns.source_time_us[position] == micros(theirs.SourceTimestamp)
    assert columns.server_time_us[position] == micros(theirs.ServerTimestamp)
    variant = ua.Variant() if theirs.Value is None else theirs.Value
    value, kind = variant.Value, variant.VariantType
    text = None if columns.text is None else columns.text[position]
    bad = status >= 0x80000000
    if variant.is_array:
        assert columns.type_id[position] == NOT_SCALAR
    elif kind.value < 22:
        assert columns.type_id[position] == kind.value
    if bad or value is None or variant.is_array or not (1 <= kind.value <= 12):
        assert not columns.has_value[position]
        assert math.isnan(columns.value[position])
        assert text is None
    elif kind is ua.VariantType.String:
        assert not columns.has_value[position]
        assert text == value
    else:
        assert columns.has_value[position]
        assert columns.value[position] == float(value) or math.isnan(value)
        assert not isinstance(value, int) or abs(value) <= 2**53 or text == str(value)
        assert text is None or int(text) == value


def assert_equal(first: ReadColumns, second: ReadColumns) -> None:
    for name in ("value", "has_value", "status", "source_time_us", "server_time_us", "source_ticks", "type_id"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    ours, theirs = ([None] * len(c) if c.text is None else c.text.tolist() for c in (first, second))
    assert ours == theirs


def theirs_of(content: bytes, count: int) -> list[ua.DataValue]:
    buffer = Buffer(content, 4)
    return [from_binary(ua.DataValue, buffer) for _ in range(count)]


all_records = st.one_of(records, st.builds(Record, rare, statuses, ticks, picoseconds, ticks, picoseconds))


@settings(max_examples=150, deadline=None)
@given(st.lists(all_records, min_size=1, max_size=12))
def test_columns_say_the_same_as_the_reference_decoder(sent: list[Record]) -> None:
    columns = decode(sent)
    # asyncua reads the source's picoseconds behind the server's time; OPC 10000-6, 5.2.2.17 puts them before it.
    without = [replace(record, source_picoseconds=None) for record in sent]
    for position, theirs in enumerate(theirs_of(reply(without), len(sent))):
        assert_says_the_same(columns, position, theirs)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_remembered_layout_never_changes_what_is_read(data: st.DataObject) -> None:
    sent = data.draw(st.lists(all_records, min_size=1, max_size=30))
    decoder = ReplyDecoder(len(sent))
    for _ in range(data.draw(st.integers(1, 6))):
        assert_equal(decode(sent, decoder), decode(sent))
        for position in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=5)):
            sent[position] = data.draw(all_records)
        if data.draw(st.booleans()):
            sent = [Record(sent[0].variant, source=TIME) for _ in sent]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_replies_give_the_reference_values_or_unavailable(data: st.DataObject) -> None:
    sent = data.draw(st.lists(records, min_size=1, max_size=8))
    decoder = ReplyDecoder(len(sent))
    decode(sent, decoder)
    damaged = bytearray(reply(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0xC0, 0x98, 0x16, 3]))
    content = bytes(damaged[: data.draw(st.integers(0, len(damaged)))]) if data.draw(st.booleans()) else bytes(damaged)
    try:
        columns = decoder.decode(content, 0)
    except Unavailable:
        with pytest.raises(Unavailable):
            ReplyDecoder(len(sent)).decode(content, 0)
        return
    assert_equal(columns, ReplyDecoder(len(sent)).decode(content, 0))
    try:
        theirs = theirs_of(content, len(sent))
    except Exception:  # noqa: BLE001 - where the reference can't read it, there is nothing to compare with
        return
    sane = (columns.source_ticks == 0) | ((columns.source_ticks > TICKS_1601_TO_1970) & (columns.source_ticks < 2**61))
    for position, value in enumerate(theirs):
        server_is_sane = value.ServerTimestamp is None or 1970 < value.ServerTimestamp.year < 9000
        source_is_sane = value.SourceTimestamp is None or 1970 < value.SourceTimestamp.year < 9000
        if value.SourcePicoseconds is not None and value.ServerTimestamp is not None:
            return  # see above: the reference may have read all that follows from the wrong place
        text_is_whole = columns.status[position] != BAD_DECODING_ERROR
        if sane[position] and server_is_sane and source_is_sane and text_is_whole and "�" not in repr(value.Value):
            assert_says_the_same(columns, position, value)


@pytest.mark.parametrize(
    "variant",
    [
        b"\x80\xff\xff\xff\x7f",
        b"\x98\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\x7f",
        b"\x8c\xff\xff\xff\x7f",
        b"\x0c\xff\xff\xff\x7f",
        b"\xc0\x00\x00\x00\x00\xff\xff\xff\x7f",
        b"\x18" * 5000,
        b"\x17\x01" * 5000,
        b"\x19\x40" * 1 + b"\x40" * 5000,
        b"\x3f\x00",
    ],
)
def test_lengths_that_lie_are_refused_at_once(variant: bytes) -> None:
    """The first one keeps asyncua's decoder busy for minutes: an array of 2**31 nulls in five bytes."""
    began = time.process_time()
    with pytest.raises(Unavailable, match="malformed"):
        decode([Record(variant)])
    assert time.process_time() - began < 0.5


def test_a_text_that_is_no_utf8_spoils_its_own_node_only() -> None:
    columns = decode([Record(string(b"\xff\xfe")), Record(scalar(11, 2.5))])
    assert columns.status.tolist() == [BAD_DECODING_ERROR, 0]
    assert columns.text is not None
    assert columns.text[0] is None
    assert columns.value[1] == 2.5


def test_a_bad_value_has_no_number_and_keeps_its_status() -> None:
    columns = decode([Record(scalar(11, 7.0), status=0x80050000), Record(scalar(11, 7.0), status=0x40900000)])
    assert columns.has_value.tolist() == [False, True]
    assert columns.status.tolist() == [0x80050000, 0x40900000]
    assert math.isnan(columns.value[0])


def test_source_times_are_kept_to_the_last_tick() -> None:
    columns = decode([Record(scalar(6, 1), source=TIME, server=TIME + 10), Record(scalar(6, 1), source=TIME + 1, source_picoseconds=9)])
    assert (columns.source_ticks - TIME).tolist() == [0, 1]
    assert columns.source_time_us.tolist() == [(TIME - TICKS_1601_TO_1970) // 10] * 2
    assert columns.server_time_us.tolist() == [(TIME + 10 - TICKS_1601_TO_1970) // 10, NO_TIME]


def test_the_wrong_number_of_values_is_refused() -> None:
    with pytest.raises(Unavailable, match="2 values for 1"):
        ReplyDecoder(1).decode(reply([Record(None), Record(None)]), 0)


def test_bytes_behind_the_end_are_refused() -> None:
    with pytest.raises(Unavailable, match="behind the end"):
        ReplyDecoder(1).decode(reply([Record(None)]) + b"\0", 0)


def test_a_stable_layout_is_learnt_once() -> None:
    sent = [Record(scalar(11, float(n)), source=TIME + n) for n in range(100)]
    mixed = [Record(string(b"abc")) if n % 3 else Record(scalar(6, n), status=0) for n in range(100)]
    for replies in (sent, mixed):
        decoder = ReplyDecoder(100)
        for _ in range(5):
            decode(replies, decoder)
        assert (decoder.remembered, decoder.mended) == (4, 1)


def test_a_text_that_grows_or_shrinks_moves_what_follows() -> None:
    decoder = ReplyDecoder(3)
    for text in (b"", b"longer", b"a", "ü".encode() * 50, b""):
        columns = decode([Record(scalar(11, 1.5)), Record(string(text)), Record(scalar(8, 2**60 + 1), source=TIME)], decoder)
        assert columns.text is not None
        assert columns.text.tolist() == [None, text.decode(), str(2**60 + 1)]
        assert columns.source_ticks.tolist() == [0, 0, TIME]


def test_more_changes_than_are_worth_mending_are_walked() -> None:
    decoder, count = ReplyDecoder(400), 400
    for width in (1, 2, 1, 3):
        sent = [Record(string(b"x" * width)) for _ in range(count - 1)] + [Record(scalar(11, 9.0))]
        columns = decode(sent, decoder)
        assert columns.value[-1] == 9.0
        assert columns.text is not None
        assert columns.text[0] == "x" * width


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.lists(all_records, max_size=6).map(reply)), st.data())
def test_any_bytes_give_columns_or_unavailable_in_time(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    began = time.process_time()
    try:
        columns = decode_results(bytes(damaged))
    except Unavailable:
        columns = None
    assert time.process_time() - began < 1.0
    assert columns is None or len(columns) == int.from_bytes(damaged[:4], "little")


def test_diagnostics_within_diagnostics_are_skipped_rightly() -> None:
    """asyncua takes the inner ones for an ExtensionObject, and reads all that follows from the wrong place."""
    inner = b"\x13\x01\x00\x00\x00\x02\x00\x00\x00" + string(b"why")[1:]
    columns = decode([Record(b"\x19\x41\x07\x00\x00\x00" + inner, source=TIME), Record(scalar(11, 2.5), source=TIME + 1)])
    assert columns.type_id.tolist() == [NOT_SCALAR, 11]
    assert columns.value[1] == 2.5
    assert columns.source_ticks.tolist() == [TIME, TIME + 1]


def test_a_guid_is_skipped_and_named_by_its_type() -> None:
    columns = decode([Record(b"\x0e" + uuid.UUID(int=5).bytes_le), Record(scalar(1, True))])
    assert columns.type_id.tolist() == [14, 1]
    assert columns.has_value.tolist() == [False, True]
