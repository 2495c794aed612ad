"""How much of the plates becomes parts. A share without its name says nothing, so the name always stands beside it.

* **gross**: parts / sheets
* **credited**: parts / (sheets - remnants that go back into stock)
* **net**: parts with half the distance round each / what may be cut: the sheets less their margins, with half the distance round
* **net_credited**: the same, less the remnants as far as they lie in what may be cut

A part with half the distance round it is its area + its outline x d/2 + pi d^2/4 (Steiner), which is exact for convex outlines and at most
that for others; its holes count as holes. No two of these overlap where the distance is kept, so net cannot be above 1 for convex parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from plant.nests import CutSheet, CuttingRules, Nest, NestProblem, PackedStrip, Shape, StockSheet, StripProblem, area_mm2

METRICS = ("gross", "credited", "net", "net_credited")


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Areas of what is cut, from which each share is made."""

    sheets: int = 0
    """How many are cut."""
    parts: int = 0
    parts_mm2: float = 0.0
    parts_with_distance_mm2: float = 0.0
    """With half the distance round each."""
    sheets_mm2: float = 0.0
    within_margins_mm2: float = 0.0
    """What may be cut, with half the distance round."""
    remnants_mm2: float = 0.0
    remnants_within_mm2: float = 0.0
    """As far as they lie in what may be cut."""

    @property
    def gross(self) -> float:
        """Parts of sheets; 0 where nothing is cut, as all of these."""
        return _share(self.parts_mm2, self.sheets_mm2)

    @property
    def credited(self) -> float:
        """Parts of sheets, less the remnants that go back."""
        return _share(self.parts_mm2, self.sheets_mm2 - self.remnants_mm2)

    @property
    def net(self) -> float:
        """Parts and their distances of what may be cut."""
        return _share(self.parts_with_distance_mm2, self.within_margins_mm2)

    @property
    def net_credited(self) -> float:
        """Parts and their distances of what may be cut, less the remnants that go back."""
        return _share(self.parts_with_distance_mm2, self.within_margins_mm2 - self.remnants_within_mm2)

    def shares(self) -> dict[str, float]:
        """Return each share by its name."""
        return {name: getattr(self, name) for name in METRICS}


def utilisation(problem: NestProblem, nest: Nest) -> Utilisation:
    """Return the areas of all that is cut, each layout as often as it is cut."""
    areas = _areas(problem)
    return _sum(_of_sheet(problem, cut, areas, cut.copies) for cut in nest.sheets)


def sheet_utilisation(problem: NestProblem, cut: CutSheet) -> Utilisation:
    """Return the areas of one sheet of a layout."""
    return _of_sheet(problem, cut, _areas(problem), 1)


def strip_density(problem: StripProblem, strip: PackedStrip) -> float:
    """Return the share of a packed strip, up to its length, that is parts; 0 where it has no length."""
    parts = sum(area_mm2(part.shape) * part.quantity for part in problem.parts)
    return _share(parts, strip.length_mm * problem.height_mm)


def outline_mm(shape: Shape) -> float:
    """Return the length of an outline without its holes."""
    return float(np.linalg.norm(shape.outline - np.roll(shape.outline, -1, axis=0), axis=1).sum())


def _areas(problem: NestProblem) -> list[tuple[float, float]]:
    return [(area_mm2(part.shape), outline_mm(part.shape)) for part in problem.parts]


def _of_sheet(problem: NestProblem, cut: CutSheet, areas: list[tuple[float, float]], copies: int) -> Utilisation:
    sheet = problem.sheets[cut.sheet]
    rules = problem.rules_for(sheet.thickness_mm)
    half = rules.distance_mm / 2
    laid = [areas[part] for part in cut.placements.part.tolist()]
    parts = sum(area for area, _ in laid)
    margin = max(rules.margin_mm - half, 0.0)
    return Utilisation(
        sheets=copies,
        parts=copies * len(laid),
        parts_mm2=copies * parts,
        parts_with_distance_mm2=copies * (parts + sum(outline * half + math.pi * half**2 for _, outline in laid)),
        sheets_mm2=copies * sheet.width_mm * sheet.height_mm,
        within_margins_mm2=copies * _may_be_cut_mm2(sheet, rules),
        remnants_mm2=copies * sum(one.width_mm * one.height_mm for one in cut.remnants),
        remnants_within_mm2=copies
        * sum(
            _within(one.x_mm, one.width_mm, margin, sheet.width_mm) * _within(one.y_mm, one.height_mm, margin, sheet.height_mm)
            for one in cut.remnants
        ),
    )


def _may_be_cut_mm2(sheet: StockSheet, rules: CuttingRules) -> float:
    lost = 2 * rules.margin_mm - rules.distance_mm
    return max(sheet.width_mm - lost, 0.0) * max(sheet.height_mm - lost, 0.0)


def _within(begin: float, length: float, margin: float, whole: float) -> float:
    return max(min(begin + length, whole - margin) - max(begin, margin), 0.0)


def _sum(each: Iterator[Utilisation]) -> Utilisation:
    told = list(each)
    return Utilisation(**{one.name: sum(getattr(part, one.name) for part in told) for one in fields(Utilisation)})


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
