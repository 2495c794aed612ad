"""Random weeks of three centres that cut and stamp for four factories: what ``benchmarks.sharing`` is measured on. Frozen before tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from plant.part_orders import WorkKind
from plant.sharing import NONE, Centre, Flags, Floats, Ints, Period, ShareOrders, ShareProblem

FACTORIES = ("excavators", "cranes", "pumps", "platforms")
CENTRES = (Centre("plate cutting 1"), Centre("plate cutting 2"), Centre("stamping", WorkKind.STAMPING))
SHIFT_US = 8 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a week is drawn."""

    orders: int = 400
    load: float = 0.9
    """Hours asked for over hours there are, at each kind of centre."""
    reserved: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    asks: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    """Of all hours, by factory, on average."""
    shifts: int = 21
    surge: int | None = None
    """The factory, if any, whose orders nearly all come at midweek, and are due soon."""


def week(seed: int, drawn: Drawn) -> ShareProblem:
    """Return a week: shifts with more or fewer machines, some closed; orders of all sizes, due 2 to 12 shifts on."""
    chance = np.random.default_rng(seed)
    shape = (len(CENTRES), drawn.shifts)
    machines = np.array([3.0, 2.0, 2.0])[:, None]
    capacity = np.where(chance.random(shape) < 0.93, machines * chance.uniform(6.0, 7.6, shape), 0.0)
    orders = _orders(chance, drawn, capacity)
    reserved = np.repeat(np.array(drawn.reserved)[:, None], len(CENTRES), axis=1)
    periods = tuple(Period(f"shift {number + 1}", number * SHIFT_US, (number + 1) * SHIFT_US) for number in range(drawn.shifts))
    return ShareProblem(f"week {seed}", periods, CENTRES, FACTORIES, capacity, reserved, orders, np.zeros(len(FACTORIES)))


def known_by(problem: ShareProblem, period: int) -> Flags:
    """Return which orders are known when a period begins: an order is known when it may begin."""
    return problem.orders.release <= period


def of_orders(orders: ShareOrders, kept: Flags | Ints) -> ShareOrders:
    """Return some of the orders."""
    names = np.array(orders.name, dtype=object)[kept]
    return replace(
        orders,
        name=tuple(names),
        **{key: getattr(orders, key)[kept] for key in ("factory", "hours", "release", "due", "priority", "may", "home")},
    )


def _orders(chance: np.random.Generator, drawn: Drawn, capacity: Floats) -> ShareOrders:
    count = drawn.orders
    asks = np.array(drawn.asks)
    factory = chance.choice(len(FACTORIES), count, p=chance.dirichlet(20 * asks + 1e-9) if asks.all() else asks / asks.sum())
    stamped, thick, either = chance.random(count) < 0.3, chance.random(count) < 0.55, chance.random(count) < 0.5
    may = np.column_stack((~stamped & (thick | either), ~stamped & (~thick | either), stamped))
    hours = chance.lognormal(0.0, 0.8, count)
    for mine, centres in ((stamped, [2]), (~stamped, [0, 1])):
        hours[mine] *= drawn.load * capacity[centres].sum() / hours[mine].sum()
    release = np.where(chance.random(count) < 0.5, 0, chance.integers(0, drawn.shifts - 3, count))
    due = release + chance.integers(2, 13, count)
    if drawn.surge is not None:
        late = (factory == drawn.surge) & (chance.random(count) < 0.85)
        release[late] = drawn.shifts // 2
        due[late] = release[late] + chance.integers(1, 5, int(late.sum()))
    names = tuple(f"P-{number:05d}" for number in range(count))
    return ShareOrders(names, factory, hours, release, due, chance.integers(1, 10, count), may, np.full(count, NONE))
