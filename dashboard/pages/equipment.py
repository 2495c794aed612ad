"""Equipment detail: what it is doing now against what is normal, and its trend, live or as far back as there is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from dash import Input, Output, State, html
from dash.development.base_component import Component

from dashboard.charts import drawn_as, shown_span, trend_plan, unit_words
from dashboard.context import PageContext, current_context
from dashboard.links import asked, asked_number, link, serial_link
from dashboard.page_app import PageApp
from dashboard.pages.bars import bar
from dashboard.pages.calls import calls
from dashboard.pages.parts import NONE_SHOWN, also, duration, moment, notice, state
from dashboard.pages.unit_cards import board, cards
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views import EquipmentView, SignalView
from plant.errors import Unavailable

_FIRST_TRENDS = 6
"""As many as the script draws before it is asked for more."""
_JUST_US = 5_000_000
"""States are known that far behind the clock."""
_LATEST_US = 7_258_118_400_000_000
_MOST_SIGNALS = 60
"""More than this on one page is read by nobody; the rest is found one level below."""


def title(services: Services, place: str) -> str:
    """Return the name of the equipment, its path where there is none."""
    node = _node(services, place)
    return node.name if node is not None else place


def layout(context: PageContext, services: Services, place: str) -> Component:
    """Return header, current values and trends of one equipment; for a node above, what stands below it."""
    t = texts_of(context.language)
    node = _node(services, place)
    if node is None:
        return html.Div([html.H1(t("No such equipment")), html.P(place, className="wrap"), link(t("To the plant overview"), "/")])
    below = [other for other in services.plant.equipment() if other.parent == place]
    signals = sorted((s for s in services.plant.signals() if s.equipment == place and not s.retired), key=lambda s: s.id)
    content: list[Component] = [_header(node), html.Div(id="equipment-piece"), calls(context, place, t, may_call=not below)]
    if below:
        content.append(_below(below, t))
    if signals:
        shown = signals[:_MOST_SIGNALS]
        if len(signals) > len(shown):
            content.append(notice(t("{n} of {m} signals are shown.", n=len(shown), m=len(signals))))
        content += [_values(place, shown, t), _trends(shown, context, t), *_return_words(services, shown, t)]
    elif not below:
        content.append(notice(t("This equipment has no signals.")))
    return html.Div(content)


def first_drawn(services: Services, place: str) -> list[int]:
    """Return the signals whose trends are drawn when the page opens, in their order."""
    signals = sorted(services.plant.signals(equipment=place), key=lambda s: s.id)[:_MOST_SIGNALS]
    return [signal.id for signal in signals if drawn_as(signal.data_type) != "strip"][:_FIRST_TRENDS]


def register(app: PageApp, services: Services) -> None:
    """Say which piece is there, or was at the time that the address names. Values come by the stream, trends by the script of this page."""

    @app.callback(Output("equipment-piece", "children"), Input("address", "search"), State("address", "pathname"))
    def piece(search: str | None, pathname: str | None) -> Any:
        place = unquote(pathname or "").rstrip("/").removeprefix("/equipment/")
        begin, end = (asked_number(asked(search), name) for name in ("from", "to"))
        return _piece(services, place, None if begin is None or end is None else min((begin + end) * 500, _LATEST_US))


def _piece(services: Services, place: str, at_us: int | None) -> list[Component]:
    """Return which piece is at a work unit, or was at a time; nothing where none is known."""
    context = current_context()
    t = texts_of(context.language)
    try:
        found = services.genealogy.part_at(place, services.plant.clock().now_us - _JUST_US if at_us is None else at_us)
    except Unavailable:
        return []
    if found.serial is None:
        return []
    words = t("Piece here now:") if at_us is None else t("Piece that was there on {time}:", time=moment(at_us, context.time_zone))
    return [html.Div([html.Span(words, className="quiet"), " ", serial_link(found.serial)], className="piece-there")]


def _node(services: Services, place: str) -> EquipmentView | None:
    return next((node for node in services.plant.equipment() if node.id == place), None)


def _header(node: EquipmentView) -> Component:
    words = [node.kind.replace("_", " "), node.id] if node.kind else [node.id]
    return html.Header([html.H1(node.name), html.Div(" · ".join(words), className="small quiet wrap")])


def _below(nodes: list[EquipmentView], t: Texts) -> Component:
    return html.Section([html.H2(t("Belongs to it")), cards(nodes, t), board(nodes)])


def _values(place: str, signals: list[SignalView], t: Texts) -> Component:
    rows = [_value_row(signal, t) for signal in signals]
    return html.Section([html.H2(t("Now")), html.Div(rows, className="panel values live", **also(data_values=place))])


def _value_row(signal: SignalView, t: Texts) -> Component:
    span = shown_span(signal)
    told: dict[str, Any] = {"id": signal.id, "type": signal.data_type, "range": span}
    about = " · ".join(part for part in (signal.description, signal.path, signal.source, signal.address) if part)
    figure: list[Component] = [html.Span(NONE_SHOWN, **also(data_part="figure"))]
    if signal.unit:
        figure.append(html.Span(unit_words(signal.unit), className="unit"))
    word = state("waiting", t("no value yet"))
    setattr(word, "data-part", "state")
    return html.Div(
        className="value",
        **also(data_value=json.dumps(told)),
        children=[
            html.Div(signal.name, className="wrap", title=about),
            bar(signal, span, t) if span is not None else html.Div(),
            html.Div(figure, className="figure"),
            html.Div(word, title="", **also(data_part="status")),
            html.Div(NONE_SHOWN, className="number quiet small", title=t("Age of this value"), **also(data_part="age")),
        ],
    )


def _return_words(services: Services, signals: list[SignalView], t: Texts) -> list[Component]:
    """Say where the end of a trend is only not there yet: newest values come each second, raw samples more rarely."""
    names = {signal.source for signal in signals}
    return [
        html.P(
            t(
                "Raw samples of {source} come each {span}: the end of its trend is on its way, no outage. Values above come each second.",
                source=source.id,
                span=duration(source.return_us, t),
            ),
            className="small quiet",
        )
        for source in services.sources.sources()
        if source.id in names and source.return_us is not None and source.return_us > 2_000_000
    ]


def _trends(signals: list[SignalView], context: PageContext, t: Texts) -> Component:
    plan = {"zone": context.time_zone, "first": _FIRST_TRENDS, "signals": [trend_plan(signal) for signal in signals]}
    return html.Section(
        [
            html.H2(t("Trend")),
            html.Div(
                className="panel",
                children=[
                    html.Div(className="trend", **also(data_trend=json.dumps(plan))),
                    html.Div(
                        className="legend",
                        children=[
                            html.Span([html.I(className="envelope"), t("smallest to largest within one step")]),
                            html.Span([html.I(className="gapped"), t("gap: no good sample")]),
                            html.Span([html.I(className="limit"), t("low and high limit")]),
                            html.Span([html.I(className="limit2"), t("low low and high high limit")]),
                            html.Span(t("Drag to zoom, Shift and drag or arrow keys to move, double-click to go back.")),
                        ],
                    ),
                ],
            ),
        ]
    )
