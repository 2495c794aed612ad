"""Plant overview: is the plant normal or not, and where. Drawn once; the live values come by the stream."""

from __future__ import annotations

from collections.abc import Iterator

from dash import html
from dash.development.base_component import Component

from dashboard.charts import limits_of, shown_span
from dashboard.context import PageContext
from dashboard.links import equipment_address, link
from dashboard.page_app import PageApp
from dashboard.pages import tour
from dashboard.pages.calls import calls
from dashboard.pages.parts import also, notice
from dashboard.pages.unit_cards import board, cards
from dashboard.pages.waits import waits
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from dashboard.views import EquipmentView, SignalView

_DEPTH_OF_LINE = 3
"""Slashes in the path of a work center: enterprise/site/area/line."""
_BARS_OF_A_CARD = 3
_MOST_CARDS_WITH_BARS = 60
"""Beyond this the stream of all newest values costs more than the bars tell."""
_MOST_UNITS = 100
"""Beyond this a card stands for what the units belong to, most often a line: nobody reads hundreds of cards."""


def layout(context: PageContext, services: Services) -> Component:
    """Return the tree of the plant, its exceptions and a card for each unit that has signals."""
    t = texts_of(context.language)
    equipment = services.plant.equipment()
    signals = services.plant.signals()
    measured = {signal.equipment for signal in signals}
    units = [node for node in equipment if node.id in measured]
    if not units:
        return html.Div(
            [
                html.H1(t("Plant overview")),
                notice(t("No signals yet. Add a source, or start with 'leadhand demo'.")),
                link(t("To the sources"), "/sources"),
            ]
        )
    names = {node.id: node.name for node in equipment}
    shown = units if len(units) <= _MOST_UNITS else _lines_of(equipment, units)
    standing = equipment if shown is units else _down_to(equipment, shown)
    return html.Div(
        className="overview",
        children=[
            html.Nav(className="panel tree", children=_tree(standing), **also(aria_label=t("Plant"))),
            html.Div(
                [
                    html.H1(t("Plant overview")),
                    *tour.strip(services, t),
                    waits(services, t),
                    calls(context, "", t),
                    html.Section(
                        className="panel live",
                        children=[
                            html.H2(t("Out of normal"), style={"marginTop": 0}),
                            html.Ul(
                                html.Li(t("Waiting for the first values…"), className="quiet"), id="exceptions", className="exceptions"
                            ),
                        ],
                    ),
                    *_groups(shown, names, _bars(signals, shown), t),
                    board(shown, names, signals),
                ]
            ),
        ],
    )


def register(app: PageApp, services: Services) -> None:
    """Nothing happens on this page but the stream."""


def _lines_of(equipment: list[EquipmentView], units: list[EquipmentView]) -> list[EquipmentView]:
    """Return the lines that units belong to, each once and in the order of the plant; a unit on no line stands for itself."""
    known = {node.id for node in equipment}
    lines = {node.id: "/".join(node.id.split("/")[: _DEPTH_OF_LINE + 1]) for node in units}
    wanted = {line if line in known else unit for unit, line in lines.items()}
    return [node for node in equipment if node.id in wanted]


def _down_to(equipment: list[EquipmentView], shown: list[EquipmentView]) -> list[EquipmentView]:
    """Return equipment without what stands below those that are shown."""
    ends = {node.id for node in shown}
    return [node for node in equipment if not any(above in ends for above in _all_above(node.id))]


def _all_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _groups(shown: list[EquipmentView], names: dict[str, str], bars: dict[str, list[SignalView]], t: Texts) -> list[Component]:
    """Return the cards, under the names of area and line they stand in."""
    lines: dict[str, list[EquipmentView]] = {}
    for node in shown:
        lines.setdefault(node.parent or "", []).append(node)
    return [
        html.Section(
            [
                html.H2([html.Span(f"{above} · ", className="quiet") for above in _above(line, names)] + [_line_name(line, names)]),
                cards(nodes, t, bars),
            ]
        )
        for line, nodes in lines.items()
    ]


def _above(line: str, names: dict[str, str]) -> list[str]:
    """Return the name of the area a line stands in; nothing for the levels above."""
    area = line.rpartition("/")[0]
    return [names.get(area, area)] if line.count("/") == _DEPTH_OF_LINE else []


def _line_name(line: str, names: dict[str, str]) -> Component | str:
    name = names.get(line, line)
    return link(name, equipment_address(line), name="plain") if line.count("/") > 1 else name


def _bars(signals: list[SignalView], shown: list[EquipmentView]) -> dict[str, list[SignalView]]:
    """Return for each unit the few signals whose bars its card shows: those with limits first; none where there are too many units."""
    if len(shown) > _MOST_CARDS_WITH_BARS:
        return {}
    found: dict[str, list[SignalView]] = {}
    for signal in sorted(signals, key=lambda s: (all(limit is None for limit in limits_of(s)), s.id)):
        of_unit = found.setdefault(signal.equipment, [])
        if len(of_unit) < _BARS_OF_A_CARD and shown_span(signal) is not None:
            of_unit.append(signal)
    return found


def _tree(equipment: list[EquipmentView]) -> Component:
    children: dict[str | None, list[EquipmentView]] = {}
    known = {node.id for node in equipment}
    for node in equipment:
        children.setdefault(node.parent if node.parent in known else None, []).append(node)

    def branch(node: EquipmentView) -> Component:
        mark = html.Span(className="mark state normal", style={"visibility": "hidden"}, **also(data_mark=node.id))
        if node.id not in children:
            return html.Li(link([node.name, mark], equipment_address(node.id), name=""))
        words = html.Summary([html.Span(node.name), mark])
        inner = html.Ul([branch(child) for child in children[node.id]])
        return html.Li(html.Details([words, inner], open=node.id.count("/") < 3))

    return html.Ul([branch(node) for node in children.get(None, [])])
