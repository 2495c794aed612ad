"""What is free on a sheet that has its large parts, and in the holes of parts, taken by small ones."""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.nesting import regions
from plant.nests import Placements

_NEARLY: Final = 1.0 - 1e-6


@dataclass(frozen=True, slots=True)
class Room:
    """Where parts may lie on a sheet, and the distance between them."""

    left_mm: float
    bottom_mm: float
    width_mm: float
    height_mm: float
    distance_mm: float

    @property
    def grown(self) -> regions.Window:
        """Where parts with half their distance round them may lie."""
        half = self.distance_mm / 2
        return (self.left_mm - half, self.bottom_mm - half, self.left_mm + self.width_mm + half, self.bottom_mm + self.height_mm + half)

    @property
    def area_mm2(self) -> float:
        """Area of what parts with half their distance round them may take."""
        return (self.width_mm + self.distance_mm) * (self.height_mm + self.distance_mm)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part with half its distance round it."""

    row: int
    polygon: regions.Polygon
    angles: tuple[float, ...]
    """How it may lie; none: it may not."""

    @property
    def area_mm2(self) -> float:
        """What it takes of a sheet, less its holes."""
        return float(self.polygon.area)


def fill(free: Sequence[regions.Polygon], pieces: Sequence[Piece], quantities: Sequence[int], until: float) -> Placements:
    """Return where pieces lie in what is free, at most so many of each, the largest first.

    It ends at ``until`` (monotonic seconds) with what it has.
    """
    areas = sorted((one.area, number, one) for number, one in enumerate(free))
    number = len(areas)
    rows: list[tuple[int, float, float, float]] = []
    for piece, quantity in sorted(zip(pieces, quantities, strict=True), key=lambda one: -one[0].area_mm2):
        for _ in range(quantity):
            place = None if time.monotonic() > until else _place(areas, piece)
            if place is None:
                break
            where, angle, x, y = place
            rows.append((piece.row, x, y, angle))
            region = areas.pop(where)[2]
            for rest in regions.pieces(region.difference(regions.turned(piece.polygon, angle, x, y))):
                number += 1
                insort(areas, (rest.area, number, rest))
    columns = np.array(rows, np.float64).reshape(-1, 4)
    return Placements(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2], columns[:, 3])


def _place(free: Sequence[tuple[float, int, regions.Polygon]], piece: Piece) -> tuple[int, float, float, float] | None:
    """Return in which region and how a piece lies: in the smallest region that has room for it; regions by rising area."""
    first = bisect_left(free, (piece.area_mm2 * _NEARLY, -1))
    turned: dict[float, regions.Polygon] = {}
    for row in range(first, len(free)):
        for angle in piece.angles:
            if angle not in turned:
                turned[angle] = regions.turned(piece.polygon, angle)
            move = regions.place_in(free[row][2], turned[angle])
            if move is not None:
                return row, angle, *move
    return None
