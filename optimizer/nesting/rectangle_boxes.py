"""The rectangles that parts take: one part the rectangle around it, or two of a kind one together where that is less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from optimizer.nesting.kinds import Kind
from plant.nests import Floats, NestPart, placed, ring_area, rotations_on


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


def boxes_of_kinds(kinds: Sequence[Kind], distance_mm: float, stop: Callable[[], bool]) -> list[Box]:
    """Return the rectangles of these kinds: pairs where two lie well together and may, and those that are over."""
    boxes: list[Box] = []
    for row, kind in enumerate(kinds):
        one = single(kind, row)
        pair = _pair(one, distance_mm, stop) if kind.quantity > 1 else None
        if pair is None:
            boxes.append(one)
            continue
        boxes.append(pair)
        if kind.quantity % 2:
            boxes.append(Box(row, kind.part, 1, one.members))
    return boxes


def _pair(one: Box, distance_mm: float, stop: Callable[[], bool]) -> Box | None:
    """Return two of a kind in one rectangle; None where that is no gain, or they may not lie so."""
    outline = one.part.shape.outline
    if len(outline) <= 4 and np.isclose(ring_area(outline), np.prod(one.size_mm)):
        return None
    found = None if stop() else _paired(outline.tobytes(), distance_mm)
    if found is None:
        return None
    pair = Box(one.kind, one.part, one.quantity // 2, ((0.0, 0.0, 0.0), found))
    turns = one.part.rotations_deg
    may = turns is None or found[0] == 0.0 or any((turn + found[0]) % 360.0 in {other % 360.0 for other in turns} for turn in turns)
    return pair if may else None


@lru_cache(maxsize=4_096)
def _paired(outline: bytes, distance_mm: float) -> tuple[float, float, float] | None:
    """Return angle, x and y of the second part; kept, as the same drawings come again with each nest."""
    from optimizer.nesting.pairs import best_pair

    pair = best_pair(np.frombuffer(outline, np.float64).reshape(-1, 2), distance_mm)
    return None if pair is None else (pair.rotation_deg, pair.x_mm, pair.y_mm)
