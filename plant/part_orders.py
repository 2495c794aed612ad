"""Part orders: what factories order of the centres that cut and stamp for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plant.nests import NestPart, Shape


class WorkKind(StrEnum):
    """What is done to a part."""

    CUTTING = "cutting"
    STAMPING = "stamping"


class PartOrderState(StrEnum):
    """How far a part order is."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, eq=False)
class PartOrder:
    """So many pieces of one part for one factory."""

    number: str
    """The factory's or the ERP's own; the same number is the same order."""
    factory: str
    part: str
    quantity: int
    kind: WorkKind = WorkKind.CUTTING
    shape: Shape | None = None
    """Of a part that is cut."""
    material: str = ""
    thickness_mm: float = 0.0
    rotations_deg: tuple[float, ...] | None = None
    """How it may lie on its sheet; None: at any angle."""
    grain_deg: float | None = None
    hours: float | None = None
    """Of one piece at its centre; None: reckoned from its cut."""
    earliest_us: int | None = None
    due_us: int | None = None
    priority: int = 5
    """9 goes first."""
    for_order: str = ""
    """The customer order that waits for these parts."""
    note: str = ""

    def as_part(self, quantity: int) -> NestPart:
        """Return so many pieces of it as they are nested; the order must be one of cutting."""
        assert self.shape is not None  # noqa: S101 - callers nest what is cut
        return NestPart(
            self.part,
            self.shape,
            quantity,
            self.number,
            self.factory,
            self.material,
            self.thickness_mm,
            self.rotations_deg,
            self.grain_deg,
            self.due_us,
            self.priority,
        )
