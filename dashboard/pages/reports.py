"""Reports and exports: each shift's report beside that before, notes for the next shift, and every table as a file."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import also, exports, moment, notice, problems_of, table
from dashboard.pages.report_parts import drawn_report, report_row, table_row, table_shown
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_reports import ShiftNoteDraft
from plant.errors import Rejected, Unavailable
from storage.people import Role
from storage.tables import Span

_REFUSED: Final = (Rejected, Unavailable, PermissionError, ValidationError)
_HOUR_US: Final = 3_600_000_000
_SPANS: Final = {"1 hour": 1, "8 hours": 8, "24 hours": 24, "7 days": 168, "31 days": 744, "all": 0}
_MOST: Final = 60


def layout(context: PageContext, services: Services) -> Component:
    """Return the page: the newest reports, room for one of them, and the tables."""
    t = texts_of(context.language)
    return html.Div(
        className="reports",
        children=[
            html.H1(t("Reports and exports")),
            html.Div(
                className="report-choice panel",
                children=[
                    html.H2(t("Shifts")),
                    html.P(t("The report of a shift is made when it has ended, and stays as it was made."), className="quiet small"),
                    html.Div(className="filters", children=_filters(services, t)),
                    html.Div(_reports(services, context, t, ""), id="reports-list", **also(data_opens="reports-open")),
                ],
            ),
            html.Div(id="report-shown", className="report-shown"),
            *([_note_form(services, t)] if context.may(Role.INSPECTOR) else []),
            html.Div(
                className="report-choice panel",
                children=[
                    html.H2(t("Every table as a file")),
                    html.P(
                        t(
                            "Stable views, for spreadsheets and programs: times in UTC, numbers as numbers. "
                            "At most {rows} rows a file, {sheet} as XLSX.",
                            rows="20\N{NARROW NO-BREAK SPACE}000\N{NARROW NO-BREAK SPACE}000",
                            sheet="1\N{NARROW NO-BREAK SPACE}048\N{NARROW NO-BREAK SPACE}575",
                        ),
                        className="quiet small",
                    ),
                    html.Div(className="filters", children=_table_filters(t)),
                    html.Div(id="table-shown"),
                    html.Div(_tables(services, t), id="tables-list", **also(data_opens_word="tables-open")),
                ],
            ),
            dcc.Store(id="reports-open"),
            dcc.Store(id="tables-open"),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Show a report, the shift that runs, or a table; keep a note."""

    @app.callback(
        Output("reports-list", "children"),
        Input("reports-line", "value"),
        prevent_initial_call=True,
    )
    def choose(line: str | None) -> Any:
        context = current_context()
        return _reports(services, context, texts_of(context.language), line or "")

    @app.callback(
        Output("report-shown", "children"),
        Input("reports-open", "data"),
        Input({"part": "report-now", "line": ALL}, "n_clicks"),
        State("address", "search"),
    )
    def show(asked: Any, _clicks: list[int | None], search: str | None) -> Any:
        pressed = ctx.triggered_id
        if isinstance(pressed, dict):
            really = ctx.triggered and ctx.triggered[0]["value"]
            return _shown(services, running=str(pressed["line"])) if really else no_update
        number = asked or _named(search)
        return _shown(services, number=int(number)) if number else no_update

    @app.callback(
        Output("note-said", "children"),
        Output("note-text", "value"),
        Input("note-keep", "n_clicks"),
        State("note-line", "value"),
        State("note-text", "value"),
        prevent_initial_call=True,
        role=Role.INSPECTOR,
    )
    def keep(clicks: int | None, line: str | None, text: str | None) -> tuple[Any, Any]:
        return _kept(services, line or "", text or "") if clicks else (no_update, no_update)

    @app.callback(
        Output("table-shown", "children"),
        Input("tables-open", "data"),
        Input("tables-span", "value"),
        State("address", "search"),
    )
    def preview(name: Any, span: str | None, search: str | None) -> Any:
        chosen = name or parse_qs((search or "").lstrip("?")).get("table", [""])[0]
        return _preview(services, str(chosen), span or "") if chosen else no_update


def _shown(services: Services, number: int | None = None, running: str = "") -> Component:
    context = current_context()
    t = texts_of(context.language)
    try:
        view = services.reports.running(running) if number is None else services.reports.report(number)
    except _REFUSED as error:
        return notice(problems_of(error, t), wrong=True)
    return drawn_report(view, context, t)


def _kept(services: Services, line: str, text: str) -> tuple[Any, Any]:
    context = current_context()
    t = texts_of(context.language)
    try:
        kept = services.reports.note(context.person, ShiftNoteDraft(line=line, text=text))
    except _REFUSED as error:
        return notice(problems_of(error, t), wrong=True), no_update
    return notice(t("Kept at {time}: it stands in the report of this shift.", time=moment(kept.time_us, context.time_zone))), ""


def _preview(services: Services, name: str, span: str) -> Component:
    context = current_context()
    t = texts_of(context.language)
    hours, now_us = _SPANS.get(span, 1), services.plant.clock().now_us
    wanted = Span(now_us - hours * _HOUR_US, now_us) if hours else Span()
    try:
        return table_shown(services.reports.preview(name, wanted), wanted, context, t)
    except _REFUSED as error:
        return notice(problems_of(error, t), wrong=True)


def _named(search: str | None) -> int | None:
    told = parse_qs((search or "").lstrip("?")).get("report", [""])[0]
    return int(told) if told.isascii() and told.isdigit() and len(told) < 18 else None


def _lines(services: Services) -> list[dict[str, str]]:
    try:
        return [{"value": one.line, "label": one.name} for one in services.reports.lines()]
    except (Rejected, Unavailable):
        return []


def _filters(services: Services, t: Texts) -> list[Component]:
    lines = dcc.Dropdown(id="reports-line", options=_lines(services), placeholder=t("all"), searchable=False)
    return [html.Div([html.Label(t("Line"), htmlFor="reports-line"), lines])]


def _table_filters(t: Texts) -> list[Component]:
    spans = [{"label": t(name), "value": name} for name in _SPANS]
    chosen = dcc.Dropdown(id="tables-span", options=spans, value=next(iter(_SPANS)), clearable=False, searchable=False)
    return [html.Div([html.Label(t("Span"), htmlFor="tables-span"), chosen])]


def _reports(services: Services, context: PageContext, t: Texts, line: str) -> list[Component]:
    try:
        found = services.reports.reports(line=line or None, most=_MOST)
        running = [one for one in services.reports.lines() if line in {"", one.line} and one.from_us is not None]
    except (Rejected, Unavailable) as error:
        return [notice(problems_of(error, t), wrong=True)]
    now = [
        html.Button(
            t("{line}: this shift so far ({shift})", line=one.name, shift=one.shift),
            className="tool",
            id={"part": "report-now", "line": one.line},
        )
        for one in running
    ]
    heads = [
        *((t("Shift"), False), (t("Line"), False), (t("Team"), False), (t("OEE"), True), (t("Availability"), True)),
        *((t("Effectiveness"), True), (t("Quality ratio"), True), (t("Pieces"), True), (t("Alarms"), True), (t("Not OK"), True)),
        *((t("Samples missed"), True), (t("Print"), False)),
    ]
    nothing = t("None yet: the first is made when a shift ends whose states are followed. Shifts stand in [[calendars]] of the settings.")
    rows = [report_row(one, context, t) for one in found]
    return [
        html.Div(now, className="report-now"),
        table(heads, rows, caption=t("Shifts"), nothing=nothing),
        exports("/api/v1/reports/shifts", t, most=5000, line=line or None),
    ]


def _note_form(services: Services, t: Texts) -> Component:
    lines = _lines(services)
    first = lines[0]["value"] if lines else None
    return html.Div(
        className="panel report-note",
        children=[
            html.H2(t("A note for the next shift")),
            html.Div(
                className="filters",
                children=[
                    html.Div(
                        [
                            html.Label(t("Line"), htmlFor="note-line"),
                            dcc.Dropdown(id="note-line", options=lines, value=first, clearable=False, searchable=False),
                        ]
                    )
                ],
            ),
            html.Label(t("Note"), htmlFor="note-text"),
            dcc.Textarea(id="note-text", maxLength=4000, rows=3),
            html.Button(t("Keep the note"), id="note-keep", className="tool act"),
            html.Div(id="note-said"),
        ],
    )


def _tables(services: Services, t: Texts) -> list[Component]:
    try:
        found = services.reports.tables()
    except Unavailable as error:
        return [notice(t("The database is away: {why}", why=error), wrong=True)]
    heads = [(t("Table"), False), (t("Holds"), False), (t("Columns"), True), (t("Time"), False)]
    return [table(heads, [table_row(one, t) for one in found], caption=t("Every table as a file"))]
