"""One nest on its page: figures by metric, the sheets drawn, what found no place, which orders lie there, and what can be done."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.factory_hues import factory_hue
from dashboard.links import lot_link, part_order_link
from dashboard.nest_words import left_words, metric_words, nest_state
from dashboard.pages.order_parts import when
from dashboard.pages.parts import NONE_SHOWN, also, facts, icon, moment, notice, table, whole
from dashboard.texts import Texts
from dashboard.views_nests import NestOrderView, NestSheetView, NestView, NestWholeView
from storage.people import Role

_MOST_SHEETS: Final = 60
_MOST_ORDERS: Final = 500


def one_nest(told: NestWholeView, lots: Collection[str], context: PageContext, t: Texts) -> Component:
    """Return a nest whole. ``lots``: names of its sheets that are lots of which something is known."""
    one, zone = told.nest, context.time_zone
    pairs: list[tuple[str, Any]] = [
        (t("State"), nest_state(one.state, t)),
        (t("Centre"), html.Span(one.centre, className="wrap")),
        (t("From"), moment(one.from_us, zone, seconds=False)),
        (t("To"), moment(one.to_us, zone, seconds=False)),
        (t("Sheets"), whole(one.sheets)),
        (t("Parts"), whole(one.parts)),
        (t("Machine hours"), NONE_SHOWN if one.hours is None else f"{one.hours:.2f}"),
        (t("Kerf, gap, margin"), f"{told.kerf_mm:g}, {told.gap_mm:g}, {told.margin_mm:g} mm" if told.sheets else NONE_SHOWN),
        (t("Made"), moment(one.made_us, zone, seconds=False)),
    ]
    if one.actor:
        pairs.append((t("By"), one.actor))
    return html.Div(
        className="panel nest-one",
        children=[
            html.H2(t("Nest {n}: {material} {thick} mm", n=one.id, material=one.material, thick=f"{one.thickness_mm:g}")),
            facts(pairs),
            *(_acts(one, t) if context.may(Role.ENGINEER) else []),
            html.H3(t("Utilisation")),
            _utilisation(told, t),
            *([html.H3(t("Parts left")), _left(one, t)] if one.left else []),
            html.H3(t("Sheets drawn")),
            *_sheets(told, lots, context, t),
            html.H3(t("Orders that lie here")),
            _orders(told, context, t),
        ],
    )


def _utilisation(told: NestWholeView, t: Texts) -> Component:
    shares = told.utilisation or {
        name: value
        for name, value in (("gross", told.nest.gross), ("credited", told.nest.credited), ("net", told.nest.net))
        if value is not None
    }
    rows = []
    for metric, share in shares.items():
        name, words = metric_words(metric, t)
        bar = html.Span(html.I(style={"width": f"{min(100.0, 100 * share):.1f}%"}), className="chance wide", **also(aria_hidden="true"))
        rows.append(
            [
                html.Strong(name),
                html.Div([bar, html.Span(f"{share:.1%}", className="number")], className="nowrap"),
                html.Span(words, className="small quiet"),
            ]
        )
    return table([(t("Metric"), False), (t("Share"), False), (t("What it says"), False)], rows, caption=t("Utilisation"))


def _left(one: NestView, t: Texts) -> Component:
    heads = [(t("Order number"), False), (t("Part"), False), (t("Pieces"), True), (t("Why"), False)]
    rows = [
        [_order_link(each.order), html.Span(each.part, className="wrap"), whole(each.quantity), left_words(each.reason, t)]
        for each in one.left
    ]
    return table(heads, rows, caption=t("Parts left"))


def _order_link(number: str) -> Component | str:
    return part_order_link(number) if number else NONE_SHOWN


def _sheets(told: NestWholeView, lots: Collection[str], context: PageContext, t: Texts) -> list[Component]:
    if not told.sheets:
        return [notice(t("Its layouts are no more kept, only its figures."))]
    orders = [[one.number, one.part, one.factory, _due(one, context)] for one in told.orders]
    more = len(told.sheets) - _MOST_SHEETS
    return [
        _legend(told, context.theme, t),
        html.Div(
            [_sheet(told.nest.id, one, lots, context.theme, t) for one in told.sheets[:_MOST_SHEETS]],
            className="nest-sheets",
            **also(data_nest_orders=json.dumps(orders, ensure_ascii=False)),
        ),
        *([html.P(t("and {n} more", n=more), className="small quiet")] if more > 0 else []),
    ]


def _due(one: NestOrderView, context: PageContext) -> str:
    return moment(one.due_us, context.time_zone, seconds=False)


def _legend(told: NestWholeView, theme: str, t: Texts) -> Component:
    factories = [html.Li([html.I(style={"background": factory_hue(name, told.factories, theme)}), name]) for name in told.factories]
    others = [
        html.Li([html.I(className="remnant"), t("remnant, goes back into stock")]),
        html.Li([html.I(className="margin"), t("margin")]),
    ]
    return html.Ul([*factories, *others], className="schedule-legend nest-legend")


def _sheet(nest: int, one: NestSheetView, lots: Collection[str], theme: str, t: Texts) -> Component:
    address = f"/api/v1/nests/{nest}/sheets/{one.place}/sheet"
    words = t(
        "Layout {n}: {name}, {width} x {height} mm, {parts} parts, gross {gross}",
        n=one.place,
        name=one.name,
        width=f"{one.width_mm:.0f}",
        height=f"{one.height_mm:.0f}",
        parts=one.parts,
        gross=f"{one.gross:.1%}",
    )
    rest = t("Point at a part to see its order; click it to open the order.")
    copies = [html.Strong(t("cut {n} times", n=one.copies))] if one.copies > 1 else []
    remnants = ", ".join(f"{width:.0f} x {height:.0f}" for width, height in one.remnants_mm)
    return html.Figure(
        className="nest-sheet",
        children=[
            html.Figcaption(
                [
                    html.Span(words, className="wrap"),
                    *copies,
                    *([html.Span(t("remnant"), className="quiet")] if one.remnant else []),
                    html.Span(
                        [
                            *([lot_link(one.name, t("Where it went"), style="tool")] if one.name in lots else []),
                            html.A([icon("sheet"), "SVG"], href=f"{address}.svg", className="tool"),
                            html.A([icon("sheet"), "DXF"], href=f"{address}.dxf", className="tool"),
                        ],
                        className="nest-files",
                    ),
                ]
            ),
            html.Div(
                className="nest-drawing",
                role="img",
                style={"aspectRatio": f"{one.width_mm:.0f} / {one.height_mm:.0f}"},
                **also(data_nest_drawing=f"{address}.svg?theme={theme}&legend=false", data_drawn=json.dumps(one.drawn), aria_label=words),
            ),
            html.Div(rest, className="nest-readout small", **also(data_rest=rest, aria_live="polite")),
            *([html.Div(t("Goes back into stock of each copy: {sizes} mm", sizes=remnants), className="small quiet")] if remnants else []),
        ],
    )


def _orders(told: NestWholeView, context: PageContext, t: Texts) -> Component:
    heads = [
        (t("Order number"), False),
        (t("Factory"), False),
        (t("Part"), False),
        (t("Pieces"), True),
        (t("Priority"), True),
        (t("Due"), False),
    ]
    rows = [
        [
            _order_link(one.number),
            one.factory or NONE_SHOWN,
            html.Span(one.part or NONE_SHOWN, className="wrap"),
            whole(one.pieces),
            str(one.priority),
            when(one.due_us, context.time_zone),
        ]
        for one in told.orders[:_MOST_ORDERS]
    ]
    return table(heads, rows, caption=t("Orders that lie here"), nothing=t("none"))


def _acts(one: NestView, t: Texts) -> list[Component]:
    steps = {
        "proposed": [("release", t("Release…"), t("Release"), t("Its sheets and parts are taken: no other nest gets them."))],
        "released": [
            ("cut", t("It is cut…"), t("It is cut"), t("Its parts are made and its remnants lie in stock. This is not taken back.")),
            ("withdraw", t("Withdraw…"), t("Withdraw"), t("Its sheets are free and its parts wait again.")),
        ],
    }.get(one.state, [])
    return [html.Div([_step(one.id, *step, t("Note")) for step in steps], className="nest-acts")] if steps else []


def _step(nest: int, act: str, opens: str, words: str, means: str, note_words: str) -> Component:
    note = dcc.Input(
        id={"part": "nest-note", "nest": nest, "act": act}, type="text", autoComplete="off", maxLength=2000, placeholder="", value=""
    )
    return html.Details(
        [
            html.Summary(opens, className="button"),
            html.Div(
                [
                    html.P(means),
                    html.Label([note_words, note]),
                    html.Button(words, id={"part": "nest-act", "nest": nest, "act": act}, className="button first"),
                ]
            ),
        ],
        className="nest-step",
    )
