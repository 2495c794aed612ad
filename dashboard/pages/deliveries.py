"""Deliveries: what waits for a person, and each message to a line controller with all that happened to it; yes, no, what was found."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.delivery_words import LOOKS, actor_words, delivery_stage_words, kind_words, reason_words, subject_words
from dashboard.page_app import PageApp
from dashboard.pages.delivery_parts import one_shown, process_banner
from dashboard.pages.parts import NONE_SHOWN, also, exports, moment, notice, problems_of, state, table
from dashboard.services import Services
from dashboard.services_deliveries import UNDER_WAY, WAITS
from dashboard.texts import Texts, texts_of
from dashboard.views_deliveries import ApprovalDraft, DeclineDraft, DeliveryLine, SettleDraft
from plant.deliveries import Kind
from plant.errors import Rejected, Unavailable
from plant.recommendations import Declined, Stage
from storage.people import Role

_REFUSED = (Rejected, Unavailable, PermissionError, ValueError)
_MOST = 60
_ENDED = tuple(stage for stage in Stage if stage not in (*WAITS, *UNDER_WAY))
_STAGES = {"under_way": UNDER_WAY, "ended": _ENDED}


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its lists are drawn again every two seconds while the stream lives, a delivery when it has come further."""
    t = texts_of(context.language)
    return html.Div(
        className="recommendations deliveries",
        children=[
            html.H1(t("Deliveries")),
            html.P(
                t("Messages to line controllers. Each is signed, counted and void after its time; each step is on the audit trail."),
                className="quiet",
            ),
            html.Div(
                [
                    html.Div(_waiting(services, context, t), id="delivery-waiting", className="live"),
                    html.H2(t("All others")),
                    html.Div(
                        [
                            _filters(services, t),
                            html.Div(_list(services, context, t, None, None, None), id="delivery-list", className="live"),
                        ],
                        className="panel recommendation-list",
                    ),
                ],
                **also(data_opens="delivery-open"),
            ),
            html.Div(id="delivery-said"),
            html.Div(id="delivery-shown"),
            dcc.Store(id="delivery-open"),
            dcc.Store(id="delivery-drawn"),
            dcc.Store(id="delivery-beat"),
            html.Div(**also(data_beat="delivery-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw lists with each beat, a delivery when it is asked for or has come further, and take decisions."""

    @app.callback(
        Output("delivery-waiting", "children"),
        Output("delivery-list", "children"),
        Input("delivery-beat", "data"),
        Input("delivery-stages", "value"),
        Input("delivery-kind", "value"),
        Input("delivery-unit", "value"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, stages: str | None, kind: str | None, unit: str | None) -> tuple[Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        return _waiting(services, context, t), _list(services, context, t, stages, kind, unit)

    @app.callback(
        Output("delivery-shown", "children"),
        Output("delivery-drawn", "data"),
        Output("delivery-said", "children"),
        Input("delivery-open", "data"),
        Input("delivery-beat", "data"),
        State("delivery-drawn", "data"),
        State("address", "search"),
    )
    def show(asked: int | None, _beat: Any, drawn: list[Any] | None, search: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        by_beat = ctx.triggered_id == "delivery-beat"
        number = drawn[0] if by_beat and drawn else asked or _named(search) or _first(services)
        if number is None:
            return no_update, no_update, no_update
        content, mark = one_shown(services, context, t, int(number))
        if by_beat and drawn == mark:
            return no_update, no_update, no_update
        return content, mark, no_update if by_beat else ""

    @app.callback(
        Output("delivery-shown", "children", allow_duplicate=True),
        Output("delivery-drawn", "data", allow_duplicate=True),
        Output("delivery-said", "children", allow_duplicate=True),
        Input({"part": "delivery-decide", "delivery": ALL, "decision": ALL}, "n_clicks"),
        State({"part": "delivery-why", "delivery": ALL}, "value"),
        State({"part": "delivery-note", "delivery": ALL}, "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,  # inspectors say what they found, approvers decide: the service holds each to its own
    )
    def decide(_clicks: list[int | None], reasons: list[str | None], notes: list[str | None]) -> tuple[Any, Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict):
            return no_update, no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        number, note = int(asked["delivery"]), ((notes[0] if notes else "") or "").strip()[:1000]
        try:
            wrong = _decided(services, context, t, number, str(asked["decision"]), reasons[0] if reasons else None, note)
        except _REFUSED as error:
            return no_update, no_update, notice(problems_of(error, t), wrong=True)
        if wrong:
            return no_update, no_update, notice(wrong, wrong=True)
        content, mark = one_shown(services, context, t, number)
        return content, mark, notice(t("The decision is kept."))


def _decided(services: Services, context: PageContext, t: Texts, number: int, decision: str, why: str | None, note: str) -> str:
    """Do what a button means; return what is missing, nothing where it is done."""
    service, who = services.deliveries, context.person
    match decision:
        case "approve":
            service.approve(who, number, ApprovalDraft(note=note))
        case "decline":
            if not why:
                return t("Choose the reason why it is declined.")
            service.decline(who, number, DeclineDraft(reason=Declined(why), note=note))
        case "settle":
            if not why:
                return t("Choose what was found at the machine.")
            if len(note) < 3:
                return t("Say in the note what was looked at, and what was seen.")
            service.settle(who, number, SettleDraft.model_validate({"found": why, "note": note}))
        case _:
            raise Rejected(f"there is no decision '{decision}'")
    return ""


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("id", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _first(services: Services) -> int | None:
    """Return what a page shows that was not asked for one: what waits longest for a person, else the newest."""
    try:
        found = services.deliveries.lines(stages=WAITS, most=200)
        found.sort(key=lambda one: (one.stage != Stage.IN_DOUBT, one.number))
        newest = found or services.deliveries.lines(most=1)
    except Unavailable:
        return None
    return newest[0].number if newest else None


def _filters(services: Services, t: Texts) -> Component:
    stages = {"under_way": t("under way"), "ended": t("at an end")}
    kinds = {kind.value: kind_words(kind.value, t) for kind in Kind}
    try:
        units = sorted({one.work_unit for one in services.modes.modes()})
    except Unavailable:
        units = []
    return html.Div(
        className="filters",
        children=[
            _field(t("Stage"), dcc.Dropdown(id="delivery-stages", options=_options(stages), placeholder=t("all"), searchable=False)),
            _field(t("Kind"), dcc.Dropdown(id="delivery-kind", options=_options(kinds), placeholder=t("all"), searchable=False)),
            _field(t("Work unit"), dcc.Dropdown(id="delivery-unit", options=units, placeholder=t("all"))),
        ],
    )


def _options(words: dict[str, str]) -> list[dict[str, str]]:
    return [{"value": key, "label": label} for key, label in words.items()]


def _field(words: str, field: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=getattr(field, "id", None)), field])


def _waiting(services: Services, context: PageContext, t: Texts) -> list[Component]:
    """Return what waits for a person, that in doubt first, then the oldest first."""
    try:
        found = services.deliveries.lines(stages=WAITS, most=200)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    banner = process_banner(services, t)
    if not found:
        return [*banner, html.P(state("normal", t("Nothing waits for a person.")))]
    found.sort(key=lambda one: (one.stage != Stage.IN_DOUBT, one.number))
    return [
        *banner,
        html.H2(t("Waits for a person")),
        html.Div(_table(found, context, t, t("Waits for a person")), className="panel recommendation-list"),
    ]


def _list(services: Services, context: PageContext, t: Texts, stages: str | None, kind: str | None, unit: str | None) -> Component:
    wanted = _STAGES.get(stages or "")
    chosen = [Kind(kind)] if kind in set(Kind) else None
    try:
        found = services.deliveries.lines(stages=wanted or (*UNDER_WAY, *_ENDED), kinds=chosen, work_unit=unit, most=_MOST)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    nothing = t("None. What is approved on other pages, planned next or found not OK comes here by itself.")
    return html.Div([_table(found, context, t, t("Deliveries"), nothing=nothing), exports("/api/v1/deliveries", t, most=1000)])


def _table(found: list[DeliveryLine], context: PageContext, t: Texts, caption: str, nothing: str = "") -> Component:
    heads = [(t("No."), False), (t("Kind"), False), (t("Work unit"), False), (t("About"), False), (t("Stage"), False), (t("Since"), False)]
    heads += [(t("Valid"), False), (t("Who"), False)]
    rows = [
        [
            html.Button(str(one.number), className="tool small", **also(data_open=str(one.number))),
            html.Span(kind_words(one.kind, t), className="nowrap"),
            html.Span(one.work_unit, className="wrap"),
            html.Div([html.Span(subject_words(one), className="wrap"), *_why(one, t)]),
            state(LOOKS.get(Stage(one.stage), "normal"), delivery_stage_words(one.stage, t)),
            html.Span(moment(one.stage_us, context.time_zone), className="small nowrap"),
            _valid(one),
            html.Span(actor_words(one.stage_actor, t), className="small wrap"),
        ]
        for one in found
    ]
    return table(heads, rows, caption=caption, nothing=nothing)


def _valid(one: DeliveryLine) -> Component | str:
    """Return the time that is left to a message that a controller may still take; nothing is said of others."""
    if one.stage != Stage.SENT or one.expires_us is None:
        return NONE_SHOWN
    return html.Span("…", className="small until nowrap", **also(data_until=str(one.expires_us)))


def _why(one: DeliveryLine, t: Texts) -> list[Component]:
    words = reason_words(one.stage_reason, t) if one.stage_reason else ""
    return [html.Div(words, className="small quiet wrap")] if words else []
