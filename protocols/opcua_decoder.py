"""The bytes of a ReadResponse as numpy columns.

A server that is read each 30 ms answers with the same types, in the same order, at the same places nearly always. So the places
are remembered from one reply to the next (``_Layout``), proved right for each new reply by comparing every mask, type and text
length (each record's place follows from those before it, so the proof has no gap), and mended where they differ: a record whose
size has changed is walked alone and the rest is moved along. Decoding then costs some ten numpy calls, however many the nodes;
between reads of an idle machine each call costs some microseconds more, so what is constant for a layout is made once and shared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from plant.errors import Unavailable
from plant.samples import NO_TIME
from plant.status import SEVERITY_MASK
from protocols.opcua_binary import (
    FIXED_SIZES,
    HAS_SERVER_TIME,
    HAS_SOURCE_PICOSECONDS,
    HAS_SOURCE_TIME,
    HAS_STATUS,
    HAS_VALUE,
    Malformed,
    after_data_value,
    check_end_of_results,
    int32_at,
    size_behind_value,
)
from protocols.opcua_values import NOT_SCALAR, ReadColumns

BAD_DECODING_ERROR: Final = 0x80070000
TICKS_1601_TO_1970: Final = 116_444_736_000_000_000
_EXACT: Final = 2**53
_STRING: Final = 12
_LENGTH_PREFIXED: Final = frozenset({12, 15, 16})
_NUMBERS: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype("u1"),
    2: np.dtype("i1"),
    3: np.dtype("u1"),
    4: np.dtype("<i2"),
    5: np.dtype("<u2"),
    6: np.dtype("<i4"),
    7: np.dtype("<u4"),
    8: np.dtype("<i8"),
    9: np.dtype("<u8"),
    10: np.dtype("<f4"),
    11: np.dtype("<f8"),
}
_U4, _I4, _I8 = np.dtype("<u4"), np.dtype("<i4"), np.dtype("<i8")
_MOST_MENDS: Final = 12
"""A mend costs about as much as walking 50 records; from here on, walking the rest is cheaper."""

_BEHIND: Final = np.array([size_behind_value(mask) for mask in range(64)], np.int64)
_IS_PREFIXED: Final = np.isin(np.arange(256), list(_LENGTH_PREFIXED))
_SIZES: Final = [
    0
    if mask > 63 or (mask & HAS_VALUE and encoding and encoding not in FIXED_SIZES)
    else 1 + ((1 + FIXED_SIZES.get(encoding, 0)) if mask & HAS_VALUE else 0) + size_behind_value(mask)
    for mask in range(256)
    for encoding in range(256)
]
"""Size of a record by its first two bytes, 0 where more must be known. Without a value the second byte is not of the record."""
_NO_DIAGNOSTICS: Final = frozenset({b"\0\0\0\0", b"\xff\xff\xff\xff"})
_ODD: Final = -2
"""In ``_Layout.length``: a value whose size only a walk tells."""

Columns = tuple[npt.NDArray[np.int64], ...]


def times_us(ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return times in 100 ns since 1601 as microseconds since 1970; NO_TIME where there is none (0 or less)."""
    if len(ticks) and ticks[0] == ticks[-1] and np.count_nonzero(ticks == ticks[0]) == len(ticks):
        # Servers that scan give all values one time.
        one = int(ticks[0])
        return np.full(len(ticks), (one - TICKS_1601_TO_1970) // 10 if one > 0 else NO_TIME)
    times: npt.NDArray[np.int64] = (ticks - TICKS_1601_TO_1970) // 10
    absent = ticks <= 0
    if np.count_nonzero(absent):
        times[absent] = NO_TIME
    return times


def _shared(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a column that several replies may share, because nobody can write to it."""
    column.flags.writeable = False
    return column


def _view(buffer: bytes, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a view in which element i is read at byte i, so that values at any place are gathered by one index."""
    return np.ndarray((max(len(buffer) - dtype.itemsize + 1, 0),), dtype, buffer, 0, (1,))


def _walk_record(buffer: bytes, start: int) -> tuple[int, int, int, int]:
    """Return mask, encoding byte of the value, length (0, a text's, or _ODD) and size of one record."""
    mask = buffer[start]
    if not mask & HAS_VALUE:
        end = after_data_value(buffer, start)
        return mask, 0, 0, end - start
    encoding = buffer[start + 1]
    size = FIXED_SIZES.get(encoding)
    if (size is not None or encoding == 0) and mask < 64:
        return mask, encoding, 0, 2 + (size or 0) + size_behind_value(mask)
    if encoding in _LENGTH_PREFIXED and mask < 64:
        length = int32_at(buffer, start + 2)
        return mask, encoding, length, 6 + max(length, 0) + size_behind_value(mask)
    return mask, encoding, _ODD, after_data_value(buffer, start) - start


class _Layout:
    """Where each record of a reply stands and what it is. ``lead`` bytes before each, a client handle, are no part of its value."""

    def __init__(self, count: int, lead: int = 0) -> None:
        self.count = count
        self.lead = lead
        self.mask = np.zeros(count, np.uint8)
        self.encoding = np.zeros(count, np.uint8)
        self.length = np.zeros(count, np.int64)
        self.place = np.zeros(count + 1, np.int64)
        self._skeleton: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None

    def walk(self, buffer: bytes, start: int, first: int = 0) -> None:
        """Learn the records from ``first`` on, which stands at ``start``."""
        if first == 0 and self._is_uniform(buffer, start):
            return
        kinds, places, lengths = [], [start], []
        position, end, lead = start, len(buffer), self.lead
        for record in range(first, self.count):
            if position + 1 >= end:
                raise Malformed(f"ends at byte {end}, before all values are there")
            kind = buffer[position] << 8 | buffer[position + 1]
            size = _SIZES[kind]
            if not size:
                _, _, length, size = _walk_record(buffer, position)
                lengths.append((record, length))
            position += size + lead
            kinds.append(kind)
            places.append(position)
        if position > end + lead:
            raise Malformed(f"ends at byte {end}, {position} were announced")
        kinds_sent = np.array(kinds, np.int64)
        self.mask[first:] = kinds_sent >> 8
        self.encoding[first:] = np.where(kinds_sent & (HAS_VALUE << 8), kinds_sent & 255, 0)
        self.place[first:] = places
        self.length[first:] = 0
        for record, length in lengths:
            self.length[record] = length
        self._index()

    def _is_uniform(self, buffer: bytes, start: int) -> bool:
        """Learn records that are all of the first one's kind without walking them; False when they are not."""
        kind = int.from_bytes(buffer[start : start + 2], "big")
        size = _SIZES[kind] + self.lead
        if self.count < 2 or size == self.lead or start + self.count * size > len(buffer) + self.lead:
            return False
        first = int.from_bytes(buffer[start : start + 2], "little")
        with_value = kind & (HAS_VALUE << 8)
        kinds = np.ndarray((self.count,), "<u2" if with_value else "u1", buffer, start, (size,))
        if np.count_nonzero(kinds == (first if with_value else first & 255)) != self.count:
            return False
        self.mask[:] = kind >> 8
        self.encoding[:] = kind & 255 if with_value else 0
        self.length[:] = 0
        self.place[:] = start + size * np.arange(self.count + 1)
        self._index()
        return True

    def _index(self) -> None:
        """Work out what the proof compares."""
        self._skeleton = None
        has_value = (self.mask & HAS_VALUE).astype(np.int64)
        self.encoding_offset = has_value
        self.expected_encoding = np.where(has_value == 1, self.encoding, self.mask)
        self.prefixed = np.flatnonzero(_IS_PREFIXED[np.where(has_value == 1, self.encoding, 0)])
        self.odd = np.flatnonzero(self.length == _ODD)
        sizes = np.diff(self.place)
        same = self.count > 0 and not len(self.odd) and not len(self.prefixed)
        self.stride = (
            int(sizes[0])
            if same and bool((sizes == sizes[0]).all() and (self.mask == self.mask[0]).all() and (self.encoding == self.encoding[0]).all())
            else 0
        )
        """Size of each record where all are of one kind, else 0."""
        if self.stride:
            self._head = np.dtype("<u2") if self.mask[0] & HAS_VALUE else np.dtype("u1")
            self._first_kind = int(self.mask[0]) | (int(self.encoding[0]) << 8 if self.mask[0] & HAS_VALUE else 0)

    def fits(self, buffer: bytes, start: int) -> bool:
        """Return whether the reply has this layout to the last record."""
        if self.place[0] != start or self.place[-1] > len(buffer) + self.lead:
            return False
        if self.stride:
            kinds = np.ndarray((self.count,), self._head, buffer, start, (self.stride,))
            return bool(np.count_nonzero(kinds == self._first_kind) == self.count)
        if self._skeleton is not None:
            care, expected = self._skeleton
            same = (np.ndarray((len(care),), np.uint8, buffer, start) & care) == expected
            return bool(np.count_nonzero(same) == len(care)) and self._odd_fit(buffer)
        if self._first_difference(buffer, 0) != self.count:
            return False
        self._draw_skeleton(buffer)
        return True

    def _draw_skeleton(self, buffer: bytes) -> None:
        """Mark the bytes that the proof compares, so that the next reply needs one comparison over all bytes instead of four gathers."""
        start = int(self.place[0])
        care = np.zeros(int(self.place[-1]) - start - self.lead, np.uint8)
        places = self.place[:-1] - start
        care[places] = 255
        care[places + self.encoding_offset] = 255
        for octet in range(2, 6):
            care[places[self.prefixed] + octet] = 255
        self._skeleton = care, np.ndarray((len(care),), np.uint8, buffer, start) & care

    def _odd_fit(self, buffer: bytes) -> bool:
        return all(after_data_value(buffer, int(self.place[record])) + self.lead == self.place[record + 1] for record in self.odd)

    def _first_difference(self, buffer: bytes, first: int) -> int:
        """Return the first record from ``first`` on that is not as remembered, or the count; ``first`` stands where it should."""
        inside = int(np.searchsorted(self.place[1:], len(buffer) + self.lead, "right"))
        if inside <= first:
            return first
        octets = np.frombuffer(buffer, np.uint8)
        places = self.place[first:inside]
        wrong = octets[places] != self.mask[first:inside]
        wrong |= octets[places + self.encoding_offset[first:inside]] != self.expected_encoding[first:inside]
        found = int(wrong.argmax()) + first if wrong.any() else inside
        prefixed = self.prefixed[np.searchsorted(self.prefixed, first) : np.searchsorted(self.prefixed, found)]
        if len(prefixed):
            other = _view(buffer, _I4)[self.place[prefixed] + 2] != self.length[prefixed]
            if other.any():
                found = int(prefixed[other.argmax()])
        for record in self.odd[np.searchsorted(self.odd, first) :]:
            if record >= found:
                break
            if after_data_value(buffer, int(self.place[record])) + self.lead != self.place[record + 1]:
                return int(record)
        return found

    def mend(self, buffer: bytes, start: int) -> None:
        """Make the layout fit the reply."""
        if self.place[0] != start:
            self.place += start - self.place[0]
        record = 0
        for _ in range(_MOST_MENDS):
            record = self._first_difference(buffer, record)
            if record == self.count:
                self._index()
                return
            position = int(self.place[record])
            if position + 1 >= len(buffer):
                raise Malformed(f"ends at byte {len(buffer)}, before all values are there")
            mask, encoding, length, size = _walk_record(buffer, position)
            self.mask[record], self.encoding[record], self.length[record] = mask, encoding, length
            self.place[record + 1 :] += position + size + self.lead - self.place[record + 1]
            record += 1
        self.walk(buffer, int(self.place[record]), record)


class _Uniform:
    """What is constant for a layout whose records are all of one kind."""

    def __init__(self, layout: _Layout) -> None:
        count, mask = layout.count, int(layout.mask[0])
        self.type_id = int(layout.encoding[0]) if mask & HAS_VALUE else 0
        self.number = _NUMBERS.get(self.type_id)
        self.type_ids = _shared(np.full(count, self.type_id, np.uint8))
        self.has_value = _shared(np.full(count, self.number is not None))
        self.good = _shared(np.zeros(count, np.uint32))
        self.no_time = _shared(np.full(count, NO_TIME))
        self.no_ticks = _shared(np.zeros(count, np.int64))
        status = layout.stride - layout.lead - size_behind_value(mask)
        source = status + (4 if mask & HAS_STATUS else 0)
        server = source + (8 if mask & HAS_SOURCE_TIME else 0) + (2 if mask & HAS_SOURCE_PICOSECONDS else 0)
        self.status = status if mask & HAS_STATUS else None
        """Where in a record the status stands, None where there is none; so the times."""
        self.source = source if mask & HAS_SOURCE_TIME else None
        self.server = server if mask & HAS_SERVER_TIME else None

    def columns(self, buffer: bytes, layout: _Layout) -> ReadColumns:
        """Return the columns: views with a stride instead of an index."""
        count, shape, strides, first = layout.count, (layout.count,), (layout.stride,), int(layout.place[0])
        text = None
        if self.number is None:
            value = np.full(count, np.nan)
        else:
            sent: npt.NDArray[Any] = np.ndarray(shape, self.number, buffer, first + 2, strides)
            value = _as_numbers(self.type_id, sent)
            if self.type_id in {8, 9}:
                text = _exact_digits(sent, None, None, count)
        if self.source is None:
            ticks, source_time = self.no_ticks, self.no_time
        else:
            ticks = np.ndarray(shape, _I8, buffer, first + self.source, strides).astype(np.int64)
            source_time = times_us(ticks)
        server_time = self.no_time if self.server is None else times_us(np.ndarray(shape, _I8, buffer, first + self.server, strides))
        if self.status is None:
            return ReadColumns(value, self.has_value, self.good, source_time, server_time, ticks, self.type_ids, text)
        status: npt.NDArray[np.uint32] = np.ndarray(shape, _U4, buffer, first + self.status, strides).astype(np.uint32)
        return _without_bad(ReadColumns(value, self.has_value, status, source_time, server_time, ticks, self.type_ids, text))


class _Places:
    """What is gathered from where, worked out once for a layout of records of several kinds."""

    def __init__(self, layout: _Layout) -> None:
        self._count = layout.count
        sent = (layout.mask & HAS_VALUE) != 0
        type_id = np.where(sent, layout.encoding, 0).astype(np.uint8)
        walked = np.flatnonzero(layout.length == _ODD)
        type_id[walked[(layout.encoding[walked] >= 22)]] = NOT_SCALAR
        behind_value = layout.place[1:] - layout.lead - _BEHIND[layout.mask]
        has_value = np.zeros(layout.count, np.bool_)
        self._numbers = []
        for number in np.flatnonzero(np.bincount(type_id, minlength=256)[:12]).tolist():
            if number in _NUMBERS:
                chosen = np.flatnonzero(type_id == number)
                has_value[chosen] = True
                self._numbers.append((number, _NUMBERS[number], chosen, layout.place[chosen] + 2))
        self._all_numbers = bool(has_value.all())
        self._strings = np.flatnonzero(type_id == _STRING)
        starts = layout.place[self._strings] + 6
        self._string_spans = list(zip(starts.tolist(), (starts + layout.length[self._strings]).tolist(), strict=True))
        status = (layout.mask & HAS_STATUS) != 0
        source = (layout.mask & HAS_SOURCE_TIME) != 0
        server = (layout.mask & HAS_SERVER_TIME) != 0
        source_place = behind_value + 4 * status
        server_place = source_place + 8 * source + 2 * ((layout.mask & HAS_SOURCE_PICOSECONDS) != 0)
        self._status = _Scattered(status, behind_value, _U4)
        self._source = _Scattered(source, source_place, _I8)
        self._server = _Scattered(server, server_place, _I8)
        self._type_id, self._has_value = _shared(type_id), _shared(has_value)

    def columns(self, buffer: bytes) -> ReadColumns:
        """Return the columns of a reply with this layout."""
        count, text = self._count, None
        value = np.empty(count) if self._all_numbers else np.full(count, np.nan)
        for type_id, dtype, chosen, where in self._numbers:
            sent = _view(buffer, dtype)[where]
            value[chosen] = _as_numbers(type_id, sent)
            if type_id in {8, 9}:
                text = _exact_digits(sent, chosen, text, count)
        status = self._status.gather(buffer)
        if len(self._strings):
            text = np.full(count, None, np.object_) if text is None else text
            for record, (start, end) in zip(self._strings.tolist(), self._string_spans, strict=True):
                if end >= start:
                    try:
                        text[record] = buffer[start:end].decode()
                    except UnicodeDecodeError:
                        status = status if status.flags.writeable else status.copy()
                        status[record] = BAD_DECODING_ERROR
        ticks = self._source.gather(buffer)
        columns = ReadColumns(
            value, self._has_value, status, times_us(ticks), times_us(self._server.gather(buffer)), ticks, self._type_id, text
        )
        return columns if status is self._status.absent else _without_bad(columns)


class _Scattered:
    """A field that some records have, and where; 0 for the others."""

    def __init__(self, present: npt.NDArray[np.bool_], places: npt.NDArray[np.int64], dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._records = None if present.all() else np.flatnonzero(present)
        self._places = places if self._records is None else places[present]
        self.absent = _shared(np.zeros(len(present), dtype))
        """The column where no record has it; shared."""

    def gather(self, buffer: bytes) -> npt.NDArray[Any]:
        if not len(self._places):
            return self.absent
        sent: npt.NDArray[Any] = _view(buffer, self._dtype)[self._places]
        if self._records is None:
            return sent
        column = np.zeros(len(self.absent), self._dtype)
        column[self._records] = sent
        return column


def decode_results(buffer: bytes) -> ReadColumns:
    """Return the results of a ReadResponse, however many they say they are, and nothing remembered.

    Raises Unavailable and nothing else. Takes time in proportion to the bytes, whatever they say: a second for some 2 MB at worst.
    """
    count = int.from_bytes(buffer[:4], "little", signed=True)
    if len(buffer) < 4 or not 0 <= count <= len(buffer):
        raise Unavailable(f"the server's reply is malformed: {count} values in {len(buffer)} bytes")
    return ReplyDecoder(count).decode(buffer, 0)


class ReplyDecoder:
    """Turns the replies to one request of ``count`` nodes into columns, remembering their layout.

    ``lead`` is how many bytes stand before each value: 4 in a notification, whose items carry client handles.
    """

    def __init__(self, count: int, lead: int = 0) -> None:
        self._count = count
        self._lead = lead
        self._layout: _Layout | None = None
        self._places: _Places | None = None
        self._uniform: _Uniform | None = None
        self.remembered = 0
        """Replies whose layout was the remembered one."""
        self.mended = 0
        """Replies whose layout had to be learnt or mended."""

    def decode(self, buffer: bytes, start: int) -> ReadColumns:
        """Return the results that begin at ``start``. Raises Unavailable when they are no results of this many nodes."""
        try:
            return self._decode(buffer, start)
        except (Malformed, IndexError) as error:
            self._layout = self._places = self._uniform = None
            raise Unavailable(f"the server's reply is malformed: {error}") from error

    def _decode(self, buffer: bytes, start: int) -> ReadColumns:
        count = int32_at(buffer, start)
        if count != self._count:
            raise Malformed(f"{count} values for {self._count} nodes")
        layout, first = self._layout, start + 4 + self._lead
        if layout is not None and layout.fits(buffer, first):
            self.remembered += 1
        else:
            self._learn(buffer, first)
        layout = self._layout
        assert layout is not None  # noqa: S101 - _learn has just set it
        end = int(layout.place[-1]) - self._lead
        if end + 4 != len(buffer) or buffer[end:] not in _NO_DIAGNOSTICS:
            check_end_of_results(buffer, end)
        if layout.stride:
            if self._uniform is None:
                self._uniform = _Uniform(layout)
            return self._uniform.columns(buffer, layout)
        if self._places is None:
            self._places = _Places(layout)
        return self._places.columns(buffer)

    def leads(self, buffer: bytes) -> npt.NDArray[np.uint32]:
        """Return the four bytes before each value of the reply decoded last, as numbers."""
        assert self._layout is not None  # noqa: S101 - only asked after decode
        places = self._layout.place[:-1] - 4
        return _view(buffer, _U4)[places] if len(places) else np.empty(0, np.uint32)

    def _learn(self, buffer: bytes, first: int) -> None:
        self.mended += 1
        layout, self._layout, self._places, self._uniform = self._layout, None, None, None
        if layout is None:
            layout = _Layout(self._count, self._lead)
            layout.walk(buffer, first)
        else:
            layout.mend(buffer, first)
        self._layout = layout


def _as_numbers(type_id: int, sent: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return numbers as doubles: always new, never a view of the reply."""
    return (sent != 0 if type_id == 1 else sent).astype(np.float64)


def _exact_digits(
    sent: npt.NDArray[Any], chosen: npt.NDArray[np.intp] | None, text: npt.NDArray[np.object_] | None, count: int
) -> npt.NDArray[np.object_] | None:
    """Return the column of texts with the digits of the integers that a double can't hold exactly."""
    large = sent > _EXACT if sent.dtype.kind == "u" else (sent > _EXACT) | (sent < -_EXACT)
    if not large.any():
        return text
    if text is None:
        text = np.full(count, None, np.object_)
    text[np.flatnonzero(large) if chosen is None else chosen[large]] = [str(number) for number in sent[large].tolist()]
    return text


def _without_bad(columns: ReadColumns) -> ReadColumns:
    """Return the columns with no number and no text where the status is bad."""
    bad = (columns.status & np.uint32(SEVERITY_MASK)) >= np.uint32(0x80000000)
    if not np.count_nonzero(bad):
        return columns
    columns.value[bad] = np.nan
    if columns.text is not None:
        columns.text[bad] = None
    return replace(columns, has_value=columns.has_value & ~bad)
