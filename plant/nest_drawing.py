"""Cut sheets as SVG: parts coloured by factory and labelled, holes open, remnants hatched, the margin dashed; for dark and light rooms.

A drawing is text of its own: no script, no outside font or picture. Its lengths are mm, with y upwards as in the nest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, Literal

import numpy as np

from plant.nests import (
    CutSheet,
    CuttingRules,
    Floats,
    NestPart,
    NestProblem,
    PackedStrip,
    Rectangle,
    Shape,
    StockSheet,
    StripProblem,
    placed,
)

Theme = Literal["auto", "light", "dark"]

HUES: Final = (212, 32, 142, 276, 352, 182, 54, 310)
"""In degrees: of factories in the order of their names; more than these begin anew."""
_LIGHT: Final = "--sheet:#f4f5f7;--edge:#5b6472;--line:#1f2933;--text:#111827;--rest:#9aa3af;--tone:74%"
_DARK: Final = "--sheet:#20262e;--edge:#8b95a3;--line:#e5e9ef;--text:#f5f7fa;--rest:#6b7684;--tone:34%"
_LONGEST_LABEL: Final = 18
_LETTER: Final = 0.58
"""Width of a letter by its height."""


def sheet_svg(problem: NestProblem, cut: CutSheet, *, theme: Theme = "auto", labels: bool = True, legend: bool = True) -> str:
    """Return one layout drawn; ``theme`` auto follows what the reader's machine prefers, ``labels``: names of parts, and the ``legend``."""
    sheet = problem.sheets[cut.sheet]
    height = sheet.height_mm
    factories = sorted({part.factory for part in problem.parts if part.factory})
    shown = np.unique(cut.placements.part).tolist()
    spots = {row: label_spot(problem.parts[row].shape) for row in shown} if labels else {}
    title = f"{sheet.name}: {len(cut.placements.part)} parts, cut {cut.copies} time{'' if cut.copies == 1 else 's'}"
    rim = max(sheet.width_mm, height) / 200
    legend = legend and labels
    below = sheet.width_mm / 30 if legend else 0.0
    box = f"{_numbers(-rim, -rim)} {_numbers(sheet.width_mm + 2 * rim, height + 2 * rim + below)}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" class="nest" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style(theme, sheet)}</style>",
        _hatch(sheet),
        f'<rect class="sheet" x="0" y="0" width="{_number(sheet.width_mm)}" height="{_number(height)}"/>',
        *_margin(sheet, problem.rules_for(sheet.thickness_mm)),
        *(_remnant(one, height) for one in cut.remnants),
        *_parts(problem.parts, cut, height, factories, spots),
        *(_legend(sheet, factories) if legend else ()),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def as_sheet(problem: StripProblem, strip: PackedStrip) -> tuple[NestProblem, CutSheet]:
    """Return a packed strip as a sheet that is as long as the strip."""
    sheet = StockSheet(problem.name, max(strip.length_mm, 1e-9), problem.height_mm, 1)
    rules = (CuttingRules(gap_mm=problem.distance_mm),)
    return NestProblem(problem.name, problem.parts, (sheet,), rules), CutSheet(0, 1, strip.placements)


def label_spot(shape: Shape, steps: int = 12) -> tuple[float, float, float]:
    """Return a place (x, y) well inside a shape and how far it is from the next line, mm: the best of a grid."""
    low, high = shape.outline.min(axis=0), shape.outline.max(axis=0)
    shares = (np.arange(steps) + 0.5) / steps
    x, y = np.meshgrid(low[0] + shares * (high[0] - low[0]), low[1] + shares * (high[1] - low[1]))
    spots = np.vstack((shape.outline.mean(axis=0), (low + high) / 2, np.column_stack((x.ravel(), y.ravel()))))
    rings = [_thinned(ring) for ring in (shape.outline, *shape.holes)]
    begins = np.vstack(rings)
    ends = np.vstack([np.roll(ring, -1, axis=0) for ring in rings])
    far = _to_sides(spots, begins, ends)
    inside = _crossings(spots, begins, ends) % 2 == 1
    best = int(np.where(inside, far, -1.0).argmax())
    return float(spots[best, 0]), float(spots[best, 1]), float(far[best]) if inside[best] else 0.0


def _parts(
    parts: Sequence[NestPart], cut: CutSheet, height: float, factories: Sequence[str], spots: dict[int, tuple[float, float, float]]
) -> Iterator[str]:
    laid = cut.placements
    largest = height / 20
    for row, x, y, turned in zip(laid.part.tolist(), laid.x_mm.tolist(), laid.y_mm.tolist(), laid.rotation_deg.tolist(), strict=True):
        part = parts[row]
        rings = [placed(ring, turned, x, y) for ring in (part.shape.outline, *part.shape.holes)]
        path = "".join(_path(ring, height) for ring in rings)
        colour = f" f{factories.index(part.factory) % len(HUES)}" if part.factory else ""
        yield f'<path class="part{colour}" d="{path}"><title>{escape(_told(part, x, y, turned))}</title></path>'
        if row in spots:
            at = placed(np.array([spots[row][:2]]), turned, x, y)[0]
            yield from _label(part.name, at, min(1.2 * spots[row][2], largest, _letter_mm(part.name, at, rings)), height)


def _label(name: str, at: Floats, size: float, height: float) -> Iterator[str]:
    if size > 0:
        yield f'<text x="{_number(at[0])}" y="{_number(height - at[1])}" font-size="{_number(size)}">{escape(_short(name))}</text>'


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"


def _letter_mm(name: str, at: Floats, rings: Sequence[Floats]) -> float:
    """Return how high letters are whose line fits between the lines left and right of a place."""
    across = []
    for ring in (_thinned(ring) for ring in rings):
        ends = np.roll(ring, -1, axis=0)
        meets = (ring[:, 1] > at[1]) != (ends[:, 1] > at[1])
        (ax, ay), (bx, by) = ring[meets].T, ends[meets].T
        across.append(ax + (bx - ax) * (at[1] - ay) / (by - ay) - at[0])
    free = np.abs(np.concatenate(across))
    return float(1.7 * free.min() / (_LETTER * max(len(_short(name)), 1))) if len(free) else 0.0


def _legend(sheet: StockSheet, factories: Sequence[str]) -> Iterator[str]:
    """Yield the sheet's name and the colours of the factories, below the sheet."""
    told = (f"{sheet.name}, {sheet.width_mm:g} x {sheet.height_mm:g} mm", *factories)
    size = sheet.width_mm / max(75.0, sum(_LETTER * len(words) + 2.9 for words in told))
    x, y = 0.0, sheet.height_mm + sheet.width_mm / 45
    for number, words in enumerate(told):
        if number:
            box = f'x="{_number(x)}" y="{_number(y - 0.5 * size)}" width="{_number(size)}" height="{_number(size)}"'
            yield f'<rect class="part f{(number - 1) % len(HUES)}" {box}/>'
            x += 1.4 * size
        yield f'<text class="legend" x="{_number(x)}" y="{_number(y)}" font-size="{_number(size)}">{escape(words)}</text>'
        x += (_LETTER * len(words) + 1.5) * size


def _told(part: NestPart, x: float, y: float, turned: float) -> str:
    words = [part.name, part.order and f"order {part.order}", part.factory, f"at {x:.1f}, {y:.1f} mm, turned {turned:g}°"]
    return " · ".join(word for word in words if word)


def _path(ring: Floats, height: float) -> str:
    corners = [_numbers(x, height - y) for x, y in ring.tolist()]
    return f"M{corners[0]}L{' '.join(corners[1:])}Z"


def _margin(sheet: StockSheet, rules: CuttingRules) -> Iterator[str]:
    margin = rules.margin_mm
    width, height = sheet.width_mm - 2 * margin, sheet.height_mm - 2 * margin
    if margin > 0 and width > 0 and height > 0:
        place = f'x="{_number(margin)}" y="{_number(margin)}" width="{_number(width)}" height="{_number(height)}"'
        yield f'<rect class="margin" {place}/>'


def _remnant(one: Rectangle, height: float) -> str:
    top = height - one.y_mm - one.height_mm
    size = f'width="{_number(one.width_mm)}" height="{_number(one.height_mm)}"'
    middle = f'x="{_number(one.x_mm + one.width_mm / 2)}" y="{_number(top + one.height_mm / 2)}"'
    words = f"{one.width_mm:.0f} x {one.height_mm:.0f}"
    letters = min(one.width_mm / (_LETTER * len(words)), one.height_mm) / 3
    told = f"<title>remnant {one.width_mm:.0f} x {one.height_mm:.0f} mm, back into stock</title>"
    return (
        f'<rect class="remnant" x="{_number(one.x_mm)}" y="{_number(top)}" {size}>{told}</rect>'
        f'<text {middle} font-size="{_number(letters)}">{words}</text>'
    )


def _hatch(sheet: StockSheet) -> str:
    step = _number(max(sheet.width_mm, sheet.height_mm) / 60)
    tile = f'id="rest" width="{step}" height="{step}" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"'
    return f'<defs><pattern {tile}><line class="hatch" x1="0" y1="0" x2="0" y2="{step}"/></pattern></defs>'


def _style(theme: Theme, sheet: StockSheet) -> str:
    thin = max(sheet.width_mm, sheet.height_mm) / 1500
    colours = "".join(f".nest .f{number}{{fill:hsl({hue} 62% var(--tone))}}" for number, hue in enumerate(HUES))
    tones = f".nest{{{_DARK if theme == 'dark' else _LIGHT}}}"
    dark = f"@media (prefers-color-scheme:dark){{.nest{{{_DARK}}}}}" if theme == "auto" else ""
    return (
        f"{tones}{dark}"
        f".nest .sheet{{fill:var(--sheet);stroke:var(--edge);stroke-width:{_number(2 * thin)}}}"
        f".nest .margin{{fill:none;stroke:var(--rest);stroke-width:{_number(thin)};stroke-dasharray:{_number(8 * thin)}}}"
        f".nest .remnant{{fill:url(#rest);stroke:var(--rest);stroke-width:{_number(1.5 * thin)}}}"
        f".nest .hatch{{stroke:var(--rest);stroke-width:{_number(2 * thin)}}}"
        ".nest .part{fill:hsl(215 12% var(--tone));fill-rule:evenodd}"
        f".nest .part{{stroke:var(--line);stroke-width:{_number(thin)};stroke-linejoin:round}}"
        f"{colours}"
        ".nest text{fill:var(--text);font-family:sans-serif;text-anchor:middle;dominant-baseline:central;pointer-events:none}"
        ".nest .legend{text-anchor:start}"
    )


def _number(value: float) -> str:
    """Return a length as short as a ten-thousandth of a mm allows, or as six digits do where it is smaller."""
    told = f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 else f"{value:.6g}"
    return "0" if told in {"-0", "0"} else told


def _numbers(x: float, y: float) -> str:
    return f"{_number(x)} {_number(y)}"


def _thinned(ring: Floats, most: int = 200) -> Floats:
    return ring[:: max(1, len(ring) // most)]


def _to_sides(points: Floats, begins: Floats, ends: Floats) -> Floats:
    way = ends - begins
    long = np.maximum((way**2).sum(axis=1), 1e-300)
    share = np.clip(((points[:, None] - begins) * way).sum(axis=2) / long, 0.0, 1.0)
    far: Floats = np.linalg.norm(points[:, None] - begins - share[:, :, None] * way, axis=2).min(axis=1)
    return far


def _crossings(points: Floats, begins: Floats, ends: Floats) -> Floats:
    """How many sides a ray to the right of each point crosses."""
    x, y = points[:, :1], points[:, 1:]
    between = (begins[:, 1] > y) != (ends[:, 1] > y)
    rise = np.where(ends[:, 1] == begins[:, 1], 1.0, ends[:, 1] - begins[:, 1])
    at = begins[:, 0] + (ends[:, 0] - begins[:, 0]) * (y - begins[:, 1]) / rise
    crossed: Floats = (between & (x < at)).sum(axis=1)
    return crossed
