"""Settings: what is in force, and who changed it when."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.page_app import PageApp
from dashboard.services import Services
from dashboard.texts import texts_of


def layout(context: PageContext, services: Services) -> Component:
    """Return the page."""
    t = texts_of(context.language)
    return html.Div([html.H1(t("Settings"))])


def register(app: PageApp, services: Services) -> None:
    """Give the app this page's callbacks."""
