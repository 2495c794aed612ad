"""Alarms of what other parts of the monitor find: charts out of control, and equipment that does not work as usual.

They follow stored rows in the order in which these were written, and go on from where they stood; what they see of an alarm is stored as an
observation, so that history judged again meets it again.

The alarm of a chart is active while its newest point violates a rule that counts. Points from which limits are learnt raise nothing, for
whether they are judged when they are met depends on how the stream was cut. Of tightenings each spindle and program has an alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from plant.alarms import FOUND, AlarmDefinition, AlarmEvent, AlarmId, AlarmKind
from plant.site import Site
from storage.alarm_inputs import Observation
from storage.alarms import Standing
from storage.database import Connection
from storage.found import (
    FindingChange,
    FoundChart,
    FoundPoint,
    changes_after,
    last_change,
    newest_points,
    open_findings,
    points_after,
    read_found_charts,
)
from storage.progress import read_progress, write_progress

NAME: Final = "found"


class _Open(msgspec.Struct, array_like=True):
    program: str
    step: str
    occurrence: int
    severity: str
    time_us: int
    ratio: float


class _State(msgspec.Struct):
    points: dict[int, int] = {}
    """Of each chart, the last point that is known."""
    watched: list[str] = []
    """The names of the charts that had alarms: what comes to one of them is told from its first point on."""
    change: int = 0
    """The last change of a finding that is known."""
    open: dict[str, list[_Open]] = {}
    """Of each equipment, its findings that stand."""
    at: dict[str, int] = {}
    """Of each equipment, when a finding last changed."""
    follows: bool = False
    """Whether findings were followed so far; where not, those that stand are what is known."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found since."""

    points: tuple[FoundPoint, ...] = ()
    changes: tuple[FindingChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.points or self.changes)


class FoundAlarms:
    """Follows charts and findings for the alarms of a site that are of them."""

    def __init__(self, site: Site) -> None:
        self._definitions = site.alarms
        self._charts = [one for one in site.alarms if one.kind is AlarmKind.CHART]
        self._conditions = [one for one in site.alarms if one.kind is AlarmKind.CONDITION]
        self._groups = sorted({one.group for one in site.charts})
        self._units = {one.id: one.unit for one in site.charts}
        self._of_chart: dict[int, list[AlarmDefinition]] = {}
        self._known: frozenset[int] = frozenset()
        self._state: _State | None = None
        self._fresh = True

    def __bool__(self) -> bool:
        """Whether any alarm is of charts or of the condition."""
        return bool(self._charts or self._conditions)

    def begin(self, connection: Connection) -> tuple[AlarmDefinition, ...]:
        """Return all alarms of the site, those of charts by the charts there are; what is known of before is read."""
        if not self:
            return self._definitions
        known = self._there(connection)
        self._known = frozenset(one.id for one in known)
        self._of_chart = {one.id: [of_chart(alarm, one) for alarm in self._charts if _is_of(one, alarm.chart)] for one in known}
        progress = read_progress(connection, NAME)
        state = _State() if progress is None else msgspec.msgpack.decode(progress.state, type=_State)
        if self._conditions and not state.follows:
            state.change, state.open = last_change(connection), {}
            for finding in open_findings(connection):
                _take(state, finding)
        state.follows = bool(self._conditions)
        new = [chart for chart, alarms in self._of_chart.items() if alarms and chart not in state.points]
        newest = newest_points(connection, new) if new else {}
        for one in known:
            if one.id in new:
                watched = any(_is_of(one, name) for name in state.watched)
                state.points[one.id] = 0 if watched else newest.get(one.id, 1) - 1
        state.points = {chart: number for chart, number in state.points.items() if self._of_chart.get(chart)}
        state.watched = sorted({alarm.chart for alarm in self._charts})
        self._state, self._fresh = state, True
        of_charts = [alarm for alarms in self._of_chart.values() for alarm in alarms]
        return (*(one for one in self._definitions if one.kind is not AlarmKind.CHART), *of_charts)

    def grew(self, connection: Connection) -> bool:
        """Return whether there are other charts by now than at the begin: they are registered when they are first followed."""
        return bool(self._charts) and frozenset(one.id for one in self._there(connection)) != self._known

    def unit(self, alarm: AlarmDefinition) -> str:
        """Return the unit of an alarm's value; empty for what has none."""
        return next((unit for chart, unit in self._units.items() if chart == alarm.chart), "")

    def read(self, connection: Connection) -> Found:
        """Return what was found since, at most some hundred of each chart."""
        state = self._state
        if state is None:
            return Found()
        points = points_after(connection, state.points) if state.points else []
        changes = changes_after(connection, state.change) if self._conditions else []
        return Found(tuple(points), tuple(changes))

    def hear(self, found: Found, standings: Mapping[AlarmId, Standing]) -> list[Observation]:
        """Return what happens to alarms by what was found; also by what stood when this began."""
        active = {name: one.life.active for name, one in standings.items() if one.definition.kind in FOUND}
        seen: list[Observation] = []
        for point in found.points:
            for alarm in self._of_chart.get(point.chart_id, ()):
                seen += _of_point(alarm, point, active)
        state = self._state
        if state is None or not (found.changes or self._fresh):
            return seen
        places: dict[str, list[AlarmDefinition]] = {}
        for alarm in self._conditions:
            places.setdefault(str(alarm.equipment), []).append(alarm)
        # of a copy: what is known moves on when it is written
        now = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=_State)
        for place in places if self._fresh else ():
            seen += _of_condition(places[place], now, place, active)
        for change in found.changes:
            _take(now, change)
            seen += _of_condition(places.get(change.equipment, ()), now, change.equipment, active)
        return seen

    def done(self, connection: Connection, found: Found) -> None:
        """Remember that this was taken; within the transaction of what followed from it."""
        state = self._state
        if state is None or not (found or self._fresh):
            return
        now = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=_State)
        for point in found.points:
            now.points[point.chart_id] = max(now.points.get(point.chart_id, 0), point.number)
        for change in found.changes:
            _take(now, change)
        write_progress(connection, NAME, max((p.time_us for p in found.points), default=0), msgspec.msgpack.encode(now))
        self._state, self._fresh = now, False

    def _there(self, connection: Connection) -> list[FoundChart]:
        return read_found_charts(connection, self._groups) if self._charts else []


def of_chart(alarm: AlarmDefinition, chart: FoundChart) -> AlarmDefinition:
    """Return the alarm of a chart; of a tightening tool with its spindle and program in its name and words."""
    if chart.spindle is None:
        return alarm
    short = f"{chart.spindle}" + ("" if chart.program is None else f"-p{chart.program}")
    return replace(alarm, id=AlarmId(f"{alarm.id}-{short}"), message=f"{alarm.message} ({short.replace('-p', ' · P')})")


def _is_of(chart: FoundChart, name: str) -> bool:
    return chart.key == name if chart.spindle is None else chart.key.startswith(f"{name}:")


def _of_point(alarm: AlarmDefinition, point: FoundPoint, active: dict[AlarmId, bool]) -> Iterable[Observation]:
    if not point.judged:
        return
    broken = [rule for rule in dict.fromkeys(point.rules) if not alarm.texts or rule in alarm.texts]
    if bool(broken) == active.get(alarm.id, False):
        return
    active[alarm.id] = bool(broken)
    event = AlarmEvent.ACTIVE if broken else AlarmEvent.INACTIVE
    words = ", ".join(rule.replace("_", " ") for rule in broken) or None
    yield Observation(alarm.id, event, point.time_us, point.time_us, point.value, words)


def _of_condition(alarms: Sequence[AlarmDefinition], state: _State, place: str, active: dict[AlarmId, bool]) -> Iterable[Observation]:
    for alarm in alarms:
        standing = [one for one in state.open.get(place, ()) if one.severity in alarm.texts]
        if bool(standing) == active.get(alarm.id, False):
            continue
        active[alarm.id] = bool(standing)
        time_us = state.at.get(place, 0)
        if not standing:
            yield Observation(alarm.id, AlarmEvent.INACTIVE, time_us, time_us)
            continue
        worst = max(standing, key=lambda one: one.ratio)
        words = " · ".join(part for part in (worst.program, worst.step) if part)
        yield Observation(alarm.id, AlarmEvent.ACTIVE, worst.time_us, worst.time_us, None, words or None)


def _take(state: _State, change: FindingChange) -> None:
    key = (change.program, change.step, change.occurrence)
    standing = [one for one in state.open.get(change.equipment, ()) if (one.program, one.step, one.occurrence) != key]
    if not change.ended:
        standing.append(_Open(*key, change.severity, change.time_us, change.ratio))
    if standing:
        state.open[change.equipment] = standing
    else:
        state.open.pop(change.equipment, None)
    state.at[change.equipment] = change.time_us
    state.change = max(state.change, change.id)
