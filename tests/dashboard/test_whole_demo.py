"""The whole demo, started once: its story is told to its end, each page of it is sound, and speaks Chinese where it should."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser

from dashboard.services_tour import Chapter
from tests.dashboard.browser import chromium
from tests.dashboard.demo_stage import PLACES, Demo, demo
from tests.dashboard.english_words import english_on, words_of
from tests.dashboard.page_audit import LANGUAGES, THEMES, WIDTHS, Visit, audit, axe_source, eye, paths
from tests.ingest.parts import PATIENCE
from tests.node_parts import Node

pytestmark = [pytest.mark.heavy, pytest.mark.browser, pytest.mark.timeout(600 * PATIENCE)]
_REPOSITORY: Final = Path(__file__).parents[2]
_DRAWN_SECONDS: Final = 60
"""A page beside a whole factory on the same cores."""
_VISITS: Final = (
    *((language, theme, WIDTHS[0]) for language, theme in itertools.product(LANGUAGES, THEMES)),
    *((LANGUAGES[0], THEMES[0], width) for width in WIDTHS[1:]),
)
"""Each language in each theme; at the other widths the longer words in one theme (``benchmarks/every_page.py`` looks at all twelve)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for this file."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, for all tests of this file."""
    with demo(browser, tmp_path_factory.mktemp("demo")) as found:
        yield found


def test_the_demo_tells_its_story_to_its_end(running: Demo) -> None:
    story = running.until_told()
    since = dict(story.reached)
    assert since[Chapter.ALARM] < since[Chapter.PROPOSED] < since[Chapter.EXECUTED] <= since[Chapter.GAIN]
    assert max(since[Chapter.PICTURE], since[Chapter.CHART], since[Chapter.LOSS]) > since[Chapter.ALARM]
    facts = story.facts
    assert facts.carried is not None
    assert facts.carried.approved_by == "demo"
    assert facts.proposed is not None
    assert {name: value for name, value, _ in facts.carried.read} == pytest.approx(dict(facts.proposed.parameters))
    assert facts.sample is not None
    assert facts.result is not None
    assert facts.sample.good / facts.sample.parts < 0.5 < facts.result.good / facts.result.parts


def test_every_page_of_the_demo_speaks_chinese(running: Demo, browser: Browser) -> None:
    running.until_told()
    settings = [file for folder in (running.home, running.home / "sources.d") for file in folder.glob("*.toml")]
    simulators = _REPOSITORY / "simulators"
    theirs = words_of([*settings, *simulators.rglob("*.py"), *simulators.rglob("*.toml")])
    with eye(browser, running.address, running.session, Visit("/", "zh")) as look:
        wrong = [each for path in paths(*PLACES) for each in english_on(look, running.address, path, theirs, seconds=_DRAWN_SECONDS)]
    assert wrong == []


def test_every_page_of_the_demo_has_no_fault_in_any_language_theme_and_width(running: Demo, browser: Browser, node: Node) -> None:
    running.until_told()
    axe, wrong = axe_source(node.folder), list[str]()
    for language, theme, width in _VISITS:
        with eye(browser, running.address, running.session, Visit("/", language, theme, width)) as look:
            for path in paths(*PLACES):
                visit = Visit(path, language, theme, width)
                wrong += audit(look, running.address, visit, axe if width == WIDTHS[0] else None, seconds=_DRAWN_SECONDS)
    assert wrong == []
