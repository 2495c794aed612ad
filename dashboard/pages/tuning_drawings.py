"""The trials of a program as a picture: the share of good parts of each with its interval, and where the proposal would lie."""

from __future__ import annotations

import math
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from dashboard.pages.parts import also
from dashboard.views_tuning import SafetyView, TuningView

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 240, 56, 12, 10, 26
_FONT = 'font-size="13" font-family="sans-serif"'
_INKS = {
    "light": {"ink": "#4d565e", "trace": "#34424d", "band": "#dfe3e6", "line": "#c3c8cd", "off": "#8a5200", "next": "#e9ecee"},
    "dark": {"ink": "#a9b3ba", "trace": "#c3ccd3", "band": "#39434b", "line": "#3d464d", "off": "#ffc04d", "next": "#262d32"},
}


def wilson(good: int, parts: int) -> tuple[float, float]:
    """Return the 90 % interval of a share."""
    z, share = 1.645, good / parts
    middle = (share + z * z / (2 * parts)) / (1 + z * z / parts)
    half = z * math.sqrt(share * (1 - share) / parts + z * z / (4 * parts * parts)) / (1 + z * z / parts)
    return max(0.0, middle - half), min(1.0, middle + half)


def trials_drawing(one: TuningView, theme: str, words: str) -> Component:
    """Return the trials, oldest first; a hollow dot is one of the accepted recipe, a square one that was rolled back."""
    inks, shown = _INKS[theme], one.trials[-50:]
    spans = [wilson(each.good, each.parts) for each in shown]
    expected = [] if one.proposal is None else [one.proposal.first_pass]
    low = min([each[0] for each in spans] + [each.low for each in expected], default=0.0)
    low = max(0.0, math.floor(low * 20) / 20)
    step = (_WIDTH - _LEFT - _RIGHT) / (len(shown) + len(expected) + 0.5)

    def across(number: float) -> float:
        return _LEFT + (number + 0.6) * step

    def up(share: float) -> float:
        return _TOP + (1 - share) / (1 - low) * (_HEIGHT - _TOP - _BOTTOM) if low < 1 else _TOP

    shapes = []
    for mark in range(5):
        share = low + (1 - low) * mark / 4
        shapes += [
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(share):.1f}" y2="{up(share):.1f}" stroke="{inks["line"]}"/>',
            f'<text x="{_LEFT - 8}" y="{up(share) + 4:.1f}" text-anchor="end" {_FONT} fill="{inks["ink"]}">{share:.0%}</text>',
        ]
    for number, (each, (least, most)) in enumerate(zip(shown, spans, strict=True)):
        x, y = across(number), up(each.good / each.parts)
        shapes.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{up(least):.1f}" y2="{up(most):.1f}" stroke="{inks["band"]}" stroke-width="6"/>'
        )
        if each.outcome == "worse":
            shapes.append(f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{inks["off"]}"/>')
        else:
            fill = "none" if each.outcome is None else inks["trace"]
            shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{inks["trace"]}" stroke-width="1.6"/>')
    for then in expected:
        x, top, bottom = across(len(shown)), up(then.high), up(then.low)
        dashed = f'stroke="{inks["trace"]}" stroke-dasharray="3 3"'
        middle = f'y1="{up(then.mean):.1f}" y2="{up(then.mean):.1f}" stroke="{inks["trace"]}" stroke-width="2"'
        shapes += [
            f'<rect x="{x - 9:.1f}" y="{top:.1f}" width="18" height="{max(1, bottom - top):.1f}" fill="{inks["next"]}" {dashed}/>',
            f'<line x1="{x - 9:.1f}" x2="{x + 9:.1f}" {middle}/>',
        ]
    for number in sorted({0, len(shown) // 2, len(shown) - 1}) if shown else []:
        name = _escaped(shown[number].name[:12])
        placed = f'x="{across(number):.1f}" y="{_HEIGHT - 6}" text-anchor="middle"'
        shapes.append(f'<text {placed} {_FONT} fill="{inks["ink"]}">{name}</text>')
    body = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(shapes)}</svg>'
    return html.Img(src="data:image/svg+xml," + quote(body), alt=words, className="condition-drawing")


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def window_bar(low: float, high: float, now: float | None, then: float | None, words: str) -> Component:
    """Return a window as a bar: where the accepted value lies, and where the proposed one would."""

    def at(value: float) -> str:
        return f"{min(100.0, max(0.0, 100 * (value - low) / (high - low))):.2f}%"

    marks = [] if now is None else [html.Div(className="zero", style={"left": at(now)})]
    marks += [] if then is None else [html.Div(className="pointer", style={"left": at(then)})]
    return html.Div(marks, className="gain-bar tuning-bar", title=words, role="img", **also(aria_label=words))


def safety_bar(one: SafetyView, words: str) -> Component:
    """Return what is expected of a quality with its interval, and the limits it must keep."""
    values = [one.expected.low, one.expected.high, *(limit for limit in (one.low, one.high) if limit is not None)]
    room = 0.15 * (max(values) - min(values)) or 1.0
    low, high = min(values) - room, max(values) + room

    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    limits = [html.Div(className="zero", style={"left": f"{at(limit):.2f}%"}) for limit in (one.low, one.high) if limit is not None]
    begin, end = at(one.expected.low), at(one.expected.high)
    return html.Div(
        [
            html.Div(className="span", style={"left": f"{begin:.2f}%", "width": f"{max(0.5, end - begin):.2f}%"}),
            *limits,
            html.Div(className="pointer", style={"left": f"{at(one.expected.mean):.2f}%"}),
        ],
        className="gain-bar tuning-bar",
        title=words,
        role="img",
        **also(aria_label=words),
    )
