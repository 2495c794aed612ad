"""Numbers that say how one step of one part went: level, peak, spread, tilt and duration, each time-weighted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

FEATURES: Final = ("mean", "peak", "spread", "tilt")
"""Of each signal in each step."""
DURATION: Final = "duration"
LEAST_SAMPLES: Final = 4
LEAST_GOOD_SHARE: Final = 0.8
"""A step of which less was measured well gives no features."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One run of a step within a part; a stop within it divides it into spans."""

    step: str
    number: int
    """1 for the first time that this step comes in the part."""
    spans: tuple[tuple[int, int], ...]
    """From and to in microseconds."""

    @property
    def seconds(self) -> float:
        """Return how long it took, stops left out."""
        return sum(end - begin for begin, end in self.spans) / 1e6


@dataclass(frozen=True, slots=True)
class Course:
    """One signal over time, oldest first; NaN where a value is bad."""

    time_us: npt.NDArray[np.int64]
    value: Numbers


def occurrences(changes: Sequence[tuple[int, str | None]], begin_us: int, end_us: int) -> list[Occurrence]:
    """Return the steps of a part that runs from begin to end.

    ``changes`` holds when which step began, in order of time; None while the machine stands. A step that goes on after a stop is one.
    """
    ends = [*(time for time, _ in changes[1:]), end_us]
    found: list[Occurrence] = []
    for (time, step), after in zip(changes, ends, strict=True):
        first, last = max(time, begin_us), min(after, end_us)
        if step is None or last <= first:
            continue
        if found and found[-1].step == step:
            before = found[-1]
            *earlier, (start, stop) = before.spans
            joined = ((start, last),) if stop == first else ((start, stop), (first, last))
            found[-1] = Occurrence(step, before.number, (*earlier, *joined))
            continue
        number = 1 + sum(one.step == step for one in found)
        found.append(Occurrence(step, number, ((first, last),)))
    return found


def held_in(course: Course, spans: Sequence[tuple[int, int]]) -> tuple[Numbers, Numbers]:
    """Return the values that held within spans and for how many seconds each."""
    pieces = [within(course, begin, end) for begin, end in spans]
    return np.concatenate([value for value, _ in pieces]), np.concatenate([seconds for _, seconds in pieces])


def within(course: Course, begin_us: int, end_us: int) -> tuple[Numbers, Numbers]:
    """Return the values that held within a span and for how many seconds each; the one before the span holds until the next."""
    first = max(int(np.searchsorted(course.time_us, begin_us, "right")) - 1, 0)
    last = int(np.searchsorted(course.time_us, end_us, "left"))
    if first >= last:
        return np.empty(0), np.empty(0)
    edges = np.clip(np.append(course.time_us[first:last], end_us), begin_us, end_us)
    return course.value[first:last], np.diff(edges) / 1e6


def summaries(value: Numbers, seconds: Numbers) -> dict[str, Numbers]:
    """Return the features of values along the last axis, each held for so many seconds; NaN where too little is known.

    ``spread`` is the logarithm of the deviation within the step: a doubled one counts as much at each height of the signal.
    """
    good = np.isfinite(value) & (seconds > 0)
    weight = np.where(good, seconds, 0.0)
    held = np.where(good, value, 0.0)
    whole = weight.sum(-1)
    known = (whole > 0) & (good.sum(-1) >= LEAST_SAMPLES) & (whole >= LEAST_GOOD_SHARE * np.maximum(seconds.sum(-1), 1e-12))
    safe = np.where(known, whole, 1.0)
    mean = (weight * held).sum(-1) / safe
    deviation = np.sqrt((weight * (held - mean[..., None]) ** 2).sum(-1) / safe)
    ranked = np.sort(np.where(good, value, -np.inf), axis=-1)
    count = good.sum(-1)
    # the third highest of a hundred: one wrong sample is no peak
    place = value.shape[-1] - 1 - np.minimum(count // 40, 4)
    peak = np.take_along_axis(ranked, place[..., None], -1)[..., 0]
    late = np.cumsum(weight, -1) - weight / 2 > safe[..., None] / 2
    late_weight, early_weight = np.where(late, weight, 0.0), np.where(late, 0.0, weight)
    tilt = (late_weight * held).sum(-1) / np.maximum(late_weight.sum(-1), 1e-12) - (early_weight * held).sum(-1) / np.maximum(
        early_weight.sum(-1), 1e-12
    )
    floor = 1e-4 * np.abs(mean) + 1e-9
    found = {"mean": mean, "peak": peak, "spread": np.log(deviation + floor), "tilt": tilt}
    return {name: np.where(known, numbers, np.nan) for name, numbers in found.items()}


def energy_kwh(value: Numbers, seconds: Numbers, kw_per_unit: float) -> float | None:
    """Return the energy of a power that held such values for so many seconds; None where too little of it is known."""
    good = np.isfinite(value)
    whole, known = float(seconds.sum()), float(seconds[good].sum())
    if whole <= 0 or known < LEAST_GOOD_SHARE * whole:
        return None
    # what was not measured is taken as the mean of what was
    return float((value[good] * seconds[good]).sum()) * kw_per_unit / 3600 * whole / known


def metered(course: Course, begin_us: int, end_us: int) -> float | None:
    """Return by how much a counter rose within a span, a reset counted as a start from 0; None where it told nothing."""
    values, _ = within(course, begin_us, end_us + 1)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return None
    rises = np.diff(values)
    return float(np.where(rises < 0, values[1:], rises).sum())
