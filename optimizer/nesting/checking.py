"""Whether a nest keeps every rule, by code that shares no geometry with what makes nests: each layout is drawn anew and measured.

Everything is drawn in double precision and measured by GEOS (libgeos.org, by way of shapely). A length may miss its limit by
``TOLERANCE_MM``: single precision, in which spyrrow counts, has steps half as wide on a sheet of 6 m (its own layouts of the published
strips have no fault at a ten-thousandth of that). On a strip, whose unit nobody tells, by a millionth of its height where that is less.
Two parts overlap where what they have in common holds a circle of that width; what is thinner is a common edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from plant.nests import (
    CutSheet,
    Floats,
    LeftPart,
    LeftReason,
    Nest,
    NestPart,
    NestProblem,
    PackedStrip,
    Placements,
    StockSheet,
    StripProblem,
)

TOLERANCE_MM = 1e-3
_ANGLE_TOLERANCE_DEG = 1e-3
_MOST = 1_000
"""As many faults are told at most."""
_ANGLES_TRIED = 360
"""Of a part that may lie at any angle, when it is said to fit nowhere."""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What lies on one sheet, drawn: geometries (k) and their boxes (k, 4), in the rows of the placements."""

    tolerance_mm: float
    names: list[str]
    geometries: NDArray[Any]
    boxes: Floats


def nest_faults(problem: NestProblem, nest: Nest) -> list[str]:
    """Return a sentence for each rule that a nest breaks; none: it may be cut."""
    return list(islice(_nest_faults(problem, nest), _MOST))


def strip_faults(problem: StripProblem, strip: PackedStrip) -> list[str]:
    """Return a sentence for each rule that a packed strip breaks; none: it is as long as it says."""
    return list(islice(_strip_faults(problem, strip), _MOST))


def _nest_faults(problem: NestProblem, nest: Nest) -> Iterator[str]:
    sound = [f"part {name}: {why}" for name, why in _unsound(problem.parts)]
    if sound:
        yield from sound
        return
    laid, used = np.zeros(len(problem.parts), np.int64), np.zeros(len(problem.sheets), np.int64)
    for number, cut in enumerate(nest.sheets, 1):
        if not 0 <= cut.sheet < len(problem.sheets):
            yield f"layout {number}: is cut from sheet {cut.sheet}, and there are {len(problem.sheets)}"
            continue
        place = f"layout {number} on {problem.sheets[cut.sheet].name}"
        if cut.copies < 1:
            yield f"{place}: is cut {cut.copies} times"
        wrong = _wrong_columns(cut.placements, len(problem.parts))
        if wrong:
            yield f"{place}: {wrong}"
            continue
        used[cut.sheet] += cut.copies
        laid += cut.copies * np.bincount(cut.placements.part, minlength=len(problem.parts))
        yield from (f"{place}: {fault}" for fault in _sheet_faults(problem, cut))
    for sheet, count in zip(problem.sheets, used, strict=True):
        if count > sheet.quantity:
            yield f"sheet {sheet.name}: {count} are cut, and {sheet.quantity} are in stock"
    yield from _left_faults(problem, nest.left, laid, used)


def _strip_faults(problem: StripProblem, strip: PackedStrip) -> Iterator[str]:
    sound = [f"part {name}: {why}" for name, why in _unsound(problem.parts)]
    wrong = _wrong_columns(strip.placements, len(problem.parts))
    if sound or wrong:
        yield from (*sound, *([wrong] if wrong else []))
        return
    if not math.isfinite(strip.length_mm) or strip.length_mm < 0:
        yield f"its length is {strip.length_mm}"
        return
    counts = np.bincount(strip.placements.part, minlength=len(problem.parts))
    for part, count in zip(problem.parts, counts, strict=True):
        if count != part.quantity:
            yield f"part {part.name}: {count} lie on the strip, and {part.quantity} are asked for"
    drawn = _drawn(problem.parts, strip.placements, min(TOLERANCE_MM, 1e-6 * problem.height_mm))
    for row, part in _rows(problem.parts, strip.placements):
        if not _turned_as_allowed(part, float(strip.placements.rotation_deg[row])):
            yield _turned_wrong(drawn.names[row], part, float(strip.placements.rotation_deg[row]))
    yield from _outside(drawn, (0.0, 0.0, strip.length_mm, problem.height_mm), "the strip")
    yield from _too_near(drawn, problem.distance_mm)


def _unsound(parts: Sequence[NestPart]) -> Iterator[tuple[str, str]]:
    for part in parts:
        rings = (part.shape.outline, *part.shape.holes)
        if any(ring.ndim != 2 or ring.shape[1:] != (2,) or len(ring) < 3 or not np.isfinite(ring).all() for ring in rings):
            yield part.name, "a ring of its shape has fewer than three corners, or one that is no number"
        elif not shapely.is_valid(shape := shapely.Polygon(part.shape.outline, part.shape.holes)):
            yield part.name, f"its shape is not sound: {shapely.is_valid_reason(shape)}"


def _wrong_columns(placements: Placements, parts: int) -> str | None:
    columns = (placements.part, placements.x_mm, placements.y_mm, placements.rotation_deg)
    if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
        return "the columns of its placements are not equally long"
    if not all(np.isfinite(column).all() for column in columns):
        return "a placement holds what is no number"
    if len(placements.part) and not 0 <= int(placements.part.min()) <= int(placements.part.max()) < parts:
        return f"a placement names a part that is not there; there are {parts}"
    return None


def _rows(parts: Sequence[NestPart], placements: Placements) -> Iterator[tuple[int, NestPart]]:
    return ((row, parts[part]) for row, part in enumerate(placements.part.tolist()))


def _drawn(parts: Sequence[NestPart], placements: Placements, tolerance_mm: float) -> _Drawn:
    geometries = np.empty(len(placements.part), object)
    turned = np.exp(1j * np.radians(placements.rotation_deg))
    moved = placements.x_mm + 1j * placements.y_mm
    for part in np.unique(placements.part).tolist():
        rows = np.flatnonzero(placements.part == part)

        def rings(corners: Floats, rows: NDArray[np.intp] = rows) -> Any:
            laid = (corners[:, 0] + 1j * corners[:, 1]) * turned[rows, None] + moved[rows, None]
            return shapely.linearrings(np.stack((laid.real, laid.imag), axis=-1))

        shape = parts[part].shape
        holes = np.stack([rings(hole) for hole in shape.holes], axis=1) if shape.holes else None
        geometries[rows] = shapely.polygons(rings(shape.outline), holes=holes)
    names = [f"{part.name} (placement {row + 1})" for row, part in _rows(parts, placements)]
    return _Drawn(tolerance_mm, names, geometries, shapely.bounds(geometries).reshape(-1, 4))


def _sheet_faults(problem: NestProblem, cut: CutSheet) -> Iterator[str]:
    sheet = problem.sheets[cut.sheet]
    rules = problem.rules_for(sheet.thickness_mm)
    drawn = _drawn(problem.parts, cut.placements, TOLERANCE_MM)
    for row, part in _rows(problem.parts, cut.placements):
        yield from (f"{drawn.names[row]} {fault}" for fault in _wrong_sheet(part, sheet))
        rotation = float(cut.placements.rotation_deg[row])
        if not _turned_as_allowed(part, rotation):
            yield _turned_wrong(drawn.names[row], part, rotation)
        if part.grain_deg is not None and (sheet.grain_deg is None or not _along(rotation + part.grain_deg - sheet.grain_deg)):
            direction = "is not known" if sheet.grain_deg is None else f"is {sheet.grain_deg:g} degrees"
            lies = f"lies at {(rotation + part.grain_deg) % 180:g} degrees"
            yield f"{drawn.names[row]} minds the rolling direction, which {direction}, and {lies}"
    margin = rules.margin_mm
    inner = (margin, margin, sheet.width_mm - margin, sheet.height_mm - margin)
    yield from _outside(drawn, inner, f"the sheet less its margin of {margin:g} mm" if margin else "the sheet")
    yield from _too_near(drawn, rules.distance_mm)
    yield from _remnant_faults(cut, sheet, drawn, rules.distance_mm, rules.least_remnant_mm)


def _wrong_sheet(part: NestPart, sheet: StockSheet) -> Iterator[str]:
    if part.material != sheet.material:
        yield f"is of {part.material or 'no material'}, and the sheet of {sheet.material or 'no material'}"
    if abs(part.thickness_mm - sheet.thickness_mm) > TOLERANCE_MM:
        yield f"is {part.thickness_mm:g} mm thick, and the sheet {sheet.thickness_mm:g} mm"


def _turned_as_allowed(part: NestPart, rotation_deg: float) -> bool:
    allowed = part.rotations_deg
    return allowed is None or any(abs(math.remainder(rotation_deg - one, 360.0)) <= _ANGLE_TOLERANCE_DEG for one in allowed)


def _along(angle_deg: float) -> bool:
    return abs(math.remainder(angle_deg, 180.0)) <= _ANGLE_TOLERANCE_DEG


def _turned_wrong(name: str, part: NestPart, rotation_deg: float) -> str:
    allowed = ", ".join(f"{one:g}" for one in part.rotations_deg or ()) or "none"
    return f"{name} is turned by {rotation_deg:g} degrees; allowed: {allowed}"


def _outside(drawn: _Drawn, inner: tuple[float, float, float, float], what: str) -> Iterator[str]:
    beyond = np.column_stack(
        (inner[0] - drawn.boxes[:, 0], inner[1] - drawn.boxes[:, 1], drawn.boxes[:, 2] - inner[2], drawn.boxes[:, 3] - inner[3])
    )
    for row in np.flatnonzero((beyond > drawn.tolerance_mm).any(axis=1)).tolist():
        side = ("left", "lower", "right", "upper")[int(beyond[row].argmax())]
        yield f"{drawn.names[row]} is {beyond[row].max():.4g} mm beyond the {side} edge of {what}"


def _too_near(drawn: _Drawn, distance_mm: float) -> Iterator[str]:
    if len(drawn.geometries) < 2:
        return
    tree = shapely.STRtree(drawn.geometries)
    first, second = tree.query(drawn.geometries, predicate="dwithin", distance=max(distance_mm - drawn.tolerance_mm, 0.0))
    once = first < second
    for one, other in zip(first[once].tolist(), second[once].tolist(), strict=True):
        fault = _nearness(drawn.geometries[one], drawn.geometries[other], distance_mm, drawn.tolerance_mm)
        if fault:
            yield f"{drawn.names[one]} and {drawn.names[other]} {fault}"


def _nearness(one: Any, other: Any, distance_mm: float, tolerance_mm: float = TOLERANCE_MM) -> str | None:
    """Tell by how much two regions are too near each other, None where they are not."""
    apart = float(shapely.distance(one, other))
    if apart > 0:
        return f"are {apart:.4f} mm apart; {distance_mm:g} mm must lie between" if apart < distance_mm - tolerance_mm else None
    common = shapely.intersection(one, other)
    if not shapely.is_empty(shapely.buffer(common, -tolerance_mm / 2)):
        return f"overlap by {shapely.area(common):.6g} mm2"
    return f"touch; {distance_mm:g} mm must lie between" if distance_mm > tolerance_mm else None


def _remnant_faults(cut: CutSheet, sheet: StockSheet, drawn: _Drawn, distance_mm: float, least: tuple[float, float]) -> Iterator[str]:
    boxes = [(one.x_mm, one.y_mm, one.x_mm + one.width_mm, one.y_mm + one.height_mm) for one in cut.remnants]
    for number, (one, box) in enumerate(zip(cut.remnants, boxes, strict=True), 1):
        name = f"remnant {number}"
        if not all(math.isfinite(value) for value in box):
            yield f"{name}: holds what is no number"
            return
        shorter, longer = sorted((one.width_mm, one.height_mm))
        if longer < max(least) - TOLERANCE_MM or shorter < min(least) - TOLERANCE_MM:
            size = f"{one.width_mm:g} x {one.height_mm:g} mm"
            yield f"{name}: {size} is smaller than {max(least):g} x {min(least):g} mm, the least that goes back"
        if min(box[:2]) < -TOLERANCE_MM or box[2] > sheet.width_mm + TOLERANCE_MM or box[3] > sheet.height_mm + TOLERANCE_MM:
            yield f"{name}: is not inside the sheet"
    regions = [shapely.box(*box) for box in boxes]
    for number, region in enumerate(regions):
        for other in range(number):
            if fault := _nearness(regions[other], region, 0.0):
                yield f"remnants {other + 1} and {number + 1} {fault}"
        for row in np.flatnonzero(shapely.dwithin(drawn.geometries, region, distance_mm)).tolist():
            if fault := _nearness(drawn.geometries[row], region, distance_mm):
                yield f"remnant {number + 1} and {drawn.names[row]} {fault}"


def _left_faults(problem: NestProblem, left: Sequence[LeftPart], laid: NDArray[np.int64], used: NDArray[np.int64]) -> Iterator[str]:
    remaining = np.zeros(len(problem.parts), np.int64)
    for one in left:
        if not 0 <= one.part < len(problem.parts):
            yield f"part {one.part} is left, and there are {len(problem.parts)}"
            continue
        if one.quantity < 1:
            yield f"part {problem.parts[one.part].name}: {one.quantity} are left"
        remaining[one.part] += one.quantity
        fault = _wrong_reason(problem, one, laid, used)
        if fault:
            yield f"part {problem.parts[one.part].name}: is left for '{one.reason.value}', {fault}"
    for row, part in enumerate(problem.parts):
        if laid[row] + remaining[row] != part.quantity:
            yield f"part {part.name}: {laid[row]} are laid and {remaining[row]} left, and {part.quantity} are asked for"


def _wrong_reason(problem: NestProblem, left: LeftPart, laid: NDArray[np.int64], used: NDArray[np.int64]) -> str | None:
    """Tell why the reason for leaving a part cannot hold, None where it may. Whether a full sheet had room for one more is not judged."""
    if left.reason is LeftReason.STOPPED:
        return None
    part = problem.parts[left.part]
    if laid[left.part] and left.reason is not LeftReason.STOCK_USED_UP:
        return f"and {laid[left.part]} are laid"
    own = [row for row, sheet in enumerate(problem.sheets) if not any(_wrong_sheet(part, sheet)) and sheet.quantity > 0]
    if left.reason is LeftReason.NO_SHEET:
        return f"and there is {problem.sheets[own[0]].name}" if own else None
    if not own:
        return "and there is no sheet of its material and thickness"
    fits = [row for row in own if _fits_alone(problem, part, problem.sheets[row])]
    if left.reason is LeftReason.STOCK_USED_UP:
        free = [row for row in fits if used[row] < problem.sheets[row].quantity]
        return f"and {problem.sheets[free[0]].name} is not used up" if free else None
    return f"and it fits {problem.sheets[fits[0]].name}" if fits else None


def _fits_alone(problem: NestProblem, part: NestPart, sheet: StockSheet) -> bool:
    """Whether a part surely fits an empty sheet as it may lie; at any angle, whole degrees are tried."""
    angles = np.array(part.rotations_deg if part.rotations_deg is not None else np.linspace(0, 360, _ANGLES_TRIED, endpoint=False))
    if part.grain_deg is not None:
        if sheet.grain_deg is None:
            return False
        along = sheet.grain_deg - part.grain_deg
        angles = np.array([along, along + 180]) if part.rotations_deg is None else angles[[_along(one - along) for one in angles.tolist()]]
    turned = (part.shape.outline[:, 0] + 1j * part.shape.outline[:, 1]) * np.exp(1j * np.radians(angles))[:, None]
    room = 2 * problem.rules_for(sheet.thickness_mm).margin_mm
    wide, high = np.ptp(turned.real, axis=1), np.ptp(turned.imag, axis=1)
    return bool(np.any((wide <= sheet.width_mm - room) & (high <= sheet.height_mm - room)))
