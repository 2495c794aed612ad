"""Sessions as the pages of people show them: one's own, everybody's; and what a password must be."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboard.context import PageContext
from dashboard.pages.parts import NONE_SHOWN, duration, moment, state, table
from dashboard.services import Services
from dashboard.texts import Texts
from dashboard.views import SessionView
from storage.people import SHORTEST_PASSWORD

EVERY_OTHER = 0
"""Stands for all of one's sessions but the one that asks."""
_BROWSERS = {"Edg/": "Edge", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = {"Windows": "Windows", "Android": "Android", "iPhone": "iOS", "iPad": "iPadOS", "Mac OS": "macOS", "Linux": "Linux"}


def password_rules(t: Texts) -> str:
    """Return what a password must be, in one sentence or two."""
    return t(
        "At least {n} characters, five of them different; neither the account's name nor six neighbours of alphabet, digits or keyboard.",
        n=SHORTEST_PASSWORD,
    )


def own_sessions(services: Services, context: PageContext, t: Texts) -> Component:
    """Return one's own sessions, each with a button that ends it, and one that ends all but this."""
    found, rules = services.people.own_sessions(context.person), services.people.rules
    ends = t(
        "A session ends after {idle} without use and after {longest} in any case; an account has {most} at most.",
        idle=duration(rules.idle_seconds * 1_000_000, t),
        longest=duration(rules.longest_seconds * 1_000_000, t),
        most=rules.most,
    )
    content: list[Component] = [_table(found, context, t, part="own-session-end", whose=False), html.P(ends, className="quiet")]
    if len(found) > 1:
        content.append(_button(t("End all others"), "own-session-end", EVERY_OTHER))
    return html.Div(content)


def all_sessions(services: Services, context: PageContext, t: Texts) -> Component:
    """Return everybody's sessions to an administrator."""
    return _table(services.people.sessions(context.person), context, t, part="session-end", whose=True)


def browser_words(agent: str) -> str:
    """Return what a browser calls itself as people call it; what is not known is shown as it came, cut."""
    browser = next((name for sign, name in _BROWSERS.items() if sign in agent), None)
    system = next((name for sign, name in _SYSTEMS.items() if sign in agent), None)
    return ", ".join(word for word in (browser, system) if word) or agent[:60] or NONE_SHOWN


def _table(found: list[SessionView], context: PageContext, t: Texts, *, part: str, whose: bool) -> Component:
    names = [*([t("Who")] if whose else []), t("Since"), t("Last used"), t("From address"), t("Browser"), t("Logged in by"), ""]
    rows = [_row(one, context, t, part=part, whose=whose) for one in found]
    return table([(name, False) for name in names], rows, caption=t("Sessions"), nothing=t("No sessions."))


def _row(session: SessionView, context: PageContext, t: Texts, *, part: str, whose: bool) -> list[Any]:
    return [
        *([session.account] if whose else []),
        moment(session.created_us, context.time_zone, seconds=False),
        moment(session.seen_us, context.time_zone, seconds=False),
        session.address or NONE_SHOWN,
        html.Span(browser_words(session.agent), title=session.agent, className="wrap"),
        t("the provider") if session.by_provider else t("password or link"),
        state("normal", t("this one")) if session.own else _button(t("End"), part, session.id),
    ]


def _button(words: str, part: str, session: int) -> Component:
    button: Component = dmc.Button(words, id={"part": part, "id": session}, variant="default", size="sm")
    return button
