"""What a centre cuts in a period becomes problems of nesting: one for each material and thickness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from plant.nests import NestPart, NestProblem, StockSheet
from plant.part_orders import WorkKind
from plant.share_rules import ShareRules
from plant.sharing import ShareProblem
from storage.part_orders import StoredPartOrder
from storage.stock import StoredSheet


@dataclass(frozen=True, slots=True)
class Batch:
    """All parts of one material and thickness that a centre cuts in a period."""

    centre: str
    from_us: int
    to_us: int
    material: str
    thickness_mm: float
    pieces: tuple[tuple[StoredPartOrder, int], ...]


def batches(
    orders: Sequence[StoredPartOrder], pieces: Iterable[tuple[int, int, int, int]], problem: ShareProblem, until_us: int
) -> list[Batch]:
    """Return what is to be nested in periods that begin before ``until_us``, by time; ``pieces`` as ``from_orders.pieces`` gives them."""
    found: dict[tuple[int, int, str, float], list[tuple[StoredPartOrder, int]]] = {}
    for row, centre, period, count in pieces:
        order = orders[row].order
        if order.kind is WorkKind.CUTTING and problem.periods[period].start_us < until_us:
            found.setdefault((period, centre, order.material, order.thickness_mm), []).append((orders[row], count))
    return [
        Batch(problem.centres[centre].name, problem.periods[period].start_us, problem.periods[period].end_us, material, thick, tuple(parts))
        for (period, centre, material, thick), parts in sorted(found.items(), key=lambda item: item[0])
    ]


def batch_problem(batch: Batch, stock: Sequence[StoredSheet], taken: Mapping[int, int], rules: ShareRules) -> NestProblem:
    """Return a batch as it is nested, on what is free of its material and thickness. ``taken``: sheets that other proposals use, by id."""
    centre = rules.centre(batch.centre)
    assert centre is not None  # noqa: S101 - from the same settings
    sheets = [_free(one, one.sheet.quantity - taken.get(one.id, 0)) for one in stock if _fits(one.sheet, batch)]
    parts: tuple[NestPart, ...] = tuple(one.order.as_part(count) for one, count in batch.pieces)
    name = f"{batch.centre} {batch.material} {batch.thickness_mm:g} mm"
    cutting = rules.cutting_rules(centre, batch.thickness_mm)
    return NestProblem(name, parts, tuple(sheet for sheet in sheets if sheet.quantity > 0), (cutting,))


def _fits(sheet: StockSheet, batch: Batch) -> bool:
    return sheet.material == batch.material and abs(sheet.thickness_mm - batch.thickness_mm) < 1e-6


def _free(one: StoredSheet, quantity: int) -> StockSheet:
    sheet = one.sheet
    return StockSheet(
        sheet.name, sheet.width_mm, sheet.height_mm, quantity, sheet.material, sheet.thickness_mm, sheet.grain_deg, sheet.remnant
    )
