"""The hierarchy of equipment by ISA-95 (IEC 62264-1): enterprise, site, area, work center, work unit, and what belongs to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

EquipmentId = NewType("EquipmentId", str)
"""The slash path of a node from the enterprise down, e.g. ``acme/north/welding/cell-1/robot-3``."""

SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?\Z")
"""What one segment of a path may be: ASCII letters, digits, inner ``-`` and ``_``; safe in topics, NodeIds, files and SQL.

Letters keep their case and are never folded (Sparkplug B 3.0 asks for the same)."""
SEGMENT_RULE = "may hold letters A-Z a-z, digits, and inner '-' or '_' only"


class Level(StrEnum):
    """Where a node stands in the hierarchy."""

    ENTERPRISE = "enterprise"
    SITE = "site"
    AREA = "area"
    WORK_CENTER = "work_center"
    WORK_UNIT = "work_unit"
    EQUIPMENT = "equipment"


_BY_DEPTH = (Level.ENTERPRISE, Level.SITE, Level.AREA, Level.WORK_CENTER, Level.WORK_UNIT)


@dataclass(frozen=True, slots=True)
class Equipment:
    """Any node of the hierarchy; ``kind`` names what it is (``welding_robot``), empty for the levels above."""

    id: EquipmentId
    name: str
    kind: str = ""

    @property
    def level(self) -> Level:
        """The ISA-95 level, which the depth of the path decides."""
        return level_of(self.id)

    @property
    def parent(self) -> EquipmentId | None:
        """The node above, or None for the enterprise."""
        return parent_of(self.id)


def level_of(path: EquipmentId) -> Level:
    """Return the ISA-95 level that the depth of a path means."""
    depth = path.count("/")
    return _BY_DEPTH[depth] if depth < len(_BY_DEPTH) else Level.EQUIPMENT


def parent_of(path: EquipmentId) -> EquipmentId | None:
    """Return the path of the node above, or None for the enterprise."""
    head, slash, _ = path.rpartition("/")
    return EquipmentId(head) if slash else None


def ancestors(path: EquipmentId) -> list[EquipmentId]:
    """Return the paths above, the enterprise first, without the path itself."""
    parts = path.split("/")
    return [EquipmentId("/".join(parts[:n])) for n in range(1, len(parts))]
