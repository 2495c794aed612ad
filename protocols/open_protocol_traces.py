"""Traces over Open Protocol: torque and angle as 16-bit numbers behind a head of text, and how they are subscribed to.

MID 0900 and 0901, R 2.8.0, 5.27 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.errors import Rejected
from plant.tightening import MOST_SAMPLES, TraceKind
from protocols.open_protocol import HEADER_BYTES, TRACE, TRACE_PLOT, Telegram, parse_number, parse_text, parse_time, time_word

COEFFICIENT_DIVIDES: Final = 2213
COEFFICIENT_MULTIPLIES: Final = 2214
STAGE_SAMPLES: Final = (2215, 2216, 2217, 2218)
BOLT_NUMBER: Final = 1301
_MOST_FIELDS: Final = 999
_KINDS: Final = dict(enumerate(TraceKind, 1))
_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}
_US_PER_UNIT: Final = {200: 1e6, 201: 6e7, 202: 1e3, 203: 3.6e9}
_TORQUE_UNITS: Final = {
    0: 1.0,
    1: 1.0,
    2: 1.3558179483314,
    3: 0.01,
    4: 1e3,
    5: 1e6,
    6: 0.1129848290276167,
    7: 9.80665,
    8: 0.0980665,
    10: 0.00706155181422604,
    11: 0.1,
}
_PER_UNIT: Final = {TraceKind.TORQUE: _TORQUE_UNITS, TraceKind.ANGLE: {0: 1.0, 50: 1.0, 51: 180 / math.pi}}
"""What a unit is worth in N.m or degrees; the other kinds are kept in the unit they come in."""


@dataclass(frozen=True, slots=True)
class DataField:
    """A field that tells its own id, type and unit (R 2.8.0, 2.4)."""

    parameter: int
    value: str
    data_type: int = 1
    unit: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class Resolution:
    """From one sample to another: microseconds between two of them."""

    first: int
    last: int
    interval_us: float


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace as it came. ``counts`` times ``resolution`` is the quantity in N.m, degrees or the unit it came in."""

    tightening_id: int
    time: datetime
    kind: TraceKind
    transducer: int
    resolution: float
    counts: npt.NDArray[np.int16]
    common: tuple[DataField, ...] = ()
    fields: tuple[DataField, ...] = ()
    resolutions: tuple[Resolution, ...] = ()

    @property
    def steps(self) -> tuple[int, ...]:
        """The first sample of each step, as far as the controller tells of up to four of them."""
        sizes = {field.parameter: field.value for field in (*self.common, *self.fields) if field.parameter in STAGE_SAMPLES}
        starts, at = [], 0
        for parameter in STAGE_SAMPLES:
            word = sizes.get(parameter, "")
            if not word.isdecimal() or not int(word):
                continue
            starts.append(at)
            at += int(word)
        return tuple(start for start in starts if start < len(self.counts))

    @property
    def bolt(self) -> int | None:
        """The number of the bolt, where the controller tells one."""
        words = [field.value for field in (*self.common, *self.fields) if field.parameter == BOLT_NUMBER]
        return int(words[0]) if words and words[0].isdecimal() and len(words[0]) <= 9 else None


class _Reader:
    """Walks through a data field; each step says where it stands when something is wrong."""

    def __init__(self, telegram: Telegram) -> None:
        self.data = telegram.data
        self.at = 0
        self.mid = telegram.mid

    def where(self, name: str) -> str:
        return f"MID {self.mid:04d}, byte {HEADER_BYTES + self.at + 1}, {name}"

    def word(self, width: int, name: str) -> bytes:
        found = self.data[self.at : self.at + width]
        if len(found) != width:
            raise Rejected(f"{self.where(name)}: takes {width} bytes, {len(found)} are left")
        self.at += width
        return found

    def number(self, width: int, name: str) -> int:
        where = self.where(name)
        number = parse_number(self.word(width, name), where)
        if number < 0:
            raise Rejected(f"{where}: {number} is below 0")
        return number

    def fields(self, name: str) -> tuple[DataField, ...]:
        count = self.number(3, f"number of {name}")
        found = []
        for _ in range(count):
            parameter, length = self.number(5, "parameter id"), self.number(3, "length")
            data_type, unit, step = self.number(2, "data type"), self.number(3, "unit"), self.number(4, "step")
            where = self.where(f"value of parameter {parameter:05d}")
            found.append(DataField(parameter, parse_text(self.word(length, f"parameter {parameter:05d}"), where), data_type, unit, step))
        return tuple(found)


def parse_trace(telegram: Telegram) -> Trace:
    """Return the trace that MID 0900 holds. Raises Rejected, saying where and what, for one that is not whole."""
    if telegram.mid != TRACE or telegram.revision != 1:
        raise Rejected(f"MID {telegram.mid:04d} revision {telegram.revision} is no trace that is known")
    reader = _Reader(telegram)
    tightening_id = reader.number(10, "result id")
    where = reader.where("time")
    time = parse_time(reader.word(19, "time"), where)
    if time is None:
        raise Rejected(f"{where}: a trace without a time")
    common = reader.fields("common fields")
    where = reader.where("trace type")
    number = reader.number(2, "trace type")
    if number not in _KINDS:
        raise Rejected(f"{where}: there is no trace type {number}")
    transducer, unit = reader.number(2, "transducer"), reader.number(3, "unit")
    fields = reader.fields("fields")
    resolutions = tuple(_resolution(reader) for _ in range(reader.number(3, "number of resolutions")))
    count = reader.number(5, "number of samples")
    where = reader.where("NUL before the samples")
    if reader.word(1, "NUL before the samples") != b"\0":
        raise Rejected(f"{where}: there is none")
    content = telegram.data[reader.at :]
    if len(content) != 2 * count:
        raise Rejected(f"{reader.where('samples')}: {count} of 2 bytes are announced, {len(content)} bytes are there")
    counts = np.frombuffer(content, ">i2").astype(np.int16)
    return Trace(tightening_id, time, _KINDS[number], transducer, _worth(_KINDS[number], unit, fields), counts, common, fields, resolutions)


def encode_trace(trace: Trace, unit: int = 0) -> bytes:
    """Return the data field of MID 0900; ``fields`` must tell the coefficient."""
    if len(trace.counts) > MOST_SAMPLES:
        raise Rejected(f"a trace of {len(trace.counts)} samples is too long")
    content = f"{trace.tightening_id:010d}{time_word(trace.time)}".encode("ascii") + _encode_fields(trace.common)
    content += f"{_NUMBERS[trace.kind]:02d}{trace.transducer:02d}{unit:03d}".encode("ascii") + _encode_fields(trace.fields)
    content += f"{len(trace.resolutions):03d}".encode("ascii")
    for one in trace.resolutions:
        word = _plain(one.interval_us / 1000)
        content += f"{one.first:05d}{one.last:05d}{len(word):03d}03202{word}".encode("ascii")
    return content + f"{len(trace.counts):05d}\0".encode("ascii") + trace.counts.astype(">i2").tobytes()


def parse_plot(telegram: Telegram) -> tuple[int, datetime | None, tuple[DataField, ...]]:
    """Return the result id, the time and the limits of MID 0901, by which a trace is drawn. Raises Rejected as ``parse_trace`` does."""
    if telegram.mid != TRACE_PLOT or telegram.revision != 1:
        raise Rejected(f"MID {telegram.mid:04d} revision {telegram.revision} holds no plot parameters that are known")
    reader = _Reader(telegram)
    number = reader.number(10, "result id")
    where = reader.where("time")
    time = parse_time(reader.word(19, "time"), where)
    fields = reader.fields("fields")
    if reader.data[reader.at :].strip(b" "):
        raise Rejected(f"{reader.where('end')}: {len(reader.data) - reader.at} bytes more than announced")
    return number, time, fields


def encode_plot(number: int, time: datetime, fields: Sequence[DataField]) -> bytes:
    """Return the data field of MID 0901."""
    return f"{number:010d}{time_word(time)}".encode("ascii") + _encode_fields(fields)


def trace_subscription(kinds: Sequence[TraceKind]) -> bytes:
    """Return the data field of MID 0008 that subscribes to new traces of some kinds (R 2.8.0, table 158)."""
    extra = "0" + " " * 29 + f"{len(kinds):02d}" + "".join(f"{_NUMBERS[kind]:03d}" for kind in kinds)
    return f"{TRACE:04d}001{len(extra):02d}{extra}".encode("ascii")


def parse_subscription(telegram: Telegram) -> tuple[int, int, bytes]:
    """Return the MID, the revision and the extra data that MID 0008 or 0009 names. Raises Rejected where they are not whole."""
    reader = _Reader(telegram)
    mid, revision, length = reader.number(4, "MID"), reader.number(3, "revision"), reader.number(2, "length of extra data")
    extra = reader.word(length, "extra data")
    if reader.data[reader.at :].strip(b" "):
        raise Rejected(f"{reader.where('extra data')}: more than the {length} bytes announced")
    return mid, revision, extra


def subscribed_kinds(extra: bytes) -> tuple[TraceKind, ...]:
    """Return which traces the extra data of a subscription name. Raises Rejected for a number that stands for none."""
    if len(extra) < 32 or not extra[30:32].isdigit() or len(extra) != 32 + 3 * int(extra[30:32]):
        raise Rejected(f"{extra!r} names no trace types")
    numbers = [extra[at : at + 3] for at in range(32, len(extra), 3)]
    kinds = [_KINDS.get(int(number)) if number.isdigit() else None for number in numbers]
    if None in kinds:
        raise Rejected(f"{extra!r} names a trace type that is none")
    return tuple(kind for kind in kinds if kind is not None)


def _resolution(reader: _Reader) -> Resolution:
    first, last, length = reader.number(5, "first index"), reader.number(5, "last index"), reader.number(3, "length")
    reader.number(2, "data type")
    where = reader.where("time unit")
    unit = reader.number(3, "time unit")
    if unit not in _US_PER_UNIT:
        raise Rejected(f"{where}: {unit} is no unit of time")
    where = reader.where("time value")
    value = _float(reader.word(length, "time value"), where)
    if value < 0 or last < first:
        raise Rejected(f"{where}: {value} from sample {first} to {last}")
    return Resolution(first, last, value * _US_PER_UNIT[unit])


def _worth(kind: TraceKind, unit: int, fields: Sequence[DataField]) -> float:
    units = _PER_UNIT.get(kind)
    if units is not None and unit not in units:
        raise Rejected(f"MID 0900: a trace of {kind.value} in the unit {unit:03d}")
    per_unit = 1.0 if units is None else units[unit]
    for field in fields:
        if field.parameter in (COEFFICIENT_DIVIDES, COEFFICIENT_MULTIPLIES):
            where = f"MID 0900, parameter {field.parameter:05d}"
            value = _float(field.value.encode("utf-8"), where)
            if value == 0:
                raise Rejected(f"{where}: a coefficient of 0")
            worth = per_unit / value if field.parameter == COEFFICIENT_DIVIDES else per_unit * value
            if not math.isfinite(worth) or worth == 0:
                raise Rejected(f"{where}: a coefficient of {value}")
            return worth
    raise Rejected("MID 0900: no coefficient (parameter 02213 or 02214) tells what the samples are worth")


def _float(word: bytes, where: str) -> float:
    try:
        value = float(word.decode("ascii"))
    except (UnicodeDecodeError, ValueError) as error:
        raise Rejected(f"{where}: {word[:40]!r} is no number") from error
    if not math.isfinite(value):
        raise Rejected(f"{where}: {word[:40]!r} is no finite number")
    return value


def _encode_fields(fields: Sequence[DataField]) -> bytes:
    if len(fields) > _MOST_FIELDS:
        raise Rejected(f"{len(fields)} fields are more than {_MOST_FIELDS}")
    content = f"{len(fields):03d}".encode("ascii")
    for field in fields:
        value = field.value.encode("utf-8")
        content += f"{field.parameter:05d}{len(value):03d}{field.data_type:02d}{field.unit:03d}{field.step:04d}".encode("ascii") + value
    return content


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".") or "0"
