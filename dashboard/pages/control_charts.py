"""Control charts: is a characteristic in control, by which rule not, and how capable is it. The chart itself is drawn in the browser."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from dash import Input, Output, Patch, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.chart_words import rule_words
from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, Cell, also, exports, facts, moment, notice, problems_of, state, table, table_rows, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_charts import ChartView, IndexView, NoteDraft, PointsView
from plant.charts import RULES, ChartKind, Rule, RuleSet
from plant.errors import Rejected, Unavailable
from storage.people import Role

_REFUSED = (Rejected, Unavailable, ValidationError, PermissionError, ValueError)
_SHOWN_INDICES = ("Cmk", "Cpk", "Ppk")


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; of its list those rows are drawn again whose chart went on."""
    t = texts_of(context.language)
    found, nothing = _read(services, t)
    rules = {rule.value: rule_words(rule, t) for rule in Rule}
    told = {"zone": context.time_zone, "rules": rules}
    return html.Div(
        [
            html.H1(t("Control charts")),
            html.Div(_list(found, nothing, _names(services), t), id="charts-list", className="panel live"),
            html.H2(t("Chart")),
            html.Div(
                className="panel",
                children=[
                    html.Div(className="control-chart", **also(data_control_chart=json.dumps(told))),
                    html.Div(
                        className="legend",
                        children=[
                            html.Span([html.I(className="limit2"), t("control limit")]),
                            html.Span([html.I(className="step"), t("centre, and zones of 1 and 2 sigma")]),
                            html.Span([html.I(className="spec"), t("specification limit")]),
                            html.Span([html.I(className="broken"), t("violates a rule")]),
                            html.Span([html.I(className="noted"), t("cause noted")]),
                        ],
                    ),
                    html.Div(id="charts-told", className="live"),
                ],
            ),
            html.H2(t("Say why")),
            html.Div(
                className="panel",
                children=[_form(t), *([_renewal(t)] if context.may(Role.ENGINEER) else []), html.Div(id="charts-result")]
                if context.may(Role.INSPECTOR)
                else [html.P(t("Inspectors and engineers note causes here."), className="quiet")],
            ),
            dcc.Store(id="charts-chosen"),
            dcc.Store(id="charts-marks", data=_marks(found)),
            dcc.Store(id="charts-told-mark"),
            dcc.Store(id="charts-beat"),
            html.Div(**also(data_beat="charts-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw again what changed of the list and the figures; keep what people say."""
    _register_shown(app, services)
    _register_said(app, services)


def _register_shown(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("charts-rows", "children"),
        Output("charts-marks", "data"),
        Input("charts-beat", "data"),
        State("charts-marks", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, drawn_as: list[str] | None) -> tuple[Any, Any]:
        t = texts_of(current_context().language)
        found, nothing = _read(services, t)
        marks = _marks(found)
        if marks and marks == drawn_as:
            return no_update, no_update
        return _again(found, nothing, drawn_as or [], _names(services), t), marks

    @app.callback(
        Output("charts-told", "children"),
        Output("charts-told-mark", "data"),
        Input("charts-beat", "data"),
        Input("charts-chosen", "data"),
        State("charts-told-mark", "data"),
        prevent_initial_call=True,
    )
    def told(_beat: Any, chosen: int | None, drawn_as: str | None) -> tuple[Any, Any]:
        if chosen is None:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            one, points = services.charts.chart(chosen), services.charts.points(chosen, most=200)
        except (Rejected, Unavailable) as error:
            return notice(problems_of(error, t), wrong=True), None
        mark = _mark(one, points)
        return (no_update, no_update) if mark == drawn_as else (_told(one, points, t, context.time_zone), mark)


def _register_said(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("charts-result", "children"),
        Output("charts-cause", "value"),
        Output("charts-comment", "value"),
        Input("charts-note", "n_clicks"),
        State("charts-chosen", "data"),
        State("charts-point", "value"),
        State("charts-cause", "value"),
        State("charts-comment", "value"),
        State("charts-leave-out", "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def note(
        _clicks: int | None, chosen: int | None, point: int | None, cause: str | None, comment: str | None, leave_out: list[str] | None
    ) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        if ctx.triggered_id != "charts-note" or chosen is None or not point:
            return notice(t("Choose a point of the chart first."), wrong=True), no_update, no_update
        try:
            draft = NoteDraft(number=point, cause=(cause or "").strip(), comment=(comment or "").strip(), leave_out=bool(leave_out))
            services.charts.note(context.person, chosen, draft)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update, no_update
        return notice(t("Noted for point {n}.", n=point)), "", ""

    @app.callback(
        Output("charts-result", "children", allow_duplicate=True),
        Input("charts-renew", "n_clicks"),
        State("charts-chosen", "data"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def renew(_clicks: int | None, chosen: int | None) -> Any:
        context = current_context()
        t = texts_of(context.language)
        if chosen is None:
            return notice(t("Choose a point of the chart first."), wrong=True)
        try:
            asked = services.charts.renew_limits(context.person, chosen)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True)
        return notice(t("Limits are made anew from the points up to {n}.", n=asked.number))


def _read(services: Services, t: Texts) -> tuple[list[ChartView], Cell]:
    """Return the charts, and what is said where there are none."""
    try:
        return services.charts.charts(), t("Nothing is charted. Add [[charts]] to site.toml; docs/spc.md tells how.")
    except Unavailable as error:
        return [], notice(t("The database is away: {why}", why=error), wrong=True)


def _again(found: list[ChartView], nothing: Cell, drawn_as: Sequence[str], names: Mapping[str, str], t: Texts) -> Any:
    """Return the rows that differ from what is drawn; all where charts came or went."""
    marks = _marks(found)
    if not found or [mark.split()[0] for mark in marks] != [mark.split()[0] for mark in drawn_as]:
        return table_rows(_heads(t), [_row(one, names, t) for one in found], nothing)
    changed = Patch()
    for place, (one, mark, before) in enumerate(zip(found, marks, drawn_as, strict=True)):
        if mark != before:
            (changed[place],) = table_rows(_heads(t), [_row(one, names, t)])
    return changed


def _marks(found: Sequence[ChartView]) -> list[str]:
    """Return for each row which chart it is, and what differs once it must be drawn anew."""
    return [f"{one.id} {_mark(one)}" for one in found]


def _mark(*shown: object) -> str:
    return f"{zlib.crc32(repr(shown).encode()):x}"


def _names(services: Services) -> dict[str, str]:
    return {node.id: node.name for node in services.plant.equipment()}


def _list(found: list[ChartView], nothing: Cell, names: Mapping[str, str], t: Texts) -> Component:
    rows = [_row(one, names, t) for one in found]
    return table(_heads(t), rows, caption=t("Control charts"), below=exports("/api/v1/charts", t), nothing=nothing, body="charts-rows")


def _heads(t: Texts) -> list[tuple[str, bool]]:
    return [
        (t("Characteristic"), False),
        (t("State"), False),
        (t("Points"), True),
        (t("Last value"), True),
        (t("Capability"), True),
        (t("Out of control"), True),
        (t("Last"), True),
    ]


def _row(one: ChartView, names: Mapping[str, str], t: Texts) -> list[Cell]:
    return [
        html.Div(
            [
                html.Button(one.name, className="tool chart-opener", **also(data_chart_open=str(one.id))),
                html.Div(f"{names.get(one.equipment, one.equipment)} · {_kind(one.kind, t)}", className="small quiet"),
            ]
        ),
        _state(one, t),
        whole(one.points),
        _value(one.last_value, one.unit, share=one.kind == ChartKind.P),
        _capability(one, t),
        _out(one, t),
        NONE_SHOWN if one.last_us is None else html.Span("…", **also(data_since=str(one.last_us))),
    ]


def _told(one: ChartView, points: PointsView, t: Texts, zone: str) -> Component:
    return html.Div(
        [
            facts(
                [
                    (t("Values"), whole(one.n)),
                    (t("Mean"), _value(one.mean, one.unit)),
                    (t("Sigma within subgroups"), _value(one.sigma_within, one.unit)),
                    (t("Sigma of all"), _value(one.sigma_overall, one.unit)),
                    (t("Specification"), _span(one.low, one.high, one.unit)),
                    (t("Outside specification"), whole(one.outside)),
                    (t("Normal"), _normal(one, t)),
                    (t("Rules"), _rules(one, t)),
                    (t("Limits"), _phases(points, t, zone)),
                ]
            ),
            *([_indices(one, t)] if one.indices else []),
            html.H3(t("Out of control, newest first")),
            _broken(points, t, zone),
        ]
    )


def _indices(one: ChartView, t: Texts) -> Component:
    methods = {
        "within_subgroups": t("spread within subgroups"),
        "overall": t("spread of all values"),
        "percentiles": t("percentiles 0.135 % and 99.865 %"),
    }
    heads = [(t("Index"), False), (t("Value"), True), (t("95 % interval"), True), (t("Values"), True), (t("By"), False), ("", False)]
    rows = [
        [
            html.Strong(index.name),
            f"{index.value:.2f}",
            NONE_SHOWN if index.low is None or index.high is None else f"{index.low:.2f} … {index.high:.2f}",
            whole(index.n),
            methods.get(index.method, index.method),
            "" if index.enough else html.Span(t("provisional: too few values"), className="quiet"),
        ]
        for index in one.indices
    ]
    return html.Div([html.H3(t("Capability")), table(heads, rows, caption=t("Capability"))])


def _broken(points: PointsView, t: Texts, zone: str) -> Component:
    causes: dict[int, list[str]] = {}
    for note in points.notes:
        causes.setdefault(note.number, []).append(f"{note.cause} ({note.actor})")
    rows = []
    for n in range(len(points.number) - 1, -1, -1):
        words = [rule_words(Rule(rule), t) for rule in points.rules[n]]
        words += [t("spread: {rule}", rule=rule_words(Rule(rule), t)) for rule in points.spread_rules[n]]
        number = points.number[n]
        if words or number in causes:
            why = "; ".join(causes.get(number, []))
            rows.append([str(number), moment(points.time_us[n], zone), "; ".join(words) or NONE_SHOWN, why or NONE_SHOWN])
    heads = [(t("Point"), True), (t("Time"), False), (t("Rule"), False), (t("Cause"), False)]
    return table(heads, rows[:20], caption=t("Out of control"), nothing=t("None of the points shown violates a rule."))


def _form(t: Texts) -> Component:
    return html.Div(
        className="filters",
        children=[
            html.Div(
                [
                    html.Label(t("Point"), htmlFor="charts-point"),
                    dcc.Input(id="charts-point", type="number", min=1, step=1, placeholder=t("click it in the chart")),
                ]
            ),
            html.Div([html.Label(t("Cause"), htmlFor="charts-cause"), dcc.Input(id="charts-cause", type="text", maxLength=200)]),
            html.Div([html.Label(t("Comment"), htmlFor="charts-comment"), dcc.Input(id="charts-comment", type="text", maxLength=2000)]),
            html.Div(
                dcc.Checklist(
                    id="charts-leave-out",
                    options=[{"value": "yes", "label": t("leave out when limits are made anew")}],
                    value=[],
                    className="tick",
                )
            ),
            html.Div(html.Button(t("Note the cause"), id="charts-note", className="button")),
        ],
    )


def _renewal(t: Texts) -> Component:
    return html.Div(
        className="filters",
        children=[
            html.P(t("New limits count from the next point on; the old ones stay with their points."), className="quiet"),
            html.Div(html.Button(t("Make limits anew"), id="charts-renew", className="button")),
        ],
    )


def _state(one: ChartView, t: Texts) -> Component:
    if one.state == "learning":
        return state("waiting", t("learning limits, {n} of {all}", n=min(one.points, one.phase_1), all=one.phase_1))
    return state("warning", t("out of control")) if one.state == "out_of_control" else state("normal", t("in control"))


def _out(one: ChartView, t: Texts) -> Component:
    words = [html.Div(t("{n} in 24 h", n=one.day_violations))]
    if one.open_violations:
        words.append(html.Div(t("{n} without cause", n=one.open_violations), className="small"))
    return html.Div(words)


def _capability(one: ChartView, t: Texts) -> Component:
    index = next((i for name in _SHOWN_INDICES for i in one.indices if i.name == name), None)
    if index is None:
        return html.Span(NONE_SHOWN)
    return html.Div([html.Div(f"{index.name} {index.value:.2f}"), html.Div(_interval(index, t), className="small quiet")])


def _interval(index: IndexView, t: Texts) -> str:
    span = "" if index.low is None or index.high is None else f"{index.low:.2f} … {index.high:.2f}, "
    return span + t("n {n}", n=index.n) + ("" if index.enough else t(", provisional"))


def _value(value: float | None, unit: str, *, share: bool = False) -> str:
    if value is None:
        return NONE_SHOWN
    return f"{100 * value:.2f} %" if share else f"{value:.5g} {_UNITS.get(unit, unit)}".strip()


_UNITS = {"N.m": "N·m", "deg": "°", "Cel": "°C"}


def _span(low: float | None, high: float | None, unit: str) -> str:
    if low is None and high is None:
        return NONE_SHOWN
    sides = ("" if low is None else f"≥ {low:g}", "" if high is None else f"≤ {high:g}")
    both = f"{low:g} … {high:g}" if low is not None and high is not None else "".join(sides)
    return f"{both} {_UNITS.get(unit, unit)}".strip()


def _normal(one: ChartView, t: Texts) -> str:
    if one.normality is None:
        return NONE_SHOWN
    if one.normality < 0.05:
        return t("no (p {p}): judge by percentiles", p=f"{one.normality:.3f}")
    return t("nothing speaks against it (p {p})", p=f"{one.normality:.2f}")


def _phases(points: PointsView, t: Texts, zone: str) -> str:
    if not points.phases:
        return t("being learnt")
    last = points.phases[-1]
    words = t("phase {n} from point {point}, {time}", n=last.phase, point=last.from_number, time=moment(last.time_us, zone, seconds=False))
    return f"{words}, {last.asked_by}" if last.asked_by else words


def _rules(one: ChartView, t: Texts) -> str:
    names = {
        RuleSet.NELSON: t("Nelson 1 to 8 (runs of 9)"),
        RuleSet.WESTERN_ELECTRIC: t("Western Electric 1 to 4 (runs of 8)"),
        RuleSet.WESTERN_ELECTRIC_ALL: t("Western Electric with supplements (runs of 8)"),
        RuleSet.LIMITS: t("limits only"),
    }
    return names[RuleSet(one.rule_set)] if one.rule_set in RULES else one.rule_set


def _kind(kind: str, t: Texts) -> str:
    words = {
        ChartKind.INDIVIDUALS: t("individuals, moving range"),
        ChartKind.XBAR_R: t("means and ranges"),
        ChartKind.XBAR_S: t("means and deviations"),
        ChartKind.EWMA: "EWMA",
        ChartKind.CUSUM: "CUSUM",
        ChartKind.P: t("share defective (p)"),
    }
    return words[ChartKind(kind)]
