"""Job shops with alternatives, without and with setup times, against the best known plans of public instances.

``python -m benchmarks.plans [--seconds 60] [--seeds 3] [--only mk|oddla|fattahi|kacem|NAME ...]``: each instance of the shared data is
planned with two workers from each seed, checked by code of its own, and ended as soon as it is proved that nothing is better. The default
is 10 s and one seed of mk and oddla. Printed: best known, the bound proved, what each seed found, gap, wall and CPU seconds, the first
plan and when it was there; mean gaps by seed, median and worst. Exits 1 where a figure is missed: mk01-10 within 1 % on average in 60 s
(2 % in less), 8 of them proved; oddla01-10 in 60 s within 1.5 % on average and 4 % each; a first plan within a second, always.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optimizer.plan_formats import read_instance
from optimizer.planning import Progress, plan
from plant.plan_check import objective_of, plan_faults
from plant.plan_problem import PlanProblem
from plant.plans import Solved

SETS = {"mk": "fjsp", "fattahi": "fjsp", "kacem": "fjsp", "oddla": "sdst"}
FIRST_PLAN_S = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one seed gave on one instance."""

    name: str
    known: int
    found: int | None
    bound: int
    first: tuple[float, int] | None
    wall_s: float
    cpu_s: float
    faults: int

    @property
    def gap(self) -> float:
        """How far the plan is above the best known one; below 0: it is better."""
        return 1.0 if self.found is None else self.found / self.known - 1

    @property
    def proved(self) -> bool:
        """Whether nothing is better."""
        return self.found is not None and self.bound >= self.found


def folder() -> Path:
    """Return where the shared instances are."""
    shared = os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(shared) / "optimizer"


def instances(only: Sequence[str]) -> dict[str, PlanProblem]:
    """Return the problems of the named sets or instances, in order."""
    found = {}
    for kind, form in SETS.items():
        for path in sorted((folder() / form).glob(f"{kind}*.txt"), key=lambda path: int("".join(filter(str.isdigit, path.stem)))):
            if kind in only or path.stem in only:
                found[path.stem] = read_instance(path.read_text(), path.name, form)
    return found


def known_of(names: Sequence[str]) -> dict[str, int]:
    """Return the best known lengths."""
    fjsp, sdst = (json.loads((folder() / form / "best_known.json").read_text()) for form in ("fjsp", "sdst"))
    return {name: int(sdst[name]) if name in sdst else int(fjsp[name]["ub"]) for name in names}


def run(name: str, problem: PlanProblem, known: int, seconds: float, seed: int, workers: int = 2) -> Run:
    first: list[Progress] = []

    def heard(progress: Progress) -> None:
        if not first:
            first.append(progress)

    answer = plan(problem, seconds=seconds, seed=seed, workers=workers, on_progress=heard)
    begun = (first[0].seconds, first[0].objective) if first else None
    if not isinstance(answer, Solved):
        return Run(name, known, None, 0, begun, seconds, 0.0, 0)
    faults = len(plan_faults(problem, answer.plan)) + (objective_of(problem, answer.plan) != answer.objective)
    return Run(name, known, answer.objective, answer.bound, begun, answer.wall_s, answer.cpu_s, faults)


def row(runs: Sequence[Run]) -> str:
    """Return what is said of an instance."""
    one = runs[0]
    found = " ".join(f"{'-' if run.found is None else run.found}{'*' if run.proved else ' '}" for run in runs)
    gaps = " ".join(f"{100 * run.gap:5.2f}" for run in runs)
    first = max((run.first for run in runs if run.first is not None), default=(float("inf"), 0))
    took = f"{statistics.mean(run.wall_s for run in runs):5.1f} s wall, {statistics.mean(run.cpu_s for run in runs):5.1f} s CPU"
    begun = f"first {first[1]} (+{100 * (first[1] / one.known - 1):.0f} %) after {first[0]:.2f} s"
    return f"{one.name:10} known {one.known:5}  bound {max(run.bound for run in runs):5}  found {found}  gap {gaps} %  {took}  {begun}"


def verdict(kind: str, by_seed: Sequence[Sequence[Run]], seconds: float) -> list[str]:
    """Print what a set gave, and return what was missed."""
    means = sorted(100 * statistics.mean(run.gap for run in runs) for runs in by_seed)
    worst = max(100 * run.gap for runs in by_seed for run in runs)
    proved = min(sum(run.proved for run in runs) for runs in by_seed)
    median = statistics.median(means)
    print(
        f"{kind}: mean gap by seed {' '.join(f'{mean:.2f}' for mean in means)} %, median {median:.2f} %, worst seed {means[-1]:.2f} %; "
        f"worst instance {worst:.2f} %; proved {proved} of {len(by_seed[0])} (worst seed)"
    )
    missed = []
    whole = len(by_seed[0]) == 10
    if kind == "mk" and whole:
        most = 1.0 if seconds >= 60 else 2.0
        missed += [f"mk: worst mean gap {means[-1]:.2f} % > {most} %"] * (means[-1] > most)
        missed += [f"mk: {proved} proved < 8"] * (seconds >= 60 and proved < 8)
    if kind == "oddla" and whole and seconds >= 60:
        missed += [f"oddla: worst mean gap {means[-1]:.2f} % > 1.5 %"] * (means[-1] > 1.5)
        missed += [f"oddla: worst gap {worst:.2f} % > 4 %"] * (worst > 4)
    for runs in by_seed:
        missed += [f"{run.name}: {run.faults} faults" for run in runs if run.faults]
        missed += [f"{run.name}: no first plan in {FIRST_PLAN_S} s" for run in runs if run.first is None or run.first[0] > FIRST_PLAN_S]
    return missed


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=10.0)
    words.add_argument("--seeds", type=int, default=1)
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--only", nargs="+", default=["mk", "oddla"])
    asked = words.parse_args()
    problems = instances(asked.only)
    if not problems:
        print(f"no such instances in {folder()}")
        return 1
    known = known_of(list(problems))
    print(
        f"{asked.seconds:g} s, {asked.workers} workers, seeds 1-{asked.seeds}; load at the beginning {os.getloadavg()[0]:.1f}; * proved",
        flush=True,
    )
    done: dict[str, list[Run]] = {}
    for name, problem in problems.items():
        done[name] = [run(name, problem, known[name], asked.seconds, seed + 1, asked.workers) for seed in range(asked.seeds)]
        print(row(done[name]), f" load {os.getloadavg()[0]:.1f}", flush=True)
    missed = []
    for kind in SETS:
        mine = [runs for name, runs in done.items() if name.startswith(kind)]
        if mine:
            missed += verdict(kind, list(zip(*mine, strict=True)), asked.seconds)
    for line in missed:
        print("MISSED", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
