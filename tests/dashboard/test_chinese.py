"""A Chinese page speaks Chinese: no word of ours is left in English. Names, and what devices and other programs say, are theirs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Browser

from dashboard.texts import catalogue_file
from storage.people import Role
from tests.dashboard.browser import chromium
from tests.dashboard.demo_stage import demo, session_by
from tests.dashboard.page_audit import Eye, Visit, eye, paths, settle
from tests.dashboard.running import ROBOT, RunningDashboard

pytestmark = pytest.mark.browser
_REPOSITORY: Final = Path(__file__).parents[2]
_SOME: Final = ("/", "/alarms", "/ledger", "/sources", "/health", f"/equipment/{ROBOT}")
_DEMO_SECONDS: Final = 150
_DEMO_PLACES: Final = ("/tour", "/equipment/acme/north/welding/boom-line/robot-1")
_NAMES: Final = {"admin", "English", "Administrator"}
_WORD: Final = re.compile(r"(?<![\w-])[A-Za-z]{3,}(?![\w-])")
_NO_SENTENCE: Final = re.compile(r"\S*[/_=:.\d]\S*")
"""Addresses, numbers, names with a digit in them."""
_TEXTS: Final = """() => {
  const found = [];
  const ours = element => element && element.checkVisibility() && !element.closest("script, style, code, pre, [lang=en]");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (ours(walk.currentNode.parentElement)) found.push(walk.currentNode.textContent.trim());
  for (const name of ["title", "placeholder", "aria-label"])
    for (const element of document.querySelectorAll(`[${name}]`)) if (ours(element)) found.push(element.getAttribute(name));
  return [...new Set(found)].filter(text => /[A-Za-z]{3}/.test(text));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for this file."""
    with chromium() as found:
        yield found


@lru_cache(maxsize=1)
def _english_of_ours() -> frozenset[str]:
    """The words of our English texts but those that stand in Chinese ones too: OEE, CSV, OPC."""

    def words(language: str) -> set[str]:
        with catalogue_file(language).open("rb") as file:
            texts = [str(message.string) for message in read_po(file, locale=language) if message.id]
        return {word.lower() for text in texts for word in re.findall(r"[A-Za-z]{3,}", re.sub(r"\{\w+\}", "", text))}

    return frozenset(words("en") - words("zh"))


def _words_of(files: Iterable[Path]) -> set[str]:
    return {word.lower() for file in files for word in re.findall(r"[A-Za-z]{3,}", file.read_text("utf-8"))}


def _english(texts: list[str], theirs: set[str]) -> list[str]:
    """Return the texts that hold English words of ours, with the words."""
    found = []
    for text in texts:
        words = [word for word in _WORD.findall(_NO_SENTENCE.sub(" ", text)) if word not in _NAMES]
        ours = [word for word in words if word.lower() in _english_of_ours() and word.lower() not in theirs]
        if ours:
            found.append(f"{text[:120]} ({', '.join(ours[:5])})")
    return found


def _looked_at(look: Eye, address: str, path: str, theirs: set[str]) -> list[str]:
    look.page.goto(address + path)
    settle(look, path, seconds=60)  # beside a whole factory
    return [f"{path}: {each}" for each in _english(look.page.evaluate(_TEXTS), theirs)]


def test_pages_speak_chinese(dashboard: RunningDashboard, browser: Browser) -> None:
    theirs = _words_of([dashboard.site_file]) | {"connection", "refused", "the", "reader", "was", "late"}  # what the stage's devices say
    with eye(browser, dashboard.url, dashboard.session(Role.ADMIN), Visit("/", "zh")) as look:
        wrong = [each for path in _SOME for each in _looked_at(look, dashboard.url, path, theirs)]
    assert wrong == []


@pytest.mark.heavy
def test_every_page_of_the_demo_speaks_chinese(browser: Browser, tmp_path: Path) -> None:
    with demo(tmp_path) as link:
        address, session = link.partition("/login")[0], session_by(browser, link)
        time.sleep(_DEMO_SECONDS)
        settings = [file for folder in ("home", "home/sources.d") for file in (tmp_path / folder).glob("*.toml")]
        theirs = _words_of([*settings, *(_REPOSITORY / "simulators").rglob("*.py"), *(_REPOSITORY / "simulators").rglob("*.toml")])
        with eye(browser, address, session, Visit("/", "zh")) as look:
            wrong = [each for path in paths(*_DEMO_PLACES) for each in _looked_at(look, address, path, theirs)]
    assert wrong == []


def test_english_is_told_from_names_and_from_what_both_languages_say() -> None:
    assert _english(["缺口 the server keeps 5000 while we are away"], set()) != []
    assert _english(["OEE 与损失", "CSV", "Robot 3", "weld-A", "acme/north/robot", "Bore"], {"robot"}) == []
