"""Plant overview: is the plant normal or not, and where. Drawn once; the live values come by the stream."""

from __future__ import annotations

import json

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.page_app import PageApp
from dashboard.pages.parts import also, notice, state
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views import EquipmentView


def layout(context: PageContext, services: Services) -> Component:
    """Return the tree of the plant, its exceptions and a card for each unit that has signals."""
    t = texts_of(context.language)
    equipment = services.plant.equipment()
    measured = {signal.equipment for signal in services.plant.signals()}
    units = [node for node in equipment if node.id in measured]
    if not units:
        return html.Div(
            [
                html.H1(t("Plant overview")),
                notice(t("No signals yet. Add a source, or start with 'leadhand demo'.")),
                dcc.Link(t("To the sources"), href="/sources"),
            ]
        )
    plan = {"counts": {node.id: node.signals for node in units}, "names": {node.id: node.name for node in equipment}}
    return html.Div(
        className="overview",
        children=[
            html.Nav(className="panel tree", children=_tree(equipment), **also(aria_label=t("Plant"))),
            html.Div(
                [
                    html.H1(t("Plant overview")),
                    html.Section(
                        className="panel live",
                        children=[
                            html.H2(t("Out of normal"), style={"marginTop": 0}),
                            html.Ul(
                                html.Li(t("Waiting for the first values…"), className="quiet"), id="exceptions", className="exceptions"
                            ),
                        ],
                    ),
                    *_groups(equipment, units, t),
                    html.Div(**also(data_board=json.dumps(plan))),
                ]
            ),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Nothing happens on this page but the stream."""


def _groups(equipment: list[EquipmentView], units: list[EquipmentView], t: Texts) -> list[Component]:
    """Return the cards, under the name of the line they stand in."""
    names = {node.id: node.name for node in equipment}
    lines: dict[str, list[EquipmentView]] = {}
    for node in units:
        lines.setdefault(node.parent or "", []).append(node)
    return [
        html.Section(
            [
                html.H2([dcc.Link(names.get(line, line), href=f"/equipment/{line}") if line.count("/") > 1 else names.get(line, line)]),
                html.Div([_card(node, t) for node in nodes], className="cards live"),
            ]
        )
        for line, nodes in lines.items()
    ]


def _card(node: EquipmentView, t: Texts) -> Component:
    content = [
        html.Div([html.Span(node.name, className="name"), _part(state("waiting", "…"), "state")], className="row"),
        html.Div(
            [
                html.Span(t("{m} signals", m=node.signals), className="small quiet", **also(data_part="count")),
            ],
            className="row",
        ),
        html.Div(className="ribbon", **also(data_part="ribbon", aria_hidden="true")),
    ]
    return html.Div(dcc.Link(content, href=f"/equipment/{node.id}"), className="card", **also(data_unit=node.id))


def _part(component: Component, name: str) -> Component:
    setattr(component, "data-part", name)
    return component


def _tree(equipment: list[EquipmentView]) -> Component:
    children: dict[str | None, list[EquipmentView]] = {}
    known = {node.id for node in equipment}
    for node in equipment:
        children.setdefault(node.parent if node.parent in known else None, []).append(node)

    def branch(node: EquipmentView) -> Component:
        mark = html.Span(className="mark state normal", style={"visibility": "hidden"}, **also(data_mark=node.id))
        if node.id not in children:
            return html.Li(dcc.Link([node.name, mark], href=f"/equipment/{node.id}"))
        words = html.Summary([html.Span(node.name), mark])
        inner = html.Ul([branch(child) for child in children[node.id]])
        return html.Li(html.Details([words, inner], open=node.id.count("/") < 3))

    return html.Ul([branch(node) for node in children.get(None, [])])
