"""A small shop whose numbers can be reckoned by hand: cutting, then welding and marking in any order, then painting or pickling."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from optimizer.predictions import Evidence
from optimizer.recommending import Asked, Recommender, recommender
from optimizer.route_estimates import Expected, Interval
from plant.operation_history import OperationHistory, operation_history
from plant.process_network import (
    Alternative,
    AnyOrder,
    Condition,
    OneOf,
    Operation,
    ProcessNetwork,
    Removal,
    Route,
    Sequence,
    Step,
    Tie,
)
from plant.products import FeatureDefinition, FeatureKind, Product, ProductTable, product_table
from plant.route_costs import CostWeights

MADE = datetime(2026, 11, 20, 8, tzinfo=UTC)
FEATURES = (FeatureDefinition("thickness", "mm"), FeatureDefinition("grade", "", FeatureKind.CATEGORY))
OPERATIONS = (
    Operation("cut", "cutting", (Alternative("laser", "cut", "laser-1", "c20"), Alternative("plasma", "cut", "plasma-1"))),
    Operation(
        "weld",
        "welding",
        (
            Alternative("robot", "weld", "robot-1", "w7", parameters={"current_a": 248.0}),
            Alternative("robot-slow", "weld", "robot-1", "w8"),
            Alternative("hand", "weld", "bench-2", fixed_cost=2.0),
        ),
    ),
    Operation("mark", "machining", (Alternative("pin", "mark", "pin-1"), Alternative("ink", "mark", "ink-1"))),
    Operation("paint", "painting", (Alternative("booth", "paint", "booth-1"),)),
    Operation("pickle", "painting", (Alternative("bath", "pickle", "bath-1"),)),
)
RULES = (
    Removal("thick", "laser 1 cuts 20 mm at most", (Condition("thickness", above=20.0),), work_unit="laser-1"),
    Tie("ink-after-hand", "ink runs on robot welds", "ink", needs=frozenset({"hand"})),
    Tie("no-bath", "plasma edges do not go into the bath", "plasma", excludes=frozenset({"bath"})),
)
MINUTES = {
    "laser": 10.0,
    "plasma": 14.0,
    "robot": 30.0,
    "robot-slow": 36.0,
    "hand": 33.0,
    "pin": 5.0,
    "ink": 5.2,
    "booth": 20.0,
    "bath": 18.0,
}
YIELDS = {
    "laser": 0.99,
    "plasma": 0.98,
    "robot": 0.9,
    "robot-slow": 0.97,
    "hand": 0.95,
    "pin": 1.0,
    "ink": 1.0,
    "booth": 0.99,
    "bath": 0.98,
}
COST = CostWeights(rework_fixed_min=20.0, rework_share=0.5)


def network(**changes: object) -> ProcessNetwork:
    """Return the shop; ``changes`` are fields of it."""
    given: dict[str, object] = {
        "root": Sequence((Step("cut"), AnyOrder((Step("weld"), Step("mark"))), OneOf((Step("paint"), Step("pickle"))))),
        "operations": OPERATIONS,
        "rules": RULES,
        "cost": COST,
        "routes": (Route("r1", "a", ("plasma", "robot", "pin", "booth")), Route("r2", "b", ("laser", "robot-slow", "pin", "bath"))),
        "current": {"a": "r1"},
    }
    return ProcessNetwork("shop", FEATURES, **(given | changes))  # type: ignore[arg-type]


def product(name: str = "new", thickness: float = 12.0, grade: str = "s355") -> Product:
    """Return a product of the shop."""
    return Product(name, "f", {"thickness": thickness, "grade": grade})


def products() -> ProductTable:
    """Return what the shop made: a and b, and c that it never made."""
    return product_table(FEATURES, (product("a", 15.0), product("b", 10.0), product("c", 11.0, "s700")))


def history(shop: ProcessNetwork) -> OperationHistory:
    """Return 40 runs of each route, each as the shop's numbers say, with every tenth part not right the first time."""
    rows = [(route.product, name, order) for route in shop.routes for order in range(40) for name in route.alternatives]
    names, made = [one.id for one in shop.alternatives], ["a", "b"]
    columns = {
        "product": np.array([made.index(row[0]) for row in rows]),
        "alternative": np.array([names.index(row[1]) for row in rows]),
        "started_us": np.arange(len(rows)) * 60_000_000 + 1_700_000_000_000_000,
        "duration_min": np.array([MINUTES[row[1]] for row in rows]),
        "first_pass": np.arange(len(rows)) % 10 > 0,
        "order": np.array([row[2] for row in rows]),
    }
    return operation_history(made, names, columns)


def expected(
    shop: ProcessNetwork, *, spread: float = 0.1, unsupported: tuple[str, ...] = (), minutes: Mapping[str, float] | None = None
) -> Expected:
    """Return what is expected of each alternative; ``spread`` is half of the interval, as a share."""
    names = [one.id for one in shop.alternatives]
    mean = np.array([(minutes or {}).get(name, MINUTES[name]) for name in names])
    passes = np.array([YIELDS[name] for name in names])
    never = Interval(*(np.full(len(names), np.nan) for _ in range(3)))
    return Expected(
        Interval(mean, mean * (1 - spread), mean * (1 + spread)),
        Interval(passes, passes - 0.02 * (passes < 1), np.minimum(passes + 0.01, 1.0)),
        never,
        never,
        np.full(len(names), 100),
        np.array([name not in unsupported for name in names]),
    )


def known(shop: ProcessNetwork) -> Recommender:
    """Return what answers questions about the shop."""
    return recommender(shop, products(), history(shop))


def asked(shop: ProcessNetwork, of: Product | None = None, what: Expected | None = None) -> Asked:
    """Return a question about a product."""
    told = what or expected(shop)
    return Asked(of or product(), told, [Evidence.ENOUGH if good else Evidence.FAR_FROM_ALL for good in told.supported], MADE)
