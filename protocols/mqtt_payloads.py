"""What MQTT payloads say, as columns: pure functions that take hostile bytes and raise nothing but Rejected."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from plant.errors import Rejected
from plant.samples import NO_TIME
from plant.signals import DataType

_EXACT = 2**53
_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_UNITS_WHOLE = {"s": (1_000_000, 1), "ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}
_LATEST_US = 253_402_300_799_000_000
_DAY_US = 86_400_000_000
_LONGEST_TEXT = 65_536
_DEEPEST = 200
_INTEGER_SPANS = {
    DataType.SBYTE: (-(2**7), 2**7 - 1),
    DataType.BYTE: (0, 2**8 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}
_FLOAT_MAX = 3.4028235677973366e38


class Fit(IntEnum):
    """How one value fits the type its signal is pinned to."""

    NUMBER = 0
    TEXT = 1
    NULL = 2
    MISMATCH = 3
    """Another type, or a text that cannot be kept."""


@dataclass(frozen=True, slots=True)
class PayloadForm:
    """How the payloads of some topics look; the words are those of the settings."""

    payload: Literal["value", "object", "samples", "float32", "array"] = "value"
    time_key: str = "time"
    time_unit: Literal["s", "ms", "us", "ns"] = "ms"
    value_key: str = "value"
    name_key: str = "name"
    sequence_key: str = "seq"
    interval_key: str = "dt"
    """Of an array: the key of the time from one value to the next, by ``time_unit``."""
    interval_us: float | None = None
    """The same where payloads do not say it."""


@dataclass(frozen=True, slots=True)
class SignalKey:
    """One signal that a topic carries: the name in the payload (empty for the form ``value``) and the type it is pinned to."""

    name: str
    data_type: DataType


@dataclass(frozen=True, slots=True)
class PayloadColumns:
    """The values of one message as columns of equal length n."""

    key: npt.NDArray[np.int32]
    """Position in the keys that were asked for."""
    fit: npt.NDArray[np.uint8]
    """A Fit for each; MISMATCH carries no value."""
    value: npt.NDArray[np.float64]
    has_value: npt.NDArray[np.bool_]
    time_us: npt.NDArray[np.int64]
    """The source's time, or NO_TIME."""
    text: list[str | None] | None
    sequence: int | None
    """The message's number, or None where it carries none."""
    before_us: npt.NDArray[np.int64] | None = None
    """Of an array without a time: how long before the message each value was true."""

    def __len__(self) -> int:
        return len(self.key)


def decode(form: PayloadForm, keys: Sequence[SignalKey], payload: bytes) -> PayloadColumns:
    """Return what one payload says about the signals asked for; names that nobody asked for are left out.

    Raises Rejected, and nothing else, for a payload that does not have the form agreed.
    """
    try:
        return _FORMS[form.payload](form, keys, payload)
    except Rejected:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, KeyError, MemoryError) as error:
        raise Rejected(f"the payload cannot be read: {error}") from error


def _decode_value(form: PayloadForm, keys: Sequence[SignalKey], payload: bytes) -> PayloadColumns:
    if not keys:
        return _columns([], [], [], None)
    text = _utf8(payload)
    data_type = keys[0].data_type
    if text.lstrip()[:1] == "{":
        found = _json(payload)
        if isinstance(found, dict) and form.value_key in found:
            return _columns([0], [_fit(found[form.value_key], data_type)], [_time(found, form)], _sequence(found, form))
    if data_type is DataType.STRING:
        return _columns([0], [_fit(text, data_type)], [NO_TIME], None)
    return _columns([0], [_fit(_word(text.strip(), data_type), data_type)], [NO_TIME], None)


def _word(text: str, data_type: DataType) -> Any:
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("", "null"):
        return None
    if lowered in ("nan", "inf", "-inf", "infinity", "-infinity", "+inf") and data_type in (DataType.DOUBLE, DataType.FLOAT):
        return float(lowered)
    if len(text) > 400 or not text.isascii() or "_" in text:
        raise Rejected("the payload is no number")
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError as error:
        raise Rejected("the payload is no number") from error
    if not math.isfinite(number):
        raise Rejected("the number is larger than a double can hold")
    return number


def _decode_object(form: PayloadForm, keys: Sequence[SignalKey], payload: bytes) -> PayloadColumns:
    found = _json(payload)
    if not isinstance(found, dict):
        raise Rejected("the payload is no JSON object")
    positions, values = [], []
    for position, key in enumerate(keys):
        value = found.get(key.name, found)
        if value is found:
            value = _nested(found, key.name)
            if value is found:
                continue
        positions.append(position)
        values.append(_fit(value, key.data_type))
    time_us = _time(found, form)
    return _columns(positions, values, [time_us] * len(values), _sequence(found, form))


def _nested(found: dict[str, Any], name: str) -> Any:
    """Return what stands under a dotted name; the outermost object itself means that it is not there."""
    value: Any = found
    for step in name.split("."):
        if not isinstance(value, dict) or step not in value:
            return found
        value = value[step]
    return value


def _decode_samples(form: PayloadForm, keys: Sequence[SignalKey], payload: bytes) -> PayloadColumns:
    found = _json(payload)
    if not isinstance(found, list):
        raise Rejected("the payload is no JSON array of samples")
    places = {key.name: position for position, key in enumerate(keys)}
    positions, values, times = [], [], []
    sequence = None
    for sample in found:
        if not isinstance(sample, dict):
            raise Rejected("the array holds something else than objects")
        if form.value_key not in sample or form.name_key not in sample:
            raise Rejected(f"a sample lacks '{form.name_key}' or '{form.value_key}'")
        if sequence is None:
            sequence = _sequence(sample, form)
        name = sample[form.name_key]
        position = places.get(name) if isinstance(name, str) else None
        if position is None:
            continue
        positions.append(position)
        values.append(_fit(sample[form.value_key], keys[position].data_type))
        times.append(_time(sample, form))
    return _columns(positions, values, times, sequence)


def _decode_float32(_form: PayloadForm, keys: Sequence[SignalKey], payload: bytes) -> PayloadColumns:
    if len(payload) % 4 or not payload:
        raise Rejected(f"{len(payload)} bytes are no whole number of float32 values")
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        numbers = np.frombuffer(payload, "<f4").astype(np.float64)
    wanted = [(position, int(key.name)) for position, key in enumerate(keys) if key.name.isdecimal() and int(key.name) < len(numbers)]
    if not wanted:
        return _columns([], [], [], None)
    key = np.array([position for position, _ in wanted], np.int32)
    fits = np.array([keys[position].data_type in (DataType.FLOAT, DataType.DOUBLE) for position, _ in wanted])
    value = np.where(fits, numbers[[place for _, place in wanted]], np.nan)
    fit = np.where(fits, Fit.NUMBER, Fit.MISMATCH).astype(np.uint8)
    return PayloadColumns(key, fit, value, fits, np.full(len(key), NO_TIME), None, None)


def _decode_array(form: PayloadForm, keys: Sequence[SignalKey], payload: bytes) -> PayloadColumns:
    found = _msgpack(payload) if is_msgpack(payload) else _json(payload)
    if isinstance(found, list):
        found = {form.value_key: found}
    if not isinstance(found, dict):
        raise Rejected("the payload is neither an array nor an object that holds arrays")
    positions: list[int] = []
    values: list[tuple[Fit, float, str | None]] = []
    times: list[int] = []
    before: list[int] = []
    for position, key in enumerate(keys):
        array = found.get(key.name or form.value_key)
        if array is None:
            continue
        if not isinstance(array, list):
            raise Rejected(f"'{key.name or form.value_key}' is no array")
        own, earlier = _array_times(found, form, len(array))
        positions += [position] * len(array)
        values += [_fit(value, key.data_type) for value in array]
        times += own
        before += earlier
    columns = _columns(positions, values, times, _sequence(found, form))
    if not any(before):
        return columns
    return replace(columns, before_us=np.array(before, np.int64))


def _array_times(found: dict[str, Any], form: PayloadForm, n: int) -> tuple[list[int], list[int]]:
    """Return the time of each of ``n`` values, and how long before the newest each was true where there is no time."""
    base = found.get(form.time_key)
    if isinstance(base, list):
        if len(base) != n:
            raise Rejected(f"'{form.time_key}' holds {len(base)} times for {n} values")
        return [time_of(one, form) for one in base], [0] * n
    start = time_of(base, form)
    if n < 2:
        return [start] * n, [0] * n
    offsets = array_offsets(interval_of(found.get(form.interval_key), form), n).tolist()
    if start == NO_TIME:
        return [NO_TIME] * n, [offsets[-1] - offset for offset in offsets]
    _within(start + offsets[-1], form)
    return [start + offset for offset in offsets], [0] * n


def array_offsets(interval_us: float, n: int) -> npt.NDArray[np.int64]:
    """Return how long after the first each of ``n`` values was true."""
    offsets: npt.NDArray[np.int64] = np.rint(np.arange(n) * interval_us).astype(np.int64)
    return offsets


def interval_of(interval: object, form: PayloadForm) -> float:
    """Return the time from one value of an array to the next, microseconds. Raises Rejected where nothing says it."""
    if interval is None:
        if form.interval_us is None:
            raise Rejected(f"neither '{form.interval_key}' nor interval_ms tells how far apart the values are")
        return form.interval_us
    if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0 < interval * _UNITS[form.time_unit] <= _DAY_US:
        raise Rejected(f"'{form.interval_key}' is no time from one value to the next")
    return interval * _UNITS[form.time_unit]


_FORMS: dict[str, Callable[[PayloadForm, Sequence[SignalKey], bytes], PayloadColumns]] = {
    "value": _decode_value,
    "object": _decode_object,
    "samples": _decode_samples,
    "float32": _decode_float32,
    "array": _decode_array,
}


def _columns(positions: list[int], values: list[tuple[Fit, float, str | None]], times: list[int], sequence: int | None) -> PayloadColumns:
    fit = np.array([v[0] for v in values], np.uint8)
    texts = [v[2] for v in values]
    return PayloadColumns(
        np.array(positions, np.int32),
        fit,
        np.array([v[1] for v in values], np.float64),
        fit == Fit.NUMBER,
        np.array(times, np.int64),
        texts if any(text is not None for text in texts) else None,
        sequence,
    )


def _fit(value: Any, data_type: DataType) -> tuple[Fit, float, str | None]:
    if type(value) is float:
        return _fit_float(value, data_type)
    if value is None:
        return Fit.NULL, math.nan, None
    if isinstance(value, bool):
        return (Fit.NUMBER, float(value), None) if data_type is DataType.BOOLEAN else (Fit.MISMATCH, math.nan, None)
    if isinstance(value, int):
        return _fit_integer(value, data_type)
    if isinstance(value, str) and data_type is DataType.STRING and storable(value):
        return Fit.TEXT, math.nan, value
    return Fit.MISMATCH, math.nan, None


def _fit_float(value: float, data_type: DataType) -> tuple[Fit, float, str | None]:
    if data_type is DataType.DOUBLE:
        return Fit.NUMBER, value, None
    if data_type is DataType.FLOAT:
        if math.isfinite(value) and abs(value) >= _FLOAT_MAX:
            return Fit.MISMATCH, math.nan, None
        return Fit.NUMBER, value, None
    if data_type in _INTEGER_SPANS and value.is_integer() and abs(value) <= _EXACT:
        return _fit_integer(int(value), data_type)
    return Fit.MISMATCH, math.nan, None


def _fit_integer(value: int, data_type: DataType) -> tuple[Fit, float, str | None]:
    if data_type is DataType.BOOLEAN:
        return (Fit.NUMBER, float(value), None) if value in (0, 1) else (Fit.MISMATCH, math.nan, None)
    if data_type in (DataType.DOUBLE, DataType.FLOAT):
        if abs(value) >= 2**1023:
            return Fit.MISMATCH, math.nan, None
        return Fit.NUMBER, float(value), None if abs(value) <= _EXACT else str(value)
    span = _INTEGER_SPANS.get(data_type)
    if span is None or not span[0] <= value <= span[1]:
        return Fit.MISMATCH, math.nan, None
    return Fit.NUMBER, float(value), None if abs(value) <= _EXACT else str(value)


def storable(text: str) -> bool:
    """Return whether a text can be kept: no database keeps the character NUL, and none needs a novel."""
    return len(text) <= _LONGEST_TEXT and "\0" not in text


def _stored_text(text: str) -> str:
    if "\0" in text:
        raise Rejected("a text holds the character NUL, which no database keeps")
    if len(text) > _LONGEST_TEXT:
        raise Rejected(f"a text of {len(text):,} characters is longer than {_LONGEST_TEXT:,}")
    return text


def _utf8(payload: bytes) -> str:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(f"the payload is no UTF-8: {error.reason} at byte {error.start}") from error
    if text.startswith("\ufeff"):
        raise Rejected("the payload begins with a byte order mark, which MQTT and JSON do not have")
    return _stored_text(text)


def _json(payload: bytes) -> Any:
    # The parser recurses: counting brackets first keeps it, and what looks into its result, from running out of stack.
    if payload.count(b"[") + payload.count(b"{") > _DEEPEST and _depth(payload) > _DEEPEST:
        raise Rejected(f"the payload nests deeper than {_DEEPEST} levels")
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(f"the payload is no JSON: {error}") from error
    return found


def is_msgpack(payload: bytes) -> bool:
    """Return whether a payload begins as a map or an array of MessagePack does; no JSON begins so."""
    return payload[:1] >= b"\x80"


def _msgpack(payload: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(payload)
    except msgspec.MsgspecError as error:
        raise Rejected(f"the payload is no MessagePack: {error}") from error


def _depth(payload: bytes) -> int:
    brackets = np.frombuffer(payload, np.uint8)
    step = np.isin(brackets, (0x5B, 0x7B)).astype(np.int32) - np.isin(brackets, (0x5D, 0x7D))
    return int(np.cumsum(step).max())


def _sequence(found: dict[str, Any], form: PayloadForm) -> int | None:
    sequence = found.get(form.sequence_key)
    if sequence is None:
        return None
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence < 2**63:
        raise Rejected(f"'{form.sequence_key}' is no whole number of 0 or more")
    return sequence


def _time(found: dict[str, Any], form: PayloadForm) -> int:
    return time_of(found.get(form.time_key), form)


def time_of(time: object, form: PayloadForm) -> int:
    """Return a time as microseconds since 1970, NO_TIME for none. Raises Rejected, and what reading a text raises."""
    if time is None:
        return NO_TIME
    if isinstance(time, bool):
        raise Rejected(f"'{form.time_key}' is no time")
    if isinstance(time, int):
        times, by = _UNITS_WHOLE[form.time_unit]
        return _within(time * times // by, form)
    if isinstance(time, float):
        return _within(round(time * _UNITS[form.time_unit]), form)
    if isinstance(time, str) and len(time) < 64:
        return _within(_iso(time), form)
    raise Rejected(f"'{form.time_key}' is no time")


def whole_number_limits(form: PayloadForm) -> tuple[int, int, int]:
    """Return by what a whole-numbered time is multiplied, divided, and how far from 1970 it may lie, to be microseconds."""
    times, by = _UNITS_WHOLE[form.time_unit]
    return times, by, _LATEST_US * by // times


def _iso(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _within(time_us: int, form: PayloadForm) -> int:
    if abs(time_us) > _LATEST_US:
        raise Rejected(f"'{form.time_key}' lies outside the years 1 to 9999: is time_unit '{form.time_unit}' right?")
    return time_us
