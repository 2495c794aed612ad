"""Screens on the wall, on the page of people: links for them, which of them are alive, and their end."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext, current_context
from dashboard.page_app import PageApp
from dashboard.pages.parts import NONE_SHOWN, moment, notice, problems_of, state, table
from dashboard.services import Services
from dashboard.texts import LANGUAGE_NAMES, LANGUAGES, Texts, texts_of
from dashboard.views_andon import ScreenDraft, ScreenView
from plant.errors import Rejected, Unavailable
from storage.people import Role

_REFUSED = (Rejected, Unavailable, ValidationError, PermissionError, ValueError)
_LOOKS: Final = {"waiting": "waiting", "shown": "normal", "silent": "warning", "ran_out": "stale", "ended": "stale"}
_WORDS: Final = {
    "waiting": "waits to be opened",
    "shown": "shows its page",
    "silent": "silent",
    "ran_out": "its link ran out",
    "ended": "ended",
}


def screens(services: Services, context: PageContext, t: Texts) -> list[Component]:
    """Return the part of the page that is about screens; for administrators."""
    return [
        html.H2(t("Screens")),
        html.Div(id="screens-result"),
        html.Div(_table(services, context, t), id="screens-list", className="panel"),
        html.H2(t("New screen")),
        html.Div(
            className="panel field-row",
            children=[
                dmc.TextInput(id="screen-name", label=t("Where it hangs")),
                dmc.Select(id="screen-place", label=t("What it shows"), data=_places(services), allowDeselect=False, value=_site(services)),
                dmc.Select(
                    id="screen-language",
                    label=t("Language"),
                    value=context.language,
                    allowDeselect=False,
                    data=[{"value": code, "label": LANGUAGE_NAMES[code]} for code in LANGUAGES],
                ),
                dmc.Select(
                    id="screen-theme",
                    label=t("Theme"),
                    value="dark",
                    allowDeselect=False,
                    data=[{"value": "dark", "label": t("Dark theme")}, {"value": "light", "label": t("Light theme")}],
                ),
                dmc.Button(t("Make a link"), id="screen-add", color="gray"),
            ],
        ),
    ]


def register(app: PageApp, services: Services) -> None:
    """Make and end screens when asked; each is checked and written down by the service."""

    @app.callback(
        Output("screens-result", "children"),
        Output("screens-list", "children"),
        Input("screen-add", "n_clicks"),
        Input({"part": "screen-end", "id": ALL}, "n_clicks"),
        {
            "name": State("screen-name", "value"),
            "place": State("screen-place", "value"),
            "language": State("screen-language", "value"),
            "theme": State("screen-theme", "value"),
        },
        State("address", "href"),
        role=Role.ADMIN,
        prevent_initial_call=True,
    )
    def change(_add: int, _end: list[int], draft: dict[str, Any], href: str | None) -> Any:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update, no_update
        context = current_context()
        t = texts_of(context.language)
        try:
            said = _do(services, context, t, ctx.triggered_id, draft, href or "")
        except _REFUSED as error:
            return notice(problems_of(error, t), wrong=True), no_update
        return said, _table(services, context, t)


def _do(services: Services, context: PageContext, t: Texts, asked: Any, draft: dict[str, Any], href: str) -> Component:
    if asked != "screen-add":
        return notice(t("Screen {name} is ended.", name=services.screens.end(context.person, int(asked["id"])).name))
    given = {name: value or "" for name, value in draft.items()}
    made = services.screens.add(context.person, ScreenDraft.model_validate(given))
    words = t("The link for {name}. Open it once on that screen, within a day; it is shown this once.", name=made.screen.name)
    link = "/".join(href.split("/")[:3]) + made.link
    return html.Div([words, html.Pre(link, className="shown")], className="notice", role="status")


def _table(services: Services, context: PageContext, t: Texts) -> Component:
    heads = [t("Where it hangs"), t("What it shows"), t("State"), t("Last seen"), t("From address"), t("Made by"), ""]
    rows = [_row(each, context, t) for each in services.screens.screens(context.person)]
    return table([(head, False) for head in heads], rows, caption=t("Screens"), nothing=t("No screens."))


def _row(screen: ScreenView, context: PageContext, t: Texts) -> list[Any]:
    button = dmc.Button(t("End"), id={"part": "screen-end", "id": screen.id}, variant="default", size="sm")
    return [
        screen.name,
        html.Span(screen.address, className="wrap"),
        state(_LOOKS[screen.state], t(_WORDS[screen.state])),
        moment(screen.seen_us, context.time_zone),
        screen.client or NONE_SHOWN,
        screen.created_by,
        "" if screen.ended_us is not None else button,
    ]


def _site(services: Services) -> str:
    return services.plant.site().path


def _places(services: Services) -> list[dict[str, str]]:
    """Return what a board may show: the site, each area and each line."""
    try:
        nodes = services.plant.equipment()
    except Unavailable:
        return [{"value": _site(services), "label": services.plant.site().name}]
    above = {node.parent for node in nodes}
    return [
        {"value": node.id, "label": "· " * (node.id.count("/") - 1) + node.name} for node in nodes if node.id in above and "/" in node.id
    ]
