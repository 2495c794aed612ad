"""What the forms of payload share: reading many of one type, their times and numbers, and which of their values fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from plant.errors import Rejected
from plant.samples import NO_TIME
from plant.signals import DataType
from protocols.mqtt_many_columns import NO_SEQUENCE, Bools, Floats, Ints, Parts
from protocols.mqtt_payloads import PayloadForm, SignalKey, time_of, whole_number_limits

_EXACT: Final = 2.0**53 - 1
"""Beyond it a double may stand for another whole number than the one written."""
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError, MemoryError, OverflowError)


class Head:
    """The time and the number of messages that are objects."""

    def __init__(self, form: PayloadForm) -> None:
        self._form = form

    def read(self, parts: Parts, at: list[int], times: Sequence[object], numbers: Sequence[int | None]) -> tuple[Ints, Bools]:
        """Note the numbers of the messages at these positions; return their times and which of them can be used."""
        usable = np.ones(len(at), np.bool_)
        time_us = times_of(times, self._form, usable)
        try:
            sequence = np.array([NO_SEQUENCE if one is None else one for one in numbers] if None in numbers else numbers, np.int64)
        except OverflowError:
            sequence = np.array([NO_SEQUENCE if one is None or not 0 <= one < 2**63 else one for one in numbers], np.int64)
            usable &= np.array([one is None or 0 <= one < 2**63 for one in numbers])
        usable &= (sequence >= 0) | (np.array([one is None for one in numbers]) if None in numbers else False)
        where = np.array(at, np.int64)
        parts.sequence[where[usable]] = sequence[usable]
        if not usable.all():
            parts.odd += where[~usable].tolist()
        return time_us, usable


def times_of(times: Sequence[object], form: PayloadForm, usable: Bools) -> Ints:
    """Return times in microseconds, NO_TIME where there is none; what cannot be one is marked in ``usable``."""
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
        except (Rejected, *UNREADABLE):
            usable[n] = False
    return found


def spans_of(keys: Sequence[SignalKey]) -> tuple[Floats, Floats, Bools]:
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


def within(value: Floats, low: Any, high: Any, whole: Any) -> Bools:
    """Return which values lie in their span, and are whole where they must be."""
    inside: Bools = (value >= low) & (value <= high) & (~np.asarray(whole) | (np.floor(value) == value))
    return inside


def json_type(data_type: DataType) -> Any:
    """Return the type that JSON has for values of a signal."""
    if data_type is DataType.BOOLEAN:
        return bool
    return str if data_type is DataType.STRING else float


def named(fields: Sequence[tuple[str, str, Any, Any]]) -> Any:
    """Return a struct with fields (our name, their name, type, default)."""
    return msgspec.defstruct(
        "Payload",
        [(ours, kind, default) for ours, _, kind, default in fields],
        rename={ours: theirs for ours, theirs, _, _ in fields},
        gc=False,
    )


def head_fields(form: PayloadForm) -> list[tuple[str, str, Any, Any]]:
    """Return the fields of an object's time and number."""
    return [("time", form.time_key, int | float | str | None, None), ("number", form.sequence_key, int | None, None)]


def decoded(read: Callable[[bytes], Any], payloads: Sequence[bytes], parts: Parts) -> tuple[list[int], list[Any]]:
    """Return the positions of the payloads that could be read, and what they hold."""
    found: list[Any] = []
    failed: list[int] = []
    for n, payload in enumerate(payloads):
        try:
            found.append(read(payload))
        except UNREADABLE:
            failed.append(n)
    at = list(range(len(payloads)))
    if not all(map(bytes.isascii, payloads)):
        # what nobody asked for is skipped by the quick way, but must be text all the same
        broken = {n for n, payload in enumerate(payloads) if not payload.isascii() and not is_utf8(payload)}
        skipped = set(failed)
        left = [n for n in at if n not in skipped]
        found = [one for n, one in zip(left, found, strict=True) if n not in broken]
        failed = sorted(skipped | broken)
    if failed:
        gone = set(failed)
        parts.odd += failed
        at = [n for n in at if n not in gone]
    return at, found


def is_utf8(payload: bytes) -> bool:
    """Return whether a payload is text."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
