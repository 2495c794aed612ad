"""A plate shop with two vehicles, proved optimal at each size; and random shops with more or fewer vehicles, against what was proved.

``python -m benchmarks.plan_transport [--seconds 10] [--variants 8] [--variant-seconds 10] [--seed 1]``: the first 5, 10, 15 and 20 jobs of
the shared plate shop, then random shops (8 to 30 jobs, 1 to 4 vehicles, ways from short to half of the work), each plan checked by code of
its own. Exits 1 where one of the four sizes is not proved optimal within 2 s. Of the variants the gap to the bound is told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from optimizer.plan_formats import load_instance
from optimizer.planning import plan
from plant.plan_check import plan_faults
from plant.plan_problem import ALWAYS, Job, PlanProblem, Transport, WorkUnit
from plant.plans import Solved

_SIZES = (5, 10, 15, 20)
_PEER = {5: 31884, 10: 43224, 15: 65250, 20: 67994}
"""Makespan of the published deep-RL planner."""
_MOST_S = 2.0
_STRETCH = 0.01


def shared() -> Path:
    """Return where the shared plate shop is."""
    folder = os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(folder) / "optimizer" / "transport" / "plate_shop.json"


def variant(seed: int) -> PlanProblem:
    """Return a random shop: machines on a floor, jobs of some steps, vehicles that drive straight."""
    random = np.random.default_rng(seed)
    units, jobs = int(random.integers(5, 13)), int(random.integers(8, 31))
    spots = random.uniform(0, 1, (units + 1, 2))
    work = float(random.choice([500.0, 2000.0, 6000.0]))
    reach = work * float(random.choice([0.02, 0.1, 0.3]))
    ways = np.hypot(*(spots[:, None] - spots[None]).transpose(2, 0, 1))
    travel = np.ceil(ways * reach).astype(np.int64)
    steps = random.integers(2, 7, jobs)
    job = np.repeat(np.arange(jobs), steps).astype(np.int32)
    modes, last = [], -1
    for row in range(len(job)):
        able = [unit for unit in range(units) if unit != last or row == 0 or job[row - 1] != job[row]]
        chosen = random.choice(able, min(int(random.integers(1, 4)), len(able)), replace=False)
        lasts = int(random.uniform(0.3, 1.7) * work)
        modes += [(row, int(unit), lasts) for unit in sorted(chosen)]
        last = int(chosen[0]) if len(chosen) == 1 else -1
    columns = np.array(modes, np.int64)
    follows = np.flatnonzero(job[1:] == job[:-1]).astype(np.int32)
    return PlanProblem(
        name=f"variant {seed}",
        units=tuple(WorkUnit(f"M{row + 1}") for row in range(units)),
        jobs=tuple(Job(f"J{row + 1}") for row in range(jobs)),
        operation_job=job,
        operation_name=[f"step {row}" for row in range(len(job))],
        operation_branch=np.full(len(job), ALWAYS, np.int32),
        mode_operation=columns[:, 0].astype(np.int32),
        mode_unit=columns[:, 1].astype(np.int32),
        mode_duration=columns[:, 2].copy(),
        mode_setup=np.full(len(modes), -1, np.int32),
        mode_name=[""] * len(modes),
        arc_before=follows,
        arc_after=follows + np.int32(1),
        arc_least=np.zeros(len(follows), np.int64),
        arc_most=np.full(len(follows), -1, np.int64),
        transport=Transport(travel, np.arange(1, units + 1, dtype=np.int32), 0, int(random.integers(1, 5))),
    )


def planned(problem: PlanProblem, seconds: float, seed: int) -> Solved:
    """Return the plan of a problem; it keeps every rule."""
    found = plan(problem, seconds=seconds, seed=seed, workers=2)
    if not isinstance(found, Solved):
        sys.exit(f"{problem.name}: no plan: {found}")
    faults = plan_faults(problem, found.plan)
    if faults:
        sys.exit(f"{problem.name}: the plan breaks rules: {faults[:3]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--variant-seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, seed {asked.seed}, 2 workers")
    missed = []
    began = time.process_time()
    for jobs in _SIZES:
        problem, _ = load_instance(shared(), jobs=jobs)
        found = planned(problem, asked.seconds, asked.seed)
        peer = 100 * (found.objective / _PEER[jobs] - 1)
        proved = "optimal" if found.proved else f"bound {found.bound:,}"
        times = f"{found.wall_s:.2f} s wall, {found.cpu_s:.2f} s CPU"
        print(f"plate shop, {jobs:>2} jobs: {found.objective:,}, {proved}, {times}; published planner {_PEER[jobs]:,} ({peer:+.1f} %)")
        if not found.proved or found.wall_s > _MOST_S:
            missed.append(f"{jobs} jobs: {proved} after {found.wall_s:.2f} s")
    gaps = []
    for number in range(asked.variants):
        problem = variant(asked.seed * 1000 + number)
        found = planned(problem, asked.variant_seconds, asked.seed)
        gaps.append(found.objective / found.bound - 1 if found.bound else 1.0)
        transport = problem.transport
        size = f"{len(problem.jobs):>2} jobs, {len(problem.operation_job):>3} operations, {transport.vehicles if transport else 0} vehicles"
        print(
            f"{problem.name}: {size}: {found.objective:,}, {100 * gaps[-1]:.2f} % above the bound, {found.wall_s:.1f} s wall, by {found.by}"
        )
    if gaps:
        within = sum(gap <= _STRETCH for gap in gaps)
        figures = f"mean gap {100 * statistics.mean(gaps):.2f} %, worst {100 * max(gaps):.2f} %, {within} of {len(gaps)} within 1 %"
        print(f"{len(gaps)} random variants: {figures} (stretch, not a must)")
    print(f"{time.process_time() - began:.1f} s CPU in all")
    if missed:
        print("missed: " + "; ".join(missed))
        sys.exit(1)
    print("each size of the plate shop is proved optimal within 2 s")


if __name__ == "__main__":
    main()
