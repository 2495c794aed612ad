"""Strips of irregular parts against what sparrow reaches in 20 minutes, on six published nests.

``python -m benchmarks.nests [--seconds 60] [--workers 2] [--seed 1] [--only NAME ...]``: each nest of the shared data is packed, checked
by code of its own and compared with the mean of sparrow's hundred runs of 20 minutes (best_known.json). Density is the area of all parts
by the area of the strip, in percent. Exits 1 where a layout has a fault, or where in 60 s or more one is more than 2 points below the
mean. What is reached depends on what the machine has left: load and CPU seconds are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from optimizer.nesting.checking import strip_faults
from optimizer.nesting.strips import pack_strip
from plant.nest_figures import strip_density
from plant.nest_file import read_nest_problem
from plant.nests import StripProblem

LIMIT_POINTS = 2.0
LIMIT_FROM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one nest gave; densities in percent."""

    name: str
    density: float
    mean: float
    record: float
    faults: int
    wall_s: float
    cpu_s: float

    @property
    def below(self) -> float:
        """Points below sparrow's mean of 20 minutes."""
        return self.mean - self.density


def folder() -> Path:
    """Return where the shared nests are."""
    shared = os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(shared) / "optimizer" / "nesting"


def cpu_seconds() -> float:
    """Return what this process and those it waited for have used."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def run(problem: StripProblem, known: dict[str, float], *, seconds: float, workers: int, seed: int) -> Run:
    began, cpu = time.monotonic(), cpu_seconds()
    strip = pack_strip(problem, seconds=seconds, seed=seed, workers=workers)
    wall, used = time.monotonic() - began, cpu_seconds() - cpu
    faults = strip_faults(problem, strip)
    for fault in faults[:3]:
        print(f"FAULT {problem.name}: {fault}")
    return Run(problem.name, 100 * strip_density(problem, strip), known["mean"], known["record"], len(faults), wall, used)


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--only", nargs="+", default=[])
    asked = words.parse_args()
    if not (folder() / "best_known.json").exists():
        print(f"{folder()} is missing: nothing to compare with; LEADHAND_SHARED_DATA names the folder of shared data")
        return 0
    known = json.loads((folder() / "best_known.json").read_text())
    print(f"{asked.seconds:g} s, {asked.workers} workers, seed {asked.seed}; load at the beginning {os.getloadavg()[0]:.1f}", flush=True)
    runs = []
    for name in asked.only or sorted(known):
        problem = read_nest_problem((folder() / f"{name}.json").read_bytes(), f"{name}.json").problem
        assert isinstance(problem, StripProblem)
        one = run(problem, known[name], seconds=asked.seconds, workers=asked.workers, seed=asked.seed)
        runs.append(one)
        print(
            f"{name:9} density {one.density:6.2f} % : sparrow's mean of 20 min {one.mean:.2f} ({one.density - one.mean:+.2f} points, limit "
            f"-{LIMIT_POINTS:g}) : record {one.record:.2f}  {one.wall_s:.1f} s wall, {one.cpu_s:.0f} s CPU, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    print(f"worst {max(one.below for one in runs):.2f}, mean {statistics.mean(one.below for one in runs):.2f} points below")
    limit = LIMIT_POINTS if asked.seconds >= LIMIT_FROM_SECONDS else float("inf")
    missed = [f"{one.name}: {one.below:.2f} points below > {limit:g}" for one in runs if one.below > limit]
    missed += [f"{one.name}: {one.faults} faults" for one in runs if one.faults]
    for line in missed:
        print("MISSED", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
