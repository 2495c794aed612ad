"""New product: its features in, and a sheet comes out: route, programs, parameters, time and yield with intervals, what to watch."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from dash import ALL, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.api_new_products import answered
from dashboard.context import PageContext, current_context
from dashboard.links import address, link
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages import recommendation_parts as drawn
from dashboard.pages.parts import NONE_SHOWN, also, exports, facts, milliseconds, moment, notice, problems_of, state, table, whole
from dashboard.recommendation_words import answer_words
from dashboard.services import Services
from dashboard.services_new_products import NO_NETWORK
from dashboard.texts import Texts, texts_of
from dashboard.views_new_products import FeatureView, NewProductDraft, NewProductView
from plant.errors import Rejected, SettingsError, Unavailable
from plant.recommendations import Answer, Recommendation
from storage.people import Role

_WAIT_SECONDS = 8.0
_MOST = 12
_REFUSED = (Rejected, Unavailable, SettingsError, PermissionError, ValidationError, ValueError)
_UNITS = {"t": "t", "mm": "mm", "m": "m", "kg": "kg", "Cel": "°C", "deg": "°", "N.m": "N·m", "1": ""}


def layout(context: PageContext, services: Services) -> Component:
    """Return the form made from the features of the network, and the products asked for lately."""
    t = texts_of(context.language)
    return html.Div(
        className="new-product",
        children=[
            html.H1(t("New product")),
            html.P(t("Its features in, the best route out, before the first part is made."), className="quiet"),
            html.Div(_form(context, services, t), id="new-product-form", className="panel"),
            html.Div(id="new-product-said"),
            html.Div(id="new-product-shown"),
            html.H2(t("Asked for lately"), className="no-print"),
            html.Div(
                html.Div(_lately(services, context, t), id="new-product-lately", className="live"),
                className="panel no-print recommendation-list",
                **also(data_opens="new-product-open"),
            ),
            dcc.Store(id="new-product-open"),
            dcc.Store(id="new-product-mark"),
            dcc.Store(id="new-product-beat"),
            html.Div(**also(data_beat="new-product-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Ask, wait for the answer, and show sheets."""

    @app.callback(
        Output("new-product-open", "data"),
        Output("new-product-said", "children"),
        Input("new-product-ask", "n_clicks"),
        State("new-product-name", "value"),
        State("new-product-family", "value"),
        State({"part": "new-product-feature", "name": ALL}, "value"),
        State({"part": "new-product-feature", "name": ALL}, "id"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def ask(clicks: int | None, name: str | None, family: str | None, values: list[Any], ids: list[dict[str, Any]]) -> tuple[Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        if not clicks or not name:
            return no_update, no_update if not clicks else notice(t("Give the product a name."), wrong=True)
        try:
            return services.new_products.ask(context.person, _draft(name, family, values, ids)), ""
        except _REFUSED as error:
            return no_update, notice(problems_of(error, t), wrong=True)

    @app.callback(
        Output("new-product-shown", "children"),
        Input("new-product-open", "data"),
        State("address", "search"),
    )
    async def show(asked: int | None, search: str | None) -> Any:
        context = current_context()
        t = texts_of(context.language)
        number = asked or _named(search)
        if number is None:
            return []
        try:
            return _sheet(await answered(services.new_products, number, _WAIT_SECONDS), context, services, t)
        except (Rejected, Unavailable) as error:
            return [notice(problems_of(error, t), wrong=True)]

    @app.callback(
        Output("new-product-lately", "children"),
        Output("new-product-shown", "children", allow_duplicate=True),
        Output("new-product-mark", "data"),
        Input("new-product-beat", "data"),
        State({"part": "new-product-waits", "request": ALL}, "id"),
        State("new-product-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, waits: list[dict[str, Any]], drawn_as: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        try:
            mark = services.new_products.mark()
            if mark == drawn_as and not waits:
                return no_update, no_update, no_update
            waited = services.new_products.request(int(waits[0]["request"])) if waits else None
            came = waited is not None and waited.state != "waiting"
            sheet = _sheet(waited, context, services, t) if came and waited else no_update
        except (Rejected, Unavailable):
            return no_update, no_update, no_update
        return _lately(services, context, t), sheet, mark


def _draft(name: str | None, family: str | None, values: list[Any], ids: list[dict[str, Any]]) -> NewProductDraft:
    features = {one["name"]: value for one, value in zip(ids, values, strict=True) if value not in {None, ""}}
    return NewProductDraft(product=(name or "").strip(), family=(family or "").strip(), features=features)


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("id", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _form(context: PageContext, services: Services, t: Texts) -> list[Component]:
    try:
        features, families = services.new_products.features(), services.new_products.families()
        runs = services.new_products.optimizer_runs()
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    if not features:
        return [html.P(t(NO_NETWORK))]
    if not context.may(Role.ENGINEER):
        return [html.P(t("Engineers ask here."), className="quiet")]
    asked = [
        html.Div([html.Label(t("Product"), htmlFor="new-product-name"), _text("new-product-name")]),
        html.Div(
            [
                html.Label(t("Family"), htmlFor="new-product-family"),
                dcc.Dropdown(id="new-product-family", options=families, placeholder=t("unknown")),
            ]
        ),
        *(_field(one, t) for one in features),
    ]
    said = [] if runs else [notice(t("The optimizer does not run, so nobody answers."))]
    return [
        *said,
        html.Div(asked, className="filters new-product-fields"),
        html.Button(t("Find the route"), id="new-product-ask", className="button first"),
    ]


def _text(name: Any) -> Component:
    field: Component = dcc.Input(id=name, type="text", autoComplete="off", maxLength=200)
    return field


def _in_page(name: dict[str, str]) -> str:
    """Return an id as Dash writes it into the page."""
    return json.dumps(name, sort_keys=True, separators=(",", ":"))


def _field(one: FeatureView, t: Texts) -> Component:
    unit = _UNITS.get(one.unit, one.unit)
    words = one.name.replace("_", " ")
    name = {"part": "new-product-feature", "name": one.name}
    if one.kind == "category":
        return html.Div(
            [html.Label(words, htmlFor=_in_page(name)), dcc.Dropdown(id=name, options=list(one.words), placeholder=t("choose"))]
        )
    span = "" if one.low is None or one.high is None else f"{one.low:g} … {one.high:g}"
    return html.Div(
        [
            html.Label(f"{words}, {unit}" if unit and not words.endswith(f" {unit}") else words, htmlFor=_in_page(name)),
            dcc.Input(id=name, type="number", step="any"),
            html.Div(t("made: {span}", span=span) if span else "", className="small quiet"),
        ]
    )


def _lately(services: Services, context: PageContext, t: Texts) -> Component:
    try:
        found = services.new_products.requests(most=_MOST)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [
        (t("Product"), False),
        (t("Answer"), False),
        (t("Minutes"), True),
        (t("First pass"), True),
        (t("Asked"), False),
        (t("By whom"), False),
    ]
    rows = [
        [
            html.Button(one.product, className="tool small", **also(data_open=str(one.id))),
            _answer(one, t),
            drawn.number(one.answer.predicted.duration_min.mean) if one.answer and one.answer.predicted else NONE_SHOWN,
            drawn.percent(one.answer.predicted.first_pass.mean) if one.answer and one.answer.predicted else NONE_SHOWN,
            moment(one.time_us, context.time_zone, seconds=False),
            told(one.asked_by, t),
        ]
        for one in found
    ]
    return table(
        heads, rows, caption=t("Asked for lately"), below=exports("/api/v1/new-product", t, most=500), nothing=t("Nothing was asked yet.")
    )


def _answer(one: NewProductView, t: Texts) -> Component:
    if one.state == "waiting":
        return state("waiting", t("waits for the optimizer"))
    if one.state == "failed" or one.answer is None:
        return state("warning", t("no answer"))
    look = "warning" if one.answer.answer is Answer.NOT_ENOUGH_EVIDENCE else "normal"
    words = t("route found") if one.answer.answer is Answer.RECOMMENDED else answer_words(one.answer.answer, t)
    return state(look, words)


def _sheet(one: NewProductView, context: PageContext, services: Services, t: Texts) -> list[Component]:
    """Return the sheet of one request, as it is read on the page and printed."""
    head = html.Div([html.H2(one.product), _answer(one, t)], className="vision-head")
    if one.state == "waiting":
        waits = html.Div(id={"part": "new-product-waits", "request": one.id})
        runs = services.new_products.optimizer_runs()
        words = (
            t("The optimizer has not answered yet; the sheet appears by itself.")
            if runs
            else t("The optimizer does not run, so nobody answers.")
        )
        return [html.Div([head, html.P(words), waits], className="panel")]
    if one.answer is None:
        return [html.Div([head, notice(one.problem, wrong=True)], className="panel")]
    answer = one.answer
    tools = html.Div(
        className="vision-head no-print",
        children=[
            html.Button(t("Print"), className="button", **also(data_print="1")),
            html.A(t("As JSON"), href=f"/api/v1/new-product/{one.id}", download=f"{one.product}.json", className="button"),
            *_recommended(one, t),
        ],
    )
    took = None if one.answered_us is None else one.answered_us - one.time_us
    order = [feature.name for feature in services.new_products.features()]
    features = sorted(one.features.items(), key=lambda each: order.index(each[0]) if each[0] in order else len(order))
    about = [
        *((name.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value)) for name, value in features),
        (t("Family"), one.family or NONE_SHOWN),
    ]
    made = [
        (t("Asked"), moment(one.time_us, context.time_zone)),
        (t("Answered after"), milliseconds(took)),
        (t("Model"), html.Span(one.model_version[:12], title=one.model_version, className="number")),
        (t("Valid until"), moment(round(answer.valid_until.timestamp() * 1e6), context.time_zone, seconds=False)),
    ]
    return [
        html.Div(
            className="panel sheet",
            children=[
                head,
                tools,
                html.H3(t("Features")),
                facts(about),
                *(_route(answer, t) if answer.route else _lacking(answer, t)),
                html.H3(t("Nearest products")),
                drawn.nearest(answer, t),
                *([html.H3(t("What rules remove")), drawn.removed(answer, t)] if answer.removed else []),
                facts(made),
            ],
        )
    ]


def _recommended(one: NewProductView, t: Texts) -> list[Component]:
    if one.recommendation is None:
        return []
    return [link(t("To the recommendation"), address("/recommendations", id=one.recommendation), name="button")]


def _route(answer: Recommendation, t: Texts) -> list[Component]:
    heads = [
        ("", True),
        (t("Operation"), False),
        (t("Work unit"), False),
        (t("Program"), False),
        (t("Tool"), False),
        (t("Parameters"), False),
        (t("Minutes"), True),
        (t("First pass"), True),
        (t("Measured"), True),
    ]
    rows = [
        [
            str(n),
            html.Div([html.Div(step.operation), html.Div(step.alternative, className="small quiet wrap")]),
            step.work_unit or NONE_SHOWN,
            step.program or NONE_SHOWN,
            step.tool or NONE_SHOWN,
            html.Span(", ".join(f"{name} {value:g}" for name, value in step.parameters.items()) or NONE_SHOWN, className="wrap"),
            drawn.interval(step.duration_min),
            drawn.interval(step.first_pass, share=True),
            whole(step.count),
        ]
        for n, step in enumerate((each for each in answer.steps if each.alternative is not None), 1)
    ]
    return [
        html.H3(t("What is expected")),
        drawn.expected(answer, t),
        html.H3(t("Route, programs and parameters")),
        table(heads, rows, caption=t("Route, programs and parameters")),
        html.H3(t("Watch on the first parts")),
        drawn.watch(answer, t),
        *([html.H3(t("Routes that none beats in everything")), drawn.pareto(answer.pareto, t)] if answer.pareto else []),
    ]


def _lacking(answer: Recommendation, t: Texts) -> list[Component]:
    return [
        html.H3(t("Not enough evidence")),
        html.P(t("No route is proposed: what was measured does not cover this product."), className="wrap"),
        html.P(answer.reason or "", className="wrap quiet"),
        *drawn.missing(answer, t),
    ]
