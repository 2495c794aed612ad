"""Shapes of parts: from what people send, and as small drawings."""

from __future__ import annotations

import math
from urllib.parse import quote

import numpy as np

from dashboard.views_part_orders import PartOrderDraft
from plant.nest_shapes import circle, shape_of, shape_problems
from plant.nests import Shape, rectangle

_SKETCH = 100
_SKETCH_CORNERS = 72
_INKS = {"light": ("#c9d1d8", "#34424d"), "dark": ("#46525b", "#c3ccd3")}


def draft_shape(draft: PartOrderDraft) -> tuple[Shape | None, list[str]]:
    """Return the shape that a draft means, None where it is not cut; and why it cannot be cut."""
    if draft.rectangle is not None:
        shape = rectangle(draft.rectangle.width_mm, draft.rectangle.height_mm)
    elif draft.circle is not None:
        holes = () if draft.circle.hole_mm is None else (circle(draft.circle.hole_mm, 0.0, 0.0, outwards=False),)
        shape = shape_of(circle(draft.circle.diameter_mm, 0.0, 0.0), holes)
    elif draft.shape is not None:
        shape = shape_of(draft.shape.outline, draft.shape.holes)
    else:
        return None, []
    return shape, shape_problems(shape, thickness_mm=draft.thickness_mm)


def sketch(shape: Shape) -> str:
    """Return a shape as a path of SVG in a box of 100 x 100, the y axis downwards; corners that nobody would see are left out."""
    low, high = shape.outline.min(axis=0), shape.outline.max(axis=0)
    scale = _SKETCH / float((high - low).max() or 1.0)
    shift = (_SKETCH - (high - low) * scale) / 2
    parts = []
    for ring in (shape.outline, *shape.holes):
        points = (ring - low) * scale + shift
        points = np.round(points[:: math.ceil(len(points) / _SKETCH_CORNERS)], 1)
        if np.ptp(points, axis=0).max() < 1.0 and ring is not shape.outline:
            continue
        points[:, 1] = _SKETCH - points[:, 1]
        parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in points) + "Z")
    return "".join(parts)


def sketch_address(path: str, theme: str) -> str:
    """Return a sketch as a picture's address."""
    fill, ink = _INKS[theme]
    drawn = f'<path d="{path}" fill="{fill}" fill-rule="evenodd" stroke="{ink}" stroke-width="2.5" stroke-linejoin="round"/>'
    return "data:image/svg+xml," + quote(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-3 -3 106 106">{drawn}</svg>')
