"""Changeovers: what each work unit is switched to next, and which changeover sets are complete."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, exports, moment, notice, state, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_changeovers import SetFaultView
from plant.changeover_sets import KIND_WORDS, PartKind
from plant.errors import Unavailable


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its tables are drawn again with each beat while the stream lives."""
    t = texts_of(context.language)
    return html.Div(
        [
            html.H1(t("Changeovers")),
            html.P(t("All that is switched for another model is checked as one, and read back before its first part."), className="quiet"),
            html.Div(_both(services, context, t), id="changeover-tables", className="live"),
            dcc.Store(id="changeover-beat"),
            html.Div(**also(data_beat="changeover-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the tables again with each beat."""

    @app.callback(Output("changeover-tables", "children"), Input("changeover-beat", "data"), prevent_initial_call=True)
    def again(_beat: Any) -> Any:
        context = current_context()
        return _both(services, context, texts_of(context.language))


def _both(services: Services, context: PageContext, t: Texts) -> list[Component]:
    try:
        return [
            html.H2(t("Next at each work unit")),
            html.Div(_next(services, context, t), className="panel"),
            html.H2(t("Changeover sets")),
            html.Div(_sets(services, context, t), className="panel"),
        ]
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]


def _next(services: Services, context: PageContext, t: Texts) -> Component:
    heads = [(t("Work unit"), False), (t("Model"), False), (t("Part"), False), (t("From"), False), (t("Set"), True), (t("State"), False)]
    rows = [
        [
            html.Span(one.work_unit, className="wrap"),
            one.model or NONE_SHOWN,
            html.Span(one.job or NONE_SHOWN, className="wrap"),
            NONE_SHOWN if one.start_us is None else moment(one.start_us, context.time_zone, seconds=False),
            NONE_SHOWN if one.set_version is None else str(one.set_version),
            _state(one.faults, t) if one.model else html.Span(t("no change planned"), className="quiet"),
        ]
        for one in services.changeovers.upcoming(context.language)
    ]
    nothing = t("No changeover sets yet. Bring them in: leadhand import changeovers SETS.toml")
    return table(heads, rows, caption=t("Next at each work unit"), below=exports("/api/v1/changeovers/next", t), nothing=nothing)


def _sets(services: Services, context: PageContext, t: Texts) -> list[Component]:
    found = services.changeovers.sets(context.language)
    heads = [(t("Work unit"), False), (t("Model"), False), (t("Version"), True), (t("Parts"), False), (t("Approved by"), False)]
    heads.append((t("State"), False))
    rows = [
        [
            html.Span(one.work_unit, className="wrap"),
            one.model,
            str(one.version),
            html.Div([html.Div(f"{t(KIND_WORDS[PartKind(kind)])}: {words}", className="small wrap") for kind, words in one.parts.items()]),
            one.approver,
            _state(one.faults, t),
        ]
        for one in found.sets
    ]
    shown = [table(heads, rows, caption=t("Changeover sets"), nothing=t("none"))]
    if found.version is not None:
        since = moment(found.since_us, context.time_zone, seconds=False)
        shown.append(html.P(t("Version {version}, brought in by {who} at {when}.", version=found.version, who=found.actor, when=since)))
    return shown


def _state(faults: tuple[SetFaultView, ...], t: Texts) -> Component:
    if not faults:
        return state("normal", t("complete"))
    return html.Div([state("warning", t("not complete")), *(html.Div(fault.words, className="small wrap") for fault in faults)])
