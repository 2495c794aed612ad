"""A small factory with products, routes and recommendations, as the pages about them and their REST meet it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from plant.network_file import network_of
from plant.products import Product, product_table
from plant.recommendations import (
    Against,
    Answer,
    Comparison,
    Estimate,
    Gain,
    InsteadOf,
    MeasuredInterval,
    Missing,
    NearestProduct,
    ParetoPoint,
    Recommendation,
    Removed,
    RouteEstimate,
    Stage,
    StepReason,
    Today,
    WatchPoint,
)
from storage.database import Connection
from storage.process_networks import write_network
from storage.products import write_products
from storage.recommendations import (
    CoverageRow,
    RealisedGain,
    RouteModel,
    add_recommendation,
    change_stage,
    write_coverage,
    write_model,
    write_realised_gain,
)

MODEL = "5b1c0f7a9e2d44c8"
_DAY_US = 86_400_000_000


def _alternative(name: str, unit: str, program: str | None = None, tool: str | None = None, **parameters: float) -> dict[str, Any]:
    told: dict[str, Any] = {"id": name, "work_unit": unit}
    return told | {key: value for key, value in (("program", program), ("tool", tool), ("parameters", parameters)) if value}


NETWORK = network_of(
    {
        "leadhand": "network/1",
        "name": "excavator arms",
        "features": [
            {"name": "tonnage", "unit": "t", "kind": "number"},
            {"name": "plate_mm", "unit": "mm", "kind": "number"},
            {"name": "weld_length", "unit": "m", "kind": "number"},
            {"name": "grade", "unit": "", "kind": "category"},
        ],
        "operations": [
            {
                "id": "cut",
                "stage": "cutting",
                "alternatives": [
                    _alternative("cut-laser", "laser-1", "L20", speed_m_min=2.4),
                    _alternative("cut-plasma", "plasma-1", "P11"),
                ],
            },
            {
                "id": "weld",
                "stage": "welding",
                "alternatives": [
                    _alternative("weld-robot-1", "robot-1", "W7", "wire 1.2", current_a=280, voltage_v=29.5),
                    _alternative("weld-robot-2", "robot-2", "W9", "wire 1.2", current_a=310, voltage_v=31),
                    _alternative("weld-hand", "booth-3"),
                ],
            },
            {
                "id": "bore",
                "stage": "machining",
                "alternatives": [_alternative("bore-cnc-1", "cnc-1", "B2"), _alternative("bore-cnc-2", "cnc-2", "B5")],
            },
            {"id": "paint", "stage": "painting", "alternatives": [_alternative("paint-booth", "booth", "C3")]},
        ],
        "network": {"sequence": ["cut", {"any_order": ["weld", "bore"]}, "paint"]},
        "rules": [
            {
                "id": "laser-thickness",
                "text": "laser-1 cuts 25 mm at most",
                "if": {"feature": "plate_mm", "above": 25},
                "remove": {"work_unit": "laser-1"},
            },
            {
                "id": "hand-certificate",
                "text": "no welder is certified for S960",
                "if": {"feature": "grade", "is": "S960"},
                "remove": {"alternative": "weld-hand"},
            },
        ],
        "cost": {"per_minute": 1.2, "per_kwh": 0.2, "per_wear": 2, "rework_fixed_min": 12, "rework_share": 0.6, "risk_aversion": 0.1},
        "routes": [
            {"id": "R-20", "product": "ARM-20", "alternatives": ["cut-plasma", "weld-robot-1", "bore-cnc-1", "paint-booth"]},
            {"id": "R-30", "product": "ARM-30", "alternatives": ["cut-plasma", "weld-robot-2", "bore-cnc-2", "paint-booth"]},
        ],
        "current": {"ARM-20": "R-20", "ARM-30": "R-30"},
    }
)
PRODUCTS = product_table(
    NETWORK.features,
    [
        Product("ARM-20", "arms", {"tonnage": 20.0, "plate_mm": 16.0, "weld_length": 18.5, "grade": "S355"}),
        Product("ARM-22", "arms", {"tonnage": 22.5, "plate_mm": 20.0, "weld_length": 21.0, "grade": "S690"}),
        Product("ARM-30", "arms", {"tonnage": 30.0, "plate_mm": 30.0, "weld_length": 27.0, "grade": "S960"}),
    ],
)
NEW_FEATURES: dict[str, float | str] = {"tonnage": 24.0, "plate_mm": 20.0, "weld_length": 22.0, "grade": "S690"}


def about(mean: float, share: float = 0.1) -> Estimate:
    """An estimate whose interval reaches so far to both sides."""
    return Estimate(mean, mean * (1 - share), mean * (1 + share))


def _route(cost: float, minutes: float, first_pass: float) -> RouteEstimate:
    return RouteEstimate(
        about(cost),
        about(minutes),
        Estimate(first_pass, first_pass - 0.03, min(1.0, first_pass + 0.02)),
        about(minutes * 0.4),
        about(3.1, 0.2),
        4.2,
    )


def proposal(now_us: int, product: str = "ARM-20") -> Recommendation:
    """A recommendation with all that one can have."""
    now = ("cut-plasma", "weld-robot-1", "bore-cnc-1", "paint-booth")
    best = ("cut-laser", "weld-robot-2", "bore-cnc-1", "paint-booth")
    saved = Gain(31.5, 12.0, 49.0, "current")
    steps = (
        StepReason(
            operation="cut",
            alternative="cut-laser",
            work_unit="laser-1",
            program="L20",
            parameters={"speed_m_min": 2.4},
            cost=about(41.0),
            duration_min=about(31.0),
            first_pass=Estimate(0.985, 0.97, 0.995),
            count=1840,
            nearest_count=212,
            instead_of=InsteadOf("cut-plasma", 52.5),
            difference=11.5,
        ),
        StepReason(
            operation="weld",
            alternative="weld-robot-2",
            work_unit="robot-2",
            program="W9",
            tool="wire 1.2",
            parameters={"current_a": 310.0, "voltage_v": 31.0},
            cost=about(118.0, 0.16),
            duration_min=about(84.0, 0.14),
            first_pass=Estimate(0.943, 0.9, 0.97),
            count=96,
            nearest_count=14,
            instead_of=InsteadOf("weld-robot-1", 141.0),
            difference=23.0,
        ),
        StepReason(
            operation="bore",
            alternative="bore-cnc-1",
            work_unit="cnc-1",
            program="B2",
            cost=about(66.0),
            duration_min=about(44.0),
            first_pass=Estimate(0.991, 0.98, 0.997),
            count=2110,
            nearest_count=198,
            instead_of=InsteadOf("bore-cnc-1", 63.0),
            difference=-3.0,
        ),
        StepReason(
            operation="paint",
            alternative="paint-booth",
            work_unit="booth",
            program="C3",
            cost=about(28.0),
            duration_min=about(25.0),
            first_pass=Estimate(0.968, 0.95, 0.98),
            count=3920,
            nearest_count=402,
            instead_of=InsteadOf("paint-booth", 28.0),
        ),
    )
    pareto = (
        ParetoPoint("recommended", best, 253.0, 184.0, 0.891, 73.6),
        ParetoPoint("fastest", ("cut-laser", "weld-robot-2", "bore-cnc-2", "paint-booth"), 262.0, 171.0, 0.874, 79.0),
        ParetoPoint("highest_yield", ("cut-laser", "weld-robot-1", "bore-cnc-1", "paint-booth"), 276.0, 202.0, 0.921, 74.1),
        ParetoPoint("least_energy", ("cut-plasma", "weld-hand", "bore-cnc-1", "paint-booth"), 298.0, 236.0, 0.86, 58.2),
    )
    return Recommendation(
        product=product,
        answer=Answer.RECOMMENDED,
        route=best,
        predicted=_route(253.0, 184.0, 0.891),
        against=Against(
            current=Comparison(now, _route(284.5, 209.0, 0.882), saved, route_id="R-20"),
            nearest=Comparison(now, _route(279.0, 205.0, 0.884), Gain(26.0, 8.0, 44.0, "nearest"), "ARM-22", 0.42, 281.0),
        ),
        gain=saved,
        steps=steps,
        pareto=pareto,
        today=Today(now, _route(291.0, 231.0, 0.88), 22.0, 305.0, {"robot-2": "in repair until 16:00"}),
        removed=(Removed("weld-hand", "hand-certificate", "no welder is certified for S960"),),
        nearest_products=(NearestProduct("ARM-22", 0.42, 812), NearestProduct("ARM-30", 1.87, 640)),
        watch=(
            WatchPoint("weld", "weld-robot-2", "few_rows", "weld on robot-2: only 96 measurements", {"count": 96.0}),
            WatchPoint("weld", "weld-robot-2", "wide_interval", "weld on robot-2: may take long", {"low": 72.0, "high": 96.0}),
        ),
        valid_until=datetime.fromtimestamp(now_us / 1e6, UTC) + timedelta(days=30),
        intervals={"cut-laser": MeasuredInterval((31.0, 28.0, 34.0), 1840, True)},
    )


def no_evidence(now_us: int, product: str = "ARM-90") -> Recommendation:
    """An answer that proposes nothing."""
    return Recommendation(
        product=product,
        answer=Answer.NOT_ENOUGH_EVIDENCE,
        reason="tonnage 90 lies outside of what was made (20 to 30)",
        missing=(Missing("weld", "not_supported", "weld: nothing like it was made"),),
        nearest_products=(NearestProduct("ARM-30", 6.1, 640),),
        valid_until=datetime.fromtimestamp(now_us / 1e6, UTC) + timedelta(days=30),
    )


def fill_routes(connection: Connection, now_us: int) -> dict[str, int]:
    """Store the factory, and recommendations in several stages; return their numbers by what they are."""
    write_network(connection, NETWORK, actor="test", now_us=now_us - 9 * _DAY_US)
    write_products(connection, PRODUCTS, actor="test", now_us=now_us - 9 * _DAY_US)
    figures = {"coverage": 0.91}
    write_model(connection, RouteModel(MODEL, now_us - 2 * _DAY_US, 190_000, 100, now_us - 90 * _DAY_US, now_us - 2 * _DAY_US, figures))

    def add(one: Recommendation, days: float, asked_by: str = "") -> int:
        made_us = now_us - round(days * _DAY_US)
        return add_recommendation(connection, one, model_version=MODEL, made_us=made_us, family="arms", asked_by=asked_by)

    measured = add(proposal(now_us, "ARM-22"), 8)
    change_stage(connection, measured, Stage.APPROVED, time_us=now_us - 7 * _DAY_US, actor="anna", note="tried on two arms")
    change_stage(connection, measured, Stage.EXECUTED, time_us=now_us - 6 * _DAY_US)
    brought = RealisedGain(now_us - _DAY_US, 42, 168, now_us - 6 * _DAY_US, now_us - _DAY_US, 28.4, 17.9, 38.9)
    write_realised_gain(connection, measured, brought)
    keep = replace(proposal(now_us, "ARM-30"), answer=Answer.KEEP_CURRENT, reason="no route is expected to cost less than the current one")
    numbers = {
        "measured": measured,
        "keep": add(keep, 3),
        "nothing": add(no_evidence(now_us), 2),
        "open": add(proposal(now_us), 1),
    }
    rows = [
        CoverageRow(now_us, MODEL, "weld", "", "duration_min", 420, 381, 23.5),
        CoverageRow(now_us, MODEL, "cut", "", "duration_min", 510, 401, 6.1),
    ]
    write_coverage(connection, rows)
    return numbers
