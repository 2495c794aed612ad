"""Parts of a strip with no more corners than matter to where they lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from optimizer.nesting.regions import grown
from plant.nest_shapes import least_height_mm
from plant.nests import NestPart, Shape, StripProblem

_MANY_CORNERS: Final = 400
"""From so many on, an outline is drawn coarser: with 5,000 corners nothing was found in seconds."""
_COARSER: Final = 2e-4
"""By this share of its size at most, outwards."""


def with_fewer_corners(problem: StripProblem) -> StripProblem:
    """Return a strip whose outlines enclose those of this one: a layout of it is one of this."""
    return replace(problem, parts=tuple(_coarser(part, problem.height_mm) for part in problem.parts))


def _coarser(part: NestPart, height_mm: float) -> NestPart:
    outline = part.shape.outline
    if len(outline) <= _MANY_CORNERS:
        return part
    coarser = Shape(grown(outline, 0.0, _COARSER * float(np.ptp(outline, axis=0).max())), part.shape.holes)
    return replace(part, shape=coarser) if least_height_mm(coarser, part.rotations_deg) < height_mm else part
