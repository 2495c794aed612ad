"""Rectangles on rectangular sheets, and other parts by the rectangles around one or two: quick, and close where parts lie so.

``nest_rectangles`` is for parts of one material and thickness that are all rectangles. ``fill_rectangle`` fills one free place. Both keep
kerf, margin and rolling direction exactly: a rectangle with its distance on two sides, on a sheet less its margins with the distance on
two sides, may touch its neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optimizer.nesting.kinds import Kind, kinds_of, most_urgent, urgency
from optimizer.nesting.rectangle_boxes import Box, boxes_of_kinds, single
from optimizer.nesting.remnants import remnants_of
from plant.nests import (
    CutSheet,
    CuttingRules,
    Floats,
    LeftPart,
    LeftReason,
    Nest,
    NestPart,
    NestProblem,
    Placements,
    Shape,
    StockSheet,
    placed,
    ring_area,
)

if TYPE_CHECKING:
    from optimizer.nesting.rectangle_search import Cut, Plate

_SAME_MM = 1e-9
_SHORT = 0.92
"""Where parts take more than this of the stock, some may be left: the urgent ones are laid first."""


@dataclass(frozen=True, slots=True, eq=False)
class RectangleCut:
    """One layout of kinds, and how many sheets are cut so."""

    sheet: int
    """Row of the sheets it was made from."""
    copies: int
    placements: Placements
    """``part``: row of the kinds."""


def is_rectangle(part: NestPart) -> bool:
    """Return whether a part's outline is a rectangle along its drawing's axes that may be turned by quarters; its holes do not matter."""
    size = np.ptp(part.shape.outline, axis=0)
    if not np.isclose(ring_area(part.shape.outline), size[0] * size[1], rtol=1e-9, atol=0.0):
        return False
    quarters = part.rotations_deg is None or all(turn % 90.0 == 0.0 for turn in part.rotations_deg)
    return quarters and (part.grain_deg is None or part.grain_deg % 90.0 == 0.0)


def nest_rectangles(problem: NestProblem, *, seconds: float, seed: int = 1, stop: Callable[[], bool] | None = None) -> Nest:
    """Return what is cut from what in the time given; every part is laid, or left with its reason.

    All parts and sheets are of one material and thickness, all parts are rectangles (ValueError). The first answer is there after a
    moment, whatever ``seconds`` says. What is urgent is cut first.
    """
    plates = {(part.material, part.thickness_mm) for part in problem.parts}
    plates |= {(sheet.material, sheet.thickness_mm) for sheet in problem.sheets}
    if len(plates) > 1:
        raise ValueError(f"parts and sheets are of one material and thickness, not of {sorted(plates)}")
    wrong = [part.name for part in problem.parts if not is_rectangle(part)]
    if wrong:
        raise ValueError(f"{wrong[0]} is no rectangle")
    kinds = kinds_of(problem.parts, range(len(problem.parts)))
    rules = [problem.rules_for(sheet.thickness_mm) for sheet in problem.sheets]
    kinds, urgent = _by_urgency(kinds, _urgent(kinds, problem, rules))
    cuts, cut_short = cut_rectangles(kinds, problem.sheets, rules, seconds=seconds, seed=seed, stop=stop, urgent=urgent)
    remaining = [list(kind.quantities) for kind in kinds]
    sheets: list[CutSheet] = []
    for cut in sorted(cuts, key=lambda one: min(urgency(kinds[kind].part) for kind in set(one.placements.part.tolist()))):
        sheets += _sheets(problem, kinds, cut, remaining)
    left = [
        LeftPart(row, count, _reason(kind, problem.sheets, rules, stopped=cut_short))
        for kind, counts in zip(kinds, remaining, strict=True)
        for row, count in zip(kind.rows, counts, strict=True)
        if count
    ]
    return Nest(tuple(sheets), tuple(left))


def cut_rectangles(
    kinds: Sequence[Kind],
    sheets: Sequence[StockSheet],
    rules: Sequence[CuttingRules],
    *,
    seconds: float,
    seed: int = 1,
    stop: Callable[[], bool] | None = None,
    urgent: NDArray[np.int64] | None = None,
) -> tuple[list[RectangleCut], bool]:
    """Return layouts of kinds, and whether ``stop`` ended it before all had their turn. ``urgent`` (kinds,): above 0, what goes first.

    Parts that are no rectangles take the rectangle around them; two of one kind one rectangle together where that is less.
    """
    if not kinds or not sheets:
        return [], False
    from optimizer.nesting.rectangle_search import RectangleSearch

    until, stop = time.monotonic() + seconds, stop or (lambda: False)
    largest = max((_grown_size(sheet, rule) for sheet, rule in zip(sheets, rules, strict=True)), key=min)
    boxes = boxes_of_kinds(kinds, max(rule.distance_mm for rule in rules), largest, stop)
    plates = [_plate(boxes, sheet, rule) for sheet, rule in zip(sheets, rules, strict=True)]
    quantities = np.array([box.quantity for box in boxes], np.int64)
    areas = np.array([box.area_mm2(min(rule.distance_mm for rule in rules)) for box in boxes])
    first = np.zeros(len(boxes), np.int64) if urgent is None else urgent[[box.kind for box in boxes]]
    search = RectangleSearch(plates, areas, quantities, first, seed)
    search.run(max(0.0, until - time.monotonic()), stop)
    return [_cut(boxes, sheets, rules, cut) for cut in search.best], search.cut_short


def fill_rectangle(
    width_mm: float, height_mm: float, sizes: Floats, quantities: Sequence[int], *, turn: bool = True, tries: int = 200, seed: int = 1
) -> Placements:
    """Return rectangles laid in a free place so that as much of it as possible is covered; they may touch each other and its edges.

    ``sizes`` (k, 2): width and height of each, its distance added; ``part`` says the row of these, ``rotation_deg`` 0 or 90, and x and y
    where its lower left corner comes to lie.
    """
    from optimizer.nesting.rectangle_laying import lay_many

    ways = np.stack((sizes, sizes[:, ::-1] if turn else np.full_like(sizes, np.inf)), axis=1)
    left = np.asarray(quantities, np.int64)
    fits = ((ways[:, :, 0] <= width_mm) & (ways[:, :, 1] <= height_mm)).any(axis=1)
    left = np.where(fits, left, 0)
    rows = np.zeros((int(left.sum()), 4))
    count = (
        lay_many(float(width_mm), float(height_mm), ways, left, sizes.prod(axis=1), (0.0, np.inf), tries, seed, rows)[0]
        if left.any()
        else 0
    )
    laid = rows[:count]
    return Placements(laid[:, 0].astype(np.int32), laid[:, 2], laid[:, 3], 90.0 * laid[:, 1])


def _urgent(kinds: Sequence[Kind], problem: NestProblem, rules: Sequence[CuttingRules]) -> NDArray[np.int64]:
    """Return (kinds,) how many of each go first where stock is short; zeros where it is not."""
    if not problem.sheets:
        return np.zeros(len(kinds), np.int64)
    areas = np.array([_grown_area(kind.part, min(rule.distance_mm for rule in rules)) for kind in kinds])
    there = sum(sheet.quantity * np.prod(_grown_size(sheet, rule)).item() for sheet, rule in zip(problem.sheets, rules, strict=True))
    if sum(area * kind.quantity for area, kind in zip(areas.tolist(), kinds, strict=True)) < _SHORT * there:
        return np.zeros(len(kinds), np.int64)
    return most_urgent(kinds, problem.parts, areas, 0.85 * there)


def _by_urgency(kinds: Sequence[Kind], first: NDArray[np.int64]) -> tuple[list[Kind], NDArray[np.int64]]:
    """Return the kinds, and how many of each go first; where some of a kind go first and some do not, they are two."""
    split = [_some(kind, 0, int(count)) for kind, count in zip(kinds, first, strict=True) if count]
    rest = [_some(kind, int(count), kind.quantity) for kind, count in zip(kinds, first, strict=True) if count < kind.quantity]
    return split + rest, np.array([kind.quantity for kind in split] + [0] * len(rest), np.int64)


def _some(kind: Kind, begin: int, end: int) -> Kind:
    """Return a kind with some of its parts, as they are counted from the most urgent on."""
    ends = np.cumsum(kind.quantities)
    counts = np.clip(ends, begin, end) - np.clip(ends - kind.quantities, begin, end)
    there = np.flatnonzero(counts).tolist()
    return replace(kind, rows=tuple(kind.rows[at] for at in there), quantities=tuple(int(counts[at]) for at in there))


def _grown_size(sheet: StockSheet, rule: CuttingRules) -> tuple[float, float]:
    more = rule.distance_mm - 2 * rule.margin_mm
    return float(max(sheet.width_mm + more, 0.0)), float(max(sheet.height_mm + more, 0.0))


def _grown_area(part: NestPart, distance_mm: float) -> float:
    size = np.ptp(part.shape.outline, axis=0) + distance_mm
    return float(size[0] * size[1])


def _plate(boxes: Sequence[Box], sheet: StockSheet, rule: CuttingRules) -> Plate:
    from optimizer.nesting.rectangle_search import REMNANT_WORTH, Plate

    width, height = _grown_size(sheet, rule)
    sizes = np.full((len(boxes), 2, 2), np.inf)
    for row, box in enumerate(boxes):
        wide, high = box.size_mm + rule.distance_mm
        straight, turned = box.ways(sheet.grain_deg)
        if straight is not None:
            sizes[row, 0] = wide, high
        if turned is not None and (straight is None or abs(wide - high) > _SAME_MM):
            sizes[row, 1] = high, wide
    more = max(rule.distance_mm - rule.margin_mm, 0.0)
    cost = sheet.width_mm * sheet.height_mm * (REMNANT_WORTH if sheet.remnant else 1.0)
    long, short = max(rule.least_remnant_mm) + more, min(rule.least_remnant_mm) + more
    return Plate(width, height, float(cost), sizes, sheet.quantity, float(long), float(short))


def _cut(boxes: Sequence[Box], sheets: Sequence[StockSheet], rules: Sequence[CuttingRules], cut: Cut) -> RectangleCut:
    """Return a layout in the sheet's own coordinates."""
    plate = cut.layout.plate
    columns: list[tuple[int, float, float, float]] = []
    for row, way, x, y in cut.layout.rows.tolist():
        box = boxes[int(row)]
        turn = box.ways(sheets[plate].grain_deg)[int(way)] or 0.0
        columns += [
            (box.kind, x + rules[plate].margin_mm + left, y + rules[plate].margin_mm + up, angle) for left, up, angle in box.lying(turn)
        ]
    table = np.array(columns, np.float64).reshape(-1, 4)
    return RectangleCut(plate, cut.copies, Placements(table[:, 0].astype(np.int32), table[:, 1], table[:, 2], table[:, 3]))


def boxes_of(shapes: Sequence[Shape], placements: Placements) -> Floats:
    """Return (k, 4) left, bottom, right, top of what lies there."""
    columns = zip(
        placements.part.tolist(), placements.rotation_deg.tolist(), placements.x_mm.tolist(), placements.y_mm.tolist(), strict=True
    )
    laid = [placed(shapes[part].outline, turn, x, y) for part, turn, x, y in columns]
    return np.array([(*points.min(axis=0), *points.max(axis=0)) for points in laid], np.float64).reshape(-1, 4)


def _sheets(problem: NestProblem, kinds: Sequence[Kind], cut: RectangleCut, remaining: Sequence[list[int]]) -> list[CutSheet]:
    """Return a layout's sheets with the parts of the orders they are for; takes them from ``remaining``. Equal ones are said once."""
    sheet = problem.sheets[cut.sheet]
    boxes = boxes_of([kind.part.shape for kind in kinds], cut.placements)
    remnants = remnants_of(sheet, problem.rules_for(sheet.thickness_mm), boxes)
    found: list[CutSheet] = []
    for _ in range(cut.copies):
        rows = np.array([_next_row(kinds[kind], remaining[kind]) for kind in cut.placements.part.tolist()], np.int32)
        if found and np.array_equal(found[-1].placements.part, rows):
            found[-1] = replace(found[-1], copies=found[-1].copies + 1)
        else:
            found.append(CutSheet(cut.sheet, 1, replace(cut.placements, part=rows), remnants))
    return found


def _next_row(kind: Kind, remaining: list[int]) -> int:
    at = next(number for number, count in enumerate(remaining) if count)
    remaining[at] -= 1
    return kind.rows[at]


def _reason(kind: Kind, sheets: Sequence[StockSheet], rules: Sequence[CuttingRules], *, stopped: bool) -> LeftReason:
    if not sheets:
        return LeftReason.NO_SHEET
    there = list(zip(sheets, rules, strict=True))
    if any(_fits(kind, sheet, rule) for sheet, rule in there):
        return LeftReason.STOPPED if stopped else LeftReason.STOCK_USED_UP
    unknown = [(replace(sheet, grain_deg=grain), rule) for sheet, rule in there if sheet.grain_deg is None for grain in (0.0, 90.0)]
    return LeftReason.NO_GRAIN if any(_fits(kind, sheet, rule) for sheet, rule in unknown) else LeftReason.TOO_LARGE


def _fits(kind: Kind, sheet: StockSheet, rule: CuttingRules) -> bool:
    return bool(_plate([single(kind)], sheet, rule).fits[0])
