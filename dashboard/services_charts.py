"""Control charts for people and programs: lists, points, capability; notes on points and limits made anew, both audited."""

from __future__ import annotations

from typing import Any

import numpy as np

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_charts import (
    ChartState,
    ChartView,
    IndexView,
    LimitsAskedView,
    NoteDraft,
    NoteView,
    PhaseView,
    PointsView,
    ViolationView,
)
from plant.charts import ChartKind
from plant.clock import Clock
from plant.errors import Rejected
from storage import audit, charts
from storage.charts import Phase, Point, StoredChart
from storage.database import Connection, Pool
from storage.people import Role

MOST_POINTS = 2000
_BINNED = 1000


class ChartService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    def charts(self, *, equipment: str | None = None) -> list[ChartView]:
        """Return the charts and how they stand; of an equipment and all below it where one is given."""
        with self._pool.connection() as connection:
            return [_view(one) for one in charts.read_charts(connection, equipment=equipment)]

    def chart(self, number: int) -> ChartView:
        """Return one chart by its number."""
        with self._pool.connection() as connection:
            return _view(_found(connection, number))

    def points(self, number: int, *, before: int | None = None, most: int = 200) -> PointsView:
        """Return the newest points of a chart, or those up to one, in their order."""
        if not 1 <= most <= MOST_POINTS:
            raise Rejected(f"1 to {MOST_POINTS:,} points at once")
        with self._pool.connection() as connection:
            one = _found(connection, number)
            last = min(one.points, one.points if before is None else before)
            shown = charts.read_points(connection, number, max(0, last - most), last)
            binned = shown if len(shown) >= _BINNED else charts.read_points(connection, number, max(0, last - _BINNED), last)
            phases, notes = charts.read_phases(connection, number), charts.read_notes(connection, number)
        own = {point.number for point in shown}
        bins, counts = _histogram(one, binned)
        of_phase = {phase.phase: phase for phase in phases}
        return PointsView(
            chart=number,
            number=[p.number for p in shown],
            time_us=[p.time_us for p in shown],
            phase=[p.phase for p in shown],
            mean=[p.mean for p in shown],
            value=[p.value for p in shown],
            spread=[p.spread for p in shown],
            size=[p.size for p in shown],
            low=[_limit(p.low, of_phase.get(p.phase), "low") for p in shown],
            high=[_limit(p.high, of_phase.get(p.phase), "high") for p in shown],
            rules=[p.rules for p in shown],
            spread_rules=[p.spread_rules for p in shown],
            phases=[_phase(phase) for phase in phases],
            notes=[NoteView(n.number, n.time_us, n.actor, n.cause, n.comment, n.leave_out) for n in notes if n.number in own],
            bins=bins,
            counts=counts,
        )

    def violations(self, from_us: int, to_us: int, *, chart: int | None = None, most: int = 1000) -> list[ViolationView]:
        """Return what was out of control over a span, the newest first."""
        if not 0 <= from_us < to_us:
            raise Rejected("'from' must lie before 'to', both as microseconds since 1970")
        with self._pool.connection() as connection:
            found = charts.read_violations(connection, from_us, to_us, chart=chart, most=most)
        return [
            ViolationView(number, name, v.number, v.part.value, v.rule.value, v.rule_set, v.time_us, v.value, v.low, v.high)
            for number, name, v in found
        ]

    def note(self, who: Person, chart: int, draft: NoteDraft) -> NoteView:
        """Keep what a person says of a point. Inspectors and engineers."""
        require(who, Role.INSPECTOR)
        now_us = self._clock.now_us()
        with self._pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            one = _found(connection, chart)
            charts.add_note(
                *(cursor, chart, draft.number),
                time_us=now_us,
                actor=who.name,
                cause=draft.cause,
                comment=draft.comment,
                leave_out=draft.leave_out,
            )
            self._note(connection, who, "chart.note", f"{one.key} #{draft.number}", draft.model_dump())
        return NoteView(draft.number, now_us, who.name, draft.cause, draft.comment, draft.leave_out)

    def renew_limits(self, who: Person, chart: int) -> LimitsAskedView:
        """Have the limits of a chart made anew from its newest points. Engineers only."""
        require(who, Role.ENGINEER)
        with self._pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            one = _found(connection, chart)
            number = charts.add_wish(cursor, chart, time_us=self._clock.now_us(), actor=who.name)
            self._note(connection, who, "chart.limits", one.key, {"up_to_point": number})
        return LimitsAskedView(chart, number)

    def _note(self, connection: Connection, who: Person, act: str, subject: str, next_: Any) -> None:
        now_us = self._clock.now_us()
        audit.add_audit(connection, time_us=now_us, actor=who.name, act=act, subject=subject, next_=next_, address=who.address)


def _found(connection: Connection, number: int) -> StoredChart:
    found = charts.read_chart(connection, number) if 0 <= number < 2**62 else None
    if found is None:
        raise Rejected(f"there is no chart {number}")
    return found


def _view(one: StoredChart) -> ChartView:
    state: ChartState = "learning" if one.phase is None else "out_of_control" if one.last_rules else "in_control"
    indices = tuple(IndexView(i["name"], i["value"], i["low"], i["high"], i["method"], i["n"], i["enough"]) for i in one.indices)
    return ChartView(
        *(one.id, one.key, one.name, one.equipment, one.kind, one.unit, one.origin, one.spindle, one.program, one.subgroup, one.phase_1),
        *(one.low, one.high, one.target, one.rule_set, one.tool, state, one.points, one.last_us, one.last_value, one.phase, one.center),
        *(one.day_violations, one.open_violations, one.n, one.mean, one.sigma_within, one.sigma_overall, one.outside, one.normality),
        indices,
    )


def _phase(phase: Phase) -> PhaseView:
    return PhaseView(
        *(phase.phase, phase.from_number, phase.time_us, phase.points, phase.center, phase.sigma, phase.low, phase.high),
        *(phase.spread_center, phase.spread_low, phase.spread_high, phase.asked_by),
    )


def _limit(own: float | None, phase: Phase | None, side: str) -> float | None:
    if own is not None or phase is None:
        return own
    return phase.low if side == "low" else phase.high


def _histogram(one: StoredChart, points: list[Point]) -> tuple[list[float], list[int]]:
    """Return edges and counts of single values; none for shares."""
    if one.kind == ChartKind.P:
        return [], []
    values = np.array([value for point in points for value in point.values])
    if len(values) < 2 or np.ptp(values) == 0:
        return [], []
    count = int(min(40, max(8, round(2 * len(values) ** (1 / 3)))))
    counts, edges = np.histogram(values, bins=count)
    return [float(edge) for edge in edges], [int(each) for each in counts]
