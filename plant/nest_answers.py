"""Nests as JSON: ``nest/1``, in the unit and by the names of the file that asked; docs/nesting.md tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from plant.nest_figures import METRICS, sheet_utilisation, strip_density, utilisation
from plant.nest_file import ReadNest
from plant.nest_pieces import NEST_FORMAT, UNIT_MM
from plant.nests import LeftPart, LeftReason, Nest, NestProblem, PackedStrip, StripProblem

LEFT_WORDS: Final = {
    LeftReason.NO_SHEET: "there is no sheet of its material and thickness",
    LeftReason.TOO_LARGE: "it is larger than any sheet of its material and thickness, as it may lie: is the unit right?",
    LeftReason.NO_GRAIN: "it fits no sheet whose rolling direction is known",
    LeftReason.STOCK_USED_UP: "the sheets it fits are full; more stock is needed",
    LeftReason.STOPPED: "the search ended before its turn; give more by --seconds",
}


def strip_json(read: ReadNest, problem: StripProblem, strip: PackedStrip, told: dict[str, Any]) -> dict[str, Any]:
    """Return a packed strip as its file says it; ``told``: what is known of the search."""
    density = strip_density(problem, strip)
    laid = strip.placements
    return {
        "leadhand": NEST_FORMAT,
        "kind": "strip",
        "name": problem.name,
        "density": density,
        "density_percent": 100 * density,
        "density_is": "area of all parts / (strip_length x strip_height)",
        "strip_length": strip.length_mm,
        "strip_height": problem.height_mm,
        "items": len(laid.part),
        **told,
        "placements": [
            {"item_id": read.ids[part], "rotation": rotation, "x": x, "y": y}
            for part, x, y, rotation in zip(
                laid.part.tolist(), laid.x_mm.tolist(), laid.y_mm.tolist(), laid.rotation_deg.tolist(), strict=True
            )
        ],
        **_aside(read),
    }


def nest_json(read: ReadNest, problem: NestProblem, nest: Nest, told: dict[str, Any]) -> dict[str, Any]:
    """Return a nest as its file says it; ``told``: what is known of the search."""
    found = utilisation(problem, nest)
    return {
        "leadhand": NEST_FORMAT,
        "kind": "sheets",
        "name": problem.name,
        "unit": read.unit or "mm",
        "utilisation": found.shares(),
        "utilisation_percent": {name: 100 * share for name, share in found.shares().items()},
        "utilisation_is": {
            "gross": "parts / sheets",
            "credited": "parts / (sheets - remnants)",
            "net": "parts with half the distance round each / (sheets less margins, with half the distance round)",
            "net_credited": "net, less the remnants",
        },
        "areas": asdict(found),
        "parts_asked": sum(part.quantity for part in problem.parts),
        "parts_laid": found.parts,
        "parts_left": sum(one.quantity for one in nest.left),
        "sheets_cut": found.sheets,
        **told,
        "layouts": list(_layouts(read, problem, nest)),
        "left": [_left(read, problem, one) for one in nest.left],
        **_aside(read),
    }


def _layouts(read: ReadNest, problem: NestProblem, nest: Nest) -> Iterator[dict[str, Any]]:
    factor = UNIT_MM[read.unit or "mm"]
    for number, cut in enumerate(nest.sheets, 1):
        sheet, laid = problem.sheets[cut.sheet], cut.placements
        figures = sheet_utilisation(problem, cut)
        yield {
            "layout": number,
            "sheet": sheet.name,
            "sheet_number": read.sheet_numbers[cut.sheet],
            "copies": cut.copies,
            "width": sheet.width_mm / factor,
            "height": sheet.height_mm / factor,
            "material": sheet.material,
            "thickness": sheet.thickness_mm / factor,
            "remnant": sheet.remnant,
            "utilisation": {name: getattr(figures, name) for name in METRICS},
            "placements": [
                {
                    "part": problem.parts[part].name,
                    "number": read.numbers[part],
                    "order": problem.parts[part].order,
                    "rotation": rotation,
                    "x": x / factor,
                    "y": y / factor,
                }
                for part, x, y, rotation in zip(
                    laid.part.tolist(), laid.x_mm.tolist(), laid.y_mm.tolist(), laid.rotation_deg.tolist(), strict=True
                )
            ],
            "remnants": [
                {"x": one.x_mm / factor, "y": one.y_mm / factor, "width": one.width_mm / factor, "height": one.height_mm / factor}
                for one in cut.remnants
            ],
        }


def _left(read: ReadNest, problem: NestProblem, left: LeftPart) -> dict[str, Any]:
    part = problem.parts[left.part]
    told = {"part": part.name, "number": read.numbers[left.part], "order": part.order, "quantity": left.quantity}
    return told | {"reason": left.reason.value, "words": LEFT_WORDS[left.reason]}


def _aside(read: ReadNest) -> dict[str, Any]:
    refused = [{"what": one.what, "number": one.number, "name": one.name, "problems": list(one.problems)} for one in read.refused]
    return {"refused": refused, "not_asked": list(read.not_asked)}
