"""Stock: sheets and remnants to scale by material and thickness, what comes in, and what somebody counted."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.links import lot_link, nest_link
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, also, moment, notice, problems_of, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_stock import CountDraft, SheetsDraft, StockSheetView
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_REFUSED: Final = (Rejected, Unavailable, PermissionError, SettingsError, ValidationError)
_NEW: Final = ("name", "width_mm", "height_mm", "quantity", "material", "thickness_mm", "grain_deg", "place")
_MOST: Final = 1000
_WIDEST: Final = 130
"""Pixels of the longest sheet of all; the others are drawn to the same scale."""


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its list is drawn again once stock changed."""
    t = texts_of(context.language)
    return html.Div(
        className="orders share stock",
        children=[
            html.H1(t("Stock")),
            html.P(t("Sheets and remnants that can be cut. Remnants are taken before whole sheets."), className="quiet"),
            html.Div(
                className="panel filters",
                children=[
                    html.Div(
                        [
                            html.Label(t("Material"), htmlFor="stock-material"),
                            dcc.Dropdown(id="stock-material", options=_materials(services), placeholder=t("all"), searchable=False),
                        ]
                    ),
                    html.Div(
                        [
                            html.Label(t("Shown"), htmlFor="stock-which"),
                            dcc.Dropdown(
                                id="stock-which",
                                options=[
                                    {"value": "all", "label": t("all")},
                                    {"value": "whole", "label": t("whole sheets")},
                                    {"value": "remnants", "label": t("remnants")},
                                ],
                                value="all",
                                clearable=False,
                                searchable=False,
                            ),
                        ]
                    ),
                ],
            ),
            html.Div(_list(services, context, t, None, "all"), id="stock-list", className="live"),
            *(_acts(t) if context.may(Role.ENGINEER) else []),
            dcc.Store(id="stock-mark"),
            dcc.Store(id="stock-beat"),
            html.Div(**also(data_beat="stock-beat")),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the list again once stock changed, and take what people do."""
    _register_acts(app, services)

    @app.callback(
        Output("stock-list", "children"),
        Output("stock-mark", "data"),
        Input("stock-beat", "data"),
        Input("stock-material", "value"),
        Input("stock-which", "value"),
        State("stock-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, material: str | None, which: str | None, drawn_as: str | None) -> tuple[Any, Any]:
        context = current_context()
        try:
            mark = f"{services.stock.mark()} {material} {which}"
        except Unavailable:
            mark = None
        if mark is not None and mark == drawn_as:
            return no_update, no_update
        return _list(services, context, texts_of(context.language), material, which or "all"), mark


def _register_acts(app: PageApp, services: Services) -> None:
    @app.callback(
        Output("stock-added", "children"),
        Input("stock-add", "n_clicks"),
        *(State(f"stock-new-{name}", "value") for name in _NEW),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def add(clicks: int | None, *cells: str | None) -> Any:
        if not clicks:
            return no_update
        context = current_context()
        t = texts_of(context.language)
        given: dict[str, Any] = {name: cell.strip() for name, cell in zip(_NEW, cells, strict=True) if cell and cell.strip()}
        place = given.pop("place", "")
        try:
            told = services.stock.add(context.person, SheetsDraft.model_validate({"sheets": [given], "place": place}, strict=False))
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True)
        if told.refused:
            return notice([f"{name}: {why}" for name, why in told.refused.items()], wrong=True)
        return notice(t("The sheets lie in stock; nests are made anew with them."))

    @app.callback(
        Output("stock-counted", "children"),
        Input("stock-count", "n_clicks"),
        State("stock-count-name", "value"),
        State("stock-count-free", "value"),
        State("stock-count-note", "value"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def count(clicks: int | None, name: str | None, free: str | None, note: str | None) -> Any:
        if not clicks:
            return no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            draft = CountDraft.model_validate({"free": (free or "").strip(), "note": (note or "").strip()})
            services.stock.count(context.person, (name or "").strip(), draft)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True)
        return notice(t("{name}: {n} sheets are free.", name=(name or "").strip(), n=draft.free))

    @app.callback(
        Output("stock-count-name", "value"),
        Input({"part": "stock-pick", "name": ALL}, "n_clicks"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def pick(_clicks: list[int | None]) -> Any:
        asked = ctx.triggered_id
        clicked = ctx.triggered and ctx.triggered[0]["value"]
        return asked["name"] if clicked and isinstance(asked, dict) else no_update


def _materials(services: Services) -> list[str]:
    try:
        return sorted({one.material for one in services.stock.sheets(most=10_000)})
    except Unavailable:
        return []


def _list(services: Services, context: PageContext, t: Texts, material: str | None, which: str) -> list[Component]:
    try:
        found = services.stock.sheets(material=material, most=_MOST)
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    found = [one for one in found if which == "all" or one.remnant == (which == "remnants")]
    if not found:
        return [html.Div(html.P(t("Nothing in stock. Add sheets below, or send them by REST."), className="quiet"), className="panel")]
    lots = _known_lots(services, found)
    longest = max(max(one.width_mm, one.height_mm) for one in found)
    groups = groupby(found, key=lambda one: (one.material, one.thickness_mm))
    told = (
        [html.P(t("The first {n}; choose a material to see its others.", n=_MOST), className="small quiet")] if len(found) == _MOST else []
    )
    return [*(_group(key, list(sheets), longest, lots, context, t) for key, sheets in groups), *told]


def _known_lots(services: Services, found: list[StockSheetView]) -> frozenset[str]:
    try:
        return services.genealogy.known_lots(one.name for one in found)
    except Unavailable:
        return frozenset()


def _group(
    key: tuple[str, float], sheets: list[StockSheetView], longest_mm: float, lots: frozenset[str], context: PageContext, t: Texts
) -> Component:
    free_m2 = sum(one.free * one.area_m2 for one in sheets)
    remnants_m2 = sum(one.free * one.area_m2 for one in sheets if one.remnant)
    words = t("{free} m² free, {remnants} m² of it remnants", free=f"{free_m2:.1f}", remnants=f"{remnants_m2:.1f}")
    heads = [
        *((t("Sheet"), False), (t("Size"), False), (t("Rolling direction"), False), (t("Free"), True), (t("Reserved"), True)),
        *((t("Where"), False), (t("From nest"), False), (t("Since"), False)),
    ]
    rows = [_row(one, longest_mm, lots, context, t) for one in sheets]
    return html.Div(
        [
            html.Div(
                [html.H2(f"{key[0] or NONE_SHOWN}, {key[1]:g} mm"), html.Span(words, className="small quiet")], className="stock-head"
            ),
            html.Div(table(heads, rows, caption=f"{key[0]} {key[1]:g} mm"), className="panel"),
        ]
    )


def _row(one: StockSheetView, longest_mm: float, lots: frozenset[str], context: PageContext, t: Texts) -> list[Any]:
    lot = [lot_link(one.name, t("Where it went"))] if one.name in lots else []
    name: Component = html.Span(one.name, className="wrap")
    if context.may(Role.ENGINEER):
        name = html.Button(one.name, id={"part": "stock-pick", "name": one.name}, className="tool small", title=t("Count this one"))
    grain = {None: t("not known"), 0.0: t("along the width"), 90.0: t("along the height")}
    return [
        html.Div([name, *([state("normal", t("remnant"))] if one.remnant else []), *lot], className="stock-name"),
        html.Div(
            [_drawn(one, longest_mm), html.Span(f"{one.width_mm:.0f} x {one.height_mm:.0f} mm", className="nowrap number")],
            className="part-cell",
        ),
        html.Span(grain.get(one.grain_deg, f"{one.grain_deg:g}°" if one.grain_deg is not None else ""), className="small"),
        whole(one.free),
        whole(one.reserved),
        html.Span(one.place or NONE_SHOWN, className="wrap small"),
        NONE_SHOWN if one.origin_nest is None else nest_link(one.origin_nest, str(one.origin_nest)),
        html.Span(moment(one.added_us, context.time_zone, seconds=False), className="small"),
    ]


def _drawn(one: StockSheetView, longest_mm: float) -> Component:
    """Return a sheet to scale, with a line for the rolling direction."""
    scale = _WIDEST / longest_mm
    size = {"width": f"{max(4.0, one.width_mm * scale):.0f}px", "height": f"{max(4.0, one.height_mm * scale):.0f}px"}
    grain = {0.0: " along", 90.0: " across"}.get(one.grain_deg if one.grain_deg is not None else -1.0, "")
    box = html.Span(className=f"sheet-box{' remnant' if one.remnant else ''}{grain}", style=size)
    return html.Span(box, className="sheet-place", style={"width": f"{_WIDEST}px"}, **also(aria_hidden="true"))


def _acts(t: Texts) -> list[Component]:
    words = {
        "name": t("Name (lot, plate number)"),
        "width_mm": t("Width, mm"),
        "height_mm": t("Height, mm"),
        "quantity": t("Sheets"),
        "material": t("Material"),
        "thickness_mm": t("Thickness, mm"),
        "grain_deg": t("Rolling direction, degrees"),
        "place": t("Where"),
    }
    hints = {"quantity": "1", "grain_deg": "0", "material": "S690QL", "width_mm": "6000", "height_mm": "2000"}
    new = [_field(f"stock-new-{name}", words[name], hints.get(name, "")) for name in _NEW]
    counting = [
        _field("stock-count-name", words["name"], ""),
        _field("stock-count-free", t("Sheets that are free"), "0"),
        _field("stock-count-note", t("Reason"), ""),
    ]
    return [
        html.H2(t("Add sheets")),
        html.Div(
            [
                html.Div([*new, html.Button(t("Add"), id="stock-add", className="button first")], className="orders-new"),
                html.P(
                    t("0 is along the width, 90 along the height; empty: not known, then no part that minds it lies there."),
                    className="small quiet",
                ),
                html.Div(id="stock-added"),
            ],
            className="panel",
        ),
        html.H2(t("Count anew")),
        html.Div(
            [
                html.Div([*counting, html.Button(t("Say so"), id="stock-count", className="button first")], className="orders-new"),
                html.Div(id="stock-counted"),
            ],
            className="panel",
        ),
    ]


def _field(name: str, words: str, hint: str) -> Component:
    return html.Div([html.Label(words, htmlFor=name), dcc.Input(id=name, type="text", autoComplete="off", maxLength=200, placeholder=hint)])
