"""What rectpack makes of a nest problem: each part as its bounding rectangle with its distance, first fit, by each of its algorithms.

github.com/secnot/rectpack 0.2.2: Jylanki's MaxRects, Skyline and Guillotine ("A thousand ways to pack the bin", 2010). It lays no part in
another, knows no grain, and chooses no sheet: sheets are offered remnants first, then as the stock has them.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import rectpack

from optimizer.nesting.rectangles import boxes_of
from optimizer.nesting.remnants import remnants_of
from plant.nest_figures import utilisation
from plant.nests import CutSheet, LeftPart, LeftReason, Nest, NestPart, NestProblem, Placements, StockSheet, placed, rotations_on

ALGORITHMS = {
    name: getattr(rectpack, name)
    for name in (
        "MaxRectsBl",
        "MaxRectsBssf",
        "MaxRectsBaf",
        "MaxRectsBlsf",
        "SkylineBl",
        "SkylineBlWm",
        "SkylineMwf",
        "SkylineMwfl",
        "SkylineMwfWm",
        "SkylineMwflWm",
        "GuillotineBssfSas",
        "GuillotineBssfLas",
        "GuillotineBssfSlas",
        "GuillotineBssfLlas",
        "GuillotineBssfMaxas",
        "GuillotineBssfMinas",
        "GuillotineBafSas",
        "GuillotineBafLas",
        "GuillotineBafMaxas",
        "GuillotineBafMinas",
    )
}
FIRST_FIT = tuple(name for name in ALGORITHMS if name.startswith(("MaxRects", "SkylineMwf")))
UNIT_MM = 0.01
"""rectpack compares sizes with equality, so it gets whole numbers; parts are rounded up, sheets down."""


def first_fit(problem: NestProblem, algorithms: tuple[str, ...] = FIRST_FIT) -> tuple[str, Nest]:
    """Return the algorithm whose first fit uses least of the plates, remnants credited, and what it cuts; fewest parts left first."""
    return best_of(problem, rectpack.PackingBin.BFF, algorithms)


def best_of(problem: NestProblem, packing: int, algorithms: tuple[str, ...]) -> tuple[str, Nest]:
    """Return the best of these algorithms with this way to choose a bin."""
    found = {name: packed(problem, packing, name) for name in algorithms}

    def rank(name: str) -> tuple[int, float]:
        used = utilisation(problem, found[name])
        return sum(one.quantity for one in found[name].left), used.sheets_mm2 - used.remnants_mm2

    best = min(found, key=rank)
    return best, found[best]


def packed(problem: NestProblem, packing: int, algorithm: str) -> Nest:
    """Return what one algorithm cuts."""
    sheets: list[CutSheet] = []
    missing = [part.quantity for part in problem.parts]
    for plate, rows in groupby(
        sorted(range(len(problem.parts)), key=lambda row: _plate(problem.parts[row])), lambda row: _plate(problem.parts[row])
    ):
        stock = [row for row, sheet in enumerate(problem.sheets) if _plate(sheet) == plate]
        sheets += _group(problem, list(rows), stock, packing, algorithm, missing)
    left = tuple(LeftPart(row, count, LeftReason.STOPPED) for row, count in enumerate(missing) if count)
    return Nest(tuple(sheets), left)


def _plate(one: NestPart | StockSheet) -> tuple[str, float]:
    return one.material, one.thickness_mm


def _group(problem: NestProblem, rows: list[int], stock: list[int], packing: int, algorithm: str, missing: list[int]) -> list[CutSheet]:
    rules = problem.rules_for(problem.parts[rows[0]].thickness_mm)
    away = rules.distance_mm
    # a part that minds the grain may not be turned, and rectpack turns all or none: those go first, not turned
    bound = [row for row in rows if not _turns(problem.parts[row])]
    sheets: list[CutSheet] = []
    used: list[tuple[int, int]] = []
    for some, turn in ((bound, False), ([row for row in rows if row not in set(bound)], True)):
        if not some:
            continue
        packer = rectpack.newPacker(mode=rectpack.PackingMode.Offline, bin_algo=packing, pack_algo=ALGORITHMS[algorithm], rotation=turn)
        bins = [
            row for row in sorted(stock, key=lambda row: not problem.sheets[row].remnant) if turn or problem.sheets[row].grain_deg == 0.0
        ]
        for row in bins:
            sheet = problem.sheets[row]
            free = sheet.quantity - sum(count for other, count in used if other == row)
            more = away - 2 * rules.margin_mm
            if free > 0 and min(sheet.width_mm, sheet.height_mm) + more > 0:
                packer.add_bin(_down(sheet.width_mm + more), _down(sheet.height_mm + more), count=free, bid=row)
        for row in some:
            wide, high = np.ptp(problem.parts[row].shape.outline, axis=0) + away
            for _ in range(problem.parts[row].quantity):
                packer.add_rect(_up(wide), _up(high), rid=row)
        packer.pack()
        for one in packer:
            if len(one):
                sheets.append(_cut(problem, one))
                used.append((one.bid, 1))
                for rectangle in one:
                    missing[rectangle.rid] -= 1
    return sheets


def _turns(part: NestPart) -> bool:
    turns = rotations_on(part, 0.0)
    return turns is None or 90.0 in turns


def _cut(problem: NestProblem, one: rectpack.pack_algo.PackingAlgorithm) -> CutSheet:
    sheet = problem.sheets[one.bid]
    rules = problem.rules_for(sheet.thickness_mm)
    columns = []
    for rectangle in one:
        shape = problem.parts[rectangle.rid].shape
        wide, high = (_up(size + rules.distance_mm) for size in np.ptp(shape.outline, axis=0))
        turn = 0.0 if (rectangle.width, rectangle.height) == (wide, high) else 90.0
        low = placed(shape.outline, turn, 0.0, 0.0).min(axis=0)
        x, y = (rules.margin_mm + UNIT_MM * at for at in (rectangle.x, rectangle.y))
        columns.append((rectangle.rid, x - low[0], y - low[1], turn))
    table = np.array(columns, np.float64)
    there = Placements(table[:, 0].astype(np.int32), table[:, 1], table[:, 2], table[:, 3])
    cut = CutSheet(one.bid, 1, there)
    return replace(cut, remnants=remnants_of(sheet, rules, boxes_of([part.shape for part in problem.parts], there)))


def _up(size_mm: float) -> int:
    return int(np.ceil(size_mm / UNIT_MM - 1e-6))


def _down(size_mm: float) -> int:
    return int(np.floor(size_mm / UNIT_MM + 1e-6))
