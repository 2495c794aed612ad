"""Design changes: new versions of products as PLM tells them, what they touch, and which stations have acknowledged them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.links import address, link, serial_link
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, exports, facts, moment, notice, problems_of, state, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_design_changes import AcknowledgementDraft, DesignChangeView, StationView
from plant.design_changes import ChangeStage
from plant.errors import Rejected, Unavailable
from storage.people import Role

_MOST = 50
_LOOKS = {ChangeStage.WAITING: "waiting", ChangeStage.IN_FORCE: "normal", ChangeStage.REFUSED: "critical", ChangeStage.WITHDRAWN: "stale"}


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again every two seconds while the stream lives."""
    t = texts_of(context.language)
    return html.Div(
        className="recommendations",
        children=[
            html.H1(t("Design changes")),
            html.P(t("A change is in force for its serials once each station that it touches has acknowledged it."), className="quiet"),
            html.Div(
                html.Div(_list(services, context, t), id="design-change-list", className="live"),
                className="panel recommendation-list",
                **also(data_opens="design-change-open"),
            ),
            html.H2(t("Which version holds")),
            html.Div(
                className="panel filters",
                children=[
                    _asked(t("Product"), "design-change-product"),
                    _asked(t("Serial number"), "design-change-serial"),
                    html.Div(id="design-change-version", role="status", className="design-change-version"),
                ],
            ),
            html.Div(id="design-change-said"),
            html.Div(id="design-change-shown"),
            dcc.Store(id="design-change-open"),
            dcc.Store(id="design-change-beat"),
            html.Div(**also(data_beat="design-change-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list with each beat, one change when it is asked for, and take what stations say."""

    @app.callback(Output("design-change-list", "children"), Input("design-change-beat", "data"), prevent_initial_call=True)
    def again(_beat: Any) -> Any:
        context = current_context()
        return _list(services, context, texts_of(context.language))

    @app.callback(
        Output("design-change-shown", "children"),
        Output("design-change-said", "children"),
        Input("design-change-open", "data"),
        State("address", "search"),
    )
    def show(asked: int | None, search: str | None) -> tuple[Any, Any]:
        context = current_context()
        return _one(services, context, texts_of(context.language), asked or _named(search)), ""

    @app.callback(
        Output("design-change-version", "children"),
        Input("design-change-product", "value"),
        Input("design-change-serial", "value"),
        prevent_initial_call=True,
    )
    def version(product: str | None, serial: str | None) -> Any:
        t = texts_of(current_context().language)
        if not (product or "").strip() or not (serial or "").strip():
            return ""
        try:
            found = services.design_changes.version((product or "").strip(), (serial or "").strip())
        except (Rejected, Unavailable) as error:
            return notice(problems_of(error, t), wrong=True)
        return t("version {version}", version=found.version) if found.version else t("no change in force touches it")

    @app.callback(
        Output("design-change-shown", "children", allow_duplicate=True),
        Output("design-change-said", "children", allow_duplicate=True),
        Input({"part": "design-change-answer", "change": ALL, "station": ALL, "answer": ALL}, "n_clicks"),
        State({"part": "design-change-note", "change": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def answer(_clicks: list[int | None], notes: list[str | None]) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        note, accepted = ((notes[0] if notes else "") or "").strip()[:1000], asked["answer"] == "yes"
        if not accepted and not note:
            return no_update, notice(t("Say in the note why the station cannot make it so."), wrong=True)
        try:
            draft = AcknowledgementDraft(station=asked["station"], accepted=accepted, note=note)
            services.design_changes.acknowledge(context.person, int(asked["change"]), draft)
        except (Rejected, Unavailable, PermissionError, ValueError) as error:
            return no_update, notice(problems_of(error, t), wrong=True)
        return _one(services, context, t, int(asked["change"])), notice(t("The answer of {station} is kept.", station=asked["station"]))


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("id", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _asked(words: str, name: str) -> Component:
    return html.Div([html.Label(words, htmlFor=name), dcc.Input(id=name, type="text", debounce=True, autoComplete="off", maxLength=200)])


def _list(services: Services, context: PageContext, t: Texts) -> Component:
    try:
        found = services.design_changes.changes(most=_MOST, language=context.language)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [
        (t("Change"), False),
        (t("Product"), False),
        (t("Version"), False),
        (t("From serial"), False),
        (t("Touches"), True),
        (t("Acknowledged"), True),
        (t("Received"), False),
        (t("Stage"), False),
    ]
    rows = [
        [
            html.Button(one.number, className="tool small", **also(data_open=str(one.id))),
            one.product,
            one.version,
            html.Span(one.effective_from, className="number"),
            str(len(one.effects)),
            f"{sum(1 for each in one.stations if each.accepted)}/{len(one.stations)}",
            moment(one.received_us, context.time_zone, seconds=False),
            _state(one.stage, t),
        ]
        for one in found
    ]
    nothing = t("No design change yet. PLM sends them to /api/v1/design-changes; docs/recommendations.md tells how.")
    return table(heads, rows, caption=t("Design changes"), below=exports("/api/v1/design-changes", t, most=1000), nothing=nothing)


def _one(services: Services, context: PageContext, t: Texts, asked: int | None) -> list[Component]:
    if asked is None:
        return []
    try:
        one = services.design_changes.change(asked, context.language)
    except (Rejected, Unavailable) as error:
        return [notice(problems_of(error, t), wrong=True)]
    waits = [each for each in one.stations if each.accepted is None]
    told = t("It waits for {stations}.", stations=", ".join(each.station for each in waits))
    return [
        html.H2(f"{one.number}: {one.product} {one.version}"),
        html.Div(
            className="vision-side-by-side",
            children=[
                html.Div(
                    className="panel",
                    children=[
                        html.Div([_state(one.stage, t), html.Strong(one.title)], className="vision-head"),
                        *([html.P(one.reason, className="wrap")] if one.reason else []),
                        *([html.P(told, className="quiet wrap")] if one.stage == ChangeStage.WAITING else []),
                        html.H3(t("What it changes")),
                        _effects(one, t),
                    ],
                ),
                html.Div([facts(_facts(one, context, t)), html.H3(t("Stations")), *_stations(one, context, t)], className="panel"),
            ],
        ),
    ]


def _effects(one: DesignChangeView, t: Texts) -> Component:
    kinds = {
        "route": t("Route"),
        "feature": t("Feature"),
        "program": t("Program"),
        "tightening": t("Tightening"),
        "vision": t("Vision"),
    }
    heads = [(t("Of"), False), (t("What it does to what is in force"), False)]
    rows = [[kinds.get(each.kind, each.kind), html.Span(each.words, className="wrap")] for each in one.effects]
    return table(heads, rows, caption=t("What it changes"), nothing=t("All is so already."))


def _facts(one: DesignChangeView, context: PageContext, t: Texts) -> list[tuple[str, Any]]:
    sheet = NONE_SHOWN if one.request is None else link(t("open"), address("/new-product", id=one.request))
    return [
        (t("From serial"), serial_link(one.effective_from)),
        (t("Received"), moment(one.received_us, context.time_zone, seconds=False)),
        (t("Sent by"), one.sent_by),
        (t("Author"), one.author or NONE_SHOWN),
        (t("Route of the new version"), sheet),
        (t("As JSON"), html.A(t("open"), href=f"/api/v1/design-changes/{one.id}", target="_blank")),
    ]


def _stations(one: DesignChangeView, context: PageContext, t: Texts) -> list[Component]:
    may = context.may(Role.INSPECTOR) and one.stage == ChangeStage.WAITING
    heads = [(t("Station"), False), (t("Told"), False), (t("Answer"), False)]
    rows = [
        [
            html.Span(each.station, className="wrap"),
            moment(each.sent_us, context.time_zone, seconds=False),
            _buttons(one, each, t) if may and each.accepted is None else _said(each, context, t),
        ]
        for each in one.stations
    ]
    name = {"part": "design-change-note", "change": one.id}
    note = html.Label([t("Note"), dcc.Input(id=name, type="text", maxLength=1000, autoComplete="off", className="joint-note")])
    return [table(heads, rows, caption=t("Stations")), *([note] if may else [])]


def _said(each: StationView, context: PageContext, t: Texts) -> Component:
    if each.accepted is None:
        return state("waiting", t("no answer yet"))
    words = t("acknowledged") if each.accepted else t("refused")
    told = " · ".join(word for word in (each.actor, moment(each.answered_us, context.time_zone, seconds=False), each.note) if word)
    return html.Div([state("normal" if each.accepted else "critical", words), html.Div(told, className="small quiet wrap")])


def _buttons(one: DesignChangeView, each: StationView, t: Texts) -> Component:
    name = {"part": "design-change-answer", "change": one.id, "station": each.station}
    return html.Div(
        [
            html.Button(t("Acknowledge"), id={**name, "answer": "yes"}, className="button"),
            html.Button(t("Refuse"), id={**name, "answer": "no"}, className="button"),
        ],
        className="recommendation-answers",
    )


def _state(stage: str, t: Texts) -> Component:
    words = {
        ChangeStage.WAITING: t("waits for stations"),
        ChangeStage.IN_FORCE: t("in force"),
        ChangeStage.REFUSED: t("refused"),
        ChangeStage.WITHDRAWN: t("withdrawn"),
    }
    return state(_LOOKS[ChangeStage(stage)], words[ChangeStage(stage)])
