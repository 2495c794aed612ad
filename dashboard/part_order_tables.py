"""Part orders from a table that somebody filled in: rectangles, discs and stamped parts, each wrong row told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from dashboard.brought_tables import rows_of
from dashboard.part_shapes import draft_shape
from dashboard.spreadsheets import write_xlsx
from dashboard.views_part_orders import LenientDraft, PartOrderDraft, WrongDraft
from plant.customer_orders import read_orders
from plant.errors import SettingsError
from plant.part_orders import PartOrder, WorkKind

COLUMNS: Final = (
    *("order", "factory", "part", "quantity", "kind", "width_mm", "height_mm", "diameter_mm", "hole_mm", "material", "thickness_mm"),
    *("rotations_deg", "grain_deg", "hours", "earliest", "due", "priority", "for_order", "note"),
)
NUMBERS: Final = frozenset(
    {"quantity", "width_mm", "height_mm", "diameter_mm", "hole_mm", "thickness_mm", "grain_deg", "hours", "priority"}
)
_WHOLE: Final = frozenset({"quantity", "priority"})
_EXAMPLES: Final[tuple[dict[str, str], ...]] = (
    {"order": "PO-1001", "factory": "excavator", "part": "gusset", "quantity": "24", "width_mm": "420", "height_mm": "260"},
    {"order": "PO-1002", "factory": "crane", "part": "flange", "quantity": "8", "diameter_mm": "540", "hole_mm": "300"},
    {"order": "PO-1003", "factory": "crane", "part": "bracket", "quantity": "200", "kind": "stamping", "hours": "0.004"},
)
_OF_ALL: Final = {"kind": "cutting", "material": "S690QL", "thickness_mm": "12", "due": "2026-12-24", "priority": "5"}
_MIDNIGHT: Final = re.compile(r"(\d{4}-\d{2}-\d{2}) 00:00:00\Z")
_LENIENT: Final[TypeAdapter[PartOrderDraft | WrongDraft]] = TypeAdapter(LenientDraft)


@dataclass(frozen=True, slots=True)
class PartOrderRow:
    """A row that somebody sent: the order it means, or why it is none."""

    row: int
    number: str
    order: PartOrder | None
    problems: tuple[str, ...] = ()


def part_orders_of_table(content: bytes, place: str, zone: str) -> list[PartOrderRow]:
    """Return the rows of a CSV file or workbook. Raises SettingsError where it is no table of part orders."""
    rows = [row_of_cells(number, cells, zone) for number, cells in rows_of(content, place, COLUMNS, ("order", "factory", "part"))]
    if not rows:
        raise SettingsError(f"{place}: there is no row with a part order in it")
    return rows


def row_of_cells(row: int, cells: Mapping[str, str], zone: str, more: Mapping[str, Any] | None = None) -> PartOrderRow:
    """Return what a row of texts means; a date alone as ``due`` is the end of that day, as ``earliest`` its begin, in ``zone``.

    ``more``: fields of a draft that are no text, as a shape.
    """
    given: dict[str, Any] = {name: cells[name] for name in ("factory", "part", "material", "for_order", "note") if cells.get(name)}
    given["number"] = cells.get("order", "")
    problems: list[str] = []
    for name in ("quantity", "thickness_mm", "grain_deg", "hours", "priority"):
        if cells.get(name):
            given[name] = _number(cells[name], name, problems)
    if cells.get("kind"):
        given["kind"] = cells["kind"].lower()
    for shape, names in (("rectangle", ("width_mm", "height_mm")), ("circle", ("diameter_mm", "hole_mm"))):
        said = {name: _number(cells[name], name, problems) for name in names if cells.get(name)}
        if said:
            given[shape] = said
    if cells.get("rotations_deg"):
        given["rotations_deg"] = [_number(word, "rotations_deg", problems) for word in re.split(r"[\s;,]+", cells["rotations_deg"])]
    given |= {**_times(cells, zone, problems), **(more or {})}
    if problems:
        return PartOrderRow(row, given["number"], None, tuple(problems))
    return row_of_draft(row, _LENIENT.validate_python(given))


def row_of_draft(row: int, draft: PartOrderDraft | WrongDraft) -> PartOrderRow:
    """Return what a draft means."""
    if isinstance(draft, WrongDraft):
        return PartOrderRow(row, draft.number, None, draft.problems)
    shape, problems = draft_shape(draft)
    order = PartOrder(
        draft.number,
        draft.factory,
        draft.part,
        draft.quantity,
        WorkKind(draft.kind),
        shape,
        draft.material,
        draft.thickness_mm,
        draft.rotations_deg,
        draft.grain_deg,
        draft.hours,
        draft.earliest_us,
        draft.due_us,
        draft.priority,
        draft.for_order,
        draft.note.strip(),
    )
    return PartOrderRow(row, draft.number, order, tuple(f"shape: {problem}" for problem in problems))


def empty_table() -> bytes:
    """Return a workbook with the columns of part orders, and a rectangle, a ring and a stamped part as examples."""
    kinds = {"kind": tuple(kind.value for kind in WorkKind)}
    rows = [[{**_OF_ALL, **one}.get(name, "") for name in COLUMNS] for one in _EXAMPLES]
    return write_xlsx("part orders", COLUMNS, rows, NUMBERS, kinds)


def _number(text: str, name: str, problems: list[str]) -> float | int:
    try:
        number = float(text)
    except ValueError:
        problems.append(f"{name}: write a number, not '{text[:40]}'")
        return 0
    return int(number) if name in _WHOLE and number.is_integer() else number


def _times(cells: Mapping[str, str], zone: str, problems: list[str]) -> dict[str, int | None]:
    said = {"due": cells.get("due"), "release": cells.get("earliest")}
    plain = {name: _MIDNIGHT.sub(r"\1", text) if text else None for name, text in said.items()}
    read, wrong = read_orders([(1, {"order": "-", "product": "-", **plain})], received_us=0, zone=zone)
    problems += [f"{'earliest' if one.column == 'release' else one.column}: {one.reason}" for one in wrong]
    return {} if wrong else {"due_us": read[0].due_us, "earliest_us": read[0].release_us}
