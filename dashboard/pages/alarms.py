"""Alarms: what must be acted on first, what is silenced, what happened, how much it is, and who was told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages import alarm_figures, alarm_import, alarm_tables
from dashboard.pages.parts import also, exports, notice, problems_of
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.viewing_alarms import SILENCED, UNSEEN
from dashboard.views_alarms import AlarmActionDraft, AlarmActionView, AlarmView
from plant.alarm_rates import DAY_US
from plant.alarms import AlarmState, Priority
from plant.errors import Rejected, Unavailable
from storage.alarm_rates import LineFilter
from storage.people import Role

_REFUSED = (Rejected, Unavailable, ValidationError, PermissionError, ValueError)
_MOST_LINES = 30
_SPANS = {"1": 1, "7": 7, "30": 30}
_MINUTES = (15, 60, 240, 480, 1440)


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its lists are drawn again when an alarm changes."""
    t = texts_of(context.language)
    annunciated, silenced, _ = _lists(services, context, t, None, None, "priority")
    return html.Div(
        [
            html.H1(t("Alarms")),
            html.Div(id="alarms-result"),
            html.Div(
                className="panel",
                children=[
                    *([_actions(context, t)] if context.may(Role.INSPECTOR) else []),
                    _filters(services, t),
                    html.Div(annunciated, id="alarms-list", className="live"),
                ],
            ),
            html.H2(t("Silenced")),
            html.Div(silenced, id="alarms-silenced", className="panel live"),
            html.H2(t("Load of the operators")),
            html.Div(
                className="panel filters",
                children=[_field(t("Span"), _choice("alarms-span", {"1": t("24 hours"), "7": t("7 days"), "30": t("30 days")}, "1", t))],
            ),
            html.Div(alarm_figures.rates(services, DAY_US, context, t), id="alarms-rates"),
            html.H2(t("Journal")),
            html.Div(
                className="panel",
                children=[
                    _journal_filters(t),
                    html.Div(_lines(services, context, t, None, None, None, None, 1), id="alarms-journal", className="live"),
                ],
            ),
            html.H2(t("Who was told")),
            html.Div(alarm_figures.told(services, context, t), id="alarms-told", className="panel"),
            html.H2(t("Definitions")),
            html.Div(alarm_import.layout(context, t), className="panel"),
            dcc.Store(id="alarms-beat"),
            dcc.Store(id="alarms-slow"),
            dcc.Store(id="alarms-acted"),
            dcc.Store(id="alarms-shown"),
            html.Div(**also(data_alarms_beat="alarms-beat", data_slow_beat="alarms-slow")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw lists again when alarms change, and do what is asked; each action is checked and written down by the service."""
    alarm_import.register(app, services)

    @app.callback(
        Output("alarms-list", "children"),
        Output("alarms-silenced", "children"),
        Output("alarms-shown", "data"),
        Input("alarms-beat", "data"),
        Input("alarms-acted", "data"),
        Input("alarms-equipment", "value"),
        Input("alarms-priority", "value"),
        Input("alarms-order", "value"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, _acted: Any, equipment: str | None, priority: str | None, order: str | None) -> Any:
        context = current_context()
        return _lists(services, context, texts_of(context.language), equipment, priority, order or "priority")

    @app.callback(
        Output("alarms-journal", "children"),
        Input("alarms-beat", "data"),
        Input("alarms-journal-equipment", "value"),
        Input("alarms-journal-priority", "value"),
        Input("alarms-journal-state", "value"),
        Input("alarms-journal-who", "value"),
        Input("alarms-journal-days", "value"),
        prevent_initial_call=True,
    )
    def lines(_beat: Any, equipment: str | None, priority: str | None, state: str | None, who: str | None, days: str | None) -> Any:
        context = current_context()
        return _lines(services, context, texts_of(context.language), equipment, priority, state, who, _SPANS.get(days or "1", 1))

    @app.callback(
        Output("alarms-rates", "children"),
        Output("alarms-told", "children"),
        Input("alarms-slow", "data"),
        Input("alarms-acted", "data"),
        Input("alarms-span", "value"),
        prevent_initial_call=True,
    )
    def figures(_slow: Any, _acted: Any, days: str | None) -> Any:
        context = current_context()
        t = texts_of(context.language)
        span_us = _SPANS.get(days or "1", 1) * DAY_US
        return alarm_figures.rates(services, span_us, context, t), alarm_figures.told(services, context, t)

    @app.callback(
        Output("alarms-result", "children"),
        Output("alarms-acted", "data"),
        Input({"part": "alarm-do", "act": ALL, "alarm": ALL}, "n_clicks"),
        Input({"part": "alarm-all", "act": ALL}, "n_clicks"),
        Input({"part": "notice-do", "act": ALL, "id": ALL, "channel": ALL}, "n_clicks"),
        State({"part": "alarm-pick", "alarm": ALL}, "value"),
        State("alarms-shown", "data"),
        State({"part": "alarm-say", "what": ALL}, "value"),
        State({"part": "alarm-say", "what": ALL}, "id"),
        State("alarms-acted", "data"),
        role=Role.INSPECTOR,
        prevent_initial_call=True,
    )
    def act(_one: Any, _all: Any, _told: Any, picks: Any, shown: Any, said: Any, ids: Any, acted: int | None) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        words = {each["what"]: value for each, value in zip(ids, said, strict=True)}
        picked = [name for pick in picks for name in pick or []]
        try:
            done = _do(services, context, t, ctx.triggered_id, picked, shown or {}, words)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update
        return done, (acted or 0) + 1


def _do(
    services: Services,
    context: PageContext,
    t: Texts,
    asked: dict[str, str],
    picked: list[str],
    shown: dict[str, int],
    said: dict[str, Any],
) -> Component:
    who, service = context.person, services.alarms
    if asked["part"] == "notice-do":
        if asked["act"] == "test":
            service.try_notice(who, asked["id"])
            return notice(t("A test is on its way to {name}.", name=asked["id"]))
        service.send_again(who, UUID(asked["id"]), asked["channel"])
        return notice(t("It is sent again."))
    names = [asked["alarm"]] if asked["part"] == "alarm-do" else list(shown) if asked["act"] == "acknowledge_all" else picked
    if not names:
        return notice(t("Choose alarms first."), wrong=True)
    action = "acknowledge" if asked["act"] == "acknowledge_all" else asked["act"]
    draft = AlarmActionDraft.model_validate(
        {
            "action": action,
            "alarms": names,
            "reason": said.get("reason") or "",
            "minutes": float(said.get("minutes") or 60) if action == "shelve" else None,
            "seen": shown if action == "acknowledge" else None,
        }
    )
    return _outcome(service.wait(service.act(who, draft)), t)


def _outcome(done: list[AlarmActionView], t: Texts) -> Component:
    refused = [t("{alarm}: {why}", alarm=one.alarm, why=one.answer) for one in done if one.outcome == "rejected"]
    if refused:
        return notice(refused, wrong=True)
    waiting = sum(one.outcome is None for one in done)
    if waiting:
        return notice(t("{n} asked for; the monitor has not answered yet.", n=waiting))
    return notice(t("Done: {n}.", n=len(done)))


def _lists(
    services: Services, context: PageContext, t: Texts, equipment: str | None, priority: str | None, order: str
) -> tuple[Component, Component, dict[str, int]]:
    try:
        found = services.alarms.annunciated()
    except Unavailable as error:
        away = notice(t("The database is away: {why}", why=error), wrong=True)
        return away, away, {}
    names = {node.id: node.name for node in services.plant.equipment()}
    fitting = [one for one in found if _fits(one, equipment, priority)]
    open_ones = [one for one in fitting if one.state not in SILENCED]
    if order == "newest":
        open_ones.sort(key=lambda one: -(one.since_us or 0))
    else:
        open_ones.sort(key=lambda one: (one.state not in UNSEEN, Priority[one.priority.upper()], -(one.since_us or 0)))
    shown = {one.alarm: one.seq for one in open_ones[: alarm_tables.MOST_SHOWN] if one.state in UNSEEN}
    first = alarm_tables.annunciated(open_ones, names, context, t, bool(equipment or priority))
    return first, alarm_tables.silenced([one for one in fitting if one.state in SILENCED], names, context, t), shown


def _fits(one: AlarmView, equipment: str | None, priority: str | None) -> bool:
    here = not equipment or one.equipment == equipment or one.equipment.startswith(equipment + "/")
    return here and (not priority or Priority[one.priority.upper()] <= Priority[priority.upper()])


def _lines(
    services: Services,
    context: PageContext,
    t: Texts,
    equipment: str | None,
    priority: str | None,
    state: str | None,
    who: str | None,
    days: int,
) -> Component:
    now_us = services.plant.clock().now_us
    least = None if not priority else int(Priority[priority.upper()])
    wanted = LineFilter(
        from_us=now_us - days * DAY_US,
        equipment=(equipment or "").strip("/ ").replace("\0", "") or None,
        priority=least,
        state=state or None,
        who=(who or "").strip().replace("\0", "") or None,
        most=_MOST_LINES,
    )
    try:
        found = services.alarms.journal(wanted)
    except (Unavailable, Rejected) as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    names = {node.id: node.name for node in services.plant.equipment()}
    words = t("The newest {n}.", n=len(found)) if len(found) == _MOST_LINES else ""
    asked = {name: getattr(wanted, name) for name in ("from_us", "equipment", "state", "who")}
    files = exports("/api/v1/alarms/journal", t, most=10_000, priority=priority, **asked)
    return html.Div([alarm_tables.journal(found, names, context, t), html.P(words, className="small quiet"), files])


def _actions(context: PageContext, t: Texts) -> Component:
    def button(action: str, words: str, *, first: bool = False) -> Component:
        return html.Button(words, id={"part": "alarm-all", "act": action}, className="button first" if first else "button")

    minutes = {str(n): t("{n} min", n=n) if n < 60 else t("{n} h", n=n // 60) for n in _MINUTES}
    return html.Div(
        className="alarm-bar",
        children=[
            button("acknowledge", t("Acknowledge chosen"), first=True),
            button("acknowledge_all", t("Acknowledge all shown")),
            button("reset", t("Reset chosen")),
            html.Div(
                [
                    html.Label(t("Reason (needed to silence)"), htmlFor='{"part":"alarm-say","what":"reason"}'),
                    dcc.Input(id={"part": "alarm-say", "what": "reason"}, type="text", autoComplete="off", maxLength=500),
                ],
                className="reason",
            ),
            html.Div(
                [html.Label(t("Shelve for")), _choice({"part": "alarm-say", "what": "minutes"}, minutes, "60", t)],
                className="span",
            ),
            button("shelve", t("Shelve")),
            *([button("remove_from_service", t("Out of service"))] if context.may(Role.ENGINEER) else []),
        ],
    )


def _filters(services: Services, t: Texts) -> Component:
    places = {node.id: node.name for node in services.plant.equipment() if 2 <= node.id.count("/") <= 4}
    orders = {"priority": t("Priority"), "newest": t("newest first")}
    return html.Div(
        className="filters",
        children=[
            _field(t("Place"), _choice("alarms-equipment", places, None, t, search=True)),
            _field(t("Priority at least"), _choice("alarms-priority", _priorities(t), None, t)),
            _field(t("Order"), _choice("alarms-order", orders, "priority", t)),
        ],
    )


def _journal_filters(t: Texts) -> Component:
    states = {each.value: alarm_tables.state_words(each.value, t) for each in AlarmState}
    who = dcc.Input(id="alarms-journal-who", type="text", debounce=True, autoComplete="off", maxLength=64)
    where = dcc.Input(id="alarms-journal-equipment", type="text", debounce=True, autoComplete="off", maxLength=300)
    return html.Div(
        className="filters",
        children=[
            _field(t("Span"), _choice("alarms-journal-days", {"1": t("24 hours"), "7": t("7 days"), "30": t("30 days")}, "1", t)),
            _field(t("Path of the equipment"), where),
            _field(t("Priority at least"), _choice("alarms-journal-priority", _priorities(t), None, t)),
            _field(t("State then"), _choice("alarms-journal-state", states, None, t)),
            _field(t("Who"), who),
        ],
    )


def _priorities(t: Texts) -> dict[str, str]:
    return {each.name.lower(): alarm_tables.priority_words(each.name.lower(), t) for each in Priority}


def _field(words: str, field: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=getattr(field, "id", None)), field])


def _choice(name: str | dict[str, str], words: dict[str, str], value: str | None, t: Texts, *, search: bool = False) -> Component:
    options = [{"value": key, "label": label} for key, label in words.items()]
    chosen: Component = dcc.Dropdown(
        id=name, options=options, value=value, placeholder=t("all"), clearable=value is None, searchable=search
    )
    return chosen
