"""The lower half of the alarm page: what alarms ask of operators against EEMUA 191 and ISA-18.2, and who was told."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages.alarm_tables import priority_words
from dashboard.pages.parts import NONE_SHOWN, exports, moment, notice, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts
from dashboard.views_alarms import AlarmRatesView, NoticeView, RepeatedView
from plant import alarm_rates as wanted
from plant.alarms import Priority
from plant.errors import Rejected, Unavailable
from storage.people import Role

_MOST_BARS = 288
_MOST_LISTED = 10


def rates(services: Services, span_us: int, context: PageContext, t: Texts) -> Component:
    """Return the figures of the last ``span_us``."""
    now_us = services.plant.clock().now_us
    try:
        found = services.alarms.rates(now_us - span_us, now_us)
    except (Unavailable, Rejected) as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    heads = [(t("Figure"), False), (t("Measured"), True), (t("Wanted"), True), ("", False)]
    rows = [[name, value, aim, _judged(right, t)] for name, value, aim, right in _figures(found, t)]
    zone = context.time_zone
    return html.Div(
        [
            html.Div(
                className="panel",
                children=[
                    html.P([t("Class of EEMUA 191:"), " ", html.Strong(_class_words(found.performance, t))]),
                    _bars(found, t),
                    table(heads, rows, caption=t("Figures"), nothing=""),
                    html.P(
                        t("Per operator position; thresholds of EEMUA 191 and ISA-18.2, clause 16 (IEC 62682)."), className="small quiet"
                    ),
                ],
            ),
            html.Div(
                className="two",
                style={"marginTop": "1rem"},
                children=[
                    _repeated(t("Most frequent"), found.frequent, t("Times"), t("No alarms in this span."), t),
                    _repeated(t("Chattering (most within a minute)"), found.chattering, t("Times"), t("None: as it should be."), t),
                    _repeated(t("Fleeting (gone within 10 s)"), found.fleeting, t("Times"), t("None: as it should be."), t),
                    _standing(found, zone, t),
                ],
            ),
        ]
    )


def _figures(found: AlarmRatesView, t: Texts) -> list[tuple[str, str, str, bool]]:
    shares = [
        (
            t("Share of priority {name}", name=priority_words(each.name.lower(), t)),
            f"{100 * found.shares[each.name.lower()]:.0f} %",
            "< 1 %" if each is Priority.URGENT else f"~ {100 * wanted.WANTED_SHARES[each]:.0f} %",
            not found.count
            or abs(found.shares[each.name.lower()] - wanted.WANTED_SHARES[each]) <= (0.01 if each is Priority.URGENT else 0.10),
        )
        for each in Priority
    ]
    return [
        (
            t("Alarms in 10 minutes, average"),
            f"{found.average_per_ten_minutes:.2f}",
            "≤ 1",
            found.average_per_ten_minutes <= wanted.ACCEPTABLE_PER_TEN_MINUTES,
        ),
        (t("Alarms in 10 minutes, most"), f"{found.peak_per_ten_minutes:.0f}", "≤ 10", found.peak_per_ten_minutes <= 10),
        (t("10-minute spans with more than 10"), f"{100 * found.share_above_ten:.1f} %", "< 1 %", found.share_above_ten < 0.01),
        (t("Time in flood"), f"{100 * found.share_in_flood:.1f} %", "< 1 %", found.share_in_flood < wanted.MOST_TIME_IN_FLOOD),
        (
            t("Share of the ten most frequent"),
            f"{100 * found.frequent_share:.0f} %",
            "< 5 %",
            found.frequent_share <= wanted.MOST_SHARE_OF_TEN,
        ),
        (t("Chattering"), whole(len(found.chattering)), "0", not found.chattering),
        (t("Fleeting"), whole(len(found.fleeting)), "0", not found.fleeting),
        (t("Standing for more than a day"), whole(len(found.standing)), "< 5", len(found.standing) < wanted.MOST_STANDING),
        *shares,
    ]


def _judged(right: bool, t: Texts) -> Component:
    return state("normal", t("as wanted")) if right else state("warning", t("not as wanted"))


def _class_words(name: str, t: Texts) -> str:
    words = {
        "predictive": t("predictive"),
        "robust": t("robust"),
        "stable": t("stable"),
        "reactive": t("reactive"),
        "overloaded": t("overloaded"),
    }
    return words[name]


def _bars(found: AlarmRatesView, t: Texts) -> Component:
    """Return the annunciations of each ten minutes, or of more where there are many, with the line of ten."""
    step = -(-len(found.per_interval) // _MOST_BARS)
    most = [max(found.per_interval[n : n + step]) for n in range(0, len(found.per_interval), step)]
    top = max(12, *most)
    bars: list[Component] = [
        html.I(style={"height": f"{100 * count / top:.1f}%"}, className="flood" if count > 10 else "", title=str(count)) for count in most
    ]
    bars.append(html.B(style={"bottom": f"{1000 / top:.1f}%"}))
    words = t("Alarms in each 10 minutes; the dashed line is 10, above it a flood.")
    return html.Div([html.Div(bars, className="rate-bars", role="img", title=words), html.P(words, className="small quiet")])


def _named(alarm: str, message: str) -> Component:
    """Return what an alarm says, and which one it is: the end of its name."""
    short = " · ".join(alarm.split("/")[-2:])
    return html.Div([html.Div(message, className="wrap"), html.Div(short, className="small quiet wrap", title=alarm)])


def _repeated(title: str, some: Sequence[RepeatedView], head: str, nothing: str, t: Texts) -> Component:
    rows = [[_named(one.alarm, one.message), whole(one.count)] for one in some[:_MOST_LISTED]]
    drawn = table([(t("Alarm"), False), (head, True)], rows, caption=title, nothing=nothing)
    return html.Div([html.Strong(title), drawn], className="panel")


def _standing(found: AlarmRatesView, zone: str, t: Texts) -> Component:
    title = t("Standing for more than a day")
    rows = [[_named(one.alarm, one.message), moment(one.since_us, zone, seconds=False)] for one in found.standing[:_MOST_LISTED]]
    drawn = table([(t("Alarm"), False), (t("Since"), True)], rows, caption=title, nothing=t("None: as it should be."))
    return html.Div([html.Strong(title), drawn], className="panel")


def told(services: Services, context: PageContext, t: Texts) -> Component:
    """Return who can be told, and what was sent to whom, failures first."""
    try:
        receivers = services.alarms.receivers()
        failed = services.alarms.notices(state="failed", most=20)
        recent = services.alarms.notices(most=30)
    except Unavailable as error:
        return notice(t("The database is away: {why}", why=error), wrong=True)
    if not receivers and not recent:
        return html.P(t("Nobody is told of alarms: 'receivers' and 'notices' in site.toml say who and when."), className="quiet")
    engineer = context.may(Role.ENGINEER)
    heads = [(t("Receiver"), False), (t("Webhook"), False), (t("E-mail"), False), *([("", False)] if engineer else [])]
    rows = [
        [
            one.name,
            one.webhook_host or NONE_SHOWN,
            html.Span(", ".join(one.mail) or NONE_SHOWN, className="wrap"),
            *(
                [html.Button(t("Send a test"), id={"part": "notice-do", "act": "test", "id": one.name, "channel": ""}, className="button")]
                if engineer
                else []
            ),
        ]
        for one in receivers
    ]
    seen = {(one.id, one.channel) for one in failed}
    shown = [*failed, *(one for one in recent if (one.id, one.channel) not in seen)]
    heads_sent = [
        (t("Made"), False),
        (t("Receiver"), False),
        (t("What"), False),
        (t("Alarms"), False),
        (t("State"), False),
        (t("Why"), False),
        ("", False),
    ]
    sent = [_sent(one, context, t) for one in shown]
    return html.Div(
        [
            table(heads, rows, caption=t("Receivers"), below=exports("/api/v1/notices/receivers", t), nothing=t("No receivers.")),
            html.H2(t("Sent")),
            table(heads_sent, sent, caption=t("Sent"), below=exports("/api/v1/notices", t, most=5000), nothing=t("Nothing was sent yet.")),
        ]
    )


def _sent(one: NoticeView, context: PageContext, t: Texts) -> list[Component | str]:
    kinds = {
        "raised": t("new alarm"),
        "escalated": t("escalation"),
        "repeated": t("repetition"),
        "ended": t("end"),
        "digest": t("digest of a flood"),
        "report": t("shift report"),
        "test": t("test"),
    }
    looks = {
        "pending": ("waiting", t("waits")),
        "gathered": ("waiting", t("waits for a digest")),
        "in_digest": ("normal", t("in a digest")),
        "sent": ("normal", t("sent")),
        "failed": ("critical", t("given up")),
    }
    if one.state == "pending" and one.attempts:
        looks["pending"] = ("warning", t("tried {n} times", n=one.attempts))
    alarms = (
        " · ".join(one.alarms[0].split("/")[-2:])
        if len(one.alarms) == 1
        else t("{n} alarms", n=len(one.alarms))
        if one.alarms
        else NONE_SHOWN
    )
    again: Component | str = ""
    if one.state == "failed" and context.may(Role.INSPECTOR):
        again = html.Button(
            t("Send again"), id={"part": "notice-do", "act": "again", "id": one.id, "channel": one.channel}, className="button"
        )
    way = t("webhook") if one.channel == "webhook" else t("e-mail")
    return [
        html.Span(moment(one.made_us, context.time_zone), className="number"),
        html.Div([html.Div(one.receiver), html.Div(way, className="small quiet")]),
        kinds.get(one.kind, one.kind),
        html.Span(alarms, className="wrap small"),
        state(*looks[one.state]),
        html.Span(one.why if one.state in {"pending", "failed"} else "", className="wrap small"),
        again,
    ]
