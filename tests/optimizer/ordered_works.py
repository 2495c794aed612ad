"""A works with every kind of node: cut, then bend and bevel in any order, a frame welded in a cell or in two steps, then paint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optimizer.order_expectations import expectations
from optimizer.ordering import Ordered, ordered
from plant.calendar_rules import assemble_calendars
from plant.calendars import Calendars
from plant.customer_orders import CustomerOrder, job_orders
from plant.equipment import Equipment, EquipmentId
from plant.network_file import network_of
from plant.planning_rules import PlanningRules
from plant.process_network import ProcessNetwork
from plant.products import Product
from plant.settings_calendars import CalendarSettings
from plant.settings_plan import PlanSettings

HOUR = 3_600_000_000
MONDAY = 1_794_787_200_000_000
"""2026-11-16 00:00 UTC."""
MINUTES = {
    "laser": 10.0,
    "plasma": 12.0,
    "brake": 15.0,
    "mill": 20.0,
    "torch": 22.0,
    "cell-P1": 60.0,
    "cell-P3": 45.0,
    "bench": 30.0,
    "portal": 25.0,
    "booth": 20.0,
}
_UNITS = {"cell-P1": "welding/cell", "cell-P3": "welding/cell"}


def network() -> ProcessNetwork:
    """Return how it can make its products."""

    def operation(name: str, *ids: str) -> dict[str, Any]:
        def one(alternative: str) -> dict[str, str]:
            unit = _UNITS.get(alternative, f"{name}/{alternative}")
            return {"id": alternative, "work_unit": unit, "program": alternative.partition("-")[2] or "std"}

        return {"id": name, "stage": name, "alternatives": [one(alternative) for alternative in ids]}

    return network_of(
        {
            "leadhand": "network/1",
            "name": "works with every node",
            "features": [{"name": "tonnage_t", "unit": "t"}],
            "operations": [
                operation("cut", "laser", "plasma"),
                operation("bend", "brake"),
                operation("bevel", "mill", "torch"),
                operation("weld", "cell-P1", "cell-P3"),
                operation("root", "bench"),
                operation("fill", "portal"),
                operation("paint", "booth"),
            ],
            "network": {
                "sequence": ["cut", {"any_order": ["bend", "bevel"]}, {"one_of": ["weld", {"sequence": ["root", "fill"]}]}, "paint"]
            },
            "rules": [
                {
                    "id": "heavy",
                    "text": "the laser's table carries 20 t",
                    "if": {"feature": "tonnage_t", "above": 20},
                    "remove": {"alternative": "laser"},
                },
                {"id": "edge", "text": "P3 needs a milled bevel", "if_chosen": "cell-P3", "needs": ["mill"]},
            ],
            "routes": [{"id": "R1", "product": "EX-5", "alternatives": ["laser", "brake", "mill", "cell-P1", "booth"]}],
            "current": {"EX-5": "R1"},
        }
    )


def products() -> dict[str, Product]:
    """Return its products: a light one and one too heavy for the laser."""
    return {name: Product(name, family, {"tonnage_t": t}) for name, family, t in (("EX-5", "light", 5.0), ("EX-30", "heavy", 30.0))}


def day_shift() -> Calendars:
    """Return one calendar: 06:00 to 14:00 on working days."""
    told = CalendarSettings.model_validate({"name": "day", "shifts": [{"name": "early", "from": "06:00", "to": "14:00"}]})
    problems: list[str] = []
    root = EquipmentId("acme/north")
    there = {EquipmentId(f"{root}/{name}"): Equipment(EquipmentId(f"{root}/{name}"), name) for name in ("welding/cell", "cut/laser")}
    made = assemble_calendars(root, "UTC", there, [("site.toml", told)], problems)
    assert not problems, problems
    return made


def rules(**told: Any) -> PlanningRules:
    """Return rules of planning with what everything takes."""
    settings = PlanSettings.model_validate({"standard_minutes": MINUTES, "tick_seconds": 60, **told})
    return PlanningRules(settings, day_shift(), "acme/north")


def planned(orders: list[CustomerOrder], how: PlanningRules, *, approved: Mapping[str, tuple[str, ...]] | None = None) -> Ordered:
    """Return the problem of orders on Monday at 06:00."""
    works = network()
    jobs = [job for order in orders for job in job_orders(order)]
    expected = expectations(works, products(), [job.product for job in jobs], None, approved or {}, how.settings)
    return ordered(jobs, expected, works, how, origin_us=MONDAY, now_us=MONDAY + 6 * HOUR)
