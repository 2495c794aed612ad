"""Nests: flat parts laid on sheets that are cut; what is asked for, and what is laid where.

Lengths are mm, angles degrees counter-clockwise, times microseconds since 1970 (UTC). A sheet lies with its lower left corner at the
origin, its width along x. A part lies where each of its points ``p`` becomes ``R(rotation) p + (x, y)``: first turned about the origin
of its own drawing, then moved. Parts are never turned over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A flat region in one piece: what is inside the outline and in none of the holes."""

    outline: Floats
    """(n, 2) corners counter-clockwise, the first is not said again at the end; at least three."""
    holes: tuple[Floats, ...] = ()
    """Each (n, 2) clockwise, inside the outline, apart from each other."""


@dataclass(frozen=True, slots=True, eq=False)
class NestPart:
    """Parts of one drawing for one order."""

    name: str
    shape: Shape
    quantity: int
    order: str = ""
    factory: str = ""
    material: str = ""
    """Grade of the plate, as S690QL."""
    thickness_mm: float = 0.0
    rotations_deg: tuple[float, ...] | None = (0.0, 90.0, 180.0, 270.0)
    """How it may lie; None: at any angle."""
    grain_deg: float | None = None
    """Direction in the drawing that must lie along the rolling direction of the sheet, either way round; None: it does not matter."""
    due_us: int | None = None
    priority: int = 5
    """9 goes first."""


@dataclass(frozen=True, slots=True)
class StockSheet:
    """Equal sheets in stock. A remnant is a sheet like others, of which there is one."""

    name: str
    width_mm: float
    height_mm: float
    quantity: int
    material: str = ""
    thickness_mm: float = 0.0
    grain_deg: float | None = None
    """Rolling direction: 0 along the width, 90 along the height; None: not known, so no part that minds it may lie here."""
    remnant: bool = False
    """What another nest left: taken before whole sheets."""


@dataclass(frozen=True, slots=True)
class CuttingRules:
    """What the cut takes, and what must stay."""

    kerf_mm: float = 0.0
    """Width of the cut."""
    gap_mm: float = 0.0
    """Least distance between two parts, and between a part and one that lies in its hole; never less than the kerf."""
    margin_mm: float = 0.0
    """Least distance from a part to the edge of the sheet."""
    least_remnant_mm: tuple[float, float] = (300.0, 300.0)
    """The longer and the shorter side of what is worth to go back into stock."""
    thickness_up_to_mm: float | None = None
    """These rules hold for sheets up to so thick; None: for all that are thicker than the others say."""

    @property
    def distance_mm(self) -> float:
        """What must lie between two parts."""
        return max(self.gap_mm, self.kerf_mm)


@dataclass(frozen=True, slots=True, eq=False)
class NestProblem:
    """Parts to be cut, sheets to cut them from. Parts lie on sheets of their own material and thickness only."""

    name: str
    parts: tuple[NestPart, ...]
    sheets: tuple[StockSheet, ...]
    rules: tuple[CuttingRules, ...] = (CuttingRules(),)
    """By rising ``thickness_up_to_mm``; the last one without."""

    def rules_for(self, thickness_mm: float) -> CuttingRules:
        """Return what holds for a sheet of this thickness."""
        for one in self.rules:
            if one.thickness_up_to_mm is None or thickness_mm <= one.thickness_up_to_mm:
                return one
        return self.rules[-1]


@dataclass(frozen=True, slots=True, eq=False)
class StripProblem:
    """All parts on one strip of given height that is as short as possible: the form of the published benchmarks."""

    name: str
    parts: tuple[NestPart, ...]
    height_mm: float
    distance_mm: float = 0.0
    """What must lie between two parts; there is no margin."""


@dataclass(frozen=True, slots=True, eq=False)
class Placements:
    """What lies where, as columns of equal length k; a part that lies there n times has n rows."""

    part: NDArray[np.int32]
    """Row of the problem's parts."""
    x_mm: Floats
    y_mm: Floats
    rotation_deg: Floats


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A piece of a sheet with sides along its edges."""

    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class CutSheet:
    """One layout, cut from so many equal sheets."""

    sheet: int
    """Row of the problem's sheets."""
    copies: int
    placements: Placements
    remnants: tuple[Rectangle, ...] = ()
    """What goes back into stock of each copy: free of parts, and of their distance; they do not overlap."""


class LeftReason(StrEnum):
    """Why a part was not laid anywhere."""

    NO_SHEET = "no_sheet"
    """There is no sheet of its material and thickness."""
    TOO_LARGE = "too_large"
    """It does not fit any sheet of its material and thickness, as it may lie."""
    NO_GRAIN = "no_grain"
    """It would fit, but on no sheet whose rolling direction is known."""
    STOCK_USED_UP = "stock_used_up"
    """All sheets it fits are full."""
    STOPPED = "stopped"
    """The search ended before its turn."""


@dataclass(frozen=True, slots=True)
class LeftPart:
    """Parts that were not laid."""

    part: int
    """Row of the problem's parts."""
    quantity: int
    reason: LeftReason


@dataclass(frozen=True, slots=True, eq=False)
class Nest:
    """What is cut from what; every part asked for is laid or left."""

    sheets: tuple[CutSheet, ...]
    left: tuple[LeftPart, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PackedStrip:
    """All parts of a strip problem, and how long the strip is."""

    length_mm: float
    placements: Placements


def rectangle(width_mm: float, height_mm: float) -> Shape:
    """Return a rectangle whose lower left corner is the origin."""
    return Shape(np.array([(0.0, 0.0), (width_mm, 0.0), (width_mm, height_mm), (0.0, height_mm)]))


def no_placements() -> Placements:
    """Return columns of length 0."""
    nothing = np.zeros(0)
    return Placements(np.zeros(0, np.int32), nothing, nothing, nothing)


def rotations_on(part: NestPart, grain_deg: float | None) -> tuple[float, ...] | None:
    """Return the angles at which a part may lie on a sheet of this rolling direction, None: any; empty: it may not lie there."""
    if part.grain_deg is None:
        return part.rotations_deg
    if grain_deg is None:
        return ()
    along = ((grain_deg - part.grain_deg) % 360.0, (grain_deg - part.grain_deg + 180.0) % 360.0)
    if part.rotations_deg is None:
        return along
    return tuple(one for one in along if any(abs((one - other + 180.0) % 360.0 - 180.0) < 1e-6 for other in part.rotations_deg))


def placed(points: Floats, rotation_deg: float, x_mm: float, y_mm: float) -> Floats:
    """Return points (n, 2) turned about the origin and then moved. Turns by quarters are exact."""
    quarter = {0.0: (1.0, 0.0), 90.0: (0.0, 1.0), 180.0: (-1.0, 0.0), 270.0: (0.0, -1.0)}.get(rotation_deg % 360.0)
    angle = np.radians(rotation_deg)
    cosine, sine = quarter if quarter is not None else (float(np.cos(angle)), float(np.sin(angle)))
    turned: Floats = points @ np.array([[cosine, sine], [-sine, cosine]]) + np.array([x_mm, y_mm])
    return turned


def ring_area(points: Floats) -> float:
    """Return the area of a ring of corners (n, 2): positive counter-clockwise (the shoelace formula)."""
    x, y = points[:, 0] - points[0, 0], points[:, 1] - points[0, 1]
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def area_mm2(shape: Shape) -> float:
    """Return the area of a shape without its holes."""
    return ring_area(shape.outline) + sum(ring_area(hole) for hole in shape.holes)


def cut_length_mm(shape: Shape) -> float:
    """Return how far a torch goes round a shape and all its holes."""
    return sum(float(np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1).sum()) for ring in (shape.outline, *shape.holes))
