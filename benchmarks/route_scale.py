"""How routes are learned from very many operations, and how fast one product is answered.

``python -m benchmarks.route_scale [--rows 20000000] [--products 2000] [--seed N]``: first a simulated factory of some 200,000 operations:
CPU seconds of learning, and the latency of answers over its 6,000 routes, one product a call, on one thread. Then made-up columns of 20
million operations of 2,000 products in a process of its own: peak memory with the columns in it, and CPU seconds. Exits 1 where learning
takes more than 20 CPU-s, p95 more than 100 CPU-ms, or the peak is above 4 GB.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.route_sets import machine, simulated
from optimizer.advice import Circumstances, advise, adviser
from optimizer.predicting import train
from plant.operation_history import OperationHistory, operation_history
from plant.process_network import Alternative, Operation, ProcessNetwork, Sequence, Step
from plant.products import FeatureDefinition, FeatureKind, ProductTable

_MOST_CPU_S, _MOST_MS, _MOST_GB = 20.0, 100.0, 4.0
_COUNTS = (6, 3, 3, 24, 5, 2, 4, 2)
_NUMBERS = ("tonnage_t", "plate_mm", "weld_length_m", "bolts", "complexity")


def made_up(rows: int, products: int, seed: int) -> tuple[ProcessNetwork, ProductTable, OperationHistory]:
    """Return a factory of very many operations; columns are filled in parts, so that making them takes no more room than having them."""
    random = np.random.default_rng(seed)
    features = (*(FeatureDefinition(name) for name in _NUMBERS), FeatureDefinition("grade", "", FeatureKind.CATEGORY))
    operations = tuple(
        Operation(f"step-{at}", "welding", tuple(Alternative(f"step-{at}-{one}", f"step-{at}", f"unit-{at}-{one}") for one in range(count)))
        for at, count in enumerate(_COUNTS)
    )
    network = ProcessNetwork("made up", features, operations, Sequence(tuple(Step(operation.id) for operation in operations)))
    numbers = random.standard_normal((products, len(_NUMBERS)))
    table = ProductTable(
        features,
        tuple(f"P{at}" for at in range(products)),
        tuple(f"F{at % 5}" for at in range(products)),
        {name: 50.0 + 10.0 * numbers[:, at] for at, name in enumerate(_NUMBERS)},
        {"grade": tuple(f"S{at % 3}" for at in range(products))},
    )
    total = sum(_COUNTS)
    slopes = 0.15 + random.normal(0, 0.08, (total, len(_NUMBERS)))
    logs = (3.0 + random.normal(0, 0.2, total) + numbers @ slopes.T).astype(np.float32)
    columns: dict[str, NDArray[Any]] = {
        "product": np.empty(rows, np.int32),
        "alternative": np.empty(rows, np.int32),
        "started_us": np.empty(rows, np.int64),
        "duration_min": np.empty(rows, np.float32),
        "energy_kwh": np.empty(rows, np.float32),
        "wear": np.empty(rows, np.float32),
        "rework_min": np.empty(rows, np.float32),
        "propensity": np.full(rows, 0.5, np.float32),
        "first_pass": np.empty(rows, np.bool_),
    }
    for begin in range(0, rows, 1_000_000):
        part = slice(begin, min(begin + 1_000_000, rows))
        size = part.stop - part.start
        product = random.integers(0, products, size, dtype=np.int32)
        alternative = random.integers(0, total, size, dtype=np.int32)
        minutes = np.exp(logs[product, alternative] + 0.12 * random.standard_normal(size, dtype=np.float32))
        right = random.random(size, dtype=np.float32) < 0.93
        columns["product"][part], columns["alternative"][part] = product, alternative
        columns["started_us"][part] = 1_760_000_000_000_000 + np.arange(part.start, part.stop, dtype=np.int64) * 1_000_000
        columns["duration_min"][part], columns["energy_kwh"][part], columns["wear"][part] = minutes, 0.6 * minutes, 0.02 * minutes
        columns["first_pass"][part], columns["rework_min"][part] = right, np.where(right, 0.0, 60.0)
    return network, table, operation_history(table.ids, tuple(one.id for one in network.alternatives), columns)


def large(rows: int, products: int, seed: int) -> None:
    """Learn from very many operations, and print what it took."""
    network, table, history = made_up(rows, products, seed)
    before = peak_gb()
    began = time.process_time()
    predictor = train(network, table, history, seed=seed)
    took = time.process_time() - began
    print(f"{rows:,} operations: columns {before:.2f} GB, peak {peak_gb():.2f} GB : must {_MOST_GB:.0f} GB; {took:.0f} CPU-s")
    print(f"{len(predictor.alternatives)} alternatives, {len(predictor.made):,} products, model {predictor.version}")
    sys.exit(1 if peak_gb() > _MOST_GB else 0)


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def small(seed: int) -> bool:
    """Learn from a factory's usual history and answer each new product; print figures and return whether they hold."""
    with tempfile.TemporaryDirectory() as scratch:
        kept = simulated(Path(scratch) / "set", seed, "harsh")
    began = time.process_time()
    known = adviser(kept.network, kept.products, kept.history, seed=seed)
    took = time.process_time() - began
    asked = Circumstances(made_at=datetime(2026, 11, 1, tzinfo=UTC))
    rows = np.flatnonzero(~kept.truth.made)
    alone, whole = [], []
    for turn in range(5 * len(rows)):
        product = kept.products.take(np.array([rows[turn % len(rows)]]))
        began = time.process_time()
        known.predictor.predict(product)
        between = time.process_time()
        list(advise(known, product, asked))
        alone.append(1000 * (between - began))
        whole.append(1000 * (time.process_time() - between))
    first, last = (float(np.quantile(times, 0.95)) for times in (alone, whole))
    print(f"{len(kept.history):,} operations, {len(kept.network.routes):,} routes: learning {took:.1f} CPU-s : must {_MOST_CPU_S:.0f}")
    print(f"one product: predicted in p95 {first:.1f} CPU-ms, recommended in p95 {last:.1f} CPU-ms : must {_MOST_MS:.0f}")
    return took <= _MOST_CPU_S and last <= _MOST_MS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--products", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--large-only", action="store_true")
    options = parser.parse_args()
    if options.large_only:
        large(options.rows, options.products, options.seed)
    print(f"machine {machine()}; seed {options.seed}", flush=True)
    holds = small(options.seed)
    arguments = [str(one) for name in ("rows", "products", "seed") for one in (f"--{name}", getattr(options, name))]
    ended = subprocess.run([sys.executable, "-m", "benchmarks.route_scale", "--large-only", *arguments], check=False)
    return 0 if holds and ended.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
