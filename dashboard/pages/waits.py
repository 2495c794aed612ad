"""What waits for a person, on the plant overview: nothing where nothing does."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import current_context
from dashboard.links import link
from dashboard.page_app import PageApp
from dashboard.pages.parts import also, state
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from plant.errors import Unavailable


def waits(services: Services, t: Texts) -> Component:
    """Return the place where it is said; one may stand on a page."""
    return html.Div(
        [
            html.Div(_shown(services, t), id="waits-shown"),
            dcc.Store(id="waits-beat"),
            html.Div(**also(data_slow_beat_of="waits-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Say it again every twenty seconds."""

    @app.callback(Output("waits-shown", "children"), Input("waits-beat", "data"), prevent_initial_call=True)
    def again(beat: int | None) -> Any:
        return _shown(services, texts_of(current_context().language)) if beat else no_update


def _shown(services: Services, t: Texts) -> list[Component]:
    try:
        found, drafts = services.deliveries.waiting(), services.windows.waiting()
    except Unavailable:
        return []
    lines = []
    if found.in_doubt:
        words = t("Deliveries in doubt, somebody must look at the machine: {n}", n=found.in_doubt)
        lines.append(_line("critical", words, "/deliveries"))
    if found.proposed:
        lines.append(_line("warning", t("Deliveries to decide: {n}", n=found.proposed), "/deliveries"))
    if drafts:
        lines.append(_line("warning", t("Changes of process windows to approve: {n}", n=drafts), "/windows"))
    return [html.Div(lines, className="panel waits")] if lines else []


def _line(look: str, words: str, href: str) -> Component:
    return link(state(look, words), href, name="")
