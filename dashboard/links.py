"""Links between things: one function makes each kind, so that a thing is found at the same place from everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from dash import dcc, html
from dash.development.base_component import Component

PAGES_WITH_FORMS: Final = frozenset({"/sources", "/account", "/people", "/settings"})
"""They need scripts that the others do without."""
_LOADED_WHOLE: Final = PAGES_WITH_FORMS | {"/andon"}
"""The board is no page of the app."""
_MOST_DIGITS = 17
_AROUND_US = 300_000_000
"""So much before and after a moment a trend shows."""


def address(page: str, **query: object) -> str:
    """Return the address of a page with a query; what is None or empty is left out."""
    given = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{page}?{urlencode(given, quote_via=quote)}" if given else page


def asked(search: str | None) -> dict[str, str]:
    """Return what the query of an address says, each name once."""
    return {name: values[0] for name, values in parse_qs((search or "").lstrip("?")).items()}


def asked_number(given: Mapping[str, str], name: str) -> int | None:
    """Return a whole number that an address names; None where it names none."""
    told = given.get(name, "")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= _MOST_DIGITS else None


def link(words: Any, href: str, *, title: str = "", name: str = "thing") -> Component:
    """Return a link inside the dashboard; the one place that knows which pages are loaded whole. ``name``: its class."""
    page = re.split("[?#]", href, maxsplit=1)[0]
    kind = html.A if page in _LOADED_WHOLE else dcc.Link
    made: Component = kind(words, href=href, className=name or None, title=title or None)
    return made


def serial_address(serial: str) -> str:
    """Return where all that happened to a piece stands."""
    return address("/genealogy", serial=serial)


def serial_link(serial: str, *, words: str = "") -> Component:
    """Return a link to all that happened to a piece."""
    return link(words or serial, serial_address(serial))


def item_link(kind: str, name: str) -> Component:
    """Return a link to a lot, sublot, heat or serial."""
    return link(name, address("/genealogy", **{kind: name}))


def lot_link(name: str, words: str, *, style: str = "thing") -> Component:
    """Return a link to a material lot and where it went, with words of its own."""
    return link(words, address("/genealogy", lot=name), title=name, name=style)


def order_link(number: str) -> Component:
    """Return a link to a customer order."""
    return link(number, address("/orders", number=number))


def part_order_link(number: str) -> Component:
    """Return a link to a part order of the shared centres."""
    return link(number, address("/part-orders", number=number))


def equipment_address(path: str, *, at_us: int | None = None, to_us: int | None = None, signal: str = "") -> str:
    """Return where equipment stands; with ``at_us`` its trends at that time, or from then ``to_us``, that of ``signal`` first."""
    begin = None if at_us is None else (at_us - _AROUND_US if to_us is None else at_us)
    end = None if at_us is None else (at_us + _AROUND_US if to_us is None else max(to_us, at_us + 1_000_000))
    ms = {name: None if time is None else time // 1000 for name, time in (("from", begin), ("to", end))}
    return address(f"/equipment/{quote(path)}", **ms, signal=signal)


def equipment_link(path: str, words: str = "", *, title: str = "") -> Component:
    """Return a link to equipment."""
    return link(words or path, equipment_address(path), title=title)


def trend_link(path: str, words: str, at_us: int, *, to_us: int | None = None, signal: str = "") -> Component:
    """Return a link to the trends of equipment at a time."""
    return link(words, equipment_address(path, at_us=at_us, to_us=to_us, signal=signal))


def part_at_link(path: str, words: str, at_us: int) -> Component:
    """Return a link to the piece that was at equipment at a time; it is looked up when the link is followed."""
    return link(words, address("/genealogy", at=path, time=at_us // 1000))


def joint_link(joint: int, words: str, *, tightening: int | None = None) -> Component:
    """Return a link to a joint; with the number of its tightening its curve is drawn."""
    return link(words, address("/joints", joint=joint, result=tightening))


def flange_link(group: str, serial: str) -> Component:
    """Return a link to a group of joints of a piece."""
    return link(group, address("/joints", group=group, part=serial))


def tightening_link(tightening: int, words: str, *, serial: str = "") -> Component:
    """Return a link to a tightening and its curve."""
    return link(words, address("/tightening", result=tightening, part=serial))


def inspection_link(inspection: int, words: str | Component) -> Component:
    """Return a link to a picture with what was found in it."""
    return link(words, address("/welds", id=inspection))


def recommendation_link(recommendation: int, words: str) -> Component:
    """Return a link to a recommendation."""
    return link(words, address("/recommendations", id=recommendation))


def delivery_link(delivery: int, words: str) -> Component:
    """Return a link to a message to a controller."""
    return link(words, address("/deliveries", id=delivery))


def design_change_link(change: int, words: str) -> Component:
    """Return a link to a design change."""
    return link(words, address("/design-changes", id=change))


def nest_link(nest: int, words: str) -> Component:
    """Return a link to a nest."""
    return link(words, address("/nests", id=nest))
