"""Parts of equal drawing taken together: what lies on a sheet is a kind, whose order it is for is said at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant.nests import NestPart

_LATEST = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Parts that may take each other's place."""

    part: NestPart
    """One of them."""
    rows: tuple[int, ...]
    """Rows of the problem's parts, the most urgent first."""
    quantities: tuple[int, ...]
    """How many of each row."""

    @property
    def quantity(self) -> int:
        """How many there are."""
        return sum(self.quantities)


def urgency(part: NestPart) -> tuple[int, int]:
    """Return what parts are sorted by: the most urgent first."""
    return -part.priority, _LATEST if part.due_us is None else part.due_us


def kinds_of(parts: Sequence[NestPart], rows: Sequence[int]) -> list[Kind]:
    """Return the kinds of these rows of parts, in the order they come first; all of one material and thickness."""
    found: dict[object, list[int]] = {}
    for row in rows:
        part = parts[row]
        rings = tuple(ring.tobytes() for ring in (part.shape.outline, *part.shape.holes))
        found.setdefault((rings, part.rotations_deg, part.grain_deg), []).append(row)
    kinds = []
    for same in found.values():
        ordered = sorted(same, key=lambda row: urgency(parts[row]))
        kinds.append(Kind(parts[ordered[0]], tuple(ordered), tuple(parts[row].quantity for row in ordered)))
    return kinds


def most_urgent(kinds: Sequence[Kind], parts: Sequence[NestPart], areas: NDArray[np.float64], area_mm2: float) -> NDArray[np.int64]:
    """Return (kinds,) how many of each are among the most urgent parts whose area together is not more than this."""
    every = sorted(
        (
            (urgency(parts[row]), number, quantity)
            for number, kind in enumerate(kinds)
            for row, quantity in zip(kind.rows, kind.quantities, strict=True)
        )
    )
    chosen = np.zeros(len(kinds), np.int64)
    for _, number, quantity in every:
        taken = min(quantity, int(area_mm2 // areas[number])) if areas[number] > 0 else quantity
        chosen[number] += taken
        area_mm2 -= taken * areas[number]
        if taken < quantity:
            break
    return chosen
