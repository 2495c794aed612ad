"""Pieces of the pages about windows and deliveries: a parameter's range as a bar, and changes of limits in words."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.charts import unit_words
from dashboard.pages.parts import NONE_SHOWN, also, table
from dashboard.texts import Texts
from dashboard.views_windows import LimitChangeView, WindowChangeView

_SIDES = {"wider": "▲", "narrower": "▼", "other": ""}


def range_bar(low: float, high: float, words: str, *, now: Sequence[float] = (), then: float | None = None) -> Component:
    """Return a range with room on both sides, so that what lies outside is seen: a line for each value in use, a block for a new one."""
    every = [low, high, *now, *([] if then is None else [then])]
    room = 0.06 * (max(every) - min(every)) or 1.0
    begin, end = min(every) - room, max(every) + room

    def at(value: float) -> float:
        return 100 * (value - begin) / (end - begin)

    marks = [html.Div(className="span", style={"left": f"{at(low):.2f}%", "width": f"{at(high) - at(low):.2f}%"})]
    marks += [html.Div(className="zero", style={"left": f"{at(value):.2f}%"}) for value in now]
    if then is not None:
        outside = "" if low <= then <= high else " outside"
        marks.append(html.Div(className=f"pointer{outside}", style={"left": f"{at(then):.2f}%"}))
    return html.Div(marks, className="gain-bar range-bar", title=words, role="img", **also(aria_label=words))


def with_unit(value: float | str | None, unit: str) -> str:
    """Return a number with its unit as people read it, a dash where there is none."""
    if value is None:
        return NONE_SHOWN
    shown = value if isinstance(value, str) else f"{value:.6g}"
    return shown if unit in ("", "1") else f"{shown} {unit_words(unit)}"


def span_words(low: float | None, high: float | None, unit: str) -> str:
    """Return what a value may be, in signs."""
    if low is not None and high is not None:
        return with_unit(f"{low:g} … {high:g}", unit)
    return with_unit(f"≤ {high:g}" if low is None else f"≥ {low:g}", unit)


def place_words(work_unit: str, program: str, job: str, t: Texts) -> str:
    """Return what a window is for."""
    words = t("all programs") if program == "*" else program
    return f"{words} · {work_unit}" if job in ("", "*") else f"{words} · {work_unit} · {job}"


def changes_shown(changes: Sequence[WindowChangeView], t: Texts, *, place: bool = True) -> list[Component]:
    """Return what differs, window by window; what allows more than before is marked in words and by a shape."""
    if not changes:
        return [html.P(t("Nothing differs."), className="quiet")]
    shown: list[Component] = []
    for one in changes:
        versions = f"{_version(one.version_before)} → {_version(one.version_after)}"
        whats = {"added": t("new window"), "removed": t("window taken out"), "changed": t("version {versions}", versions=versions)}
        shown.append(
            html.Div(
                [
                    html.Strong(place_words(one.work_unit, one.program, one.job, t) if place else ""),
                    html.Span(whats[one.what], className="quiet"),
                ],
                className="window-head",
            )
        )
        if one.silent:
            shown.append(
                html.P(
                    t("Its limits changed, its version did not: controllers that check the version do not notice."),
                    className="warning-words",
                )
            )
        if one.limits:
            shown.append(_limits(one.limits, t))
        elif one.what == "changed":
            shown.append(html.P(t("Only its version, author or approver differs."), className="quiet"))
    return shown


def _version(version: int | None) -> str:
    return NONE_SHOWN if version is None else str(version)


def _limits(limits: Sequence[LimitChangeView], t: Texts) -> Component:
    heads = [(t("Limit"), False), (t("Before"), True), (t("After"), True), (t("Allows"), False)]
    rows = []
    for one in limits:
        unit = "" if one.field in ("unit", "formula", "of", "efficiency") else one.unit
        sides = {"wider": t("more than before"), "narrower": t("less than before"), "other": NONE_SHOWN}
        allows = html.Span(f"{_SIDES[one.side]} {sides[one.side]}".strip(), className="side-wider" if one.side == "wider" else "quiet")
        rows.append(
            [
                f"{one.name} {field_words(one.field, t)}".strip(),
                _limit_words(one.before, one.field, unit, t),
                _limit_words(one.after, one.field, unit, t),
                allows,
            ]
        )
    return table(heads, rows, caption=t("What differs"))


def _limit_words(value: float | str | None, field: str, unit: str, t: Texts) -> str:
    return t("no limit") if value is None and field in ("low", "high", "rate") else with_unit(value, unit)


def field_words(field: str, t: Texts) -> str:
    """Return the name of a limit's field."""
    words = {
        "low": t("lowest"),
        "high": t("highest"),
        "step": t("largest step"),
        "rate": t("largest change in an hour"),
        "dead_band": t("dead band"),
        "unit": t("unit"),
        "formula": t("formula"),
        "efficiency": t("efficiency"),
        "of": t("reckoned from"),
    }
    return words.get(field, "")
