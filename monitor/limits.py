"""When alarms become active and inactive: limits, deadbands and delays over columns of samples of many signals at once.

The judgement depends on the samples and their times alone, never on how they were cut into batches: a value holds until the next sample
of its signal, and a delay ends when it ends, whether a sample comes then or not. So history judged again gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.alarms import AlarmDefinition, AlarmKind

NEVER: Final = np.iinfo(np.int64).max
"""No deadline."""

_ON: Final = 1
_BETWEEN: Final = 0
_OFF: Final = -1
_UNKNOWN: Final = 2
_ABOVE: Final = {AlarmKind.HIGH_HIGH: 1.0, AlarmKind.HIGH: 1.0, AlarmKind.LOW: -1.0, AlarmKind.LOW_LOW: -1.0}

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Changes:
    """When conditions came and went, ordered by time, then by alarm; columns of equal length."""

    alarm: npt.NDArray[np.int64]
    """Position of the alarm among the definitions."""
    time_us: Times
    active: Bools
    value: Floats
    """The value that began the change; it lies a delay before ``time_us``."""

    def __len__(self) -> int:
        return len(self.alarm)


@dataclass(slots=True)
class LimitState:
    """Where each alarm's condition stands, as columns; all that a restart needs."""

    active: Bools
    since_us: Times
    """Since when the value holds that would change it, NEVER where it does not."""
    value: Floats
    """The value that began it."""

    @classmethod
    def fresh(cls, alarms: int) -> LimitState:
        """Return the state of conditions never judged."""
        return cls(np.zeros(alarms, np.bool_), np.full(alarms, NEVER), np.full(alarms, np.nan))


class LimitJudge:
    """Judges high and low limits of many signals. ``signals``: for each alarm, the position of its signal in the batches."""

    def __init__(self, definitions: Sequence[AlarmDefinition], signals: npt.NDArray[np.intp], state: LimitState | None = None) -> None:
        """Raises ValueError for a definition that is no limit."""
        side = [_ABOVE.get(d.kind) for d in definitions]
        if None in side:
            raise ValueError(f"{next(d.id for d in definitions if d.kind not in _ABOVE)} is no limit")
        self._signals = np.asarray(signals, np.intp)
        self._side: Floats = np.array(side, np.float64)
        limit = np.array([d.limit for d in definitions], np.float64)
        self._on_above = self._side * limit
        self._off_at = self._side * limit - np.array([d.deadband for d in definitions], np.float64)
        self._delay_on: Times = np.array([d.on_delay_us for d in definitions], np.int64)
        self._delay_off: Times = np.array([d.off_delay_us for d in definitions], np.int64)
        self.state = LimitState.fresh(len(definitions)) if state is None else state

    def judge(self, offsets: Times, time_us: Times, value: Floats, until_us: Times) -> Changes:
        """Return what changed by more samples, and by time going on.

        ``offsets``, shape (signals + 1,): the samples of signal i are ``offsets[i]`` to ``offsets[i + 1]``, in the order of their times.
        ``time_us`` and ``value``, shape (n,): NaN where there is no number or it is bad. ``until_us``, shape (signals,): before this all
        samples of the signal are known.
        """
        found: list[tuple[int, int, bool, float]] = []
        for alarm in self._candidates(offsets, value, until_us).tolist():
            signal = self._signals[alarm]
            first, last = int(offsets[signal]), int(offsets[signal + 1])
            self._run(alarm, time_us[first:last], value[first:last], int(until_us[signal]), found)
        found.sort(key=lambda change: (change[1], change[0]))
        return _columns(found)

    def _candidates(self, offsets: Times, value: Floats, until_us: Times) -> npt.NDArray[np.intp]:
        """Return the alarms that may change; for all others neither the condition nor a delay can."""
        low, high, unknown = _extremes(offsets, value)
        side = self._side > 0
        signals = self._signals
        farthest = np.where(side, high[signals], -low[signals])
        nearest = np.where(side, low[signals], -high[signals])
        active = self.state.active
        waiting = self.state.since_us != NEVER
        delay = np.where(active, self._delay_off, self._delay_on)
        # a delay that runs changes only by a sample that breaks it or by its end
        over = np.zeros(len(signals), np.bool_)
        over[waiting] = until_us[signals[waiting]] - self.state.since_us[waiting] >= delay[waiting]
        breaks = waiting & (unknown[signals] | np.where(active, farthest > self._off_at, nearest <= self._on_above))
        begins = ~waiting & np.where(active, nearest <= self._off_at, farthest > self._on_above)
        return np.flatnonzero(over | breaks | begins)

    def _run(self, alarm: int, time_us: Times, value: Floats, until_us: int, found: list[tuple[int, int, bool, float]]) -> None:
        """Judge one alarm sample by sample, but only where its class changes."""
        state = self.state
        active, since, began = bool(state.active[alarm]), int(state.since_us[alarm]), float(state.value[alarm])
        delays = (int(self._delay_on[alarm]), int(self._delay_off[alarm]))
        steps, kinds = self._steps(alarm, value)
        for at, time, kind in zip(steps.tolist(), time_us[steps].tolist(), kinds.tolist(), strict=True):
            if since != NEVER and time - since >= delays[active]:
                found.append((alarm, since + delays[active], not active, began))
                active, since = not active, NEVER
            if kind != (_OFF if active else _ON):
                since = NEVER
            elif not delays[active]:
                found.append((alarm, time, not active, float(value[at])))
                active = not active
            elif since == NEVER:
                since, began = time, float(value[at])
        if since != NEVER and until_us - since >= delays[active]:
            found.append((alarm, since + delays[active], not active, began))
            active, since = not active, NEVER
        state.active[alarm], state.since_us[alarm], state.value[alarm] = active, since, began

    def _steps(self, alarm: int, value: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
        """Return the positions at which the value's class changes, the first sample always, and the classes from there on."""
        sided = value * self._side[alarm]
        kind = np.full(len(value), _BETWEEN, np.int8)
        kind[sided > self._on_above[alarm]] = _ON
        kind[sided <= self._off_at[alarm]] = _OFF
        kind[np.isnan(value)] = _UNKNOWN
        steps = np.flatnonzero(np.diff(kind, prepend=np.int8(99)))
        return steps, kind[steps]


def _extremes(offsets: Times, value: Floats) -> tuple[Floats, Floats, Bools]:
    """Return, for each signal, lowest and highest value (inf and -inf without any) and whether one is unknown; shapes (signals,)."""
    signals = len(offsets) - 1
    low, high, unknown = np.full(signals, np.inf), np.full(signals, -np.inf), np.zeros(signals, np.bool_)
    some = np.flatnonzero(offsets[1:] > offsets[:-1])
    if len(some):
        starts = offsets[some]
        low[some] = np.fmin.reduceat(value, starts)
        high[some] = np.fmax.reduceat(value, starts)
        nan = np.isnan(value)
        if nan.any():
            unknown[some] = np.logical_or.reduceat(nan, starts)
            low[np.isnan(low)] = np.inf
            high[np.isnan(high)] = -np.inf
    return low, high, unknown


def _columns(found: Sequence[tuple[int, int, bool, float]]) -> Changes:
    return Changes(
        np.array([one[0] for one in found], np.int64),
        np.array([one[1] for one in found], np.int64),
        np.array([one[2] for one in found], np.bool_),
        np.array([one[3] for one in found], np.float64),
    )
