"""Take a picture of each page in both languages and themes: ``python docs/screenshots.py [FOLDER]``.

Starts what it needs (an embedded PostgreSQL, a small factory with live samples, the dashboard, Chromium) and ends it again.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from plant.clock import SystemClock
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.stage import Feeder, dashboard_before, make_stage

ROBOT = "/equipment/acme/north/welding/line-1/robot-2"
PAGES = {
    "overview": ("/", "[data-unit] .state.normal"),
    "equipment-live": (ROBOT, "[data-trend][data-drawn]"),
    "equipment-hour": (ROBOT + "?span=1h", "[data-trend][data-drawn]"),
    "sources": ("/sources", "#sources-list td"),
    "health": ("/health", "#health-now .sum"),
    "account": ("/account", "#password-change"),
    "people": ("/people", "#people-accounts td"),
}


def main(folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened, tempfile.TemporaryDirectory(prefix="leadhand-pictures-") as home:
        server = EmbeddedPostgres(Path(home) / "postgres", clock=SystemClock())
        url = server.start()
        opened.callback(server.stop)
        migrate(url)
        stage = make_stage(Path(home) / "home", url)
        opened.callback(stage.close)
        now = stage.clock.now_us()
        stage.fill(now - 1_800_000_000, now - 900_000_000)
        stage.fill(now - 900_000_000, now, gap=(now - 90_000_000, now - 70_000_000))
        stage.keep_up()
        opened.callback(Feeder(stage).close)
        address = opened.enter_context(dashboard_before(stage))
        browser = opened.enter_context(chromium())
        for language in ("en", "zh"):
            for theme in ("light", "dark"):
                with visitor(browser, address, None, language=language, theme=theme) as (page, _):
                    page.goto(address + "/login")
                    page.screenshot(path=folder / f"login-{language}-{theme}.png")
                with visitor(browser, address, stage.session("admin"), language=language, theme=theme) as (page, _):
                    for name, (path, content) in PAGES.items():
                        page.goto(address + path)
                        page.locator(content).first.wait_for()
                        page.wait_for_timeout(2500)
                        page.screenshot(path=folder / f"{name}-{language}-{theme}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "screenshots")
