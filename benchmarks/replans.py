"""A unit breaks down: how soon there is a plan again, how good it is, and how much of the old one stays.

``python -m benchmarks.replans [--replans 1000] [--seeds 1 2 3] [--base 6] [--full 8]``: (a) the busiest unit of each shop is down for a
quarter of the plan from a third of it on: mk09 and mk10 of the shared data (240 operations), and generated plants of 240 and 1,000
operations with alternatives, setups, shifts, people, buffers, due dates, a frozen zone and people's locks. Told are the shift alone, the
repair, what the whole search makes of it in ``--full`` seconds (which may move all), and what was proved that nothing can be below.
(b) random plants with every kind of rule, and random things that happen to them, one after the other, each plan checked: faults, locks,
frozen zone, what started, and that no lock is given up without a word.

Must: a plan without fault in 0.2 s, repaired in 2 s (1,000 operations: 5 s) with at most 5 % of the operations placed anew, nothing broken
in (b). Where others use the machine (load above 1.5), times are judged by CPU seconds instead of the clock; both are printed. The solver
is loaded before the clock starts, as it is in the process that plans.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from optimizer.plan_formats import read_instance
from optimizer.planning import plan as planned
from optimizer.replanning import Repaired, at_once, repaired
from plant.disturbances import Breakdown
from plant.plan_check import objective_of, plan_faults
from plant.plan_compare import moved_count
from plant.plan_problem import ALWAYS, Job, Lock, LockReason, Objective, PlanProblem, Resource, WorkUnit
from plant.plan_shift import Shifted, Unsettled
from plant.plans import Plan, Solved
from plant.remaining import applied
from tests.plant.random_replans import broken, replans

SHIFT_S = 0.2
SHARE = 0.05


@dataclass(frozen=True)
class Row:
    """What became of one breakdown."""

    name: str
    operations: int
    misses: tuple[str, ...]


def generated(operations: int, seed: int) -> PlanProblem:
    """Return jobs of ten operations over groups of three like units; half of them with setups, some with shifts, people and buffers."""
    random = np.random.default_rng(seed)
    jobs, steps, groups = operations // 10, 10, max(4, operations // 50)
    setup = random.integers(2, 9, (4, 4)).astype(np.int64)
    np.fill_diagonal(setup, 0)
    shifts = tuple((480 + day * 1440, 960 + day * 1440) for day in range(12))
    units = [
        WorkUnit(
            f"G{group}-{number}",
            setup=setup if group % 2 else None,
            closed=shifts if group % 3 == 0 else (),
            pauses=True,
            buffer=8 if group % 4 == 1 else None,
            group=f"G{group}",
        )
        for group in range(groups)
        for number in range(3)
    ]
    job_of = np.repeat(np.arange(jobs), steps).astype(np.int32)
    count = len(job_of)
    group_of = random.integers(0, groups, count)
    like = np.stack([random.permutation(3)[:2] for _ in range(count)])
    duration = random.integers(10, 60, count)
    family = random.integers(0, 4, jobs)
    rows = np.arange(count)
    first = rows[(rows + 1) % steps != 0]
    work = int(duration.sum()) // (len(units))
    needs = np.flatnonzero(np.repeat(group_of % 4 == 2, 2)).astype(np.int32)
    return PlanProblem(
        name=f"generated {operations}, seed {seed}",
        units=tuple(units),
        jobs=tuple(Job(f"J{job}", due=int(random.integers(work, 4 * work)), weight=int(random.integers(1, 4))) for job in range(jobs)),
        operation_job=job_of,
        operation_name=[f"step {row % steps}" for row in range(count)],
        operation_branch=np.full(count, ALWAYS, np.int32),
        mode_operation=np.repeat(rows, 2).astype(np.int32),
        mode_unit=(np.repeat(group_of, 2) * 3 + like.ravel()).astype(np.int32),
        mode_duration=(np.repeat(duration, 2) + random.integers(0, 10, 2 * count)).astype(np.int64),
        mode_setup=np.repeat(family[job_of], 2).astype(np.int32),
        mode_name=[""] * (2 * count),
        arc_before=first.astype(np.int32),
        arc_after=(first + 1).astype(np.int32),
        arc_least=np.zeros(len(first), np.int64),
        arc_most=np.full(len(first), -1, np.int64),
        resources=(Resource("welder", max(2, groups), ((300, 500, 1),)),),
        need_mode=needs,
        need_resource=np.zeros(len(needs), np.int32),
        need_amount=np.ones(len(needs), np.int32),
        objective=Objective(makespan=1, tardiness=1),
    )


def shops(seeds: list[int]) -> Iterator[tuple[PlanProblem, int]]:
    """Yield plants and seeds."""
    shared = Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    for seed in seeds:
        for name in ("mk09", "mk10"):
            path = shared / "optimizer" / "fjsp" / f"{name}.txt"
            if path.exists():
                yield read_instance(path.read_text(), name, "fjsp"), seed
            else:
                print(f"{name} is left out: {path} is not there")
        yield generated(240, seed), seed
    for seed in seeds:
        yield generated(1000, seed), seed


def base_of(problem: PlanProblem, seconds: float, seed: int) -> Plan:
    found = planned(problem, seconds=seconds, seed=seed)
    assert isinstance(found, Solved), found
    return found.plan


def judged(wall: float, cpu: float) -> float:
    return cpu if os.getloadavg()[0] > 1.5 else wall


def breakdown(problem: PlanProblem, seed: int, base_s: float, full_s: float) -> Row:
    plan = base_of(problem, base_s, seed)
    random = np.random.default_rng(seed)
    end, busy = int(plan.end.max()), np.zeros(len(problem.units), np.int64)
    np.add.at(busy, plan.unit(problem), plan.end - plan.start)
    unit, now = int(busy.argmax()), end // 3
    locks = [
        Lock(row, int(plan.mode[row]), int(plan.start[row]), LockReason.PERSON)
        for row in np.flatnonzero(plan.start > end // 2).tolist()
        if random.random() < 0.02
    ]
    disturbed = applied(
        replace(problem, locks=tuple(locks)), plan, [Breakdown(problem.units[unit].name, now, now + end // 4)], now, frozen=end // 50
    )
    wall, cpu = time.perf_counter(), time.process_time()
    first = at_once(disturbed.problem, disturbed.plan)
    shift_wall, shift_cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert isinstance(first, Shifted), first
    limit = 2.0 if len(plan.mode) <= 240 else 5.0
    wall, cpu = time.perf_counter(), time.process_time()
    found = repaired(disturbed.problem, disturbed.plan, first, seconds=limit * 0.9, seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    free = replace(found.problem, objective=replace(found.problem.objective, moved=0))
    full = planned(free, seconds=full_s, seed=seed, begin_with=found.plan)
    share = found.placed_anew / len(plan.mode)
    misses = [f"fault: {fault}" for fault in (*plan_faults(first.problem, first.plan), *plan_faults(found.problem, found.plan))]
    misses += [
        f"{len(broken_locks(disturbed.problem, one))} locks broken" for one in (first, found) if broken_locks(disturbed.problem, one)
    ]
    misses += [f"shift took {judged(shift_wall, shift_cpu):.2f} s"] * (judged(shift_wall, shift_cpu) > SHIFT_S)
    misses += [f"repair took {judged(wall, cpu):.2f} s"] * (judged(wall, cpu) > limit)
    misses += [f"{share:.1%} placed anew"] * (share > SHARE)
    name = f"{problem.name} (seed {seed})"
    stood = objective_of(replace(problem, objective=free.objective), plan)
    print(f"{name}: {len(plan.mode)} operations, {problem.units[unit].name} down {now:,} to {now + end // 4:,}")
    print(f"  plan that stood {stood:,}; {len(disturbed.problem.locks)} locks, {len(first.loosed)} of them given up with a word")
    print(f"  shift {found.objective_shifted:,} in {shift_wall * 1000:.0f} ms ({shift_cpu * 1000:.0f} ms CPU)")
    print(f"  repaired {found.objective:,} in {wall:.2f} s ({cpu:.2f} s CPU), {found.tries} tries, {found.windows} windows")
    print(f"  {found.placed_anew} placed anew = {share:.1%}, {found.shifted} only shifted")
    if isinstance(full, Solved):
        anew, shifted = moved_count(disturbed.problem, disturbed.plan, full.plan)
        gain, whole = found.objective_shifted - found.objective, found.objective_shifted - full.objective
        part = f"the repair has {gain / whole:.0%} of its gain" if whole > 0 else "it gains nothing over the shift"
        print(f"  whole search {full.objective:,} in {full.wall_s:.0f} s, nothing below {full.bound:,}: {part}")
        print(f"  {anew} placed anew there = {anew / len(plan.mode):.1%}, {shifted} only shifted")
    print(f"  load {os.getloadavg()[0]:.1f}", *(f"MISSED: {miss}" for miss in misses), flush=True)
    return Row(name, len(plan.mode), tuple(misses))


def broken_locks(problem: PlanProblem, one: Shifted | Repaired) -> list[Lock]:
    """Return the locks that are neither kept nor told."""
    plan, told = one.plan, {each.lock.operation for each in one.loosed}
    kept = [
        plan.mode[lock.operation] == lock.mode and (lock.start is None or plan.start[lock.operation] == lock.start)
        for lock in problem.locks
    ]
    return [lock for lock, one_kept in zip(problem.locks, kept, strict=True) if not one_kept and lock.operation not in told]


def random_part(seeds: range) -> tuple[Counter[str], list[str]]:
    """Return counts, and what was broken."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    for seed in seeds:
        for one in replans(seed):
            counts["replans"] += 1
            counts.update(type(each).__name__ for each in one.disturbances)
            found += [f"seed {seed}: {each}" for each in broken(one)]
            if isinstance(one.found, Unsettled):
                counts["orders that cannot be kept"] += 1
                other = at_once(one.disturbed.problem, one.disturbed.plan, urgent=one.disturbed.urgent)
                counts["... planned in another order"] += isinstance(other, Shifted)
                if isinstance(other, Shifted):
                    found += [f"seed {seed}: {each}" for each in broken(replace(one, found=other))]
            else:
                counts["locks given up with a word"] += len(one.found.loosed)
                counts["locks"] += len(one.disturbed.problem.locks)
    return counts, found


def random_replans(count: int, first: int) -> tuple[Counter[str], list[str]]:
    """Return counts over at least so many replans, and what was broken."""
    counts: Counter[str] = Counter()
    found: list[str] = []
    with ProcessPoolExecutor(2) as pool:
        while counts["replans"] < count:
            parts = [range(first + at, first + at + 50) for at in (0, 50)]
            first += 100
            for part, wrong in pool.map(random_part, parts):
                counts.update(part)
                found += wrong
    return counts, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replans", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--first", type=int, default=100_000, help="seed of the first random plant")
    parser.add_argument("--base", type=float, default=5.0, help="seconds for the plan that stands")
    parser.add_argument("--full", type=float, default=5.0, help="seconds for the whole search afterwards")
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, seeds {asked.seeds}")
    import optimizer.plan_model  # noqa: F401 - loaded before the clock starts

    missed = [f"{row.name}: {miss}" for problem, seed in shops(asked.seeds) for row in [breakdown(problem, seed, asked.base, asked.full)]
              for miss in row.misses]  # fmt: skip
    began, cpu = time.perf_counter(), time.process_time()
    if asked.replans:
        counts, wrong = random_replans(asked.replans, asked.first)
        print(
            f"random replans from seed {asked.first} on, {time.perf_counter() - began:.0f} s ({time.process_time() - cpu:.0f} s CPU here):"
        )
        print("  " + ", ".join(f"{name} {number:,}" for name, number in counts.most_common()))
        print(f"  broken: {len(wrong)}", *wrong[:10])
        missed += wrong
    print(f"load {os.getloadavg()[0]:.1f}", "all kept" if not missed else f"{len(missed)} MISSED: {missed[:10]}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
