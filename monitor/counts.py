"""Counters as pieces: what rose is counted, what cannot have been made is noted and not counted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from monitor.states import SignalSamples
from plant.states import Counter

_RESET_SHARE = 0.1


class CounterFault(StrEnum):
    """What a counter did that is no production."""

    RESET = "reset"
    """It fell to nearly nothing: what it shows since is counted."""
    SET_BACK = "set_back"
    """It fell a little: nothing is counted."""
    JUMP = "jump"
    """It rose by more than can be made between two samples: nothing is counted."""
    NEGATIVE = "negative"
    """It is below zero, which no counter is: the sample is passed over."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something a counter did, with the values before and after."""

    time_us: int
    fault: CounterFault
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class CounterSeen:
    """What is remembered of a counter from one piece of time to the next."""

    last: float | None = None
    """Its last good value that was not negative."""
    negative: bool = False
    """Whether its last good value was."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Pieces by the time at which the counter showed them, what was noted, and what to remember."""

    time_us: npt.NDArray[np.int64]
    pieces: npt.NDArray[np.int64]
    noted: list[Noted]
    seen: CounterSeen


def count(counter: Counter, seen: CounterSeen, samples: SignalSamples) -> Counted:
    """Return the pieces that a counter shows, from its last good value on. The very first value is where counting begins."""
    chosen = samples.good & np.isfinite(samples.value)
    times, values = samples.time_us[chosen], samples.value[chosen]
    below = values < 0
    begins = below & ~np.concatenate([[seen.negative], below[:-1]]) if len(below) else below
    noted = [Noted(int(t), CounterFault.NEGATIVE, float(v), float(v)) for t, v in zip(times[begins], values[begins], strict=True)]
    negative = bool(below[-1]) if len(below) else seen.negative
    times, values = times[~below], values[~below]
    if not len(values):
        return Counted(np.empty(0, np.int64), np.empty(0, np.int64), noted, CounterSeen(seen.last, negative))
    known = np.concatenate([[values[0] if seen.last is None else seen.last], values])
    rise = np.diff(known)
    pieces = np.where((rise > 0) & (rise <= counter.most), rise, 0.0)
    for place in np.flatnonzero((rise < 0) | (rise > counter.most)).tolist():
        before, after, at = float(known[place]), float(values[place]), int(times[place])
        fault: CounterFault | None = None
        if rise[place] > 0:
            fault = CounterFault.JUMP
        elif counter.rollover is not None and 0 <= after + counter.rollover - before <= counter.most:
            pieces[place] = after + counter.rollover - before
        elif after <= before * _RESET_SHARE and after <= counter.most:
            pieces[place], fault = after, CounterFault.RESET
        else:
            fault = CounterFault.SET_BACK
        if fault is not None:
            noted.append(Noted(at, fault, before, after))
    made = np.rint(pieces * counter.worth).astype(np.int64)
    noted.sort(key=lambda one: one.time_us)
    return Counted(times[made > 0], made[made > 0], noted, CounterSeen(float(values[-1]), negative))
