"""The sheet to print: all that a person at the machine needs, and nothing that a file could smuggle in."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from optimizer.recommending import UnitLoad, recommend
from optimizer.sheets import sheet_html
from optimizer.todays_load import read_load
from plant.errors import SettingsError
from tests.optimizer.shop import FEATURES, asked, expected, known, network, product


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _read(text: str) -> _Words:
    read = _Words()
    read.feed(text)
    return read


def test_a_sheet_tells_the_route_its_parameters_and_what_to_watch() -> None:
    shop = network()
    said = recommend(known(shop), replace(asked(shop), today={"laser-1": UnitLoad(extra_min=30.0, why="two orders wait")}))

    text = " ".join(_read(sheet_html(product(), FEATURES, said, "a1b2", "2026-11-20 08:00 UTC")).words)

    for word in (
        "laser-1",
        "c20",
        "current_a 248",
        "instead of robot-slow",
        "thickness",
        "a1b2",
        "2026-12-20",
        "two orders wait",
        "accepted",
    ):
        assert word in text, word
    for point in said.watch:
        assert point.text in text


def test_a_sheet_without_a_route_tells_what_is_missing() -> None:
    shop = network()
    said = recommend(known(shop), asked(shop, what=expected(shop, unsupported=("pin", "ink"))))

    text = " ".join(_read(sheet_html(product(), FEATURES, said, "a1b2", "now")).words)

    assert "Not enough evidence" in text
    assert said.missing[0].text in text


def test_names_with_markup_stay_words() -> None:
    shop = network()
    name = "<script>alert(1)</script>"
    said = recommend(known(shop), asked(shop, product(name)))

    read = _read(sheet_html(product(name), FEATURES, said, "<b>", "now"))

    assert "script" not in read.tags
    assert "b" in read.tags
    assert name in " ".join(read.words)


def test_todays_load_is_read_by_work_unit() -> None:
    text = '{"leadhand": "load/1", "work_units": {"laser-1": {"extra_min": 12.5}, "bath-1": {"unavailable": true, "why": "cleaning"}}}'

    assert read_load(text, "load.json", network()) == {"laser-1": UnitLoad(12.5), "bath-1": UnitLoad(unavailable=True, why="cleaning")}


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ('{"saw-9": {}}', r"load\.json: work_units\.saw-9: the network has no work unit"),
        ('{"laser-1": {"extra_min": -1}}', r"load\.json: work_units\.laser-1\.extra_min"),
        ('{"laser-1": {"minutes": 1}}', r"load\.json: work_units\.laser-1\.minutes"),
    ],
)
def test_a_wrong_load_is_refused_by_file_and_key(units: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read_load(f'{{"leadhand": "load/1", "work_units": {units}}}', "load.json", network())
