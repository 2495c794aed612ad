"""The form of payload with an array of values for each signal, many payloads at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from plant.errors import Rejected
from plant.samples import NO_TIME
from protocols.mqtt_many_columns import NO_SEQUENCE, Bools, Ints, Parts
from protocols.mqtt_many_reading import UNREADABLE, Head, head_fields, is_utf8, json_type, named, spans_of, within
from protocols.mqtt_payloads import PayloadForm, SignalKey, array_offsets, interval_of, is_msgpack, whole_number_limits

_UNSET: Final = msgspec.UNSET


class Arrays:
    """Objects with arrays of numbers, a time of the first and the time from one to the next, as JSON or MessagePack.

    Numbers of JSON are Python's for a moment: 0.09 us each with the array, where numpy's own reading of text takes 0.26. MessagePack's
    doubles and singles never are.
    """

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        """Return whether payloads of this form with these keys may be read here."""
        names = [*(key.name or form.value_key for key in keys), form.time_key, form.sequence_key, form.interval_key]
        return bool(keys) and len(set(names)) == len(names) and not any(json_type(key.data_type) is not float for key in keys)

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._form = form
        self._head = Head(form)
        names = [key.name or form.value_key for key in keys]
        head = [*head_fields(form), ("interval", form.interval_key, int | float | None, None)]
        self._json = msgspec.json.Decoder(named([*((f"k{n}", name, list[float], []) for n, name in enumerate(names)), *head])).decode
        raw = [(f"k{n}", name, msgspec.Raw | msgspec.UnsetType, _UNSET) for n, name in enumerate(names)]
        self._msgpack = msgspec.msgpack.Decoder(named([*raw, *head])).decode
        self._list = msgspec.msgpack.Decoder(list[float]).decode
        self._names = [f"k{n}" for n in range(len(names))]
        self._columns = attrgetter("time", "number", "interval")
        self._spans = spans_of(keys)

    def _one(self, payload: bytes) -> tuple[Any, list[Any]]:
        if not is_msgpack(payload):
            found = self._json(payload)
            return found, [getattr(found, name) for name in self._names]
        found = self._msgpack(payload)
        arrays = [getattr(found, name) for name in self._names]
        return found, [[] if array is _UNSET else _packed(array, self._list) for array in arrays]

    def decode(self, payloads: Sequence[bytes]) -> Parts:
        """Return what the payloads say, with the odd ones among them named."""
        parts = Parts(len(payloads))
        at, found = self._read(payloads, parts)
        if not at:
            return parts
        heads = [head for head, _ in found]
        times, numbers, intervals = zip(*map(self._columns, heads), strict=True)
        start, usable = self._head.read(parts, at, times, numbers)
        where = np.array(at, np.int64)
        for place in range(len(self._names)):
            arrays = [arrays[place] for _, arrays in found]
            self._take(parts, place, where, arrays, start, self._intervals(intervals, usable), usable)
        bad = ~usable
        parts.sequence[where[bad]] = NO_SEQUENCE
        parts.odd = sorted({*parts.odd, *where[bad].tolist()})
        if parts.odd:
            parts.without(parts.odd)
        return parts

    def _read(self, payloads: Sequence[bytes], parts: Parts) -> tuple[list[int], list[tuple[Any, list[Any]]]]:
        found, at = [], []
        for n, payload in enumerate(payloads):
            try:
                found.append(self._one(payload))
                at.append(n)
            except UNREADABLE:
                parts.odd.append(n)
        broken = [n for n in at if not payloads[n].isascii() and not is_msgpack(payloads[n]) and not is_utf8(payloads[n])]
        if broken:
            parts.odd += broken
            gone = set(broken)
            found = [one for n, one in zip(at, found, strict=True) if n not in gone]
            at = [n for n in at if n not in gone]
        return at, found

    def _intervals(self, intervals: Sequence[object], usable: Bools) -> list[float]:
        known: dict[object, float] = {}
        each = []
        for n, interval in enumerate(intervals):
            if interval not in known:
                try:
                    known[interval] = interval_of(interval, self._form)
                except (Rejected, *UNREADABLE):
                    known[interval] = -1.0
            each.append(known[interval])
            if known[interval] < 0:
                usable[n] = False
        return each

    def _take(self, parts: Parts, place: int, where: Ints, arrays: list[Any], start: Ints, intervals: list[float], usable: Bools) -> None:
        """Take the arrays of one key; messages with values that do not fit become unusable."""
        lengths = np.array(list(map(len, arrays)), np.int64)
        total = int(lengths.sum())
        if not total:
            return
        if all(type(array) is list for array in arrays):
            value = np.fromiter(chain.from_iterable(arrays), np.float64, total)
        else:
            value = np.concatenate([np.asarray(array, np.float64) for array in arrays])
        row = np.repeat(np.arange(len(arrays)), lengths)
        low, high, whole = self._spans
        wrong = ~within(value, low[place], high[place], whole[place])
        if wrong.any():
            usable &= np.bincount(row[wrong], minlength=len(arrays)) == 0
        offset = np.empty(total, np.int64)
        ends = np.cumsum(lengths)
        position = np.arange(total) - np.repeat(ends - lengths, lengths)
        if len(set(intervals)) == 1:
            offset = array_offsets(max(0.0, intervals[0]), int(lengths.max()))[position]
        else:
            offset = np.rint(position * np.array(intervals)[row]).astype(np.int64)
        last = np.zeros(len(arrays), np.int64)
        some = lengths > 0
        last[some] = offset[ends[some] - 1]
        timed = start != NO_TIME
        usable &= ~timed | (np.abs(start + last) <= whole_number_limits(PayloadForm(time_unit="us"))[2])
        timely = timed[row]
        time_us = np.where(timely, start[row] + np.where(timely, offset, 0), NO_TIME)
        before = np.where(timely, 0, last[row] - offset)
        parts.add(where[row], np.full(total, place), value, time_us, before_us=before)


def _packed(raw: Any, read: Callable[[Any], list[float]]) -> Any:
    """Return a MessagePack array of numbers; where all are doubles, or all singles, without touching each."""
    content = bytes(raw)
    head = {0xDC: 3, 0xDD: 5}.get(content[0], 1)
    for mark, size, kind in ((0xCB, 9, ">f8"), (0xCA, 5, ">f4")):
        body = len(content) - head
        if body and body % size == 0 and content[head] == mark:
            cells = np.frombuffer(content, np.dtype([("mark", "u1"), ("value", kind)]), offset=head)
            if bool((cells["mark"] == mark).all()):
                return cells["value"].astype(np.float64)
    return read(content)
