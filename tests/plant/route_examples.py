"""A small factory as a network.json says it, for tests."""

from __future__ import annotations

import copy
from typing import Any

_NETWORK: dict[str, Any] = {
    "leadhand": "network/1",
    "name": "small works",
    "features": [
        {"name": "tonnage_t", "unit": "t"},
        {"name": "weld_length_m", "unit": "m"},
        {"name": "grade", "kind": "category"},
    ],
    "operations": [
        {
            "id": "cut",
            "stage": "cutting",
            "alternatives": [{"id": "cut-laser", "work_unit": "laser-1"}, {"id": "cut-plasma", "work_unit": "plasma-1", "fixed_cost": 2}],
        },
        {
            "id": "weld",
            "stage": "welding",
            "name": "Weld the boom",
            "increases_with": {"duration_min": ["weld_length_m"]},
            "alternatives": [
                {"id": "weld-r1", "work_unit": "robot-1", "program": "P1", "parameters": {"current_a": 260}},
                {"id": "weld-r2", "work_unit": "robot-2", "program": "P1", "since": "2026-08-01"},
            ],
        },
        {"id": "weld-hand", "stage": "welding", "alternatives": [{"id": "weld-h", "work_unit": "bench-1", "tool": "MAG"}]},
        {"id": "paint", "stage": "painting", "alternatives": [{"id": "paint-1", "work_unit": "booth-1"}]},
        {"id": "test", "stage": "assembly", "alternatives": [{"id": "test-1", "work_unit": "stand-1"}]},
    ],
    "network": {"sequence": ["cut", {"one_of": ["weld", {"sequence": ["weld-hand"]}]}, {"any_order": ["paint", "test"]}]},
    "rules": [
        {"id": "envelope", "text": "robot 1 lifts 20 t", "if": {"feature": "tonnage_t", "above": 20}, "remove": {"work_unit": "robot-1"}},
        {
            "id": "grade",
            "text": "S960 is welded by hand",
            "if": [{"feature": "grade", "in": ["S960"]}, {"feature": "weld_length_m", "above": 1, "below": 500}],
            "remove": {"operation": "weld", "program": "P1"},
        },
        {"id": "edge", "text": "robot 2 needs laser edges", "if_chosen": "weld-r2", "needs": ["cut-laser"]},
        {"id": "dust", "text": "plasma dust spoils hand welds", "if_chosen": "weld-h", "excludes": ["cut-plasma"]},
    ],
    "cost": {"per_minute": 2, "per_kwh": 0.2, "per_wear": 3, "rework_fixed_min": 60, "rework_share": 0.8, "risk_aversion": 0.5},
    "routes": [
        {"id": "R1", "product": "EX-10", "alternatives": ["cut-plasma", "weld-r1", "paint-1", "test-1"]},
        {"id": "R2", "product": "EX-10", "alternatives": ["cut-laser", "weld-h", "test-1", "paint-1"]},
    ],
    "current": {"EX-10": "R1"},
}


def small_network() -> dict[str, Any]:
    """Return a copy to change."""
    return copy.deepcopy(_NETWORK)
