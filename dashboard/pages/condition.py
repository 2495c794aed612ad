"""Condition: what is not as usual and why, how tools wear, what energy a part takes; and what people say to it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.condition_words import answer_words, feature_words, outlook_words, severity_words
from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.condition_drawings import energy_drawing, trend_drawing
from dashboard.pages.parts import NONE_SHOWN, age, also, exports, moment, notice, problems_of, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_condition import AnswerDraft, FindingView, StreamView, ToolView, TrendView, WatchedView
from plant.condition import Answer
from plant.errors import Rejected, Unavailable
from storage.people import Role

_DAY_US = 86_400_000_000
_MOST_FINDINGS = 50
_SHOWN_PARTS = 120
_SHOWN_BARS = 60
_LOOKS = {"slight": "warning", "clear": "warning", "strong": "critical"}
_LOGARITHMS = frozenset({"spread", "duration"})


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its tables and drawings are made again every two seconds while the stream lives."""
    t = texts_of(context.language)
    try:
        watched = services.condition.watched()
    except Unavailable as error:
        return html.Div([html.H1(t("Equipment condition")), notice(t("The database is away: {why}", why=error), wrong=True)])
    chosen = _first(watched)
    options = [{"value": one.equipment, "label": one.name} for one in watched]
    streams, stream = _streams(services, chosen, t)
    return html.Div(
        [
            html.H1(t("Equipment condition")),
            html.Div(_watched(services, watched, t), id="condition-watched", className="panel live"),
            html.H2(t("Not as usual")),
            html.Div(id="condition-said"),
            html.Div(_findings(services, context, t), id="condition-findings", className="panel live"),
            html.H2(t("One equipment")),
            html.Div(
                className="panel",
                children=[
                    html.Div(
                        className="filters",
                        children=[
                            _field("condition-equipment", t("Equipment"), options, chosen),
                            _field("condition-stream", t("Number watched"), streams, stream),
                        ],
                    ),
                    html.Div(_trend(services, stream, context, t), id="condition-trend", className="live"),
                    html.H2(t("Energy of each part")),
                    html.Div(_energy(services, chosen, context, t), id="condition-energy", className="live"),
                    html.H2(t("Tools")),
                    html.Div(_tools(services, chosen, context, t), id="condition-tools", className="live"),
                ],
            ),
            dcc.Store(id="condition-beat"),
            html.Div(**also(data_beat="condition-beat")),
        ]
    )


def _field(name: str, words: str, options: list[dict[str, Any]], value: Any) -> Component:
    return html.Div([html.Label(words, htmlFor=name), dcc.Dropdown(id=name, options=options, value=value, clearable=False)])


def register(app: PageApp, services: Services) -> None:
    """Draw again with each beat and choice; keep what people say."""

    @app.callback(
        Output("condition-watched", "children"),
        Output("condition-findings", "children"),
        Input("condition-beat", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any) -> tuple[Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        try:
            return _watched(services, services.condition.watched(), t), _findings(services, context, t)
        except Unavailable:
            return no_update, no_update

    @app.callback(
        Output("condition-stream", "options"),
        Output("condition-stream", "value"),
        Input("condition-equipment", "value"),
        prevent_initial_call=True,
    )
    def choose(equipment: str | None) -> tuple[Any, Any]:
        return _streams(services, equipment, texts_of(current_context().language))

    @app.callback(
        Output("condition-trend", "children"),
        Output("condition-energy", "children"),
        Output("condition-tools", "children"),
        Input("condition-beat", "data"),
        Input("condition-stream", "value"),
        State("condition-equipment", "value"),
        prevent_initial_call=True,
    )
    def draw(_beat: Any, stream: int | None, equipment: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        return _trend(services, stream, context, t), _energy(services, equipment, context, t), _tools(services, equipment, context, t)

    @app.callback(
        Output("condition-said", "children"),
        Output("condition-findings", "children", allow_duplicate=True),
        Input({"part": "condition-answer", "finding": ALL, "answer": ALL}, "n_clicks"),
        Input({"part": "condition-tool", "equipment": ALL}, "n_clicks"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def answer(_clicks: list[int | None], _tools_clicked: list[int | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            if asked["part"] == "condition-tool":
                services.condition.answer(context.person, AnswerDraft(answer=Answer.TOOL_CHANGED, equipment=asked["equipment"]))
            else:
                services.condition.answer(context.person, AnswerDraft(answer=Answer(asked["answer"]), finding=asked["finding"]))
        except (Rejected, Unavailable, PermissionError) as error:
            return notice(problems_of(error, t), wrong=True), no_update
        return notice(t("Kept. It is heeded with the next part.")), _findings(services, context, t)


def _first(watched: list[WatchedView]) -> str | None:
    """Return the equipment that is shown first: the one with most that is not as usual."""
    return max(watched, key=lambda one: one.open_findings).equipment if watched else None


def _watched(services: Services, watched: list[WatchedView], t: Texts) -> Component:
    now_us = services.plant.clock().now_us
    tools = {tool.equipment: tool for tool in services.condition.tools(only_now=True, most=2000)}
    heads = [
        (t("Equipment"), False),
        (t("State"), False),
        (t("Tool"), False),
        (t("Energy of a part"), True),
        (t("While idle"), True),
        (t("Parts"), True),
        (t("Last part"), True),
    ]
    rows = [
        [
            one.name,
            _state(one, t),
            _outlook(tools.get(one.equipment), t),
            NONE_SHOWN if one.energy_kwh is None else f"{one.energy_kwh:.3g} kWh",
            NONE_SHOWN if one.idle_share is None else f"{100 * one.idle_share:.0f} %",
            whole(one.parts),
            age(one.last_us, now_us, t),
        ]
        for one in watched
    ]
    nothing = t("Nothing is watched yet. Add [[condition]] to site.toml; the first part of each equipment appears here.")
    return table(heads, rows, caption=t("Watched equipment"), below=exports("/api/v1/condition", t), nothing=nothing)


def _state(one: WatchedView, t: Texts) -> Component:
    if one.open_findings and one.severity is not None:
        return state(_LOOKS[one.severity], t("not as usual: {severity}", severity=severity_words(one.severity, t)))
    if not one.judged:
        return state("waiting", t("not enough evidence: {n} of {least} parts", n=min(one.parts, one.least_parts), least=one.least_parts))
    return state("normal", t("as usual"))


def _outlook(tool: ToolView | None, t: Texts) -> Component:
    if tool is None:
        return html.Span(NONE_SHOWN)
    words = outlook_words(tool.outlook, tool.remaining_parts, tool.remaining_low, tool.remaining_high, t)
    return state("warning", words) if tool.outlook == "worn" else html.Span(words, className="" if tool.outlook == "trend" else "quiet")


def _findings(services: Services, context: PageContext, t: Texts) -> Component:
    found = services.condition.findings(most=_MOST_FINDINGS, language=context.language)
    names = {str(node.id): node.name for node in services.plant.equipment()}
    may = context.may(Role.INSPECTOR)
    heads = [
        (t("Since"), False),
        (t("Equipment"), False),
        (t("Why"), False),
        (t("How much"), False),
        (t("Until"), False),
        (t("Said"), False),
    ]
    ranked = sorted(found, key=lambda one: (one.end_us is not None, -one.begin_us))
    rows = [
        [
            moment(one.begin_us, context.time_zone),
            html.Div([html.Div(names.get(one.equipment, one.equipment)), html.Div(_program(one, t), className="small quiet")]),
            _why(one),
            state(_LOOKS[one.severity], severity_words(one.severity, t))
            if one.end_us is None
            else html.Span(severity_words(one.severity, t), className="quiet"),
            html.Strong(t("still")) if one.end_us is None else moment(one.end_us, context.time_zone),
            _answers(one, t, may=may),
        ]
        for one in ranked
    ]
    return table(
        heads,
        rows,
        caption=t("Not as usual"),
        below=exports("/api/v1/condition/findings", t, most=2000),
        nothing=t("Everything that has a baseline is as usual."),
    )


def _program(one: FindingView, t: Texts) -> str:
    return t("program {program}", program=one.program) if one.program else ""


def _why(one: FindingView) -> Component:
    first, *others = one.sentences or ("",)
    return html.Div([html.Div(first, className="wrap"), *(html.Div(words, className="small quiet wrap") for words in others)])


def _answers(one: FindingView, t: Texts, *, may: bool) -> Component:
    said = html.Div([answer_words(one.answer, t), html.Div(one.answered_by, className="small quiet")]) if one.answer else None
    if not may or one.end_us is not None or one.answer in {Answer.FALSE_CALL.value, Answer.TOOL_CHANGED.value}:
        return said or html.Span(NONE_SHOWN)
    asked = [(Answer.CONFIRMED, t("It is so")), (Answer.FALSE_CALL, t("False call")), (Answer.TOOL_CHANGED, t("Tool changed"))]
    buttons = [
        html.Button(words, id={"part": "condition-answer", "finding": one.id, "answer": each.value}, className="tool small")
        for each, words in asked
        if each.value != one.answer
    ]
    return html.Div([*([said] if said else []), html.Div(buttons, className="condition-answers")])


def _streams(services: Services, equipment: str | None, t: Texts) -> tuple[list[dict[str, Any]], int | None]:
    """Return what may be drawn of an equipment, and what is drawn first: what is farthest from usual, else the first level."""
    if equipment is None:
        return [], None
    try:
        known = services.condition.streams(equipment)
        found = services.condition.findings(equipment=equipment, only_open=True, most=1)
    except Unavailable:
        return [], None
    ranked = sorted(known, key=lambda one: (one.program, one.step, one.occurrence, one.signal, one.feature))
    options = [{"value": one.id, "label": _stream_words(one, t)} for one in ranked]
    first = next((one.id for one in known if one.feature == "mean"), None)
    for finding in found:
        reason = finding.reasons[0]
        wanted = (finding.program, finding.step, finding.occurrence, reason["signal"], reason["feature"])
        matching = (one.id for one in known if (one.program, one.step, one.occurrence, one.signal, one.feature) == wanted)
        first = next(matching, first)
    return options, first


def _stream_words(one: StreamView, t: Texts) -> str:
    place = one.step if one.occurrence == 1 else f"{one.step} ({one.occurrence})"
    words = [one.program, place, one.signal, feature_words(one.feature, t)]
    return " · ".join(word for word in words if word)


def _trend(services: Services, stream: int | None, context: PageContext, t: Texts) -> Component:
    if stream is None:
        return html.P(t("Nothing was measured yet."), className="quiet")
    try:
        trend = services.condition.trend(stream, _SHOWN_PARTS)
    except (Rejected, Unavailable) as error:
        return notice(problems_of(error, t), wrong=True)
    feature = services.condition.feature(stream)
    if feature in _LOGARITHMS:
        trend = _plain(trend)
    times = (moment(trend.time_us[0], context.time_zone), moment(trend.time_us[-1], context.time_zone))
    usual = trend.middle[-1] if trend.middle else None
    words = [t("last: {value}", value=f"{trend.level[-1]:.4g}")]
    words.append(t("usual: {value}", value=f"{usual:.4g}") if usual is not None else t("not enough evidence"))
    legend = html.Div(
        className="legend",
        children=[
            html.Span([html.I(className="condition-band"), t("where a lasting level is usual")]),
            html.Span([html.I(className="condition-off"), t("outside of it")]),
            html.Span(" · ".join(words), className="number"),
        ],
    )
    return html.Div([trend_drawing(trend, context.theme, t("level of each part"), times), legend])


def _plain(trend: TrendView) -> TrendView:
    """Return a trend of logarithms in the signal's own unit."""

    def each(values: list[float | None]) -> list[float | None]:
        return [None if value is None else math.exp(min(value, 700.0)) for value in values]

    level = [math.exp(min(value, 700.0)) for value in trend.level]
    return replace(trend, level=level, middle=each(trend.middle), low=each(trend.low), high=each(trend.high))


def _energy(services: Services, equipment: str | None, context: PageContext, t: Texts) -> Component:
    if equipment is None:
        return html.P(NONE_SHOWN, className="quiet")
    now_us = services.plant.clock().now_us
    try:
        parts = services.condition.parts(equipment, now_us - 7 * _DAY_US, now_us + _DAY_US, _SHOWN_BARS)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    known = [part for part in reversed(parts) if part.energy_kwh is not None]
    if not known:
        return html.P(t("No energy is read here. Name a power or a meter in [[condition]]."), className="quiet")
    times = (moment(known[0].end_us, context.time_zone), moment(known[-1].end_us, context.time_zone))
    whole_kwh, idle_kwh = sum(part.energy_kwh or 0.0 for part in known), sum(part.idle_kwh or 0.0 for part in known)
    words = t("{n} parts, {mean} kWh each", n=len(known), mean=f"{whole_kwh / len(known):.3g}")
    legend = html.Div(
        className="legend",
        children=[
            html.Span([html.I(className="condition-work"), t("while the machine works")]),
            html.Span(
                [html.I(className="condition-idle"), t("while idle: {share} %", share=f"{100 * idle_kwh / max(whole_kwh, 1e-9):.0f}")]
            ),
            html.Span(words, className="number"),
        ],
    )
    return html.Div([energy_drawing(known, context.theme, t("kWh of each part"), times), legend])


def _tools(services: Services, equipment: str | None, context: PageContext, t: Texts) -> Component:
    try:
        found = services.condition.tools(equipment, most=12) if equipment is not None else []
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [
        (t("Put in"), False),
        (t("Taken out"), False),
        (t("Tool"), False),
        (t("Parts"), True),
        (t("Rise since its begin"), True),
        (t("Worn at"), True),
        (t("Remaining use"), False),
        (t("Called worn"), False),
    ]
    rows = [
        [
            moment(one.begin_us, context.time_zone),
            t("still in") if one.end_us is None else moment(one.end_us, context.time_zone),
            one.tool or NONE_SHOWN,
            whole(one.parts),
            NONE_SHOWN if one.rise_percent is None else f"{one.rise_percent:+.0f} %".replace("-", "\N{MINUS SIGN}"),
            NONE_SHOWN if one.limit_percent is None else f"+{one.limit_percent:.0f} %",
            NONE_SHOWN if one.end_us is not None else _outlook(one, t),
            t("yes") if one.called_worn else NONE_SHOWN,
        ]
        for one in found
    ]
    button = None
    if equipment is not None and context.may(Role.INSPECTOR):
        button = html.Button(t("A tool was changed now"), id={"part": "condition-tool", "equipment": equipment}, className="tool small")
    return html.Div(
        [
            table(heads, rows, caption=t("Tools"), below=exports("/api/v1/condition/tools", t, most=2000), nothing=t("No tools yet.")),
            *([button] if button else []),
        ]
    )
