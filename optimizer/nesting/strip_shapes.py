"""Parts of a strip as the search takes them well: near the origin, for it counts in 32 bit, and with no more corners than matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from optimizer.nesting.regions import grown
from plant.nest_shapes import least_height_mm
from plant.nests import Floats, PackedStrip, Placements, Shape, StripProblem, placed

_MANY_CORNERS: Final = 400
"""From so many on, an outline is drawn coarser: a search over 5,000 corners found nothing in seconds."""
_COARSER: Final = 2e-4
"""By this share of its size at most, outwards."""


def eased(problem: StripProblem) -> tuple[StripProblem, Floats]:
    """Return the same strip with each part round the origin, and where its middle was (parts, 2); what fits this fits that."""
    middles = np.array([_middle(part.shape.outline) for part in problem.parts]).reshape(-1, 2)
    parts = []
    for part, middle in zip(problem.parts, middles, strict=True):
        outline = part.shape.outline - middle
        if len(outline) > _MANY_CORNERS:
            coarser = grown(outline, 0.0, _COARSER * float(np.ptp(outline, axis=0).max()))
            outline = coarser if least_height_mm(Shape(coarser), part.rotations_deg) < problem.height_mm else outline
        parts.append(replace(part, shape=Shape(outline, tuple(hole - middle for hole in part.shape.holes))))
    return replace(problem, parts=tuple(parts)), middles


def brought_back(strip: PackedStrip, middles: Floats) -> PackedStrip:
    """Return the strip with its placements told for the parts as they were drawn."""
    laid = strip.placements
    rows = zip(laid.part.tolist(), laid.rotation_deg.tolist(), strict=True)
    away = np.array([placed(middles[part : part + 1], turned, 0.0, 0.0)[0] for part, turned in rows]).reshape(-1, 2)
    return PackedStrip(strip.length_mm, Placements(laid.part, laid.x_mm - away[:, 0], laid.y_mm - away[:, 1], laid.rotation_deg))


def _middle(outline: Floats) -> Floats:
    """Return the middle of the box round an outline."""
    middle: Floats = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return middle
