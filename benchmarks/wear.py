"""Worn or not on recordings of a real mill, each judged by a model that never saw it: beside a baseline of raw means, with bounds.

``python -m benchmarks.wear [--data FOLDER]`` takes any folder of recordings with the same columns.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from monitor.recordings import labelled, read_experiments
from monitor.wear import Judged, by_pieces, by_raw_means, leave_one_out

SHARED = Path(os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")


def told(name: str, judged: Judged) -> str:
    accuracy = f"{judged.balanced_accuracy:.2f} [{judged.balanced_low:.2f}, {judged.balanced_high:.2f}]"
    area = f"{judged.auroc:.2f} [{judged.auroc_low:.2f}, {judged.auroc_high:.2f}]"
    return f"{name:28s} {accuracy:>20s} {area:>20s} {judged.chance:>10.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wear", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=SHARED / "cnc_mill", help="folder of recordings")
    options = parser.parse_args()
    begun = time.process_time()
    experiments = labelled(read_experiments(options.data))
    worn = sum(one.worn or 0 for one in experiments)
    print(f"machine load {os.getloadavg()[0]:.1f}; {len(experiments)} recordings, {worn} with a worn tool; leave one recording out")
    print(f"{'':28s} {'balanced accuracy':>20s} {'AUROC':>20s} {'by chance':>10s}")
    ours, plain = leave_one_out(experiments, by_pieces), leave_one_out(experiments, by_raw_means)
    print(told("pieces of cutting, trees", ours))
    print(told("raw means, logistic", plain))
    for name, label, score, other in zip(ours.names, ours.worn.tolist(), ours.score.tolist(), plain.score.tolist(), strict=True):
        print(f"  {name:26s} {'worn' if label else 'unworn':6s} {score:.2f}  raw means {other:.2f}")
    if ours.balanced_low > 0.5 and ours.chance < 0.05:
        print("So many recordings tell worn tools from others better than chance would.")
    else:
        print(f"{len(experiments)} recordings prove nothing: the bounds hold a coin as well. See docs/condition.md.")
    print(f"CPU {time.process_time() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
