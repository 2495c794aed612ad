"""Genealogy: which lots and pieces are built into which, in the words of ISA-95, and what a serial number has been through.

A ``MaterialLot`` is so much of one material that came together; a ``MaterialSublot`` a part of it that is kept track of; a piece with a
serial number is a lot of one. What is built into what makes a graph without cycles (ANSI/ISA-95.00.02, material assembly).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from plant.equipment import EquipmentId

NEAR_US: Final = 300_000_000
"""Two times at one work unit with less between them are one stay."""
DEEPEST: Final = 40
"""So many levels a tree has at most: a vehicle has far fewer."""


class ItemKind(StrEnum):
    """What can be built in, or have something built in."""

    SERIAL = "serial"
    LOT = "lot"
    SUBLOT = "sublot"


class Relation(StrEnum):
    """How something is in something."""

    BUILT_IN = "built_in"
    """It can be told apart, and taken out again."""
    MADE_FROM = "made_from"
    """It was consumed: a plate by what is cut from it, a lot by its sublots."""


class Told(StrEnum):
    """What says that a part was at a work unit."""

    OPERATION = "operation"
    STATE = "state"
    TIGHTENING = "tightening"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """A lot, a sublot or a piece, by its name."""

    kind: ItemKind
    name: str


@dataclass(frozen=True, slots=True)
class MaterialLot:
    """A lot as the ERP or a supplier's papers describe it."""

    item: Item
    material: str = ""
    supplier: str = ""
    heat: str = ""
    """Number of the melt."""
    certificate: str = ""
    quantity: float | None = None
    unit: str = ""
    note: str = ""
    of_lot: str = ""
    """Of a sublot: the lot that it is a part of."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One thing in another, from a time on."""

    into: Item
    component: Item
    built_us: int
    relation: Relation = Relation.BUILT_IN
    place: str = ""
    """Where in it: boom, bolt circle, joint 12."""
    quantity: float | None = None
    unit: str = ""
    work_unit: str = ""
    operation: str = ""
    job_order: str = ""
    nest: int | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """That a part was at a work unit."""

    equipment: EquipmentId
    from_us: int
    to_us: int
    told: frozenset[Told]


def merged(stays: Iterable[Stay], near_us: int = NEAR_US) -> list[Stay]:
    """Return stays in the order of their begin, those at one work unit that touch or nearly touch as one."""
    found: list[Stay] = []
    last: dict[EquipmentId, int] = {}
    for stay in sorted(stays, key=lambda one: (one.from_us, one.to_us)):
        place = last.get(stay.equipment)
        before = None if place is None else found[place]
        if place is not None and before is not None and stay.from_us <= before.to_us + near_us:
            found[place] = Stay(stay.equipment, before.from_us, max(before.to_us, stay.to_us), before.told | stay.told)
        else:
            last[stay.equipment] = len(found)
            found.append(stay)
    return found


class Containment:
    """What stands in what, by number, while rows are added: enough to see whether a new one would close a cycle."""

    def __init__(self, standing: Iterable[tuple[int, int]]) -> None:
        """``standing``: (component, what it is in); all that is above of what rows will be added to."""
        self._above: dict[int, list[int]] = {}
        for component, into in standing:
            self._above.setdefault(component, []).append(into)
        self._known: dict[int, set[int]] = {}

    def closes(self, component: int, into: int) -> bool:
        """Return whether ``component`` holds ``into`` already, or is it, so that putting it in would close a cycle."""
        return component == into or component in self._all_above(into)

    def add(self, component: int, into: int) -> None:
        """Know a row that is added."""
        self._above.setdefault(component, []).append(into)
        for known in [one for one, above in self._known.items() if one == component or component in above]:
            del self._known[known]

    def _all_above(self, one: int) -> set[int]:
        if one not in self._known:
            seen: set[int] = set()
            waiting = list(self._above.get(one, ()))
            while waiting:
                above = waiting.pop()
                if above not in seen:
                    seen.add(above)
                    waiting += self._above.get(above, ())
            self._known[one] = seen
        return self._known[one]
