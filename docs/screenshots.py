"""Take a picture of each page of the demo in both languages and themes: ``python docs/screenshots.py [FOLDER] [--all]``.

Without ``--all`` only the pictures that the README shows are taken. Starts the demo in a folder of its own and ends it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.dashboard.browser import chromium, visitor
from tests.dashboard.demo_stage import dashboard_by

ROBOT = "/equipment/acme/north/welding/boom-line/robot-1"
PAGES = {
    "overview": ("/", "[data-unit] .state"),
    "tour": ("/tour", "[data-chapter]"),
    "andon": ("/andon", "[data-drawn]"),
    "equipment": (ROBOT, "[data-trend][data-drawn]"),
    "schedule": ("/schedule", "[data-schedule][data-drawn]"),
    "orders": ("/orders", "#orders-list td"),
    "part-orders": ("/part-orders", "#part-orders-list td"),
    "nests": ("/nests", "#nests-list td"),
    "stock": ("/stock", "#stock-list .panel"),
    "capacity": ("/capacity", "#capacity-shown .panel, #capacity-shown .notice"),
    "losses": ("/losses", ".waterfall .fall"),
    "charts": ("/charts", "[data-control-chart][data-drawn] svg"),
    "alarms": ("/alarms", "#alarms-list td"),
    "genealogy": ("/genealogy", "#genealogy-shown > *"),
    "tightening": ("/tightening", "[data-curve][data-drawn] canvas"),
    "joints": ("/joints", "main h1"),
    "welds": ("/welds", "#welds-list td"),
    "review": ("/review", "#review-shown"),
    "condition": ("/condition", "#condition-watched td"),
    "recommendations": ("/recommendations", "#recommendation-list td"),
    "new-product": ("/new-product", "#new-product-lately td"),
    "tuning": ("/tuning", "#tuning-list td button"),
    "deliveries": ("/deliveries", "#delivery-list td"),
    "modes": ("/modes", "#modes-list td"),
    "windows": ("/windows", "#windows-in-force .panel, #windows-in-force .notice"),
    "design-changes": ("/design-changes", "#design-change-list td"),
    "sources": ("/sources", "#sources-list td"),
    "reports": ("/reports", "#tables-list td"),
    "ledger": ("/ledger", "td"),
    "health": ("/health", "#health-now .sum"),
    "account": ("/account", "#password-change"),
    "audit": ("/audit", "#audit-list td"),
    "people": ("/people", "#people-accounts td"),
    "settings": ("/settings", "#settings-parts td"),
}
SHOWN = {"overview-en-light", "equipment-zh-dark"}


def main(folder: Path, *, everything: bool) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, dashboard_by(browser, None) as (address, session):
        for language in ("en", "zh"):
            for theme in ("light", "dark"):
                with visitor(browser, address, session, language=language, theme=theme) as (page, _):
                    for name, (path, content) in PAGES.items():
                        picture = f"{name}-{language}-{theme}"
                        if everything or picture in SHOWN:
                            page.goto(address + path)
                            page.locator(content).first.wait_for()
                            if name == "equipment":
                                page.evaluate("document.querySelector('[data-trend]').scrollIntoView({block: 'start'})")
                            page.wait_for_timeout(3000)
                            page.screenshot(path=folder / f"{picture}.png")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    main(Path(words[0]) if words else Path(__file__).parent / "screenshots", everything="--all" in sys.argv)
