"""Fronts: ways that none beats in two measures at once, joined and pruned as columns, each traceable back to what it chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_SLACK: Final = 1e-9
_MOST_PAIRS: Final = 4_000_000
"""Above it both fronts are thinned, ends kept: what is found is then a way still, and all but the best."""
_THINNED: Final = 2_000

Column = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Front:
    """Ways by rising cost and falling measure. Each came from points, from a pair of ways, or from one of several fronts."""

    cost: Column
    measure: Column
    first: Index
    """A position; or the way in the first front of the pair, or in the front that ``second`` tells."""
    second: Index | None = None
    parts: tuple[Front, ...] = ()
    pair: bool = False

    def way(self, at: int) -> tuple[int, ...]:
        """Return the positions that a way chose, in the order in which they were joined."""
        if self.second is None:
            return (int(self.first[at]),)
        if self.pair:
            return self.parts[0].way(int(self.first[at])) + self.parts[1].way(int(self.second[at]))
        return self.parts[int(self.second[at])].way(int(self.first[at]))


def of_points(cost: Column, measure: Column, start: int, most: float) -> Front | None:
    """Return the front of single points, numbered from ``start``; None where none may be chosen."""
    kept = _kept(cost, measure, most)
    return Front(cost[kept], measure[kept], kept + start) if len(kept) else None


def joined(one: Front, other: Front, most: float) -> Front | None:
    """Return the front of doing both; None where none keeps the limit."""
    if len(one.cost) * len(other.cost) > _MOST_PAIRS:
        one, other = _thinned(one), _thinned(other)
    cost = (one.cost[:, None] + other.cost[None, :]).ravel()
    measure = (one.measure[:, None] + other.measure[None, :]).ravel()
    kept = _kept(cost, measure, most)
    if not len(kept):
        return None
    first, second = np.divmod(kept, len(other.cost))
    return Front(cost[kept], measure[kept], first, second, (one, other), pair=True)


def one_of(fronts: list[Front]) -> Front | None:
    """Return the front of choosing one of several; None where there is none."""
    if len(fronts) < 2:
        return fronts[0] if fronts else None
    cost = np.concatenate([front.cost for front in fronts])
    measure = np.concatenate([front.measure for front in fronts])
    kept = _kept(cost, measure, np.inf)
    within = np.concatenate([np.arange(len(front.cost)) for front in fronts])
    which = np.repeat(np.arange(len(fronts)), [len(front.cost) for front in fronts])
    return Front(cost[kept], measure[kept], within[kept], which[kept], tuple(fronts))


def _kept(cost: Column, measure: Column, most: float) -> Index:
    """Return, by rising cost, the points that keep the limit and that none beats."""
    usable = np.flatnonzero(np.isfinite(cost) & (measure <= most + _SLACK * max(abs(most), 1.0)))
    order = usable[np.lexsort((measure[usable], cost[usable]))]
    falling = measure[order]
    least_before = np.minimum.accumulate(np.concatenate(([np.inf], falling[:-1]))) if len(order) else falling
    return np.asarray(order[falling < least_before], np.intp)


def _thinned(front: Front) -> Front:
    if len(front.cost) <= _THINNED:
        return front
    kept = np.unique(np.linspace(0, len(front.cost) - 1, _THINNED).astype(np.intp))
    second = front.second[kept] if front.second is not None else None
    return Front(front.cost[kept], front.measure[kept], front.first[kept], second, front.parts, front.pair)
