"""Pieces of the page of part orders: the list, one order with its work and its reasons, and what a file would bring."""

from __future__ import annotations

from typing import Any, Final

from dash import ALL, dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.links import nest_link, order_link
from dashboard.nest_words import nest_state
from dashboard.pages.order_parts import when
from dashboard.pages.parts import NONE_SHOWN, also, duration, facts, moment, notice, state, table, whole
from dashboard.part_shapes import sketch_address
from dashboard.texts import Texts
from dashboard.views_part_orders import PartOrderView, PartOrderWholeView, WrittenPartOrdersView
from storage.people import Role

ANY = ALL
NEW: Final = (
    *("order", "factory", "part", "quantity", "material", "thickness_mm", "width_mm", "height_mm", "diameter_mm", "hole_mm"),
    *("due", "priority"),
)
OF_FILES: Final = ("factory", "material", "thickness_mm", "quantity", "due")
_MOST_SHOWN: Final = 50


def is_late(one: PartOrderView) -> bool:
    """Return whether an order will be ready after it is due, or was."""
    return one.late_us is not None and one.late_us > 0


def order_table(found: list[PartOrderView], context: PageContext, t: Texts, nothing: str) -> Component:
    """Return part orders as a table, each with a small drawing of its part."""
    heads = [
        *((t("Order number"), False), (t("Part"), False), (t("Plate"), False), (t("Pieces"), True), (t("Pieces made"), False)),
        *((t("Priority"), True), (t("Due"), False), (t("Ready"), False), (t("State"), False)),
    ]
    return table(heads, [_row(one, context, t) for one in found], caption=t("Part orders"), nothing=nothing)


def _row(one: PartOrderView, context: PageContext, t: Texts) -> list[Any]:
    zone = context.time_zone
    opener = html.Button(one.number, className="tool small", **also(data_open_word=one.number))
    return [
        html.Div([opener, html.Div(one.factory, className="small quiet wrap")]),
        html.Div([_sketch(one, context), html.Div([html.Div(one.part, className="wrap"), _size(one)])], className="part-cell"),
        html.Div([html.Div(one.material or NONE_SHOWN), html.Div(_thick(one), className="small quiet")]),
        whole(one.quantity),
        _progress(one, t),
        str(one.priority),
        when(one.due_us, zone),
        when(one.ready_us, zone),
        standing(one, t),
    ]


def _sketch(one: PartOrderView, context: PageContext, name: str = "part-sketch") -> Component:
    if not one.sketch:
        return html.Span(className=f"{name} none", **also(aria_hidden="true"))
    picture: Component = html.Img(src=sketch_address(one.sketch, context.theme), alt="", className=name)
    return picture


def _size(one: PartOrderView) -> Component:
    words = "" if one.width_mm is None or one.height_mm is None else f"{one.width_mm:.0f} x {one.height_mm:.0f} mm"
    return html.Div(words, className="small quiet nowrap")


def _thick(one: PartOrderView) -> str:
    return f"{one.thickness_mm:g} mm" if one.thickness_mm else ""


def _progress(one: PartOrderView, t: Texts) -> Component:
    """Return how much is made and released, as a bar and as figures."""
    made, released = 100 * one.made / one.quantity, 100 * one.released / one.quantity
    words = t("{made} made, {released} released, {waiting} waiting", made=one.made, released=one.released, waiting=one.waiting)
    bar = html.Span(
        [
            html.I(className="made", style={"width": f"{made:.1f}%"}),
            html.I(className="released", style={"left": f"{made:.1f}%", "width": f"{released:.1f}%"}),
        ],
        className="piece-bar",
        **also(aria_hidden="true"),
    )
    figures = f"{whole(one.made)}" + (f" + {whole(one.released)}" if one.released else "")
    return html.Span([bar, html.Span(figures, className="number small")], title=words, **also(aria_label=words))


def standing(one: PartOrderView, t: Texts) -> Component:
    """Return how an order stands: grey as it should be, colour where it needs somebody."""
    if one.state == "cancelled":
        return state("stale", t("cancelled"))
    if is_late(one):
        late = duration(one.late_us, t)
        return state("normal" if one.state == "done" else "warning", t("late by {span}", span=late))
    if one.state == "done":
        return state("normal", t("done"))
    if one.ready_us is None:
        return state("waiting", t("not ready in these days") if one.begin_us is not None else t("waits for hours"))
    return state("normal", t("under way") if one.released or one.made else t("planned"))


def one_order(told: PartOrderWholeView, context: PageContext, t: Texts) -> Component:
    """Return one order whole: its facts and shape, where and when it is made, why then, and what can be done."""
    one, zone = told.order, context.time_zone
    kinds = {"cutting": t("cut from plate"), "stamping": t("stamped")}
    pairs: list[tuple[str, Any]] = [
        (t("Factory"), one.factory),
        (t("Part"), html.Span(one.part, className="wrap")),
        (t("Kind"), kinds.get(one.kind, one.kind)),
        (t("Plate"), f"{one.material or NONE_SHOWN} {_thick(one)}".strip()),
        (t("Pieces"), whole(one.quantity)),
        (t("Pieces made"), _progress(one, t)),
        (t("State"), standing(one, t)),
        (t("Due"), moment(one.due_us, zone, seconds=False)),
        (t("Begins"), moment(one.begin_us, zone, seconds=False)),
        (t("Ready"), moment(one.ready_us, zone, seconds=False)),
        (t("Priority"), str(one.priority)),
    ]
    if one.for_order:
        pairs.append((t("Customer order"), order_link(one.for_order)))
    return html.Div(
        className="panel",
        children=[
            dcc.Store(id="part-order-shown-number", data=one.number),
            html.H2(t("Part order {number}", number=one.number)),
            html.Div([_sketch(one, context, "part-drawing"), facts(pairs)], className="part-head"),
            *([html.P(one.note, className="wrap")] if one.note else []),
            html.H3(t("Why did I get this, and then?")),
            _why(told, t),
            html.H3(t("Where and when")),
            _work(told, zone, t),
            *([html.H3(t("Its nests")), _nests(told, zone, t)] if one.kind == "cutting" else []),
            *(_acts(one, t) if one.state == "open" and context.may(Role.ENGINEER) else []),
        ],
    )


def _why(told: PartOrderWholeView, t: Texts) -> Component:
    if told.why:
        return html.Ul([html.Li(one.words) for one in told.why], className="schedule-why")
    if told.order.state != "open":
        words = t("It is at an end; nothing is shared out for it any more.")
    elif not told.order.waiting:
        words = t("All its pieces are in released nests or made; nothing more is shared out for it.")
    else:
        words = t("No hours are shared out for it yet. The optimizer does it by itself; if it stays so, no centre takes this part.")
    return html.P(words, className="quiet")


def _work(told: PartOrderWholeView, zone: str, t: Texts) -> Component:
    heads = [(t("Centre"), False), (t("From"), False), (t("To"), False), (t("Hours"), True)]
    rows = [
        [
            html.Span(one.centre, className="wrap"),
            moment(one.from_us, zone, seconds=False),
            moment(one.to_us, zone, seconds=False),
            f"{one.hours:.2f}",
        ]
        for one in told.work[:_MOST_SHOWN]
    ]
    return table(heads, rows, caption=t("Where and when"), nothing=t("none"))


def _nests(told: PartOrderWholeView, zone: str, t: Texts) -> Component:
    heads = [(t("Nest"), False), (t("State"), False), (t("Centre"), False), (t("From"), False), (t("Pieces"), True)]
    rows = [
        [
            nest_link(one.nest, str(one.nest)),
            nest_state(one.state, t),
            html.Span(one.centre, className="wrap"),
            moment(one.from_us, zone, seconds=False),
            whole(one.pieces),
        ]
        for one in told.nests[:_MOST_SHOWN]
    ]
    return table(heads, rows, caption=t("Its nests"), nothing=t("It lies in no nest yet."))


def _acts(one: PartOrderView, t: Texts) -> list[Component]:
    def field(name: str, words: str) -> Component:
        given: dict[str, Any] = {"id": {"part": "part-order-field", "name": name}, "type": "text", "autoComplete": "off", "maxLength": 200}
        return html.Label([words, dcc.Input(value="", **given)])

    made = [
        html.H3(t("Count pieces as made")),
        html.Div(
            [field("pieces", t("Pieces")), html.Button(t("Count"), id={"part": "part-order-act", "act": "made"}, className="button first")],
            className="orders-new",
        ),
    ]
    ending = [
        html.H3(t("Take it out")),
        html.Div(
            [
                field("note", t("Reason")),
                html.Button(t("Cancel the order"), id={"part": "part-order-act", "act": "cancel"}, className="button"),
            ],
            className="orders-new",
        ),
        *([html.P(t("What is released is cut all the same."), className="small quiet")] if one.released else []),
    ]
    return [*(made if one.kind == "stamping" else []), *ending]


def bringing(t: Texts, largest_file: int) -> list[Component]:
    """Return the fields of a new order, and the place for files."""
    return [
        html.H2(t("Add a part order")),
        html.Div(
            className="panel",
            children=[
                html.P(t("A rectangle has width and height, a disc a diameter, a ring a hole as well."), className="small quiet"),
                html.Div(
                    [
                        *(_new_field(name, f"part-orders-new-{name}", t) for name in NEW),
                        html.Button(t("Add"), id="part-orders-add", className="button first"),
                    ],
                    className="orders-new",
                ),
                html.Div(id="part-orders-added"),
            ],
        ),
        html.H2(t("Bring a file")),
        html.Div(
            className="panel",
            children=[
                html.P(
                    t("A table (CSV, XLSX), a nest problem (JSON) or a drawing (DXF). What the file does not say stands here:"),
                    className="small quiet",
                ),
                html.Div([_new_field(name, f"part-orders-file-{name}", t) for name in OF_FILES], className="orders-new"),
                html.Div(
                    className="schedule-acts-row",
                    children=[
                        dcc.Upload(
                            html.Button(t("Choose a file to check…"), className="button"),
                            id="part-orders-file",
                            accept=".csv,.xlsx,.json,.dxf",
                            max_size=largest_file,
                        ),
                        html.A(t("Empty table (.xlsx)"), href="/api/v1/part-orders/table", className="tool"),
                    ],
                ),
                html.Div(id="part-orders-file-said"),
                html.Button(t("Import these"), id="part-orders-file-apply", className="button first hidden"),
            ],
        ),
    ]


def _new_field(name: str, field: str, t: Texts) -> Component:
    words = {
        "order": t("Order number"),
        "factory": t("Factory"),
        "part": t("Part"),
        "quantity": t("Pieces"),
        "material": t("Material"),
        "thickness_mm": t("Thickness, mm"),
        "width_mm": t("Width, mm"),
        "height_mm": t("Height, mm"),
        "diameter_mm": t("Diameter, mm"),
        "hole_mm": t("Hole, mm"),
        "due": t("Due"),
        "priority": t("Priority, 1 to 9"),
    }
    hints = {"due": "2026-12-24 14:00", "quantity": "1", "priority": "5", "material": "S690QL"}
    given = dcc.Input(id=field, type="text", autoComplete="off", maxLength=200, placeholder=hints.get(name, ""))
    return html.Div([html.Label(words[name], htmlFor=field), given])


def preview(told: WrittenPartOrdersView, t: Texts) -> Component:
    """Return what a file would bring, or brought."""
    counted = t(
        "{added} new, {changed} changed, {same} as they stand, {refused} refused.",
        added=len(told.added),
        changed=len(told.changed),
        same=told.same,
        refused=len(told.refused),
    )
    done = t("They are kept; hours are shared out anew with them.") if told.written else t("Nothing is changed yet.")
    rows: list[Any] = [
        *([t("refused"), f"{one.row} {one.number}".strip(), html.Span("; ".join(one.problems), className="wrap")] for one in told.refused),
        *([t("changed"), number, ""] for number in told.changed),
        *([t("added"), number, ""] for number in told.added),
    ]
    heads = [(t("What"), False), (t("Row, order"), False), (t("Why"), False)]
    return html.Div([notice(f"{counted} {done}", wrong=bool(told.refused)), table(heads, rows[:_MOST_SHOWN], caption=t("What"))])


def whole_number(text: str) -> int:
    """Return a whole number as somebody wrote it, 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
