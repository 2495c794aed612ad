"""A table of what is built into what, brought to the page of the genealogy: checked first, then taken."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from dash import Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import current_context
from dashboard.mishaps import told
from dashboard.page_app import PageApp
from dashboard.pages.parts import notice, problems_of, table
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_genealogy import TakenBuiltInView
from plant.errors import Rejected, SettingsError, Unavailable
from storage.people import Role

_REFUSED: Final = (Rejected, Unavailable, PermissionError, SettingsError, binascii.Error)
_LARGEST: Final = 8_000_000
_MOST_SHOWN: Final = 200
_READY, _HIDDEN = "button first", "button first hidden"


def bringing(t: Texts) -> list[Component]:
    """Return the place for a file."""
    return [
        html.H2(t("Tell what is built in")),
        html.Div(
            className="panel",
            children=[
                html.P(
                    t("A table (CSV, XLSX): each row names what was built in, and into what. A wrong row is told; the others are taken."),
                    className="small quiet",
                ),
                html.Div(
                    className="schedule-acts-row",
                    children=[
                        dcc.Upload(
                            html.Button(t("Choose a table to check…"), className="button"),
                            id="genealogy-table",
                            accept=".csv,.xlsx",
                            max_size=_LARGEST,
                        ),
                        html.A(t("Empty table (.csv)"), href="/api/v1/genealogy/built-in/table", className="tool"),
                    ],
                ),
                html.Div(id="genealogy-table-said"),
                html.Button(t("Import these"), id="genealogy-table-apply", className=_HIDDEN),
            ],
        ),
    ]


def register_bringing(app: PageApp, services: Services) -> None:
    """Say what a table would bring, and take it when it is confirmed."""

    @app.callback(
        Output("genealogy-table-said", "children"),
        Output("genealogy-table-apply", "className"),
        Input("genealogy-table", "contents"),
        Input("genealogy-table-apply", "n_clicks"),
        State("genealogy-table", "contents"),
        State("genealogy-table", "filename"),
        prevent_initial_call=True,
        role=Role.ENGINEER,
    )
    def read(_chosen: str | None, _clicks: int | None, contents: str | None, name: str | None) -> tuple[Any, Any]:
        if not contents:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        applying = ctx.triggered_id == "genealogy-table-apply"
        try:
            content = base64.b64decode(contents.partition(",")[2])
            taken = services.genealogy.take_in(context.person, content, name or "file", context.time_zone, only_say=not applying)
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), _HIDDEN
        return _said(taken, t), _READY if taken.added and not applying else _HIDDEN


def _said(taken: TakenBuiltInView, t: Texts) -> Component:
    counted = t("{added} new, {same} as they stand, {refused} refused.", added=taken.added, same=taken.same, refused=len(taken.refused))
    done = t("They are kept.") if taken.written else t("Nothing is changed yet.")
    rows = [[str(one.row), one.number, html.Span(_why(one.problems, t), className="wrap")] for one in taken.refused]
    heads = [(t("Row"), True), (t("What"), False), (t("Why"), False)]
    listed = [table(heads, rows[:_MOST_SHOWN], caption=t("What"))] if rows else []
    return html.Div([notice(f"{counted} {done}", wrong=bool(rows)), *listed])


def _why(problems: Sequence[str], t: Texts) -> str:
    return "; ".join(told(why, t) for why in problems)
