"""DXF: drawings of parts become shapes, cut sheets become drawings for the machine. The one module that knows ezdxf.

Read are LINE, ARC, CIRCLE, LWPOLYLINE and POLYLINE (with bulges), SPLINE, ELLIPSE and INSERT. Ends nearer than ``JOIN_MM`` are joined to
closed lines; an outermost one is a part, one inside of it a hole, one inside of a hole again a part. Arcs become sides at most
``CHORD_MM`` off, never on the side of the material: a part is not smaller than it was drawn, a hole not larger.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np
from ezdxf import recover, units
from ezdxf.entities.dxfgfx import DXFGraphic
from ezdxf.enums import TextEntityAlignment
from ezdxf.filemanagement import new
from ezdxf.path import Command, make_path

from plant.errors import SettingsError
from plant.nest_drawing import label_spot
from plant.nest_shapes import CHORD_MM, shape_of, shape_problems
from plant.nests import CutSheet, Floats, NestProblem, Shape, placed, ring_area

JOIN_MM: Final = 0.05
_NOT_CUT: Final = ("SHEET", "REMNANT", "MARK", "DEFPOINTS")
"""Layers of our own drawings, and of ezdxf's, that are no line of a part."""
_LINES: Final = frozenset(("LINE", "ARC", "CIRCLE", "LWPOLYLINE", "POLYLINE", "SPLINE", "ELLIPSE"))
_NO_LINES: Final = frozenset(
    (
        "TEXT",
        "MTEXT",
        "ATTDEF",
        "ATTRIB",
        "DIMENSION",
        "ARC_DIMENSION",
        "LARGE_RADIAL_DIMENSION",
        "LEADER",
        "MULTILEADER",
        "MLEADER",
        "TOLERANCE",
        "POINT",
        "HATCH",
        "VIEWPORT",
        "IMAGE",
        "WIPEOUT",
        "ACAD_TABLE",
        "XLINE",
        "RAY",
        "OLE2FRAME",
        "OLEFRAME",
        "PDFUNDERLAY",
        "DWFUNDERLAY",
        "DGNUNDERLAY",
    )
)
"""What is written on a drawing, not cut."""
_UNITS_MM: Final = {0: 1.0, 1: 25.4, 2: 304.8, 4: 1.0, 5: 10.0, 6: 1000.0, 14: 100.0}
"""Of $INSUNITS; 0: none told, then mm."""
_MOST_ENTITIES: Final = 100_000
_DEEPEST: Final = 8
"""Blocks in blocks."""
_MOST_STEPS: Final = 2_000
"""Of one curve."""
_FLAT_MM: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """Curves one after the other: cubic Bezier curves (n, 4, 2) in mm; sides are such curves too."""

    curves: Floats

    @property
    def begin(self) -> Floats:
        first: Floats = self.curves[0, 0]
        return first

    @property
    def end(self) -> Floats:
        last: Floats = self.curves[-1, 3]
        return last

    def back(self) -> _Chain:
        return _Chain(self.curves[::-1, ::-1])


def read_parts(content: bytes, place: str, *, cut: Sequence[str] = ("*",), ignore: Sequence[str] = ()) -> list[Shape]:
    """Return the parts of a drawing in mm, by rising x and y of their middle. ``cut``, ``ignore``: layers, * stands for any letters.

    Raises SettingsError that tells what is wrong with the file ``place``, each line that is not closed by where it ends.
    """
    document = _document(content, place)
    factor = _UNITS_MM.get(int(document.header.get("$INSUNITS", 0)))
    if factor is None:
        raise SettingsError(f"{place}: its unit ($INSUNITS {document.header.get('$INSUNITS')}) is none of mm, cm, dm, m, inch, foot")
    try:
        chains = list(_chains(document, place, factor, _Layers(document, tuple(cut), tuple(ignore))))
    except SettingsError:
        raise
    except Exception as error:  # a library that reads what others wrote raises what it likes
        raise SettingsError(f"{place}: a line cannot be read: {type(error).__name__}: {str(error)[:120]}") from error
    if not chains:
        layers = ", ".join(sorted(layer.dxf.name for layer in document.layers))[:200]
        raise SettingsError(f"{place}: there is no line to cut on the layers that are asked for; there are: {layers}")
    return _shapes(_closed(chains, place), place)


def write_sheet(problem: NestProblem, cut: CutSheet) -> bytes:
    """Return a layout as DXF (R2010, mm): layers SHEET, CUT_INNER, CUT_OUTER, MARK (names of parts), REMNANT."""
    document = new("R2010", units=units.MM)
    for name, colour in (("SHEET", 8), ("CUT_INNER", 1), ("CUT_OUTER", 7), ("MARK", 3), ("REMNANT", 5)):
        document.layers.add(name, color=colour)
    space = document.modelspace()
    sheet = problem.sheets[cut.sheet]

    def line(ring: Floats, layer: str) -> None:
        space.add_lwpolyline(ring.tolist(), close=True, dxfattribs={"layer": layer})

    def box(x: float, y: float, width: float, height: float, layer: str) -> None:
        line(np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)]), layer)

    box(0.0, 0.0, sheet.width_mm, sheet.height_mm, "SHEET")
    for remnant in cut.remnants:
        box(remnant.x_mm, remnant.y_mm, remnant.width_mm, remnant.height_mm, "REMNANT")
    laid = cut.placements
    spots = {row: label_spot(problem.parts[row].shape) for row in np.unique(laid.part).tolist()}
    for row, x, y, turned in zip(laid.part.tolist(), laid.x_mm.tolist(), laid.y_mm.tolist(), laid.rotation_deg.tolist(), strict=True):
        part = problem.parts[row]
        for hole in part.shape.holes:
            line(placed(hole, turned, x, y), "CUT_INNER")
        line(placed(part.shape.outline, turned, x, y), "CUT_OUTER")
        at = placed(np.array([spots[row][:2]]), turned, x, y)[0].tolist()
        height = max(min(0.8 * spots[row][2], 3.0 * spots[row][2] / max(len(part.name), 1)), 1e-3)
        mark = space.add_text(_one_line(part.name), height=height, dxfattribs={"layer": "MARK"})
        mark.set_placement(at, align=TextEntityAlignment.MIDDLE_CENTER)
    text = io.StringIO()
    document.write(text)
    return text.getvalue().encode(document.output_encoding, "replace")


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text) or " "


def _document(content: bytes, place: str) -> Any:
    """Return a drawing whole: one that was cut off on its way is refused, for a hole may be lacking."""
    logging.getLogger("ezdxf").setLevel(logging.CRITICAL)  # what it has to say of a file is told by us, or is no matter of shapes
    if not content.strip():
        raise SettingsError(f"{place}: is empty")
    if not content.rstrip(b"\0\r\n\t \x1a").endswith(b"EOF"):
        told = "is cut off: it does not end with EOF" if b"SECTION" in content[:4096] else "is no DXF file"
        raise SettingsError(f"{place}: {told}")
    try:
        document, auditor = recover.read(io.BytesIO(content))
    except Exception as error:  # as above
        raise SettingsError(f"{place}: is no DXF file that can be read: {str(error)[:160] or type(error).__name__}") from error
    if auditor.errors:
        raise SettingsError(f"{place}: is damaged: {auditor.errors[0].message[:160]}")
    return document


class _Layers:
    """Which layers are cut."""

    def __init__(self, document: Any, cut: tuple[str, ...], ignore: tuple[str, ...]) -> None:
        self._cut = tuple(name.upper() for name in cut)
        plain = "*" in self._cut
        self._ignore = tuple(name.upper() for name in ignore) + (_NOT_CUT if plain else ())
        self._hidden = {layer.dxf.name.upper() for layer in document.layers if layer.is_off() or layer.is_frozen()}

    def cut(self, layer: str) -> bool:
        name = layer.upper()
        if name in self._hidden or any(fnmatchcase(name, one) for one in self._ignore):
            return False
        return any(fnmatchcase(name, one) for one in self._cut)


class _Count:
    """How many things a drawing has, blocks opened."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._seen = 0

    def more(self, many: int = 1) -> None:
        self._seen += many
        if self._seen > _MOST_ENTITIES:
            raise SettingsError(f"{self.place}: has more than {_MOST_ENTITIES:,} lines and blocks; is it a drawing of parts?")


def _chains(document: Any, place: str, factor: float, layers: _Layers) -> Iterator[_Chain]:
    for entity, layer in _entities(document.modelspace(), layers, None, 0, _Count(place)):
        kind = entity.dxftype()
        if kind in _NO_LINES:
            continue
        if kind not in _LINES:
            raise SettingsError(f"{place}: layer {layer} holds a {kind}, which is no line; explode it, or leave the layer out")
        curves = _curves(entity, factor)
        if not len(curves):
            continue
        if not np.isfinite(curves).all():
            raise SettingsError(f"{place}: a {kind} on layer {layer} has a corner that is no number")
        if np.ptp(curves[:, :, 2]) > _FLAT_MM:
            raise SettingsError(f"{place}: a {kind} on layer {layer} is not flat: it rises by {np.ptp(curves[:, :, 2]):.4g} mm")
        yield _Chain(curves[:, :, :2])


def _entities(space: Any, layers: _Layers, within: str | None, depth: int, count: _Count) -> Iterator[tuple[DXFGraphic, str]]:
    """Yield what lies on layers that are cut, with its layer; what a block has on layer 0 lies on that of its insert."""
    for entity in space:
        count.more()
        layer = entity.dxf.get("layer", "0")
        layer = within if within is not None and layer == "0" else layer
        if entity.dxf.get("invisible", 0):
            continue
        if entity.dxftype() == "INSERT":
            if depth >= _DEEPEST:
                raise SettingsError(f"{count.place}: has blocks in blocks, deeper than {_DEEPEST}")
            count.more(entity.mcount)
            for one in entity.multi_insert() if entity.mcount > 1 else (entity,):
                yield from _entities(one.virtual_entities(), layers, layer, depth + 1, count)
        elif layers.cut(layer):
            yield entity, layer


def _curves(entity: Any, factor: float) -> Floats:
    """Return a line as cubic Bezier curves (n, 4, 3) in mm."""
    path: Any = make_path(entity, segments=_segments(entity, factor))
    now, curves = path.start, []
    for command in path.commands():
        if command.type == Command.CURVE4_TO:
            points = (now, command.ctrl1, command.ctrl2, command.end)
        elif command.type == Command.CURVE3_TO:
            points = (now, now.lerp(command.ctrl, 2 / 3), command.end.lerp(command.ctrl, 2 / 3), command.end)
        else:
            points = (now, now.lerp(command.end, 1 / 3), now.lerp(command.end, 2 / 3), command.end)
        if not now.isclose(command.end, abs_tol=1e-12) or command.type != Command.LINE_TO:
            curves.append([tuple(point) for point in points])
        now = command.end
    return factor * np.array(curves, float).reshape(-1, 4, 3)


def _segments(entity: Any, factor: float) -> int:
    """Return of how many curves a round line is made: of few that are near a circle, of no more than it needs."""
    kind = entity.dxftype()
    if kind not in {"CIRCLE", "ARC", "ELLIPSE"}:
        return 24
    radius = factor * (abs(entity.dxf.radius) if kind != "ELLIPSE" else entity.dxf.major_axis.magnitude)
    whole = 64 if not CHORD_MM < radius < 1e6 else min(64, max(8, math.ceil(math.pi / math.acos(1 - CHORD_MM / radius))))
    return max(1, math.ceil(whole * ((entity.dxf.end_angle - entity.dxf.start_angle) % 360) / 360)) if kind == "ARC" else whole


def _closed(chains: Sequence[_Chain], place: str) -> list[_Chain]:
    """Return closed lines, joined from what lies end to end. Raises SettingsError that tells of each end that meets no other."""
    closed = [chain for chain in chains if _apart(chain.begin, chain.end) <= JOIN_MM]
    loose = _once([chain for chain in chains if _apart(chain.begin, chain.end) > JOIN_MM])
    closed = [chain for chain in _once(closed) if len(chain.curves) > 1 or _length(chain) > 2 * JOIN_MM]
    ends = np.array([end for chain in loose for end in (chain.begin, chain.end)]).reshape(-1, 2)
    partner = _partners(ends, place)
    left = set(range(len(loose)))
    while left:
        first = left.pop()
        curves, now = [loose[first].curves], int(partner[2 * first + 1])
        while now // 2 != first:
            left.discard(now // 2)
            chain = loose[now // 2] if now % 2 == 0 else loose[now // 2].back()
            curves.append(chain.curves)
            now = int(partner[now ^ 1])
        closed.append(_Chain(np.concatenate(curves)))
    return closed


def _partners(ends: Floats, place: str) -> Any:
    """Return for each end (n, 2) the one other that meets it."""
    order = np.argsort(ends[:, 0], kind="stable")
    meets: list[list[int]] = [[] for _ in ends]
    reach = np.searchsorted(ends[order, 0], ends[order, 0] + JOIN_MM, side="right")
    for at, row in enumerate(order.tolist()):
        near = order[at + 1 : reach[at]]
        for other in near[np.hypot(*(ends[near] - ends[row]).T) <= JOIN_MM].tolist():
            meets[row].append(other)
            meets[other].append(row)
    wrong = []
    for row, others in enumerate(meets):
        where = f"({ends[row, 0]:.6g}, {ends[row, 1]:.6g}) mm"
        if not others:
            far = np.hypot(*(np.delete(ends, row, axis=0) - ends[row]).T)
            wrong.append(f"{place}: a line ends at {where} and meets no other; the next end is {far.min():.4g} mm away")
        elif len(others) > 1:
            wrong.append(f"{place}: {len(others) + 1} lines meet at {where}; an outline has two")
    if wrong:
        raise SettingsError(wrong[:20])
    return np.array([others[0] for others in meets], int)


def _once(chains: list[_Chain]) -> list[_Chain]:
    """Return each line once: many drawings hold some twice, one on the other."""
    kept: dict[tuple[float, ...], _Chain] = {}
    for chain in chains:
        points = chain.curves.reshape(-1, 2)
        ends = sorted((tuple(np.round(chain.begin / JOIN_MM).tolist()), tuple(np.round(chain.end / JOIN_MM).tolist())))
        key = (*ends[0], *ends[1], *np.round(points.mean(axis=0) / JOIN_MM).tolist(), round(_length(chain) / JOIN_MM))
        kept.setdefault(key, chain)
    return list(kept.values())


def _apart(one: Floats, other: Floats) -> float:
    return float(np.hypot(*(one - other)))


def _length(chain: _Chain) -> float:
    ways = np.diff(chain.curves, axis=1)
    return float(np.hypot(ways[..., 0], ways[..., 1]).sum())


def _shapes(closed: Sequence[_Chain], place: str) -> list[Shape]:
    """Return parts with their holes by what lies in what."""
    rough = [_flattened(chain, place, outwards=False) for chain in closed]
    around = _around(rough)
    shapes, wrong = [], []
    for row, inside_of in enumerate(around):
        if len(inside_of) % 2 == 1:
            continue
        own = [other for other, outer in enumerate(around) if len(outer) == len(inside_of) + 1 and row in outer]
        outline = _flattened(closed[row], place, outwards=True)
        shape = shape_of(outline, [_flattened(closed[hole], place, outwards=True, hole=True) for hole in own])
        middle = rough[row].mean(axis=0)
        wrong += [f"{place}: the part near ({middle[0]:.6g}, {middle[1]:.6g}) mm {problem}" for problem in shape_problems(shape)]
        shapes.append(shape)
    if wrong:
        raise SettingsError(wrong[:20])
    return sorted(shapes, key=lambda shape: tuple(shape.outline.mean(axis=0).tolist()))


def _around(rings: Sequence[Floats]) -> list[list[int]]:
    """Return for each ring those that it lies in."""
    lows, highs = (np.array([pick(ring, axis=0) for ring in rings]) for pick in (np.min, np.max))
    sizes = np.array([abs(ring_area(ring)) for ring in rings])
    around = []
    for row, ring in enumerate(rings):
        larger = (lows <= lows[row]).all(axis=1) & (highs >= highs[row]).all(axis=1) & (sizes > sizes[row])
        around.append([other for other in np.flatnonzero(larger).tolist() if _inside(ring[0], rings[other])])
    return around


def _inside(point: Floats, ring: Floats) -> bool:
    (ax, ay), (bx, by) = ring.T, np.roll(ring, -1, axis=0).T
    between = (ay > point[1]) != (by > point[1])
    rise = np.where(ay == by, 1.0, by - ay)
    return bool(np.count_nonzero(between & (point[0] < (bx - ax) * (point[1] - ay) / rise + ax)) % 2)


def _flattened(chain: _Chain, place: str, *, outwards: bool, hole: bool = False) -> Floats:
    """Return the corners (n, 2) of a closed line; ``outwards``: material lies left of the way round, and is not taken from."""
    if outwards:
        rough = _flattened(chain, place, outwards=False)
        if (ring_area(rough) < 0) != hole:
            chain = chain.back()
    corners = np.array([point for curve in chain.curves for point in _steps(curve, place, outwards=outwards)]).reshape(-1, 2)
    return _without_straight(corners) if outwards and len(corners) > len(chain.curves) else corners


def _without_straight(ring: Floats) -> Floats:
    """Return a ring without the corners at which tangents go straight on."""
    way = np.roll(ring, -1, axis=0) - np.roll(ring, 1, axis=0)
    long = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-12)
    to_side = ring - np.roll(ring, 1, axis=0)
    straight = np.abs(way[:, 0] * to_side[:, 1] - way[:, 1] * to_side[:, 0]) / long < 1e-7
    straight &= ~np.roll(straight, 1)
    return ring[~straight] if np.count_nonzero(~straight) >= 3 else ring


def _steps(curve: Floats, place: str, *, outwards: bool) -> list[tuple[float, float]]:
    """Return corners along one curve without its end: on it, or where it turns left on its tangents, which meet outside of it."""
    bend = 6 * max(_apart(curve[0] + curve[2], 2 * curve[1]), _apart(curve[1] + curve[3], 2 * curve[2]))
    count = max(1, math.ceil(math.sqrt(bend / (8 * CHORD_MM)))) if bend > 1e-6 else 1
    if count > _MOST_STEPS:
        raise SettingsError(f"{place}: a curve near ({curve[0, 0]:.6g}, {curve[0, 1]:.6g}) mm is too long to be cut: is the unit right?")
    at = np.linspace(0.0, 1.0, count + 1)[:, None]
    off = 1 - at
    points = off**3 * curve[0] + 3 * off**2 * at * curve[1] + 3 * off * at**2 * curve[2] + at**3 * curve[3]
    if not outwards or bend <= 1e-6:
        return [(x, y) for x, y in points[:-1].tolist()]
    ways = off**2 * (curve[1] - curve[0]) + 2 * off * at * (curve[2] - curve[1]) + at**2 * (curve[3] - curve[2])
    corners: list[tuple[float, float]] = []
    for row in range(count):
        corners.append((float(points[row, 0]), float(points[row, 1])))
        corner = _tangents_meet(points[row], ways[row], points[row + 1], ways[row + 1])
        if corner is not None:
            corners.append(corner)
    return corners


def _tangents_meet(one: Floats, along: Floats, other: Floats, further: Floats) -> tuple[float, float] | None:
    """Return where the way out of one point meets the way into the next, where it turns left in between."""
    turn = float(along[0] * further[1] - along[1] * further[0])
    if turn <= 1e-9 * float(np.hypot(*along) * np.hypot(*further)):
        return None
    way = other - one
    share = float(way[0] * further[1] - way[1] * further[0]) / turn
    meeting = one + share * along
    limit = float(np.hypot(*way))
    return (float(meeting[0]), float(meeting[1])) if 0 <= share * float(np.hypot(*along)) <= limit else None
