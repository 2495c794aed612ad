from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.limits import NEVER, Bounds, Changes, LimitJudge, LimitState, Series
from plant.alarms import AlarmDefinition, AlarmId, AlarmKind
from plant.signals import SignalPath

PATH = SignalPath("a/b/c/temperature")
Change = tuple[int, bool, float]


def definition(
    kind: AlarmKind = AlarmKind.HIGH, limit: float = 10, deadband: float = 0, on_delay_us: int = 0, off_delay_us: int = 0
) -> AlarmDefinition:
    return AlarmDefinition(AlarmId(f"{PATH}:{kind}"), PATH, kind, limit, deadband, on_delay_us, off_delay_us)


def judged(judge: LimitJudge, samples: list[tuple[int, float]], until_us: int, lag_us: int = 0) -> Changes:
    """What samples of one signal change, each received some time after its own."""
    return judged_many(judge, [[(time, time + lag_us, value) for time, value in samples]], until_us)


def judged_many(judge: LimitJudge, parts: list[list[tuple[int, int, float]]], until_us: int) -> Changes:
    """What samples of some signals change; time, reception and value of each."""
    offsets = np.cumsum([0, *map(len, parts)])
    flat = [sample for part in parts for sample in part]
    time_us, received_us = (np.array([sample[n] for sample in flat], np.int64) for n in range(2))
    value = np.array([v for _, _, v in flat], np.float64)
    until = np.full(len(parts), until_us)
    spans = {n: (int(offsets[n]), int(offsets[n + 1])) for n in range(len(parts))}
    return judge.judge(judge.candidates(Bounds.of(offsets, value), until), Series(spans, time_us, received_us, value), until)


def changes_of(what: AlarmDefinition, samples: list[tuple[int, float]], until_us: int) -> list[Change]:
    found = judged(LimitJudge([what], np.array([0])), samples, until_us)
    return list(zip(found.time_us.tolist(), found.active.tolist(), found.value.tolist(), strict=True))


def test_a_value_above_its_high_limit_is_active_until_it_is_back_at_it() -> None:
    assert changes_of(definition(), [(1, 9), (2, 10), (3, 10.5), (4, 11), (5, 10), (6, 9)], 7) == [(3, True, 10.5), (5, False, 10)]


def test_a_low_limit_looks_downwards() -> None:
    assert changes_of(definition(AlarmKind.LOW), [(1, 10), (2, 9), (3, 12)], 7) == [(2, True, 9), (3, False, 12)]


def test_a_deadband_keeps_the_alarm_until_the_value_is_well_back() -> None:
    samples = [(1, 11.0), (2, 9.5), (3, 10.5), (4, 8.0), (5, 9.0)]
    assert changes_of(definition(deadband=2), samples, 6) == [(1, True, 11), (4, False, 8)]


def test_a_delay_ends_when_it_ends_though_no_sample_comes() -> None:
    slow = definition(on_delay_us=100)
    assert changes_of(slow, [(10, 11)], 110) == []
    assert changes_of(slow, [(10, 11)], 111) == [(110, True, 11)]
    assert changes_of(slow, [(10, 11), (500, 12)], 500) == [(110, True, 11)]


def test_a_value_that_comes_back_within_the_delay_raises_nothing() -> None:
    slow = definition(on_delay_us=100)
    assert changes_of(slow, [(10, 11), (109, 9), (150, 11), (249, 9)], 1000) == []
    assert changes_of(slow, [(10, 11), (110, 9)], 1000) == [(110, True, 11), (110, False, 9)]


@pytest.mark.parametrize("breaks", [[(50, 9.0)], [(50, math.nan)]], ids=["a value that is back", "a value that is none"])
def test_an_alarm_whose_delay_runs_is_looked_at_though_the_bounds_of_what_came_raise_nothing(breaks: list[tuple[int, float]]) -> None:
    judge = LimitJudge([definition(on_delay_us=100)], np.array([0]))
    assert not len(judged(judge, [(10, 11)], 20))
    # a batch that lies wholly below the limit, or says nothing: it breaks the delay
    assert not len(judged(judge, breaks, 60))
    assert not len(judged(judge, [(70, 12)], 150))
    found = judged(judge, [], 171)
    assert (found.time_us.tolist(), found.active.tolist()) == ([170], [True])


def test_a_delay_to_return_that_runs_is_broken_by_a_batch_that_lies_wholly_beyond_the_limit() -> None:
    judge = LimitJudge([definition(off_delay_us=100)], np.array([0]))
    assert judged(judge, [(10, 11)], 20).active.tolist() == [True]
    assert not len(judged(judge, [(30, 9)], 40))
    assert not len(judged(judge, [(60, 12)], 100))
    assert not len(judged(judge, [], 140))
    assert judged(judge, [(150, 9)], 260).time_us.tolist() == [250]


def test_an_unknown_value_proves_nothing_and_breaks_a_delay() -> None:
    assert changes_of(definition(), [(1, 11), (2, math.nan), (3, 11), (4, math.nan)], 9) == [(1, True, 11)]
    assert changes_of(definition(on_delay_us=100), [(10, 11), (50, math.nan), (60, 11)], 160) == []
    assert changes_of(definition(on_delay_us=100), [(10, 11), (50, math.nan), (60, 11)], 161) == [(160, True, 11)]


def test_a_delay_runs_by_the_clock_of_the_source_too_and_by_ours_where_that_one_is_off() -> None:
    slow = definition(on_delay_us=100)
    ahead = judged_many(LimitJudge([slow], np.array([0])), [[(10, 5_000, 11), (120, 5_050, 9)]], 5_060)
    assert (ahead.time_us.tolist(), ahead.decided_us.tolist(), ahead.active.tolist()) == ([110, 120], [5_050, 5_050], [True, False])
    behind = judged_many(LimitJudge([slow], np.array([0])), [[(10, 5_000, 11), (20, 5_150, 9)]], 5_200)
    assert (behind.time_us.tolist(), behind.decided_us.tolist()) == ([110, 20], [5_100, 5_150])
    assert not len(judged_many(LimitJudge([slow], np.array([0])), [[(9_000, 50, 11), (9_050, 90, 9)]], 5_000))


def test_what_is_no_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="no limit"):
        LimitJudge([definition(AlarmKind.RATE)], np.array([0]))


@dataclass
class Reference:
    """The same judgement by one alarm, one microsecond after the other."""

    what: AlarmDefinition
    active: bool = False
    since: int | None = None
    began: float = math.nan
    value: float = math.nan

    def instant(self, now: int, sample: float | None, found: list[Change]) -> None:
        self._expire(now, found)
        if sample is not None:
            self.value = sample
            self._look(now)
            self._expire(now, found)

    def _look(self, now: int) -> None:
        sign = 1 if self.what.kind in {AlarmKind.HIGH, AlarmKind.HIGH_HIGH} else -1
        over = sign * self.value > sign * self.what.limit
        back = sign * self.value <= sign * self.what.limit - self.what.deadband
        towards = not math.isnan(self.value) and (back if self.active else over)
        if not towards:
            self.since = None
        elif self.since is None:
            self.since, self.began = now, self.value

    def _expire(self, now: int, found: list[Change]) -> None:
        delay = self.what.off_delay_us if self.active else self.what.on_delay_us
        if self.since is not None and now >= self.since + delay:
            self.active = not self.active
            found.append((now, self.active, self.began))
            self.since = None


values = st.one_of(st.floats(6, 14).map(lambda v: round(v * 2) / 2), st.just(math.nan))
definitions = st.builds(
    definition,
    st.sampled_from([AlarmKind.HIGH, AlarmKind.LOW, AlarmKind.HIGH_HIGH, AlarmKind.LOW_LOW]),
    st.sampled_from([9.0, 10.0, 11.0]),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    st.integers(0, 12),
    st.integers(0, 12),
)
histories = st.dictionaries(st.integers(0, 60), values, max_size=40)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(definitions, st.integers(0, 2)), min_size=1, max_size=6), st.tuples(*[histories] * 3), st.data())
def test_many_alarms_in_any_batches_with_restarts_change_as_one_alarm_looked_at_each_instant(
    alarms: list[tuple[AlarmDefinition, int]], signals: tuple[dict[int, float], ...], data: st.DataObject
) -> None:
    lag = data.draw(st.sampled_from([0, 7, -1_000_000, 1_000_000]))
    cuts = [*sorted(data.draw(st.lists(st.integers(1, 80), max_size=6, unique=True))), 90]
    whats, which = [a for a, _ in alarms], np.array([s for _, s in alarms])
    found: list[tuple[int, int, bool, float]] = []
    state = LimitState.fresh(len(whats))
    begin = 0
    for cut in cuts:
        parts = [sorted((t, v) for t, v in signal.items() if begin <= t < cut) for signal in signals]
        kept = LimitState(state.active.copy(), state.since_us.copy(), state.received_us.copy(), state.value.copy())
        judge = LimitJudge(whats, which, kept)
        change = judged_many(judge, [[(t, t + lag, v) for t, v in part] for part in parts], cut + lag)
        assert (change.decided_us == change.time_us + lag).all()
        found += zip(change.alarm.tolist(), change.time_us.tolist(), change.active.tolist(), change.value.tolist(), strict=True)
        state, begin = judge.state, cut

    for place, (what, signal) in enumerate(alarms):
        expected: list[Change] = []
        reference = Reference(what)
        for now in range(90):
            reference.instant(now, signals[signal].get(now), expected)
        mine = [(time, active, value) for alarm, time, active, value in found if alarm == place]
        assert [repr(one) for one in mine] == [repr(one) for one in expected]


def test_conditions_that_cannot_change_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = LimitJudge([definition(limit=n) for n in range(1000)], np.zeros(1000, np.intp))
    looked: list[int] = []
    steps = judge._steps

    def look(alarm: int, value: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
        looked.append(alarm)
        return steps(alarm, value)

    monkeypatch.setattr(judge, "_steps", look)
    judged(judge, [(1, 500.5)], 2)
    assert looked == list(range(501))
    looked.clear()
    judged(judge, [(3, 499.5), (4, 501.5)], 5)
    assert looked == [500, 501]
    assert (judge.state.since_us == NEVER).all()
