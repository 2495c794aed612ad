"""Follows samples and keeps what equipment did: intervals of state, and pieces counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from monitor.counts import Counted, CounterSeen, count
from monitor.states import NO_SAMPLES, Memory, Seen, SignalSamples, Steps, Told, tell
from plant.clock import Clock
from plant.equipment import EquipmentId
from plant.oee import Made
from plant.settings import OpenProtocolSourceSettings
from plant.signals import SignalPath, SourceId
from plant.site import Site
from plant.states import Counter, EquipmentState, OperationMode, StateInterval, StateModel
from plant.status import good_mask
from storage.database import Connection
from storage.feed import SampleColumns, read_marks, read_numbers, read_samples
from storage.progress import read_progress, write_progress
from storage.states import (
    CounterNote,
    add_states,
    keep_checkpoint,
    read_first_received,
    read_missing,
    read_times_shipped,
    read_verdicts,
)

NAME: Final = "states"
_PIECE_US: Final = 600_000_000
"""At most so much of history in one step."""
_LAG_US: Final = 2_000_000
"""A sample counts at its own time where that is no further from the one at which we received it; else its clock is not believed."""
_CHECKPOINT_US: Final = 3_600_000_000
_CHECKPOINTS_KEPT_US: Final = 31 * 86_400_000_000
_KINDS: Final = ("good", "scrap", "rework", "produced")


def make_state_follower(site: Site, clock: Clock) -> StateFollower | None:  # noqa: ARG001 - states depend on no wall clock
    """Return what follows the states of a site, None where no equipment has any."""
    return StateFollower(site) if site.states.models else None


@dataclass(frozen=True, slots=True)
class _Unit:
    """One equipment and what must have arrived before it can be judged."""

    model: StateModel
    signals: tuple[SignalPath, ...]
    sources: tuple[SourceId, ...]
    tools: tuple[SourceId, ...]
    counters: tuple[tuple[str, Counter], ...]


@dataclass(slots=True)
class Remembered:
    """All that is remembered of one equipment."""

    memory: Memory
    counters: dict[SignalPath, CounterSeen] = field(default_factory=dict)


@dataclass(slots=True)
class Results:
    """What one piece of time gave."""

    intervals: list[StateInterval] = field(default_factory=list)
    pieces: list[Made] = field(default_factory=list)
    notes: list[CounterNote] = field(default_factory=list)


class StateFollower:
    """Intervals and pieces of all equipment that has rules. Each equipment goes as far as all its sources have told."""

    def __init__(self, site: Site) -> None:
        self.name = NAME
        self.pause_seconds = 1.0
        self._units = tuple(_unit(site, model) for model in site.states.models)
        self._source_of = {signal.path: signal.source for signal in site.signals}
        self._texts = {signal.path for signal in site.signals if signal.data_type.is_text}
        self._remembered: dict[EquipmentId, Remembered] | None = None
        self._numbers: dict[str, int] = {}
        self._kept = -1

    def step(self, connection: Connection) -> bool:
        """Judge what has become certain, at most ten minutes of history of each equipment; return whether more waits."""
        if self._remembered is None:
            progress = read_progress(connection, NAME)
            self._remembered = {} if progress is None else unpacked(progress.state)
        due, more = self._due(connection, self._remembered)
        if not due:
            return False
        made = Results()
        remembered = dict(self._remembered)
        for (from_us, to_us), units in due.items():
            remembered |= self._judge(connection, units, from_us, to_us, made)
        with connection.transaction():
            add_states(connection, made.intervals, made.pieces, made.notes)
            done_us = min(one.memory.done_us for one in remembered.values())
            write_progress(connection, NAME, done_us, packed(remembered))
            if done_us // _CHECKPOINT_US != self._kept:
                keep_checkpoint(connection, done_us, packed(remembered), _CHECKPOINTS_KEPT_US)
        self._kept = done_us // _CHECKPOINT_US
        self._remembered = remembered
        return more

    def again(self, connection: Connection, remembered: dict[EquipmentId, Remembered], to_us: int) -> Results:
        """Return what comes of judging from what was remembered once up to a time; nothing is written."""
        made = Results()
        self._remembered = dict(remembered)
        while True:
            due, _ = self._due(connection, self._remembered, to_us)
            if not due:
                return made
            for (begin, end), units in due.items():
                self._remembered |= self._judge(connection, units, begin, end, made)

    def _due(
        self, connection: Connection, remembered: dict[EquipmentId, Remembered], most_us: int = 2**62
    ) -> tuple[dict[tuple[int, int], list[_Unit]], bool]:
        """Return which equipment can be judged over which span, and whether that is not all."""
        marks = {source: mark.until_us for source, mark in read_marks(connection).items()}
        found: dict[tuple[int, int], list[_Unit]] = {}
        more = False
        for unit in self._units:
            if any(source not in marks for source in unit.sources):
                continue
            told_us = min(marks[source] for source in (*unit.sources, *(tool for tool in unit.tools if tool in marks)))
            until_us = min(told_us - _LAG_US, most_us)
            if unit.model.equipment not in remembered:
                first = read_first_received(connection, unit.sources)
                if first is None:
                    continue
                remembered[unit.model.equipment] = Remembered(Memory(first - first % 1_000_000, {}, {}))
            from_us = remembered[unit.model.equipment].memory.done_us
            to_us = min(until_us, from_us + _PIECE_US)
            if to_us > from_us:
                found.setdefault((from_us, to_us), []).append(unit)
                more |= to_us < until_us
        return found, more

    def _judge(
        self, connection: Connection, units: Sequence[_Unit], from_us: int, to_us: int, made: Results
    ) -> dict[EquipmentId, Remembered]:
        wanted = list(dict.fromkeys(path for unit in units for path in unit.signals))
        samples = self._samples(connection, wanted, from_us, to_us)
        sources = sorted({source for unit in units for source in unit.sources})
        hold_us = max(unit.model.hold_us for unit in units)
        gaps = read_missing(connection, sources, from_us - hold_us, to_us)
        counting = [unit.model.equipment for unit in units if unit.model.count_tightenings]
        verdicts = read_verdicts(connection, counting, from_us, to_us) if counting else []
        found = {}
        for unit in units:
            assert self._remembered is not None  # noqa: S101 - read before
            missing = {
                path: [(a, b) for source, signal, a, b in gaps if source == self._source_of[path] and signal in {None, path}]
                for path in unit.signals
            }
            found[unit.model.equipment] = judge(
                unit.model, unit.counters, self._remembered[unit.model.equipment], samples, missing, to_us, made
            )
        made.pieces += verdicts
        return found

    def _samples(self, connection: Connection, paths: Sequence[SignalPath], from_us: int, to_us: int) -> dict[SignalPath, SignalSamples]:
        if any(path not in self._numbers for path in paths):
            self._numbers = read_numbers(connection)[0]
        known = [path for path in paths if path in self._numbers]
        received = (from_us - _LAG_US, to_us + _LAG_US)
        sources = sorted({self._source_of[path] for path in known})
        times = read_times_shipped(connection, sources, *received) or received
        found: dict[SignalPath, SignalSamples] = {}
        for texts in (False, True):
            some = [path for path in known if (path in self._texts) == texts]
            if some:
                columns = read_samples(connection, [self._numbers[p] for p in some], times, received, texts=texts, by_time=True)
                found |= {path: signal_samples(columns, place, from_us, to_us) for place, path in enumerate(some)}
        return found


def signal_samples(columns: SampleColumns, place: int, from_us: int, to_us: int) -> SignalSamples:
    """Return the samples of one signal that count within a span, each at the time at which it counts."""
    rows = slice(int(columns.offsets[place]), int(columns.offsets[place + 1]))
    own, received = columns.time_us[rows], columns.received_us[rows]
    times = np.where(np.abs(received - own) <= _LAG_US, own, received)
    chosen = np.flatnonzero((times >= from_us) & (times < to_us))
    order = chosen[np.argsort(times[chosen], kind="stable")]
    if not len(order):
        return NO_SAMPLES
    text = np.full(len(order), None, np.object_) if columns.text is None else columns.text[rows][order]
    return SignalSamples(times[order], columns.value[rows][order], good_mask(columns.status[rows][order]), text)


def judge(
    model: StateModel,
    counters: Sequence[tuple[str, Counter]],
    before: Remembered,
    samples: Mapping[SignalPath, SignalSamples],
    missing: Mapping[SignalPath, Sequence[tuple[int, int]]],
    to_us: int,
    made: Results,
) -> Remembered:
    """Add what one equipment did until ``to_us``; return what is to be remembered of it."""
    told = tell(model, before.memory, samples, missing, to_us)
    made.intervals += told.closed
    if told.memory.open is not None:
        made.intervals.append(told.memory.open)
    seen = dict(before.counters)
    for kind, counter in counters:
        counted = count(counter, seen.get(counter.signal, CounterSeen()), samples.get(counter.signal, NO_SAMPLES))
        seen[counter.signal] = counted.seen
        made.pieces += _pieces(model, kind, counted, before.memory, told)
        name = counter.signal.rpartition("/")[2]
        made.notes += [CounterNote(model.equipment, n.time_us, name, n.fault.value, n.before, n.after) for n in counted.noted]
    return Remembered(told.memory, seen)


def _pieces(model: StateModel, kind: str, counted: Counted, before: Memory, told: Told) -> list[Made]:
    """Return pieces with the product and order that held just before each was counted: the counter rises when a part is done."""
    then = np.maximum(counted.time_us - 1, before.done_us)
    products, orders = (_before(steps, then) for steps in told.context)
    open_ = before.open
    found = []
    for time_us, pieces, product, order in zip(counted.time_us.tolist(), counted.pieces.tolist(), products, orders, strict=True):
        at_begin = time_us == before.done_us and open_ is not None
        words = (open_.product, open_.order) if at_begin and open_ is not None else (product, order)
        found.append(Made(model.equipment, time_us, kind, *words, pieces))
    return found


def _before(steps: Steps, times: np.ndarray[Any, np.dtype[np.int64]]) -> list[str]:
    return [str(word) for word in steps.at(times).tolist()]


def _unit(site: Site, model: StateModel) -> _Unit:
    source_of = {signal.path: signal.source for signal in site.signals}
    signals = model.signals()
    tools = tuple(
        SourceId(source.id)
        for source in site.sources
        if model.count_tightenings
        and isinstance(source, OpenProtocolSourceSettings)
        and model.equipment == f"{site.path}/{source.equipment}"
    )
    counters = tuple((kind, counter) for kind in _KINDS for counter in getattr(model, kind))
    return _Unit(model, signals, tuple(dict.fromkeys(source_of[path] for path in signals)), tools, counters)


def packed(remembered: Mapping[EquipmentId, Remembered]) -> bytes:
    """Return what is remembered of all equipment as bytes, the same for the same."""
    content = {}
    for equipment, one in sorted(remembered.items()):
        m, o = one.memory, one.memory.open
        content[equipment] = {
            "done": m.done_us,
            "seen": {p: [s.time_us, s.value, s.text, s.good, s.last_good, s.rose_us] for p, s in sorted(m.seen.items())},
            "missing": dict(sorted(m.missing.items())),
            "open": None if o is None else [o.from_us, o.to_us, o.state, o.mode, o.reason, o.product, o.order, o.part, o.since_us],
            "counters": {p: [c.last, c.negative] for p, c in sorted(one.counters.items())},
        }
    return json.dumps(content, separators=(",", ":")).encode()


def unpacked(state: bytes) -> dict[EquipmentId, Remembered]:
    """Return what was packed."""
    found = {}
    for name, one in json.loads(state or b"{}").items():
        equipment, o = EquipmentId(name), one["open"]
        memory = Memory(
            one["done"],
            {SignalPath(path): Seen(*values) for path, values in one["seen"].items()},
            {SignalPath(path): (a, b) for path, (a, b) in one["missing"].items()},
            None if o is None else StateInterval(equipment, o[0], o[1], EquipmentState(o[2]), OperationMode(o[3]), *o[4:9]),
        )
        found[equipment] = Remembered(memory, {SignalPath(path): CounterSeen(*values) for path, values in one["counters"].items()})
    return found
