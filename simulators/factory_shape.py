"""The simulated factory's stages, work units, alternatives and rules: what everybody there knows. It holds no truth."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

FEATURES: Final = ("tonnage_t", "plate_mm", "grade", "weld_length_m", "bolts", "complexity")
GRADES: Final = ("S355", "S690", "S960")
BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC)
DAYS: Final = 280
NEW_CELL_DAY: Final = 250
"""When the newest welding cell came."""

_UNITS: Final = {
    "cut": ("laser-1", "laser-2", "plasma-1", "plasma-2", "oxyfuel-1", "waterjet-1"),
    "bend": ("press-brake-1", "press-brake-2", "press-brake-3"),
    "bevel": ("bevel-mill-1", "bevel-mill-2", "bevel-torch-1"),
    "weld": tuple(f"cell-{n}" for n in range(1, 9)),
    "weld-root": ("bench-1", "bench-2", "bench-3"),
    "weld-fill": ("portal-1", "portal-2", "portal-3", "portal-4"),
    "machine": ("mill-1", "mill-2", "mill-3", "mill-4", "mill-5"),
    "paint": ("booth-1", "booth-2"),
    "assemble": ("line-1", "line-2", "line-3", "line-4"),
    "commission": ("stand-1", "stand-2"),
}
_STAGES: Final = {
    "cut": "cutting",
    "bend": "forming",
    "bevel": "forming",
    "weld": "welding",
    "weld-root": "welding",
    "weld-fill": "welding",
    "machine": "machining",
    "paint": "painting",
    "assemble": "assembly",
    "commission": "assembly",
}
_NAMES: Final = {
    "cut": "Cut plates",
    "bend": "Bend",
    "bevel": "Bevel edges",
    "weld": "Weld the frame in a cell",
    "weld-root": "Weld the root by hand",
    "weld-fill": "Fill under the portal",
    "machine": "Machine the bores",
    "paint": "Paint",
    "assemble": "Assemble",
    "commission": "Commission",
}
GROWS: Final = {
    "cut": ("plate_mm",),
    "bend": ("plate_mm",),
    "bevel": ("plate_mm",),
    "weld": ("weld_length_m",),
    "weld-root": ("weld_length_m",),
    "weld-fill": ("weld_length_m",),
    "machine": ("tonnage_t",),
    "paint": ("tonnage_t",),
    "assemble": ("bolts",),
    "commission": ("tonnage_t",),
}
"""By operation: features with which it can only take longer."""
OPERATIONS: Final = tuple(_UNITS)
_WELD_PROGRAMS: Final = {"P1": 240.0, "P2": 280.0, "P3": 320.0}
"""Welding current, A."""
NEW_CELL: Final = "cell-8"


def alternatives() -> list[dict[str, Any]]:
    """Return all alternatives in the order of the operations, each with ``operation`` besides what network.json says of it."""
    made: list[dict[str, Any]] = []
    for operation, units in _UNITS.items():
        for unit in units:
            place = {"operation": operation, "work_unit": f"{_STAGES[operation]}/{unit}"}
            if operation != "weld":
                made.append({**place, "id": f"{operation}-{unit}", "program": f"{operation}-std"})
                continue
            since = {"since": f"{_date(NEW_CELL_DAY)}"} if unit == NEW_CELL else {}
            made += [
                {**place, "id": f"weld-{unit}-{name}", "program": name, "parameters": {"current_a": current}, **since}
                for name, current in _WELD_PROGRAMS.items()
            ]
    return made


def rules() -> list[dict[str, Any]]:
    """Return the rules: envelopes, cranes, certificates, and what ties operations."""

    def prune(name: str, text: str, condition: dict[str, Any] | list[dict[str, Any]], **remove: str) -> dict[str, Any]:
        return {"id": name, "text": text, "if": condition, "remove": remove}

    above = _above
    return [
        prune("laser-thickness", "laser 1 cuts up to 32 mm", above("plate_mm", 32), work_unit="cutting/laser-1"),
        prune("brake-thickness", "press brake 1 bends up to 30 mm", above("plate_mm", 30), work_unit="forming/press-brake-1"),
        prune("crane-cell-1", "the crane at cell 1 lifts 22 t", above("tonnage_t", 22), work_unit="welding/cell-1"),
        prune("crane-cell-2", "the crane at cell 2 lifts 24 t", above("tonnage_t", 24), work_unit="welding/cell-2"),
        prune("hard-hot", "S960 must not be cut by oxy-fuel", {"feature": "grade", "is": "S960"}, work_unit="cutting/oxyfuel-1"),
        prune(
            "p3-certificate",
            "P3 is qualified for S355 and S690 up to 40 mm",
            [{"feature": "grade", "in": ["S355", "S690"]}, above("plate_mm", 40)],
            operation="weld",
            program="P3",
        ),
        prune("p3-hard", "P3 is not qualified for S960", {"feature": "grade", "is": "S960"}, operation="weld", program="P3"),
        prune("line-4-load", "line 4 carries 26 t", above("tonnage_t", 26), work_unit="assembly/line-4"),
        {
            "id": "deep-bevel",
            "text": "P3 in cell 5 needs a milled bevel",
            "if_chosen": "weld-cell-5-P3",
            "needs": ["bevel-bevel-mill-1", "bevel-bevel-mill-2"],
        },
        {
            "id": "hot-edge",
            "text": "edges cut by oxy-fuel are too hard for bevel mill 2",
            "if_chosen": "bevel-bevel-mill-2",
            "excludes": ["cut-oxyfuel-1"],
        },
    ]


def network(name: str) -> dict[str, Any]:
    """Return the content of network.json without routes."""
    listed = alternatives()
    operations = [
        {
            "id": operation,
            "stage": _STAGES[operation],
            "name": _NAMES[operation],
            "increases_with": {"duration_min": list(GROWS[operation])},
            "alternatives": [_without_operation(a) for a in listed if a["operation"] == operation],
        }
        for operation in OPERATIONS
    ]
    units = {"tonnage_t": "t", "plate_mm": "mm", "weld_length_m": "m"}
    weld = {"one_of": ["weld", {"sequence": ["weld-root", "weld-fill"]}]}
    forming = {"any_order": ["bend", "bevel"]}
    return {
        "leadhand": "network/1",
        "name": name,
        "features": [
            {"name": feature, **({"kind": "category"} if feature == "grade" else {"unit": units.get(feature, "")})} for feature in FEATURES
        ],
        "operations": operations,
        "network": {"sequence": ["cut", forming, weld, "machine", "paint", "assemble", "commission"]},
        "rules": rules(),
        "cost": {"per_minute": 1.0, "per_kwh": 0.15, "per_wear": 2.0, "rework_fixed_min": 60.0, "rework_share": 0.8, "risk_aversion": 0.05},
    }


def operation_codes(listed: Iterable[dict[str, Any]]) -> list[int]:
    """Return for each alternative the position of its operation in ``OPERATIONS``."""
    return [OPERATIONS.index(str(alternative["operation"])) for alternative in listed]


def _above(feature: str, value: float) -> dict[str, Any]:
    return {"feature": feature, "above": value}


def _without_operation(alternative: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in alternative.items() if key != "operation"}


def _date(day: int) -> str:
    return datetime.fromtimestamp(BEGIN.timestamp() + day * 86_400, UTC).date().isoformat()
