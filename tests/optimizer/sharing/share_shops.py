"""Small problems of sharing, by hand and by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plant.sharing import NONE, Centre, Keeps, Period, ShareOrders, ShareProblem, ShareRule

AFTER = 99
"""Due after all periods."""
HOUR_US = 3_600_000_000


def order(
    factory: int, hours: float, *, due: int = AFTER, release: int = 0, may: Sequence[int] = (0,), priority: int = 5
) -> dict[str, Any]:
    return {"factory": factory, "hours": hours, "due": due, "release": release, "may": may, "priority": priority}


def shop(
    orders: Sequence[dict[str, Any]],
    *,
    capacity: Sequence[Sequence[float]] = ((10.0,) * 4,),
    reserved: Sequence[float] = (0.5, 0.5),
    owed: Sequence[float] | None = None,
    rule: ShareRule = ShareRule.MAX_MIN,
    keeps: Keeps = Keeps.IN_TIME,
    carried_part: float = 0.25,
) -> ShareProblem:
    """Return a problem with so much capacity by centre and period, and the same part of each centre reserved."""
    centres, periods = len(capacity), len(capacity[0])
    columns = ShareOrders(
        tuple(f"O{row}" for row in range(len(orders))),
        np.array([one["factory"] for one in orders], np.int64),
        np.array([one["hours"] for one in orders], np.float64),
        np.array([one["release"] for one in orders], np.int64),
        np.array([one["due"] for one in orders], np.int64),
        np.array([one["priority"] for one in orders], np.int64),
        np.array([[centre in one["may"] for centre in range(centres)] for one in orders], np.bool_).reshape(-1, centres),
        np.full(len(orders), NONE),
    )
    return ShareProblem(
        "shop",
        tuple(Period(f"shift {at + 1}", at * 8 * HOUR_US, (at + 1) * 8 * HOUR_US) for at in range(periods)),
        tuple(Centre(f"centre {at + 1}") for at in range(centres)),
        tuple(f"factory {at + 1}" for at in range(len(reserved))),
        np.array(capacity, np.float64),
        np.repeat(np.array(reserved, np.float64)[:, None], centres, axis=1),
        columns,
        np.zeros(len(reserved)) if owed is None else np.array(owed, np.float64),
        rule,
        keeps,
        carried_part,
    )


def drawn_shop(seed: int, count: int = 40, periods: int = 8, **told: Any) -> ShareProblem:
    """Return a problem by chance: three factories, two centres of which one may be closed, some work late or more than there are hours."""
    chance = np.random.default_rng(seed)
    capacity = np.where(chance.random((2, periods)) < 0.85, chance.uniform(4, 9, (2, periods)), 0.0)
    orders = []
    for _ in range(count):
        release = int(chance.integers(0, periods - 1)) if chance.random() < 0.5 else 0
        may = ([0], [1], [0, 1])[int(chance.integers(3))]
        due = release + int(chance.integers(-1, periods))
        orders.append(order(int(chance.choice(3, p=(0.6, 0.3, 0.1))), float(chance.lognormal(0, 0.7)), due=due, release=release, may=may))
    load = float(chance.uniform(0.6, 1.5)) * capacity.sum() / sum(one["hours"] for one in orders)
    for one in orders:
        one["hours"] *= load
    return shop(orders, capacity=capacity.tolist(), reserved=(0.3, 0.3, 0.3), **told)
