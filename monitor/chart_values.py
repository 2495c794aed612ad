"""One value for each part out of a stream of samples: what lies between two changes of another signal, or in one stretch of time.

Samples are taken in the order in which they were received, so that it does not matter how the stream is cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from plant.charts import Taken

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is known of the part at hand: all that a restart needs."""

    code: float | None = None
    """The trigger's last value; None before the first."""
    count: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    last: float = math.nan
    bucket: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Samples of one signal as columns of equal length, in the order received; NaN where there is no good number."""

    received_us: Times
    time_us: Times
    value: Floats


@dataclass(frozen=True, slots=True)
class Counted:
    """Two counters over one stretch of time: all that a restart needs."""

    bucket: int | None = None
    part: float | None = None
    """What the counter of all parts showed last."""
    defective: float | None = None
    parts: float = 0.0
    defects: float = 0.0


def by_trigger(
    gathered: Gathered, values: Stream, trigger: Stream, taken: Taken, inside: float | None = None
) -> tuple[list[tuple[int, float]], Gathered]:
    """Return the values of the parts that ended, as (time, value), and the part at hand.

    A part ends where the trigger changes; with ``inside`` where it stops being that, and only values meanwhile count. A part without a
    good value gives none. What was received together with the trigger belongs to the part that ends.
    """
    good = ~np.isnan(trigger.value)
    codes, times, received = trigger.value[good], trigger.time_us[good], trigger.received_us[good]
    before = np.concatenate([[math.nan if gathered.code is None else gathered.code], codes[:-1]]) if len(codes) else codes
    changed = np.flatnonzero((codes != before) & ~np.isnan(before))
    known = ~np.isnan(values.value)
    sampled, sampled_received, sampled_time = values.value[known], values.received_us[known], values.time_us[known]
    # a sample is of the part before a change when it was received before it, or with it and is no younger
    cuts = [_cut(sampled_received, sampled_time, int(received[at]), int(times[at])) for at in changed.tolist()]
    found: list[tuple[int, float]] = []
    first, current = 0, gathered
    for at, cut in zip(changed.tolist(), cuts, strict=True):
        counts = inside is None or float(before[at]) == inside
        current = _with(current, sampled[first:cut]) if counts else current
        if counts and current.count:
            found.append((int(times[at]), _taken(current, taken)))
        current, first = Gathered(code=float(codes[at])), cut
    code = float(codes[-1]) if len(codes) else current.code
    rest = _with(current, sampled[first:]) if inside is None or code == inside else current
    return found, replace(rest, code=code)


def by_time(gathered: Gathered, values: Stream, taken: Taken, every_us: int) -> tuple[list[tuple[int, float]], Gathered]:
    """Return the values of the stretches of time that ended, as (end, value), and the stretch at hand; one that comes late is passed by."""
    known = ~np.isnan(values.value)
    buckets = values.time_us[known] // every_us
    sampled = values.value[known]
    found: list[tuple[int, float]] = []
    current = gathered
    edges = [*np.flatnonzero(np.diff(buckets, prepend=np.int64(-(2**62)))).tolist(), len(buckets)]
    for start, end in pairwise(edges):
        bucket = int(buckets[start])
        if current.bucket is not None and bucket < current.bucket:
            continue
        if current.bucket is not None and bucket > current.bucket and current.count:
            found.append(((current.bucket + 1) * every_us, _taken(current, taken)))
        if bucket != current.bucket:
            current = Gathered(bucket=bucket)
        current = _with(current, sampled[start:end])
    return found, current


def shares(counted: Counted, parts: Stream, defective: Stream, every_us: int) -> tuple[list[tuple[int, int, int]], Counted]:
    """Return (end, defective, parts) of the stretches of time that ended and in which parts were made, and the stretch at hand.

    A counter that falls began anew. More defective parts than parts in a stretch are carried on to the next one.
    """
    kinds = np.concatenate([np.zeros(len(parts.value), np.int8), np.ones(len(defective.value), np.int8)])
    received = np.concatenate([parts.received_us, defective.received_us])
    times = np.concatenate([parts.time_us, defective.time_us])
    value = np.concatenate([parts.value, defective.value])
    found: list[tuple[int, int, int]] = []
    current = counted
    order = np.lexsort((kinds, times, received))
    moved = order[~np.isnan(value[order])]
    for at in moved.tolist():
        bucket, shown = int(times[at]) // every_us, float(value[at])
        if current.bucket is None:
            current = replace(current, bucket=bucket)
        elif bucket > current.bucket:
            if current.parts >= 1:
                bad = min(current.defects, current.parts)
                found.append(((current.bucket + 1) * every_us, round(bad), round(current.parts)))
                current = replace(current, bucket=bucket, parts=0.0, defects=current.defects - bad)
            else:
                current = replace(current, bucket=bucket)
        if kinds[at] == 0:
            current = replace(current, part=shown, parts=current.parts + _risen(current.part, shown))
        else:
            current = replace(current, defective=shown, defects=current.defects + _risen(current.defective, shown))
    return found, current


def _cut(received: Times, times: Times, moment: int, time: int) -> int:
    """Return how many samples were received before a moment, or at it and are no younger than ``time``."""
    low = int(np.searchsorted(received, moment, side="left"))
    high = int(np.searchsorted(received, moment, side="right"))
    return low + int(np.searchsorted(times[low:high], time, side="right"))


def _with(gathered: Gathered, values: Floats) -> Gathered:
    if not len(values):
        return gathered
    return replace(
        gathered,
        count=gathered.count + len(values),
        # one after the other, so that a stream cut elsewhere gives the same last digit
        total=float(np.add.accumulate(np.concatenate([[gathered.total], values]))[-1]),
        low=min(gathered.low, float(values.min())),
        high=max(gathered.high, float(values.max())),
        last=float(values[-1]),
    )


def _taken(gathered: Gathered, taken: Taken) -> float:
    match taken:
        case Taken.LAST:
            return gathered.last
        case Taken.MEAN:
            return gathered.total / gathered.count
        case Taken.MAX:
            return gathered.high
        case Taken.MIN:
            return gathered.low


def _risen(before: float | None, now: float) -> float:
    if before is None:
        return 0.0
    return now - before if now >= before else now
