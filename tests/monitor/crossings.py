"""Random histories of many signals that cross their limits, judged by the monitor's own engine with restarts in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.limits import Bounds, LimitJudge, LimitState, Series
from plant.alarms import AlarmDefinition, AlarmEvent, AlarmId, AlarmKind, AlarmLife, AlarmState, lived
from plant.signals import SignalPath

KINDS = (AlarmKind.HIGH_HIGH, AlarmKind.HIGH, AlarmKind.LOW, AlarmKind.LOW_LOW)
LIMITS = {AlarmKind.HIGH_HIGH: 95.0, AlarmKind.HIGH: 80.0, AlarmKind.LOW: 20.0, AlarmKind.LOW_LOW: 5.0}


@dataclass(frozen=True, slots=True)
class History:
    """What some signals told, as columns over (sample, signal)."""

    time_us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


def random_history(chance: np.random.Generator, samples: int, signals: int) -> History:
    """Values that jump over all limits, with some that are none."""
    value = chance.choice([0.0, 10.0, 50.0, 85.0, 99.0, np.nan], (samples, signals), p=[0.18, 0.18, 0.25, 0.18, 0.18, 0.03])
    return History(np.cumsum(chance.integers(1, 40, samples)), value)


def definitions(chance: np.random.Generator, signals: int) -> list[AlarmDefinition]:
    """Four limits for each signal, with deadbands, delays and latches as chance has it."""
    found = []
    for signal in range(signals):
        path = SignalPath(f"a/b/c/s{signal}")
        for kind in KINDS:
            on, off = (int(one) for one in chance.choice([0, 0, 30, 100], 2))
            deadband = float(chance.choice([0.0, 2.0]))
            name = AlarmId(f"{path}:{kind.value}")
            found.append(AlarmDefinition(name, path, kind, LIMITS[kind], deadband, on, off, latching=bool(chance.integers(2))))
    return found


def transitions(whats: list[AlarmDefinition], history: History, cuts: list[int]) -> Iterator[tuple[int, int, bool]]:
    """Judge a history piece by piece, each time with what a restart would know, and give alarm, time and whether it is active."""
    signals = history.value.shape[1]
    which = np.repeat(np.arange(signals), len(KINDS))
    state = LimitState.fresh(len(whats))
    for first, last in zip([0, *cuts], [*cuts, len(history.time_us)], strict=True):
        kept = LimitState(state.active.copy(), state.since_us.copy(), state.received_us.copy(), state.value.copy())
        judge = LimitJudge(whats, which, kept)
        value = history.value[first:last].T.ravel()
        times = np.tile(history.time_us[first:last], signals)
        offsets = np.arange(signals + 1) * (last - first)
        end = history.time_us[last] if last < len(history.time_us) else history.time_us[-1] + 1_000
        until = np.full(signals, end)
        spans = {n: (int(offsets[n]), int(offsets[n + 1])) for n in range(signals)}
        found = judge.judge(judge.candidates(Bounds.of(offsets, value), until), Series(spans, times, times, value), until)
        yield from zip(found.alarm.tolist(), found.time_us.tolist(), found.active.tolist(), strict=True)
        state = judge.state


def expected(what: AlarmDefinition, time_us: npt.NDArray[np.int64], value: npt.NDArray[np.float64]) -> list[tuple[int, bool]]:
    """When one alarm comes and goes, by the words of the standard, sample by sample."""
    sign = 1.0 if what.kind in {AlarmKind.HIGH, AlarmKind.HIGH_HIGH} else -1.0
    found: list[tuple[int, bool]] = []
    active, since = False, -1
    for now, v in [*zip(time_us.tolist(), value.tolist(), strict=True), (int(time_us[-1]) + 999, None)]:
        delay = what.off_delay_us if active else what.on_delay_us
        if since >= 0 and now >= since + delay:
            active = not active
            found.append((since + delay, active))
            since = -1
        if v is None:
            break
        over, back = sign * v > sign * what.limit, sign * v <= sign * what.limit - what.deadband
        if not (back if active else over):
            since = -1
        elif not (what.off_delay_us if active else what.on_delay_us):
            active = not active
            found.append((now, active))
        elif since < 0:
            since = now
    return found


def chained(changes: list[tuple[int, bool]], what: AlarmDefinition) -> AlarmState:
    """Live through changes; raises AssertionError where one is double or out of order."""
    life, before = AlarmLife(), -1
    for time_us, active in changes:
        assert time_us >= before, f"{what.id} goes back in time"
        after = lived(life, AlarmEvent.ACTIVE if active else AlarmEvent.INACTIVE, latching=what.latching)
        assert after != life, f"{what.id} changes twice to the same"
        life, before = after, time_us
    return life.state
