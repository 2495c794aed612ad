"""The models of fine-tuning on real welds: 31 submerged-arc runs, each predicted from the other 30.

``python -m benchmarks.tuning_saw`` prints leave-one-out R2 and the coverage of the 90 % intervals of bead height, width and penetration.
Each run is left out before anything is fitted, strengths of kernels and widening of intervals included. The runs: voltage, current, speed
and nozzle distance, a central composite design. Must: R2 of penetration 0.85, coverage 85-95 % over all three.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from openpyxl import load_workbook

from optimizer.tuning_models import Z90, quality_model

RUNS = "optimizer/weld_bead/saw_31_runs.xlsx"
PARAMETERS = ("V", "A", "S", "N")
RESPONSES = ("height", "width", "penetration")


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("LEADHAND_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    wanted.add_argument("--data", type=Path, default=default)
    given = wanted.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    rows = list(load_workbook(given.data / RUNS, read_only=True).active.iter_rows(values_only=True))
    columns = {
        str(name): np.array([float(row[at]) for row in rows[1:]]) for at, name in enumerate(rows[0]) if name in PARAMETERS + RESPONSES
    }
    points = np.column_stack([columns[name] for name in PARAMETERS])
    middle, spread = points.mean(axis=0), points.std(axis=0)
    points = (points - middle) / spread
    began, inside, total, scores = time.process_time(), 0, 0, {}
    for name in RESPONSES:
        values = columns[name]
        expected, half = np.empty(len(values)), np.empty(len(values))
        for at in range(len(values)):
            seen = np.arange(len(values)) != at
            found = quality_model(points[seen], values[seen]).predict_new(points[[at]])
            expected[at], half[at] = found.mean[0], Z90 * found.sd[0]
        scores[name] = 1 - ((values - expected) ** 2).sum() / ((values - values.mean()) ** 2).sum()
        covered = np.abs(values - expected) <= half
        inside, total = inside + covered.sum(), total + len(values)
        width = 2 * half.mean() / values.std()
        print(f"{name:12} R2 {scores[name]:.3f}   90 % intervals cover {covered.mean():.3f}   mean width {width:.2f} standard deviations")
    share = inside / total
    print(f"all three: coverage {share:.3f} (limit 0.85-0.95); penetration R2 {scores['penetration']:.3f} (limit 0.85)")
    print(f"{time.process_time() - began:.1f} CPU-s")
    if scores["penetration"] < 0.85 or not 0.85 <= share <= 0.95:
        sys.exit("missed")


if __name__ == "__main__":
    main()
