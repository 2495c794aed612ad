"""A mix of models for one line: what is to be made, what the line can bear, and what an order of the machines costs.

A line without changeover stops takes a 30 t machine after a 5 t machine. What it cannot take is many of a kind in a row: then a station
is overrun, and the shops that feed the line stand still and are overrun in turns. So the machines are spread evenly (Monden's level
schedule), options keep ratios ("of any 3 machines at most 1 has the heavy boom"), and the work of each station stays within takt and drift.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Option:
    """What some models have, and how close to each other machines with it may follow."""

    name: str
    at_most: int
    of: int
    """Of any so many machines in a row."""


@dataclass(frozen=True, slots=True)
class Station:
    """A place on the line where each machine gets its work while it passes."""

    name: str
    drift_s: float = 0.0
    """How long its people may go on with a machine after the takt is over; beyond, others must help (utility work)."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of badness counts."""

    level: float = 1.0
    """Of the squared deviation of each model from its even share, added up over all places."""
    options: float = 1.0
    """The same of each option."""
    ratio: float = 10_000.0
    """Of each machine too many in any stretch that an option's ratio counts."""
    utility: float = 20.0
    """Of each second of work that a station cannot do within takt and drift."""
    setup: float = 0.2
    """Of each second of setup between neighbours."""
    window: float = 200.0
    """Of each place that a machine comes before it may or after it should."""


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """Machines to be put in order."""

    name: str
    takt_s: float
    models: tuple[str, ...]
    options: tuple[Option, ...]
    has: NDArray[np.bool_]
    """(models, options)"""
    stations: tuple[Station, ...]
    work_s: Seconds
    """(stations, models)"""
    setup_s: Seconds
    """(models, models): of all that must be set up when one model follows another."""
    machines: tuple[str, ...]
    model: Ints
    """(machines,)"""
    earliest: Ints
    """(machines,): the first place, from 0, that it may have ..."""
    latest: Ints
    """... and the last."""
    before: Ints = field(default_factory=lambda: np.empty(0, np.int32))
    """Models that went onto the line just before, the last one last: ratios, drift and setups go on from there."""
    weights: Weights = Weights()

    @property
    def counts(self) -> Ints:
        """(models,): how many of each are to be made."""
        return np.bincount(self.model, minlength=len(self.models)).astype(np.int32)


@dataclass(frozen=True, slots=True)
class MixMeasures:
    """What an order of machines is like."""

    model_variation: float
    """Squared deviation of each model from its even share, added up over models and places."""
    option_variation: float
    too_many: dict[str, int]
    """By option: machines too many, added up over all stretches; none of it where the ratio is kept."""
    utility_s: dict[str, float]
    """By station: work beyond takt and drift."""
    setup_s: float
    out_of_window: int
    """Places before the earliest or behind the latest, added up."""
    cost: float
    """All of it by the mix's weights."""

    @property
    def ratios_kept(self) -> bool:
        """Whether no ratio is broken anywhere."""
        return not any(self.too_many.values())


def mix_measures(mix: Mix, order: Ints) -> MixMeasures:
    """Return what an order (rows of machines, place by place) is like; counted afresh, place by place."""
    models = mix.model[order]
    of_models = _variation(np.eye(len(mix.models), dtype=bool)[models])
    of_options = _variation(mix.has[models]) if mix.options else 0.0
    whole = np.concatenate([mix.before, models]).astype(np.int64)
    too_many = {option.name: _too_many(mix.has[whole, at], option, len(mix.before)) for at, option in enumerate(mix.options)}
    utility = {
        station.name: _utility(mix.work_s[at][whole], mix.takt_s, station.drift_s, len(mix.before))
        for at, station in enumerate(mix.stations)
    }
    linked = whole[max(0, len(mix.before) - 1) :]
    setup = float(mix.setup_s[linked[:-1], linked[1:]].sum())
    places = np.arange(len(order))
    outside = int((np.maximum(0, mix.earliest[order] - places) + np.maximum(0, places - mix.latest[order])).sum())
    weights = mix.weights
    cost = (
        weights.level * of_models
        + weights.options * of_options
        + weights.ratio * sum(too_many.values())
        + weights.utility * sum(utility.values())
        + weights.setup * setup
        + weights.window * outside
    )
    return MixMeasures(of_models, of_options, too_many, utility, setup, outside, cost)


def _variation(has: NDArray[np.bool_]) -> float:
    """Return the squared deviation of each column's running count from its even share."""
    counts = np.cumsum(has, axis=0, dtype=np.float64)
    places = np.arange(1, len(has) + 1, dtype=np.float64)[:, None]
    return float(((counts - places * counts[-1] / len(has)) ** 2).sum()) if len(has) else 0.0


def _too_many(has: NDArray[np.bool_], option: Option, fixed: int) -> int:
    """Return by how many machines an option's ratio is exceeded; stretches that lie wholly in what went before are not counted."""
    if len(has) <= option.of:
        return max(0, int(has.sum()) - option.at_most) if len(has) > fixed else 0
    within = np.lib.stride_tricks.sliding_window_view(has, option.of).sum(axis=1)[max(0, fixed - option.of + 1) :]
    return int(np.maximum(0, within - option.at_most).sum())


def _utility(work: Seconds, takt: float, drift: float, fixed: int) -> float:
    """Return the work that a station cannot do within takt and drift; of what went before only the drift counts."""
    late, beyond = 0.0, 0.0
    for at, one in enumerate(work):
        over = late + one - takt
        if at >= fixed:
            beyond += max(0.0, over - drift)
        late = min(max(0.0, over), drift)
    return beyond


def sequence_faults(mix: Mix, order: Ints) -> tuple[str, ...]:
    """Return what is wrong with an order, in words: machines missing or there twice, ratios broken, places outside of a window."""
    found = []
    known = np.bincount(order[(order >= 0) & (order < len(mix.machines))], minlength=len(mix.machines))
    found += [f"machine {mix.machines[at]} is not in the order" for at in np.flatnonzero(known == 0)]
    found += [f"machine {mix.machines[at]} is {known[at]} times in the order" for at in np.flatnonzero(known > 1)]
    if len(order) != len(mix.machines) or found:
        return tuple(found) or (f"the order has {len(order)} places for {len(mix.machines)} machines",)
    whole = np.concatenate([mix.before, mix.model[order]])
    fixed = len(mix.before)
    for at, option in enumerate(mix.options):
        has = mix.has[whole, at]
        for first in range(max(0, fixed - option.of + 1), max(1, len(has) - option.of + 1)):
            count = int(has[first : first + option.of].sum())
            if count > option.at_most:
                last = min(first + option.of, len(has)) - fixed
                found.append(
                    f"{option.name}: {count} of places {max(1, first - fixed + 1)} to {last}, {option.at_most} of {option.of} may be"
                )
    for place, machine in enumerate(order):
        if place < mix.earliest[machine]:
            found.append(f"machine {mix.machines[machine]} has place {place + 1}, before its first, {mix.earliest[machine] + 1}")
        if place > mix.latest[machine]:
            found.append(f"machine {mix.machines[machine]} has place {place + 1}, after its last, {mix.latest[machine] + 1}")
    return tuple(found)


def mix_faults(mix: Mix) -> tuple[str, ...]:
    """Return why no order can keep all ratios, in words; none where counting alone shows nothing against it."""
    found = []
    n = len(mix.machines)
    for at, option in enumerate(mix.options):
        has = int(mix.has[mix.model, at].sum())
        room = (n // option.of) * option.at_most + min(n % option.of, option.at_most)
        if has > room:
            found.append(f"{option.name}: {has} machines have it, but of {n} only {room} can where {option.at_most} of {option.of} may")
    return tuple(found)
