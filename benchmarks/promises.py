"""What a benchmark promised and what it saw: one line a figure with PASS or MISSED, and the exit code of all."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence

import numpy as np


class Promises:
    """Collects figures of one run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._missed = 0
        self.head("begin")

    def head(self, when: str) -> None:
        """Print load of the machine, CPU seconds of this process and its ended children, and the seed."""
        mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime
        print(f"{when}: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, CPU {cpu:.1f} s, seed {self._seed}", flush=True)

    def most(self, what: str, seen: float, limit: float, unit: str) -> None:
        """Print one figure that may be at most ``limit``."""
        self.kept(f"{what}: {seen:,.4g} {unit} (at most {limit:,.4g} {unit})", seen <= limit)

    def kept(self, what: str, kept: bool) -> None:
        """Print what was seen of one promise and whether it was kept."""
        self._missed += not kept
        print(f"  {'PASS  ' if kept else 'MISSED'} {what}", flush=True)

    def end(self) -> int:
        """Print how many were missed and return the exit code."""
        self.head("end")
        print("all promises kept" if not self._missed else f"{self._missed} promises MISSED")
        return 1 if self._missed else 0


def spread(ms: Sequence[float]) -> str:
    """Return median, p95 and the most of some milliseconds in words."""
    return f"p50 {np.median(ms):,.0f}, p95 {np.percentile(ms, 95):,.0f}, most {max(ms):,.0f} ms, {len(ms)} times"
