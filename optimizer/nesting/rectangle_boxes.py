"""The rectangles that parts take: one part the rectangle around it, or some of a kind one together where that is less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from optimizer.nesting.kinds import Kind
from plant.nests import Floats, NestPart, placed, ring_area, rotations_on

_LONGEST: Final = 6
"""Parts in a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Equal rectangles, and the parts of one kind in each."""

    kind: int
    part: NestPart
    quantity: int
    members: tuple[tuple[float, float, float], ...]
    """Angle, x and y of each part when the rectangle lies as drawn."""

    @property
    def size_mm(self) -> Floats:
        """(2,) width and height as drawn, without distance."""
        size: Floats = np.ptp(self._corners(0.0), axis=0)
        return size

    def area_mm2(self, distance_mm: float) -> float:
        """Return its area with the distance."""
        return float(np.prod(self.size_mm + distance_mm))

    def ways(self, grain_deg: float | None) -> tuple[float | None, float | None]:
        """Return an angle at which it lies as drawn, and one at which it lies turned by a quarter; None: it may not."""
        turns = rotations_on(self.part, grain_deg)
        if turns is None:
            return 0.0, 90.0
        allowed = {turn % 360.0 for turn in turns}
        able = [turn for turn in (0.0, 180.0, 90.0, 270.0) if all((turn + angle) % 360.0 in allowed for angle, _, _ in self.members)]
        straight = [turn for turn in able if turn % 180.0 == 0.0]
        turned = [turn for turn in able if turn % 180.0 == 90.0]
        return (straight[0] if straight else None), (turned[0] if turned else None)

    def lying(self, turn_deg: float) -> list[tuple[float, float, float]]:
        """Return x, y and angle of each part where the rectangle, turned so, has its lower left corner at the origin."""
        left, bottom = self._corners(turn_deg).min(axis=0).tolist()
        moves = placed(np.array([(x, y) for _, x, y in self.members]), turn_deg, 0.0, 0.0)
        return [
            (x - left, y - bottom, (angle + turn_deg) % 360.0) for (angle, _, _), (x, y) in zip(self.members, moves.tolist(), strict=True)
        ]

    def _corners(self, turn_deg: float) -> Floats:
        corners = [placed(self.part.shape.outline, angle, x, y) for angle, x, y in self.members]
        return placed(np.concatenate(corners), turn_deg, 0.0, 0.0)


def single(kind: Kind, row: int = 0) -> Box:
    """Return the rectangle around one part."""
    return Box(row, kind.part, kind.quantity, ((0.0, 0.0, 0.0),))


def boxes_of_kinds(kinds: Sequence[Kind], distance_mm: float, largest_mm: tuple[float, float], stop: Callable[[], bool]) -> list[Box]:
    """Return the rectangles of these kinds: pairs or rows where parts lie well together and may, and those that are over.

    ``largest_mm``: no pair or row is larger, one way round or the other.
    """
    boxes: list[Box] = []
    for row, kind in enumerate(kinds):
        one, left = single(kind, row), kind.quantity
        for row_of in _rows(one, distance_mm, largest_mm, stop) if left > 1 else ():
            count, left = divmod(left, len(row_of.members))
            boxes += [replace(row_of, quantity=count)] * (count > 0)
        boxes += [replace(one, quantity=left)] * (left > 0)
    return boxes


def _rows(one: Box, distance_mm: float, largest_mm: tuple[float, float], stop: Callable[[], bool]) -> list[Box]:
    """Return rows of a kind in one rectangle, the longest first; none where that is no gain, or they may not lie so."""
    outline = one.part.shape.outline
    if (len(outline) <= 4 and np.isclose(ring_area(outline), np.prod(one.size_mm))) or stop():
        return []
    found = _paired(outline.tobytes(), distance_mm)
    if found is None:
        return []
    angle, x, y, longest = found
    turns = one.part.rotations_deg
    if turns is not None and angle and not any((turn + angle) % 360.0 in {other % 360.0 for other in turns} for turn in turns):
        return []
    rows = [replace(one, members=tuple((angle * (at % 2), at * x, at * y) for at in range(many))) for many in range(longest, 1, -1)]
    return [box for box in rows if bool((np.sort(box.size_mm + distance_mm) <= np.sort(largest_mm)).all())]


@lru_cache(maxsize=4_096)
def _paired(outline: bytes, distance_mm: float) -> tuple[float, float, float, int] | None:
    """Return angle, x and y of the second part, and how many may lie so; kept, as the same drawings come again with each nest."""
    from optimizer.nesting.pairs import best_pair, in_a_row

    points = np.frombuffer(outline, np.float64).reshape(-1, 2)
    pair = best_pair(points, distance_mm)
    if pair is None:
        return None
    return pair.rotation_deg, pair.x_mm, pair.y_mm, _LONGEST if in_a_row(points, distance_mm, pair) else 2
