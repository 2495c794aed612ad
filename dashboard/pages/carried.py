"""How far the delivery of what was approved has come, on the page where it was approved: drawn again with each beat."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.context import current_context
from dashboard.page_app import PageApp
from dashboard.pages.delivery_parts import carried_words
from dashboard.pages.parts import also
from dashboard.services import Services
from dashboard.texts import Texts, texts_of
from plant.errors import Unavailable


def carried(services: Services, t: Texts, *sources: str) -> Component:
    """Return how far the deliveries of some sources have come; one such piece may stand on a page."""
    return html.Div(
        [
            html.Div(_shown(services, t, list(sources)), id="carried-shown"),
            dcc.Store(id="carried-sources", data=list(sources)),
            dcc.Store(id="carried-beat"),
            html.Div(**also(data_beat="carried-beat")),
        ]
    )


def register(app: PageApp, services: Services) -> None:
    """Draw it again with each beat."""

    @app.callback(
        Output("carried-shown", "children"), Input("carried-beat", "data"), State("carried-sources", "data"), prevent_initial_call=True
    )
    def again(beat: int | None, sources: list[str] | None) -> Any:
        if not beat or not isinstance(sources, list):
            return no_update
        return _shown(services, texts_of(current_context().language), [str(each) for each in sources[:10]])


def _shown(services: Services, t: Texts, sources: list[str]) -> list[Component]:
    try:
        found = services.deliveries.carried(sources)
    except Unavailable:
        return []
    return carried_words([each for source in sources for each in found.get(source, ())], t)
