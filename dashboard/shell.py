"""The frame around every page: navigation, top bar with shift, age of data, alarms, language and person; which page an address means."""

from __future__ import annotations

import contextlib
import json
import re
from html import escape
from typing import Any
from urllib.parse import unquote

from dash import ClientsideFunction, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard.bundle import EARLY, Bundle
from dashboard.context import PageContext, current_context
from dashboard.links import PAGES_WITH_FORMS, link
from dashboard.navigation import ENTRIES, GROUPS, MODULES, TOUR, Entry
from dashboard.page_app import PageApp
from dashboard.pages import account, equipment
from dashboard.pages.parts import also, full_name, icon
from dashboard.services import Services
from dashboard.texts import LANGUAGE_NAMES, LANGUAGES, Texts, texts_of
from plant.errors import Rejected, Unavailable

_SUITE = r'<script src="([^"]*/_dash-component-suites/(?:%s)/[^"]*)"></script>\s*'
_FIELDS, _GRID, _TABLE = (re.compile(_SUITE % name) for name in ("dash_mantine_components", "dash_ag_grid", "dash/dash_table"))
"""Scripts of form fields, grids and tables: two of the three megabytes of a page, and a second of a slow machine's time."""
_EARLY_SCRIPT = re.compile(rf'<script src="[^"]*/assets/{re.escape(EARLY)}[^"]*"></script>')


def build_shell(app: PageApp, services: Services) -> None:
    """Give the app its frame, its pages and their callbacks. ``app.layout`` and the index page need ``current_context`` set by the gate."""

    def interpolate(**parts: str) -> str:
        context = current_context()
        return _index(context, parts, _first(services, context.path), app.bundle)

    app.backend.websocket_capability = False  # else each page opens a WebSocket that nothing here uses (plotly/dash#3939)
    app.interpolate_index = interpolate  # type: ignore[method-assign, assignment]  # made for each person's language and theme
    app.layout = lambda: frame(current_context(), services)
    app.callback(
        Output("page", "children"),
        Output("crumbs", "children"),
        Output("page-shown", "data"),
        Input("address", "pathname"),
    )(lambda pathname: _show(services, pathname or "/"))
    app.clientside(
        ClientsideFunction("leadhand", "shown"),
        Output("page-shown", "modified_timestamp"),
        Input("page-shown", "data"),
    )
    for page in MODULES:
        page.register(app, services)


def frame(context: PageContext, services: Services) -> Component:
    """Return the frame with an empty page in it, for one person, language and theme."""
    t = texts_of(context.language)
    return html.Div(
        className="frame",
        children=[
            html.A(t("Skip to the content"), href="#page", className="skip"),
            dcc.Location(id="address", refresh="callback-nav"),
            dcc.Store(id="page-shown"),
            html.Nav(
                id="nav",
                className="nav",
                **also(aria_label=t("Pages")),
                children=[
                    link([icon("building-factory-2"), "Leadhand"], "/", name="brand"),
                    *_entries(context, services, t),
                    html.Div(className="foot small quiet", children=[html.Div(context.site_name), html.Div(context.time_zone)]),
                ],
            ),
            html.Div(className="nav-curtain"),
            _top_bar(context, t),
            html.Nav(id="crumbs", className="crumbs", **also(aria_label=t("Place"))),
            html.Main(id="page", className="page", tabIndex="-1", children=html.Div(t("Loading…"), className="loading")),
            html.Div(className="stale-curtain", role="alert", children=[icon("wifi-off"), html.Span(id="stale-words")]),
        ],
    )


def _entries(context: PageContext, services: Services, t: Texts) -> list[Component]:
    """Return the navigation by groups: what this person may look at. Which page is shown is marked by the script (assets/15_frame.js)."""
    groups: list[Component] = [_item(TOUR, t)] if services.tour.there else []
    for group in GROUPS:
        items = [_item(entry, t) for entry in group.entries if context.may(entry.role)]
        if items:
            head = html.Summary([html.Span(t(group.title)), icon("chevron-down")], className="group-title")
            groups.append(html.Details([head, *items], className="group", **also(data_group=group.title)))
    return groups


def _item(entry: Entry, t: Texts) -> Component:
    return link([icon(entry.icon), html.Span(t(entry.title))], entry.address, name="item")


def _top_bar(context: PageContext, t: Texts) -> Component:
    other_theme = "light" if context.theme == "dark" else "dark"
    theme_words = t("Light theme") if other_theme == "light" else t("Dark theme")
    languages = [
        html.Button(
            "EN" if language == "en" else LANGUAGE_NAMES[language],
            className="tool",
            lang=language,
            title=LANGUAGE_NAMES[language],
            **also(data_language=language, aria_pressed="true" if language == context.language else "false"),
        )
        for language in LANGUAGES
    ]
    return html.Header(
        className="top",
        children=[
            _menu(t),
            _shift(t),
            _age(t),
            _alarms(t),
            html.Div(languages, role="group", className="languages", **also(aria_label=t("Language"))),
            html.Button(
                icon("sun" if other_theme == "light" else "moon"),
                className="tool",
                title=theme_words,
                **also(data_theme=other_theme, aria_label=theme_words),
            ),
            link([icon("user"), html.Span(full_name(context.person.full_name, t) or context.person.name)], "/account", name="tool"),
            html.Button([icon("logout"), html.Span(t("Log out"))], className="tool", title=t("Log out"), **also(data_logout="1")),
        ],
    )


def _menu(t: Texts) -> Component:
    """Return the button that shows and hides the navigation."""
    words = t("Pages")
    return html.Button(icon("menu-2"), id="nav-button", className="tool", title=words, **also(aria_label=words, aria_controls="nav"))


def _shift(t: Texts) -> Component:
    """Return the place of the shift that runs: said by the script, hidden where there is no calendar."""
    words = [icon("calendar-time"), html.Span(t("Shift"), className="label"), html.Span(id="shift-words")]
    return html.Span(words, id="shift", className="shift hidden")


def _alarms(t: Texts) -> Component:
    """Return the place of the highest alarm and how many wait: said by the script."""
    words = [html.Span(**also(data_part="shape")), html.Span("…", **also(data_part="words"))]
    badge = link(words, "/alarms", title=t("Alarms"), name="tool alarm-badge")
    badge.id = "alarm-badge"  # type: ignore[attr-defined]  # what a component may have, its class does not say
    return badge


def _age(t: Texts) -> Component:
    """Return how old the newest value shown is, and the plant's clock."""
    age = [icon("clock"), html.Span(t("Data age"), className="label"), html.Span("…", id="data-age"), html.Span("", id="plant-clock")]
    return html.Span(age, className="age", title=t("Age of the newest value shown"))


def _show(services: Services, pathname: str) -> tuple[Any, Any, Any]:
    """Return the page that an address means, the breadcrumb, and what the frame is told of it: title, entry of the navigation, place."""
    context = current_context()
    t = texts_of(context.language)
    path = unquote(pathname).rstrip("/") or "/"
    place = ""
    try:
        if path.startswith("/equipment/"):
            place = path.removeprefix("/equipment/")
            title, content = equipment.title(services, place), equipment.layout(context, services, place)
        elif path in ENTRIES:
            title, content = t(ENTRIES[path].title), ENTRIES[path].layout(context, services)
        elif path == TOUR.address and services.tour.there:
            title, content = t(TOUR.title), TOUR.layout(context, services)
        elif path == "/account":
            title, content = t("Your account"), account.layout(context, services)
        else:
            title, content = t("No such page"), _nothing(t, pathname)
    except (Unavailable, Rejected) as error:
        title, content = t("Not available"), html.Div([html.H1(t("Not available")), html.P(str(error), className="notice wrong")])
    shown = {"title": f"{title} · Leadhand", "entry": "/" if place else path, "place": place}
    return content, _crumbs(services, t, place, title), shown


def _crumbs(services: Services, t: Texts, place: str, title: str) -> list[Component]:
    """Return Enterprise / Site / Area / Line / Unit, each a link; for other pages the site and the page."""
    site = services.plant.site()
    names = {node.id: node.name for node in services.plant.equipment()}
    whole = place or site.path
    parts = whole.split("/")
    paths = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    crumbs: list[Component] = []
    for depth, path in enumerate(paths):
        if depth:
            crumbs.append(icon("chevron-right"))
        href = "/" if depth < 2 else f"/equipment/{path}"
        words = names.get(path, path.rpartition("/")[2])
        here = path == place
        crumbs.append(html.Span(words, className="crumb", **also(aria_current="page")) if here else link(words, href, name=""))
    if not place and title != t("Plant overview"):
        crumbs += [icon("chevron-right"), html.Span(title, className="crumb", **also(aria_current="page"))]
    return crumbs


def _nothing(t: Texts, pathname: str) -> Component:
    return html.Div(
        [
            html.H1(t("No such page")),
            html.P(t("There is no page at {address}.", address=pathname), className="wrap"),
            link(t("To the plant overview"), "/"),
        ]
    )


def _first(services: Services, path: str) -> str:
    """Return what the page may ask for before the large scripts are here: its time, and the first signals of an equipment's trend."""
    ids: list[int] = []
    if path.startswith("/equipment/"):
        with contextlib.suppress(Unavailable):
            ids = equipment.first_drawn(services, unquote(path.removeprefix("/equipment/")).rstrip("/"))
    return json.dumps({"now_ms": services.plant.clock().now_us // 1000, "signals": ids})


def _index(context: PageContext, parts: dict[str, str], first: str, bundle: Bundle) -> str:
    """Return the HTML around the app, in the right language and theme before any script runs."""
    language = "zh" if context.language == "zh" else "en"
    path = context.path.rstrip("/")
    grid = _GRID.search(parts["scripts"])
    scripts = _TABLE.sub("", _GRID.sub("", parts["scripts"]))
    scripts = scripts if path in PAGES_WITH_FORMS else _FIELDS.sub("", scripts)
    found = _EARLY_SCRIPT.search(scripts)
    early, scripts = found[0] if found else "", bundle.scripts(scripts)
    loading = escape(texts_of(context.language)("Loading…"))
    return f"""<!DOCTYPE html>
<html lang="{language}" data-mantine-color-scheme="{context.theme}" data-zone="{escape(context.time_zone)}">
<head>
<meta charset="utf-8">{parts["metas"]}
<meta name="leadhand-grid" content="{grid[1] if grid else ""}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(parts["title"])}</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
{bundle.styles(parts["css"])}
</head>
<body>
<div id="react-entry-point"><div class="loading">{loading}</div></div>
<script type="application/json" id="leadhand-first">{first}</script>
{early}
<script type="application/json" id="leadhand-texts">{texts_of(context.language).for_browser()}</script>
<footer>{parts["config"]}{scripts}{parts["renderer"]}</footer>
</body>
</html>"""
