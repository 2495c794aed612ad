"""What a trend needs to know of a signal: what is drawn, in which span, with which limits. Plain values, no figure objects."""

from __future__ import annotations

from typing import Any

from dashboard.views import SignalView
from plant.signals import DataType

_ROOM = 0.08
"""Share of the span left free beyond the outermost limit, so that a limit never lies on the edge."""


_UNITS = {
    "Cel": "°C", "N.m": "N·m", "kN.m": "kN·m", "deg": "°", "Ohm": "Ω", "um": "µm", "us": "µs", "m3": "m³", "mm2": "mm²", "m/s2": "m/s²",
    "[in_i]": "in", "[degF]": "°F", "/min": "1/min", "kW.h": "kWh", "m3/h": "m³/h", "mm/s2": "mm/s²",
}  # fmt: skip


def unit_words(unit: str) -> str:
    """Return a UCUM code as people write the unit."""
    return _UNITS.get(unit, unit)


def limits_of(signal: SignalView) -> list[float | None]:
    """Return low_low, low, high, high_high; None where there is no such limit."""
    return [signal.low_low, signal.low, signal.high, signal.high_high]


def shown_span(signal: SignalView) -> tuple[float, float] | None:
    """Return the span a bar shows: the signal's range, widened to hold its limits; None where neither says enough."""
    marks = [value for value in (signal.range_low, signal.range_high, *limits_of(signal)) if value is not None]
    if len(marks) < 2 or min(marks) == max(marks):
        return None
    low, high = min(marks), max(marks)
    room = _ROOM * (high - low)
    if signal.range_low is None or low < signal.range_low:
        low -= room
    if signal.range_high is None or high > signal.range_high:
        high += room
    return low, high


def drawn_as(data_type: str) -> str:
    """Return ``line``, ``step`` (booleans) or ``strip`` (texts)."""
    if data_type == DataType.STRING:
        return "strip"
    return "step" if data_type == DataType.BOOLEAN else "line"


def trend_plan(signal: SignalView) -> dict[str, Any]:
    """Return what the script that draws trends is told of one signal."""
    return {
        "id": signal.id,
        "name": signal.name,
        "unit": unit_words(signal.unit),
        "source": signal.source,
        "as": drawn_as(signal.data_type),
        "limits": limits_of(signal),
        "range": [signal.range_low, signal.range_high],
        "interval_us": signal.interval_us,
    }
