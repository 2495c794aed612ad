"""Orders: what customers asked for, by when it will be ready and how surely; what is late, and what to do about it."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs, quote

from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages import order_parts as drawn
from dashboard.pages.parts import NONE_SHOWN, also, exports, notice, problems_of, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_orders import CancelDraft, OrderChangeDraft, OrderDraft, OrderView, SplitDraft
from plant.customer_orders import read_orders
from plant.errors import Rejected, SettingsError, Unavailable
from plant.table_rows import row_words
from storage.people import Role

_MOST = 300
_REFUSED = (Rejected, Unavailable, PermissionError, SettingsError, ValidationError, binascii.Error)
_NEW = ("order", "product", "customer", "quantity", "due", "priority")


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again every two seconds while the stream lives."""
    t = texts_of(context.language)
    states = [("open", t("open orders")), ("late", t("late")), ("done", t("done")), ("cancelled", t("cancelled")), ("all", t("all"))]
    return html.Div(
        className="orders",
        children=[
            html.H1(t("Customer orders")),
            html.Div(
                className="panel orders-list",
                **also(data_opens_word="orders-open"),
                children=[
                    html.Div(
                        className="filters",
                        children=[
                            html.Div(
                                [
                                    html.Label(t("Shown"), htmlFor="orders-which"),
                                    dcc.Dropdown(
                                        id="orders-which",
                                        options=[{"value": name, "label": words} for name, words in states],
                                        value="open",
                                        clearable=False,
                                        searchable=False,
                                    ),
                                ]
                            ),
                            html.Div(
                                [
                                    html.Label(t("Number, customer or product"), htmlFor="orders-find"),
                                    dcc.Input(id="orders-find", type="text", debounce=True, autoComplete="off", maxLength=200),
                                ]
                            ),
                        ],
                    ),
                    html.Div(_list(services, context, t, "open", None), id="orders-list", className="live"),
                ],
            ),
            html.Div(id="orders-said"),
            html.Div(id="orders-shown"),
            *(_bringing(t) if context.may(Role.ENGINEER) else []),
            dcc.Store(id="orders-open"),
            dcc.Store(id="orders-mark"),
            dcc.Store(id="orders-beat"),
            html.Div(**also(data_beat="orders-beat")),
        ],
    )


def _bringing(t: Texts) -> list[Component]:
    names = {
        "order": t("Order number"),
        "product": t("Product"),
        "customer": t("Customer"),
        "quantity": t("Parts"),
        "due": t("Due"),
        "priority": t("Priority"),
    }
    hints = {"due": "2026-12-24 14:00", "quantity": "1", "priority": "5"}
    fields = [
        html.Div(
            [
                html.Label(names[name], htmlFor=f"orders-new-{name}"),
                dcc.Input(id=f"orders-new-{name}", type="text", autoComplete="off", maxLength=200, placeholder=hints.get(name, "")),
            ]
        )
        for name in _NEW
    ]
    return [
        html.H2(t("Add an order")),
        html.Div(
            className="panel",
            children=[
                html.Div([*fields, html.Button(t("Add"), id="orders-add", className="button first")], className="orders-new"),
                html.Div(id="orders-added"),
            ],
        ),
        html.H2(t("Import")),
        html.Div(
            className="panel",
            children=[
                html.Div(
                    className="schedule-acts-row",
                    children=[
                        dcc.Upload(
                            html.Button(t("Choose a table to check…"), className="button"),
                            id="orders-table",
                            accept=".csv,.xlsx",
                            max_size=32_000_000,
                        ),
                        html.A(t("Empty table (.xlsx)"), href="/api/v1/orders/table", className="tool"),
                    ],
                ),
                html.Div(id="orders-table-said"),
                html.Button(t("Import these"), id="orders-table-apply", className="button first hidden"),
            ],
        ),
    ]


def register(app: PageApp, services: Services) -> None:
    """Draw the list with each beat, one order when it is asked for, and take what people do."""
    _register_list(app, services)
    _register_acts(app, services)
    _register_bringing(app, services)


def _register_list(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("orders-list", "children"),
        Output("orders-mark", "data"),
        Input("orders-beat", "data"),
        Input("orders-which", "value"),
        Input("orders-find", "value"),
        State("orders-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, which: str | None, find: str | None, drawn_as: str | None) -> tuple[Any, Any]:
        context = current_context()
        mark = _mark(services, which or "open", find)
        if mark is not None and mark == drawn_as:
            return no_update, no_update
        return _list(services, context, texts_of(context.language), which or "open", find), mark

    @app.callback(
        Output("orders-shown", "children"),
        Output("orders-said", "children"),
        Input("orders-open", "data"),
        State("address", "search"),
    )
    def show(asked: str | None, search: str | None) -> tuple[Any, Any]:
        context = current_context()
        number = asked or parse_qs((search or "").lstrip("?")).get("number", [""])[0]
        return _one(services, context, number), ""


def _register_acts(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("orders-shown", "children", allow_duplicate=True),
        Output("orders-said", "children", allow_duplicate=True),
        Input({"part": "order-act", "act": drawn.ANY}, "n_clicks"),
        State({"part": "order-field", "name": drawn.ANY}, "value"),
        State({"part": "order-field", "name": drawn.ANY}, "id"),
        State("order-shown-number", "data"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def act(_clicks: list[int | None], values: list[Any], ids: list[dict[str, str]], number: str | None) -> tuple[Any, Any]:
        asked = ctx.triggered_id
        if not ctx.triggered or not ctx.triggered[0]["value"] or not isinstance(asked, dict) or not number:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        given = {one["name"]: str(value).strip() for one, value in zip(ids, values, strict=True) if value not in {None, ""}}
        try:
            said = _act(services, context, t, number, asked["act"], given)
        except _REFUSED as error:
            return no_update, notice(problems_of(error, t), wrong=True)
        return _one(services, context, number), notice(said)


def _register_bringing(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("orders-added", "children"),
        Output("orders-open", "data", allow_duplicate=True),
        Input("orders-add", "n_clicks"),
        *(State(f"orders-new-{name}", "value") for name in _NEW),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def add(clicks: int | None, *cells: str | None) -> tuple[Any, Any]:
        if not clicks:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            draft = _draft(services, context, dict(zip(_NEW, cells, strict=True)))
            told = services.orders.write(context.person, [draft])
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update
        if told.refused:
            return notice([f"{number}: {why}" for number, why in told.refused.items()], wrong=True), no_update
        if told.same:
            return notice(t("Order {number} stands so already.", number=draft.number)), draft.number
        return notice(t("Order {number} is kept; the plan is made anew with it.", number=draft.number)), draft.number

    @app.callback(
        Output("orders-table-said", "children"),
        Output("orders-table-apply", "className"),
        Input("orders-table", "contents"),
        Input("orders-table-apply", "n_clicks"),
        State("orders-table", "contents"),
        State("orders-table", "filename"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def read(_chosen: str | None, _clicks: int | None, contents: str | None, name: str | None) -> tuple[Any, Any]:
        if not contents:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        applying = ctx.triggered_id == "orders-table-apply"
        try:
            content = base64.b64decode(contents.partition(",")[2])
            told = services.orders.take_in(context.person, content, name or "table", context.time_zone, only_say=not applying)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), "button first hidden"
        ready = bool(told.added or told.changed) and not applying
        return drawn.preview(told, context, t), "button first" if ready else "button first hidden"


def _act(services: Services, context: PageContext, t: Texts, number: str, act: str, given: dict[str, str]) -> str:
    who, orders = context.person, services.orders
    if act == "cancel":
        orders.cancel(who, number, CancelDraft(note=given.get("note", "")))
        return t("Order {number} is cancelled.", number=number)
    if act == "split":
        draft = SplitDraft.model_validate({"number": given.get("split-number", ""), "quantity": _whole(given.get("split-quantity", ""))})
        orders.split(who, number, draft)
        return t("{n} parts are order {number} now.", n=draft.quantity, number=draft.number)
    cells = {"order": number, "product": "-", "due": given.get("due"), "priority": given.get("priority")}
    read, wrong = read_orders([(1, cells)], received_us=0, zone=context.time_zone)
    if wrong:
        raise SettingsError([f"{one.column}: {one.reason}" for one in wrong])
    orders.change(who, number, OrderChangeDraft(due_us=read[0].due_us, priority=read[0].priority))
    return t("Order {number} is changed; the plan is made anew with it.", number=number)


def _draft(services: Services, context: PageContext, cells: dict[str, str | None]) -> OrderDraft:
    """Return the order that the fields say. Raises SettingsError with a sentence for each field that is wrong."""
    known = services.orders.products() or None
    read, wrong = read_orders([(1, cells)], received_us=0, zone=context.time_zone, products=known)
    if wrong:
        raise SettingsError([word.partition(": row 1, ")[2] for word in row_words("", wrong)])
    one = read[0]
    return OrderDraft(
        number=one.number,
        product=one.product,
        customer=one.customer,
        quantity=one.quantity,
        due_us=one.due_us,
        priority=one.priority,
    )


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _mark(services: Services, which: str, find: str | None) -> str | None:
    """Return text that differs once the list must be drawn anew; None while nobody can say."""
    try:
        minute = services.plant.clock().now_us // 60_000_000
        return f"{services.orders.mark()} {services.schedule.mark()} {minute} {which} {find or ''}"
    except Unavailable:
        return None


def _list(services: Services, context: PageContext, t: Texts, which: str, find: str | None) -> list[Component]:
    state = {"all": None, "late": "open"}.get(which, which)
    try:
        found = services.orders.orders(state=state, most=_MOST)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    more = len(found) == _MOST
    words = (find or "").strip().lower()
    if words:
        found = [one for one in found if any(words in text.lower() for text in (one.number, one.customer, one.product))]
    if which == "late":
        found = [one for one in found if drawn.is_late(one)]
    if which in {"open", "late"}:
        found.sort(key=lambda one: (one.due_us is None, one.due_us or 0, -one.priority))
    heads = [
        (t("Order number"), False),
        (t("Product"), False),
        (t("Parts"), True),
        (t("Priority"), True),
        (t("Due"), False),
        (t("Planned end"), False),
        (t("Ready, 95 %"), False),
        (t("In time"), False),
        (t("State"), False),
    ]
    rows = [_row(one, context, t) for one in found]
    nothing = t("No order fits.") if words or which != "open" else t("No open orders. Add one below, import a table, or send them by REST.")
    told = [html.P(t("The newest {n} orders.", n=_MOST), className="small quiet")] if more else []
    return [table(heads, rows, caption=t("Customer orders"), below=exports("/api/v1/orders", t, most=1000), nothing=nothing), *told]


def _row(one: OrderView, context: PageContext, t: Texts) -> list[Any]:
    zone = context.time_zone
    opener = html.Button(one.number, className="tool small", **also(data_open_word=one.number))
    return [
        html.Div([opener, html.Div(one.customer, className="small quiet wrap")]),
        html.Span(one.product, className="wrap"),
        f"{one.done}/{one.quantity}" if one.done or one.state == "done" else str(one.quantity),
        str(one.priority),
        drawn.when(one.due_us, zone),
        drawn.when(one.ended_us or one.planned_end_us, zone),
        drawn.when(one.ready_95_us, zone) if one.state == "open" else NONE_SHOWN,
        drawn.chance(one, t),
        drawn.standing(one, t),
    ]


def _one(services: Services, context: PageContext, number: str) -> Any:
    t = texts_of(context.language)
    if not number:
        return ""
    try:
        one, parts = services.orders.order(number), services.orders.parts(number)
    except (Rejected, Unavailable) as error:
        return notice(problems_of(error, t), wrong=True)
    return drawn.one_order(one, parts, context, t, why=f"/schedule?find={quote(one.number)}")
