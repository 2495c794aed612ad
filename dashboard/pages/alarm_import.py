"""Alarm definitions out to a spreadsheet and back: what a table would change is shown before it is done."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, notice, problems_of, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_alarms import DifferenceView
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_MOST_SHOWN = 50
_MOST_PROBLEMS = 30


def layout(context: PageContext, t: Texts) -> Component:
    """Return the links to take the table out, and for engineers the place to put it in."""
    out = [
        html.A(t("CSV"), href="/api/v1/alarms/definitions?format=csv", className="tool"),
        html.A(t("Excel (.xlsx)"), href="/api/v1/alarms/definitions?format=xlsx", className="tool"),
    ]
    content: list[Component] = [html.Div([html.Span(t("All alarms as a table:")), *out])]
    if context.may(Role.ENGINEER):
        content += [
            dcc.Upload(
                html.Button(t("Choose a table to check…"), className="button"), id="alarm-table", accept=".csv,.xlsx", max_size=32_000_000
            ),
            html.Div(id="alarm-table-said", className="small"),
            html.Button(t("Apply"), id="alarm-table-apply", className="button first hidden"),
        ]
    return html.Div(content, style={"display": "grid", "gap": ".75rem", "justifyItems": "start"})


def register(app: PageApp, services: Services) -> None:
    """Check a table when it is chosen, and change the alarms when that is asked."""

    @app.callback(
        Output("alarm-table-said", "children"),
        Output("alarm-table-apply", "className"),
        Input("alarm-table", "contents"),
        Input("alarm-table-apply", "n_clicks"),
        State("alarm-table", "contents"),
        role=Role.ENGINEER,
        prevent_initial_call=True,
    )
    def read(_chosen: str | None, _clicks: int | None, contents: str | None) -> Any:
        if not contents:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        applying = ctx.triggered_id == "alarm-table-apply"
        try:
            content = base64.b64decode(contents.partition(",")[2])
            found = (services.alarms.take_in if applying else services.alarms.plan)(context.person, content)
        except SettingsError as error:
            words = [
                *error.problems[:_MOST_PROBLEMS],
                *([t("and {n} more", n=len(error.problems) - _MOST_PROBLEMS)] * (len(error.problems) > _MOST_PROBLEMS)),
            ]
            return notice(words, wrong=True), "button first hidden"
        except (Rejected, Unavailable, PermissionError, binascii.Error) as error:
            return notice(problems_of(error, t), wrong=True), "button first hidden"
        ready = bool(found.added or found.changed or found.removed) and not applying
        return _shown(found, t), "button first" if ready else "button first hidden"


def _shown(found: DifferenceView, t: Texts) -> Component:
    if not (found.added or found.changed or found.removed):
        return notice(t("The table says what holds already: nothing changes."))
    counted = t(
        "{added} added, {changed} changed, {removed} removed.",
        added=len(found.added),
        changed=len(found.changed),
        removed=len(found.removed),
    )
    done = t("It is written; the monitor takes it up within seconds.") if found.applied else t("Nothing is changed yet.")
    rows = [
        *([t("added"), name, ""] for name in found.added),
        *([t("removed"), name, ""] for name in found.removed),
        *(
            [t("changed"), one.alarm, "; ".join(f"{c.column}: {c.before or NONE_SHOWN} → {c.after or NONE_SHOWN}" for c in one.cells)]
            for one in found.changed
        ),
    ][:_MOST_SHOWN]
    heads = [(t("What"), False), (t("Alarm"), False), (t("Change"), False)]
    return html.Div(
        [notice(f"{counted} {done}"), table(heads, [[a, html.Span(b, className="wrap"), c] for a, b, c in rows], caption=t("Change"))]
    )
