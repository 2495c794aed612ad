"""The catalogue: which equipment, sources and signals exist, with the numbers that sample rows carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plant.equipment import EquipmentId, Level
from plant.settings import OpcUaSourceSettings, OpenProtocolSourceSettings, SourceSettings, SparkplugSourceSettings
from plant.signals import DataType, Limits, Range, Signal, SignalPath, SourceId, StoreRule
from plant.site import Site
from storage.database import Connection, micros, translate_errors

_EQUIPMENT = """
INSERT INTO equipment (path, name, kind, level, parent_id, position)
VALUES (%s, %s, %s, %s, (SELECT id FROM equipment WHERE path = %s), %s)
ON CONFLICT (path) DO UPDATE SET name = excluded.name, kind = excluded.kind, level = excluded.level,
    parent_id = excluded.parent_id, position = excluded.position
"""
_SOURCE = """
INSERT INTO source (name, protocol, url, interval_us, insecure) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET protocol = excluded.protocol, url = excluded.url, interval_us = excluded.interval_us,
    insecure = excluded.insecure, retired = false
"""
_SIGNAL = """
INSERT INTO signal (path, equipment_id, name, data_type, unit, source_id, address, interval_us, store_rule, range_low, range_high,
    limit_low_low, limit_low, limit_high, limit_high_high, description, position, may_rest)
VALUES (%s, (SELECT id FROM equipment WHERE path = %s), %s, %s, %s, (SELECT id FROM source WHERE name = %s),
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (path) DO UPDATE SET equipment_id = excluded.equipment_id, name = excluded.name, data_type = excluded.data_type,
    unit = excluded.unit, source_id = excluded.source_id, address = excluded.address, interval_us = excluded.interval_us,
    store_rule = excluded.store_rule, range_low = excluded.range_low, range_high = excluded.range_high,
    limit_low_low = excluded.limit_low_low, limit_low = excluded.limit_low, limit_high = excluded.limit_high,
    limit_high_high = excluded.limit_high_high, description = excluded.description, position = excluded.position,
    may_rest = excluded.may_rest, retired = false
"""
_LOCK = 5_347_610_231


@dataclass(frozen=True, slots=True)
class EquipmentRow:
    """One node of the hierarchy."""

    id: EquipmentId
    name: str
    kind: str
    level: Level
    parent: EquipmentId | None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One connection that is read."""

    id: SourceId
    protocol: str
    url: str
    interval_us: int
    """Wanted interval; 0 where the source sends when it likes."""
    insecure: bool
    """Read without security because the settings allow it by name."""
    retired: bool


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One signal and its number."""

    id: int
    path: SignalPath
    equipment: EquipmentId
    name: str
    data_type: DataType
    unit: str
    source: SourceId
    address: str
    interval_us: int
    range: Range | None
    limits: Limits
    description: str
    retired: bool
    """No longer in the settings; its samples stay."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is registered: equipment with parents before children, sources and signals by name."""

    equipment: tuple[EquipmentRow, ...]
    sources: tuple[SourceRow, ...]
    signals: tuple[SignalRow, ...]


def register_site(connection: Connection, site: Site) -> None:
    """Write a factory into the catalogue, in one transaction; what the settings no longer name is marked as retired.

    Numbers once given stay. Equipment, sources and signals of other sites in the same database stay as they are.
    """
    with translate_errors(), connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.executemany(_EQUIPMENT, [(e.id, e.name, e.kind, e.level.value, e.parent, n) for n, e in enumerate(site.equipment)])
        cursor.executemany(_SOURCE, [_source_values(source) for source in site.sources])
        # an edge node tells only what changed, and its death makes its values stale
        told = {source.id for source in site.sources if isinstance(source, SparkplugSourceSettings)}
        values = [_signal_values(n, signal, by_exception=signal.source in told) for n, signal in enumerate(site.signals)]
        cursor.executemany(_SIGNAL, values)
        cursor.execute(
            "UPDATE signal SET retired = true WHERE NOT retired AND starts_with(path, %s) AND NOT path = ANY(%s::text[])",
            [f"{site.path}/", [signal.path for signal in site.signals]],
        )
        cursor.execute(
            "UPDATE source s SET retired = true WHERE NOT retired AND NOT name = ANY(%s::text[]) "
            "AND NOT EXISTS (SELECT FROM signal g WHERE g.source_id = s.id AND NOT g.retired)",
            [[source.id for source in site.sources]],
        )


def read_catalogue(connection: Connection) -> Catalogue:
    """Return all equipment, sources and signals, in the order of the settings."""
    with translate_errors():
        equipment = connection.execute(
            "SELECT e.path, e.name, e.kind, e.level, p.path "
            "FROM equipment e LEFT JOIN equipment p ON p.id = e.parent_id ORDER BY e.position, e.id"
        ).fetchall()
        sources = connection.execute("SELECT name, protocol, url, interval_us, insecure, retired FROM source ORDER BY name").fetchall()
        signals = connection.execute(
            "SELECT g.id, g.path, e.path, g.name, g.data_type, g.unit, s.name, g.address, g.interval_us, g.range_low, g.range_high, "
            "g.limit_low_low, g.limit_low, g.limit_high, g.limit_high_high, g.description, g.retired "
            "FROM signal g JOIN equipment e ON e.id = g.equipment_id JOIN source s ON s.id = g.source_id ORDER BY g.position, g.id"
        ).fetchall()
    return Catalogue(
        tuple(EquipmentRow(path, name, kind, Level(level), parent) for path, name, kind, level, parent in equipment),
        tuple(SourceRow(*row) for row in sources),
        tuple(_signal_row(row) for row in signals),
    )


def read_source_times(connection: Connection, source: SourceId) -> dict[SignalPath, int]:
    """Return the newest stored time of each signal of one source that has one."""
    with translate_errors():
        rows = connection.execute(
            "SELECT g.path, l.time FROM latest l JOIN signal g ON g.id = l.signal_id JOIN source s ON s.id = g.source_id WHERE s.name = %s",
            [source],
        ).fetchall()
    return {SignalPath(path): micros(time) for path, time in rows}


def _source_values(source: SourceSettings) -> tuple[object, ...]:
    insecure = source.allow_insecure if isinstance(source, OpcUaSourceSettings | OpenProtocolSourceSettings) else source.allow_anonymous
    told = isinstance(source, OpcUaSourceSettings) and source.tells_events
    return source.id, source.protocol, source.url, 0 if told else round((source.interval_ms or 0) * 1000), insecure


def _signal_values(position: int, signal: Signal, *, by_exception: bool) -> tuple[object, ...]:
    limits, span = signal.limits, signal.range
    rests = signal.store is StoreRule.ON_CHANGE or signal.deadband is not None or signal.deadband_percent is not None
    may_rest = rests or by_exception
    return (
        *(signal.path, signal.equipment, signal.name, signal.data_type.value, signal.unit, signal.source, signal.address),
        *(signal.interval_us, signal.store.value, None if span is None else span.low, None if span is None else span.high),
        *(limits.low_low, limits.low, limits.high, limits.high_high, signal.description, position, may_rest),
    )


def _signal_row(row: tuple[Any, ...]) -> SignalRow:
    number, path, equipment, name, data_type, unit, source, address, interval_us, low, high, *limits, description, retired = row
    span = None if low is None or high is None else Range(low, high)
    return SignalRow(
        *(number, path, equipment, name, DataType(data_type), unit, source, address, interval_us),
        *(span, Limits(*limits), description, retired),
    )
