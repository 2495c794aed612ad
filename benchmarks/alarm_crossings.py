"""A million random limit crossings with restarts in between: none lost, double or out of order.

``python -m benchmarks.alarm_crossings [--crossings 1000000] [--seed 1]``. Signals jump over four limits each, with deadbands, delays,
latches and values that are none; the engine is cut at random and goes on from what a restart knows. Each alarm's transitions are compared
with those of a sample-by-sample judge, and lived through by ISA-18.2. Fails when one differs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import numpy as np

from tests.monitor.crossings import chained, definitions, expected, random_history, transitions

_SIGNALS, _SAMPLES, _RESTARTS = 50, 400, 40


def main() -> int:
    """Judge until enough was crossed; 1 at a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crossings", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    crossed = restarts = histories = 0
    spent = {"engine": 0.0, "sample by sample": 0.0}
    wrong = 0
    while crossed < options.crossings:
        whats = definitions(chance, _SIGNALS)
        history = random_history(chance, _SAMPLES, _SIGNALS)
        cuts = sorted(chance.choice(np.arange(1, _SAMPLES), _RESTARTS, replace=False).tolist())
        found: list[list[tuple[int, bool]]] = [[] for _ in whats]
        at = time.process_time()
        for alarm, time_us, active in transitions(whats, history, cuts):
            found[alarm].append((time_us, active))
        spent["engine"] += time.process_time() - at
        at = time.process_time()
        for n, what in enumerate(whats):
            right = expected(what, history.time_us, history.value[:, n // 4])
            crossed += len(right)
            wrong += found[n] != right
            chained(found[n], what)
        spent["sample by sample"] += time.process_time() - at
        restarts += _RESTARTS
        histories += 1
    facts = {
        "crossings": crossed,
        "restarts": restarts,
        "histories": histories,
        "alarms_that_differ": wrong,
        "cpu_seconds": {name: round(seconds, 1) for name, seconds in spent.items()},
        "seed": options.seed,
        "load": [round(one, 1) for one in os.getloadavg()],
    }
    print(json.dumps(facts, indent=1))
    if wrong:
        print(f"MISSED: {wrong} alarms differ from the sample-by-sample judge")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
