"""Genealogy: what happened to a serial number, and which serials share a lot."""

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
    return html.Div([html.H1(t("Genealogy"))])


def register(app: PageApp, services: Services) -> None:
    """Give the app this page's callbacks."""
