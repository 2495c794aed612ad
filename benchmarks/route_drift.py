"""What happens when the plant changes: a machine gets 15 % slower, and a new machine comes that nobody has measured.

``python -m benchmarks.route_drift [--seeds 1 2 3 4 5]``, each on a simulated factory whose history was learned. Drift: for each welding
cell that recommendations use, its durations become 15 % longer; its operations are followed one by one, and it is counted after how many
the cell is found, and after how many each product leaves it that would be better off elsewhere by more than 3 % of the operation's cost.
The same without a change: how often a cell is called slower that is not, in 1,000 operations each. New machine: the newest cell's rows
are taken out of the history; orders come one after the other and may try it inside a budget of 1 %; once with the cell as good as it
truly is, once half as dear again. Exits 1 where a product does not leave within 50 operations or a budget is overspent.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.route_sets import Floats, RouteSet, machine, simulated
from optimizer.drift import DriftWatch, followed
from optimizer.exploring import ExplorationLedger, ExplorationRules, Trial, trial_of
from optimizer.predicting import Predictor, train
from plant.operation_history import OperationHistory, operation_history
from plant.route_costs import operation_cost

_SLOWER = 1.15
_MOST_OPERATIONS = 50
_CLEAR = 0.03
_ORDERS = 3000
_RULES = ExplorationRules(enabled=True)


@dataclass(frozen=True, slots=True)
class Left:
    """After how many of a cell's operations it was found, and left by the products that should leave it; -1 where it was not."""

    found: int
    left: int


def costs_of(kept: RouteSet, predictor: Predictor, rows: NDArray[np.int64], part: NDArray[np.int64]) -> Floats:
    """Return expected costs of products on some alternatives; what the truth does not allow or nothing is known of costs ``inf``."""
    told = predictor.predict(kept.products.take(rows))
    cost = operation_cost(kept.network.cost, told.duration_min.mean, told.first_pass.mean, told.energy_kwh.mean, told.wear.mean)
    allowed = kept.truth.usable[rows] & told.supported
    return np.asarray(np.where(allowed, cost, np.inf)[:, part], np.float64)


def operations(
    kept: RouteSet, product: NDArray[np.int64], alternative: NDArray[np.int64], begin_us: int, factor: float, random: np.random.Generator
) -> OperationHistory:
    """Return single operations done one after the other."""
    minutes = kept.truth.minutes(product, alternative, random) * factor
    columns = {
        "product": product,
        "alternative": alternative,
        "started_us": begin_us + np.arange(len(product), dtype=np.int64) * 3_600_000_000,
        "duration_min": minutes,
        "first_pass": np.ones(len(product), bool),
    }
    return operation_history(kept.products.ids, tuple(one.id for one in kept.network.alternatives), columns)


def weld(kept: RouteSet) -> NDArray[np.int64]:
    """Return the alternatives of the operation that has most."""
    largest = max(kept.network.operations, key=lambda operation: len(operation.alternatives))
    return np.array([kept.network.positions[alternative.id] for alternative in largest.alternatives])


def drift(kept: RouteSet, predictor: Predictor, seed: int) -> tuple[list[Left], int, int]:
    """Return how each cell was left, and false calls among how many operations."""
    random = np.random.default_rng(seed)
    part = weld(kept)
    new = np.flatnonzero(~kept.truth.made & ~kept.truth.outside)
    now = costs_of(kept, predictor, new, part)
    new, now = new[np.isfinite(now).any(axis=1)], now[np.isfinite(now).any(axis=1)]
    units = np.array([kept.network.alternatives[at].work_unit for at in part])
    last = int(kept.history.started_us.max())
    found: list[Left] = []
    false_calls, quiet = 0, 0
    for unit in np.unique(units):
        mine = units == unit
        uses = np.flatnonzero(mine[now.argmin(axis=1)])
        if not len(uses):
            continue
        slower = np.where(mine, now * _SLOWER, now)
        elsewhere = np.where(mine, np.inf, now).min(axis=1)
        should = [row for row in uses if elsewhere[row] < (1.0 - _CLEAR) * slower[row, mine].min()]
        product = new[random.choice(uses, 60)]
        alternative = part[np.array([now[np.flatnonzero(new == one)[0]].argmin() for one in product])]
        done = operations(kept, product, alternative, last, _SLOWER, random)
        watch, after = DriftWatch(), predictor
        first, left = -1, 0 if not should else -1
        for row in range(len(done)):
            watch, after, changes = followed(watch, kept.network, after, kept.products, done.take(slice(row, row + 1)))
            if not changes:
                continue
            first = row + 1 if first < 0 else first
            again = costs_of(kept, after, new[should], part) if should else np.empty((0, len(part)))
            if left < 0 and not mine[again.argmin(axis=1)].any():
                left = row + 1
                break
        found.append(Left(first, left))
        usual = operations(
            kept, new[random.choice(uses, 1000)], random.choice(part[mine & kept.truth.usable[new[uses[0]], part]], 1000), last, 1.0, random
        )
        false_calls += len(followed(DriftWatch(), kept.network, predictor, kept.products, usual)[2])
        quiet += len(usual)
    return found, false_calls, quiet


def newcomer(kept: RouteSet, seed: int, slower: float) -> tuple[int, float, float, bool]:
    """Return how many orders tried the newest cell, what more all cost at the end and at the worst moment, and if it proved better."""
    random = np.random.default_rng(seed)
    part = weld(kept)
    since = np.array([kept.network.alternatives[at].since_us or 0 for at in part])
    newest = part[since == since.max()] if since.max() > 0 else part[-3:]
    without = kept.history.take(~np.isin(kept.history.alternative, newest))
    predictor = train(kept.network, kept.products, without, seed=seed)
    rows = np.flatnonzero(~kept.truth.made & ~kept.truth.outside)
    told = predictor.predict(kept.products.take(rows))
    weights, bands = kept.network.cost, (told.duration_min, told.first_pass, told.energy_kwh, told.wear)
    mean = operation_cost(weights, *(band.mean for band in bands))[:, part]
    low = operation_cost(weights, bands[0].low, bands[1].high, bands[2].low, bands[3].low)[:, part]
    # Of what nobody measured the worst is reckoned: no part right the first time.
    high = operation_cost(weights, bands[0].high, 0.0, bands[2].high, bands[3].high)[:, part]
    usable = kept.truth.usable[rows][:, part]
    known = usable & told.supported[:, part]
    is_new = np.isin(part, newest)
    truth = kept.truth.cost[rows][:, part] * np.where(is_new, slower, 1.0)
    ledger = ExplorationLedger()
    spent, baseline, worst, learned = 0.0, 0.0, -np.inf, []
    for _ in range(_ORDERS):
        row = int(random.integers(len(rows)))
        if not known[row].any():
            continue
        best = int(np.where(known[row], mean[row], np.inf).argmin())
        answer = trial_of(
            _RULES,
            ledger,
            known=best,
            candidates=usable[row] & ~told.supported[row, part],
            low=low[row],
            mean=mean[row],
            high=np.where(np.isfinite(high[row]), high[row], 10.0 * mean[row, best]),
            due=bool(random.random() < 0.3),
        )
        usual = float(truth[row, best])
        baseline += usual
        if isinstance(answer, Trial):
            cost = float(truth[row, answer.position])
            ledger = ledger.begun(answer.baseline, answer.upper).measured(answer.baseline, answer.upper, cost)
            learned.append(cost / answer.baseline)
            spent += cost
        else:
            ledger = ledger.ordered(float(mean[row, best]))
            spent += usual
        worst = max(worst, (spent - baseline) / max(baseline, 1.0) if ledger.orders > 100 else -np.inf)
    return ledger.tried, spent / baseline - 1.0, worst, bool(learned) and float(np.mean(learned)) < 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--truth", default="plain", choices=["plain", "harsh"])
    parser.add_argument("--keep", type=Path, help="keep the simulated factories in this folder, and use those that are there")
    options = parser.parse_args()
    print(f"machine {machine()}; seeds {options.seeds}")
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            began = time.process_time()
            kept = simulated((options.keep or Path(scratch)) / f"{options.truth}-{seed}", seed, options.truth)
            predictor = train(kept.network, kept.products, kept.history, seed=seed)
            cells, false_calls, quiet = drift(kept, predictor, seed)
            late = [cell for cell in cells if not 0 <= cell.left <= _MOST_OPERATIONS]
            print(
                f"{options.truth} {seed}: {len(cells)} cells 15 % slower: found after {[cell.found for cell in cells]}, left after "
                f"{[cell.left for cell in cells]} operations : must {_MOST_OPERATIONS}; {false_calls} false calls in {quiet:,} operations",
                flush=True,
            )
            wrong += [f"{seed}: a cell is left after {cell.left} operations" for cell in late]
            for name, slower in (("as good as it is", 1.0), ("half as dear again", 1.5)):
                tried, more, worst, better = newcomer(kept, seed, slower)
                print(
                    f"{options.truth} {seed}: new cell, {name}: {tried} of {_ORDERS} orders tried it, all cost {more:+.2%}, at the worst "
                    f"moment {worst:+.2%} : must {_RULES.cost_share:.0%}; it proved {'better' if better else 'no better'}",
                    flush=True,
                )
                if worst > _RULES.cost_share:
                    wrong.append(f"{seed}: new cell {name} overspent {worst:.2%}")
            print(f"{time.process_time() - began:.0f} CPU-s, load {os.getloadavg()[0]:.1f}", flush=True)
    for text in wrong:
        print(f"MISSED {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
