"""When alarms become active and inactive: limits, deadbands and delays over columns of samples of many signals at once.

The judgement depends on the samples and their times alone, never on how they were cut into batches: a value holds until the next sample
of its signal, and a delay ends when it ends, whether a sample comes then or not. So history judged again gives the same.

A delay runs by two clocks, for the clock of a device may be hours off: it is over when a sample of the source's time behind its end comes,
or when so much time went by on our own clock. What is decided by which of our times stands beside each change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

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
Change: TypeAlias = tuple[int, int, int, bool, float]
"""Alarm, time, decided, active, value."""


@dataclass(frozen=True, slots=True)
class Changes:
    """When conditions came and went, ordered by time, then by alarm; columns of equal length."""

    alarm: npt.NDArray[np.int64]
    """Position of the alarm among the definitions."""
    time_us: Times
    """By the clock of the source."""
    decided_us: Times
    """By our clock: from when on it was known."""
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
    received_us: Times
    """When that value was received."""
    value: Floats
    """The value that began it."""

    @classmethod
    def fresh(cls, alarms: int) -> LimitState:
        """Return the state of conditions never judged."""
        return cls(np.zeros(alarms, np.bool_), np.full(alarms, NEVER), np.full(alarms, NEVER), np.full(alarms, np.nan))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which values the new samples of each signal lie; columns of equal length."""

    low: Floats
    """inf where there is no good number."""
    high: Floats
    """-inf where there is none."""
    unknown: Bools
    """Whether one has no good number."""

    @classmethod
    def of(cls, offsets: Times, value: Floats) -> Bounds:
        """Return the bounds of samples, those of signal i being ``offsets[i]`` to ``offsets[i + 1]``."""
        signals = len(offsets) - 1
        low, high, unknown = np.full(signals, np.inf), np.full(signals, -np.inf), np.zeros(signals, np.bool_)
        some = np.flatnonzero(offsets[1:] > offsets[:-1])
        if len(some):
            starts = offsets[some]
            nan = np.isnan(value)
            low[some] = np.minimum.reduceat(np.where(nan, np.inf, value), starts)
            high[some] = np.maximum.reduceat(np.where(nan, -np.inf, value), starts)
            unknown[some] = np.logical_or.reduceat(nan, starts)
        return cls(low, high, unknown)


@dataclass(frozen=True, slots=True)
class Series:
    """Samples in the order in which they are judged: each signal's own as they were received."""

    spans: Mapping[int, tuple[int, int]]
    """For the position of each signal that has some, from where to where they lie."""
    time_us: Times
    received_us: Times
    value: Floats
    """NaN where there is no number or it is bad."""


class LimitJudge:
    """Judges high and low limits of many signals. ``signals``: for each alarm, the position of its signal in the batches."""

    def __init__(self, definitions: Sequence[AlarmDefinition], signals: npt.NDArray[np.intp], state: LimitState | None = None) -> None:
        """Raises ValueError for a definition that is no limit."""
        side = [_ABOVE.get(d.kind) for d in definitions]
        if None in side:
            raise ValueError(f"{next(d.id for d in definitions if d.kind not in _ABOVE)} is no limit")
        self.signals = np.asarray(signals, np.intp)
        self._side: Floats = np.array(side, np.float64)
        limit = np.array([d.limit for d in definitions], np.float64)
        self._on_above = self._side * limit
        self._off_at = self._side * limit - np.array([d.deadband for d in definitions], np.float64)
        self._delay_on: Times = np.array([d.on_delay_us for d in definitions], np.int64)
        self._delay_off: Times = np.array([d.off_delay_us for d in definitions], np.int64)
        self.state = LimitState.fresh(len(definitions)) if state is None else state

    def candidates(self, bounds: Bounds, until_us: Times) -> npt.NDArray[np.intp]:
        """Return the alarms that may change; for all others neither the condition nor a delay can.

        ``until_us``, shape (signals,): all samples of the signal that were received before this are known.
        """
        side = self._side > 0
        signals = self.signals
        farthest = np.where(side, bounds.high[signals], -bounds.low[signals])
        nearest = np.where(side, bounds.low[signals], -bounds.high[signals])
        active = self.state.active
        waiting = self.state.since_us != NEVER
        # a delay that runs changes only by a sample that breaks it or by its end; any sample may tell of its end
        over = np.zeros(len(signals), np.bool_)
        if waiting.any():
            delay = np.where(active, self._delay_off, self._delay_on)[waiting]
            at = signals[waiting]
            over[waiting] = until_us[at] - self.state.received_us[waiting] > delay
            over[waiting] |= (bounds.low[at] <= bounds.high[at]) | bounds.unknown[at]
        begins = ~waiting & np.where(active, nearest <= self._off_at, farthest > self._on_above)
        return np.flatnonzero(over | begins)

    def judge(self, alarms: npt.NDArray[np.intp], samples: Series, until_us: Times) -> Changes:
        """Return what changed of some alarms, at least all candidates, by more samples and by time going on."""
        found: list[Change] = []
        for alarm in alarms.tolist():
            signal = int(self.signals[alarm])
            first, last = samples.spans.get(signal, (0, 0))
            columns = (samples.time_us[first:last], samples.received_us[first:last], samples.value[first:last])
            self._run(alarm, columns, int(until_us[signal]), found)
        found.sort(key=lambda change: (change[2], change[1], change[0]))
        return _columns(found)

    def _run(self, alarm: int, columns: tuple[Times, Times, Floats], until_us: int, found: list[Change]) -> None:
        """Judge one alarm, stretch by stretch of samples that mean the same."""
        state = self.state
        time_us, received_us, value = columns
        now = _Waiting(
            bool(state.active[alarm]), int(state.since_us[alarm]), int(state.received_us[alarm]), float(state.value[alarm]),
            (int(self._delay_on[alarm]), int(self._delay_off[alarm])),
        )  # fmt: skip
        steps, kinds = self._steps(alarm, value)
        ends = [*steps[1:].tolist(), len(value)][: len(steps)]
        for at, end, kind in zip(steps.tolist(), ends, kinds.tolist(), strict=True):
            now.over(alarm, time_us[at : at + 1], received_us[at : at + 1], found)
            if kind != (_OFF if now.active else _ON):
                now.since = NEVER
                continue
            if not now.delays[now.active]:
                found.append((alarm, int(time_us[at]), int(received_us[at]), not now.active, float(value[at])))
                now.active = not now.active
                continue
            if now.since == NEVER:
                now.since, now.heard, now.began = int(time_us[at]), int(received_us[at]), float(value[at])
            now.over(alarm, time_us[at + 1 : end], received_us[at + 1 : end], found)
        if now.since != NEVER and until_us - now.heard > now.delays[now.active]:
            now.ends(alarm, now.heard + now.delays[now.active], found)
        state.active[alarm], state.since_us[alarm], state.value[alarm] = now.active, now.since, now.began
        state.received_us[alarm] = NEVER if now.since == NEVER else now.heard

    def _steps(self, alarm: int, value: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
        """Return the positions at which the value's class changes, the first sample always, and the classes from there on."""
        sided = value * self._side[alarm]
        kind = np.full(len(value), _BETWEEN, np.int8)
        kind[sided > self._on_above[alarm]] = _ON
        kind[sided <= self._off_at[alarm]] = _OFF
        kind[np.isnan(value)] = _UNKNOWN
        steps = np.flatnonzero(np.diff(kind, prepend=np.int8(99)))
        return steps, kind[steps]


@dataclass(slots=True)
class _Waiting:
    """One condition while it is judged."""

    active: bool
    since: int
    heard: int
    began: float
    delays: tuple[int, int]

    def over(self, alarm: int, time_us: Times, received_us: Times, found: list[Change]) -> None:
        """End the delay that runs when one of some samples lies behind its end."""
        if self.since == NEVER or not len(time_us):
            return
        delay = self.delays[self.active]
        behind = (time_us >= self.since + delay) | (received_us >= self.heard + delay)
        if behind.any():
            self.ends(alarm, min(int(received_us[int(behind.argmax())]), self.heard + delay), found)

    def ends(self, alarm: int, decided_us: int, found: list[Change]) -> None:
        """Change."""
        found.append((alarm, self.since + self.delays[self.active], decided_us, not self.active, self.began))
        self.active, self.since = not self.active, NEVER


def _columns(found: Sequence[Change]) -> Changes:
    return Changes(
        np.array([one[0] for one in found], np.int64),
        np.array([one[1] for one in found], np.int64),
        np.array([one[2] for one in found], np.int64),
        np.array([one[3] for one in found], np.bool_),
        np.array([one[4] for one in found], np.float64),
    )
