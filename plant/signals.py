"""What is measured: signals, their data types and what of their values is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from plant.equipment import EquipmentId

SignalPath = NewType("SignalPath", str)
"""The slash path of a signal: its equipment's path and its name, e.g. ``acme/north/welding/cell-1/robot-3/current``."""

SourceId = NewType("SourceId", str)
"""The name of one connection that is read."""


class DataType(StrEnum):
    """The type a signal is pinned to, by the names of OPC UA's built-in types in lower case."""

    BOOLEAN = "boolean"
    SBYTE = "sbyte"
    BYTE = "byte"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"

    @property
    def is_text(self) -> bool:
        """Whether values are text and have no number."""
        return self is DataType.STRING


class StoreRule(StrEnum):
    """Which of the values read are kept; the others are counted, never lost in silence."""

    NEW_SOURCE_TIME = "new_source_time"
    """Keep a value when its source time is new; a read that meets a stored source time is ``unchanged``."""
    EVERY_READ = "every_read"
    """Keep each read, at the time of reading where the source time did not move."""
    ON_CHANGE = "on_change"
    """Keep a value when value or status differ from the last one kept; the rest is ``filtered``."""


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval in the signal's unit."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a value stops being normal, in the signal's unit; None where there is no such limit (IEC 62682 names)."""

    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured quantity of one equipment."""

    path: SignalPath
    equipment: EquipmentId
    name: str
    data_type: DataType
    unit: str
    """UCUM code, empty for counts and text."""
    source: SourceId
    address: str
    """How the source names it: NodeId with namespace URI or browse path (OPC UA), topic and key (MQTT)."""
    interval_us: int
    """Wanted sampling interval; 0 where the source sends when it likes."""
    store: StoreRule = StoreRule.NEW_SOURCE_TIME
    range: Range | None = None
    limits: Limits = Limits()
    description: str = ""
    deadband: float | None = None
    """A value no further from the last one stored than this, in the signal's unit, is counted as filtered."""
    deadband_percent: float | None = None
    """The same in percent of ``range``."""
