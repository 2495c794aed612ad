"""Shared centres as the pages about them and their REST meet them: orders of four factories, sheets in stock, a nest, hours shared out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.sharing.from_orders import order_shares, owed_by_period, shared_orders
from optimizer.sharing.program import most_hours
from optimizer.sharing.sharing import share
from plant.nest_figures import utilisation
from plant.nest_keeping import write_nest, write_nest_problem
from plant.nests import CutSheet, LeftPart, LeftReason, Nest, NestPart, NestProblem, Placements, Rectangle, StockSheet
from plant.part_orders import PartOrder, PartOrderState, WorkKind
from plant.settings_share import ShareSettings
from plant.share_file import write_share, write_shares
from plant.share_rules import ShareRules
from simulators.plate_parts import MONDAY_US, RULES, plate_parts, plate_stock
from storage.database import Connection
from storage.nests import NewNest, SheetTaken, propose_nest
from storage.part_orders import StoredPartOrder, read_part_orders, write_part_orders
from storage.shares import NewShares, add_shares
from storage.stock import StoredSheet, add_sheets, read_stock

DAY_US = 86_400_000_000
CENTRES = ("laser centre", "plasma centre")
_SPEEDS = [{"up_to_mm": 60, "mm_per_minute": 900, "pierce_seconds": 12, "kerf_mm": 2.5, "gap_mm": 6, "margin_mm": 8}]
SHARED = {
    "factories": [
        {"name": "aerial platform"},
        {"name": "concrete pump"},
        {"name": "crane", "weight": 2},
        {"name": "excavator", "weight": 2},
    ],
    "centres": [
        {"name": CENTRES[0], "kind": "cutting", "calendar": "always", "availability": 0.11, "speeds": _SPEEDS, "piece_seconds": 20},
        {"name": CENTRES[1], "kind": "cutting", "calendar": "always", "availability": 0.09, "speeds": _SPEEDS, "piece_seconds": 20},
        {"name": "press", "kind": "stamping", "calendar": "always", "availability": 0.1},
    ],
    "horizon_days": 7,
}
Nester = Callable[[NestProblem], Nest]


@dataclass(frozen=True, slots=True)
class StagedShare:
    """What lies in the database."""

    orders: tuple[PartOrder, ...]
    sheets: tuple[StockSheet, ...]


def staged_orders(now_us: int, count: int = 900) -> tuple[PartOrder, ...]:
    """Return what four factories order for the next days, and some that is stamped."""
    parts = plate_parts(7, count, weeks=1)
    orders = [
        PartOrder(
            f"{part.order}-{number}",
            part.factory,
            part.name,
            part.quantity,
            WorkKind.CUTTING,
            part.shape,
            part.material,
            part.thickness_mm,
            part.rotations_deg,
            part.grain_deg,
            due_us=None if part.due_us is None else now_us + (part.due_us - MONDAY_US) - DAY_US // 2,
            priority=part.priority,
            for_order=part.order,
        )
        for number, part in enumerate(parts, 1)
    ]
    stamped = [
        PartOrder(f"ST-{number}", factory, f"bracket {number}", 200 * number, WorkKind.STAMPING, None, "S420MC", 6.0, hours=0.004)
        for number, factory in enumerate(dict.fromkeys(part.factory for part in parts), 1)
    ]
    return (*orders, *(replace(one, due_us=now_us + 3 * DAY_US) for one in stamped))


def fill_orders_and_stock(connection: Connection, now_us: int) -> StagedShare:
    """Keep the orders and the sheets."""
    orders = staged_orders(now_us)
    parts = [one.as_part(one.quantity) for one in orders if one.kind is WorkKind.CUTTING]
    sheets = plate_stock(7, parts)
    write_part_orders(connection, orders, source="rest", actor="erp", now_us=now_us)
    add_sheets(connection, sheets, place="hall 2", actor="erp", now_us=now_us)
    return StagedShare(orders, sheets)


def shelves(problem: NestProblem) -> Nest:
    """Return parts by their boxes, in rows, on the largest sheet; what finds no place on its sheets is left. A quick way, no good one."""
    sheet = max(range(len(problem.sheets)), key=lambda row: problem.sheets[row].width_mm * problem.sheets[row].height_mm)
    stock, rules = problem.sheets[sheet], problem.rules_for(problem.sheets[sheet].thickness_mm)
    margin, far = rules.margin_mm, rules.distance_mm
    rows = sorted(
        (row for row, part in enumerate(problem.parts) for _ in range(part.quantity)), key=lambda row: -_box(problem.parts[row])[1]
    )
    cuts: list[list[tuple[int, float, float]]] = [[]]
    left: dict[int, int] = {}
    x = y = margin
    shelf = 0.0
    for row in rows:
        wide, high = _box(problem.parts[row])
        if x + wide > stock.width_mm - margin:
            x, y, shelf = margin, y + shelf + far, 0.0
        if y + high > stock.height_mm - margin:
            if len(cuts) == stock.quantity:
                left[row] = left.get(row, 0) + 1
                continue
            cuts.append([])
            x, y, shelf = margin, margin, 0.0
        low = problem.parts[row].shape.outline.min(axis=0)
        cuts[-1].append((row, x - float(low[0]), y - float(low[1])))
        x, shelf = x + wide + far, max(shelf, high)
    top = y + shelf + far
    free = stock.height_mm - top
    rest = (Rectangle(0.0, top, stock.width_mm, free),) if free > rules.least_remnant_mm[1] else ()
    sheets = tuple(CutSheet(sheet, 1, _laid(cut), rest if cut is cuts[-1] else ()) for cut in cuts)
    return Nest(sheets, tuple(LeftPart(row, count, LeftReason.STOCK_USED_UP) for row, count in sorted(left.items())))


def _laid(cut: list[tuple[int, float, float]]) -> Placements:
    return Placements(
        np.array([one[0] for one in cut], np.int32),
        np.array([one[1] for one in cut]),
        np.array([one[2] for one in cut]),
        np.zeros(len(cut)),
    )


def _box(part: NestPart) -> tuple[float, float]:
    size = np.ptp(part.shape.outline, axis=0)
    return float(size[0]), float(size[1])


def keep_nests(connection: Connection, now_us: int, *, most: int = 2, nester: Nester = shelves) -> list[int]:
    """Propose nests for the plates of which most parts are wanted; return their numbers."""
    wanted: dict[tuple[str, float], list[StoredPartOrder]] = {}
    for one in read_part_orders(connection, states=[PartOrderState.OPEN], most=5000):
        if one.order.kind is WorkKind.CUTTING and one.waiting:
            wanted.setdefault((one.order.material, one.order.thickness_mm), []).append(one)
    stock = read_stock(connection, free_only=True)
    chosen = sorted(wanted, key=lambda plate: -sum(one.waiting for one in wanted[plate]))[:most]
    return [_keep_nest(connection, now_us, place, wanted[plate], plate, stock, nester) for place, plate in enumerate(chosen)]


def _keep_nest(
    connection: Connection,
    now_us: int,
    place: int,
    orders: list[StoredPartOrder],
    plate: tuple[str, float],
    stock: list[StoredSheet],
    nester: Nester,
) -> int:
    sheets = [one for one in stock if (one.sheet.material, one.sheet.thickness_mm) == plate]
    parts = tuple(one.order.as_part(one.waiting) for one in orders)
    problem = NestProblem(f"{plate[0]} {plate[1]:g} mm", parts, tuple(one.sheet for one in sheets), RULES)
    found = nester(problem)
    laid = {row: part.quantity for row, part in enumerate(parts)}
    for gone in found.left:
        laid[gone.part] -= gone.quantity
    told = utilisation(problem, found)
    hours: dict[str, float] = {}
    for row, part in enumerate(parts):
        hours[part.factory] = hours.get(part.factory, 0.0) + 0.02 * laid[row]
    figures = {
        **{name: round(value, 5) for name, value in told.shares().items()},
        "sheets": told.sheets,
        "layouts": len(found.sheets),
        "parts": told.parts,
        "left": [
            {"order": parts[one.part].order, "part": parts[one.part].name, "quantity": one.quantity, "reason": one.reason.value}
            for one in found.left
        ],
        "hours": round(sum(hours.values()), 4),
        "factory_hours": {name: round(value, 4) for name, value in hours.items()},
    }
    begin = now_us + place * DAY_US
    new = NewNest(
        CENTRES[place % 2],
        begin,
        begin + DAY_US,
        plate[0],
        plate[1],
        write_nest_problem(problem),
        write_nest(problem, found),
        figures,
        2.0,
        f"basis {place}",
        tuple(
            SheetTaken(sheets[cut.sheet].id, cut.copies, tuple((one.width_mm, one.height_mm) for one in cut.remnants))
            for cut in found.sheets
        ),
        {orders[row].id: pieces for row, pieces in laid.items() if pieces},
    )
    return propose_nest(connection, new, now_us=now_us)


def keep_shares(connection: Connection, now_us: int) -> int:
    """Share the hours of three centres out; return the version's number."""
    rules = ShareRules(ShareSettings.model_validate(SHARED))
    shared = shared_orders(read_part_orders(connection, states=[PartOrderState.OPEN], most=5000), rules, now_us=now_us)
    found = share(shared.problem)
    told, names = found.figures, shared.problem.factories
    figures = {
        "jain": round(told.jain, 4),
        "jain_worst": round(told.jain_worst, 4),
        "done_hours": round(told.done_hours, 2),
        "optimum_hours": round(most_hours(shared.problem, in_time=False), 2),
        "on_time_hours": round(told.on_time_hours, 2),
        "late": dict(zip(names, told.late.tolist(), strict=True)),
        "worse_than_alone": told.worse_than_alone,
        "left_out": dict(shared.left_out),
        "left_out_count": len(shared.left_out),
    }
    periods = shared.problem.periods
    new = NewShares(
        shared.problem.rule.value,
        json.dumps(write_share(shared.problem)),
        json.dumps(write_shares(shared.problem, found)),
        figures,
        owed_by_period(shared, found),
        periods[0].start_us,
        periods[-1].end_us,
        order_shares(shared, found),
        found.wall_s,
    )
    return add_shares(connection, new, now_us=now_us)
