"""Many payloads of one form at once: the usual ones without Python's cost for each value, the odd ones one by one.

A payload is taken the quick way only where that says the same as ``decode``; whatever is doubtful (another type, a digit too
many, an empty value, a nested key) goes through ``decode`` itself, so one poisonous payload costs only its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from plant.errors import Rejected
from plant.samples import NO_TIME
from plant.signals import DataType
from protocols.mqtt_payloads import (
    Fit,
    PayloadColumns,
    PayloadForm,
    SignalKey,
    array_offsets,
    decode,
    interval_of,
    is_msgpack,
    storable,
    time_of,
    whole_number_limits,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_NO_SEQUENCE: Final = -1
_EXACT: Final = 2.0**53 - 1
"""Beyond it a double may stand for another whole number than the one written."""
_UNSET: Final = msgspec.UNSET
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True, slots=True)
class ManyColumns:
    """The values of m messages as columns of equal length n, in the order of their messages."""

    message: Ints
    """Position of the message each value came in."""
    key: Ints
    """Position in the keys that were asked for."""
    fit: npt.NDArray[np.uint8]
    value: Floats
    time_us: Ints
    before_us: Ints
    """Where there is no time: how long before the message the value was true."""
    text: npt.NDArray[np.object_] | None
    sequence: Ints
    """The number of each message, shape (m,); -1 where it carries none."""
    unreadable: dict[int, str]
    """Why a message could not be read, by its position."""

    def __len__(self) -> int:
        return len(self.key)


class ManyPayloads:
    """Reads payloads of one form that carry the same keys."""

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._form = form
        self._keys = tuple(keys)
        quick = _QUICK[form.payload]
        self._quick = quick(form, self._keys) if quick.fits(form, self._keys) else None

    def decode(self, payloads: Sequence[bytes]) -> ManyColumns:
        """Return what the payloads say; raises nothing."""
        parts = _Parts(len(payloads))
        if self._quick is None:
            parts.odd = list(range(len(payloads)))
        else:
            parts = self._quick.decode(payloads)
        return self._with_odd(payloads, parts)

    def _with_odd(self, payloads: Sequence[bytes], parts: _Parts) -> ManyColumns:
        unreadable: dict[int, str] = {}
        for n in parts.odd:
            try:
                columns = decode(self._form, self._keys, payloads[n])
            except Rejected as error:
                unreadable[n] = str(error)
                continue
            parts.add_one(n, columns)
        return parts.joined(unreadable)


class _Parts:
    """Pieces of columns as they are found."""

    def __init__(self, m: int) -> None:
        self.odd: list[int] = []
        """Messages that must be read one by one."""
        self.sequence = np.full(m, _NO_SEQUENCE, np.int64)
        self._pieces: list[tuple[Ints, Ints, npt.NDArray[np.uint8], Floats, Ints, Ints]] = []
        self._texts: list[npt.NDArray[np.object_] | None] = []

    def add(
        self, message: Ints, key: Ints, value: Floats, time_us: Ints, *, before_us: Ints | None = None, text: Any = None, fit: Any = None
    ) -> None:
        """Take values of several messages; all numbers where ``fit`` does not say otherwise."""
        n = len(message)
        if not n:
            return
        before = np.zeros(n, np.int64) if before_us is None else before_us
        self._pieces.append((message, key, np.zeros(n, np.uint8) if fit is None else fit, value, time_us, before))
        self._texts.append(text)

    def add_one(self, n: int, columns: PayloadColumns) -> None:
        """Take one message that was read by itself."""
        if columns.sequence is not None:
            self.sequence[n] = columns.sequence
        size = len(columns)
        text = None
        if columns.text is not None:
            text = np.empty(size, np.object_)
            text[:] = columns.text
        self.add(
            np.full(size, n),
            columns.key.astype(np.int64),
            columns.value,
            columns.time_us,
            before_us=columns.before_us,
            text=text,
            fit=columns.fit,
        )

    def without(self, messages: Sequence[int]) -> None:
        """Drop what was taken of some messages."""
        gone = np.zeros(len(self.sequence), np.bool_)
        gone[messages] = True
        self._texts = [None if t is None else t[~gone[p[0]]] for t, p in zip(self._texts, self._pieces, strict=True)]
        self._pieces = [tuple(column[~gone[p[0]]] for column in p) for p in self._pieces]  # type: ignore[misc]

    def joined(self, unreadable: dict[int, str]) -> ManyColumns:
        """Return all as columns in the order of the messages."""
        pieces, texts = self._pieces, self._texts
        if not pieces:
            none = np.empty(0, np.int64)
            return ManyColumns(none, none, np.empty(0, np.uint8), np.empty(0), none, none, None, self.sequence, unreadable)
        columns: list[Any] = list(pieces[0]) if len(pieces) == 1 else [np.concatenate(column) for column in zip(*pieces, strict=True)]
        text: npt.NDArray[np.object_] | None = None
        if any(one is not None for one in texts):
            filled = [np.full(len(p[0]), None, np.object_) if t is None else t for p, t in zip(pieces, texts, strict=True)]
            text = np.concatenate(filled)
        message = columns[0]
        if len(message) > 1 and bool((message[1:] < message[:-1]).any()):
            order = np.argsort(message, kind="stable")
            columns = [column[order] for column in columns]
            text = None if text is None else text[order]
        message, key, fit, value, time_us, before_us = columns
        return ManyColumns(message, key, fit, value, time_us, before_us, text, self.sequence, unreadable)


class _Head:
    """The time and the number of messages that are objects."""

    def __init__(self, form: PayloadForm) -> None:
        self._form = form

    def read(self, parts: _Parts, at: list[int], times: Sequence[object], numbers: Sequence[int | None]) -> tuple[Ints, Bools]:
        """Note the numbers of the messages at these positions; return their times and which of them can be used."""
        usable = np.ones(len(at), np.bool_)
        time_us = _times(times, self._form, usable)
        try:
            sequence = np.array([_NO_SEQUENCE if one is None else one for one in numbers] if None in numbers else numbers, np.int64)
        except OverflowError:
            sequence = np.array([_NO_SEQUENCE if one is None or not 0 <= one < 2**63 else one for one in numbers], np.int64)
            usable &= np.array([one is None or 0 <= one < 2**63 for one in numbers])
        usable &= (sequence >= 0) | (np.array([one is None for one in numbers]) if None in numbers else False)
        where = np.array(at, np.int64)
        parts.sequence[where[usable]] = sequence[usable]
        if not usable.all():
            parts.odd += where[~usable].tolist()
        return time_us, usable


def _times(times: Sequence[object], form: PayloadForm, usable: Bools) -> Ints:
    kinds = set(map(type, times))
    if kinds == {type(None)}:
        return np.full(len(times), NO_TIME)
    if kinds == {int}:
        try:
            whole = np.array(times, np.int64)
        except OverflowError:
            whole = None
        by, divided, largest = whole_number_limits(form)
        if whole is not None and (not len(whole) or max(int(whole.max()), -int(whole.min())) <= largest):
            return whole * by // divided
    found = np.full(len(times), NO_TIME)
    for n, one in enumerate(times):
        try:
            found[n] = time_of(one, form)
        except (Rejected, *_UNREADABLE):
            usable[n] = False
    return found


def _limits(keys: Sequence[SignalKey]) -> tuple[Floats, Floats, Bools]:
    """Return the span of each key's numbers that a double holds as they were written, and whether they are whole."""
    spans = [
        {
            DataType.DOUBLE: (-_EXACT, _EXACT, False),
            DataType.FLOAT: (-_EXACT, _EXACT, False),
            DataType.BOOLEAN: (0.0, 1.0, True),
            DataType.SBYTE: (-(2.0**7), 2.0**7 - 1, True),
            DataType.BYTE: (0.0, 2.0**8 - 1, True),
            DataType.INT16: (-(2.0**15), 2.0**15 - 1, True),
            DataType.UINT16: (0.0, 2.0**16 - 1, True),
            DataType.INT32: (-(2.0**31), 2.0**31 - 1, True),
            DataType.UINT32: (0.0, 2.0**32 - 1, True),
            DataType.INT64: (-_EXACT, _EXACT, True),
            DataType.UINT64: (0.0, _EXACT, True),
        }.get(key.data_type, (1.0, 0.0, True))
        for key in keys
    ]
    return np.array([s[0] for s in spans]), np.array([s[1] for s in spans]), np.array([s[2] for s in spans], np.bool_)


def _within(value: Floats, low: Any, high: Any, whole: Any) -> Bools:
    inside: Bools = (value >= low) & (value <= high) & (~np.asarray(whole) | (np.floor(value) == value))
    return inside


def _json_type(data_type: DataType) -> Any:
    if data_type is DataType.BOOLEAN:
        return bool
    return str if data_type is DataType.STRING else float


def _named(fields: Sequence[tuple[str, str, Any, Any]]) -> Any:
    """Return a struct with fields (our name, their name, type, default)."""
    return msgspec.defstruct(
        "Payload",
        [(ours, kind, default) for ours, _, kind, default in fields],
        rename={ours: theirs for ours, theirs, _, _ in fields},
        gc=False,
    )


def _head_fields(form: PayloadForm) -> list[tuple[str, str, Any, Any]]:
    return [("time", form.time_key, int | float | str | None, None), ("number", form.sequence_key, int | None, None)]


def _decoded(read: Callable[[bytes], Any], payloads: Sequence[bytes], parts: _Parts) -> tuple[list[int], list[Any]]:
    """Return the positions of the payloads that could be read, and what they hold."""
    found: list[Any] = []
    failed: list[int] = []
    for n, payload in enumerate(payloads):
        try:
            found.append(read(payload))
        except _UNREADABLE:
            failed.append(n)
    at = list(range(len(payloads)))
    if not all(map(bytes.isascii, payloads)):
        # what nobody asked for is skipped by the quick way, but must be text all the same
        broken = {n for n, payload in enumerate(payloads) if not payload.isascii() and not _is_utf8(payload)}
        skipped = set(failed)
        left = [n for n in at if n not in skipped]
        found = [one for n, one in zip(left, found, strict=True) if n not in broken]
        failed = sorted(skipped | broken)
    if failed:
        gone = set(failed)
        parts.odd += failed
        at = [n for n in at if n not in gone]
    return at, found


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Values:
    """One value a message: a number, or an object with value, time and number."""

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        names = (form.value_key, form.time_key, form.sequence_key)
        return bool(keys) and keys[0].data_type is not DataType.STRING and len(set(names)) == 3

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        kind = _json_type(keys[0].data_type)
        self._head = _Head(form)
        self._object = _named([("value", form.value_key, kind, msgspec.NODEFAULT), *_head_fields(form)])
        self._read = msgspec.json.Decoder(kind | self._object).decode
        self._limits = _limits(keys[:1])
        self._columns = attrgetter("value", "time", "number")

    def decode(self, payloads: Sequence[bytes]) -> _Parts:
        parts = _Parts(len(payloads))
        at, found = _decoded(self._read, payloads, parts)
        kinds = list(map(type, found))
        objects = kinds.count(self._object)
        if objects == len(found):
            self._objects(parts, at, found)
        elif not objects:
            self._plain(parts, at, found)
        else:
            told = [kind is self._object for kind in kinds]
            self._objects(parts, _where(at, told), _where(found, told))
            bare = [not one for one in told]
            self._plain(parts, _where(at, bare), _where(found, bare))
        return parts

    def _plain(self, parts: _Parts, at: list[int], found: list[float]) -> None:
        value = np.array(found, np.float64)
        self._take(parts, np.array(at, np.int64), value, np.full(len(at), NO_TIME), np.ones(len(at), np.bool_))

    def _objects(self, parts: _Parts, at: list[int], found: list[Any]) -> None:
        if not at:
            return
        values, times, numbers = zip(*map(self._columns, found), strict=True)
        time_us, usable = self._head.read(parts, at, times, numbers)
        self._take(parts, np.array(at, np.int64), np.array(values, np.float64), time_us, usable)

    def _take(self, parts: _Parts, at: Ints, value: Floats, time_us: Ints, usable: Bools) -> None:
        low, high, whole = self._limits
        fits = _within(value, low[0], high[0], whole[0])
        good = usable & fits
        if not good.all():
            parts.odd += at[usable & ~fits].tolist()
            at, value, time_us = at[good], value[good], time_us[good]
        parts.add(at, np.zeros(len(at), np.int64), value, time_us)


class _Objects:
    """JSON objects with a value for each key."""

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        names = [*(key.name for key in keys), form.time_key, form.sequence_key]
        return bool(keys) and len(set(names)) == len(names) and not any("." in key.name for key in keys)

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._head = _Head(form)
        fields = [(f"k{n}", key.name, _json_type(key.data_type) | msgspec.UnsetType, _UNSET) for n, key in enumerate(keys)]
        self._read = msgspec.json.Decoder(_named([*fields, *_head_fields(form)])).decode
        self._keys = [attrgetter(name) for name, *_ in fields]
        self._texts = [key.data_type is DataType.STRING for key in keys]
        self._spans = _limits(keys)
        self._times = attrgetter("time")
        self._numbers = attrgetter("number")

    def decode(self, payloads: Sequence[bytes]) -> _Parts:
        parts = _Parts(len(payloads))
        at, found = _decoded(self._read, payloads, parts)
        if not at:
            return parts
        time_us, usable = self._head.read(parts, at, list(map(self._times, found)), list(map(self._numbers, found)))
        m, k = len(found), len(self._keys)
        value = np.full((m, k), np.nan)
        there = np.ones((m, k), np.bool_)
        text = np.full((m, k), None, np.object_) if any(self._texts) else None
        low, high, whole = self._spans
        fits = np.ones(m, np.bool_)
        for n, get in enumerate(self._keys):
            column = list(map(get, found))
            if _UNSET in column:
                there[:, n] = [one is not _UNSET for one in column]
                column = [None if one is _UNSET else one for one in column]
            if self._texts[n] and text is not None:
                text[:, n] = column
                fits &= np.array([one is None or storable(one) for one in column], np.bool_)
            else:
                value[:, n] = np.array(column, np.float64)
                fits &= ~there[:, n] | _within(value[:, n], low[n], high[n], whole[n])
        where = np.array(at, np.int64)
        parts.odd += where[usable & ~fits].tolist()
        chosen = there & (usable & fits)[:, None]
        rows, key = np.nonzero(chosen)
        fit = None if text is None else np.where(np.array(self._texts)[key], Fit.TEXT, Fit.NUMBER).astype(np.uint8)
        parts.add(where[rows], key, value[chosen], time_us[rows], text=None if text is None else text[chosen], fit=fit)
        return parts


class _Samples:
    """JSON arrays of objects with name, value and time."""

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        names = (form.name_key, form.value_key, form.time_key, form.sequence_key)
        return bool(keys) and len(set(names)) == 4 and not any(_json_type(key.data_type) is not float for key in keys)

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._head = _Head(form)
        self._form = form
        fields = [("name", form.name_key, str, msgspec.NODEFAULT), ("value", form.value_key, float, msgspec.NODEFAULT)]
        self._read = msgspec.json.Decoder(list[_named([*fields, *_head_fields(form)])]).decode  # type: ignore[misc]
        self._places = {key.name: place for place, key in enumerate(keys)}
        self._spans = _limits(keys)
        self._columns = attrgetter("name", "value", "time", "number")

    def decode(self, payloads: Sequence[bytes]) -> _Parts:
        parts = _Parts(len(payloads))
        at, found = _decoded(self._read, payloads, parts)
        first = [samples[0].number if samples else None for samples in found]
        # the number may stand in any sample; where it is not in the first one, it is looked for one by one
        late = [n for n, samples in enumerate(found) if first[n] is None and any(one.number is not None for one in samples)]
        lengths = np.array([len(samples) for samples in found], np.int64)
        _, usable = self._head.read(parts, at, [None] * len(at), first)
        if late:
            usable[late] = False
            parts.odd += [at[n] for n in late]
        if not lengths.sum():
            return parts
        names, values, times, _ = zip(*map(self._columns, chain.from_iterable(found)), strict=True)
        row = np.repeat(np.arange(len(found)), lengths)
        key = np.array([self._places.get(name, -1) for name in names], np.int64)
        timely = np.ones(len(key), np.bool_)
        time_us = _times(times, self._form, timely)
        value = np.array(values, np.float64)
        low, high, whole = self._spans
        asked = key >= 0
        wrong = asked & ~(timely & _within(value, low[key], high[key], whole[key]))
        bad = usable & (np.bincount(row[wrong], minlength=len(found)) > 0)
        where = np.array(at, np.int64)
        parts.odd += where[bad].tolist()
        parts.sequence[where[bad]] = _NO_SEQUENCE
        keep = asked & (usable & ~bad)[row]
        parts.add(where[row[keep]], key[keep], value[keep], time_us[keep])
        return parts


class _Floats32:
    """Little-endian float32 numbers, as many in each message."""

    @staticmethod
    def fits(_form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        return bool(keys) and all(key.name.isdecimal() and _json_type(key.data_type) is float for key in keys)

    def __init__(self, _form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._places = np.array([int(key.name) if len(key.name) < 10 else 2**31 for key in keys])
        self._floats = all(key.data_type in (DataType.FLOAT, DataType.DOUBLE) for key in keys)

    def decode(self, payloads: Sequence[bytes]) -> _Parts:
        parts = _Parts(len(payloads))
        lengths = set(map(len, payloads))
        size = lengths.pop() if lengths else 0
        if lengths or size % 4 or not size or not self._floats:
            parts.odd = list(range(len(payloads)))
            return parts
        numbers = np.frombuffer(b"".join(payloads), "<f4").reshape(len(payloads), -1)
        key = np.flatnonzero(self._places < size // 4)
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            value = numbers[:, self._places[key]].astype(np.float64).ravel()
        message = np.repeat(np.arange(len(payloads)), len(key))
        parts.add(message, np.tile(key, len(payloads)), value, np.full(len(value), NO_TIME))
        return parts


class _Arrays:
    """Objects with arrays of numbers, a time of the first and the time from one to the next, as JSON or MessagePack.

    Numbers of JSON are Python's for a moment: 0.09 us each with the array, where numpy's own reading of text takes 0.26. MessagePack's
    doubles and singles never are.
    """

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        names = [*(key.name or form.value_key for key in keys), form.time_key, form.sequence_key, form.interval_key]
        return bool(keys) and len(set(names)) == len(names) and not any(_json_type(key.data_type) is not float for key in keys)

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._form = form
        self._head = _Head(form)
        names = [key.name or form.value_key for key in keys]
        head = [*_head_fields(form), ("interval", form.interval_key, int | float | None, None)]
        self._json = msgspec.json.Decoder(_named([*((f"k{n}", name, list[float], []) for n, name in enumerate(names)), *head])).decode
        raw = [(f"k{n}", name, msgspec.Raw | msgspec.UnsetType, _UNSET) for n, name in enumerate(names)]
        self._msgpack = msgspec.msgpack.Decoder(_named([*raw, *head])).decode
        self._list = msgspec.msgpack.Decoder(list[float]).decode
        self._names = [f"k{n}" for n in range(len(names))]
        self._columns = attrgetter("time", "number", "interval")
        self._spans = _limits(keys)

    def _one(self, payload: bytes) -> tuple[Any, list[Any]]:
        if not is_msgpack(payload):
            found = self._json(payload)
            return found, [getattr(found, name) for name in self._names]
        found = self._msgpack(payload)
        arrays = [getattr(found, name) for name in self._names]
        return found, [[] if array is _UNSET else _packed(array, self._list) for array in arrays]

    def decode(self, payloads: Sequence[bytes]) -> _Parts:
        parts = _Parts(len(payloads))
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
        parts.sequence[where[bad]] = _NO_SEQUENCE
        parts.odd = sorted({*parts.odd, *where[bad].tolist()})
        if parts.odd:
            parts.without(parts.odd)
        return parts

    def _read(self, payloads: Sequence[bytes], parts: _Parts) -> tuple[list[int], list[tuple[Any, list[Any]]]]:
        found, at = [], []
        for n, payload in enumerate(payloads):
            try:
                found.append(self._one(payload))
                at.append(n)
            except _UNREADABLE:
                parts.odd.append(n)
        broken = [n for n in at if not payloads[n].isascii() and not is_msgpack(payloads[n]) and not _is_utf8(payloads[n])]
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
                except (Rejected, *_UNREADABLE):
                    known[interval] = -1.0
            each.append(known[interval])
            if known[interval] < 0:
                usable[n] = False
        return each

    def _take(self, parts: _Parts, place: int, where: Ints, arrays: list[Any], start: Ints, intervals: list[float], usable: Bools) -> None:
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
        wrong = ~_within(value, low[place], high[place], whole[place])
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


_QUICK: dict[str, type[_Values | _Objects | _Samples | _Floats32 | _Arrays]] = {
    "value": _Values,
    "object": _Objects,
    "samples": _Samples,
    "float32": _Floats32,
    "array": _Arrays,
}


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


def _where(items: list[Any], chosen: list[bool]) -> list[Any]:
    return [item for item, one in zip(items, chosen, strict=True) if one]
