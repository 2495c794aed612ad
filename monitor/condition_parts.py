"""Cuts what was sampled of an equipment into parts, and measures each: its steps, its features, its energy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.step_features import DURATION, FEATURES, Course, Occurrence, energy_kwh, held_in, metered, occurrences, summaries, within
from plant.condition import ConditionPlan
from plant.signals import SignalPath
from storage.condition import StreamKey
from storage.feed import SampleColumns


@dataclass(frozen=True, slots=True)
class Held:
    """What a signal held last: number and text, since when."""

    time_us: int
    value: float
    text: str | None

    @property
    def label(self) -> str:
        """Return it as a word; empty for what is bad."""
        if self.text is not None:
            return self.text
        return f"{self.value:.12g}" if math.isfinite(self.value) else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one signal told over a span, oldest first, begun with what it held before."""

    course: Course
    changes: tuple[tuple[int, str], ...]
    """When which word began to hold."""
    last: Held | None

    def label_at(self, time_us: int) -> str:
        """Return the word that held at a time."""
        found = ""
        for time, label in self.changes:
            if time > time_us:
                break
            found = label
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """One part."""

    begin_us: int
    end_us: int
    part: str
    program: str
    numbers: Mapping[StreamKey, float]
    wear: float | None
    tool: Held | None
    energy_kwh: float | None
    idle_kwh: float | None


def told_of(columns: SampleColumns, signals: Sequence[SignalPath], before: Mapping[SignalPath, Held]) -> dict[SignalPath, Told]:
    """Return what each signal told, from its samples and from what it held before them."""
    return {path: _told(columns, number, before.get(path)) for number, path in enumerate(signals)}


def _told(columns: SampleColumns, number: int, before: Held | None) -> Told:
    span = slice(int(columns.offsets[number]), int(columns.offsets[number + 1]))
    time, value = columns.time_us[span], columns.value[span]
    texts = None if columns.text is None else columns.text[span]
    changes: list[tuple[int, str]] = []
    if before is not None:
        changes.append((before.time_us, before.label))
        time, value = np.concatenate([[before.time_us], time]), np.concatenate([[before.value], value])
    last = before
    fresh = columns.time_us[span]
    if len(fresh):
        is_text = texts is not None and any(text is not None for text in texts[-1:])
        if is_text and texts is not None:
            moved = np.flatnonzero(np.concatenate([[True], texts[1:] != texts[:-1]]))
        else:
            own = columns.value[span]
            moved = np.flatnonzero(np.concatenate([[True], own[1:] != own[:-1]]))
        for place in moved.tolist():
            text = texts[place] if texts is not None else None
            label = Held(0, float(columns.value[span][place]), text).label
            if label and (not changes or changes[-1][1] != label):
                changes.append((int(fresh[place]), label))
        end_text = texts[-1] if texts is not None else None
        last = Held(int(fresh[-1]), float(columns.value[span][-1]), end_text)
        if not last.label and before is not None and not math.isfinite(before.value):
            last = Held(last.time_us, last.value, before.text)
    return Told(Course(time, value), tuple(changes), last)


def measure(plan: ConditionPlan, told: Mapping[SignalPath, Told], begin_us: int, end_us: int, part: str) -> Measured:
    """Return a part that ran from begin to end, from what its signals told."""
    middle = (begin_us + end_us) // 2
    program = "" if plan.program is None else told[plan.program].label_at(middle)
    steps = occurrences(_steps(plan, told, begin_us), begin_us, end_us)
    numbers: dict[StreamKey, float] = {}
    for step in steps:
        if step.seconds > 0:
            numbers[StreamKey(program, step.step, step.number, "", DURATION)] = math.log(step.seconds)
        for path in plan.signals:
            value, seconds = held_in(told[path].course, step.spans)
            if not len(value):
                continue
            found = summaries(value, seconds)
            name = path.rpartition("/")[2]
            for feature in FEATURES:
                if math.isfinite(float(found[feature])):
                    numbers[StreamKey(program, step.step, step.number, name, feature)] = float(found[feature])
    tool = None if plan.tool_life is None else told[plan.tool_life].last
    return Measured(begin_us, end_us, part, program, numbers, _wear(plan, told, steps), tool, *_energy(plan, told, begin_us, end_us))


def _steps(plan: ConditionPlan, told: Mapping[SignalPath, Told], begin_us: int) -> list[tuple[int, str | None]]:
    """Return when which step began; None while the machine stands."""
    steps = [(begin_us, "")] if plan.step is None else list(told[plan.step].changes)
    if plan.running is None:
        return list(steps)
    signal, words = plan.running
    times = sorted({time for time, _ in steps} | {time for time, _ in told[signal].changes})
    found: list[tuple[int, str | None]] = []
    for time in times:
        step: str | None = None
        for since, name in steps:
            if since <= time:
                step = name
        if told[signal].label_at(time) not in words:
            step = None
        if not found or found[-1][1] != step:
            found.append((time, step))
    return found


def _wear(plan: ConditionPlan, told: Mapping[SignalPath, Told], steps: Sequence[Occurrence]) -> float | None:
    """Return the mean of the signal that tells the wear, over all runs of its step."""
    if plan.wear is None:
        return None
    spans = [span for step in steps if plan.wear.step in {"", step.step} for span in step.spans]
    if not spans:
        return None
    value, seconds = held_in(told[plan.wear.signal].course, spans)
    if not len(value):
        return None
    mean = float(summaries(value, seconds)["mean"])
    return mean if math.isfinite(mean) else None


def _energy(plan: ConditionPlan, told: Mapping[SignalPath, Told], begin_us: int, end_us: int) -> tuple[float | None, float | None]:
    """Return the energy of a part, and how much of it went while the machine did not work (None where nobody tells whether it works)."""
    energy = plan.energy
    if energy is None:
        return None, None
    course = told[energy.signal].course

    def of(begin: int, end: int) -> float | None:
        if energy.is_meter:
            rise = metered(course, begin, end)
            return None if rise is None else rise * energy.kwh_per_unit
        return energy_kwh(*within(course, begin, end), energy.kwh_per_unit)

    whole = of(begin_us, end_us)
    if plan.running is None or whole is None:
        return whole, None
    signal, words = plan.running
    marks = [(max(time, begin_us), label) for time, label in told[signal].changes if time < end_us]
    ends = [*(time for time, _ in marks[1:]), end_us]
    idle = [of(time, end) for (time, label), end in zip(marks, ends, strict=True) if label not in words and end > time]
    return whole, sum(each for each in idle if each is not None)
