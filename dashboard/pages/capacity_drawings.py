"""Drawings of shared hours: each centre's hours by period and factory under its capacity, what is owed to whom, the index over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dash import html
from dash.development.base_component import Component

from dashboard.factory_hues import factory_hue
from dashboard.views_shares import CentreHoursView, FactoryHoursView, PeriodView

_WIDTH: Final = 760
_LEFT: Final = 46
_RIGHT: Final = 8
_TOP: Final = 10
_BOTTOM: Final = 24
_FONT: Final = 'font-size="13" font-family="sans-serif"'
_INKS: Final = {
    "light": {"ink": "#4d565e", "line": "#c3c8cd", "edge": "#1f2529", "free": "#e3e6e9", "zero": "#59626a", "off": "#8a5200"},
    "dark": {"ink": "#a9b3ba", "line": "#3d464d", "edge": "#e4e8eb", "free": "#282f34", "zero": "#a9b3ba", "off": "#ffc04d"},
}


def centre_drawing(centre: CentreHoursView, periods: Sequence[PeriodView], zone: str, theme: str, words: str) -> Component:
    """Return a centre's hours as columns by period, factories one upon the other, its capacity as a line above."""
    inks, height = _INKS[theme], 210
    names = sorted(centre.got)
    high = _step_above(max([*centre.capacity, 1e-9]))
    up = _Scale(0.0, high, height)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(periods))
    shapes = _grid(0.0, high, height, inks, "h")
    for at in range(len(periods)):
        x, width = _LEFT + at * step + 0.12 * step, 0.76 * step
        top = up(centre.capacity[at])
        shapes.append(_box(x, top, width, up(0.0) - top, f'fill="{inks["free"]}"'))
        done = 0.0
        for name in names:
            hours = centre.got[name][at]
            if hours > 0:
                shapes.append(_box(x, up(done + hours), width, up(done) - up(done + hours), f'fill="{factory_hue(name, names, theme)}"'))
            done += hours
        shapes.append(f'<line x1="{x:.1f}" x2="{x + width:.1f}" y1="{top:.1f}" y2="{top:.1f}" stroke="{inks["edge"]}" stroke-width="1.6"/>')
    shapes += _days(periods, step, height, zone, inks)
    return _picture(shapes, height, words)


def owed_drawing(factories: Sequence[FactoryHoursView], periods: Sequence[PeriodView], zone: str, theme: str, words: str) -> Component:
    """Return what is owed to each factory at the beginning and at the end of each period; below the line it owes."""
    inks, height = _INKS[theme], 190
    names = [one.name for one in factories]
    far = _step_above(max([abs(hours) for one in factories for hours in one.owed] + [0.1]))
    up = _Scale(-far, far, height)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(periods))
    shapes = _grid(-far, far, height, inks, "h")
    shapes.append(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(0):.1f}" y2="{up(0):.1f}" stroke="{inks["zero"]}" stroke-width="1.4"/>'
    )
    for one in factories:
        points = " ".join(f"{_LEFT + at * step:.1f},{up(hours):.1f}" for at, hours in enumerate(one.owed))
        strong = factory_hue(one.name, names, theme).replace("74%", "45%").replace("34%", "62%")
        shapes.append(f'<polyline points="{points}" fill="none" stroke="{strong}" stroke-width="2.4" stroke-linejoin="round"/>')
    return _picture(shapes + _days(periods, step, height, zone, inks), height, words)


def index_drawing(
    index: Sequence[float | None], periods: Sequence[PeriodView], goal: float, zone: str, theme: str, words: str
) -> Component:
    """Return the index of fairness by period, with the line that it must not fall below."""
    inks, height = _INKS[theme], 130
    known = [one for one in index if one is not None]
    low = min([*known, goal]) - 0.02
    low = max(0.0, math.floor(low * 20) / 20)
    up = _Scale(low, 1.0, height)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(periods))
    shapes = _grid(low, 1.0, height, inks, "")
    shapes.append(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(goal):.1f}" y2="{up(goal):.1f}" stroke="{inks["off"]}" stroke-dasharray="5 4"/>'
    )
    for at, one in enumerate(index):
        if one is not None:
            off = one < goal
            colour = inks["off"] if off else inks["edge"]
            x, y = _LEFT + (at + 0.5) * step, up(one)
            mark = (
                f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{colour}"/>'
                if off
                else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
            )
            shapes.append(mark)
    return _picture(shapes + _days(periods, step, height, zone, inks), height, words)


def hours_bars(hours: Mapping[str, float], most: float, colour: str) -> Component:
    """Return bars of a few hours of one factory, one under the other: reserved, entitled, got."""
    rows = [
        html.Div(
            [
                html.Span(words, className="small quiet"),
                html.Span(
                    html.I(style={"width": f"{100 * value / most if most else 0:.1f}%", "background": colour}), className="hours-bar"
                ),
                html.Span(f"{value:.1f} h", className="number small"),
            ],
            className="hours-row",
        )
        for words, value in hours.items()
    ]
    return html.Div(rows)


class _Scale:
    """Where a value lies in a drawing."""

    def __init__(self, low: float, high: float, height: int) -> None:
        self._low, self._per, self._height = low, (height - _TOP - _BOTTOM) / ((high - low) or 1.0), height

    def __call__(self, value: float) -> float:
        """Return pixels from above."""
        return self._height - _BOTTOM - (value - self._low) * self._per


def _grid(low: float, high: float, height: int, inks: Mapping[str, str], unit: str) -> list[str]:
    up, shapes = _Scale(low, high, height), []
    for part in range(5):
        value = low + (high - low) * part / 4
        y = up(value)
        words = f"{value:.2f}" if not unit else f"{value:g} {unit}"
        shapes += [
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{inks["line"]}"/>',
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" {_FONT} fill="{inks["ink"]}">{words}</text>',
        ]
    return shapes


def _days(periods: Sequence[PeriodView], step: float, height: int, zone: str, inks: Mapping[str, str]) -> list[str]:
    """The begin of periods, as many as there is room for."""
    every = max(1, math.ceil(64 / step)) if step else 1
    shapes = []
    for at in range(0, len(periods), every):
        when = datetime.fromtimestamp(periods[at].from_us // 1_000_000, UTC).astimezone(ZoneInfo(zone))
        words = when.strftime("%m-%d %H") + "h"
        placed = f'x="{_LEFT + at * step:.1f}" y="{height - 6}"'
        shapes.append(f'<text {placed} {_FONT} fill="{inks["ink"]}">{words}</text>')
    return shapes


def _box(x: float, y: float, width: float, height: float, how: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(0.0, height):.1f}" {how}/>'


def _step_above(value: float) -> float:
    """Return a round number that is no less."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(one * power for one in (1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0) if one * power >= value * 0.9999)


def _picture(shapes: Sequence[str], height: int, words: str) -> Component:
    body = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">{"".join(shapes)}</svg>'
    picture: Component = html.Img(src="data:image/svg+xml," + quote(body), alt=words, className="condition-drawing")
    return picture
