"""What the page of reports is made of: rows of its lists, a report drawn from its sections, a table's newest rows."""

from __future__ import annotations

import json
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.links import link
from dashboard.pages.losses_words import percent
from dashboard.pages.parts import NONE_SHOWN, Cell, also, exports, facts, icon, moment, state, table, whole
from dashboard.texts import Texts
from dashboard.views_reports import ShiftReportLine, ShiftReportView, TableColumnView, TablePreview, TableView
from plant.report_words import ReportWords, Said, Section, sections_of, title_of
from storage.tables import Span

_LONGEST = 120
"""Letters of a cell in a preview; files hold all."""


def report_row(one: ShiftReportLine, context: PageContext, t: Texts) -> list[Cell]:
    """Return one report as a row of the list."""
    address = f"/api/v1/reports/shifts/{one.id}/document?language={context.language}"
    return [
        html.Button(f"{one.day} {one.shift}", className="tool small", **also(data_open=str(one.id))),
        html.Span(one.line_name, className="wrap"),
        one.team or NONE_SHOWN,
        *(percent(value) for value in (one.oee, one.availability, one.effectiveness, one.quality_ratio)),
        NONE_SHOWN if one.produced is None else whole(one.produced),
        whole(one.alarms),
        state("bad", whole(one.not_ok)) if one.not_ok else "0",
        state("warning", whole(one.missed)) if one.missed else "0",
        html.A(t("Print"), href=address, target="_blank", rel="noopener", className="tool small"),
    ]


def drawn_report(view: ShiftReportView, context: PageContext, t: Texts) -> Component:
    """Return a report with links to the pages that tell more."""
    content = view.content
    say = ReportWords(context.language, content["time_zone"])
    where = f"/api/v1/reports/shifts/{view.id}/document?" if view.id else f"/api/v1/reports/shifts/now/document?line={content['line']}&"
    acts = html.Div(
        [
            html.A(
                [icon("printer"), t("Print, or save as PDF")],
                href=f"{where}language={context.language}",
                target="_blank",
                rel="noopener",
                className="tool",
            )
        ],
        className="report-acts",
    )
    sections = [_section(section) for section in sections_of(content, context.language)]
    return html.Div([html.H2(title_of(content, say)), acts, *sections], className="panel report", **also(data_report=str(view.id or "now")))


def _section(section: Section) -> Component:
    parts: list[Component] = [html.H3(section.title)] if section.title else []
    if section.facts:
        parts.append(facts([(name, _cell(said)) for name, said in section.facts]))
    if section.heads and (section.rows or section.nothing):
        rows = [[_cell(said) for said in row] for row in section.rows]
        parts.append(table(section.heads, rows, caption=section.title, nothing=section.nothing))
    if section.note:
        parts.append(html.P(section.note, className="quiet small"))
    return html.Section(parts)


def _cell(said: Said) -> Cell:
    words: Cell = state(said.state, said.text) if said.state else html.Span(said.text, className="wrap")
    if said.href:
        words = link(words, said.href)
    if said.share is None:
        return words
    width = f"{min(1.0, max(0.0, said.share)) * 100:.1f}%"
    return html.Div([words, html.Span(html.I(style={"width": width}), className="share-bar", **also(aria_hidden="true"))])


def table_row(one: TableView, t: Texts) -> list[Cell]:
    """Return one table as a row of the list."""
    return [
        html.Button(one.name, className="tool small", **also(data_open_word=one.name)),
        t(one.title),
        whole(len(one.columns)),
        one.time or NONE_SHOWN,
    ]


def table_shown(found: TablePreview, span: Span, context: PageContext, t: Texts) -> Component:
    """Return the newest rows of a table, and links to the whole of it."""
    one = found.table
    heads = [(column.name, column.kind in {"number", "whole number"}) for column in one.columns]
    rows = [[_value(cell, column, context) for cell, column in zip(row, one.columns, strict=True)] for row in found.rows]
    given = {"from_us": span.from_us, "to_us": span.to_us} if one.time else {}
    return html.Div(
        [
            html.H3(f"{one.name} \N{MIDDLE DOT} {t(one.title)}"),
            exports(f"/api/v1/reports/tables/{one.name}/file", t, **given),
            html.P(t("The newest {n} rows of this span.", n=len(rows)) if rows else t("No rows in this span."), className="quiet small"),
            *([table(heads, rows, caption=one.name)] if rows else []),
        ],
        className="table-preview",
        **also(data_table=one.name),
    )


def _value(cell: Any, column: TableColumnView, context: PageContext) -> Cell:
    if cell is None:
        return NONE_SHOWN
    if column.kind == "moment":
        return html.Span(moment(cell, context.time_zone, exact=True), className="nowrap")
    if column.kind == "yes or no":
        return "true" if cell else "false"
    text = (
        json.dumps(cell, ensure_ascii=False, default=str)
        if column.kind == "pieces"
        else f"{cell:.6g}"
        if isinstance(cell, float)
        else str(cell)
    )
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\N{HORIZONTAL ELLIPSIS}"
