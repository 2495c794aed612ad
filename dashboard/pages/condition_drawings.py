"""Drawings of condition as pictures in the page: the trend of one number in its band, and the energy of the last parts."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from dashboard.views_condition import PartEnergyView, TrendView

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 960, 220, 64, 22, 8
_FONT = 'font-size="13" font-family="sans-serif"'
_INKS = {
    "light": {
        "ink": "#4d565e",
        "trace": "#34424d",
        "band": "#dfe3e6",
        "line": "#c3c8cd",
        "off": "#8a5200",
        "bar": "#7c8891",
        "idle": "#c9ced3",
    },
    "dark": {
        "ink": "#a9b3ba",
        "trace": "#c3ccd3",
        "band": "#2c343a",
        "line": "#3d464d",
        "off": "#ffc04d",
        "bar": "#76828b",
        "idle": "#414b52",
    },
}


def _picture(shapes: Sequence[str], words: str) -> Component:
    body = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(shapes)}</svg>'
    return html.Img(src="data:image/svg+xml," + quote(body), alt=words, className="condition-drawing")


def _marks(low: float, high: float, inks: dict[str, str]) -> list[str]:
    """Return three lines across with their values."""
    shapes = []
    for value in (low, (low + high) / 2, high):
        y = _at(value, low, high)
        shapes += [
            f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{inks["line"]}" stroke-width="1"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" {_FONT} fill="{inks["ink"]}">{value:.4g}</text>',
        ]
    return shapes


def _at(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def _band_at(trend: TrendView, time_us: int) -> tuple[float | None, float | None, float | None]:
    """Return middle, low and high of the baseline that held at a time."""
    found: tuple[float | None, float | None, float | None] = (None, None, None)
    for since, *band in zip(trend.baseline_from_us, trend.middle, trend.low, trend.high, strict=True):
        if since <= time_us:
            found = (band[0], band[1], band[2])
    return found


def trend_drawing(trend: TrendView, theme: str, words: str, times: tuple[str, str]) -> Component:
    """Return a number part by part before its band of usual levels; a part outside of it is a larger dot."""
    inks = _INKS[theme]
    bands = [_band_at(trend, time) for time in trend.time_us]
    seen = [*trend.level, *(value for _, low, high in bands for value in (low, high) if value is not None)]
    low, high = min(seen), max(seen)
    room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.05
    low, high = low - room, high + room
    step = (_WIDTH - _LEFT - 12) / max(len(trend.level) - 1, 1)
    places = [_LEFT + 6 + number * step for number in range(len(trend.level))]
    shapes = []
    for x, (middle, least, most) in zip(places, bands, strict=True):
        if middle is None or least is None or most is None:
            continue
        top, bottom = _at(most, low, high), _at(least, low, high)
        shapes.append(
            f'<rect x="{x - step / 2:.1f}" y="{top:.1f}" width="{step + 0.4:.1f}" height="{bottom - top:.1f}" fill="{inks["band"]}"/>'
        )
    shapes += _marks(low + room, high - room, inks)
    line = " ".join(f"{x:.1f},{_at(level, low, high):.1f}" for x, level in zip(places, trend.level, strict=True))
    shapes.append(f'<polyline points="{line}" fill="none" stroke="{inks["trace"]}" stroke-width="1.5"/>')
    for x, level, (_, least, most) in zip(places, trend.level, bands, strict=True):
        off = least is not None and most is not None and not least <= level <= most
        ink, size = (inks["off"], 5) if off else (inks["trace"], 2)
        shapes.append(f'<circle cx="{x:.1f}" cy="{_at(level, low, high):.1f}" r="{size}" fill="{ink}"/>')
    return _picture([*shapes, *_times(times, inks)], words)


def energy_drawing(parts: Sequence[PartEnergyView], theme: str, words: str, times: tuple[str, str]) -> Component:
    """Return a bar for each part, oldest first; its lighter foot is what went while the machine did not work."""
    inks = _INKS[theme]
    known = [part for part in parts if part.energy_kwh is not None]
    high = max((part.energy_kwh or 0.0 for part in known), default=1.0) * 1.05 or 1.0
    step = (_WIDTH - _LEFT - 12) / max(len(known), 1)
    shapes = _marks(0.0, high, inks)
    for number, part in enumerate(known):
        x, width = _LEFT + 6 + number * step, max(step - 2, 1)
        floor, top, idle = _at(0.0, 0.0, high), _at(part.energy_kwh or 0.0, 0.0, high), _at(part.idle_kwh or 0.0, 0.0, high)
        shapes += [
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{floor - top:.1f}" fill="{inks["bar"]}"/>',
            f'<rect x="{x:.1f}" y="{idle:.1f}" width="{width:.1f}" height="{floor - idle:.1f}" fill="{inks["idle"]}"/>',
        ]
    return _picture([*shapes, *_times(times, inks)], words)


def _times(times: tuple[str, str], inks: dict[str, str]) -> list[str]:
    style = f'y="{_HEIGHT - 4}" {_FONT} fill="{inks["ink"]}"'
    return [f'<text x="{_LEFT}" {style}>{times[0]}</text>', f'<text x="{_WIDTH - 4}" text-anchor="end" {style}>{times[1]}</text>']
