"""A small works whose best route is known: two welders of which one is quicker, two cutters of which one fails more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from plant.network_file import network_of
from plant.operation_history import OperationHistory, operation_history
from plant.process_network import ProcessNetwork
from plant.products import Product, ProductTable, product_table
from storage.database import Connection
from storage.operation_history import write_history
from storage.process_networks import write_network
from storage.products import write_products

BEGIN = 1_780_000_000_000_000
HOUR = 3_600_000_000
MINUTES = {"laser": 12.0, "plasma": 12.0, "robot-old": 40.0, "robot-new": 26.0, "booth": 20.0}
YIELDS = {"laser": 0.99, "plasma": 0.75, "robot-old": 0.95, "robot-new": 0.95, "booth": 0.99}
OPERATION = {"laser": "cut", "plasma": "cut", "robot-old": "weld", "robot-new": "weld", "booth": "paint"}
WORST = ("plasma", "robot-old", "booth")
BEST = ("laser", "robot-new", "booth")
WAYS = (WORST, ("laser", "robot-old", "booth"), ("plasma", "robot-new", "booth"), BEST)
PRODUCTS = 12


def network(**changes: Any) -> ProcessNetwork:
    """Return how it can make its products; each is made by the worst route now."""

    def alternatives(operation: str) -> list[dict[str, Any]]:
        return [{"id": name, "work_unit": name} for name, of in OPERATION.items() if of == operation]

    names = [f"EX-{number}" for number in range(PRODUCTS)]
    told = {
        "leadhand": "network/1",
        "name": "small works",
        "features": [{"name": "tonnage_t", "unit": "t"}, {"name": "weld_length_m", "unit": "m"}],
        "operations": [{"id": name, "stage": name, "alternatives": alternatives(name)} for name in ("cut", "weld", "paint")],
        "network": {"sequence": ["cut", "weld", "paint"]},
        "cost": {"per_minute": 1, "rework_fixed_min": 30, "rework_share": 0.5},
        "routes": [{"id": f"R-{name}", "product": name, "alternatives": list(WORST)} for name in names],
        "current": {name: f"R-{name}" for name in names},
    }
    return network_of({**told, **changes})


def features(number: int) -> dict[str, float | str]:
    """Return what is known of a product."""
    return {"tonnage_t": 5.0 + 2 * number, "weld_length_m": round(20.0 + 3.7 * ((number * 5) % PRODUCTS), 1)}


def products(count: int = PRODUCTS) -> ProductTable:
    """Return the first products."""
    return product_table(network().features, [Product(f"EX-{number}", "excavator", features(number)) for number in range(count)])


def orders(
    count: int, *, first: int = 0, seed: int = 1, way: tuple[str, ...] | None = None, only: str | None = None, begin_us: int = BEGIN
) -> OperationHistory:
    """Return orders in turn for each product and each way, or all by one way, or for one product only."""
    random = np.random.default_rng([seed, first])
    names = tuple(MINUTES)
    rows: list[tuple[int, int, int, float, bool, int]] = []
    for at in range(first, first + count):
        number = at % PRODUCTS if only is None else int(only.removeprefix("EX-"))
        size = 0.7 + 0.05 * number
        for place, step in enumerate(way or WAYS[(at // PRODUCTS) % len(WAYS)]):
            minutes = MINUTES[step] * size * float(np.exp(0.08 * random.standard_normal()))
            good = bool(random.random() < YIELDS[step])
            rows.append((number, names.index(step), begin_us + (at * 3 + place) * HOUR // 3, minutes, good, at - first))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    told = dict(zip(("product", "alternative", "started_us", "duration_min", "first_pass", "order"), columns, strict=True))
    told["serial"] = told["order"]
    labels = [f"{at}" for at in range(first, first + count)]
    made = [f"EX-{number}" for number in range(PRODUCTS)]
    return operation_history(
        made, names, told, orders=[f"JO-{seed}-{label}" for label in labels], serials=[f"S-{seed}-{label}" for label in labels]
    )


def slower(history: OperationHistory, alternative: str, times: float) -> OperationHistory:
    """Return the same with one machine that takes so many times as long."""
    at = history.alternative == history.alternatives.index(alternative)
    minutes = np.where(at, history.duration_min * times, history.duration_min).astype(np.float32)
    return replace(history, duration_min=minutes)


def fill(connection: Connection, count: int = 480, now_us: int = BEGIN) -> None:
    """Keep network, products and orders."""
    write_network(connection, network(), actor="li.wei", now_us=now_us)
    write_products(connection, products(), actor="li.wei", now_us=now_us)
    write_history(connection, orders(count), OPERATION)
