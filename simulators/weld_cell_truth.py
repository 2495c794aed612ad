"""A cell whose hidden response, noise and drift are known here alone: what fine-tuning is judged by.

Frozen: what seeds 1 and 2 give is pinned by a hash in the tests. Methods are made on seeds 1001 and up; seeds 1, 2, 3 ... are for reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution
from scipy.special import ndtr

VERSION: Final = "cell/1"

Floats = NDArray[np.float64]
Means = Callable[[Floats], Floats]
"""Columns of settings (points x parameters) to what the cell makes of them on average (points x qualities)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter of the cell's process window."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    rate: float
    dead_band: float


@dataclass(frozen=True, slots=True)
class PartLimit:
    """What one part's quality must be inside, how much parts scatter, and how much worse is what lies above ``high``."""

    name: str
    unit: str
    low: float
    high: float
    scatter: float
    scrapped_above: float
    """Share of the parts above ``high`` that cannot be reworked."""
    mean_low: float | None
    mean_high: float | None
    """What the mean of a trial must be inside, None where nothing is asked."""


@dataclass(frozen=True, slots=True)
class CellRun:
    """What a cell made: one entry for each part, and the mean of what was measured on a few of them."""

    good: NDArray[np.bool_]
    scrapped: NDArray[np.bool_]
    responses: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CellTruth:
    """All that is hidden, drawn from a seed."""

    settings: tuple[Setting, ...]
    limits: tuple[PartLimit, ...]
    means: Means
    start: Floats
    joint: tuple[Any, ...] | None
    """Heat input: (name, low, high), for welding only."""
    worn: int
    """Parameter whose effect wears down, and by how much of it from one change of the wearing part to the next."""
    wear: float
    wear_parts: int
    creep: Floats
    """Slow change of each quality per 1,000 parts."""
    batch: float
    """How much qualities differ from one batch of material to the next, in scatters."""
    measured: int = 5
    rework_fails: float = 0.08

    def shares(self, points: Floats, worn: float = 0.5, parts: float = 0.0, shift: float = 0.0) -> tuple[Floats, Floats]:
        """Return the shares of good and of scrapped parts at points."""
        bent = np.atleast_2d(points).copy()
        bent[:, self.worn] *= 1 - self.wear * worn
        means = self.means(bent) + self.creep * parts / 1000
        good = np.ones(len(bent))
        scrapped = np.zeros(len(bent))
        for column, limit in enumerate(self.limits):
            middle = means[:, column] + shift * limit.scatter
            above = ndtr((middle - limit.high) / limit.scatter)
            good *= np.clip(ndtr((limit.high - middle) / limit.scatter) - ndtr((limit.low - middle) / limit.scatter), 0, 1)
            scrapped += limit.scrapped_above * above
        return good, np.clip(scrapped + self.rework_fails * (1 - good), 0, 1)


class Cell:
    """A cell that makes parts at a recipe; it wears, and its material changes from batch to batch."""

    def __init__(self, truth: CellTruth, seed: int, program: str, work_unit: str) -> None:
        self._truth = truth
        self._random = np.random.default_rng([seed, 77])
        self._made = 0
        self.program, self.work_unit = program, work_unit

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(one.name for one in self._truth.settings)

    @property
    def start(self) -> dict[str, float]:
        """The recipe that is accepted when fine-tuning begins."""
        return dict(zip(self.names, self._truth.start.tolist(), strict=True))

    def run(self, recipe: Mapping[str, float], parts: int) -> CellRun:
        """Return what the cell makes of so many parts."""
        truth, random = self._truth, self._random
        point = np.array([[recipe[name] for name in self.names]])
        shift = float(random.standard_t(6)) * truth.batch
        at = self._made + np.arange(parts)
        good, scrapped = np.empty(parts, bool), np.empty(parts, bool)
        rolls = random.random((parts, 2))
        for begin in range(0, parts, 10):
            worn = (at[begin] % truth.wear_parts) / truth.wear_parts
            yes, scrap = truth.shares(point, worn, float(at[begin]), shift)
            here = slice(begin, begin + 10)
            good[here] = rolls[here, 0] < yes[0]
            scrapped[here] = ~good[here] & (rolls[here, 1] < min(1.0, scrap[0] / max(1e-9, 1 - yes[0])))
        self._made += parts
        bent = point.copy()
        bent[:, truth.worn] *= 1 - truth.wear * ((self._made % truth.wear_parts) / truth.wear_parts)
        means = truth.means(bent)[0] + truth.creep * self._made / 1000
        seen = {
            limit.name: float(mean + shift * limit.scatter + random.normal() * limit.scatter / math.sqrt(truth.measured))
            for limit, mean in zip(truth.limits, means, strict=True)
            if limit.mean_low is not None or limit.mean_high is not None
        }
        return CellRun(good, scrapped, seen)

    def true_yield(self, recipe: Mapping[str, float]) -> float:
        """Return the share of good parts at a recipe, over all that wears. For reports only."""
        return float(mean_yield(self._truth, np.array([[recipe[name] for name in self.names]]))[0])

    def true_scrap(self, recipe: Mapping[str, float]) -> float:
        """Return the share of scrapped parts at a recipe. For reports only."""
        return float(self._truth.shares(np.array([[recipe[name] for name in self.names]]))[1][0])

    def best_yield(self) -> float:
        """Return the best share of good parts that the windows and the limits of the means allow. For reports only."""
        return best(self._truth)[1]

    def windows_toml(self) -> str:
        """Return the process window and the limits of the responses, as people write them."""
        truth = self._truth
        lines = [
            "[[windows]]",
            f'work_unit = "{self.work_unit}"',
            f'program = "{self.program}"',
            "version = 1",
            'author = "w.engineer"',
            'approver = "q.manager"',
            "",
        ]
        for one in truth.settings:
            lines += [
                "[[windows.parameters]]",
                f'name = "{one.name}"',
                f'unit = "{one.unit}"',
                *(f"{key} = {getattr(one, key):.6g}" for key in ("low", "high", "step", "rate", "dead_band")),
                "",
            ]
        if truth.joint is not None:
            name, low, high = truth.joint
            lines += [
                "[[windows.joint_limits]]",
                f'name = "{name}"',
                'formula = "heat_input"',
                'voltage = "voltage"',
                'current = "current"',
            ]
            lines += ['speed = "travel_speed"', 'unit = "kJ/mm"', f"low = {low:.6g}", f"high = {high:.6g}", ""]
        for limit in truth.limits:
            if limit.mean_low is None and limit.mean_high is None:
                continue
            lines += ["[[windows.responses]]", f'name = "{limit.name}"', f'unit = "{limit.unit}"']
            lines += [f"low = {limit.mean_low:.6g}"] if limit.mean_low is not None else []
            lines += [f"high = {limit.mean_high:.6g}", ""] if limit.mean_high is not None else [""]
        lines += ["[windows.objective]", 'name = "first_pass"', "scrap_max = 0.06", ""]
        return "\n".join(lines)


def mean_yield(truth: CellTruth, points: Floats) -> Floats:
    """Return the share of good parts over all that wears and all batches."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    total = np.zeros(len(np.atleast_2d(points)))
    for worn in (0.1, 0.3, 0.5, 0.7, 0.9):
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            total += weight * truth.shares(points, worn, 0.0, float(node) * truth.batch)[0] / 5
    return total


def allowed(truth: CellTruth, points: Floats) -> NDArray[np.bool_]:
    """Return which points lie in the process window and keep the limits of the means."""
    found = np.ones(len(points), bool)
    for column, one in enumerate(truth.settings):
        found &= (points[:, column] >= one.low) & (points[:, column] <= one.high)
    means = truth.means(points)
    for column, limit in enumerate(truth.limits):
        if limit.mean_low is not None:
            found &= means[:, column] >= limit.mean_low
        if limit.mean_high is not None:
            found &= means[:, column] <= limit.mean_high
    if truth.joint is not None:
        _, low, high = truth.joint
        heat = points[:, 0] * points[:, 1] * 60 / (points[:, 2] * 1000)
        found &= (heat >= low) & (heat <= high)
    return found


def best(truth: CellTruth) -> tuple[Floats, float]:
    """Return the best point that is allowed, and its share of good parts."""

    def loss(columns: Floats, /) -> Floats:
        points = columns.T
        return np.where(allowed(truth, points), -mean_yield(truth, points), 1.0)

    bounds = Bounds([one.low for one in truth.settings], [one.high for one in truth.settings])
    found = differential_evolution(
        loss,  # type: ignore[arg-type]  # vectorized: many points at once
        bounds,
        seed=1,
        x0=truth.start,
        vectorized=True,
        updating="deferred",
        maxiter=150,
        popsize=20,
        tol=1e-8,
        polish=False,
    )
    return np.asarray(found.x), float(-found.fun)
