"""The tables of the alarm page: what must be seen, what is silenced, and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.chart_words import rule_words
from dashboard.context import PageContext
from dashboard.links import equipment_address, link, part_at_link
from dashboard.mishaps import told
from dashboard.pages.parts import NONE_SHOWN, also, exports, moment, state, table
from dashboard.texts import Texts
from dashboard.viewing_alarms import UNSEEN
from dashboard.views_alarms import AlarmLineView, AlarmView
from plant.alarms import AlarmKind, AlarmState
from plant.charts import Rule
from storage.people import Role

MOST_SHOWN = 50
"""More than anybody looks through at once: 200 made a page of 7,400 elements, 50 make one of 2,900."""
_LOOKS = {
    AlarmState.NORMAL: "normal",
    AlarmState.UNACKNOWLEDGED: "critical",
    AlarmState.ACKNOWLEDGED: "warning",
    AlarmState.RETURNED: "waiting",
    AlarmState.LATCHED_UNACKNOWLEDGED: "critical",
    AlarmState.LATCHED_ACKNOWLEDGED: "warning",
    AlarmState.SHELVED: "stale",
    AlarmState.SUPPRESSED: "stale",
    AlarmState.OUT_OF_SERVICE: "stale",
}


def state_words(which: str, t: Texts) -> str:
    """Return a state in words."""
    words = {
        AlarmState.NORMAL: t("normal"),
        AlarmState.UNACKNOWLEDGED: t("unacknowledged"),
        AlarmState.ACKNOWLEDGED: t("acknowledged"),
        AlarmState.RETURNED: t("returned, unacknowledged"),
        AlarmState.LATCHED_UNACKNOWLEDGED: t("latched, unacknowledged"),
        AlarmState.LATCHED_ACKNOWLEDGED: t("latched, acknowledged"),
        AlarmState.SHELVED: t("shelved"),
        AlarmState.SUPPRESSED: t("suppressed by design"),
        AlarmState.OUT_OF_SERVICE: t("out of service"),
    }
    return words[AlarmState(which)]


def event_words(which: str, t: Texts) -> str:
    """Return what happened in words."""
    words = {
        "active": t("came"),
        "inactive": t("went"),
        "acknowledge": t("acknowledged"),
        "reset": t("reset"),
        "shelve": t("shelved"),
        "unshelve": t("unshelved"),
        "suppress": t("suppressed by design"),
        "unsuppress": t("no longer suppressed"),
        "remove_from_service": t("taken out of service"),
        "return_to_service": t("put back into service"),
    }
    return words.get(which, which)


def priority_words(which: str, t: Texts) -> str:
    """Return a priority in words."""
    return {"urgent": t("urgent"), "high": t("high priority"), "medium": t("medium"), "low": t("low priority")}[which]


def kind_words(which: str, t: Texts) -> str:
    """Return what makes an alarm active, in words."""
    words = {
        "high_high": t("high high"),
        "high": t("high"),
        "low": t("low"),
        "low_low": t("low low"),
        "rate": t("changes too fast"),
        "deviation": t("off its set point"),
        "discrete": t("state"),
        "stale": t("no new value"),
        "silent": t("source silent"),
        "disconnected": t("source away"),
        "gap": t("samples missing"),
        "told": t("told by the device"),
        "chart": t("out of control"),
        "condition": t("not as usual"),
    }
    return words.get(which, which)


def priority(which: str, t: Texts) -> Component:
    """Return a priority as shape, colour and word."""
    return html.Span(priority_words(which, t), className=f"prio {which}")


def annunciated(alarms: Sequence[AlarmView], names: dict[str, str], context: PageContext, t: Texts, filtered: bool) -> Component:
    """Return what must be seen; who may acknowledge also gets boxes to pick and buttons."""
    may = context.may(Role.INSPECTOR)
    heads = [
        *([("", False)] if may else []),
        (t("Priority"), False),
        (t("Alarm"), False),
        (t("Value"), False),
        (t("Since"), True),
        *([("", False)] if may else []),
    ]
    rows = [
        [
            *([_pick(one, t)] if may else []),
            _standing(one, t),
            _what(one, names, t),
            _value(one, t),
            html.Span(moment(one.since_us, context.time_zone), className="number", **also(data_since=str(one.since_us or 0))),
            *([_button(one, t)] if may else []),
        ]
        for one in alarms[:MOST_SHOWN]
    ]
    nothing = t("No alarm fits.") if filtered else t("No alarms.")
    drawn = table(heads, rows, caption=t("Alarms that must be seen"), below=exports("/api/v1/alarms", t, most=10000), nothing=nothing)
    more = len(alarms) - MOST_SHOWN
    words = t("and {n} more: filter to see them", n=more) if more > 0 else ""
    return html.Div([html.Div(drawn, className="alarm-list"), html.P(words, className="small quiet") if words else None])


def silenced(alarms: Sequence[AlarmView], names: dict[str, str], context: PageContext, t: Texts) -> Component:
    """Return what is shelved, suppressed or out of service, so that nothing is hidden for ever."""
    heads = [
        (t("Priority"), False),
        (t("Alarm"), False),
        (t("Condition"), False),
        (t("Since"), True),
        (t("Until"), False),
        (t("Who and why"), False),
        *([("", False)] if context.may(Role.INSPECTOR) else []),
    ]
    rows = [
        [
            _standing(one, t),
            _what(one, names, t),
            t("holds") if one.active else t("does not hold"),
            html.Span(moment(one.since_us, context.time_zone), className="number", **also(data_since=str(one.since_us or 0))),
            moment(one.shelved_until_us, context.time_zone, seconds=False),
            _who(one.who, one.reason),
            *([_back(one, context, t)] if context.may(Role.INSPECTOR) else []),
        ]
        for one in alarms[:MOST_SHOWN]
    ]
    return html.Div(
        table(
            heads,
            rows,
            caption=t("Silenced alarms"),
            below=exports("/api/v1/alarms", t, which="silenced", most=10000),
            nothing=t("No alarm is silenced."),
        ),
        className="alarm-list",
    )


def journal(lines: Sequence[AlarmLineView], names: dict[str, str], context: PageContext, t: Texts) -> Component:
    """Return what happened, the newest first."""
    heads = [
        (t("Time"), False),
        (t("What happened"), False),
        (t("Priority"), False),
        (t("Alarm"), False),
        (t("Value"), False),
        (t("Who and why"), False),
    ]
    rows = [
        [
            html.Span(moment(one.time_us, context.time_zone), className="number"),
            html.Div([html.Div(event_words(one.event, t)), html.Div(f"→ {state_words(one.after, t)}", className="small quiet")]),
            priority(one.priority, t),
            _what(one, names, t),
            _value(one, t),
            _who(one.who, one.reason),
        ]
        for one in lines
    ]
    return html.Div(table(heads, rows, caption=t("Journal"), nothing=t("Nothing happened that fits.")), className="alarm-list")


def _standing(one: AlarmView, t: Texts) -> Component:
    """Return priority and state, one below the other; what nobody has seen blinks."""
    seen = html.Div(priority(one.priority, t), className="unseen" if one.state in UNSEEN else "")
    return html.Div([seen, html.Div(state(_LOOKS[AlarmState(one.state)], state_words(one.state, t)), className="small")])


def _who(who: str, reason: str) -> Component:
    if not who and not reason:
        return html.Span(NONE_SHOWN)
    return html.Div([html.Div(who), html.Div(reason, className="small wrap")], className="why")


def _what(one: AlarmView | AlarmLineView, names: dict[str, str], t: Texts) -> Component:
    """Return the message, where, and what of; the place leads to its trends."""
    signal = one.signal.rpartition("/")[2]
    own = kind_words(one.kind, t)
    head = told(one.message, t) if one.message else f"{signal or one.source}: {own}"
    place: Any = NONE_SHOWN
    if one.equipment:
        came_us = (one.active_since_us or one.since_us) if isinstance(one, AlarmView) else one.time_us
        trend = equipment_address(one.equipment, at_us=came_us, signal=signal)
        page, words = {"chart": ("/charts", t("Control charts")), "condition": ("/condition", t("Equipment condition"))}.get(
            one.kind, (trend, t("Trend at that time"))
        )
        place = link(names.get(one.equipment, one.equipment), page, title=words, name="")
        if came_us is not None:
            place = [place, " · ", part_at_link(one.equipment, t("Piece that was there"), came_us)]
    elif one.source:
        place = link(one.source, "/sources", name="")
    below = [*(place if isinstance(place, list) else [place]), " · ", html.Span(f"{signal} {own}".strip(), title=one.alarm)]
    content: list[Component] = [html.Div(head, className="wrap"), html.Div(below, className="small quiet wrap")]
    if isinstance(one, AlarmView) and one.response and one.state != AlarmState.NORMAL:
        content.append(html.Div(t("To do: {what}", what=told(one.response, t)), className="small wrap"))
    return html.Div(content, className="what")


def _value(one: AlarmView | AlarmLineView, t: Texts) -> Component:
    if one.value is None and not one.text:
        return html.Span(NONE_SHOWN)
    said = one.text if one.value is None else f"{one.value:.6g} {one.unit}".strip()
    content: list[Component] = [html.Div(said, className="number")]
    if one.limit is not None and one.value is not None:
        content.append(html.Div(t("limit {limit}", limit=f"{one.limit:.6g}"), className="small quiet number"))
    if one.kind == AlarmKind.CHART and one.text:
        content.append(html.Div(_broken(one.text, t), className="small quiet wrap"))
    return html.Div(content)


def _broken(text: str, t: Texts) -> str:
    """Return the rules that a point violates as people call them; the journal has their names."""
    names = [name.replace(" ", "_") for name in text.split(", ")]
    return ", ".join(rule_words(Rule(name), t) if name in set(Rule) else name for name in names)


def _pick(one: AlarmView, t: Texts) -> Component:
    """Return a box that stays ticked when the list is drawn again, until the alarm itself is another."""
    label = html.Span(t("Choose {alarm}", alarm=told(one.message, t) if one.message else one.alarm), className="skip")
    return html.Div(
        dcc.Checklist(
            id={"part": "alarm-pick", "alarm": one.alarm},
            options=[{"label": label, "value": one.alarm}],
            value=[],
            persistence=str(one.seq),
            persistence_type="memory",
        ),
        className="pick",
    )


def _button(one: AlarmView, t: Texts) -> Component:
    if one.state in UNSEEN:
        return html.Button(t("Acknowledge"), id={"part": "alarm-do", "act": "acknowledge", "alarm": one.alarm}, className="button")
    if one.state == AlarmState.LATCHED_ACKNOWLEDGED:
        return html.Button(t("Reset"), id={"part": "alarm-do", "act": "reset", "alarm": one.alarm}, className="button")
    return html.Span(t("by {who}", who=one.who) if one.who else "", className="small quiet")


def _back(one: AlarmView, context: PageContext, t: Texts) -> Component:
    if one.state == AlarmState.SHELVED:
        return html.Button(t("Unshelve"), id={"part": "alarm-do", "act": "unshelve", "alarm": one.alarm}, className="button")
    if one.state == AlarmState.OUT_OF_SERVICE and context.may(Role.ENGINEER):
        return html.Button(t("Put back"), id={"part": "alarm-do", "act": "return_to_service", "alarm": one.alarm}, className="button")
    return html.Span()
