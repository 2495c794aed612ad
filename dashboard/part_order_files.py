"""Part orders from a file that somebody chose: a table, a nest problem or a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from dashboard.part_order_tables import PartOrderRow, part_orders_of_table, row_of_cells
from plant.errors import SettingsError
from plant.nest_file import read_nest_problem
from plant.nests import NestPart, NestProblem, Shape


def part_orders_of_file(content: bytes, name: str, zone: str, given: Mapping[str, str]) -> list[PartOrderRow]:
    """Return the part orders that a file brings, the wrong ones with why. Raises SettingsError where it is no such file.

    ``given``: what the file does not say, by column of the table: factory, material, thickness_mm, quantity, due.
    """
    kind = PurePath(name).suffix.lower()
    if kind in {".csv", ".xlsx"}:
        return part_orders_of_table(content, name, zone)
    if kind == ".json":
        return sorted(_of_problem(content, name, zone, given), key=lambda one: one.row)
    if kind == ".dxf":
        return list(_of_drawing(content, name, zone, given))
    raise SettingsError(f"{name}: a file of part orders is .csv, .xlsx, .json (nest-problem/1) or .dxf")


def _of_problem(content: bytes, name: str, zone: str, given: Mapping[str, str]) -> Iterator[PartOrderRow]:
    read = read_nest_problem(content, name)
    if not isinstance(read.problem, NestProblem):
        raise SettingsError(f"{name}: is a strip, whose parts have no material: write a nest-problem/1 file, see docs/nesting.md")
    parts = read.problem.parts
    for row, part in zip(read.numbers, parts, strict=True):
        alone = part.order and sum(other.order == part.order for other in parts) == 1
        number = part.order if alone else f"{part.order or PurePath(name).stem}-{row}"
        yield _row_of_part(row, number, part, zone, given)
    for one in read.refused:
        if one.what == "part":
            yield PartOrderRow(one.number, one.name, None, one.problems)


def _row_of_part(row: int, number: str, part: NestPart, zone: str, given: Mapping[str, str]) -> PartOrderRow:
    said = {
        "order": number,
        "part": part.name,
        "quantity": str(part.quantity),
        "factory": part.factory,
        "material": part.material,
        "thickness_mm": f"{part.thickness_mm:g}" if part.thickness_mm else "",
        "priority": str(max(1, part.priority)),
    }
    more: dict[str, Any] = {"shape": _corners(part.shape), "rotations_deg": part.rotations_deg, "grain_deg": part.grain_deg}
    if part.due_us is not None:
        more["due_us"] = part.due_us
    return row_of_cells(row, {**given, **{key: text for key, text in said.items() if text}}, zone, more)


def _of_drawing(content: bytes, name: str, zone: str, given: Mapping[str, str]) -> Iterator[PartOrderRow]:
    from protocols.dxf import read_parts  # its library takes 17 MB, and few ask for it

    stem = PurePath(name).stem
    shapes = read_parts(content, name)
    for row, shape in enumerate(shapes, 1):
        number = stem if len(shapes) == 1 else f"{stem}-{row}"
        yield row_of_cells(row, {"part": number, **given, "order": number}, zone, {"shape": _corners(shape)})


def _corners(shape: Shape) -> dict[str, Any]:
    return {"outline": shape.outline.tolist(), "holes": [hole.tolist() for hole in shape.holes]}
