"""The capability of a chart as it is shown: every index with its number of values, its interval and where its spread comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from monitor import capability
from monitor.capability import NORMAL_FROM, Capability, Tolerance
from monitor.statistics import deviation_of, mean_of
from plant.charts import Characteristic, ChartKind
from storage.charts import Judged, Point

NEWEST: Final = 1000
"""Points that a capability is taken from, of the phase at hand."""


def judged(one: Characteristic, points: list[Point]) -> Judged | None:
    """Return the capability of a chart by its points; None where there is too little to tell from, or nothing to measure it by."""
    if one.kind is ChartKind.P or not points:
        return None
    if one.tool:
        points = points[-capability.LEAST_TOOL :] if one.subgroup == 1 else points
    groups = np.array([point.values for point in points if len(point.values) == one.subgroup])
    values = groups.ravel()
    if len(values) < 2 or np.ptp(values) == 0:
        return None
    tolerance = None if one.low is None and one.high is None else Tolerance(one.low, one.high, one.target)
    normal = capability.normality(values)
    indices: list[dict[str, Any]] = []
    within = overall = deviation_of(values)
    outside = 0
    if tolerance is not None:
        told = capability.capability(groups, tolerance, deviations=one.kind is ChartKind.XBAR_S)
        within, outside = told.sigma, told.outside
        indices = list(_indices(one, groups, told, tolerance, uneven=normal is not None and normal < NORMAL_FROM))
    return Judged(points[-1].number, points[-1].time_us, len(values), mean_of(values), within, overall, outside, normal, indices)


def _indices(one: Characteristic, groups: Any, told: Capability, tolerance: Tolerance, *, uneven: bool) -> Iterator[dict[str, Any]]:
    values = groups.ravel()
    if one.tool:
        yield from _pair("Cm", "Cmk", capability.tool_capability(values, tolerance))
        return
    yield from _pair("Cp", "Cpk", told)
    total = capability.performance(values, tolerance)
    yield from _pair("Pp", "Ppk", total)
    target = capability.taguchi(total.mean, total.sigma, total.n, tolerance)
    if target is not None:
        yield _told("Cpm", target, total)
    if uneven:
        yield from _pair("Pp", "Ppk", capability.percentile_performance(values, tolerance))


def _pair(potential: str, actual: str, told: Capability) -> Iterator[dict[str, Any]]:
    if told.potential is not None:
        yield _told(potential, told.potential, told)
    yield _told(actual, told.actual, told)


def _told(name: str, index: capability.Index, told: Capability) -> dict[str, Any]:
    return {
        "name": name,
        "value": index.value,
        "low": index.low,
        "high": index.high,
        "method": told.method.value,
        "n": told.n,
        "enough": told.enough,
    }
