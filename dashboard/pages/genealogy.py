"""Genealogy: what happened to a serial number, and which serials share a lot."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.links import address, asked, asked_number, equipment_address, item_link, link, order_link, serial_link
from dashboard.page_app import PageApp
from dashboard.pages import genealogy_parts as drawn
from dashboard.pages.genealogy_bringing import bringing, register_bringing
from dashboard.pages.parts import NONE_SHOWN, Cell, exports, facts, moment, notice, problems_of, state, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_genealogy import FoundNameView, ItemView, LotView, SerialView
from plant.errors import Rejected, Unavailable
from storage.people import Role

_ITEMS = ("serial", "lot", "sublot", "heat")
_MOST_FOUND = 30
_LATEST_MS = 7_258_118_400_000


def layout(context: PageContext, services: Services) -> Component:  # noqa: ARG001 - as of all pages
    """Return the page; what it shows is named by its address, so that everything can be linked and sent on."""
    t = texts_of(context.language)
    return html.Div(
        className="genealogy",
        children=[
            html.H1(t("Genealogy")),
            html.Div(
                html.Div(
                    [
                        html.Label(t("Serial, lot, heat or order, or a piece of it"), htmlFor="genealogy-find"),
                        dcc.Input(id="genealogy-find", type="text", debounce=True, autoComplete="off", maxLength=200),
                    ]
                ),
                className="panel filters",
            ),
            html.Div(id="genealogy-found"),
            html.Div(id="genealogy-shown"),
            *(bringing(t) if context.may(Role.ENGINEER) else []),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Find names, show what the address names, and take tables."""
    register_bringing(app, services)

    @app.callback(Output("genealogy-found", "children"), Input("genealogy-find", "value"), prevent_initial_call=True)
    def find(wanted: str | None) -> Any:
        t = texts_of(current_context().language)
        if not (wanted or "").strip():
            return []
        try:
            return _found(services.genealogy.search(wanted or "", _MOST_FOUND + 1), t)
        except Unavailable as error:
            return notice(t("The database is away: {why}", why=error), wrong=True)

    @app.callback(Output("genealogy-shown", "children"), Input("address", "search"))
    def show(search: str | None) -> Any:
        context = current_context()
        t = texts_of(context.language)
        try:
            return _asked(services, context, t, asked(search))
        except (Rejected, Unavailable) as error:
            return notice(problems_of(error, t), wrong=True)


def _asked(services: Services, context: PageContext, t: Texts, given: dict[str, str]) -> Any:
    time_ms = asked_number(given, "time")
    if given.get("at") and time_ms is not None:
        return _at(services, context, t, given["at"], min(time_ms, _LATEST_MS - 1))
    if given.get("serial"):
        return _serial(services, context, t, given["serial"])
    for name in ("order", "job"):
        if given.get(name):
            heads: list[Component] = [html.H2(f"{drawn.item_words(name, t)} {given[name]}")]
            return [*heads, html.Div(drawn.jobs_table(services.genealogy.jobs(given[name]), context, t), className="panel")]
    kind = next((name for name in _ITEMS if given.get(name)), None)
    if kind is not None:
        return _lot(services, context, t, services.genealogy.lot(kind, given[kind]))
    return html.P(t("Search for a piece, a lot, a heat or an order: all that is known of it stands on one page."), className="quiet")


def _found(found: list[FoundNameView], t: Texts) -> Component:
    if not found:
        return html.P(t("Nothing has a name like this."), className="quiet")
    rows = [
        html.Li(
            [
                html.Span(drawn.item_words(one.kind, t), className="small quiet"),
                " ",
                link(one.name, address("/genealogy", **{one.kind: one.name})),
            ]
        )
        for one in found[:_MOST_FOUND]
    ]
    more = (
        [html.P(t("More than {n} fit: type more of the name.", n=_MOST_FOUND), className="small quiet")] if len(found) > _MOST_FOUND else []
    )
    return html.Div([html.Ul(rows, className="found-names"), *more], className="panel")


def _at(services: Services, context: PageContext, t: Texts, equipment: str, time_ms: int) -> Any:
    """Show the piece that was at a work unit at a time, or say that none is known there."""
    found = services.genealogy.part_at(equipment, time_ms * 1000)
    said = t("At {equipment} on {time}", equipment=equipment, time=moment(time_ms * 1000, context.time_zone))
    if found.serial:
        return [html.P(said, className="quiet"), *_serial(services, context, t, found.serial)]
    trend = link(t("Trend at that time"), equipment_address(equipment, at_us=time_ms * 1000))
    return html.Div([html.P(said), notice(t("No piece is known to have been there then.")), trend], className="panel")


def _serial(services: Services, context: PageContext, t: Texts, name: str) -> list[Component]:
    one = services.genealogy.serial(name)
    if not one.known and not one.made_of and not one.part_of:
        return [html.H2(one.serial), notice(t("Nothing here names this serial."))]
    names = {node.id: node.name for node in services.plant.equipment()}
    parts: list[tuple[str, list[Component | None]]] = [
        (t("Where it was"), [drawn.lanes(one, names, context), drawn.stays_table(one.stays, names, context, t)]),
        (t("Operations"), [drawn.steps_table(one.operations, context, t)] if one.operations else []),
        (t("Joints"), list(drawn.joints_part(one.joints, one.tightenings, one.serial, context, t))),
        (t("Pictures"), [drawn.pictures(one.inspections, context, t)] if one.inspections else []),
        (t("Made of"), [drawn.tree(one.made_of, context, t, nothing=t("Nothing is told to be built in."))]),
        (t("Built into"), [drawn.tree(one.part_of, context, t, nothing="")] if one.part_of else []),
        (
            t("Plates that parts for its order were cut from"),
            [drawn.plates_table(one.plates, context, t), _unsure(t)] if one.plates else [],
        ),
        (t("Why it was made so"), [drawn.route_table(one, context, t)]),
    ]
    shown = [(title, [each for each in content if each is not None]) for title, content in parts]
    return [
        _head(one, context, t),
        *(each for title, content in shown if content for each in (html.H2(title), html.Div(content, className="panel"))),
    ]


def _unsure(t: Texts) -> Component:
    words = t("They were cut for the order; which of its pieces got which part is known where it stands under 'Made of'.")
    return html.P(words, className="small quiet")


def _head(one: SerialView, context: PageContext, t: Texts) -> Component:
    zone = context.time_zone
    pairs: list[tuple[str, Cell]] = []
    products = list(dict.fromkeys([*(job.product for job in one.jobs), *(step.product for step in one.operations)]))
    if products:
        pairs.append((t("Product"), ", ".join(products)))
    for job in one.jobs[:3]:
        pairs += [(t("Customer order"), order_link(job.order)), (t("Job order"), job.job), (t("State"), drawn.job_state(job.state, t))]
        pairs += [(t("Customer"), job.customer or NONE_SHOWN), (t("Due"), moment(job.due_us, zone, seconds=False))]
    if not one.jobs and one.operations:
        pairs.append((t("Job order"), ", ".join(dict.fromkeys(step.job for step in one.operations if step.job)) or NONE_SHOWN))
    held = next((each.version for each in one.versions if each.holds), None)
    if held is not None:
        pairs.append((t("Design version"), held))
    if one.energy_kwh is not None:
        pairs.append((t("Energy"), f"{one.energy_kwh:.1f} kWh"))
    stands = [each for each in one.part_of if each.depth == 1 and each.out_us is None]
    if stands:
        pairs.append((t("Stands in"), [item_link(each.kind, each.name) for each in stands[:1]]))
    return html.Div([html.H2(one.serial), html.Div(_chips(one, t), className="chips"), facts(pairs)], className="panel piece-head")


def _chips(one: SerialView, t: Texts) -> list[Component]:
    """Return at a glance what was not right, and that the rest was."""
    bolts, released = sum(each.bolts for each in one.joints), sum(each.released for each in one.joints)
    wrong = sum(each.decision != "ok" for each in one.inspections)
    alarms, bad = sum(len(each.alarms) for each in one.stays), sum(each.bad for each in one.stays)
    reworked = sum(not each.first_pass for each in one.operations)
    said = [
        (any(each.scrapped for each in one.operations), "critical", t("scrapped")),
        (bool(reworked), "warning", t("operations reworked: {n}", n=reworked)),
        (bool(bolts), "normal" if released >= bolts else "warning", t("joints released: {n} of {m}", n=released, m=bolts)),
        (bool(one.inspections), "warning" if wrong else "normal", t("pictures not OK: {n} of {m}", n=wrong, m=len(one.inspections))),
        (bool(alarms), "warning", t("alarms where it was: {n}", n=alarms)),
        (bool(bad), "warning", t("bad samples where it was: {n}", n=whole(bad))),
    ]
    return [state(look, words) for there, look, words in said if there]


def _lot(services: Services, context: PageContext, t: Texts, one: LotView) -> list[Component]:
    recalled = services.genealogy.recall(one.kind, one.name)
    counted = [
        state("normal", t("pieces that it stands in: {n}", n=whole(one.holding))),
        *(
            [state("stale", t("pieces that it was taken out of: {n}", n=whole(one.pieces - one.holding)))]
            if one.pieces > one.holding
            else []
        ),
        state("normal", t("of them finished, in nothing else: {n}", n=whole(one.ends))),
    ]
    titles = [(t("Used in"), one.used_in, t("It stands in nothing.")), (t("Made from"), one.made_from, "")]
    trees = [
        html.Div([html.H2(title), html.Div(drawn.tree(branches, context, t, nothing=nothing), className="panel")])
        for title, branches, nothing in titles
        if branches or nothing
    ]
    return [
        html.Div(
            [
                html.H2(f"{drawn.item_words(one.kind, t)} {one.name}"),
                html.Div(counted, className="chips"),
                *(_described(item, one, context, t) for item in one.items),
            ],
            className="panel piece-head",
        ),
        html.H2(t("For a recall")),
        html.Div(
            [exports("/api/v1/genealogy/recall", t, kind=one.kind, name=one.name), drawn.recall_table(recalled, context, t)],
            className="panel",
        ),
        *trees,
    ]


def _described(item: ItemView, one: LotView, context: PageContext, t: Texts) -> Component:
    amount = NONE_SHOWN if item.quantity is None else f"{item.quantity:g} {item.unit}".strip()
    pairs: list[tuple[str, Cell]] = [
        *([(t("Material lot"), item_link(item.kind, item.name))] if one.kind == "heat" else []),
        (t("Material"), item.material or NONE_SHOWN),
        *([(t("Heat"), item_link("heat", item.heat))] if item.heat and one.kind != "heat" else []),
        *([(t("Supplier"), item.supplier)] if item.supplier else []),
        *([(t("Certificate"), item.certificate)] if item.certificate else []),
        (t("Quantity"), amount),
        (t("Recorded"), moment(item.told_us, context.time_zone, seconds=False)),
        *([(t("Note"), item.note)] if item.note else []),
    ]
    if item.kind == "serial":
        pairs.insert(0, (t("Serial"), serial_link(item.name)))
    return facts(pairs)
