"""Andon board: which station needs whom, and since when; full screen, no navigation.

The page is a file of its own beside the app: a screen on the wall loads a tenth of what other pages need, and nothing of it can be
missing half-way. Its script (assets/96_andon.js) asks for the board every few seconds and goes on after any outage.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Final

from dash import html
from dash.development.base_component import Component

from dashboard.board_version import BOARD_VERSION
from dashboard.context import PageContext
from dashboard.links import link
from dashboard.page_app import PageApp
from dashboard.services import Services
from dashboard.texts import LANGUAGE_NAMES, LANGUAGES, Texts, texts_of
from dashboard.views import EquipmentView
from plant.errors import Unavailable
from storage.people import Role

_GUARD: Final = (
    "setTimeout(function ask(){if(window.leadhandBoard)return;"
    'fetch(location.href,{cache:"no-store"}).then(function(a){if(!a.ok)throw 0;location.reload()})'
    ".catch(function(){setTimeout(ask,5000)})},20000)"
)
"""Stands in the page itself: where the server went away before its scripts were loaded, nothing else would ever try again."""
GUARD_HASH: Final = f"'sha256-{base64.b64encode(hashlib.sha256(_GUARD.encode()).digest()).decode()}'"
"""For the Content-Security-Policy."""


def board_page(context: PageContext, services: Services, place: str, language: str, theme: str) -> str:
    """Return the page of the board; ``place`` is the path of a site, area, line or work unit, empty for the site."""
    t = texts_of(language)
    told = {
        "place": place,
        "version": BOARD_VERSION,
        "language": language,
        "may": context.may(Role.INSPECTOR) and context.person.screen is None,
        "screen": context.person.screen is not None,
    }
    tools = "" if context.person.screen is not None else _tools(services, place, language, theme, t)
    return f"""<!DOCTYPE html>
<html lang="{language}" class="board" data-mantine-color-scheme="{theme}" data-zone="{escape(context.time_zone)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(t("Andon board"))} · Leadhand</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<link rel="stylesheet" href="/assets/leadhand.css"><link rel="stylesheet" href="/assets/icons.css">
<link rel="stylesheet" href="/assets/andon.css">
<script>{_GUARD}</script>
</head>
<body>
<script type="application/json" id="leadhand-texts">{t.for_browser()}</script>
<script type="application/json" id="board-told">{json.dumps(told).replace("<", chr(92) + "u003c")}</script>
<header class="board-head">
<h1 id="board-name">{escape(t("Andon board"))}</h1>
<div id="board-shift" class="board-shift"></div>
<div id="board-sum" class="board-sum" role="status"></div>
<div class="board-clock"><span id="plant-clock"></span></div>
</header>
<div id="board-lost" class="board-lost" role="alert" hidden></div>
<main id="page" class="board-tiles"><p class="loading">{escape(t("Loading…"))}</p></main>
<footer class="board-foot">
<div id="board-answers" class="board-answers"></div><div id="board-page" class="board-page"></div>{tools}
</footer>
<script src="/assets/10_stream.js?{BOARD_VERSION}"></script>
<script src="/assets/96_andon.js?{BOARD_VERSION}"></script>
</body>
</html>"""


def layout(context: PageContext, services: Services) -> Component:  # noqa: ARG001
    """Return the way to the board: it is no page of the app, and is loaded whole."""
    t = texts_of(context.language)
    return html.Div([html.H1(t("Andon board")), link(t("Open the board"), "/andon", name="tool")])


def register(app: PageApp, services: Services) -> None:
    """Nothing to register: the board's own script asks for what it shows."""


def _tools(services: Services, place: str, language: str, theme: str, t: Texts) -> str:
    other = "light" if theme == "dark" else "dark"
    words = t("Light theme") if other == "light" else t("Dark theme")
    languages = "".join(
        f'<button class="tool" lang="{code}" data-language="{code}" aria-pressed="{"true" if code == language else "false"}">'
        f"{LANGUAGE_NAMES[code] if code != 'en' else 'EN'}</button>"
        for code in LANGUAGES
    )
    return (
        f'<nav class="board-tools" aria-label="{escape(t("Tools"))}">{_places(services, place, t)}{languages}'
        f'<button class="tool" data-theme="{other}" title="{escape(words)}" aria-label="{escape(words)}">'
        f'<span class="icon icon-{"sun" if other == "light" else "moon"}" aria-hidden="true"></span></button>'
        f'<button class="tool" id="board-full">{escape(t("Full screen"))}</button>'
        f'<a class="tool" href="/">{escape(t("To the plant overview"))}</a></nav>'
    )


def _places(services: Services, place: str, t: Texts) -> str:
    """Return the choice of what the board shows: the site, each area, each line."""
    try:
        nodes = services.plant.equipment()
    except Unavailable:
        return ""
    above = {node.parent for node in nodes}
    shown: list[EquipmentView] = [node for node in nodes if node.id in above and node.id.count("/") >= 1]
    options = "".join(_option(node, chosen=node.id == place) for node in shown)
    return f'<select id="board-place" aria-label="{escape(t("Place"))}">{options}</select>'


def _option(node: EquipmentView, *, chosen: bool) -> str:
    selected = " selected" if chosen else ""
    return f'<option value="{escape(node.id)}"{selected}>{"· " * (node.id.count("/") - 1)}{escape(node.name)}</option>'
