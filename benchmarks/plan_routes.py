"""Routes and schedule chosen at once (IPPS), against what is known and against a published deep-RL planner.

``python -m benchmarks.plan_routes [--set kim|1620|2025|all] [--seconds 60] [--seed 1] [--only 03 17]``: each instance of the shared data is
planned with two workers, checked by code of its own, and ended as soon as it is proved that nothing is better. Exits 1 where one of
Kim's 24 problems is above the best known value, fewer than 22 are proved, one of the larger sets is not better than the peer, or their mean
gap to the bound that was proved is above 2 %. A whole default run takes as long as proofs do: most end within seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from optimizer.plan_formats import read_instance
from optimizer.planning import Progress, plan
from plant.plan_check import plan_faults
from plant.plans import Solved

_SETS = ("kim", "1620", "2025")
_LEAST_PROVED = 22
_MOST_GAP = 0.02


@dataclass(frozen=True, slots=True)
class Row:
    """What one instance gave."""

    name: str
    known: int
    found: int | None
    bound: int
    first: tuple[float, int] | None
    wall_s: float
    cpu_s: float
    faults: int

    @property
    def proved(self) -> bool:
        """Whether nothing is better."""
        return self.found is not None and self.bound >= self.found

    @property
    def gap(self) -> float:
        """How far the plan is above the bound."""
        return self.found / self.bound - 1 if self.found is not None and self.bound > 0 else 1.0


def folder() -> Path:
    """Return where the shared instances are."""
    shared = os.environ.get("LEADHAND_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(shared) / "optimizer" / "ipps"


def known_of(name: str) -> dict[str, int]:
    """Return of each file of a set the best known value (Kim), or what the peer found."""
    if name == "kim":
        found = json.loads((folder() / name / "best_known.json").read_text())
        return {f"problem{key[-2:]}.ipps": int(value["optimum_or_best"]) for key, value in found.items()}
    found = json.loads((folder() / name / "peer.json").read_text())["peer_drl_makespan"]
    return {f"{key}.ipps": int(value) for key, value in found.items()}


def solved(path: Path, known: int, seconds: float, seed: int) -> Row:
    """Plan one instance."""
    problem = read_instance(path.read_text(), str(path), "ipps")
    heard: list[Progress] = []
    began, cpu = time.monotonic(), time.process_time()
    outcome = plan(problem, seconds=seconds, seed=seed, workers=2, on_progress=heard.append)
    wall, used = time.monotonic() - began, time.process_time() - cpu
    first = (heard[0].seconds, heard[0].objective) if heard else None
    if not isinstance(outcome, Solved):
        return Row(path.stem, known, None, 0, first, wall, used, 0)
    return Row(path.stem, known, outcome.objective, outcome.bound, first, wall, used, len(plan_faults(problem, outcome.plan)))


def missed(name: str, rows: list[Row]) -> list[str]:
    """Return which figures of a set are missed."""
    faults = [f"{name} {row.name}: the plan has {row.faults} faults, or there is none" for row in rows if row.faults or row.found is None]
    if name == "kim":
        above = [f"kim {row.name}: {row.found}, and {row.known} is known" for row in rows if (row.found or 0) > row.known]
        proved = sum(row.proved for row in rows)
        least = min(_LEAST_PROVED, len(rows))
        return [*faults, *above, *([f"kim: {proved} proved, {least} must be"] if proved < least else [])]
    worse = [f"{name} {row.name}: {row.found}, and the peer has {row.known}" for row in rows if (row.found or 0) >= row.known]
    gap = statistics.fmean(row.gap for row in rows)
    return [*faults, *worse, *([f"{name}: mean gap to the bound {gap:.2%}, {_MOST_GAP:.0%} at most"] if gap > _MOST_GAP else [])]


def main() -> int:
    """Plan the sets and print what came out; return 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--set", choices=(*_SETS, "all"), default="all")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="names that end so, such as 03")
    given = parser.parse_args()
    if not folder().is_dir():
        print(f"{folder()} is not there: nothing to measure")
        return 1
    wrong: list[str] = []
    for name in _SETS if given.set == "all" else (given.set,):
        print(
            f"\n{name}: {given.seconds:.0f} s, 2 workers, seed {given.seed}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        )
        label = "best known" if name == "kim" else "peer"
        print(f"{'instance':12} {label:>10} {'found':>6} {'bound':>6} {'gap':>6} {'':8} {'first plan':>14}", end=" ")
        print(f"{'wall s':>7} {'CPU s':>7} {'load':>5}")
        rows = []
        for file, known in sorted(known_of(name).items()):
            if given.only and not any(file.removesuffix(".ipps").endswith(one) for one in given.only):
                continue
            row = solved(folder() / name / file, known, given.seconds, given.seed)
            rows.append(row)
            first = f"{row.first[1]} at {row.first[0]:.2f} s" if row.first else ""
            status = "proved" if row.proved else "open"
            values = f"{row.name:12} {row.known:10} {row.found or '-':>6} {row.bound:6} {row.gap:6.2%} {status:8} {first:>14}"
            print(f"{values} {row.wall_s:7.1f} {row.cpu_s:7.1f} {os.getloadavg()[0]:5.1f}", flush=True)
        if rows:
            against = statistics.fmean((row.found or 10**9) / row.known - 1 for row in rows)
            gap, proved = statistics.fmean(row.gap for row in rows), sum(row.proved for row in rows)
            wall, cpu = sum(row.wall_s for row in rows), sum(row.cpu_s for row in rows)
            print(f"{name}: {proved} of {len(rows)} proved, mean gap {gap:.2%}, {against:+.2%} against {label}", end=", ")
            print(f"{wall:.0f} s wall, {cpu:.0f} CPU-s")
            wrong += missed(name, rows)
    print("\n" + ("\n".join(wrong) if wrong else "every figure is kept"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
