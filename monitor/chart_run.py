"""A chart as it runs: values become subgroups, subgroups points; limits are estimated once, then frozen, and points judged by rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from monitor import charts
from monitor.chart_rules import MEMORY, rules_of, signals
from plant.charts import Characteristic, ChartKind, ChartPart, Rule
from storage.charts import Phase, Point, Violation

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class RunState:
    """Where a chart stands: all that a restart needs."""

    settings: str = ""
    """What made it so: with other settings it learns anew."""
    number: int = 0
    """Of its last point."""
    phases: int = 0
    """How many times limits were made."""
    gathered: list[float] = field(default_factory=list)
    """Values of the subgroup at hand."""
    last: float | None = None
    """The value before, for moving ranges."""
    learning: list[tuple[int, int, list[float]]] = field(default_factory=list)
    """Points of phase 1: number, time and values (of a p chart: defective, parts)."""
    phase: Phase | None = None
    average: float | None = None
    """EWMA, and how many points went into it."""
    age: int = 0
    up: float = 0.0
    down: float = 0.0
    """CUSUM."""
    tail: list[tuple[float, float]] = field(default_factory=list)
    """The last points of this phase with their standard error, for rules that look back."""


@dataclass(slots=True)
class News:
    """What values brought: points new or judged anew, limits and violations."""

    points: list[Point] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)


def run_of(one: Characteristic, state: RunState | None) -> RunState:
    """Return where a chart stands; one whose settings changed goes on numbering and learns its limits anew."""
    settings = "|".join(
        str(part)
        for part in (
            *(one.kind, one.signal, one.trigger, one.step, one.taken, one.every_us, one.tightened, one.subgroup, one.phase_1),
            *(one.mean, one.sigma, one.target if one.kind is ChartKind.CUSUM else None, one.phase_1_leave_out),
        )
    )
    if state is None:
        return RunState(settings)
    return state if state.settings == settings else RunState(settings, state.number, state.phases)


def take_value(one: Characteristic, state: RunState, time_us: int, value: float, news: News) -> None:
    """Add one value of a part to a chart of measurements."""
    state.gathered.append(value)
    if len(state.gathered) >= one.subgroup:
        values, state.gathered = state.gathered, []
        _add(one, state, time_us, values, news)


def take_share(one: Characteristic, state: RunState, time_us: int, defective: int, parts: int, news: News) -> None:
    """Add one sample of parts to a p chart."""
    _add(one, state, time_us, [float(defective), float(parts)], news)


def renew(one: Characteristic, state: RunState, base: list[Point], asked_by: str, news: News) -> str:
    """Estimate limits anew from points and use them from the next point on; return what became of it."""
    state.learning = []
    used = [(point.number, point.time_us, list(point.values)) for point in base]
    if len(used) < 5 or state.phase is None:
        return "too few points"
    phase = _estimated(one, used, state.phases + 1, state.number + 1, asked_by)
    if phase is None:
        return "all points are equal"
    _begin(state, phase)
    news.phases.append(phase)
    return f"phase {phase.phase}"


def _add(one: Characteristic, state: RunState, time_us: int, values: list[float], news: News) -> None:
    state.number += 1
    if state.phase is None and one.mean is not None:
        known = _known(one, state.phases + 1, state.number, time_us)
        _begin(state, known)
        news.phases.append(known)
    if state.phase is not None:
        _judge(one, state, [(state.number, time_us, values)], news)
        return
    state.learning.append((state.number, time_us, values))
    if len(state.learning) >= one.phase_1:
        first = _estimated(one, state.learning, state.phases + 1, state.learning[0][0], "")
        if first is not None:
            learnt, state.learning, state.last = state.learning, [], None
            _begin(state, first)
            news.phases.append(first)
            news.points = [point for point in news.points if point.number < learnt[0][0]]
            _judge(one, state, learnt, news)
            return
        state.learning.pop(0)  # all are equal so far: limits must wait for values that differ
    news.points.append(_unjudged(one, state, time_us, values))


def _unjudged(one: Characteristic, state: RunState, time_us: int, values: list[float]) -> Point:
    mean = _mean(one, values)
    spread = _spread(one, state.last, values)
    state.last = mean
    plotted = None if one.kind in {ChartKind.EWMA, ChartKind.CUSUM} else mean
    return Point(state.number, time_us, 0, mean, plotted, spread, _size(one, values), None, None, values, [], [])


def _begin(state: RunState, phase: Phase) -> None:
    state.phase, state.phases, state.tail = phase, phase.phase, []
    state.average, state.age, state.up, state.down = None, 0, 0.0, 0.0


def _judge(one: Characteristic, state: RunState, added: list[tuple[int, int, list[float]]], news: News) -> None:
    phase = state.phase
    assert phase is not None  # noqa: S101 - asked before
    place, wrong = rules_of(one.kind, ChartPart.LOCATION, one.rules), rules_of(one.kind, ChartPart.SPREAD, one.rules)
    for number, time_us, values in added:
        mean, spread = _mean(one, values), _spread(one, state.last, values)
        state.last = mean
        value, sigma, low, high = _plotted(one, state, phase, mean, values)
        state.tail = [*state.tail[-MEMORY:], (value, sigma)]
        points, sigmas = np.array([v for v, _ in state.tail]), np.array([s for _, s in state.tail])
        found = signals(place, points, phase.center, sigmas, np.array(low), np.array(high))
        # what lies beyond its limits is the newest point's own; limits of those before it may have been others
        broken = [rule for rule, where in found.items() if where[-1]]
        if one.kind is ChartKind.CUSUM:
            spread = state.down
            broken = [Rule.BEYOND] if max(state.up, state.down) > high else []
        spread_broken: list[Rule] = []
        if one.kind.has_spread and spread is not None and phase.spread_high is not None and phase.spread_low is not None:
            limits = (np.array(phase.spread_low), np.array(phase.spread_high))
            judged = signals(wrong, np.array([spread]), phase.spread_center or 0.0, np.array(1.0), *limits)
            spread_broken = [rule for rule, where in judged.items() if where[-1]]
        own = one.kind in {ChartKind.EWMA, ChartKind.P}
        news.points.append(
            Point(
                *(number, time_us, phase.phase, mean, value, spread, _size(one, values), low if own else None, high if own else None),
                *(values, [rule.value for rule in broken], [rule.value for rule in spread_broken]),
            )
        )
        news.violations += [
            Violation(number, ChartPart.LOCATION, rule, one.rules.value, time_us, value, _finite(low), _finite(high)) for rule in broken
        ]
        news.violations += [
            Violation(number, ChartPart.SPREAD, rule, one.rules.value, time_us, spread or 0.0, phase.spread_low, phase.spread_high)
            for rule in spread_broken
        ]


def _plotted(one: Characteristic, state: RunState, phase: Phase, mean: float, values: list[float]) -> tuple[float, float, float, float]:
    """Return what is plotted of the place, its standard error and its limits."""
    match one.kind:
        case ChartKind.EWMA:
            start = phase.center if state.average is None else state.average
            chart = charts.ewma(
                *(np.array([mean]), phase.center, phase.point_sigma), weight=one.weight, width=one.width, start=start, before=state.age
            )
            state.average, state.age = float(chart.points[0]), state.age + 1
            return state.average, float(chart.limits.sigma[0]), float(chart.limits.low[0]), float(chart.limits.high[0])
        case ChartKind.CUSUM:
            sums = charts.cusum(
                np.array([mean]),
                phase.center,
                allowance=one.allowance * phase.point_sigma,
                decision=one.decision * phase.point_sigma,
                start=(state.up, state.down),
            )
            state.up, state.down = float(sums.high[0]), float(sums.low[0])
            return state.up, phase.point_sigma, -math.inf, sums.decision
        case ChartKind.P:
            chart = charts.proportions(
                np.array([values[0]], np.int64), np.array([values[1]], np.int64), center=min(max(phase.center, 0.0), 1.0)
            )
            return mean, float(chart.limits.sigma[0]), float(chart.limits.low[0]), float(chart.limits.high[0])
        case _:
            low, high = phase.low, phase.high
            return mean, phase.point_sigma, -math.inf if low is None else low, math.inf if high is None else high


def _estimated(one: Characteristic, used: list[tuple[int, int, list[float]]], number: int, from_number: int, asked_by: str) -> Phase | None:
    """Return limits from points; None where they do not differ, so that no limit can be told.

    Points beyond their own trial limits do not count, as long as two of three remain: one that has a cause of its own would hide others.
    """
    kept = np.array([values for _, _, values in used])
    least = -(-2 * len(used) // 3)
    place, spread, sigma = _charts_of(one, kept)
    while one.phase_1_leave_out and sigma > 0:
        inside = ~place.beyond
        if spread is not None and kept.shape[1] > 1:
            inside &= ~spread.beyond
        if inside.all() or np.count_nonzero(inside) < least:
            break
        kept = kept[inside]
        place, spread, sigma = _charts_of(one, kept)
    if not sigma > 0:
        return None
    center = place.limits.center
    if one.kind is ChartKind.CUSUM and one.target is not None:
        center = one.target
    point_sigma = float(np.max(place.limits.sigma)) if one.kind is not ChartKind.P else sigma
    made = _phase(one, number, from_number, used, center, sigma, point_sigma, spread, asked_by)
    return replace(made, points=len(kept))


def _charts_of(one: Characteristic, table: Floats) -> tuple[charts.Chart, charts.Chart | None, float]:
    if one.kind is ChartKind.P:
        chart = charts.proportions(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64))
        return chart, None, math.sqrt(chart.limits.center * (1 - chart.limits.center))
    if table.shape[1] == 1:
        place, spread = charts.individuals(table[:, 0])
        return place, spread if one.kind.has_spread else None, float(place.limits.sigma)
    made = charts.means_and_deviations if one.kind is ChartKind.XBAR_S else charts.means_and_ranges
    place, spread = made(table)
    return place, spread if one.kind.has_spread else None, float(place.limits.sigma) * math.sqrt(table.shape[1])


def _known(one: Characteristic, phase: int, number: int, time_us: int) -> Phase:
    """Return limits from a mean and a sigma that were given."""
    center = one.mean if one.mean is not None else 0.0
    used = [(number, time_us, [center])]
    if one.kind is ChartKind.P:
        sigma = math.sqrt(center * (1 - center))
        return _phase(one, phase, number, used, center, sigma, sigma, None, "")
    sigma, n = one.sigma or 1.0, one.subgroup
    size = 2 if one.kind is ChartKind.INDIVIDUALS else n
    spread = None
    if one.kind is ChartKind.XBAR_S:
        spread = charts.Chart(np.empty(0), charts.around(sigma * charts.c4(n), sigma * math.sqrt(1 - charts.c4(n) ** 2), floor=0))
    elif one.kind.has_spread:
        spread = charts.Chart(np.empty(0), charts.around(sigma * charts.d2(size), sigma * charts.d3(size), floor=0))
    return _phase(one, phase, number, used, center, sigma, sigma / math.sqrt(n), spread, "")


def _phase(
    one: Characteristic,
    number: int,
    from_number: int,
    used: list[tuple[int, int, list[float]]],
    center: float,
    sigma: float,
    point_sigma: float,
    spread: charts.Chart | None,
    asked_by: str,
) -> Phase:
    low, high = center - 3 * point_sigma, center + 3 * point_sigma
    if one.kind is ChartKind.EWMA:
        steady = charts.ewma(np.empty(0), center, point_sigma, weight=one.weight, width=one.width, before=None)
        low, high = float(steady.limits.low), float(steady.limits.high)
    elif one.kind is ChartKind.CUSUM:
        low, high = 0.0, one.decision * point_sigma
    limits = None if spread is None else spread.limits
    own = one.kind is ChartKind.P
    return Phase(
        phase=number,
        from_number=from_number,
        time_us=used[-1][1],
        first_number=used[0][0],
        last_number=used[-1][0],
        points=len(used),
        center=center,
        sigma=sigma,
        point_sigma=point_sigma,
        low=None if own else low,
        high=None if own else high,
        spread_center=None if limits is None else limits.center,
        spread_low=None if limits is None else float(limits.low),
        spread_high=None if limits is None else float(limits.high),
        asked_by=asked_by,
    )


def _mean(one: Characteristic, values: list[float]) -> float:
    if one.kind is ChartKind.P:
        return values[0] / values[1]
    return math.fsum(values) / len(values)


def _spread(one: Characteristic, last: float | None, values: list[float]) -> float | None:
    match one.kind:
        case ChartKind.INDIVIDUALS:
            return None if last is None else abs(values[0] - last)
        case ChartKind.XBAR_R:
            return max(values) - min(values)
        case ChartKind.XBAR_S:
            return float(np.std(values, ddof=1))
        case _:
            return None


def _size(one: Characteristic, values: list[float]) -> int:
    return round(values[1]) if one.kind is ChartKind.P else len(values)


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None
