"""Audit: who changed what, when and from where; whether the chain of entries holds, and up to which one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, exports, facts, moment, notice, problems_of, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_audit import AuditCheckView, AuditEntryView
from plant.errors import Rejected, SettingsError, Unavailable
from storage.audit_reading import AuditWish
from storage.people import Role

_AT_ONCE = 100
_DAY_US = 86_400_000_000
_FIRST = ("stage", "mode", "reason", "note", "work_unit", "kind")
_LAST = ("detail", "message", "sha256")
_REFUSED = (Rejected, Unavailable, PermissionError, SettingsError)


def layout(context: PageContext, services: Services) -> Component:
    """Return the chain, the filters and the newest entries to an admin, a sentence to others."""
    t = texts_of(context.language)
    head = html.H1(t("Audit trail"))
    if not context.may(Role.ADMIN):
        return html.Div([head, notice(t("This page needs the role admin."))])
    try:
        actors, acts = services.audit.words(context.person)
    except Unavailable as error:
        return html.Div([head, notice(t("The database is away: {why}", why=error), wrong=True)])
    return html.Div(
        className="audit",
        children=[
            head,
            html.P(t("Entries are added, never changed: each carries a hash over all entries before it."), className="quiet"),
            html.Div([html.Div(_chain(services, context, t), id="audit-chain"), html.Div(id="audit-checked")], className="panel"),
            html.Div(
                className="panel",
                children=[_filters(actors, acts, t), html.Div(_entries(services, context, t, AuditWish(), {}), id="audit-list")],
            ),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Search, page back, check the chain."""

    @app.callback(
        Output("audit-list", "children"),
        Input("audit-actor", "value"),
        Input("audit-act", "value"),
        Input("audit-subject", "value"),
        Input("audit-days", "value"),
        Input("audit-again", "n_clicks"),
        prevent_initial_call=True,
        role=Role.ADMIN,
    )
    def search(actor: str | None, act: str | None, subject: str | None, days: str | None, _again: int | None) -> Any:
        context = current_context()
        wish, asked = _wish(services, actor, act, subject, days)
        return _entries(services, context, texts_of(context.language), wish, asked)

    @app.callback(
        Output("audit-list", "children", allow_duplicate=True),
        Input("audit-older", "n_clicks"),
        State("audit-older", "value"),
        State("audit-actor", "value"),
        State("audit-act", "value"),
        State("audit-subject", "value"),
        State("audit-days", "value"),
        prevent_initial_call=True,
        role=Role.ADMIN,
    )
    def older(clicks: int | None, last: str | None, actor: str | None, act: str | None, subject: str | None, days: str | None) -> Any:
        if not clicks:
            return no_update
        context = current_context()
        wish, asked = _wish(services, actor, act, subject, days)
        before = int(last) if last and last.isascii() and last.isdigit() and len(last) < 19 else None
        return _entries(services, context, texts_of(context.language), replace(wish, before=before), asked)

    @app.callback(
        Output("audit-checked", "children"),
        Output("audit-chain", "children"),
        Input("audit-check", "n_clicks"),
        prevent_initial_call=True,
        role=Role.ADMIN,
    )
    def check(clicks: int | None) -> tuple[Any, Any]:
        if not clicks:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            return _checked(services.audit.check(context.person), context, t), _chain(services, context, t)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update


def _wish(
    services: Services, actor: str | None, act: str | None, subject: str | None, days: str | None
) -> tuple[AuditWish, dict[str, Any]]:
    """Return what is looked for, and the same as REST is asked for it."""
    asked: dict[str, Any] = {name: words.strip() for name, words in (("actor", actor), ("act", act), ("subject", subject)) if words}
    if days and days.isascii() and days.isdigit() and len(days) < 5:
        asked["from_us"] = services.plant.clock().now_us - int(days) * _DAY_US
    return AuditWish(asked.get("actor", ""), asked.get("act", ""), asked.get("subject", ""), asked.get("from_us")), asked


def _chain(services: Services, context: PageContext, t: Texts) -> Component:
    try:
        found = services.audit.head(context.person)
    except _REFUSED as error:
        return notice(problems_of(error, t), wrong=True)
    anchor = t("none yet: one is written each hour")
    if found.anchor is not None:
        when = moment(found.anchor.time_us, context.time_zone, seconds=False)
        anchor = t("entry {n} at {when}", n=whole(found.anchor.id), when=when)
    return html.Div(
        className="window-head",
        children=[
            facts(
                [
                    (t("Entries"), whole(found.entries)),
                    (t("Newest entry"), moment(found.newest_us, context.time_zone)),
                    (t("Its hash"), html.Code(found.hash[:16] or NONE_SHOWN, title=found.hash)),
                    (t("Newest anchor"), html.Span(anchor, title="" if found.anchor is None else found.anchor.hash)),
                    (t("Anchors"), whole(found.anchors)),
                ]
            ),
            html.Button(t("Check every entry"), id="audit-check", className="button"),
        ],
    )


def _checked(found: AuditCheckView, context: PageContext, t: Texts) -> Component:
    when = moment(found.checked_us, context.time_zone)
    if found.broken_at is not None:
        words = t("CHANGED: entry {n} is not what was written, or follows one that was taken away.", n=whole(found.broken_at))
        return notice(words, wrong=True)
    if found.rewritten_at is not None:
        words = t("REWRITTEN: entry {n} is not what it was when it was anchored.", n=whole(found.rewritten_at.id))
        return notice(words, wrong=True)
    words = t("The chain holds up to entry {n}, hash {hash}.", n=whole(found.entries), hash=found.hash[:16] or NONE_SHOWN)
    agrees = t("It agrees with {n} anchors.", n=whole(found.anchors)) if found.anchors else t("There is no anchor to hold it against.")
    return notice(f"{words} {agrees} {t('Checked {when}.', when=when)}")


def _filters(actors: list[str], acts: list[str], t: Texts) -> Component:
    days = {"1": t("24 hours"), "7": t("7 days"), "30": t("30 days")}
    return html.Div(
        className="filters",
        children=[
            _field(t("Who"), dcc.Dropdown(id="audit-actor", options=actors, placeholder=t("all"))),
            _field(t("What"), dcc.Dropdown(id="audit-act", options=_kinds(acts), placeholder=t("all"))),
            _field(t("Of what"), dcc.Input(id="audit-subject", type="text", debounce=True, autoComplete="off", maxLength=200)),
            _field(
                t("Span"),
                dcc.Dropdown(
                    id="audit-days",
                    options=[{"value": key, "label": words} for key, words in days.items()],
                    placeholder=t("all"),
                    searchable=False,
                ),
            ),
            html.Button(t("Load again"), id="audit-again", className="button"),
        ],
    )


def _kinds(acts: list[str]) -> list[str]:
    """Return acts, and before those that share a first word this word with a star."""
    first = [act.partition(".")[0] for act in acts if "." in act]
    return sorted({f"{word}.*" for word in first if first.count(word) > 1} | set(acts))


def _field(words: str, field: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=getattr(field, "id", None)), field])


def _entries(services: Services, context: PageContext, t: Texts, wish: AuditWish, asked: dict[str, Any]) -> list[Component]:
    try:
        found = services.audit.entries(context.person, wish, _AT_ONCE)
    except _REFUSED as error:
        return [notice(problems_of(error, t), wrong=True)]
    heads = [
        (t("No."), True),
        (t("Time"), False),
        (t("Who"), False),
        (t("What"), False),
        (t("Of what"), False),
        (t("Before and after"), False),
    ]
    rows = [
        [
            html.Span(whole(one.id), title=one.hash),
            moment(one.time_us, context.time_zone),
            html.Span(
                one.actor,
                title=t("from {address}", address=one.address) if one.address else "",
                className="wrap" if len(one.actor) > 20 else "nowrap",
            ),
            html.Span(one.act, lang="en"),  # as it was recorded: the chain holds these words
            html.Span(one.subject, className="wrap", lang="en"),
            html.Div(_values(one, t), lang="en"),
        ]
        for one in found
    ]
    last = str(found[-1].id) if len(found) == _AT_ONCE else ""
    more = html.Button(t("Older entries"), id="audit-older", className="button", value=last, style={} if last else {"display": "none"})
    export = exports("/api/v1/audit", t, **asked)
    nothing = t("No entry fits.")
    return [table(heads, rows, caption=t("Entries"), nothing=nothing), html.Div([more, export], className="recommendation-answers")]


def _values(one: AuditEntryView, t: Texts) -> Component | str:
    """Return in short what stands there now; all of it, with what stood there before, opens below."""
    if one.previous is None and one.next is None:
        return NONE_SHOWN
    short = _short(one.next) if isinstance(one.next, dict) else _word(one.next)
    shown = [
        html.Pre(f"{words}: {json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)}", className="shown")
        for words, value in ((t("before"), one.previous), (t("after"), one.next))
        if value is not None
    ]
    return html.Details([html.Summary(short[:90] + ("…" if len(short) > 90 else "") or t("before"), className="small"), *shown])


def _short(told: dict[str, Any]) -> str:
    """Return what an entry says, that first which tells most; long numbers that say nothing to people are below."""
    first = [key for key in _FIRST if key in told]
    rest = [key for key in told if key not in (*_FIRST, *_LAST)]
    return ", ".join(f"{key} {_word(told[key])}" for key in (*first, *rest, *(key for key in _LAST if key in told)))


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
