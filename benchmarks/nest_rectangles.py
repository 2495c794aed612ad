"""Rectangles on sheets beside rectpack, all its algorithms and ways to choose a bin, and beside the least area there can be.

``python -m benchmarks.nest_rectangles [--seconds 10] [--seeds 2]``: sheets cut at random into rectangles, so that the optimum is known to
be 100 % (``cut up``); 1,000 rectangles of 60 kinds with kerf and margin (``kinds``); rectangles that differ all (``single``); those of our
plate parts in one plate with remnants, several sheet sizes and grain (``plant``). Printed for each: plate used, that is sheets less
what goes back, ours : rectpack's best : the area of the rectangles with their distance, the first answer's too. Exits 1 where rectpack
uses less on any, a rule is broken, or a rectangle is left.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import rectpack

from benchmarks.nest_peer import ALGORITHMS, best_of
from optimizer.nesting.checking import nest_faults
from optimizer.nesting.rectangles import is_rectangle, nest_rectangles
from plant.nest_figures import utilisation
from plant.nests import CuttingRules, Nest, NestPart, NestProblem, StockSheet, rectangle
from simulators.plate_parts import RULES, plate_parts, plate_stock

WAYS = {"first fit": rectpack.PackingBin.BFF, "best fit": rectpack.PackingBin.BBF}


def cut_up(seed: int, sheets: int = 5, pieces: int = 30) -> NestProblem:
    """Return sheets cut by guillotine cuts into pieces that may not be turned further than a quarter."""
    draws = np.random.default_rng(seed)
    sizes: list[tuple[float, float]] = []
    for _ in range(sheets):
        there = [(6_000.0, 2_000.0)]
        while len(there) < pieces:
            wide, high = there.pop(max(range(len(there)), key=lambda row: there[row][0] * there[row][1] * draws.uniform(0.3, 1.0)))
            first = round(float(draws.uniform(0.25, 0.75)) * max(wide, high))
            there += [(first, high), (wide - first, high)] if wide >= high else [(wide, first), (wide, high - first)]
        sizes += there
    parts = tuple(NestPart(f"piece {row}", rectangle(*size), 1) for row, size in enumerate(sizes))
    return NestProblem(f"cut up {seed}", parts, (StockSheet("sheet", 6_000, 2_000, 3 * sheets),))


def kinds(seed: int) -> NestProblem:
    """Return 1,000 rectangles of 60 kinds."""
    draws = np.random.default_rng(seed)
    quantities = 1 + draws.multinomial(940, np.full(60, 1 / 60))
    sizes = [(round(draws.triangular(80, 300, 2_000)), round(draws.triangular(60, 200, 800))) for _ in range(60)]
    parts = tuple(NestPart(f"kind {row}", rectangle(*size), int(quantities[row])) for row, size in enumerate(sizes))
    return NestProblem(f"kinds {seed}", parts, (StockSheet("sheet", 12_000, 2_500, 60),), (CuttingRules(3, 8, 10),))


def single(seed: int) -> NestProblem:
    """Return 300 rectangles of which no two are equal, to a tenth of a mm."""
    draws = np.random.default_rng(seed)
    sizes = np.round(np.column_stack((draws.uniform(100, 1_500, 300), draws.uniform(60, 600, 300))), 1)
    parts = tuple(NestPart(f"single {row}", rectangle(*size), 1) for row, size in enumerate(sizes.tolist()))
    return NestProblem(f"single {seed}", parts, (StockSheet("sheet", 8_000, 2_500, 60),), (CuttingRules(2.5, 6, 8),))


def plant(seed: int) -> NestProblem:
    """Return the rectangles among 600 plate parts of one plate, and stock for them."""
    parts = tuple(part for part in plate_parts(seed, 600, plates=[("S690QL", 10.0)]) if is_rectangle(part))
    return NestProblem(f"plant {seed}", parts, plate_stock(seed, parts, cover=1.8), RULES)


MAKERS: tuple[Callable[[int], NestProblem], ...] = (cut_up, kinds, single, plant)


def used_m2(problem: NestProblem, found: Nest) -> float:
    """Return the area of what is cut, less what goes back."""
    areas = utilisation(problem, found)
    return (areas.sheets_mm2 - areas.remnants_mm2) / 1e6


def bound_m2(problem: NestProblem) -> float:
    """Return the area of all rectangles with their distance: no less plate can do, but for what the edges give."""
    away = problem.rules[0].distance_mm if len(problem.rules) == 1 else problem.rules_for(problem.parts[0].thickness_mm).distance_mm
    return sum(part.quantity * float(np.prod(np.ptp(part.shape.outline, axis=0) + away)) for part in problem.parts) / 1e6


def run(problem: NestProblem, seconds: float, seed: int) -> list[str]:
    """Print one instance, and return what was missed."""
    wall = time.perf_counter()
    first = nest_rectangles(problem, seconds=0.0, seed=seed)
    wall_first = time.perf_counter() - wall
    wall, cpu = time.perf_counter(), time.process_time()
    ours = nest_rectangles(problem, seconds=seconds, seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peers = {name: best_of(problem, way, tuple(ALGORITHMS)) for name, way in WAYS.items()}
    way = min(peers, key=lambda name: (sum(one.quantity for one in peers[name][1].left), used_m2(problem, peers[name][1])))
    algorithm, peer = peers[way]
    bound, mine, theirs = bound_m2(problem), used_m2(problem, ours), used_m2(problem, peer)
    sheets = [sum(cut.copies for cut in one.sheets) for one in (ours, peer)]
    print(
        f"{problem.name:9} {sum(part.quantity for part in problem.parts):4} of {len(problem.parts):3} rows: "
        f"{mine / bound:.4f} : {theirs / bound:.4f} : 1 of {bound:6.1f} m2, sheets {sheets[0]} : {sheets[1]} ({algorithm}, {way}); "
        f"first answer {used_m2(problem, first) / bound:.4f} after {wall_first:.2f} s; {wall:.1f} s wall, {cpu:.1f} s CPU",
        flush=True,
    )
    faults = nest_faults(problem, ours) + nest_faults(problem, first)
    peer_left = sum(one.quantity for one in peer.left)
    worse = not ours.left and not peer_left and mine > theirs
    missed = [f"{problem.name}: rectpack uses less"] * worse + [f"{problem.name}: parts left"] * bool(ours.left and not peer_left)
    return missed + [f"{problem.name}: {fault}" for fault in faults[:3]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args(arguments)
    print(f"{asked.seconds:g} s, load {np.round(os.getloadavg(), 1).tolist()}; ours : rectpack's best : area of the rectangles")
    nest_rectangles(cut_up(0, sheets=1, pieces=4), seconds=0.1)  # compiled, or read from its cache
    missed = [fault for maker in MAKERS for seed in range(1, asked.seeds + 1) for fault in run(maker(seed), asked.seconds, seed)]
    print("\n".join(missed) if missed else "all figures met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
