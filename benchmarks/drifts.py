"""Simulated drifts: how many of twenty kinds are found within 30 parts, and how often a machine in control is called changed.

The watch of ``monitor/changes.py`` as the monitor runs it, with its defaults. In control: several machines, each for thousands of parts
whose noise follows from part to part; a call counts once until 30 parts are without one. Drifts: each kind on several machines, begun
after 300 parts.

``--calibrate`` measures, on machines that are used for nothing else, how often averages in control pass their limits at several margins.

``python -m benchmarks.drifts [--machines 40] [--parts 5000] [--seeds 5] [--first-seed 501] [--calibrate]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import numpy as np
import numpy.typing as npt
from scipy import stats

from monitor.changes import Rule, Watch
from monitor.step_features import summaries
from simulators.drifts import DRIFTS, SAMPLES, SIGNALS, STEPS, Parts, make_parts

WITHIN = 30
"""Parts within which a drift must be found."""
PARTS_PER_FALSE_CALL = 5000
BEGIN = 300
_CALIBRATION_SEED = 1_000_000
_IN_CONTROL_SEED = 10_000
_APART = 30


def features(parts: Parts) -> tuple[npt.NDArray[np.float64], list[tuple[int, int]]]:
    """Return the features of each part as a row, and of each column its group (signal) and context (step)."""
    seconds = np.broadcast_to((parts.seconds / SAMPLES)[:, :, None, None], (*parts.seconds.shape, len(SIGNALS), SAMPLES))
    found = summaries(np.swapaxes(parts.value, 2, 3), seconds)
    columns = [found[name].reshape(len(parts), -1) for name in found] + [np.log(parts.seconds)]
    each = [(signal, step) for step in range(len(STEPS)) for signal in range(len(SIGNALS))]
    return np.concatenate(columns, axis=1), each * len(found) + [(len(SIGNALS), step) for step in range(len(STEPS))]


def watch_of(places: list[tuple[int, int]], rule: Rule) -> Watch:
    watch = Watch(rule)
    for group, context in places:
        watch.add(group, context)
    return watch


def calls_of(parts: Parts, rule: Rule) -> list[int]:
    """Return at which parts something was called."""
    rows, places = features(parts)
    watch = watch_of(places, rule)
    return [number for number, row in enumerate(rows) if watch.take(row)]


def false_calls(machines: int, count: int, first: int) -> tuple[int, int]:
    """Return how many calls there were on machines in control, and in how many parts that were judged."""
    rule, calls, judged = Rule(), 0, 0
    for seed in range(first, first + machines):
        at = calls_of(make_parts(_IN_CONTROL_SEED + seed, count), rule)
        calls += sum(number - before > _APART for before, number in zip([-_APART - 1, *at], at, strict=False))
        judged += count - rule.least_parts
    return calls, judged


def delays_of(kind: str, seeds: range) -> tuple[list[int | None], int]:
    """Return after how many parts a drift was found on each machine, None where it was not, and how many calls came before it began."""
    delays: list[int | None] = []
    early = 0
    for seed in seeds:
        at = calls_of(make_parts(seed, BEGIN + 2 * WITHIN, kind, BEGIN), Rule())
        early += sum(number < BEGIN for number in at)
        delays.append(next((number - BEGIN + 1 for number in at if number >= BEGIN), None))
    return delays, early


def calibrate(machines: int, count: int) -> None:
    """Print how often limits without a margin are passed in control, for margins to choose from."""
    rule = Rule()
    highest: list[float] = []
    for seed in range(machines):
        rows, places = features(make_parts(_CALIBRATION_SEED + seed, count))
        watch = watch_of(places, rule)
        # the highest in each stretch of parts is one chance of a call
        ratios = [(watch.take(row), float(watch.ratios().max()))[1] for row in rows][rule.least_parts :]
        highest += [max(ratios[begin : begin + _APART]) for begin in range(0, len(ratios), _APART)]
    parts = len(highest) * _APART
    print(f"{machines} machines, {parts:,} parts in control, limits as they are (1.00) and wider or narrower")
    for margin in (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2):
        calls = sum(value > margin for value in highest)
        print(f"  {margin:.2f}: {calls:4d} calls, {PARTS_PER_FALSE_CALL * calls / parts:6.2f} per {PARTS_PER_FALSE_CALL:,} parts")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drifts", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--machines", type=int, default=40, help="machines in control")
    parser.add_argument("--parts", type=int, default=5000, help="parts of each")
    parser.add_argument("--seeds", type=int, default=5, help="machines for each kind of drift")
    parser.add_argument("--first-seed", type=int, default=501, help="other seeds are other machines")
    parser.add_argument("--calibrate", action="store_true", help="measure what margin the limits need, and nothing else")
    options = parser.parse_args()
    print(f"machine load {os.getloadavg()[0]:.1f}, seeds from {options.first_seed}")
    begun = time.process_time()
    if options.calibrate:
        calibrate(options.machines, options.parts)
        return 0
    found = []
    print(f"{'drift':30s} {'found':>7s} {'median':>7s} {'worst':>6s}   parts until found")
    early = 0
    for kind in DRIFTS:
        delays, before = delays_of(kind, range(options.first_seed, options.first_seed + options.seeds))
        early += before
        told = [delay for delay in delays if delay is not None]
        good = sum(delay <= WITHIN for delay in told)
        found.append(good / len(delays))
        middle = f"{statistics.median(told):.0f}" if told else "-"
        worst = f"{max(told)}" if len(told) == len(delays) else "none"
        print(f"{kind:30s} {good:3d}/{len(delays):<3d} {middle:>7s} {worst:>6s}   {' '.join('-' if d is None else str(d) for d in delays)}")
    calls, judged = false_calls(options.machines, options.parts, options.first_seed)
    rate = PARTS_PER_FALSE_CALL * calls / judged
    upper = PARTS_PER_FALSE_CALL * float(stats.chi2.ppf(0.95, 2 * calls + 2)) / 2 / judged
    share = sum(found) / len(found)
    print(f"found within {WITHIN} parts: {100 * share:.0f} % of {len(DRIFTS)} kinds x {options.seeds} machines (must: 100 %)")
    print(
        f"false calls: {calls} in {judged:,} parts in control = {rate:.2f} per {PARTS_PER_FALSE_CALL:,} parts, below {upper:.2f} with 95 % "
        f"confidence (must: this bound <= 1); {early} before a drift began"
    )
    print(f"CPU {time.process_time() - begun:.1f} s")
    return 0 if share == 1 and upper <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
