"""What was found in a picture, drawn to lie over it: an SVG of the picture's own size, made when somebody looks."""

from __future__ import annotations

from html import escape
from typing import Final

from dashboard.inspection_words import kind_words
from dashboard.texts import Texts
from dashboard.views_vision import InspectionView

_INKS: Final = {"ok": "#e8ecef", "review": "#ffc04d", "not_decidable": "#ffc04d", "nok": "#ff5a4f"}
_DASHES: Final = {
    "ok": "",
    "review": ' stroke-dasharray="2 2"',
    "not_decidable": ' stroke-dasharray="2 2"',
    "nok": ' stroke-dasharray="6 2"',
}
"""Never colour alone: not OK in long dashes, to review in short ones."""


def overlay(inspection: InspectionView, t: Texts) -> str:
    """Return the SVG."""
    width, height = inspection.width, inspection.height
    unit = max(width, height) / 400
    shapes = []
    for number, found in enumerate(inspection.findings, 1):
        left, top, right, bottom = found.box_px
        ink, dash = _INKS.get(found.decision, _INKS["review"]), _DASHES.get(found.decision, "")
        box = f'x="{left:.1f}" y="{top:.1f}" width="{max(0.0, right - left):.1f}" height="{max(0.0, bottom - top):.1f}" fill="none"'
        shapes.append(f'<rect {box} stroke="#000" stroke-opacity=".55" stroke-width="{3.2 * unit:.2f}"/>')
        shapes.append(f'<rect {box} stroke="{ink}" stroke-width="{1.6 * unit:.2f}" pathLength="100"{dash}/>')
        words = f"{number} {kind_words(found.kind, t)}"
        above = top > 14 * unit
        y = top - 4 * unit if above else min(bottom + 11 * unit, height - 3 * unit)
        x = min(left, max(0.0, width - 6 * unit * len(words)))
        style = f'font-family="sans-serif" font-size="{10 * unit:.1f}" font-weight="600"'
        halo = f'stroke="#000" stroke-width="{2.4 * unit:.2f}" stroke-linejoin="round" paint-order="stroke"'
        shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" {style} fill="{ink}" {halo}>{escape(words)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(shapes)}</svg>'
    )
