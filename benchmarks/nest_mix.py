"""Our own mix of plate parts: rectangles and others of four factories on sheets and remnants, beside rectpack's first fit.

``python -m benchmarks.nest_mix [--seconds 60] [--seeds 1] [--parts 200] [--workers 2] [--svg FOLDER]``: as many parts of two plates
(S355 12 mm, S690 10 mm) are laid from each seed, checked by code of their own, and every share of the plates is printed by its name.
rectpack (github.com/secnot/rectpack) lays each part's bounding rectangle, with its distance, on the same stock, first fit, by each of its
algorithms; its best one is printed. Exits 1 where less than 90 % of what may be cut (net of kerf and margin, remnants that go back
credited) becomes parts, a rule is broken, or a part is left.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.nest_peer import first_fit
from optimizer.nesting.checking import nest_faults
from optimizer.nesting.nesting import nest
from plant.nest_drawing import sheet_svg
from plant.nest_figures import METRICS, Utilisation, utilisation
from plant.nests import Nest, NestProblem
from simulators.plate_parts import plate_problem

PLATES = (("S355J2", 12.0), ("S690QL", 10.0))
LEAST_NET = 0.90


def told(name: str, found: Utilisation, left: int) -> str:
    """Return every share by its name."""
    shares = "  ".join(f"{metric} {100 * found.shares()[metric]:5.2f} %" for metric in METRICS)
    area = found.sheets_mm2 / 1e6
    return f"  {name:24} {found.sheets:3} sheets {area:7.1f} m2, {found.remnants_mm2 / 1e6:5.1f} m2 go back, {left} left:  {shares}"


def drawn(problem: NestProblem, found: Nest, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, cut in enumerate(found.sheets, 1):
        (folder / f"sheet-{number:02d}.svg").write_text(sheet_svg(problem, cut, theme="light"))


def run(seed: int, parts: int, seconds: float, workers: int, folder: Path | None) -> list[str]:
    """Print one seed, and return what was missed."""
    problem = plate_problem(seed, parts, plates=PLATES)
    rectangles = sum(part.quantity for part in problem.parts if len(part.shape.outline) == 4)
    print(
        f"seed {seed}: {parts} parts of {len(problem.parts)} rows, {rectangles} of them rectangles, {len(problem.sheets)} kinds of sheets"
    )
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    found = nest(problem, seconds=seconds, seed=seed, workers=workers)
    wall, cpu = time.perf_counter() - wall, sum(os.times()[:4]) - cpu
    faults = nest_faults(problem, found)
    left = sum(one.quantity for one in found.left)
    shares = utilisation(problem, found)
    print(told("Leadhand", shares, left) + f"  ({wall:.1f} s wall, {cpu:.1f} s CPU)")
    algorithm, peer = first_fit(problem)
    print(told(f"rectpack {algorithm}", utilisation(problem, peer), sum(one.quantity for one in peer.left)))
    if folder is not None:
        drawn(problem, found, folder / f"seed-{seed}")
    for fault in faults[:5]:
        print(f"  fault: {fault}")
    missed = [f"seed {seed}: {len(faults)} faults"] * bool(faults) + [f"seed {seed}: {left} parts left"] * bool(left)
    return missed + [f"seed {seed}: net_credited {100 * shares.net_credited:.2f} % < 90 %"] * (shares.net_credited < LEAST_NET)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--svg", type=Path)
    asked = parser.parse_args(arguments)
    print(f"{asked.seconds:g} s, {asked.workers} workers, load {np.round(os.getloadavg(), 1).tolist()}, seeds 1 to {asked.seeds}")
    missed = [fault for seed in range(1, asked.seeds + 1) for fault in run(seed, asked.parts, asked.seconds, asked.workers, asked.svg)]
    print("\n".join(missed) if missed else "all figures met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
