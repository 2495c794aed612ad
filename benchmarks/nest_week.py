"""A week of plate parts over three shared centres: hours divided among the factories, then every part nested at the centre it went to.

``python -m benchmarks.nest_week [--parts 20000] [--seconds 480] [--seed 1] [--workers 2]``: two centres cut, one stamps small mild parts up
to 8 mm. Hours are divided by ``optimizer.sharing`` (ten shifts, a quarter of each centre reserved for each factory, loaded to 90 %), each
order's parts are laid by ``optimizer.nesting`` on its centre's stock, within so many seconds in all, and checked by code of its
own. Printed: hours, index, shares of the plates by name, wall and CPU seconds, peak memory of this process and of its largest child.
Exits 1 where it takes more than ten minutes from orders to nests, a part is left, or a rule is broken.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np

from optimizer.nesting.checking import nest_faults
from optimizer.nesting.nesting import nest
from optimizer.sharing.checking import share_faults
from optimizer.sharing.sharing import share
from plant.nest_figures import METRICS, utilisation
from plant.nests import NestPart, NestProblem, area_mm2, cut_length_mm
from plant.part_orders import WorkKind
from plant.sharing import NONE, Centre, Period, ShareOrders, ShareProblem, Shares
from simulators.plate_parts import FACTORIES, MONDAY_US, RULES, plate_parts, plate_stock

MOST_SECONDS = 600.0
SHIFTS = 10
LOAD = 0.9
CENTRES = (Centre("cutting 1"), Centre("cutting 2"), Centre("stamping", WorkKind.STAMPING))
SHIFT_US = 12 * 3_600_000_000
DAY_US = 2 * SHIFT_US


def stamped(part: NestPart) -> bool:
    """Whether the press can do it: small, mild, thin."""
    long, short = sorted(np.ptp(part.shape.outline, axis=0), reverse=True)
    return part.material.startswith("S355") and part.thickness_mm <= 8 and long <= 400 and short <= 250


def hours(part: NestPart) -> float:
    """Return how long its quantity takes: plasma slows down with thickness and pierces each ring; the press does six strokes a minute."""
    if stamped(part):
        return part.quantity * 10.0 / 3_600
    speed_mm_per_minute = 27_000.0 / part.thickness_mm
    pierces = 1 + len(part.shape.holes)
    return part.quantity * (cut_length_mm(part.shape) / speed_mm_per_minute / 60.0 + pierces * (2.0 + 0.1 * part.thickness_mm) / 3_600)


def week(parts: Sequence[NestPart]) -> tuple[ShareProblem, list[list[int]]]:
    """Return the week to be divided, and the rows of parts of each of its orders: what one customer order wants of one kind of centre."""
    found: dict[tuple[str, bool], list[int]] = {}
    for row, part in enumerate(parts):
        found.setdefault((part.order, stamped(part)), []).append(row)
    rows = list(found.values())
    begins = [MONDAY_US + day * DAY_US + shift * SHIFT_US for day in range(5) for shift in range(2)]
    periods = tuple(Period(f"shift {number + 1}", begin, begin + SHIFT_US) for number, begin in enumerate(begins))
    wanted = np.array([sum(hours(parts[row]) for row in some) for some in rows])
    press = np.array([stamps for _, stamps in found])
    due = [sum(one.end_us <= (parts[some[0]].due_us or 0) for one in periods) for some in rows]
    capacity = np.array([wanted[~press].sum() / 2, wanted[~press].sum() / 2, wanted[press].sum()]) / SHIFTS / LOAD
    orders = ShareOrders(
        name=tuple(f"{order} {'stamped' if stamps else 'cut'}" for order, stamps in found),
        factory=np.array([FACTORIES.index(parts[some[0]].factory) for some in rows], np.int64),
        hours=wanted,
        release=np.zeros(len(rows), np.int64),
        due=np.array(due, np.int64),
        priority=np.array([max(parts[row].priority for row in some) for some in rows], np.int64),
        may=np.array([(not stamps, not stamps, stamps) for stamps in press]),
        home=np.full(len(rows), NONE, np.int64),
    )
    reserved = np.full((len(FACTORIES), len(CENTRES)), 1.0 / len(FACTORIES))
    hours_of_shifts = np.repeat(capacity[:, None], SHIFTS, axis=1)
    return ShareProblem("week", periods, CENTRES, FACTORIES, hours_of_shifts, reserved, orders, np.zeros(len(FACTORIES))), rows


def by_centre(problem: ShareProblem, shares: Shares, rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the rows of parts of each centre: an order's go where most of its hours are."""
    given = np.zeros((len(rows), len(problem.centres)))
    np.add.at(given, (shares.work.order, shares.work.centre), shares.work.hours)
    given += 1e-9 * problem.orders.may
    where = given.argmax(axis=1)
    return [[row for order, some in enumerate(rows) if where[order] == centre for row in some] for centre in range(len(problem.centres))]


def laid(name: str, parts: tuple[NestPart, ...], seconds: float, seed: int, workers: int) -> list[str]:
    """Print a centre's nest on its own stock, and return what was missed."""
    problem = NestProblem(name, parts, plate_stock(seed, parts, cover=3.0), RULES)
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    found = nest(problem, seconds=seconds, seed=seed, workers=workers)
    wall, cpu = time.perf_counter() - wall, sum(os.times()[:4]) - cpu
    shares = utilisation(problem, found)
    left = sum(one.quantity for one in found.left)
    told = "  ".join(f"{metric} {100 * shares.shares()[metric]:.2f} %" for metric in METRICS)
    asked = sum(part.quantity for part in parts)
    print(f"{name:10} {asked:6} parts on {shares.sheets:4} sheets, {left} left: {told}  ({wall:.0f} s wall, {cpu:.0f} s CPU)", flush=True)
    reasons = sorted({one.reason.value for one in found.left})
    faults = nest_faults(problem, found)
    missed = [f"{name}: {left} parts left ({', '.join(reasons)})"] * bool(left)
    return missed + [f"{name}: {len(faults)} faults, as {faults[0]}" for _ in faults[:1]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(arguments)
    parts = plate_parts(asked.seed, asked.parts)
    print(f"seed {asked.seed}, {asked.workers} workers, load {np.round(os.getloadavg(), 1).tolist()}")
    began = time.perf_counter()
    problem, rows = week(parts)
    shares = share(problem)
    faults = share_faults(problem, shares)
    print(
        f"{asked.parts} parts of {len({part.order for part in parts})} orders, {len(rows)} of them by kind of centre, "
        f"{problem.orders.hours.sum():.0f} h over {len(CENTRES)} centres: Jain {shares.figures.jain:.3f}, "
        f"late by factory {shares.figures.late.tolist()}, "
        f"worse than alone {shares.figures.worse_than_alone}; {time.perf_counter() - began:.1f} s"
    )
    missed = [f"shares: {len(faults)} faults, as {faults[0]}" for _ in faults[:1]]
    areas = [sum(parts[row].quantity * area_mm2(parts[row].shape) for row in some) for some in by_centre(problem, shares, rows)]
    for number, some in enumerate(by_centre(problem, shares, rows)):
        seconds = asked.seconds * areas[number] / sum(areas)
        missed += laid(CENTRES[number].name, tuple(parts[row] for row in some), seconds, asked.seed + number, asked.workers)
    took = time.perf_counter() - began
    own, child = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"assigned, nested and checked in {took:.0f} s; peak memory {own:.0f} MB, largest child {child:.0f} MB")
    missed += [f"{took:.0f} s > {MOST_SECONDS:.0f} s"] * (took > MOST_SECONDS)
    print("\n".join(missed) if missed else "all figures met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
