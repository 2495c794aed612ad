"""Small pieces that several pages are made of: icons, states, tables, and numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component
from pydantic import ValidationError

from dashboard.context import PageContext
from dashboard.mishaps import told
from dashboard.texts import Texts
from plant.errors import SettingsError

Cell: TypeAlias = Any
"""What may stand in a cell: text, a component, or several."""
NONE_SHOWN = "\N{EN DASH}"
"""What stands where there is no value."""


def also(**attributes: Any) -> dict[str, Any]:
    """Return ``data-`` and ``aria-`` attributes for a component: ``data_part="age"`` becomes ``data-part``."""
    return {name.replace("_", "-"): value for name, value in attributes.items()}


def forms(context: PageContext, content: list[Component]) -> Component:
    """Return page content with form fields in it, in the theme of the page."""
    provider: Component = dmc.MantineProvider(
        forceColorScheme=context.theme,
        theme={"primaryColor": "gray", "fontFamily": "inherit", "cursorType": "pointer", "respectReducedMotion": True},
        children=html.Div(content),
    )
    return provider


def icon(name: str) -> Component:
    """Return one of the vendored icons; it says nothing to screen readers, so a word must stand beside it."""
    return html.Span(className=f"icon icon-{name}", **also(aria_hidden="true"))


def state(name: str, words: str) -> Component:
    """Return a state as shape and word. ``name``: normal, waiting, stale, bad, warning or critical."""
    return html.Span(words, className=f"state {name}")


def notice(words: str | list[str], *, wrong: bool = False) -> Component:
    """Return a sentence that must be seen, or several as a list."""
    content: Cell = words if isinstance(words, str) else html.Ul([html.Li(each) for each in words], className="problems")
    return html.Div(content, className="notice wrong" if wrong else "notice", role="alert" if wrong else "status")


def table(
    heads: Sequence[tuple[str, bool]],
    rows: Sequence[Sequence[Cell]],
    *,
    caption: str,
    nothing: Cell = "",
    below: Component | None = None,
    body: str = "",
) -> Component:
    """Return a table; each head says whether its column holds numbers, which stand to the right. ``below``: what stands under it.

    ``body``: the id of its rows, where some of them are drawn again alone, by ``table_rows``.
    """
    head = html.Tr([html.Th(words, className=_kind(number), scope="col") for words, number in heads])
    shown = html.Tbody(table_rows(heads, rows, nothing), **_named(body))
    drawn = html.Div(html.Table([html.Thead(head), shown], className="list", **also(aria_label=caption)), className="scroll")
    return drawn if below is None else html.Div([drawn, below])


def table_rows(heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Cell]], nothing: Cell = "") -> list[Component]:
    """Return the rows of a table with these heads; where there are none, one that says ``nothing``."""
    if not rows:
        return [html.Tr(html.Td(nothing, colSpan=len(heads), className="quiet"))]
    return [html.Tr([html.Td(cell, className=_kind(number)) for cell, (_, number) in zip(row, heads, strict=True)]) for row in rows]


def _named(name: str) -> dict[str, Any]:
    return {"id": name} if name else {}


def _kind(number: bool) -> str:
    return "number" if number else ""


def exports(route: str, t: Texts, what: str = "", /, **asked: object) -> Component:
    """Return links that give the rows of a list over REST as files. ``what``: its name, where there are several; ``asked``: its query."""
    given = {name: what for name, what in asked.items() if what is not None and what != ""}
    links = [
        html.A(
            words,
            href=f"{route}?{urlencode({**given, 'format': form}, doseq=True)}",
            download="",
            className="tool",
            **also(aria_label=f"{t('Download')}: {what} {words}".replace("  ", " ")),
        )
        for form, words in (("csv", "CSV"), ("xlsx", "XLSX"), ("parquet", "Parquet"))
    ]
    words = f"{t('Download')}: {what}" if what else t("Download")
    return html.Div([html.Span(words, className="small quiet"), *links], className="exports")


def facts(pairs: Sequence[tuple[str, Cell]]) -> Component:
    """Return names and what they are, side by side."""
    return html.Dl([html.Div([html.Dt(name), html.Dd(what)]) for name, what in pairs], className="facts")


def milliseconds(time_us: int | None) -> str:
    """Return a short duration in milliseconds with unit, a dash where there is none."""
    if time_us is None:
        return NONE_SHOWN
    ms = time_us / 1000
    return f"{ms:.2f} ms" if ms < 10 else f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def age(time_us: int | None, now_us: int, t: Texts) -> str:
    """Return how long ago a time was, a dash where there is none."""
    return NONE_SHOWN if time_us is None else duration(now_us - time_us, t)


def duration(span_us: int | None, t: Texts) -> str:
    """Return a span in the largest unit that says it well."""
    if span_us is None:
        return NONE_SHOWN
    seconds = max(0, span_us) / 1e6
    if seconds < 120:
        return t("{n} s", n=f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}")
    if seconds < 7200:
        return t("{n} min", n=round(seconds / 60))
    if seconds < 172_800:
        return t("{n} h", n=round(seconds / 3600))
    return t("{n} d", n=round(seconds / 86_400))


def moment(time_us: int | None, zone: str, *, seconds: bool = True, exact: bool = False) -> str:
    """Return a time in the plant's time zone as ``2026-11-22 14:05:09``, with milliseconds where it is to be exact."""
    if time_us is None:
        return NONE_SHOWN
    local = datetime.fromtimestamp(time_us // 1_000_000, UTC).astimezone(ZoneInfo(zone))
    if exact:
        return local.strftime("%Y-%m-%d %H:%M:%S") + f".{time_us // 1000 % 1000:03d}"
    return local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def full_name(name: str, t: Texts) -> str:
    """Return a person's name; that of the account made at the first start is a word, and said in the language of the page."""
    return t("Administrator") if name == "Administrator" else name


def size(count: int | None) -> str:
    """Return a number of bytes as people read it."""
    if count is None:
        return NONE_SHOWN
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def whole(number: int | None) -> str:
    """Return a whole number in groups of three."""
    return NONE_SHOWN if number is None else f"{number:,}".replace(",", "\u202f")


def problems_of(error: Exception, t: Texts) -> str | list[str]:
    """Return what an error says to a person: each wrong setting or field in a sentence of its own."""
    if isinstance(error, SettingsError):
        return error.problems
    if isinstance(error, ValidationError):
        return [f"{_field(each['loc'])}{each['msg'].removeprefix('Value error, ')}" for each in error.errors(include_url=False)]
    return told(str(error), t)


def _field(steps: tuple[int | str, ...]) -> str:
    return f"{'.'.join(str(step) for step in steps)}: " if steps else ""
