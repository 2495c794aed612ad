"""What a birth tells of metrics, and how the values of later messages become those of our signals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from plant.errors import Rejected
from plant.signals import DataType
from plant.status import BAD, BAD_DATA_UNAVAILABLE, GOOD, UNCERTAIN, UNCERTAIN_LAST_USABLE_VALUE
from protocols.sparkplug_payload import ELEMENT_TYPES, MetricRow, MetricType, Payload, Value, is_read, properties_of, value_of
from protocols.sparkplug_topics import MetricAddress

_EXACT: Final = 2**53
_LONGEST_TEXT: Final = 65_536
_EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: an earlier time is a clock that was never set."""
_AHEAD_MS: Final = 86_400_000
_SPANS: Final = {
    DataType.SBYTE: (-(2**7), 2**7 - 1),
    DataType.BYTE: (0, 2**8 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}
_REALS: Final = (DataType.DOUBLE, DataType.FLOAT)
_REAL_TYPES: Final = (MetricType.DOUBLE, MetricType.FLOAT)
_REAL_FIELDS: Final = ("double_value", "float_value")
_USUAL_TYPES: Final = (0, *_REAL_TYPES)
_FIELD_TYPES: Final = {
    "float_value": MetricType.FLOAT,
    "double_value": MetricType.DOUBLE,
    "boolean_value": MetricType.BOOLEAN,
    "string_value": MetricType.STRING,
}
_SIGNED: Final = (DataType.SBYTE, DataType.INT16, DataType.INT32, DataType.INT64)
_GOOD_QUALITY: Final = 192
_STALE_QUALITY: Final = 500


@dataclass(frozen=True, slots=True)
class Target:
    """One signal that a metric, or one element of it, feeds."""

    place: int
    data_type: DataType
    element: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric of a birth."""

    name: str
    datatype: int
    targets: tuple[Target, ...]
    real_place: int = -1
    """The one signal that a real number feeds as it comes: the usual case, read without further questions."""


class Wanted:
    """The signals that one edge node or device feeds, by the names of its metrics."""

    def __init__(self) -> None:
        self._whole: dict[str, list[Target]] = {}
        self._parts: dict[str, list[Target]] = {}
        self.places: list[int] = []

    def add(self, place: int, address: MetricAddress, data_type: DataType) -> None:
        """Take one signal up."""
        self.places.append(place)
        self._whole.setdefault(address.metric, []).append(Target(place, data_type))
        part = address.element
        if part is not None:
            self._parts.setdefault(part[0], []).append(Target(place, data_type, part[1]))

    def entry(self, name: str, datatype: int) -> Entry:
        """Return what a metric of a name and type means to us."""
        targets = self._whole.get(name, [])
        parts = self._parts.get(name, []) if datatype in ELEMENT_TYPES else []
        real = datatype in _REAL_TYPES and len(targets) == 1 and targets[0].data_type in _REALS
        return Entry(name, datatype, (*targets, *parts), targets[0].place if real else -1)


@dataclass(slots=True)
class Table:
    """The metrics of one edge node or device since its birth."""

    names: dict[str, Entry] = field(default_factory=dict)
    aliases: dict[int, Entry] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    """Signals' metrics whose type is not read: DataSet, Template."""


@dataclass(slots=True)
class Samples:
    """Values of our signals out of one message, as columns of equal length; ``rejected`` and ``unknown`` have no place in them."""

    place: list[int] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    own_time: list[bool] = field(default_factory=list)
    """Whether the time is the sender's; ours otherwise."""
    value: list[float] = field(default_factory=list)
    has_value: list[bool] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    historical: list[bool] = field(default_factory=list)
    birth: bool = False
    sent_us: int = 0
    """When the message was sent, by its own word; 0 where it does not say."""
    duplicate: bool = False
    """The message came before."""
    mismatched: list[int] = field(default_factory=list)
    """Places of signals whose value has another type than they are pinned to."""
    transient: int = 0
    """Values of our signals that the sender asks not to keep."""
    unknown: int = 0
    """Metrics by aliases that no birth has told of."""

    def __len__(self) -> int:
        return len(self.place)

    def put(self, place: int, time_us: int, value: float, text: str | None, status: int, *, own: bool, has: bool, historical: bool) -> None:
        """Add one value."""
        self.place.append(place)
        self.time_us.append(time_us)
        self.own_time.append(own)
        self.value.append(value)
        self.has_value.append(has)
        self.text.append(text)
        self.status.append(status)
        self.historical.append(historical)


def table_of(payload: Payload, wanted: Wanted) -> Table:
    """Return the table that a birth gives."""
    table = Table()
    for row in payload.metrics:
        if not row.name:
            continue
        entry = wanted.entry(row.name, row.datatype)
        table.names[row.name] = entry
        if row.alias >= 0:
            table.aliases[row.alias] = entry
        if entry.targets and not is_read(row.datatype):
            table.unreadable.append(row.name)
    return table


def samples_of(payload: Payload, table: Table, wanted: Wanted, now_us: int, *, birth: bool = False) -> Samples:
    """Return what a message says of our signals."""
    sent_us, sent_own = _moment(payload.time_ms, 0, now_us)
    found = Samples(birth=birth, sent_us=sent_us if sent_own else 0)
    names, aliases = table.names, table.aliases
    latest_ms = now_us // 1000 + _AHEAD_MS
    for row in payload.metrics:
        entry = names.get(row.name) if row.name else aliases.get(row.alias)
        if entry is None:
            if not row.name:
                found.unknown += 1
                continue
            entry = wanted.entry(row.name, row.datatype)
        time_ms = row.time_ms or payload.time_ms
        if entry.real_place >= 0 and _is_usual(row) and _EARLIEST_MS <= time_ms <= latest_ms:
            found.put(entry.real_place, time_ms * 1000, row.raw, None, GOOD, own=True, has=True, historical=row.historical)
        elif entry.targets:
            _take(found, row, entry, payload.time_ms, now_us)
    return found


def by_name_only(payload: Payload) -> bool:
    """Return whether a message can be read without any birth."""
    return all(row.name for row in payload.metrics)


def agree(payload: Payload, former: Table, later: Table) -> bool:
    """Return whether two tables mean the same by all aliases of a message."""
    for row in payload.metrics:
        if row.name:
            continue
        before, after = former.aliases.get(row.alias), later.aliases.get(row.alias)
        if before is None or after is None or (before.name, before.datatype) != (after.name, after.datatype):
            return False
    return True


def whole_number(payload: Payload, name: str) -> int | None:
    """Return the whole number that a message gives under a name, None where it gives none."""
    for row in payload.metrics:
        if row.name == name and row.field in ("int_value", "long_value"):
            return int(row.raw)
    return None


def missing_of(table: Table, wanted: Wanted) -> list[int]:
    """Return the places of the signals that a birth does not tell of."""
    told = {target.place for entry in table.names.values() for target in entry.targets}
    return [place for place in wanted.places if place not in told]


def _moment(metric_ms: int, payload_ms: int, now_us: int) -> tuple[int, bool]:
    """Return a time in microseconds, and whether it is the sender's: ours where it says none or an impossible one."""
    time_ms = metric_ms or payload_ms
    if _EARLIEST_MS <= time_ms <= now_us // 1000 + _AHEAD_MS:
        return time_ms * 1000, True
    return now_us, False


def _is_usual(row: MetricRow) -> bool:
    """Return whether a metric is a real number and nothing else."""
    return row.field in _REAL_FIELDS and not row.properties and not row.transient and not row.null and row.datatype in _USUAL_TYPES


def _take(found: Samples, row: MetricRow, entry: Entry, payload_ms: int, now_us: int) -> None:
    if row.transient:
        found.transient += len(entry.targets)
        return
    time_us, own = _moment(row.time_ms, payload_ms, now_us)
    try:
        status = _status(row.properties) if row.properties else GOOD
    except Rejected:
        status = UNCERTAIN
    if row.null or row.field is None:
        for target in entry.targets:
            found.put(target.place, time_us, math.nan, None, status or BAD_DATA_UNAVAILABLE, own=own, has=False, historical=row.historical)
        return
    try:
        value = row.raw if _plain(row, entry) else value_of(_type_of(row, entry), row.field, row.raw)
    except Rejected:
        found.mismatched += [target.place for target in entry.targets]
        return
    for target in entry.targets:
        fitted = _fit(_element(value, target.element), target.data_type)
        if fitted is None:
            found.mismatched.append(target.place)
            continue
        number, text = fitted
        has = not target.data_type.is_text
        found.put(target.place, time_us, number, text, status, own=own, has=has, historical=row.historical)


def _plain(row: MetricRow, entry: Entry) -> bool:
    """Return whether the value is a real number as it came."""
    return row.field in _REAL_FIELDS and (row.datatype or entry.datatype) in _REAL_TYPES


def _type_of(row: MetricRow, entry: Entry) -> int:
    """Return the type of a value: what the message says, else the birth, else what its field and our signal let one expect."""
    told = row.datatype or entry.datatype
    if told:
        return told
    if row.field in _FIELD_TYPES:
        return _FIELD_TYPES[row.field]
    signed = any(target.data_type in _SIGNED for target in entry.targets)
    if row.field == "int_value":
        return MetricType.INT32 if signed else MetricType.UINT32
    return MetricType.INT64 if signed else MetricType.UINT64


def _element(value: Value, element: int | None) -> Value:
    if element is None:
        return value
    return value[element] if isinstance(value, list) and element < len(value) else None


def _fit(value: Value, data_type: DataType) -> tuple[float, str | None] | None:
    """Return number and text of a value as its signal's type has them, None where it does not fit."""
    if isinstance(value, bool):
        return (float(value), None) if data_type is DataType.BOOLEAN else None
    if isinstance(value, float):
        return (value, None) if data_type in _REALS else None
    if isinstance(value, int):
        if data_type not in _REALS:
            span = _SPANS.get(data_type)
            if span is None or not span[0] <= value <= span[1]:
                return None
        return float(value), None if abs(value) <= _EXACT else str(value)
    if isinstance(value, str) and data_type is DataType.STRING and "\0" not in value and len(value) <= _LONGEST_TEXT:
        return math.nan, value
    return None


def _status(properties: bytes) -> int:
    """Return the OPC UA status that the property Quality means: 192 is good, 0 bad, 500 stale."""
    quality = properties_of(properties).get("Quality")
    if quality is None or isinstance(quality, bool) or not isinstance(quality, int) or quality == _GOOD_QUALITY:
        return GOOD
    if quality == _STALE_QUALITY:
        return UNCERTAIN_LAST_USABLE_VALUE
    return BAD if quality == 0 else UNCERTAIN
