"""How much an alarm system asks of its operators: figures of EEMUA 191, ISA-18.2 (clause 16) and IEC 62682, from columns of the journal.

All functions are pure. An *annunciation* is an alarm that became unacknowledged and must be seen; it is one element of ``time_us``, which
rises. Figures that hold for one operator position divide by ``operators``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from plant.alarms import Priority

Times: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[np.int64]

MINUTE_US = 60_000_000
TEN_MINUTES_US = 600_000_000
DAY_US = 86_400_000_000
FLOOD_BEGINS_ABOVE = 10
"""A flood begins when more annunciations than this fall into ten minutes (ISA-18.2, clause 16, and EEMUA 191) ..."""
FLOOD_ENDS_BELOW = 5
"""... and ends when fewer than this do."""
CHATTERING_REPEATS = 3
"""An alarm chatters that is annunciated so often within a minute (ISA-18.2: three or more records in sixty seconds as a first look)."""
FLEETING_US = 10_000_000
"""An alarm is fleeting that goes by itself within so long, before anybody can act, and does not repeat at once."""
STANDING_US = DAY_US
"""An alarm stands, or is stale, that stays for longer than a day."""
MOST_STANDING = 5
"""ISA-18.2 wants fewer on any day, each with a plan."""
MOST_SHARE_OF_TEN = 0.05
"""The ten most frequent alarms should make one to five percent of all."""
ACCEPTABLE_PER_TEN_MINUTES = 1.0
"""Very likely to be acceptable, per operator and ten minutes on average; about 144 a day (IEC 62682)."""
MANAGEABLE_PER_TEN_MINUTES = 2.0
"""The most that can be managed."""
MOST_TIME_IN_FLOOD = 0.01
WANTED_SHARES = {Priority.URGENT: 0.0, Priority.HIGH: 0.05, Priority.MEDIUM: 0.15, Priority.LOW: 0.80}
"""5 % high, 15 % medium, 80 % low; a fourth, highest priority is for fewer than 1 %."""


class Performance(StrEnum):
    """The classes of EEMUA 191, the best first."""

    PREDICTIVE = "predictive"
    ROBUST = "robust"
    STABLE = "stable"
    REACTIVE = "reactive"
    OVERLOADED = "overloaded"


PERFORMANCE_BOUNDS: tuple[tuple[Performance, float, float], ...] = (
    (Performance.PREDICTIVE, 1.0, 10.0),
    (Performance.ROBUST, 10.0, 100.0),
    (Performance.STABLE, 10.0, 1000.0),
    (Performance.REACTIVE, 100.0, 1000.0),
)
"""Of each class the highest average and the highest peak of annunciations in ten minutes per operator, as EEMUA 191 charts them."""


@dataclass(frozen=True, slots=True)
class Flood:
    """One span in which alarms came faster than an operator can follow."""

    from_us: int
    to_us: int
    count: int
    """Annunciations from its begin to its end, those that made it begin included."""
    peak: int
    """The most within any ten minutes."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast alarms were annunciated over a span, per operator position."""

    count: int
    """Annunciations in all, of all operators together."""
    average: float
    """Per ten minutes."""
    peak: float
    """The most in any one of the ten-minute intervals."""
    share_above_ten: float
    """Share of ten-minute intervals with more than ten; ISA-18.2 wants less than about 1 %."""
    per_interval: Numbers
    """Annunciations of each ten-minute interval, from the begin of the span; the last one may be shorter."""
    floods: tuple[Flood, ...]
    share_in_flood: float
    """Share of the span in flood; less than 1 % is wanted."""
    performance: Performance


@dataclass(frozen=True, slots=True)
class Repeated:
    """Something an alarm did too often: the alarm's number, and how often."""

    alarm: int
    count: int


@dataclass(frozen=True, slots=True)
class Frequent:
    """The alarms that came most often."""

    alarms: tuple[Repeated, ...]
    share: float
    """What they make of all annunciations; 0 where there were none."""


def rates(time_us: Times, from_us: int, to_us: int, *, operators: int = 1) -> Rates:
    """Return how fast alarms were annunciated from ``from_us`` to before ``to_us``, per operator."""
    if to_us <= from_us or operators < 1:
        raise ValueError("a span and at least one operator are needed")
    within = time_us[(time_us >= from_us) & (time_us < to_us)]
    intervals = -(-(to_us - from_us) // TEN_MINUTES_US)
    counts = np.bincount((within - from_us) // TEN_MINUTES_US, minlength=intervals).astype(np.int64)
    found = floods(within, to_us, operators=operators)
    average = len(within) / operators * TEN_MINUTES_US / (to_us - from_us)
    peak = int(counts.max()) / operators
    return Rates(
        len(within),
        average,
        peak,
        float(np.mean(counts > FLOOD_BEGINS_ABOVE * operators)),
        counts,
        found,
        sum(flood.to_us - flood.from_us for flood in found) / (to_us - from_us),
        performance(average, peak),
    )


def performance(average: float, peak: float) -> Performance:
    """Return the class of EEMUA 191 for an average and a peak of annunciations in ten minutes per operator."""
    for name, highest_average, highest_peak in PERFORMANCE_BOUNDS:
        if average <= highest_average and peak <= highest_peak:
            return name
    return Performance.OVERLOADED


def floods(time_us: Times, until_us: int, *, operators: int = 1) -> tuple[Flood, ...]:
    """Return the floods in rising times; one that has not ended by ``until_us`` ends there.

    The ten minutes slide: a flood begins with the annunciation that makes more than ten of them, and ends when one leaves them and
    fewer than five are left.
    """
    begins, ends = FLOOD_BEGINS_ABOVE * operators, FLOOD_ENDS_BELOW * operators
    leaves = time_us + TEN_MINUTES_US
    found: list[Flood] = []
    begin, first, peak = -1, 0, 0
    gone = 0
    for came, time in enumerate(time_us.tolist(), 1):
        while gone < came - 1 and leaves[gone] <= time:
            gone += 1
            if begin >= 0 and came - 1 - gone < ends:
                found.append(Flood(begin, int(leaves[gone - 1]), came - 1 - first, peak))
                begin = -1
        inside = came - gone
        if begin < 0 and inside > begins:
            begin, first, peak = time, gone, inside
        elif begin >= 0:
            peak = max(peak, inside)
    if begin >= 0:
        last = len(time_us) - ends
        end = min(int(leaves[last]), until_us) if 0 <= last < len(time_us) else until_us
        found.append(Flood(begin, end, len(time_us) - first, peak))
    return tuple(found)


def chattering(alarm: Numbers, time_us: Times, *, repeats: int = CHATTERING_REPEATS, within_us: int = MINUTE_US) -> tuple[Repeated, ...]:
    """Return the alarms annunciated ``repeats`` times within a minute or more often, each with its most within one; the worst first."""
    order = np.lexsort((time_us, alarm))
    alarms, times = alarm[order], time_us[order]
    worst: dict[int, int] = {}
    if len(times):
        begins = np.flatnonzero(np.diff(alarms, prepend=alarms[0] - 1))
        for begin, end in zip(begins, [*begins[1:], len(times)], strict=True):
            own = times[begin:end]
            most = int((np.searchsorted(own, own + within_us, "left") - np.arange(len(own))).max())
            if most >= repeats:
                worst[int(alarms[begin])] = most
    return _most_first(worst)


def fleeting(alarm: Numbers, began_us: Times, ended_us: Times, *, shorter_us: int = FLEETING_US) -> tuple[Repeated, ...]:
    """Return the alarms that were active for less than ``shorter_us``, with how often; those that chatter meanwhile are fleeting too."""
    short = alarm[ended_us - began_us < shorter_us]
    return _counted(short)


def standing(alarm: Numbers, since_us: Times, now_us: int, *, longer_us: int = STANDING_US) -> tuple[int, ...]:
    """Return the alarms that stand for longer than a day, the longest first. Give only those that stand now."""
    stale = np.flatnonzero(now_us - since_us > longer_us)
    return tuple(alarm[stale[np.argsort(since_us[stale], kind="stable")]].tolist())


def frequent(alarm: Numbers, *, most: int = 10) -> Frequent:
    """Return the alarms annunciated most often, the most frequent first, and what share of all they make."""
    found = _counted(alarm)[:most]
    return Frequent(found, sum(one.count for one in found) / len(alarm) if len(alarm) else 0.0)


def priority_shares(priority: npt.NDArray[np.int8]) -> dict[Priority, float]:
    """Return the share of each priority among the annunciations; all 0 where there were none."""
    counts = np.bincount(priority, minlength=max(Priority) + 1)
    total = max(1, len(priority))
    return {each: float(counts[each]) / total for each in Priority}


def in_flood(recent_us: Sequence[int], now_us: int, before: bool, *, operators: int = 1) -> bool:
    """Return whether there is a flood now, from annunciations of the last ten minutes and whether there was one ``before``."""
    inside = sum(now_us - TEN_MINUTES_US < time <= now_us for time in recent_us)
    return inside >= FLOOD_ENDS_BELOW * operators if before else inside > FLOOD_BEGINS_ABOVE * operators


def _counted(alarm: Numbers) -> tuple[Repeated, ...]:
    numbers, counts = np.unique(alarm, return_counts=True)
    return _most_first(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))


def _most_first(counts: dict[int, int]) -> tuple[Repeated, ...]:
    return tuple(Repeated(alarm, count) for alarm, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
