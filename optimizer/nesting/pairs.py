"""Two parts of one drawing side by side in the least rectangle: gussets, arms and boom sides lie so, and rectangles are laid well.

One part stays as drawn, the other, turned by half or not, slides along it: at each height it is moved as near as the outlines allow. Holes
do not count. Where two outlines are nearest along x, one of the two has a corner, so looking at the corners' heights is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.nesting.regions import grown
from plant.nests import Floats, placed

_COARSE: Final = 17
_FINE: Final = 7
_WORTH: Final = 0.97
"""A pair is worth it that takes less than so much of what the rectangles around both take."""
_GAP_MM: Final = 1e-6
"""What a pair stays apart besides, for what double precision loses."""


@dataclass(frozen=True, slots=True)
class Pair:
    """How the second part lies, the first one as drawn."""

    rotation_deg: float
    """0 or 180."""
    x_mm: float
    y_mm: float


def best_pair(outline: Floats, distance_mm: float) -> Pair | None:
    """Return how two of an outline lie in the least rectangle, this distance between them; None where it is hardly less than two."""
    around = grown(outline, distance_mm / 2)
    best, area = None, _WORTH * 2 * float(np.prod(np.ptp(outline, axis=0) + distance_mm))
    for rotation in (180.0, 0.0):
        other, around_other = placed(outline, rotation, 0.0, 0.0), placed(around, rotation, 0.0, 0.0)
        for along in (0, 1):
            move, found = _nearest((outline, around), (other, around_other), along, distance_mm)
            if found < area:
                best, area = Pair(rotation, float(move[0]), float(move[1])), found
    return best


def in_a_row(outline: Floats, distance_mm: float, pair: Pair) -> bool:
    """Return whether any number of the outline may lie one after the other as the pair does: none turned, each third one clear too."""
    if pair.rotation_deg != 0.0:
        return False
    around, move = grown(outline, distance_mm / 2), np.array([pair.x_mm, pair.y_mm])
    along = int(np.argmax(np.abs(move)))
    return move[along] > 0 and all(_slid(around, around, many * move[1 - along], along) <= many * move[along] for many in (2, 3, 4, 5))


def _nearest(first: tuple[Floats, Floats], second: tuple[Floats, Floats], along: int, distance_mm: float) -> tuple[Floats, float]:
    """Return the move of the second outline for the least rectangle, it lying after the first one along this axis; and its area."""
    (one, one_around), (two, two_around) = first, second
    across = 1 - along
    center = one[:, across].min() - two[:, across].min()
    span = 0.8 * np.ptp(one[:, across])
    best, area = np.zeros(2), np.inf
    for steps, width in ((_COARSE, span), (_FINE, 2 * span / (_COARSE - 1))):
        middle = center if steps == _COARSE else best[across]
        for shift in np.linspace(middle - width, middle + width, steps).tolist():
            move = np.zeros(2)
            move[across] = shift
            move[along] = _slid(one_around, two_around, shift, along)
            both = np.vstack((one, two + move))
            found = float(np.prod(np.ptp(both, axis=0) + distance_mm))
            if found < area:
                best, area = move, found
    return best, area


def _slid(one: Floats, two: Floats, shift: float, along: int) -> float:
    """Return how far along the axis the second outline must be at least, so shifted across it, to lie after the first one."""
    across = 1 - along
    heights = np.concatenate((one[:, across], two[:, across] + shift))
    low = max(one[:, across].min(), two[:, across].min() + shift)
    high = min(one[:, across].max(), two[:, across].max() + shift)
    heights = np.unique(heights[(heights >= low) & (heights <= high)])
    if not len(heights):
        return float(one[:, along].max() - two[:, along].min())
    far, near = _reach(one, heights, along)[1], _reach(two, heights - shift, along)[0]
    return float((far - near).max()) + _GAP_MM


def _reach(outline: Floats, heights: Floats, along: int) -> tuple[Floats, Floats]:
    """Return (heights,) where an outline begins and ends at each height."""
    across = 1 - along
    begin, end = outline, np.roll(outline, -1, axis=0)
    low, high = np.minimum(begin[:, across], end[:, across]), np.maximum(begin[:, across], end[:, across])
    crossed = (low[None, :] <= heights[:, None] + _GAP_MM / 2) & (heights[:, None] - _GAP_MM / 2 <= high[None, :])
    rise = end[:, across] - begin[:, across]
    level = np.abs(rise) < _GAP_MM
    share = np.clip((heights[:, None] - begin[None, :, across]) / np.where(level, 1.0, rise)[None, :], 0.0, 1.0)
    at = begin[None, :, along] + np.where(level, 0.0, share) * (end[:, along] - begin[:, along])[None, :]
    least = np.where(level, np.minimum(begin[:, along], end[:, along])[None, :], at)
    most = np.where(level, np.maximum(begin[:, along], end[:, along])[None, :], at)
    return np.where(crossed, least, np.inf).min(axis=1), np.where(crossed, most, -np.inf).max(axis=1)
