"""Links between things name what a page shows, whatever stands in the names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dash import dcc, html
from hypothesis import given
from hypothesis import strategies as st

import dashboard
from dashboard.links import address, asked, asked_number, equipment_address, joint_link, link, serial_address

DASHBOARD = Path(dashboard.__file__).parent
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)


@given(NAMES)
def test_any_name_comes_back_out_of_its_address(name: str) -> None:
    parts = urlsplit(serial_address(name))
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/genealogy")
    assert asked(f"?{parts.query}") == {"serial": name}


def test_what_is_empty_is_left_out() -> None:
    assert address("/joints", joint=5, result=None, part="") == "/joints?joint=5"
    assert address("/joints") == "/joints"
    assert getattr(joint_link(5, "open", tightening=7), "href", "") == "/joints?joint=5&result=7"


def test_a_trend_is_shown_around_a_moment_or_over_a_span() -> None:
    around = parse_qs(urlsplit(equipment_address("a/b c", at_us=1_800_000_000_000_000, signal="current")).query)
    assert around == {"from": ["1799999700000"], "to": ["1800000300000"], "signal": ["current"]}
    over = parse_qs(urlsplit(equipment_address("a/b", at_us=1_800_000_000_000_000, to_us=1_800_000_060_000_000)).query)
    assert over == {"from": ["1800000000000"], "to": ["1800000060000"]}
    assert equipment_address("a/b c") == "/equipment/a/b%20c"


def test_a_number_that_is_none_is_not_taken_for_one() -> None:
    assert asked_number({"id": "12"}, "id") == 12
    for told in ("", "x", "-1", "1.5", "\N{SUPERSCRIPT TWO}", "9" * 18, "9" * 6000):
        assert asked_number({"id": told}, "id") is None
    assert asked_number({}, "id") is None


def test_a_page_that_needs_scripts_of_its_own_is_loaded_whole() -> None:
    for href in ("/sources", "/account", "/people", "/settings?what=a#limits", "/andon?place=acme%2Fnorth"):
        assert isinstance(link("there", href), html.A), href
    for href in ("/", "/alarms", "/genealogy?serial=/sources", "/equipment/sources"):
        assert isinstance(link("there", href), dcc.Link), href


def test_no_page_makes_links_of_its_own() -> None:
    places = [path.name for path in DASHBOARD.rglob("*.py") if "dcc.Link" in path.read_text("utf-8")]
    assert places == ["links.py"]


def test_no_page_writes_out_the_address_of_one_that_is_loaded_whole() -> None:
    by_hand = re.compile(r"""href=f?["']/(?:sources|account|people|settings|andon)\b""")
    assert [path.name for path in DASHBOARD.rglob("*.py") if by_hand.search(path.read_text("utf-8"))] == []
