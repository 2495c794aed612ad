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
_SETTLED = 60
"""Operations after which a new level is as sharp as it needs to be."""
_WORTH_TELLING = 0.015
_AT_ONCE = 5
"""So many operations are between one correction of a new level and the next."""


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

    def levelled(self, by: float) -> Sum:
        """The same rows, seen from a level that moved."""
        return Sum(0.0, self.rows, self.weight, self.weighted - by * self.weight)

    def joined(self, residual: float, weight: float) -> Sum:
        """The same with one more row."""
        return Sum(self.score, self.rows + 1, self.weight + weight, self.weighted + weight * residual)


@dataclass(frozen=True, slots=True)
class DriftWatch:
    """What has added up, by work unit or alternative, slower and faster; and what is known of new products."""

    slower: Mapping[str, Sum] = field(default_factory=dict)
    faster: Mapping[str, Sum] = field(default_factory=dict)
    settling: Mapping[str, Sum] = field(default_factory=dict)
    """What changed lately: its new level is made sharper by the next operations."""
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
    slower, faster, settling, own = dict(watch.slower), dict(watch.faster), dict(watch.settling), dict(watch.own)
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
        names = (f"unit {alternative.work_unit}", f"alternative {alternative.id}")
        reached = next(((name, sums[name]) for name in names for sums in (slower, faster) if sums[name].score > BOUND), None)
        if reached is None:
            reached = _settled(settling, names, told, 1.0 / spread**2)
        if reached is None:
            continue
        name, found = reached
        hit = members[alternative.work_unit] if name.startswith("unit ") else [alternative]
        by = found.moved
        changes.append(
            LevelChange(alternative.work_unit, tuple(a.id for a in hit), float(np.expm1(by)), found.rows, int(rows.started_us[row]))
        )
        settling[name] = found.levelled(by)
        for one in hit:
            shifts[network.positions[one.id]] += by
        for gone in (f"unit {alternative.work_unit}", *(f"alternative {one.id}" for one in hit)):
            slower.pop(gone, None)
            faster.pop(gone, None)
        # What was thought the products' own, since it began, was partly the machine's.
        ids = {one.id for one in hit}
        own = {key: value for key, value in own.items() if key[1] not in ids}
    moved_by = {name: float(by) for name, by in zip(predictor.alternatives, shifts - predictor.shifts, strict=True) if by}
    after = predictor.shifted(moved_by) if moved_by else predictor
    return DriftWatch(slower, faster, settling, own), after, tuple(changes)


def _settled(settling: dict[str, Sum], names: tuple[str, ...], residual: float, weight: float) -> tuple[str, Sum] | None:
    """Join a row to the levels that changed lately; return one that is to be corrected."""
    for name in names:
        if name not in settling:
            continue
        found = settling[name] = settling[name].joined(residual, weight)
        if found.rows > _SETTLED:
            del settling[name]
        elif found.rows % _AT_ONCE == 0 and abs(found.moved) > _WORTH_TELLING:
            return name, found
    return None


def _learned(known: float, unsure: float, missed: float, noise: float) -> tuple[float, float]:
    gain = unsure / (unsure + noise)
    return known + gain * missed, (1.0 - gain) * unsure
