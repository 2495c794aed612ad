"""Andon board: which station needs whom, and since when; full screen, no navigation."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.page_app import PageApp
from dashboard.services import Services
from dashboard.texts import texts_of


def frame(context: PageContext, services: Services) -> Component:
    """Return the frame of the board: nothing but the board."""
    t = texts_of(context.language)
    return html.Div([dcc.Location(id="address", refresh="callback-nav"), html.Main(html.H1(t("Andon board")), id="page", className="page")])


def layout(context: PageContext, services: Services) -> Component:
    """Return the page."""
    t = texts_of(context.language)
    return html.Div([html.H1(t("Andon board"))])


def register(app: PageApp, services: Services) -> None:
    """Give the app this page's callbacks."""
