"""Tightening: was this joint good, and why not. Results against their limits, the curve of each, and how the spindles do."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import PageContext, current_context
from dashboard.links import asked, equipment_link, serial_link
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, age, also, exports, moment, notice, state, table, whole
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views_tightening import SpindleView, TighteningView
from plant.errors import Unavailable
from plant.verdict import Verdict

_DAY_US = 86_400_000_000
_MOST = 60
_LOOKS = {Verdict.OK: "normal", Verdict.NOT_OK: "critical", Verdict.NOT_DECIDABLE: "warning", Verdict.UNDEFINED: "waiting"}


def layout(context: PageContext, services: Services) -> Component:
    """Return the page; its tables are drawn again every two seconds while the stream lives."""
    t = texts_of(context.language)
    spindles = _counted(services)
    stations = sorted({one.equipment for one in spindles if one.equipment})
    names = {node.id: node.name for node in services.plant.equipment()}
    results, mark = _results(services, None, None, None, t, context.time_zone)
    verdicts = [{"value": verdict.value, "label": _verdict_words(verdict, t)} for verdict in (Verdict.OK, Verdict.NOT_OK)]
    return html.Div(
        [
            html.H1(t("Tightening")),
            html.Div(_spindles(services, spindles, t, context.time_zone), id="tightening-spindles", className="panel live"),
            html.H2(t("Results")),
            html.Div(
                className="panel",
                children=[
                    html.Div(
                        className="filters",
                        children=[
                            html.Div(
                                [
                                    html.Label(t("Station"), htmlFor="tightening-station"),
                                    dcc.Dropdown(
                                        id="tightening-station",
                                        options=[{"value": path, "label": names.get(path, path)} for path in stations],
                                        placeholder=t("all"),
                                    ),
                                ]
                            ),
                            html.Div(
                                [
                                    html.Label(t("Part begins with"), htmlFor="tightening-part"),
                                    dcc.Input(id="tightening-part", type="text", debounce=True, autoComplete="off", maxLength=60),
                                ]
                            ),
                            html.Div(
                                [
                                    html.Label(t("Verdict"), htmlFor="tightening-verdict"),
                                    dcc.Dropdown(id="tightening-verdict", options=verdicts, placeholder=t("all"), searchable=False),
                                ]
                            ),
                        ],
                    ),
                    html.Div(results(), id="tightening-results", className="live"),
                ],
            ),
            html.H2(t("Curve")),
            html.Div(
                className="panel",
                children=[
                    html.Div(className="curve", **also(data_curve=json.dumps({"zone": context.time_zone}))),
                    html.Div(
                        className="legend",
                        children=[
                            html.Span([html.I(className="limit2"), t("window of torque and angle")]),
                            html.Span([html.I(className="step"), t("begin of a step")]),
                            html.Span([html.I(className="reference"), t("last OK curves of the same spindle and program")]),
                        ],
                    ),
                ],
            ),
            dcc.Store(id="tightening-beat"),
            dcc.Store(id="tightening-mark", data=mark),
            html.Div(**also(data_beat="tightening-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw the tables again with each beat, and at once when a filter changes; an address may name the part."""

    @app.callback(Output("tightening-part", "value"), Input("address", "search"))
    def named(search: str | None) -> Any:
        return asked(search).get("part") or no_update

    @app.callback(
        Output("tightening-spindles", "children"),
        Output("tightening-results", "children"),
        Output("tightening-mark", "data"),
        Input("tightening-beat", "data"),
        Input("tightening-station", "value"),
        Input("tightening-part", "value"),
        Input("tightening-verdict", "value"),
        State("tightening-mark", "data"),
        prevent_initial_call=True,
    )
    def again(_beat: Any, station: str | None, part: str | None, verdict: str | None, drawn_as: str | None) -> tuple[Any, Any, Any]:
        context = current_context()
        t = texts_of(context.language)
        zone = context.time_zone
        results, mark = _results(services, station, part, verdict, t, zone)
        unchanged = mark is not None and mark == drawn_as
        return _spindles(services, _counted(services), t, zone), no_update if unchanged else results(), mark


def _counted(services: Services) -> list[SpindleView]:
    now_us = services.plant.clock().now_us
    try:
        return services.tightening.spindles(now_us - _DAY_US, now_us + _DAY_US)
    except Unavailable:
        return []


def _spindles(services: Services, spindles: list[SpindleView], t: Texts, zone: str) -> Component:
    names = {node.id: node.name for node in services.plant.equipment()}
    now_us = services.plant.clock().now_us
    heads = [
        (t("Station"), False),
        (t("Spindle"), True),
        (t("OK"), True),
        (t("Not OK"), True),
        (t("Undecided"), True),
        (t("Mean torque"), True),
        (t("Last"), True),
        (t("Tool"), False),
        (t("Calibrated"), False),
        (t("Without curve"), True),
        (t("Fetched later"), True),
    ]
    rows = [
        [
            _place(one.equipment, names, one.source),
            str(one.spindle),
            whole(one.ok),
            html.Strong(whole(one.not_ok)) if one.not_ok else whole(0),
            whole(one.undecided),
            NONE_SHOWN if one.mean_torque_nm is None else f"{one.mean_torque_nm:.1f} N·m",
            age(one.last_us, now_us, t),
            one.tool or NONE_SHOWN,
            moment(one.tool_calibrated_us, zone, seconds=False)[:10],
            whole(one.without_curve),
            whole(one.fetched),
        ]
        for one in spindles
    ]
    nothing = t("No tightenings within 24 hours. Add a source with protocol 'open_protocol'.")
    return table(heads, rows, caption=t("Spindles, last 24 hours"), nothing=nothing)


def _results(
    services: Services, station: str | None, part: str | None, verdict: str | None, t: Texts, zone: str
) -> tuple[Callable[[], Component], str | None]:
    """Return what draws the results, and text that differs once they must be drawn anew; None while nobody can say."""
    try:
        found = services.tightening.tightenings(equipment=station, part=part, verdict=verdict, most=_MOST)
    except Unavailable as error:
        away = notice(t("The database is away: {why}", why=error), wrong=True)
        return lambda: away, None
    filtered = bool(station or part or verdict)
    return lambda: _drawn(services, found, t, zone, filtered=filtered), sha256(repr((found, filtered)).encode()).hexdigest()


def _drawn(services: Services, found: list[TighteningView], t: Texts, zone: str, *, filtered: bool) -> Component:
    names = {node.id: node.name for node in services.plant.equipment()}
    heads = [
        (t("Time"), False),
        (t("Station"), False),
        (t("Spindle"), True),
        (t("Part"), False),
        (t("Bolt"), True),
        (t("Program"), False),
        (t("Torque"), True),
        (t("Angle"), True),
        (t("Verdict"), False),
        (t("Curve"), False),
    ]
    rows = [
        [
            moment(one.time_us, zone),
            _place(one.equipment, names, one.source),
            str(one.spindle),
            serial_link(one.part) if one.part else NONE_SHOWN,
            _bolt(one),
            html.Span(f"{one.program if one.program is not None else NONE_SHOWN} {one.program_name}".strip(), title=one.strategy),
            _against(one.torque_nm, one.torque_min_nm, one.torque_max_nm, "N·m", t),
            _against(one.angle_deg, one.angle_min_deg, one.angle_max_deg, "°", t),
            _verdict(one, t),
            _opener(one, t),
        ]
        for one in found
    ]
    nothing = t("No tightening fits.") if filtered else t("No tightenings yet.")
    words = t("The newest {n}.", n=len(found)) if len(found) == _MOST else ""
    return html.Div(
        [
            table(heads, rows, caption=t("Results"), below=exports("/api/v1/tightenings", t, most=5000), nothing=nothing),
            html.P(words, className="small quiet"),
        ]
    )


def _place(equipment: str, names: dict[str, str], source: str) -> Component | str:
    return equipment_link(equipment, names.get(equipment, equipment)) if equipment else source


def _bolt(one: TighteningView) -> str:
    if one.bolt is None:
        return NONE_SHOWN
    return f"{one.bolt}/{one.batch_size}" if one.batch_size else str(one.bolt)


def _against(value: float | None, low: float | None, high: float | None, unit: str, t: Texts) -> Component:
    """Return a value and, where it has limits, a bar of it between them; the limits take the middle half."""
    if value is None:
        return html.Span(NONE_SHOWN)
    figure = html.Div(f"{value:.1f} {unit}")
    if low is None or high is None or not low < high:
        return figure
    room = (high - low) / 2

    def at(number: float) -> float:
        return min(100.0, max(0.0, 100 * (number - low + room) / (2 * (high - low))))

    outside = not low <= value <= high
    bar = html.Div(
        className="bar limits wrong" if outside else "bar limits",
        title=t("{low} to {high} {unit}", low=f"{low:g}", high=f"{high:g}", unit=unit),
        children=[
            html.Div(className="normal-span", style={"left": f"{at(low):.1f}%", "width": f"{at(high) - at(low):.1f}%"}),
            html.Div(className="edge", style={"left": f"{at(low):.1f}%"}),
            html.Div(className="edge", style={"left": f"{at(high):.1f}%"}),
            html.Div(className="pointer", style={"left": f"{at(value):.1f}%"}),
        ],
    )
    return html.Div([figure, bar])


def _verdict(one: TighteningView, t: Texts) -> Component:
    verdict = Verdict(one.verdict)
    parts: list[Component] = [state(_LOOKS[verdict], _verdict_words(verdict, t))]
    why = [*(t(word) for word in one.errors), *([one.customer_error] if one.customer_error else [])]
    if why:
        parts.append(html.Div(", ".join(why), className="small"))
    return html.Div(parts)


def _verdict_words(verdict: Verdict, t: Texts) -> str:
    words = {
        Verdict.OK: t("OK"),
        Verdict.NOT_OK: t("Not OK"),
        Verdict.NOT_DECIDABLE: t("Not decidable"),
        Verdict.UNDEFINED: t("Not judged"),
    }
    return words[verdict]


def _opener(one: TighteningView, t: Texts) -> Component:
    if not one.has_curve:
        return html.Span(t("fetched later, none") if one.fetched else t("none"), className="quiet small")
    shown = also(data_tightening=str(one.id), aria_label=t("Show the curve of tightening {n}", n=one.tightening_id))
    return html.Button(str(one.tightening_id), className="tool small number", **shown)
