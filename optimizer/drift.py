"""Whether a machine works as it did when its measurements were learned from: found within some dozens of operations, and levelled anew.

Each new operation is compared with what was expected of it, in its own spreads. What adds up over a bound (Page's CUSUM) is no chance:
by the rows since it began the level is set anew, and recommendations leave a machine that got slower. A work unit is watched as a whole
and each of its alternatives by itself, as a machine wears and a program is changed. What a product without measurements brings of its
own is learned on the way and not held against the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer.predicting import Predictor
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork
from plant.products import ProductTable

Floats = NDArray[np.float64]

SLACK = 0.5
"""What is taken off each score: half of the smallest change worth finding, which is one spread of a single operation."""
BOUND = 9.0
"""Chance alone reaches it less than once in 10,000 operations of a work unit; a change of 15 % at 12 % noise does within about 15."""
_MOST = 2.5
"""A score counts as no more: one delay of hours is no drift."""
_SHRINK = 2.0
"""Rows that say 'no change' are put beside those that tell it."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What has added up in one direction, and the rows since it began."""

    score: float = 0.0
    rows: int = 0
    weight: float = 0.0
    weighted: float = 0.0

    def after(self, score: float, residual: float, weight: float, sign: float) -> Sum:
        """The sum after one more operation; at 0 it begins anew."""
        new = max(0.0, self.score + sign * score - SLACK)
        if new == 0.0:
            return Sum()
        return Sum(new, self.rows + 1, self.weight + weight, self.weighted + weight * residual)

    @property
    def moved(self) -> float:
        """By how much the logarithm moved, careful where rows are few."""
        usual = self.weight / max(1, self.rows)
        return self.weighted / (self.weight + _SHRINK * usual) if self.weight else 0.0


@dataclass(frozen=True, slots=True)
class DriftWatch:
    """What has added up, by work unit or alternative, slower and faster; and what is known of new products."""

    slower: Mapping[str, Sum] = field(default_factory=dict)
    faster: Mapping[str, Sum] = field(default_factory=dict)
    own: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """By product and alternative: what is its own (mean, variance), as learned since the training."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A machine or a program that takes another time than it did."""

    work_unit: str
    alternatives: tuple[str, ...]
    share: float
    """0.15: it takes 15 % longer."""
    rows: int
    """Operations since it began, as far as can be told."""
    at_us: int

    @property
    def shifts(self) -> dict[str, float]:
        """For ``Predictor.shifted``."""
        return dict.fromkeys(self.alternatives, float(np.log1p(self.share)))


def followed(
    watch: DriftWatch, network: ProcessNetwork, predictor: Predictor, products: ProductTable, done: OperationHistory
) -> tuple[DriftWatch, Predictor, tuple[LevelChange, ...]]:
    """Return the watch after more operations in their order, the predictor at its new levels, and what changed."""
    rows = done.with_vocabularies(products.ids, predictor.alternatives)
    if not len(rows):
        return watch, predictor, ()
    asked, product = np.unique(rows.product, return_inverse=True)
    expected = predictor.log_durations(products.take(asked.astype(np.intp)))
    slower, faster, own = dict(watch.slower), dict(watch.faster), dict(watch.own)
    changes: list[LevelChange] = []
    shifts = predictor.shifts.copy()
    members = {unit: [a for a in network.alternatives if a.work_unit == unit] for unit in {a.work_unit for a in network.alternatives}}
    for row in np.argsort(rows.started_us, kind="stable"):
        at, who = int(rows.alternative[row]), int(product[row])
        mean, noise = float(expected.mean[who, at]), float(expected.noise[at])
        if not np.isfinite(mean) or not np.isfinite(noise):
            continue
        alternative = network.alternatives[at]
        key = (products.ids[asked[who]], alternative.id)
        known, unsure = own.get(key, (0.0, float(expected.variance[who, at])))
        moved = float(shifts[at] - predictor.shifts[at])
        residual = float(np.log(rows.duration_min[row])) - mean - moved - known
        spread = float(np.sqrt(noise + unsure))
        score = float(np.clip(residual / spread, -_MOST, _MOST))
        own[key] = _learned(known, unsure, score * spread, noise)
        told = score * spread
        for name in (f"unit {alternative.work_unit}", f"alternative {alternative.id}"):
            slower[name] = slower.get(name, Sum()).after(score, told, 1.0 / spread**2, 1.0)
            faster[name] = faster.get(name, Sum()).after(score, told, 1.0 / spread**2, -1.0)
        over = [
            (name, sums[name]) for name in (f"unit {alternative.work_unit}", f"alternative {alternative.id}") for sums in (slower, faster)
        ]
        reached = next(((name, found) for name, found in over if found.score > BOUND), None)
        if reached is None:
            continue
        name, found = reached
        hit = members[alternative.work_unit] if name.startswith("unit ") else [alternative]
        changes.append(
            LevelChange(
                alternative.work_unit, tuple(a.id for a in hit), float(np.expm1(found.moved)), found.rows, int(rows.started_us[row])
            )
        )
        for one in hit:
            shifts[network.positions[one.id]] += found.moved
            slower.pop(f"alternative {one.id}", None)
            faster.pop(f"alternative {one.id}", None)
        slower.pop(f"unit {alternative.work_unit}", None)
        faster.pop(f"unit {alternative.work_unit}", None)
        # What was thought the products' own, since it began, was partly the machine's.
        ids = {one.id for one in hit}
        own = {key: value for key, value in own.items() if key[1] not in ids}
    moved_by = {name: float(by) for name, by in zip(predictor.alternatives, shifts - predictor.shifts, strict=True) if by}
    after = predictor.shifted(moved_by) if moved_by else predictor
    return DriftWatch(slower, faster, own), after, tuple(changes)


def _learned(known: float, unsure: float, missed: float, noise: float) -> tuple[float, float]:
    gain = unsure / (unsure + noise)
    return known + gain * missed, (1.0 - gain) * unsure
