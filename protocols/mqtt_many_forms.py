"""The forms of payload with one value for each signal, many payloads at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from plant.samples import NO_TIME
from plant.signals import DataType
from protocols.mqtt_many_columns import NO_SEQUENCE, Bools, Floats, Ints, Parts
from protocols.mqtt_many_reading import Head, decoded, head_fields, json_type, named, spans_of, times_of, within
from protocols.mqtt_payloads import Fit, PayloadForm, SignalKey, storable

_UNSET: Final = msgspec.UNSET


class Values:
    """One value a message: a number, or an object with value, time and number."""

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        """Return whether payloads of this form with these keys may be read here."""
        names = (form.value_key, form.time_key, form.sequence_key)
        return bool(keys) and keys[0].data_type is not DataType.STRING and len(set(names)) == 3

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        kind = json_type(keys[0].data_type)
        self._head = Head(form)
        self._object = named([("value", form.value_key, kind, msgspec.NODEFAULT), *head_fields(form)])
        self._read = msgspec.json.Decoder(kind | self._object).decode
        self._limits = spans_of(keys[:1])
        self._columns = attrgetter("value", "time", "number")

    def decode(self, payloads: Sequence[bytes]) -> Parts:
        """Return what the payloads say, with the odd ones among them named."""
        parts = Parts(len(payloads))
        at, found = decoded(self._read, payloads, parts)
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

    def _plain(self, parts: Parts, at: list[int], found: list[float]) -> None:
        value = np.array(found, np.float64)
        self._take(parts, np.array(at, np.int64), value, np.full(len(at), NO_TIME), np.ones(len(at), np.bool_))

    def _objects(self, parts: Parts, at: list[int], found: list[Any]) -> None:
        if not at:
            return
        values, times, numbers = zip(*map(self._columns, found), strict=True)
        time_us, usable = self._head.read(parts, at, times, numbers)
        self._take(parts, np.array(at, np.int64), np.array(values, np.float64), time_us, usable)

    def _take(self, parts: Parts, at: Ints, value: Floats, time_us: Ints, usable: Bools) -> None:
        low, high, whole = self._limits
        fits = within(value, low[0], high[0], whole[0])
        good = usable & fits
        if not good.all():
            parts.odd += at[usable & ~fits].tolist()
            at, value, time_us = at[good], value[good], time_us[good]
        parts.add(at, np.zeros(len(at), np.int64), value, time_us)


class Objects:
    """JSON objects with a value for each key."""

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        """Return whether payloads of this form with these keys may be read here."""
        names = [*(key.name for key in keys), form.time_key, form.sequence_key]
        return bool(keys) and len(set(names)) == len(names) and not any("." in key.name for key in keys)

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._head = Head(form)
        fields = [(f"k{n}", key.name, json_type(key.data_type) | msgspec.UnsetType, _UNSET) for n, key in enumerate(keys)]
        self._read = msgspec.json.Decoder(named([*fields, *head_fields(form)])).decode
        self._keys = [attrgetter(name) for name, *_ in fields]
        self._texts = [key.data_type is DataType.STRING for key in keys]
        self._spans = spans_of(keys)
        self._times = attrgetter("time")
        self._numbers = attrgetter("number")

    def decode(self, payloads: Sequence[bytes]) -> Parts:
        """Return what the payloads say, with the odd ones among them named."""
        parts = Parts(len(payloads))
        at, found = decoded(self._read, payloads, parts)
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
                fits &= ~there[:, n] | within(value[:, n], low[n], high[n], whole[n])
        where = np.array(at, np.int64)
        parts.odd += where[usable & ~fits].tolist()
        chosen = there & (usable & fits)[:, None]
        rows, key = np.nonzero(chosen)
        fit = None if text is None else np.where(np.array(self._texts)[key], Fit.TEXT, Fit.NUMBER).astype(np.uint8)
        parts.add(where[rows], key, value[chosen], time_us[rows], text=None if text is None else text[chosen], fit=fit)
        return parts


class Samples:
    """JSON arrays of objects with name, value and time."""

    @staticmethod
    def fits(form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        """Return whether payloads of this form with these keys may be read here."""
        names = (form.name_key, form.value_key, form.time_key, form.sequence_key)
        return bool(keys) and len(set(names)) == 4 and not any(json_type(key.data_type) is not float for key in keys)

    def __init__(self, form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._head = Head(form)
        self._form = form
        fields = [("name", form.name_key, str, msgspec.NODEFAULT), ("value", form.value_key, float, msgspec.NODEFAULT)]
        self._read = msgspec.json.Decoder(list[named([*fields, *head_fields(form)])]).decode  # type: ignore[misc]
        self._places = {key.name: place for place, key in enumerate(keys)}
        self._spans = spans_of(keys)
        self._columns = attrgetter("name", "value", "time", "number")

    def decode(self, payloads: Sequence[bytes]) -> Parts:
        """Return what the payloads say, with the odd ones among them named."""
        parts = Parts(len(payloads))
        at, found = decoded(self._read, payloads, parts)
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
        time_us = times_of(times, self._form, timely)
        value = np.array(values, np.float64)
        low, high, whole = self._spans
        asked = key >= 0
        wrong = asked & ~(timely & within(value, low[key], high[key], whole[key]))
        bad = usable & (np.bincount(row[wrong], minlength=len(found)) > 0)
        where = np.array(at, np.int64)
        parts.odd += where[bad].tolist()
        parts.sequence[where[bad]] = NO_SEQUENCE
        keep = asked & (usable & ~bad)[row]
        parts.add(where[row[keep]], key[keep], value[keep], time_us[keep])
        return parts


class Floats32:
    """Little-endian float32 numbers, as many in each message."""

    @staticmethod
    def fits(_form: PayloadForm, keys: Sequence[SignalKey]) -> bool:
        """Return whether payloads of this form with these keys may be read here."""
        return bool(keys) and all(key.name.isdecimal() and json_type(key.data_type) is float for key in keys)

    def __init__(self, _form: PayloadForm, keys: Sequence[SignalKey]) -> None:
        self._places = np.array([int(key.name) if len(key.name) < 10 else 2**31 for key in keys])
        self._floats = all(key.data_type in (DataType.FLOAT, DataType.DOUBLE) for key in keys)

    def decode(self, payloads: Sequence[bytes]) -> Parts:
        """Return what the payloads say, with the odd ones among them named."""
        parts = Parts(len(payloads))
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


def _where(items: list[Any], chosen: list[bool]) -> list[Any]:
    return [item for item, one in zip(items, chosen, strict=True) if one]
