"""The reference plant planned and simulated: 480 machines of 100 models, one every six minutes, against dispatching by FIFO and EDD.

``python -m benchmarks.reference_plant [--seeds 1,2,3] [--machines 480] [--seconds 55]``. For each seed the plan is made (its wall and CPU
seconds), checked, simulated without chance (it must end exactly as it says) and then with chance: durations vary by 5 % (standard
deviation of the logarithm), units of the shops break down about every 20 hours for 15 minutes, eight vehicles carry the parts. The plan
then says what comes first and when plates come in; FIFO and EDD meet the same durations and breakdowns, and keep no takt. The last station
is a conveyor that lets machines out by the clock.

"Within takt" is told in two ways. Of machines: the time between two that leave the line one after the other is 6 minutes +-10 %. Of
stations: the planned work of any 20 machines in a row is at most 110 % of 20 takts. Exits 1 where a plan takes more than 60 s or is not
without fault, a machine of the plan misses the takt, a station is above 110 %, or FIFO or EDD has shorter lead times or less lateness.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys

import numpy as np

from benchmarks.route_sets import machine
from optimizer.plan_line import Line, LinePlan, plan_line
from plant.plan_check import plan_faults
from plant.plans import Infeasible
from simulators.reference_plant import TAKT_S, ReferencePlant, reference_plant
from simulators.reference_plant_chance import chance_of
from simulators.reference_plant_figures import PlantFigures, plant_figures, station_loads
from simulators.reference_plant_run import Follow, Prefer, Rule, run_plant

_MOST_S, _VEHICLES, _WINDOW, _MOST_LOAD = 60.0, 8, 20, 1.1
_SLACK_S, _TOLERANCE = 120, 0.095


def main() -> int:
    """Plan, simulate and compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference_plant")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--machines", type=int, default=480)
    parser.add_argument("--seconds", type=float, default=55.0)
    given = parser.parse_args()
    _tell(machine())
    missed: list[str] = []
    for seed in (int(one) for one in given.seeds.split(",")):
        plant = reference_plant(given.machines, seed)
        _tell(f"\nseed {seed}: {plant.problem.name}, {len(plant.problem.operation_name):,} operations, {len(plant.problem.units)} units")
        line = Line(plant.line, TAKT_S, _SLACK_S, _TOLERANCE)
        found = plan_line(plant.problem, line, plant.mix, seconds=given.seconds, seed=seed)
        missed += [f"seed {seed}: {one}" for one in _judged(plant, found, seed)]
    for one in missed:
        _tell(f"MISSED {one}")
    return 1 if missed else 0


def _judged(plant: ReferencePlant, found: LinePlan, seed: int) -> list[str]:
    """Print how a plan and its rivals do; return what it misses."""
    problem, last = plant.problem, plant.line[-1]
    if isinstance(found.outcome, Infeasible):
        return list(found.outcome.why[:3])
    plan, measures = found.outcome.plan, found.sequence.measures
    _tell(f"planned in {found.outcome.wall_s:.1f} s wall, {found.outcome.cpu_s:.1f} CPU-s; objective {found.outcome.objective:,}")
    varies = f"variation of models {measures.model_variation:,.0f}, least {found.sequence.bound:,.0f}"
    _tell(f"ratios broken {sum(measures.too_many.values())}; {varies}")
    missed = list(plan_faults(problem, plan)[:3])
    if found.outcome.wall_s > _MOST_S:
        missed.append(f"planned in {found.outcome.wall_s:.0f} s, {_MOST_S:.0f} s are allowed")
    if measures.too_many and not measures.ratios_kept:
        missed.append(f"{sum(measures.too_many.values())} machines break a ratio of options")
    told = plant_figures(problem, plan, last, TAKT_S)
    _row("plan", told)
    exact = run_plant(problem, Follow(plan)).done
    if not (np.array_equal(exact.start, plan.start) and np.array_equal(exact.end, plan.end)):
        missed.append("the plan, simulated without chance, does not end when it says")
    if told.missed:
        missed.append(f"{told.missed} machines of the plan miss the takt")
    loads = station_loads(problem, plan, plant.line, TAKT_S, _WINDOW)
    _tell(f"  stations: work of {_WINDOW} machines in a row is {100 * loads.min():.0f} to {100 * loads.max():.0f} % of takt")
    if loads.max() > _MOST_LOAD:
        missed.append(f"a station has {100 * loads.max():.0f} % of the takt's work over {_WINDOW} machines")
    chance = chance_of(problem, seed, sound=frozenset(plant.line), steady=frozenset({last}))
    preferred = run_plant(problem, Prefer(plan, frozenset({last})), chance, _VEHICLES).done
    ours = plant_figures(problem, preferred, last, TAKT_S)
    _row("by plan", ours)
    for rule in Rule:
        rival = plant_figures(problem, run_plant(problem, rule, chance, _VEHICLES).done, last, TAKT_S)
        _row(rule.value, rival)
        _tell(f"  ours : {rule.value}  lead {ours.lead_mean / rival.lead_mean:.3f}, late {ours.late_mean / max(rival.late_mean, 1):.2f}")
        if ours.lead_mean >= rival.lead_mean:
            missed.append(f"lead time {ours.lead_mean / 3600:.2f} h, {rule.value} {rival.lead_mean / 3600:.2f} h")
        if ours.late_mean >= rival.late_mean:
            missed.append(f"lateness {ours.late_mean / 60:.1f} min, {rule.value} {rival.late_mean / 60:.1f} min")
    return missed


def _row(name: str, one: PlantFigures) -> None:
    _tell(
        f"  {name:<9} lead {one.lead_mean / 3600:.2f} h (p95 {one.lead_p95 / 3600:.2f}), late {100 * one.late_share:.1f} % by "
        f"{one.late_mean / 60:.2f} min on the average, worst {one.late_worst / 60:.0f}; in work {one.work_mean:.0f}, most {one.work_most}; "
        f"leaving every {one.interval_least} to {one.interval_most} s, {100 * one.in_takt:.1f} % within takt"
    )


def _tell(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
