"""The follower that keeps control charts: from samples and tightenings to points, limits, violations and capability."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np
import structlog

from monitor.chart_capability import NEWEST, judged
from monitor.chart_run import News, RunState, renew, run_of, take_share, take_value
from monitor.chart_values import Counted, Gathered, Stream, by_time, by_trigger, shares
from plant.charts import Characteristic, ChartId, ChartKind, Tightened
from plant.clock import Clock
from plant.settings import OpenProtocolSourceSettings
from plant.signals import SignalPath, SourceId
from plant.site import Site
from storage import charts, feed
from storage.database import Connection, translate_errors
from storage.progress import read_progress, write_progress

NAME: Final = "charts"
_SPAN_US: Final = 600_000_000
"""The most of a stream that one step takes."""
_BACK_US: Final = 86_400_000_000
"""How far back a chart begins that is new."""
_TIGHTENINGS: Final = 2000
_log = structlog.get_logger(process="monitor", follower=NAME)


@dataclass(slots=True)
class SignalState:
    """Where a chart of a signal stands: ``done_us`` is by the time of reception."""

    done_us: int | None = None
    gathered: Gathered = field(default_factory=Gathered)
    counted: Counted = field(default_factory=Counted)


@dataclass(slots=True)
class ControlState:
    """All that the follower remembers."""

    signals: dict[str, SignalState] = field(default_factory=dict)
    """By chart id."""
    tightenings: dict[str, int] = field(default_factory=dict)
    """By source, the last one taken."""
    counted: dict[str, Counted] = field(default_factory=dict)
    """Of p charts of verdicts, by key."""
    runs: dict[str, RunState] = field(default_factory=dict)
    """By key."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A chart that is registered."""

    one: Characteristic
    id: int


def make_control(site: Site, clock: Clock) -> Control | None:
    """Return the follower of a site's charts, None where nothing is charted."""
    del clock
    return Control(site) if site.charts else None


class Control:
    """Deterministic by the order in which samples were received and tightenings stored; wishes of people count from their point on."""

    name = NAME
    pause_seconds = 1.0

    def __init__(self, site: Site) -> None:
        self._charts = {one.id: one for one in site.charts}
        self._of_signals = [one for one in site.charts if one.signal is not None]
        self._of_tightenings = [one for one in site.charts if one.tightened is not None]
        self._source_of = {signal.path: signal.source for signal in site.signals}
        self._texts = frozenset(signal.path for signal in site.signals if signal.data_type.is_text)
        self._sharing: dict[SourceId, list[SourceId]] = {}
        for source, whose in site.shared:
            self._sharing.setdefault(whose, []).append(source)
        self._tools = [SourceId(source.id) for source in site.sources if isinstance(source, OpenProtocolSourceSettings)]
        self._state: ControlState | None = None
        self._known: dict[str, _Known] = {}
        self._numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})

    def step(self, connection: Connection) -> bool:
        """Take what came, at most some minutes of it; return whether more waits."""
        if self._state is None:
            self._begin(connection)
        state = self._state
        assert state is not None  # noqa: S101 - read before
        before = msgspec.msgpack.encode(state)
        news: dict[str, News] = {}
        self._state = None  # until it is written: after an error it is read again
        with connection.transaction():
            wishes = self._answer(connection, state, news)
            more = self._follow_signals(connection, state, news)
            more = self._follow_tightenings(connection, state, news) or more
            after = msgspec.msgpack.encode(state)
            if wishes or after != before:
                self._write(connection, news)
                done = max((s.done_us for s in state.signals.values() if s.done_us is not None), default=0)
                write_progress(connection, NAME, done, zlib.compress(after, 1))
        self._state = state
        return more

    def _begin(self, connection: Connection) -> None:
        progress = read_progress(connection, NAME)
        state = ControlState()
        if progress is not None and progress.state:
            state = msgspec.msgpack.decode(zlib.decompress(progress.state), type=ControlState)
        with connection.transaction():
            charts.retire_charts(connection, {one.group for one in self._charts.values()})
            for one in self._of_signals:
                self._register(connection, one, one.id)
                run = state.runs.get(one.id)
                state.runs[one.id] = run_of(one, run)
                if run is not None and run is not state.runs[one.id]:
                    state.signals[one.id] = SignalState(state.signals[one.id].done_us) if one.id in state.signals else SignalState()
            for key, run in list(state.runs.items()):
                if key not in self._charts:
                    self._revive(connection, state, key, run)
        self._state = state

    def _revive(self, connection: Connection, state: ControlState, key: str, run: RunState) -> None:
        """Go on with a chart of tightenings, or forget one that nobody wants any more."""
        chart, _, rest = key.rpartition(":")
        chart, _, spindle = chart.rpartition(":")
        one = self._charts.get(ChartId(chart))
        if one is None or one.tightened is None:
            del state.runs[key]
            return
        state.runs[key] = run_of(one, run)
        self._tool(connection, one, int(spindle), None if rest == "-" else int(rest))

    def _tool(self, connection: Connection, one: Characteristic, spindle: int, program: int | None) -> str:
        """Return the key of the chart of a spindle and program."""
        key = f"{one.id}:{spindle}:{'-' if program is None else program}"
        name = f"{one.name} · {spindle}" + ("" if program is None else f" · P{program}")
        self._register(connection, one, key, name, spindle, program)
        return key

    def _register(
        self, connection: Connection, one: Characteristic, key: str, name: str = "", spindle: int | None = None, program: int | None = None
    ) -> _Known:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(one, charts.register_chart(connection, one, key, name or one.name, spindle, program))
        return known

    def _follow_signals(self, connection: Connection, state: ControlState, news: dict[str, News]) -> bool:
        if not self._of_signals:
            return False
        marks = feed.read_marks(connection)
        if any(path not in self._numbers[0] for one in self._of_signals for path in _paths(one)):
            self._numbers = feed.read_numbers(connection)
        more = False
        for sources, group in self._by_sources().items():
            if any(source not in marks for source in sources):
                continue
            until = min(marks[source].until_us for source in sources)
            numbers = [self._numbers[1][source] for source in sources]
            done = self._done(connection, state, group, numbers, until)
            ahead = [at for one in group if (at := state.signals[one.id].done_us) is not None and at > done]
            end = min(until, done + _SPAN_US, *ahead)
            if end <= done:
                continue
            more = more or end < until
            self._take(connection, state, group, numbers, done, end, news)
            for one in group:
                state.signals[one.id].done_us = end
        return more

    def _by_sources(self) -> dict[tuple[SourceId, ...], list[Characteristic]]:
        """Return the charts by the sources that they wait for."""
        found: dict[tuple[SourceId, ...], list[Characteristic]] = {}
        for one in self._of_signals:
            own = {self._source_of[path] for path in _paths(one)}
            whole = sorted({*own, *(other for source in own for other in self._sharing.get(source, []))})
            found.setdefault(tuple(whole), []).append(one)
        return found

    def _done(self, connection: Connection, state: ControlState, group: Sequence[Characteristic], sources: list[int], until: int) -> int:
        """Return from when on a group is to be taken; a chart that is new begins where the group is."""
        known = [done for one in group if one.id in state.signals and (done := state.signals[one.id].done_us) is not None]
        begin = min(known) if known else None
        if begin is None:
            first = charts.first_received(connection, sources, until - _BACK_US)
            begin = until if first is None else min(first, until)
        for one in group:
            state.signals.setdefault(one.id, SignalState())
        return begin

    def _take(
        self,
        connection: Connection,
        state: ControlState,
        group: Sequence[Characteristic],
        sources: list[int],
        done: int,
        end: int,
        news: dict[str, News],
    ) -> None:
        span = charts.time_span(connection, sources, done, end)
        if span is None:
            return
        paths = [path for path in dict.fromkeys(path for one in group for path in _paths(one)) if path in self._numbers[0]]
        numbers = [self._numbers[0][path] for path in paths]
        columns = feed.read_samples(connection, numbers, span, (done, end - 1), texts=any(path in self._texts for path in paths))
        streams = {path: _codes(columns, n) if path in self._texts else _stream(columns, n) for n, path in enumerate(paths)}
        for one in group:
            if any(path not in streams for path in _paths(one)) or (state.signals[one.id].done_us or done) > done:
                continue
            self._take_one(state, one, streams, news)

    def _take_one(self, state: ControlState, one: Characteristic, streams: dict[SignalPath, Stream], news: dict[str, News]) -> None:
        own, run = state.signals[one.id], state.runs[one.id]
        assert one.signal is not None  # noqa: S101 - it is a chart of a signal
        values = streams[one.signal]
        fresh = news.setdefault(one.id, News())
        if one.kind is ChartKind.P and one.trigger is not None and one.every_us is not None:
            samples, own.counted = shares(own.counted, streams[one.trigger], values, one.every_us)
            for time_us, defective, parts in samples:
                take_share(one, run, time_us, defective, parts, fresh)
        else:
            if one.trigger is not None:
                inside = None if one.step is None else _code(one.step)
                found, own.gathered = by_trigger(own.gathered, values, streams[one.trigger], one.taken, inside)
            else:
                found, own.gathered = by_time(own.gathered, values, one.taken, one.every_us or 1)
            for time_us, value in found:
                take_value(one, run, time_us, value, fresh)

    def _follow_tightenings(self, connection: Connection, state: ControlState, news: dict[str, News]) -> bool:
        more = False
        for source in self._tools if self._of_tightenings else []:
            found = charts.read_tightenings(connection, state.tightenings.get(source, 0), [source], _TIGHTENINGS)
            for tightening in found:
                for one in self._of_tightenings:
                    if one.equipment == tightening.equipment and one.program in {None, tightening.program}:
                        self._take_tightening(connection, state, one, tightening, news)
            if found:
                state.tightenings[source] = found[-1].id
            more = more or len(found) == _TIGHTENINGS
        return more

    def _take_tightening(
        self, connection: Connection, state: ControlState, one: Characteristic, told: charts.Tightening, news: dict[str, News]
    ) -> None:
        key = self._tool(connection, one, told.spindle, told.program)
        run = state.runs[key] = run_of(one, state.runs.get(key))
        fresh = news.setdefault(key, News())
        if one.tightened is Tightened.VERDICT:
            width = one.every_us or 1
            counted = state.counted.get(key, Counted())
            bucket = told.time_us // width
            if counted.bucket is not None and bucket > counted.bucket and counted.parts:
                take_share(one, run, (counted.bucket + 1) * width, round(counted.defects), round(counted.parts), fresh)
                counted = Counted()
            counted = replace(counted, bucket=max(bucket, counted.bucket or bucket), parts=counted.parts + 1)
            state.counted[key] = counted if told.ok else replace(counted, defects=counted.defects + 1)
            return
        value = told.torque_nm if one.tightened is Tightened.TORQUE else told.angle_deg
        if value is not None:
            take_value(one, run, told.time_us, value, fresh)

    def _answer(self, connection: Connection, state: ControlState, news: dict[str, News]) -> bool:
        """Make limits anew where people wish it."""
        wishes = charts.read_wishes(connection)
        for wish in wishes:
            key = next((key for key, known in self._known.items() if known.id == wish.chart_id), None)
            if key is None or key not in state.runs:
                answer = "not charted any more"
            else:
                one, run = self._known[key].one, state.runs[key]
                left_out = {note.number for note in charts.read_notes(connection, wish.chart_id, wish.note_id) if note.leave_out}
                points = charts.read_points(connection, wish.chart_id, wish.number - 4 * one.phase_1, wish.number)
                base = [point for point in points if point.number not in left_out][-one.phase_1 :]
                answer = renew(one, run, base, wish.actor, news.setdefault(key, News()))
            with connection.cursor() as cursor, translate_errors():
                charts.answer_wish(cursor, wish.id, answer)
            _log.info("limits were wanted anew", chart=key, by=wish.actor, answer=answer)
        return bool(wishes)

    def _write(self, connection: Connection, news: dict[str, News]) -> None:
        for key, fresh in news.items():
            known = self._known[key]
            with connection.cursor() as cursor, translate_errors():
                charts.write_points(cursor, known.id, fresh.points)
                for phase in fresh.phases:
                    charts.write_phase(cursor, known.id, phase)
                charts.write_violations(cursor, known.id, fresh.violations)
            if fresh.points or fresh.phases:
                self._judge(connection, known)

    def _judge(self, connection: Connection, known: _Known) -> None:
        phases = charts.read_phases(connection, known.id)
        newest = charts.read_newest(connection, known.id, NEWEST)
        first = phases[-1].first_number if phases else 0
        told = judged(known.one, [point for point in newest if point.number >= first])
        if told is not None:
            with connection.cursor() as cursor, translate_errors():
                charts.write_capability(cursor, known.id, told)


def _paths(one: Characteristic) -> Iterator[SignalPath]:
    if one.signal is not None:
        yield one.signal
    if one.trigger is not None:
        yield one.trigger


def _stream(columns: feed.SampleColumns, place: int) -> Stream:
    own = slice(int(columns.offsets[place]), int(columns.offsets[place + 1]))
    return Stream(columns.received_us[own], columns.time_us[own], columns.value[own])


def _codes(columns: feed.SampleColumns, place: int) -> Stream:
    """Return a signal as numbers that differ where its values do: texts by their checksum."""
    stream = _stream(columns, place)
    if columns.text is None:
        return stream
    own = slice(int(columns.offsets[place]), int(columns.offsets[place + 1]))
    good = (columns.status[own] & np.uint32(0xC0000000)) == 0
    texts = columns.text[own]
    codes = np.array(
        [value if text is None or not fine else _code(text) for text, value, fine in zip(texts, stream.value.tolist(), good, strict=True)],
        np.float64,
    )
    return replace(stream, value=codes)


def _code(words: str) -> float:
    """Return a number for a value of a trigger: itself where it is one, else the checksum of its text, beyond what counters show."""
    try:
        return float(words)
    except ValueError:
        return 2.0**52 + zlib.crc32(words.encode())
