"""Parts to be nested as JSON files: ``nest-problem/1`` and sparrow's strips; docs/nesting.md tells of them.

A part that cannot be read or cut is refused with words, and the rest of the job goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from plant.errors import SettingsError
from plant.nest_pieces import (
    NEST_PROBLEM_FORMAT,
    UNIT_MM,
    CircleHolePiece,
    ItemPiece,
    LayersPiece,
    NestProblemFile,
    PartPiece,
    PolygonPiece,
    RectanglePiece,
    Ring,
    RulesPiece,
    ShapePiece,
    SheetPiece,
)
from plant.nest_shapes import circle, least_height_mm, shape_of, shape_problems
from plant.nests import CuttingRules, Floats, NestPart, NestProblem, Shape, StockSheet, StripProblem, rectangle
from plant.strict_json import PieceT, parsed_by, pieces_of, problems_of

DrawingReader = Callable[[str, LayersPiece], Shape]
"""Returns the one part of a drawing's file, in mm. Raises SettingsError."""
MOST_PIECES: Final = 1_000_000
"""Of all parts of a problem."""
_LEAST_SHEET_MM: Final = 10.0
_MOST_SHEET_MM: Final = 100_000.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = "docs/nesting.md"


@dataclass(frozen=True, slots=True)
class Refused:
    """A part or sheet of a file that is left aside, and why."""

    what: str
    """``part`` or ``sheet``."""
    number: int
    """Its place in the file's list, from 1."""
    name: str
    problems: tuple[str, ...]

    def words(self) -> str:
        """Return a sentence for people."""
        return f"{self.what} {self.number}{f' ({self.name})' if self.name else ''} is left aside: {'; '.join(self.problems)}"


@dataclass(frozen=True, slots=True, eq=False)
class ReadNest:
    """What a file asks for."""

    problem: NestProblem | StripProblem
    ids: tuple[int | str, ...]
    """What the file calls each part of the problem."""
    numbers: tuple[int, ...]
    """The place of each part of the problem in the file's list, from 1."""
    refused: tuple[Refused, ...]
    not_asked: tuple[str, ...]
    """Parts whose quantity is 0."""
    sheet_numbers: tuple[int, ...]
    """The place of each sheet of the problem in the file's list, from 1; none of a strip."""
    unit: str | None
    """Of the file's lengths; None: it tells none."""


def nest_problem_schema() -> dict[str, Any]:
    """Return the JSON schema of a file of parts to be nested."""
    return NestProblemFile.model_json_schema()


def read_nest_problem(text: str | bytes, place: str = "parts.json", drawings: DrawingReader | None = None) -> ReadNest:
    """Return what a file asks for; ``drawings`` reads those it names. Raises SettingsError where the file as a whole is wrong."""
    read = parsed_by(text, place, object_pairs_hook=_pairs, parse_constant=float, parse_int=_whole)
    twice = _repeated(read)
    if twice is not None:
        raise SettingsError(f"{place}: {twice.words()}")
    if isinstance(read, dict) and "items" in read and "leadhand" not in read:
        return _strip(read, place)
    if not isinstance(read, dict) or "leadhand" not in read:
        told = "and the key items of sparrow's strips is not there either" if isinstance(read, dict) else "and it holds no object"
        raise SettingsError(f'{place}: leadhand: write "leadhand": "{NEST_PROBLEM_FORMAT}", {told}')
    parts, sheets = _list(read, "parts", place), _list(read, "sheets", place)
    file = pieces_of(read | {"parts": [], "sheets": []}, place, NEST_PROBLEM_FORMAT, NestProblemFile, _PAGE)
    factor = UNIT_MM[file.unit]
    refused: list[Refused] = []
    stock = list(_stock(sheets, factor, refused))
    read_parts = list(_parts(parts, factor, drawings, refused))
    rules = [file.rules] if isinstance(file.rules, RulesPiece) else file.rules
    problem = NestProblem(
        file.name or place,
        tuple(part for _, part in read_parts if part.quantity),
        tuple(sheet for _, sheet in stock),
        tuple(_rules(one, factor) for one in rules),
    )
    return _read(
        problem, [(number, part.name, part) for number, part in read_parts], refused, [number for number, _ in stock], file.unit, place
    )


def _parts(raw: Sequence[object], factor: float, drawings: DrawingReader | None, refused: list[Refused]) -> Iterator[tuple[int, NestPart]]:
    for number, piece in _pieces(raw, "part", PartPiece, refused):
        try:
            shape = _shape(piece, factor, drawings)
        except SettingsError as error:
            refused.append(Refused("part", number, piece.name, tuple(error.problems)))
            continue
        wrong = shape_problems(shape, thickness_mm=piece.thickness * factor)
        if wrong:
            refused.append(Refused("part", number, piece.name, tuple(wrong)))
        else:
            yield number, _part(piece, shape, factor)


def _strip(read: dict[str, Any], place: str) -> ReadNest:
    """Return a strip of sparrow's: its lengths have no unit and are taken as mm."""
    items, height = _list(read, "items", place), read.get("strip_height")
    if isinstance(height, bool) or not isinstance(height, int | float) or not 0 < height <= 1e9:
        raise SettingsError(f"{place}: strip_height: write a number above 0, not {json.dumps(height, default=str)[:60]}")
    refused: list[Refused] = []
    told: list[tuple[int, int | str, NestPart]] = []
    for number, piece in _pieces(items, "part", ItemPiece, refused):
        shape = _item_shape(piece.shape)
        wrong = shape_problems(shape, unit_known=False)
        if not wrong and (needed := least_height_mm(shape, piece.rotations_deg())) > height * (1 + 1e-9):
            wrong = [f"is {needed:,.6g} high as it may lie, and the strip {height:,.6g}: it fits nowhere"]
        if wrong:
            refused.append(Refused("part", number, str(piece.id), tuple(wrong)))
        else:
            told.append((number, piece.id, NestPart(str(piece.id), shape, piece.demand, rotations_deg=piece.rotations_deg())))
    name = read.get("name")
    asked = tuple(part for _, _, part in told if part.quantity)
    problem = StripProblem(name[:200] if isinstance(name, str) and name else place, asked, float(height))
    return _read(problem, told, refused, [], None, place)


def _read(
    problem: NestProblem | StripProblem,
    told: Sequence[tuple[int, int | str, NestPart]],
    refused: list[Refused],
    sheet_numbers: Sequence[int],
    unit: str | None,
    place: str,
) -> ReadNest:
    pieces = sum(part.quantity for part in problem.parts)
    if pieces > MOST_PIECES:
        raise SettingsError(f"{place}: asks for {pieces:,} parts; at most {MOST_PIECES:,} at once")
    asked = [(number, name) for number, name, part in told if part.quantity]
    nothing = tuple(str(name) for _, name, part in told if not part.quantity)
    ids, numbers = tuple(name for _, name in asked), tuple(number for number, _ in asked)
    return ReadNest(problem, ids, numbers, tuple(refused), nothing, tuple(sheet_numbers), unit)


def _pieces(raw: Sequence[object], what: str, piece: type[PieceT], refused: list[Refused]) -> Iterator[tuple[int, PieceT]]:
    """Yield each piece that can be read with its place, and refuse the others."""
    for number, one in enumerate(raw, 1):
        name = str(one.get("name", one.get("id", "")))[:200] if isinstance(one, dict) else ""
        twice = _repeated(one)
        if twice is not None:
            refused.append(Refused(what, number, name, (twice.words(),)))
            continue
        try:
            yield number, piece.model_validate(one)
        except ValidationError as error:
            refused.append(Refused(what, number, name, tuple(problems_of(error, _PAGE, f"the {what}")[:5])))


def _shape(piece: PartPiece, factor: float, drawings: DrawingReader | None) -> Shape:
    if piece.dxf is not None:
        if drawings is None:
            raise SettingsError("dxf: drawings cannot be read here; write the outline")
        return drawings(piece.dxf, piece.layers or LayersPiece())
    holes = [_hole(hole, factor) for hole in piece.holes]
    if piece.rectangle is not None:
        outline = rectangle(piece.rectangle[0] * factor, piece.rectangle[1] * factor).outline
    elif piece.outline is not None:
        outline = _scaled(piece.outline, factor)
    else:
        outer, *inner = piece.ring or [piece.circle or 0.0]
        if inner and inner[0] >= outer:
            raise SettingsError(f"ring: the inner diameter {inner[0]:g} must be less than the outer {outer:g}")
        outline = _round(outer, factor)
        holes += [_round(diameter, factor, outwards=False) for diameter in inner]
    return shape_of(outline, holes)


def _hole(piece: Ring | CircleHolePiece, factor: float) -> Floats:
    if isinstance(piece, CircleHolePiece):
        return _round(piece.circle, factor, piece.at, outwards=False)
    return _scaled(piece, factor)


def _round(diameter: float, factor: float, at: Sequence[float] = (0.0, 0.0), *, outwards: bool = True) -> Floats:
    if not diameter * factor <= 1e6:
        raise SettingsError(f"a diameter of {diameter:g} is larger than any plate: is the unit right?")
    return circle(diameter * factor, at[0] * factor, at[1] * factor, outwards=outwards)


def _scaled(ring: Ring, factor: float) -> Floats:
    with np.errstate(over="ignore"):  # what becomes infinite is told as a corner that is no number
        return np.array(ring, float).reshape(-1, 2) * factor


def _item_shape(piece: ShapePiece) -> Shape:
    told = piece.data
    if isinstance(told, RectanglePiece):
        flat = rectangle(told.width, told.height)
        return shape_of(flat.outline + np.array([told.x_min, told.y_min]))
    if isinstance(told, PolygonPiece):
        return shape_of(_scaled(told.outer, 1.0), [_scaled(ring, 1.0) for ring in told.inner])
    return shape_of(_scaled(told, 1.0))


def _part(piece: PartPiece, shape: Shape, factor: float) -> NestPart:
    return NestPart(
        name=piece.name,
        shape=shape,
        quantity=piece.quantity,
        order=piece.order,
        factory=piece.factory,
        material=piece.material,
        thickness_mm=piece.thickness * factor,
        rotations_deg=tuple(piece.rotations) if isinstance(piece.rotations, list) else None,
        grain_deg=piece.grain,
        due_us=None if piece.due is None else _due_us(piece.due),
        priority=piece.priority,
    )


def _due_us(told: str) -> int:
    moment = datetime.fromisoformat(told)
    if len(told) <= 10:
        moment += timedelta(days=1)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _stock(raw: Sequence[object], factor: float, refused: list[Refused]) -> Iterator[tuple[int, StockSheet]]:
    for number, piece in _pieces(raw, "sheet", SheetPiece, refused):
        width_mm, height_mm = piece.width * factor, piece.height * factor
        if not _LEAST_SHEET_MM <= min(width_mm, height_mm) <= max(width_mm, height_mm) <= _MOST_SHEET_MM:
            why = (
                f"is {width_mm:,.6g} x {height_mm:,.6g} mm; a side has {_LEAST_SHEET_MM:g} to {_MOST_SHEET_MM:,.0f} mm: is the unit right?"
            )
            refused.append(Refused("sheet", number, piece.name, (why,)))
            continue
        thickness_mm = piece.thickness * factor
        yield number, StockSheet(piece.name, width_mm, height_mm, piece.quantity, piece.material, thickness_mm, piece.grain, piece.remnant)


def _rules(piece: RulesPiece, factor: float) -> CuttingRules:
    rules = CuttingRules(piece.kerf * factor, piece.gap * factor, piece.margin * factor)
    if piece.least_remnant is not None:
        shorter, longer = sorted(side * factor for side in piece.least_remnant)
        rules = replace(rules, least_remnant_mm=(longer, shorter))
    return rules if piece.thickness_up_to is None else replace(rules, thickness_up_to_mm=piece.thickness_up_to * factor)


def _list(read: dict[str, Any], key: str, place: str) -> list[object]:
    told = read.get(key)
    if isinstance(told, list):
        return told
    raise SettingsError(f"{place}: {key}: {'is missing' if key not in read else 'must be a list'}")


@dataclass(frozen=True, slots=True)
class _Repeated:
    """An object of JSON that says a key twice."""

    key: str

    def words(self) -> str:
        return f"the key {json.dumps(self.key)[:80]} is there twice in one object"


def _pairs(pairs: list[tuple[str, Any]]) -> object:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    keys = [key for key, _ in pairs]
    twice = _Repeated(next(key for key in keys if keys.count(key) > 1))
    return {key: made[key] for key in ("name", "id") if key in made} | {"": twice}


def _repeated(read: object) -> _Repeated | None:
    """Return what is repeated in a piece, but not in what is inside of it: that is told as what it is not."""
    if not isinstance(read, dict):
        return None
    return next((value for value in read.values() if isinstance(value, _Repeated)), None)


def _whole(word: str) -> int | float:
    """Return a whole number; one that no computer counts with becomes infinite, and is told with its piece."""
    return int(word) if len(word) < 400 else float(word)
