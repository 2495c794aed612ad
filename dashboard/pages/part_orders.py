"""Part orders: what factories want of the shared centres, how far each is, where and when it is made, and why then."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs

from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages import part_order_parts as drawn
from dashboard.pages.parts import also, exports, notice, problems_of
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_part_orders import EndDraft, MadeDraft
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_MOST = 60
_MOST_LATE = 5000
"""Among so many open orders late ones are looked for."""
_REFUSED = (Rejected, Unavailable, PermissionError, SettingsError, ValidationError, binascii.Error)
_LARGEST_FILE = 1_400_000
"""In base64 a request of the largest size."""


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again every two seconds while the stream lives and something changed."""
    t = texts_of(context.language)
    mark = _mark(services, "open", None, None)  # before the list: what comes in between is drawn with the next beat
    states = [("open", t("open orders")), ("late", t("late")), ("done", t("done")), ("cancelled", t("cancelled")), ("all", t("all"))]
    return html.Div(
        className="orders share part-orders",
        children=[
            html.H1(t("Part orders")),
            html.P(t("What factories order of the centres that cut and stamp for all of them."), className="quiet"),
            html.Div(
                className="panel orders-list",
                **also(data_opens_word="part-orders-open"),
                children=[
                    html.Div(
                        className="filters",
                        children=[
                            _field(
                                t("Shown"),
                                dcc.Dropdown(
                                    id="part-orders-which", options=_options(states), value="open", clearable=False, searchable=False
                                ),
                            ),
                            _field(
                                t("Factory"),
                                dcc.Dropdown(
                                    id="part-orders-factory", options=_factories(services), placeholder=t("all"), searchable=False
                                ),
                            ),
                            _field(
                                t("Number, part or customer order"),
                                dcc.Input(id="part-orders-find", type="text", debounce=True, autoComplete="off", maxLength=200),
                            ),
                        ],
                    ),
                    html.Div(_list(services, context, t, "open", None, None), id="part-orders-list", className="live"),
                ],
            ),
            html.Div(id="part-orders-said"),
            html.Div(id="part-orders-shown"),
            *(drawn.bringing(t, _LARGEST_FILE) if context.may(Role.ENGINEER) else []),
            dcc.Store(id="part-orders-open"),
            dcc.Store(id="part-orders-mark", data=mark),
            dcc.Store(id="part-orders-beat"),
            html.Div(**also(data_beat="part-orders-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list with each beat, one order when it is asked for, and take what people do."""
    _register_list(app, services)
    _register_acts(app, services)
    _register_bringing(app, services)


def _register_list(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("part-orders-list", "children"),
        Output("part-orders-mark", "data"),
        Input("part-orders-beat", "data"),
        Input("part-orders-which", "value"),
        Input("part-orders-factory", "value"),
        Input("part-orders-find", "value"),
        State("part-orders-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, which: str | None, factory: str | None, find: str | None, drawn_as: str | None) -> tuple[Any, Any]:
        context = current_context()
        mark = _mark(services, which, factory, find)
        if mark is not None and mark == drawn_as:
            return no_update, no_update
        return _list(services, context, texts_of(context.language), which or "open", factory, find), mark

    @app.callback(
        Output("part-orders-shown", "children"),
        Output("part-orders-said", "children"),
        Input("part-orders-open", "data"),
        State("address", "search"),
    )
    def show(asked: str | None, search: str | None) -> tuple[Any, Any]:
        context = current_context()
        number = asked or parse_qs((search or "").lstrip("?")).get("number", [""])[0]
        return _one(services, context, number), ""


def _register_acts(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("part-orders-shown", "children", allow_duplicate=True),
        Output("part-orders-said", "children", allow_duplicate=True),
        Input({"part": "part-order-act", "act": drawn.ANY}, "n_clicks"),
        State({"part": "part-order-field", "name": drawn.ANY}, "value"),
        State({"part": "part-order-field", "name": drawn.ANY}, "id"),
        State("part-order-shown-number", "data"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def act(_clicks: list[int | None], values: list[Any], ids: list[dict[str, str]], number: str | None) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict) or not number:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        given = {one["name"]: str(value or "").strip() for one, value in zip(ids, values, strict=True)}
        try:
            if asked["act"] == "made":
                services.part_orders.count_made(context.person, number, MadeDraft(pieces=drawn.whole_number(given.get("pieces", ""))))
                said = t("{n} pieces of order {number} are made.", n=given["pieces"], number=number)
            else:
                services.part_orders.cancel(context.person, number, EndDraft(note=given.get("note", "")))
                said = t("Order {number} is cancelled.", number=number)
        except _REFUSED as error:
            return no_update, notice(problems_of(error, t), wrong=True)
        return _one(services, context, number), notice(said)


def _register_bringing(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("part-orders-added", "children"),
        Output("part-orders-open", "data", allow_duplicate=True),
        Input("part-orders-add", "n_clicks"),
        *(State(f"part-orders-new-{name}", "value") for name in drawn.NEW),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def add(clicks: int | None, *cells: str | None) -> tuple[Any, Any]:
        if not clicks:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        given = {name: str(cell or "").strip() for name, cell in zip(drawn.NEW, cells, strict=True)}
        try:
            told = services.part_orders.by_hand(context.person, given, context.time_zone)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update
        if told.refused:
            return notice(list(told.refused[0].problems), wrong=True), no_update
        if told.same:
            return notice(t("Order {number} stands so already.", number=given["order"])), given["order"]
        return notice(t("Order {number} is kept; hours are shared out anew with it.", number=given["order"])), given["order"]

    @app.callback(
        Output("part-orders-file-said", "children"),
        Output("part-orders-file-apply", "className"),
        Input("part-orders-file", "contents"),
        Input("part-orders-file-apply", "n_clicks"),
        State("part-orders-file", "contents"),
        State("part-orders-file", "filename"),
        *(State(f"part-orders-file-{name}", "value") for name in drawn.OF_FILES),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def read(_chosen: str | None, _clicks: int | None, contents: str | None, name: str | None, *cells: str | None) -> tuple[Any, Any]:
        if not contents:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        applying = ctx.triggered_id == "part-orders-file-apply"
        given = {key: str(cell).strip() for key, cell in zip(drawn.OF_FILES, cells, strict=True) if cell}
        try:
            content = base64.b64decode(contents.partition(",")[2])
            told = services.part_orders.take_in(context.person, content, name or "file", context.time_zone, given, only_say=not applying)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), "button first hidden"
        ready = bool(told.added or told.changed) and not applying
        return drawn.preview(told, t), "button first" if ready else "button first hidden"


def _mark(services: Services, which: str | None, factory: str | None, find: str | None) -> str | None:
    """Return text that differs once the list must be drawn anew; None while nobody can say."""
    try:
        return f"{services.part_orders.mark()} {which} {factory} {find}"
    except Unavailable:
        return None


def _list(services: Services, context: PageContext, t: Texts, which: str, factory: str | None, find: str | None) -> list[Component]:
    state = {"all": None, "late": "open"}.get(which, which)
    try:
        most = _MOST_LATE if which == "late" else _MOST
        found = services.part_orders.orders(state=state, factory=factory, find=(find or "").strip(), most=most)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    more = len(found) == most
    if which == "late":
        late = [one for one in found if drawn.is_late(one)]
        more, found = more or len(late) > _MOST, late[:_MOST]
    nothing = (
        t("No order fits.")
        if which != "open" or factory or find
        else t("No open part orders. Add one below, bring a file, or send them by REST.")
    )
    told = [html.P(t("The newest {n} orders.", n=_MOST), className="small quiet")] if more else []
    return [drawn.order_table(found, context, t, nothing), exports("/api/v1/part-orders", t, most=10000), *told]


def _one(services: Services, context: PageContext, number: str) -> Any:
    t = texts_of(context.language)
    if not number:
        return ""
    try:
        whole = services.part_orders.order(number, t, context.time_zone)
    except (Rejected, Unavailable) as error:
        return notice(problems_of(error, t), wrong=True)
    return drawn.one_order(whole, context, t)


def _factories(services: Services) -> list[str]:
    try:
        return services.part_orders.factories()
    except Unavailable:
        return []


def _options(words: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"value": key, "label": label} for key, label in words]


def _field(words: str, field: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=getattr(field, "id", None)), field])
