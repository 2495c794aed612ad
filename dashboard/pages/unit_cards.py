"""Cards of equipment, each with the worst state at or below it, live: on the overview and on the page of what stands above."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.charts import shown_span, unit_words
from dashboard.links import equipment_address, link
from dashboard.pages.bars import bar
from dashboard.pages.parts import NONE_SHOWN, also, state
from dashboard.texts import Texts
from dashboard.views import EquipmentView, SignalView


def cards(nodes: Iterable[EquipmentView], t: Texts, bars: dict[str, list[SignalView]] | None = None) -> Component:
    """Return a card for each node, with the bars given for it; ``board`` on the same page keeps them live."""
    return html.Div([_card(node, (bars or {}).get(node.id, []), t) for node in nodes], className="cards live")


def board(nodes: Iterable[EquipmentView], names: dict[str, str] | None = None, signals: Sequence[SignalView] = ()) -> Component:
    """Return what the page's script needs to keep cards live, after them; names of equipment and units of signals are for exceptions."""
    plan = {
        "counts": {node.id: node.signals for node in nodes},
        "names": names or {},
        "units": {signal.id: unit_words(signal.unit) for signal in signals if signal.unit},
    }
    return html.Div(**also(data_board=json.dumps(plan)))


def _card(node: EquipmentView, bars: list[SignalView], t: Texts) -> Component:
    if not node.signals:  # nothing is known of it: it has no state
        name, none = html.Span(node.name, className="name"), html.Div(t("no signals"), className="small quiet")
        return html.Div(link([html.Div(name, className="row"), none], equipment_address(node.id), name=""), className="card")
    content = [
        html.Div([html.Span(node.name, className="name"), _part(state("waiting", "…"), "state")], className="row"),
        *[_mini(signal, t) for signal in bars],
        html.Div(t("{m} signals", m=node.signals), className="small quiet", **also(data_part="count")),
    ]
    return html.Div(link(content, equipment_address(node.id), name=""), className="card", **also(data_unit=node.id))


def _mini(signal: SignalView, t: Texts) -> Component:
    span = shown_span(signal)
    told = {"id": signal.id, "type": signal.data_type, "range": span, "unit": unit_words(signal.unit)}
    return html.Div(
        className="mini",
        **also(data_mini=json.dumps(told)),
        children=[
            html.Span(signal.name, className="name2 quiet", title=signal.name),
            bar(signal, span, t) if span is not None else html.Span(),
            html.Span(NONE_SHOWN, className="figure", **also(data_part="figure")),
        ],
    )


def _part(component: Component, name: str) -> Component:
    setattr(component, "data-part", name)
    return component
