"""The form in which an engineer proposes other limits for a window in force."""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.charts import unit_words
from dashboard.pages.parts import table
from dashboard.pages.window_parts import field_words, place_words
from dashboard.services import Services
from dashboard.texts import Texts
from dashboard.views_windows import ProcessWindowView, WindowDraftDraft
from plant.errors import Rejected
from plant.process_windows import parse_windows

_FIELDS = ("low", "high", "step", "rate", "dead_band")


def form(window: ProcessWindowView, number: int, t: Texts) -> Component:
    """Return fields with the limits in force, to be changed; other parameters and windows come by file or REST."""
    heads = [(t("Limit"), False), *((field_words(field, t), True) for field in _FIELDS)]
    rows: list[list[Any]] = [
        [_named(one.name, one.unit), *(_field("parameters", one.name, field, getattr(one, field), t) for field in _FIELDS)]
        for one in window.parameters
    ]
    for of, limits in (("joint_limits", window.joint_limits), ("responses", window.responses)):
        rows += [
            [
                _named(one.name, one.unit),
                _field(of, one.name, "low", one.low, t),
                _field(of, one.name, "high", one.high, t),
                "",
                "",
                "",
            ]
            for one in limits
        ]
    name = f"windows-why-{number}"
    why = dcc.Input(id={"part": "windows-why", "number": number}, type="text", maxLength=1000, autoComplete="off", className="joint-note")
    send = html.Button(t("Propose"), id={"part": "windows-propose", "number": number}, className="button first")
    return html.Div(
        className="window-form",
        children=[
            html.H3(t("Other limits for {window}", window=place_words(window.work_unit, window.program, window.job, t))),
            table(heads, rows, caption=t("Limits")),
            html.Div(
                [html.Div([html.Label(t("Why"), htmlFor=name, className="small quiet"), html.Div(why, id=name)]), send],
                className="recommendation-answers",
            ),
            html.Div(id="windows-form-said"),
        ],
    )


def _named(name: str, unit: str) -> Component:
    return html.Div([name, html.Div("" if unit == "1" else unit_words(unit), className="small quiet")])


def _field(of: str, name: str, field: str, value: float | None, t: Texts) -> Component:
    named = {"part": "windows-field", "of": of, "name": name, "field": field}
    box = dcc.Input(id=named, type="text", value="" if value is None else f"{value:.12g}", size="7", autoComplete="off")
    return html.Label([html.Span(f"{name} {field_words(field, t)}", className="only-heard"), box], className="window-field")


def read_form(services: Services, window: ProcessWindowView, ids: list[dict[str, str]], values: list[Any], note: str) -> WindowDraftDraft:
    """Return what was written as a draft of the window in force. Raises Rejected for no number, ValidationError for unsound ones."""
    told = {(name["of"], name["name"], name["field"]): _number(value, name) for name, value in zip(ids, values, strict=True)}
    known = parse_windows(services.windows.text()).windows
    key = window.work_unit, window.program, window.job
    now = next((one for one in known if (one.work_unit, one.program, one.job) == key), None)
    if now is None or now.version != window.version:
        raise Rejected("the windows in force were changed meanwhile; load the page again")
    document = now.model_dump(include={"work_unit", "program", "job", "parameters", "joint_limits", "responses", "objective"})
    for of in ("parameters", "joint_limits", "responses"):
        for piece in document[of]:
            for field in _FIELDS:
                if (of, piece["name"], field) in told:
                    piece[field] = told[of, piece["name"], field]
            if of == "parameters" and piece["dead_band"] is None:
                piece["dead_band"] = 0.0
    return WindowDraftDraft.model_validate({**document, "note": note.strip()})


def _number(value: Any, name: dict[str, str]) -> float | None:
    words = str("" if value is None else value).strip().replace(",", ".").replace("\N{MINUS SIGN}", "-")
    if not words:
        return None
    try:
        return float(words)
    except ValueError as error:
        raise Rejected(f"{name['name']}: '{words[:40]}' is no number") from error
