"""Fair shares of three centres among four factories on random weeks, beside first come, first due, and the most that can be done at all.

``python -m benchmarks.sharing [--weeks 50] [--orders 400] [--only plain overload ...] [--keeps in_time|pace] [--skip-scale]``: each week is
drawn from its seed (``benchmarks.share_weeks``), shared, and checked by code of its own. Printed for each kind of week, mean and worst:

* Jain's index of hours got over hours entitled to by then (mean over periods), ours : first come : first due; at least 0.95;
* orders worse than alone on their factory's reserve, ours : first come : first due; ours must be none;
* hours done, of the most that any split does, fair or not (a linear program); at least 95 %;
* hours of orders in time: alone : ours : first due : the linear program's bound, which knows no whole orders.

``late surge, as it comes`` splits anew each shift, with orders known when they may begin and the rest of what was begun; what comes of it
is compared with each factory alone; at which centre an order counts is the same in both. Last, a week of 2,000 orders: seconds and
memory. Exits 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.share_weeks import Drawn, known_by, of_orders, week
from optimizer.sharing.checking import share_faults
from optimizer.sharing.peers import first_come, first_due
from optimizer.sharing.program import most_hours
from optimizer.sharing.reserves import reserves
from optimizer.sharing.sharing import share
from plant.sharing import LEAST_HOURS, NONE, Floats, Ints, Keeps, ShareProblem, ShareRule, Work, ends, share_figures

UNEQUAL = (0.4, 0.3, 0.2, 0.1)
WEEKS = {
    "plain": Drawn(),
    "overload": Drawn(load=1.3),
    "idle factory": Drawn(asks=(0.4, 0.35, 0.25, 0.0)),
    "late surge": Drawn(surge=2),
    "unequal reserves": Drawn(reserved=UNEQUAL, asks=UNEQUAL),
    "reserves unlike demand": Drawn(reserved=UNEQUAL, asks=UNEQUAL[::-1]),
}
LEAST_JAIN, LEAST_DONE, MOST_SECONDS = 0.95, 0.95, 20.0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one week."""

    jain: tuple[float, float, float]
    """Ours, first come, first due."""
    worst_period: float
    worse: tuple[int, int, int]
    done: float
    """Of the most that can be done."""
    in_time: tuple[float, float, float, float]
    """Hours of orders due in the week and in time, of all due in it: alone, ours, first due, and the bound."""
    faults: int
    cpu_s: float


def run(problem: ShareProblem) -> Run:
    shares = share(problem)
    peers = [share_figures(problem, work, shares.promised, shares.entitled_hours) for work in (first_come(problem), first_due(problem))]
    told = shares.figures
    asked = max(float(problem.orders.hours[problem.orders.due < len(problem.periods)].sum()), LEAST_HOURS)
    alone, ours, due = (in_time(problem, end) / asked for end in (shares.alone_end, shares.end, ends(problem, first_due(problem))))
    return Run(
        (told.jain, peers[0].jain, peers[1].jain),
        told.jain_worst,
        (told.worse_than_alone, peers[0].worse_than_alone, peers[1].worse_than_alone),
        told.done_hours / most_hours(problem, in_time=False),
        (alone, ours, due, most_hours(problem, in_time=True) / asked),
        len(share_faults(problem, shares)),
        shares.cpu_s,
    )


def in_time(problem: ShareProblem, end: Ints) -> float:
    """Return hours of orders that are due in these periods and end by then."""
    due = problem.orders.due
    return float(problem.orders.hours[(end != NONE) & (end <= due) & (due < len(problem.periods))].sum())


def as_it_comes(problem: ShareProblem) -> Work:
    """Return what is done when the hours are split anew before each period, knowing only the orders that came by then."""
    count, periods = len(problem.orders.hours), len(problem.periods)
    left, home, at = problem.orders.hours.copy(), problem.orders.home.copy(), np.full(count, NONE)
    owed: Floats = problem.owed_hours
    rows: list[tuple[Ints, Ints, Ints, Floats]] = []
    for period in range(periods):
        known = np.flatnonzero(known_by(problem, period) & (left > LEAST_HOURS))
        if not len(known):
            continue
        may = problem.orders.may.copy()
        begun = at != NONE
        may[begun] = np.arange(len(problem.centres))[None, :] == at[begun, None]
        now = replace(problem.orders, hours=left, may=may, home=home, release=np.zeros(count, np.int64), due=problem.orders.due - period)
        rest = replace(
            problem,
            orders=of_orders(now, known),
            periods=problem.periods[period:],
            capacity_hours=problem.capacity_hours[:, period:],
            owed_hours=owed,
        )
        shares = share(rest)
        work = shares.work
        first = work.period == 0
        order = known[work.order[first]]
        rows.append((order, work.centre[first], np.full(len(order), period), work.hours[first]))
        left = left.copy()
        left[order] -= work.hours[first]
        at[order], home[known] = work.centre[first], shares.home
        owed = shares.owed_hours[:, 1]
    columns = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
    return Work(*columns)


def tardiness(problem: ShareProblem, end: Ints) -> Floats:
    """Return (factories,): periods after due, on average over hours; what does not end is counted to end after the last."""
    orders, count = problem.orders, len(problem.factories)
    after = np.maximum(0, np.where(end == NONE, len(problem.periods), end) - orders.due)
    hours = np.maximum(np.bincount(orders.factory, orders.hours, minlength=count), LEAST_HOURS)
    mean: Floats = np.bincount(orders.factory, orders.hours * after, minlength=count) / hours
    return mean


def surges(seeds: Sequence[int], drawn: Drawn, keeps: Keeps) -> list[str]:
    """Print what comes of splits anew each shift against alone, and return what was missed."""
    worse, later, gains = [], [], []
    for seed in seeds:
        problem = replace(week(seed, drawn), keeps=keeps)
        kept = reserves(problem)
        counted = replace(problem, orders=replace(problem.orders, home=kept.home))
        end = ends(problem, as_it_comes(counted))
        ended, promised = (np.where(one == NONE, len(problem.periods), one) for one in (end, kept.promised))
        worse.append(int((ended > promised).sum()))
        later.append(int((tardiness(problem, end) > tardiness(problem, kept.end) + 1e-9).sum()))
        gains.append(in_time(problem, end) / max(in_time(problem, kept.end), LEAST_HOURS))
    print(
        f"late surge, as it comes, keeps {keeps.value}: {len(worse)} weeks split anew each shift; orders worse than alone "
        f"{np.mean(worse):.2f}, worst week {max(worse)}; factories later than alone {sum(later)} of {4 * len(later)}; "
        f"hours in time ours : alone {np.mean(gains):.2f}, worst {min(gains):.2f}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    missed = [f"late surge, as it comes, keeps {keeps.value}: {sum(later)} factories later than alone"] * bool(sum(later))
    return missed + [f"late surge, as it comes: {sum(worse)} orders worse than alone"] * bool(keeps is Keeps.PACE and sum(worse))


def verdict(name: str, runs: Sequence[Run]) -> list[str]:
    """Print what weeks of one kind gave, and return what was missed."""
    jain, worse, done, timely = (np.array([getattr(one, key) for one in runs]) for key in ("jain", "worse", "done", "in_time"))
    cpu = np.array([one.cpu_s for one in runs])
    print(
        f"{name}: {len(runs)} weeks\n"
        f"  Jain ours : first come : first due  {_row(jain.mean(axis=0), 3)}, worst week {_row(jain.min(axis=0), 3)}; "
        f"worst period of ours {min(one.worst_period for one in runs):.3f}\n"
        f"  orders worse than alone             {_row(worse.mean(axis=0), 1)}, worst week {_row(worse.max(axis=0), 0)}\n"
        f"  hours done, of the most             {done.mean():.4f}, worst week {done.min():.4f}\n"
        f"  in time alone : ours : first due : bound  {_row(timely.mean(axis=0), 3)}\n"
        f"  {cpu.mean():.2f} CPU s a week, worst {cpu.max():.2f}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    missed = [f"{name}: Jain {jain[:, 0].min():.4f} < {LEAST_JAIN}"] * bool(jain[:, 0].min() < LEAST_JAIN)
    missed += [f"{name}: {worse[:, 0].sum()} orders worse than alone"] * bool(worse[:, 0].any())
    missed += [f"{name}: {done.min():.4f} of the most hours done < {LEAST_DONE}"] * bool(done.min() < LEAST_DONE)
    return missed + [f"{name}: {sum(one.faults for one in runs)} faults"] * bool(sum(one.faults for one in runs))


def scale(keeps: Keeps) -> list[str]:
    """Print what a week of 20,000 parts in 2,000 orders takes, and return what was missed."""
    problem = replace(week(1, Drawn(orders=2000)), keeps=keeps)
    shares = share(problem)
    faults = share_faults(problem, shares)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"2,000 orders, keeps {keeps.value}: {shares.wall_s:.1f} s wall, {shares.cpu_s:.1f} CPU s, {memory:.0f} MB at most; "
        f"Jain {shares.figures.jain:.4f}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    missed = [f"2,000 orders took {shares.cpu_s:.1f} CPU s > {MOST_SECONDS:.0f}"] * bool(shares.cpu_s > MOST_SECONDS)
    return missed + [f"2,000 orders: {fault}" for fault in faults]


def _row(numbers: Floats, digits: int) -> str:
    return " : ".join(f"{number:.{digits}f}" for number in numbers.tolist())


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--weeks", type=int, default=50)
    words.add_argument("--orders", type=int, default=400)
    words.add_argument("--surges", type=int, default=10, help="weeks that are split anew each shift")
    words.add_argument("--only", nargs="+", default=list(WEEKS), choices=list(WEEKS))
    words.add_argument("--keeps", choices=[one.value for one in Keeps], default=Keeps.IN_TIME.value)
    words.add_argument("--rule", choices=[one.value for one in ShareRule], default=ShareRule.MAX_MIN.value)
    words.add_argument("--skip-scale", action="store_true")
    asked = words.parse_args()
    keeps, rule = Keeps(asked.keeps), ShareRule(asked.rule)
    print(
        f"seeds 0-{asked.weeks - 1}, {asked.orders} orders, rule {rule.value}, keeps {keeps.value}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    missed = []
    for name in asked.only:
        drawn = replace(WEEKS[name], orders=asked.orders)
        missed += verdict(name, [run(replace(week(seed, drawn), keeps=keeps, rule=rule)) for seed in range(asked.weeks)])
    if "late surge" in asked.only and asked.surges:
        drawn = replace(WEEKS["late surge"], orders=asked.orders)
        missed += surges(range(asked.surges), drawn, keeps)
    if not asked.skip_scale:
        missed += scale(keeps)
    for line in missed:
        print("MISSED", line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
