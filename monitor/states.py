"""Samples of state signals as intervals: a pure function of rules, samples and what was seen before, the same however time is cut.

Each condition becomes a step function with three values: it holds, it does not, or nobody can tell, because the signal is bad, missing or
silent. Missing is never taken for running: where the rule asked next cannot be answered, the state is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.signals import SignalPath
from plant.states import Condition, EquipmentState, OperationMode, StateInterval, StateModel, StateRule, Test, fits

_HOLDS: Final = 1
_HOLDS_NOT: Final = 0
_UNTOLD: Final = -1
_TOUCH_US: Final = 1_000
"""Gaps that follow each other within so long are one: an outage is told piece by piece, tick by tick."""
Times = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class SignalSamples:
    """Samples of one signal in order of time, as columns; of several at one time the last one counts."""

    time_us: Times
    value: npt.NDArray[np.float64]
    """NaN where there is no number."""
    good: npt.NDArray[np.bool_]
    text: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.time_us)


NO_SAMPLES: Final = SignalSamples(np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_), np.empty(0, np.object_))


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of one signal from one piece of time to the next."""

    time_us: int
    value: float | None
    text: str | None
    good: bool
    last_good: float | None = None
    rose_us: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one equipment: all that the next piece of time needs."""

    done_us: int
    seen: Mapping[SignalPath, Seen]
    missing: Mapping[SignalPath, tuple[int, int]]
    """The last span of each signal in which samples are missing."""
    open: StateInterval | None = None


@dataclass(frozen=True, slots=True)
class Steps:
    """A value over time: ``value[n]`` holds from ``edge_us[n]`` on. The first edge is the begin of the span."""

    edge_us: Times
    value: npt.NDArray[np.object_] | Codes

    def at(self, time_us: Times) -> npt.NDArray[np.object_] | Codes:
        """Return the values at some times, none of them before the first edge."""
        return self.value[np.searchsorted(self.edge_us, time_us, side="right") - 1]


@dataclass(frozen=True, slots=True)
class Told:
    """What a piece of time told: intervals that ended, the one that goes on, and the context that counts need."""

    closed: list[StateInterval]
    memory: Memory
    context: tuple[Steps, Steps]
    """Product and order."""


Gaps = Mapping[SignalPath, Sequence[tuple[int, int]]]
"""Spans in which samples of a signal are missing, for those that have any."""


def tell(model: StateModel, memory: Memory, samples: Mapping[SignalPath, SignalSamples], gaps: Gaps, to_us: int) -> Told:
    """Return the intervals of one equipment in [``memory.done_us``, ``to_us``); the last one stays open in the memory."""
    from_us = memory.done_us
    tracks = {path: _track(model, path, memory, samples.get(path, NO_SAMPLES), gaps.get(path, ()), to_us) for path in model.signals()}
    decided = _decide(model, tracks, from_us)
    words = [_words(None if path is None else tracks[path], from_us) for path in (model.product, model.order, model.part)]
    edges = np.unique(np.concatenate([decided.edge_us, *(steps.edge_us for steps in words)]))
    rows = zip(edges.tolist(), decided.at(edges).tolist(), *(steps.at(edges).tolist() for steps in words), strict=True)
    closed: list[StateInterval] = []
    now = memory.open
    for time_us, (state, mode, reason), product, order, part in rows:
        if now is not None and (now.state, now.mode, now.reason) == (state, mode, reason):
            if (now.product, now.order, now.part) == (product, order, part):
                continue
            since = now.since_us
        else:
            since = time_us
        if now is not None and now.from_us < time_us:
            closed.append(replace(now, to_us=time_us))
        now = StateInterval(model.equipment, time_us, to_us, state, mode, reason, product, order, part, since)
    assert now is not None  # noqa: S101 - the first edge is the begin
    now = replace(now, to_us=to_us)
    seen = {path: track.last for path, track in tracks.items() if track.last is not None}
    missing = {path: track.run for path, track in tracks.items() if track.run is not None}
    return Told(closed, Memory(to_us, seen, missing, now), (words[0], words[1]))


@dataclass(frozen=True, slots=True)
class _Track:
    """One signal in a piece of time: samples with the last one before them, and spans in which it tells nothing."""

    samples: SignalSamples
    untold: list[tuple[int, int]]
    rises: Times
    last: Seen | None
    run: tuple[int, int] | None
    to_us: int

    def tells(self, time_us: Times) -> npt.NDArray[np.bool_]:
        """Return, shape (n,), where the signal has a value that may be trusted."""
        place = np.searchsorted(self.samples.time_us, time_us, side="right") - 1
        told = place >= 0
        if len(self.samples):
            told &= self.samples.good[place.clip(min=0)]
        for begin, end in self.untold:
            told &= ~((time_us >= begin) & (time_us < end))
        return told

    def edges(self, from_us: int, changes: npt.NDArray[np.bool_], more: Times | None = None) -> Times:
        """Return where the value may change: some samples, the ends of what is not told, and more."""
        ends = np.array([edge for span in self.untold for edge in span], np.int64)
        parts = [np.array([from_us], np.int64), self.samples.time_us[changes], ends, *([] if more is None else [more])]
        edges = np.unique(np.concatenate(parts))
        return edges[(edges >= from_us) & (edges < self.to_us)]


def _track(
    model: StateModel, path: SignalPath, memory: Memory, samples: SignalSamples, gaps: Sequence[tuple[int, int]], to_us: int
) -> _Track:
    before = memory.seen.get(path)
    joined = samples if before is None else _after(before, samples)
    rises, last_good, rose_us = _rises(before, samples)
    untold, run = _missing(memory.missing.get(path), gaps, model.hold_us, memory.done_us, to_us)
    if model.silent_us is not None and len(joined):
        ends = np.append(joined.time_us[1:], to_us)
        silent = joined.time_us + model.silent_us < ends
        untold += zip((joined.time_us[silent] + model.silent_us).tolist(), ends[silent].tolist(), strict=True)
    untold = [(max(a, memory.done_us), min(b, to_us)) for a, b in untold if a < to_us and b > memory.done_us]
    last = before
    if len(samples):
        value = float(samples.value[-1])
        last = Seen(
            int(samples.time_us[-1]), None if np.isnan(value) else value, samples.text[-1], bool(samples.good[-1]), last_good, rose_us
        )
    return _Track(joined, untold, rises, last, run, to_us)


def _after(before: Seen, samples: SignalSamples) -> SignalSamples:
    text = np.empty(1, np.object_)
    text[0] = before.text
    return SignalSamples(
        np.concatenate([np.array([before.time_us], np.int64), samples.time_us]),
        np.concatenate([np.array([np.nan if before.value is None else before.value]), samples.value]),
        np.concatenate([np.array([before.good]), samples.good]),
        np.concatenate([text, samples.text]),
    )


def _rises(before: Seen | None, samples: SignalSamples) -> tuple[Times, float | None, int | None]:
    """Return when the value rose, the last one before the span first, and the last good value."""
    chosen = samples.good & ~np.isnan(samples.value)
    values, times = samples.value[chosen], samples.time_us[chosen]
    last = None if before is None else before.last_good
    rose = None if before is None else before.rose_us
    known = np.concatenate([[values[0] if len(values) else 0.0] if last is None else [last], values])
    rises = times[np.diff(known) > 0]
    if rose is not None:
        rises = np.concatenate([np.array([rose], np.int64), rises])
    return rises, float(values[-1]) if len(values) else last, int(rises[-1]) if len(rises) else None


def _missing(
    run: tuple[int, int] | None, gaps: Sequence[tuple[int, int]], hold_us: int, from_us: int, to_us: int
) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """Return the spans in which too long a gap lets the signal tell nothing, and the last gap.

    Each ends a moment after its gap, so that what lies between two pieces of one outage depends on no piece that is told later.
    """
    untold = [] if run is None else [(run[0] + hold_us, run[1])]
    for begin, end in sorted(gaps):
        if begin >= to_us or (run is not None and end <= run[1]):
            continue
        run = (run[0], end) if run is not None and begin <= run[1] + _TOUCH_US else (begin, end)
        untold.append((max(begin, run[0] + hold_us), end))
    return [(a, b + _TOUCH_US) for a, b in untold if a < b and b + _TOUCH_US > from_us], run


def _decide(model: StateModel, tracks: Mapping[SignalPath, _Track], from_us: int) -> Steps:
    """Return state, mode and reason over time."""
    codes = [[_condition(tracks[one.signal], one, from_us) for one in rule.conditions] for rule in model.rules]
    words = {r.reason_signal: _words(tracks[r.reason_signal], from_us) for r in model.rules if r.reason_signal is not None}
    edges = np.unique(np.concatenate([np.array([from_us], np.int64), *(s.edge_us for rule in codes for s in rule)]))
    edges = np.unique(np.concatenate([edges, *(steps.edge_us for steps in words.values())]))
    chosen = np.full(len(edges), len(model.rules), np.int64)
    open_ = np.ones(len(edges), np.bool_)
    unsure = np.zeros(len(edges), np.bool_)
    for number, (rule, conditions) in enumerate(zip(model.rules, codes, strict=True)):
        found = np.array([steps.at(edges) for steps in conditions], np.int8)
        untold = (found == _UNTOLD).any(axis=0) & ~(found == _HOLDS_NOT).any(axis=0)
        holds = open_ & (found == _HOLDS).all(axis=0)
        chosen[holds] = number
        open_ &= ~holds
        unsure |= open_ & untold
        if not rule.may_be_missing:
            chosen[open_ & untold] = -1
            open_ &= ~untold
    chosen[open_ & unsure] = -1
    meant = np.empty(len(edges), np.object_)
    for place, (number, time_us) in enumerate(zip(chosen.tolist(), edges, strict=True)):
        rule_or_none = None if number < 0 else model.rules[number] if number < len(model.rules) else model.otherwise
        meant[place] = _meaning(rule_or_none, words, time_us)
    return Steps(edges, meant)


def _meaning(rule: StateRule | None, words: Mapping[SignalPath, Steps], time_us: np.int64) -> tuple[EquipmentState, OperationMode, str]:
    if rule is None:
        return EquipmentState.UNKNOWN, OperationMode.NONE, ""
    reason = rule.reason
    if rule.reason_signal is not None:
        said = str(words[rule.reason_signal].at(np.array([time_us], np.int64))[0])
        reason = rule.reason_of.get(said, reason)
    return rule.state, rule.mode, reason


def _condition(track: _Track, one: Condition, from_us: int) -> Steps:
    """Return over time whether a condition holds, does not, or nobody can tell."""
    samples = track.samples
    if one.test is Test.RISES:
        rises = track.rises
        changes = _changes(samples.good)
        edges = track.edges(from_us, changes, np.concatenate([rises, rises + one.window_us]))
        place = np.searchsorted(rises, edges, side="right") - 1
        holds = (place >= 0) & (edges < rises[place.clip(min=0)] + one.window_us) if len(rises) else np.zeros(len(edges), np.bool_)
    else:
        passed = _passed(samples, one)
        edges = track.edges(from_us, _changes(samples.good) | _changes(passed))
        place = np.searchsorted(samples.time_us, edges, side="right") - 1
        holds = (place >= 0) & passed[place.clip(min=0)] if len(samples) else np.zeros(len(edges), np.bool_)
    code = np.where(track.tells(edges), np.where(holds, _HOLDS, _HOLDS_NOT), _UNTOLD).astype(np.int8)
    return _fewest(edges, code)


def _passed(samples: SignalSamples, one: Condition) -> npt.NDArray[np.bool_]:
    if one.test is Test.TEXTS:
        known: dict[object, bool] = {}
        for text in set(samples.text.tolist()):
            known[text] = isinstance(text, str) and any(fits(glob, text) for glob in one.texts)
        return np.array([known[text] for text in samples.text.tolist()], np.bool_)
    if one.test is Test.EQUALS:
        return np.isin(samples.value, one.numbers)
    with np.errstate(invalid="ignore"):
        return samples.value > one.limit if one.test is Test.ABOVE else samples.value < one.limit


def _words(track: _Track | None, from_us: int) -> Steps:
    """Return what a signal names over time: its text, or its number as text; empty where it tells nothing."""
    if track is None:
        return Steps(np.array([from_us], np.int64), np.array([""], np.object_))
    samples = track.samples
    numbers = np.where(np.isnan(samples.value), 0.0, samples.value)
    changes = _changes(samples.good) | _changes(numbers) | _changes(samples.text)
    edges = track.edges(from_us, changes)
    tells, place = track.tells(edges), np.searchsorted(samples.time_us, edges, side="right") - 1
    names = np.empty(len(edges), np.object_)
    names[:] = [_name(samples, at) if told else "" for at, told in zip(place.tolist(), tells.tolist(), strict=True)]
    return _fewest(edges, names)


def _name(samples: SignalSamples, place: int) -> str:
    text = samples.text[place]
    if text is not None:
        return str(text)
    value = float(samples.value[place])
    return "" if np.isnan(value) else f"{value:.0f}" if value == int(value) else f"{value:g}"


def _changes(column: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return where a column differs from the row before; its first row does."""
    changed = np.ones(len(column), np.bool_)
    changed[1:] = column[1:] != column[:-1]
    return changed


def _fewest(edges: Times, value: npt.NDArray[np.object_] | Codes) -> Steps:
    """Return the same steps without edges at which nothing changes."""
    kept = _changes(value)
    return Steps(edges[kept], value[kept])
