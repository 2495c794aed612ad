"""A Chinese page speaks Chinese: no word of ours is left in English. Names, and what devices and other programs say, are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser

from storage.people import Role
from tests.dashboard.browser import chromium
from tests.dashboard.english_words import english, english_on, words_of
from tests.dashboard.page_audit import Visit, eye
from tests.dashboard.running import ROBOT, RunningDashboard

pytestmark = pytest.mark.browser
_SOME: Final = ("/", "/alarms", "/ledger", "/sources", "/health", f"/equipment/{ROBOT}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for this file."""
    with chromium() as found:
        yield found


def test_pages_speak_chinese(dashboard: RunningDashboard, browser: Browser) -> None:
    theirs = words_of([dashboard.site_file]) | {"connection", "refused", "the", "reader", "was", "late"}  # what the stage's devices say
    with eye(browser, dashboard.url, dashboard.session(Role.ADMIN), Visit("/", "zh")) as look:
        wrong = [each for path in _SOME for each in english_on(look, dashboard.url, path, theirs)]
    assert wrong == []


def test_english_is_told_from_names_and_from_what_both_languages_say() -> None:
    assert english(["缺口 the server keeps 5000 while we are away"], set()) != []
    assert english(["OEE 与损失", "CSV", "Robot 3", "weld-A", "acme/north/robot", "Bore"], {"robot"}) == []
