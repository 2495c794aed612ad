"""Pieces of the page of orders: how one stands, how surely it is in time, its parts, and what a table would bring."""

from __future__ import annotations

from typing import Any

from dash import ALL, dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.links import serial_link
from dashboard.pages.parts import NONE_SHOWN, Cell, also, duration, facts, moment, notice, state, table
from dashboard.texts import Texts
from dashboard.views_orders import JobOrderView, OrderView, WrittenOrdersView
from storage.people import Role

ANY = ALL
_MOST_SHOWN = 50
_UNSURE = 0.8
"""Below this probability of being in time an order asks for attention."""


def is_late(one: OrderView) -> bool:
    """Return whether an order is planned to end late, or ended late."""
    return one.late_us is not None and one.late_us > 0


def when(time_us: int | None, zone: str) -> Component:
    """Return a time that breaks between day and hour, where it must."""
    day, _, hour = moment(time_us, zone, seconds=False).partition(" ")
    return html.Span([html.Span(day, className="number"), f" {hour}"])


def chance(one: OrderView, t: Texts) -> Component:
    """Return the probability of being ready in time, as a bar and a figure."""
    if one.due_probability is None or one.state != "open":
        return html.Span(NONE_SHOWN)
    share = one.due_probability
    words = t("{share} probable", share=f"{share:.0%}")
    bar = html.Span(html.I(style={"width": f"{share:.0%}"}), className="chance", **also(aria_hidden="true"))
    return html.Span([bar, html.Span(f"{share:.0%}", className="number")], title=words)


def standing(one: OrderView, t: Texts) -> Component:
    """Return how an order stands: grey as planned, colour where it needs somebody."""
    if one.state == "cancelled":
        return state("stale", t("cancelled"))
    if one.problems:
        return state("critical", t("not planned"))
    if is_late(one):
        late = duration(one.late_us, t)
        return state("normal" if one.state == "done" else "warning", t("late by {span}", span=late))
    if one.state == "done":
        return state("normal", t("done"))
    if one.planned_end_us is None:
        return state("waiting", t("waits for a plan"))
    if one.due_probability is not None and one.due_probability < _UNSURE:
        return state("warning", t("at risk"))
    return state("normal", t("under way") if one.started or one.done else t("planned"))


def one_order(one: OrderView, parts: list[JobOrderView], context: PageContext, t: Texts, *, why: str) -> Component:
    """Return one order whole: its facts, what was promised, its parts, and what can be done."""
    zone = context.time_zone
    acts = _acts(one, parts, context, t) if one.state == "open" and context.may(Role.ENGINEER) else []
    return html.Div(
        className="panel",
        children=[
            dcc.Store(id="order-shown-number", data=one.number),
            html.H2(t("Order {number}", number=one.number)),
            facts(
                [
                    (t("Customer"), one.customer or NONE_SHOWN),
                    (t("Product"), one.product),
                    (t("Parts"), f"{one.done}/{one.quantity}"),
                    (t("State"), standing(one, t)),
                    (t("Due"), moment(one.due_us, zone, seconds=False)),
                    (t("Priority"), str(one.priority)),
                    (t("Received"), moment(one.received_us, zone, seconds=False)),
                ]
            ),
            html.H3(t("Promise")),
            _promise(one, zone, t),
            *([notice(list(one.problems), wrong=True)] if one.problems else []),
            *([html.P(one.note, className="wrap")] if one.note else []),
            html.P(html.A(t("Why then, and not before? Show it in the schedule"), href=why), className="small"),
            html.H3(t("Its parts")),
            _parts(parts, zone, t),
            *acts,
        ],
    )


def _promise(one: OrderView, zone: str, t: Texts) -> Component:
    if one.state != "open" or one.ready_95_us is None:
        words = (
            t("It was ready on {time}.", time=moment(one.ended_us, zone, seconds=False)) if one.ended_us else t("Nothing is promised yet.")
        )
        return html.P(words)
    pairs: list[tuple[str, Cell]] = [
        (t("Planned end"), moment(one.planned_end_us, zone, seconds=False)),
        (t("Ready with 50 %"), moment(one.ready_50_us, zone, seconds=False)),
        (t("Ready with 80 %"), moment(one.ready_80_us, zone, seconds=False)),
        (t("Ready with 95 %"), moment(one.ready_95_us, zone, seconds=False)),
        (t("In time"), chance(one, t)),
    ]
    words = t("Held against {n} orders that ended.", n=one.calibrated_by or 0)
    return html.Div([facts(pairs), html.P(words, className="small quiet")])


def _parts(parts: list[JobOrderView], zone: str, t: Texts) -> Component:
    words = {
        "waiting": t("waiting"),
        "started": t("under way"),
        "done": t("done"),
        "scrapped": t("scrapped"),
        "cancelled": t("cancelled"),
    }
    looks = {"scrapped": "critical", "waiting": "waiting", "cancelled": "stale"}
    heads = [(t("Part"), False), (t("Serial"), False), (t("State"), False), (t("Begun"), False), (t("Ended"), False), ("", False)]
    rows = [
        [
            html.Span(one.id, className="number"),
            serial_link(one.serial),
            state(looks.get(one.state, "normal"), words.get(one.state, one.state)),
            moment(one.started_us, zone, seconds=False),
            moment(one.ended_us, zone, seconds=False),
            html.Span(one.problem, className="small wrap"),
        ]
        for one in parts[:_MOST_SHOWN]
    ]
    more = [html.P(t("and {n} more", n=len(parts) - _MOST_SHOWN), className="small quiet")] if len(parts) > _MOST_SHOWN else []
    return html.Div([table(heads, rows, caption=t("Its parts")), *more])


def _acts(one: OrderView, parts: list[JobOrderView], context: PageContext, t: Texts) -> list[Component]:
    zone = context.time_zone

    def field(name: str, words: str, value: str = "") -> Component:
        given: dict[str, Any] = {"id": {"part": "order-field", "name": name}, "type": "text", "autoComplete": "off", "maxLength": 200}
        return html.Label([words, dcc.Input(value=value, **given)])

    def button(act: str, words: str, *, first: bool = False) -> Component:
        name = "button first" if first else "button"
        made: Component = html.Button(words, id={"part": "order-act", "act": act}, className=name)
        return made

    due = "" if one.due_us is None else moment(one.due_us, zone, seconds=False)
    changing = [field("due", t("Due"), due), field("priority", t("Priority, 1 to 9"), str(one.priority)), button("change", t("Change"))]
    splitting = [
        field("split-number", t("New order number")),
        field("split-quantity", t("So many of its last parts")),
        button("split", t("Split")),
    ]
    ending = [field("note", t("Reason")), button("cancel", t("Cancel the order"))]
    waiting = sum(part.state == "waiting" for part in parts)
    return [
        html.H3(t("Change it")),
        html.Div(changing, className="orders-new"),
        *([html.H3(t("Split it")), html.Div(splitting, className="orders-new")] if one.quantity > 1 and waiting else []),
        html.H3(t("Take it out")),
        html.Div(ending, className="orders-new"),
    ]


def preview(told: WrittenOrdersView, context: PageContext, t: Texts) -> Component:
    """Return what a table would bring, or brought."""
    counted = t(
        "{added} new, {changed} changed, {same} as they stand, {refused} refused.",
        added=len(told.added),
        changed=len(told.changed),
        same=told.same,
        refused=len(told.refused),
    )
    done = t("They are kept; the plan is made anew with them.") if told.written else t("Nothing is changed yet.")
    rows = [
        *([t("refused"), number, why] for number, why in told.refused.items()),
        *([t("changed"), one.number, _difference(one.before, one.after, context)] for one in told.changed),
        *([t("added"), number, ""] for number in told.added),
    ][:_MOST_SHOWN]
    heads = [(t("What"), False), (t("Order number"), False), (t("Change"), False)]
    return html.Div([notice(f"{counted} {done}", wrong=bool(told.refused)), table(heads, rows, caption=t("Change"))])


def _difference(before: dict[str, object], after: dict[str, object], context: PageContext) -> str:
    def words(name: str, value: object) -> str:
        if value in (None, ""):
            return NONE_SHOWN
        return moment(value, context.time_zone, seconds=False) if name.endswith("_us") and isinstance(value, int) else str(value)

    return "; ".join(f"{name.removesuffix('_us')}: {words(name, before[name])} → {words(name, after[name])}" for name in after)
