"""The analogue-in-range bar: a value's place between its limits, read at a glance without reading digits."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.charts import limits_of, unit_words
from dashboard.pages.parts import also
from dashboard.texts import Texts
from dashboard.views import SignalView


def bar(signal: SignalView, span: tuple[float, float], t: Texts) -> Component:
    """Return the bar: the normal span, an edge at each limit, and a pointer that the script moves."""
    low, high = span

    def at(value: float) -> float:
        return min(100.0, max(0.0, 100 * (value - low) / (high - low)))

    low_low, low_limit, high_limit, high_high = limits_of(signal)
    start = at(_first(low_limit, low_low, low))
    end = at(_first(high_limit, high_high, high))
    limits = [limit for limit in limits_of(signal) if limit is not None]
    return html.Div(
        className="bar",
        title=t("{low} to {high} {unit}", low=f"{low:g}", high=f"{high:g}", unit=unit_words(signal.unit)),
        children=[
            html.Div(className="normal-span", style={"left": f"{start:.2f}%", "width": f"{max(0.0, end - start):.2f}%"}),
            *[html.Div(className="edge", style={"left": f"{at(limit):.2f}%"}) for limit in limits],
            html.Div(className="pointer", style={"display": "none"}, **also(data_part="pointer")),
        ],
    )


def _first(*values: float | None) -> float:
    """Return the first value that is given."""
    return next(value for value in values if value is not None)
