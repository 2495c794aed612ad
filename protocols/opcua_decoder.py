"""The bytes of a ReadResponse as numpy columns.

A server that is read each 30 ms answers with the same types, in the same order, at the same places nearly always. So the places
are remembered from one reply to the next (``_Layout``), proved right for each new reply by comparing every mask, type and text
length (each record's place follows from those before it, so the proof has no gap), and mended where they differ: a record whose
size has changed is walked alone and the rest is moved along. Decoding then costs some ten numpy calls, however many the nodes.
"""

from __future__ import annotations

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
_ODD: Final = -2
"""In ``_Layout.length``: a value whose size only a walk tells."""

Columns = tuple[npt.NDArray[np.int64], ...]


def times_us(ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return times in 100 ns since 1601 as microseconds since 1970; NO_TIME where there is none (0 or less)."""
    times: npt.NDArray[np.int64] = (ticks - TICKS_1601_TO_1970) // 10
    absent = ticks <= 0
    if absent.any():
        times[absent] = NO_TIME
    return times


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
    """Where each record of a reply stands and what it is."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.mask = np.zeros(count, np.uint8)
        self.encoding = np.zeros(count, np.uint8)
        self.length = np.zeros(count, np.int64)
        self.place = np.zeros(count + 1, np.int64)

    def walk(self, buffer: bytes, start: int, first: int = 0) -> None:
        """Learn the records from ``first`` on, which stands at ``start``."""
        kinds, places, lengths = [], [start], []
        position, end = start, len(buffer)
        for record in range(first, self.count):
            if position + 1 >= end:
                raise Malformed(f"ends at byte {end}, before all values are there")
            kind = buffer[position] << 8 | buffer[position + 1]
            size = _SIZES[kind]
            if not size:
                _, _, length, size = _walk_record(buffer, position)
                lengths.append((record, length))
            position += size
            kinds.append(kind)
            places.append(position)
        if position > end:
            raise Malformed(f"ends at byte {end}, {position} were announced")
        kinds_sent = np.array(kinds, np.int64)
        self.mask[first:] = kinds_sent >> 8
        self.encoding[first:] = np.where(kinds_sent & (HAS_VALUE << 8), kinds_sent & 255, 0)
        self.place[first:] = places
        self.length[first:] = 0
        for record, length in lengths:
            self.length[record] = length
        self._index()

    def _index(self) -> None:
        """Work out what the proof compares."""
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

    def fits(self, buffer: bytes, start: int) -> bool:
        """Return whether the reply has this layout to the last record."""
        if self.place[0] != start or self.place[-1] > len(buffer):
            return False
        if self.stride:
            columns = np.ndarray((self.count, self.stride), np.uint8, buffer, start)
            return bool((columns[:, 0] == self.mask[0]).all() and (columns[:, self.encoding_offset[0]] == self.expected_encoding[0]).all())
        return self._first_difference(buffer, 0) == self.count

    def _first_difference(self, buffer: bytes, first: int) -> int:
        """Return the first record from ``first`` on that is not as remembered, or the count; ``first`` stands where it should."""
        inside = int(np.searchsorted(self.place[1:], len(buffer), "right"))
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
            if after_data_value(buffer, int(self.place[record])) != self.place[record + 1]:
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
            self.place[record + 1 :] += position + size - self.place[record + 1]
            record += 1
        self.walk(buffer, int(self.place[record]), record)


class _Places:
    """What is gathered from where, worked out once for a layout."""

    def __init__(self, layout: _Layout) -> None:
        has_value = (layout.mask & HAS_VALUE) != 0
        self.type_id = np.where(has_value, layout.encoding, 0).astype(np.uint8)
        walked = np.flatnonzero(layout.length == _ODD)
        self.type_id[walked[(layout.encoding[walked] >= 22)]] = NOT_SCALAR
        behind_value = layout.place[1:] - _BEHIND[layout.mask]
        self.numbers = []
        for type_id in np.flatnonzero(np.bincount(self.type_id, minlength=256)[:12]).tolist():
            if type_id in _NUMBERS:
                chosen = np.flatnonzero(self.type_id == type_id)
                self.numbers.append((type_id, _NUMBERS[type_id], chosen, layout.place[chosen] + 2))
        self.strings = np.flatnonzero(self.type_id == _STRING)
        starts = layout.place[self.strings] + 6
        self.string_spans = list(zip(starts.tolist(), (starts + layout.length[self.strings]).tolist(), strict=True))
        status = (layout.mask & HAS_STATUS) != 0
        source = (layout.mask & HAS_SOURCE_TIME) != 0
        server = (layout.mask & HAS_SERVER_TIME) != 0
        source_place = behind_value + 4 * status
        server_place = source_place + 8 * source + 2 * ((layout.mask & HAS_SOURCE_PICOSECONDS) != 0)
        self.status = (np.flatnonzero(status), behind_value[status])
        self.source = (np.flatnonzero(source), source_place[source])
        self.server = (np.flatnonzero(server), server_place[server])


class ReplyDecoder:
    """Turns the replies to one request of ``count`` nodes into columns, remembering their layout."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._layout: _Layout | None = None
        self._places: _Places | None = None
        self.remembered = 0
        """Replies whose layout was the remembered one."""
        self.mended = 0
        """Replies whose layout had to be learnt or mended."""

    def decode(self, buffer: bytes, start: int) -> ReadColumns:
        """Return the results that begin at ``start``. Raises Unavailable when they are no results of this many nodes."""
        try:
            return self._decode(buffer, start)
        except (Malformed, IndexError) as error:
            self._layout = self._places = None
            raise Unavailable(f"the server's reply is malformed: {error}") from error

    def _decode(self, buffer: bytes, start: int) -> ReadColumns:
        count = int32_at(buffer, start)
        if count != self._count:
            raise Malformed(f"{count} values for {self._count} nodes")
        layout, first = self._layout, start + 4
        if layout is not None and layout.fits(buffer, first):
            self.remembered += 1
        else:
            self._learn(buffer, first)
        layout = self._layout
        assert layout is not None  # noqa: S101 - _learn has just set it
        check_end_of_results(buffer, int(layout.place[-1]))
        if layout.stride:
            return _uniform(buffer, layout)
        if self._places is None:
            self._places = _Places(layout)
        return _gather(buffer, layout, self._places)

    def _learn(self, buffer: bytes, first: int) -> None:
        self.mended += 1
        layout, self._layout, self._places = self._layout, None, None
        if layout is None:
            layout = _Layout(self._count)
            layout.walk(buffer, first)
        else:
            layout.mend(buffer, first)
        self._layout = layout


def _uniform(buffer: bytes, layout: _Layout) -> ReadColumns:
    """Return the columns of records that are all of one kind: views with a stride instead of an index."""
    count, stride, first = layout.count, layout.stride, int(layout.place[0])
    mask = int(layout.mask[0])
    type_id = int(layout.encoding[0]) if mask & HAS_VALUE else 0

    def column(dtype: np.dtype[Any], offset: int) -> npt.NDArray[Any]:
        return np.ndarray((count,), dtype, buffer, first + offset, (stride,))

    offset = stride - size_behind_value(mask)
    status: npt.NDArray[np.uint32]
    if mask & HAS_STATUS:
        status = column(_U4, offset).astype(np.uint32)
        offset += 4
    else:
        status = np.zeros(count, np.uint32)
    if mask & HAS_SOURCE_TIME:
        source_ticks = column(_I8, offset).astype(np.int64)
        offset += 8
        source_time = times_us(source_ticks)
    else:
        source_ticks = np.zeros(count, np.int64)
        source_time = np.full(count, NO_TIME)
    offset += 2 if mask & HAS_SOURCE_PICOSECONDS else 0
    server_time = times_us(column(_I8, offset).astype(np.int64)) if mask & HAS_SERVER_TIME else np.full(count, NO_TIME)
    text = None
    dtype = _NUMBERS.get(type_id)
    if dtype is None:
        value, has_value = np.full(count, np.nan), np.zeros(count, np.bool_)
    else:
        sent = column(dtype, 2)
        value, has_value = _as_numbers(type_id, sent), np.ones(count, np.bool_)
        if type_id in {8, 9}:
            text = _exact_digits(sent, None, None, count)
    columns = ReadColumns(value, has_value, status, source_time, server_time, source_ticks, np.full(count, type_id, np.uint8), text)
    return _without_bad(columns)


def _gather(buffer: bytes, layout: _Layout, places: _Places) -> ReadColumns:
    """Return the columns of records of several kinds."""
    count = layout.count
    value, has_value, text = np.full(count, np.nan), np.zeros(count, np.bool_), None
    for type_id, dtype, chosen, where in places.numbers:
        sent = _view(buffer, dtype)[where]
        value[chosen] = _as_numbers(type_id, sent)
        has_value[chosen] = True
        if type_id in {8, 9}:
            text = _exact_digits(sent, chosen, text, count)
    status = np.zeros(count, np.uint32)
    status[places.status[0]] = _view(buffer, _U4)[places.status[1]]
    source_ticks = np.zeros(count, np.int64)
    source_ticks[places.source[0]] = _view(buffer, _I8)[places.source[1]]
    server_ticks = np.zeros(count, np.int64)
    server_ticks[places.server[0]] = _view(buffer, _I8)[places.server[1]]
    if len(places.strings):
        text = np.full(count, None, np.object_) if text is None else text
        for record, (start, end) in zip(places.strings.tolist(), places.string_spans, strict=True):
            if end >= start:
                try:
                    text[record] = buffer[start:end].decode()
                except UnicodeDecodeError:
                    status[record] = BAD_DECODING_ERROR
    columns = ReadColumns(
        value, has_value, status, times_us(source_ticks), times_us(server_ticks), source_ticks, places.type_id.copy(), text
    )
    return _without_bad(columns)


def _as_numbers(type_id: int, sent: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
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
    if bad.any():
        columns.value[bad] = np.nan
        columns.has_value[bad] = False
        if columns.text is not None:
            columns.text[bad] = None
    return columns
