"""The schedule: what runs where and when, what is late and why; drag with instant check, what-ifs, earlier plans."""

from __future__ import annotations

import json
from typing import Any

from dash import ALL, ClientsideFunction, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages import schedule_parts as drawn
from dashboard.pages.parts import also, notice, problems_of
from dashboard.pages.schedule_what_if import FIELDS, what_if_draft
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_plan import EndDraft, PlanStateView, ReferenceDraft, RestoreDraft
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_REFUSED = (Rejected, Unavailable, PermissionError, SettingsError, ValidationError)


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; the drawing reads the plan by itself, and anew whenever another one stands."""
    t = texts_of(context.language)
    may = context.may(Role.ENGINEER)
    acts = [
        html.Button(t("Plan again now"), id="schedule-again", className="button first"),
        html.Button(t("Undo"), id="schedule-undo", className="button", title=t("The version before holds again")),
    ]
    return html.Div(
        className="schedule-page",
        children=[
            html.H1(t("Schedule"), className="wide"),
            html.Div(
                className="schedule-head wide",
                children=[
                    html.Div(_head(services, context, t), id="schedule-head", className="live"),
                    html.Div(acts if may else [], className="schedule-acts"),
                ],
            ),
            html.Div(id="schedule-said", className="wide"),
            html.Div(
                [html.Div(id="schedule-place", className="schedule", **also(data_schedule=_told(context, may=may))), drawn.legend(t)],
                className="panel",
            ),
            html.Aside(
                className="panel schedule-beside",
                children=[
                    html.Div(drawn.nothing_chosen(t), id="schedule-why", **also(aria_live="polite")),
                    html.Div(**also(data_schedule_beside="1")),
                ],
            ),
            html.Div(
                className="wide",
                children=[
                    html.Div(_lists(services, context, t), id="schedule-lists", **also(data_opens="schedule-version")),
                    *(drawn.what_if_form(services, t) if may else []),
                ],
            ),
            dcc.Store(id="schedule-chosen"),
            dcc.Store(id="schedule-version"),
            dcc.Store(id="schedule-news"),
            dcc.Store(id="schedule-mark"),
            dcc.Store(id="schedule-beat"),
            html.Div(**also(data_beat="schedule-beat")),
        ],
    )


def _told(context: PageContext, *, may: bool) -> str:
    return json.dumps({"plan": None, "may": may, "zone": context.time_zone})


def register(app: PageApp, services: Services) -> None:
    """Say with each beat how the plan stands, and why an operation is where it is when it is chosen; take what people ask."""
    _register_drawing(app, services)
    _register_acts(app, services)


def _register_drawing(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("schedule-head", "children"),
        Output("schedule-lists", "children"),
        Output("schedule-news", "data"),
        Output("schedule-mark", "data"),
        Input("schedule-beat", "data"),
        Input("schedule-version", "data"),
        State("schedule-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, version: int | None, mark: list[str] | None) -> tuple[Any, Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        try:
            found, newest = services.schedule.standing(), services.schedule.mark()
        except Unavailable:
            return no_update, no_update, no_update, no_update
        head, lists = _head_mark(services, found), f"{newest} {found.disturbances} {found.waiting_edits}"
        before = mark or ["", ""]
        shown = version or (None if found.live is None else found.live.id)
        news = {"plan": shown, "version": version, "mark": lists}
        return (
            no_update if before[0] == head else _head(services, context, t),
            no_update if before[1] == lists else _lists(services, context, t),
            no_update if before == [head, lists] and ctx.triggered_id != "schedule-version" else news,
            [head, lists],
        )

    app.clientside(
        ClientsideFunction("leadhand", "scheduleNews"),
        Output("schedule-news", "modified_timestamp"),
        Input("schedule-news", "data"),
    )

    @app.callback(Output("schedule-why", "children"), Input("schedule-chosen", "data"), prevent_initial_call=True)
    def why(chosen: dict[str, int] | None) -> Any:
        context = current_context()
        t = texts_of(context.language)
        if not chosen:
            return drawn.nothing_chosen(t)
        try:
            found = services.schedule.operation(int(chosen["plan"]), int(chosen["operation"]), context.language, context.time_zone)
        except (Rejected, Unavailable) as error:
            return notice(problems_of(error, t), wrong=True)
        return drawn.one_operation(found, context, t)


def _register_acts(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("schedule-said", "children"),
        Input("schedule-again", "n_clicks"),
        Input("schedule-undo", "n_clicks"),
        Input({"part": "plan-act", "act": ALL, "of": ALL}, "n_clicks"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def act(_again: int | None, _undo: int | None, _clicks: list[int | None]) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update
        context = current_context()
        t = texts_of(context.language)
        asked = ctx.triggered_id
        name, of = (asked["act"], asked["of"]) if isinstance(asked, dict) else (str(asked).removeprefix("schedule-"), "")
        try:
            return notice(_act(services, context, t, name, of))
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True)

    @app.callback(
        Output("what-if-said", "children"),
        Input("what-if-ask", "n_clicks"),
        *(State(f"what-if-{name}", "value") for name in FIELDS),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def what_if(clicks: int | None, *cells: str | None) -> Any:
        if not clicks:
            return no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            draft = what_if_draft(dict(zip(FIELDS, cells, strict=True)), context.time_zone, services.plant.clock().now_us)
            services.planning.what_if(context.person, draft)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True)
        return notice(t("It is tried; the result stands in the list above."))


def _act(services: Services, context: PageContext, t: Texts, act: str, of: str) -> str:
    who, planning = context.person, services.planning
    if act == "again":
        planning.plan_again(who)
        return t("The plan is made again.")
    if act == "undo":
        planning.undo(who, RestoreDraft())
        return t("The version before is brought back.")
    if act == "restore":
        planning.undo(who, RestoreDraft(plan=int(of)))
        return t("Plan {n} is brought back.", n=of)
    if act == "reference":
        planning.set_reference(who, ReferenceDraft(plan=int(of)))
        return t("Others are compared with plan {n} now.", n=of)
    if act == "adopt":
        planning.adopt(who, int(of))
        return t("The what-if is taken over.")
    if act == "end":
        planning.end_disturbance(who, int(of), EndDraft())
        return t("It is over; the plan is made anew.")
    planning.forget(who, of)
    return t("The what-if is thrown away.")


def _head_mark(services: Services, found: PlanStateView) -> str:
    minute = services.plant.clock().now_us // 60_000_000
    jobs = [(job.id, job.state, round(job.share, 2), job.step) for job in found.jobs]
    return f"{found.live and found.live.id} {jobs} {found.waiting_edits} {found.optimizer_runs} {minute}"


def _head(services: Services, context: PageContext, t: Texts) -> list[Component]:
    try:
        found = services.schedule.standing()
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    return drawn.head(found, services.plant.clock().now_us, context, t)


def _lists(services: Services, context: PageContext, t: Texts) -> list[Component]:
    try:
        found = services.schedule.standing()
        versions = services.schedule.versions(kind="live", most=12)
        what_ifs = [one for one in services.schedule.versions(kind="what_if", most=30) if one.whole]
        stops = services.schedule.disturbances()
        edits = services.schedule.edits(most=8)
        newest = list({one.name: one for one in reversed(what_ifs)}.values())[-4:]
        side = [one for one in (found.live, found.reference, *newest) if one is not None and one.whole]
        worth = [(one, services.schedule.measures(one.id)) for one in {one.id: one for one in side}.values()]
    except (Unavailable, Rejected):
        return []
    return [
        *drawn.side_by_side(worth, context, t),
        *drawn.disturbances(stops, context, t),
        *drawn.edits(edits, context, t),
        *drawn.versions(versions, context, t),
    ]
