"""What is asked of every page alike: axe finds nothing, nothing reaches beyond the window or is too small for a glove, no console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, Request

from dashboard.navigation import ENTRIES
from tests.dashboard.browser import Watch, visitor
from tests.ingest.parts import Patience

LANGUAGES: Final = ("en", "zh")
THEMES: Final = ("light", "dark")
WIDTHS: Final = (1440, 1024, 768)
HEIGHT: Final = 900
LEAST_PX: Final = 44
"""Height and width of what a finger in a glove meets; links within a sentence or a cell of text are as high as the text (WCAG 2.5.8)."""
_MOST: Final = 4
_OWN_FRAME: Final = frozenset({"/andon"})

_DRAWN = """() => {
  const page = document.getElementById("page");
  return Boolean(page) && !page.querySelector(":scope > .loading") && page.textContent.trim() !== ""
    && !document.querySelector("[data-dash-is-loading=true]");
}"""
_AXE = """async () => {
  const answer = await axe.run(document, { resultTypes: ["violations"] });
  return answer.violations.filter(one => ["serious", "critical"].includes(one.impact))
    .flatMap(one => one.nodes.slice(0, 5).map(node => `${one.id}: ${node.target.join(" ")} ${node.html.slice(0, 160)}`
      + ` ${(node.any[0] || node.all[0] || node.none[0] || { message: "" }).message.slice(0, 120)}`));
}"""
_BEYOND = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")].filter(e => e.offsetParent && e.getBoundingClientRect().right > width + 1
      && !e.closest(".scroll")).slice(-5).map(e => `${e.tagName} ${e.className} ${Math.round(e.getBoundingClientRect().right)} px`);
}"""
_SMALL = """least => {
  const wanted = "button, summary, select, textarea, input:not([type=hidden]):not([type=file]), [role=button], [role=tab],"
    + " [role=combobox], a.tool, a.button, a.item, a.brand, .card > a";
  const box = element => element.getBoundingClientRect();
  const shown = element => box(element).width > 1 && box(element).height > 1 && element.checkVisibility({ visibilityProperty: true });
  const around = element => { // what answers a finger: its label, its frame, and what it lays around itself
    const beyond = Math.max(0, -parseFloat(getComputedStyle(element, "::after").top) || 0);
    const frame = element.closest(".mantine-Input-wrapper, .dash-input-container, label") || element;
    const all = [frame, ...(element.labels || [])].map(box);
    return [Math.max(...all.map(one => one.width)) + 2 * beyond, Math.max(...all.map(one => one.height)) + 2 * beyond];
  };
  return [...document.querySelectorAll(wanted)].filter(shown)
    .filter(e => !e.matches(".dash-dropdown-focus-target"))
    .filter(e => Math.min(...around(e)) < least - 0.5)
    .map(e => `${e.tagName} ${e.id || e.className} '${(e.textContent || "").slice(0, 30)}' ${around(e).map(Math.round).join(" x ")} px`);
}"""


@dataclass(frozen=True, slots=True)
class Visit:
    """One page as it is looked at."""

    path: str
    language: str = "en"
    theme: str = "light"
    width: int = 1440

    def __str__(self) -> str:
        return f"{self.path} {self.language} {self.theme} {self.width}"


def paths(*more: str) -> list[str]:
    """Return the addresses of all pages of the navigation, of one's own account, of a page that is not there, and those named."""
    return [*ENTRIES, "/account", "/nowhere", *more]


def axe_source(node_folder: Path) -> str:
    """Return the script of axe-core."""
    return (node_folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@dataclass
class Eye:
    """A page being looked at."""

    page: Page
    watch: Watch
    asked: int = 0
    """How many callbacks are not answered yet."""


@contextmanager
def eye(browser: Browser, address: str, session: str, visit: Visit) -> Iterator[Eye]:
    """Lend a page in the language, theme and width of a visit."""
    with visitor(browser, address, session, language=visit.language, theme=visit.theme, width=visit.width, height=HEIGHT) as (page, watch):
        found = Eye(page, watch)

        def count(request: Request, step: int) -> None:
            found.asked += step if "/_dash-update-component" in request.url else 0

        page.on("request", lambda request: count(request, 1))
        page.on("requestfinished", lambda request: count(request, -1))
        page.on("requestfailed", lambda request: count(request, -1))
        yield found


def audit(look: Eye, address: str, visit: Visit, axe: str | None, *, seconds: float = 20) -> list[str]:
    """Open a page and return what is wrong with it, each in a line; without ``axe`` only its measures are looked at."""
    page, watch = look.page, look.watch
    page.goto(address + visit.path, wait_until="commit")  # what people see is waited for below
    settle(look, visit.path, seconds=seconds)
    wrong: list[str] = []
    if axe is not None:
        page.evaluate(axe)
        wrong += _told(page.evaluate(_AXE))
    wrong += [f"beyond the window: {each}" for each in _told(page.evaluate(_BEYOND))]
    wrong += [f"smaller than {LEAST_PX} px: {each}" for each in _told(page.evaluate(_SMALL, LEAST_PX))]
    wrong += watch.found
    watch.found.clear()
    return [f"{visit}: {each}" for each in wrong]


def settle(look: Eye, path: str, *, seconds: float = 20) -> None:
    """Return when a page was drawn at two looks, and no callback of it waited for an answer then; in between tables may be drawn again."""
    if path not in _OWN_FRAME:
        look.page.locator("#page h1").first.wait_for()
    patience, still = Patience(seconds), 0
    while still < 2:
        assert not patience.over(), f"{path} is not drawn within {seconds} s"
        look.page.wait_for_timeout(100)
        still += look.asked <= 0 and look.page.evaluate(_DRAWN)


def _told(found: Any) -> list[str]:
    """Return what a script of the page found; of many the first few."""
    words = [str(each) for each in found]
    return words if len(words) <= _MOST else [*words[:_MOST], f"and {len(words) - _MOST} more like these"]
