"""Nests as they are kept and handed from process to process: a problem written as ``nest-problem/1``, a ``nest/1`` file read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import numpy as np
from pydantic import ConfigDict, Field

from plant.errors import SettingsError
from plant.nest_answers import nest_json
from plant.nest_file import ReadNest, read_nest_problem
from plant.nest_pieces import NEST_FORMAT, NEST_PROBLEM_FORMAT
from plant.nests import CutSheet, CuttingRules, LeftPart, LeftReason, Nest, NestPart, NestProblem, Placements, Rectangle, StockSheet
from plant.strict_json import Piece, parsed, pieces_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE: Final = "docs/nesting.md"


class _Laid(Piece):
    model_config = ConfigDict(extra="ignore")
    number: Annotated[int, Field(ge=1)]
    rotation: float
    x: float
    y: float


class _Rest(Piece):
    x: float
    y: float
    width: Annotated[float, Field(gt=0)]
    height: Annotated[float, Field(gt=0)]


class _Layout(Piece):
    model_config = ConfigDict(extra="ignore")
    sheet_number: Annotated[int, Field(ge=1)]
    copies: Annotated[int, Field(ge=1)]
    placements: tuple[_Laid, ...]
    remnants: tuple[_Rest, ...]


class _Left(Piece):
    model_config = ConfigDict(extra="ignore")
    number: Annotated[int, Field(ge=1)]
    quantity: Annotated[int, Field(ge=1)]
    reason: LeftReason


class _NestFile(Piece):
    model_config = ConfigDict(extra="ignore")
    layouts: tuple[_Layout, ...]
    left: tuple[_Left, ...]


def write_nest_problem(problem: NestProblem) -> str:
    """Return a problem as a ``nest-problem/1`` file in mm; ``read_kept_problem`` gives the same again."""
    told = {
        "leadhand": NEST_PROBLEM_FORMAT,
        "name": problem.name,
        "unit": "mm",
        "rules": [_rules(one) for one in problem.rules],
        "parts": [_part(one) for one in problem.parts],
        "sheets": [_sheet(one) for one in problem.sheets],
    }
    return json.dumps(told, ensure_ascii=False)


def read_kept_problem(text: str, place: str = "nest") -> NestProblem:
    """Return a problem that was kept, each part in its row. Raises SettingsError where it is none, or not whole."""
    read = read_nest_problem(text, place)
    if read.refused:
        raise SettingsError([f"{place}: {one.words()}" for one in read.refused])
    if not isinstance(read.problem, NestProblem):
        raise SettingsError(f"{place}: is a strip, no sheets")
    return read.problem


def write_nest(problem: NestProblem, nest: Nest, told: dict[str, Any] | None = None) -> str:
    """Return a nest as a ``nest/1`` file in mm; ``told``: what is known of the search."""
    names = tuple(part.name for part in problem.parts)
    numbers = tuple(range(1, len(problem.parts) + 1))
    read = ReadNest(problem, names, numbers, (), (), tuple(range(1, len(problem.sheets) + 1)), "mm")
    return json.dumps(nest_json(read, problem, nest, told or {}), ensure_ascii=False)


def read_nest(text: str, problem: NestProblem, place: str = "nest") -> Nest:
    """Return a nest of a problem from a ``nest/1`` file in mm. Raises SettingsError where it is none of this problem."""
    read = parsed(text, place)
    if not isinstance(read, dict) or read.get("kind") != "sheets" or read.get("unit") != "mm":
        raise SettingsError(f"{place}: is no nest on sheets in mm")
    file = pieces_of(read, place, NEST_FORMAT, _NestFile, _PAGE)
    numbers = [one.number for cut in file.layouts for one in cut.placements] + [one.number for one in file.left]
    if any(number > len(problem.parts) for number in numbers) or any(cut.sheet_number > len(problem.sheets) for cut in file.layouts):
        raise SettingsError(f"{place}: names parts or sheets that the problem has not")
    return Nest(
        tuple(
            CutSheet(
                cut.sheet_number - 1,
                cut.copies,
                Placements(
                    np.array([one.number - 1 for one in cut.placements], np.int32),
                    np.array([one.x for one in cut.placements], np.float64),
                    np.array([one.y for one in cut.placements], np.float64),
                    np.array([one.rotation for one in cut.placements], np.float64),
                ),
                tuple(Rectangle(one.x, one.y, one.width, one.height) for one in cut.remnants),
            )
            for cut in file.layouts
        ),
        tuple(LeftPart(one.number - 1, one.quantity, one.reason) for one in file.left),
    )


def _rules(rules: CuttingRules) -> dict[str, Any]:
    told = {"kerf": rules.kerf_mm, "gap": rules.gap_mm, "margin": rules.margin_mm, "least_remnant": list(rules.least_remnant_mm)}
    return told if rules.thickness_up_to_mm is None else told | {"thickness_up_to": rules.thickness_up_to_mm}


def _part(part: NestPart) -> dict[str, Any]:
    return {
        "name": part.name,
        "quantity": part.quantity,
        "outline": part.shape.outline.tolist(),
        "holes": [hole.tolist() for hole in part.shape.holes],
        "order": part.order,
        "factory": part.factory,
        "material": part.material,
        "thickness": part.thickness_mm,
        "rotations": "any" if part.rotations_deg is None else list(part.rotations_deg),
        "grain": part.grain_deg,
        "due": None if part.due_us is None else (_EPOCH + timedelta(microseconds=part.due_us)).isoformat(),
        "priority": part.priority,
    }


def _sheet(sheet: StockSheet) -> dict[str, Any]:
    return {
        "name": sheet.name,
        "width": sheet.width_mm,
        "height": sheet.height_mm,
        "quantity": sheet.quantity,
        "material": sheet.material,
        "thickness": sheet.thickness_mm,
        "grain": sheet.grain_deg,
        "remnant": sheet.remnant,
    }
