"""The catalogue: which equipment, sources and signals exist, with the numbers that sample rows carry."""

from __future__ import annotations

from dataclasses import dataclass

from plant.equipment import EquipmentId, Level
from plant.signals import DataType, Limits, Range, SignalPath, SourceId
from plant.site import Site
from storage.database import Connection


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
    """Write a factory into the catalogue, in one transaction; what the settings no longer name is marked as retired."""
    raise NotImplementedError


def read_catalogue(connection: Connection) -> Catalogue:
    """Return all equipment, sources and signals."""
    raise NotImplementedError
