"""The pages as people meet them, in Chromium, each in both languages and both themes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browser import chromium, until, visitor
from tests.dashboard.stage import HOSTILE, PASSWORD, Feeder, Stage, dashboard_before, make_stage
from tests.databases import fresh_database

pytestmark = pytest.mark.browser
ROBOT = "/equipment/acme/north/welding/line-1/robot-2"
NUTRUNNER = "/equipment/acme/north/assembly/bay-2/nutrunner"
PAGES = {
    "/": ("Plant overview", "工厂总览", "[data-unit] .state.normal"),
    ROBOT: ("Welding robot robot-2", "Welding robot robot-2", "[data-trend][data-drawn] canvas"),
    NUTRUNNER: (HOSTILE, HOSTILE, "[data-trend][data-drawn] .strip span"),
    "/equipment/acme/north/welding": ("welding", "welding", ".cards .card"),
    "/sources": ("Sources", "数据源", "#sources-list .state.critical"),
    "/health": ("System health", "系统健康", "#health-now .sum.right"),
    "/ledger": ("Ledger", "样本台账", "#ledger-shown .minute.normal"),
    "/account": ("Your account", "我的账户", "#password-change"),
    "/people": ("People and tokens", "人员与令牌", "#people-accounts td"),
    "/nowhere": ("No such page", "没有此页面", "#page a"),
}


@dataclass
class Theatre:
    """A stage, the dashboard before it, and a browser."""

    stage: Stage
    address: str
    browser: Browser

    def seat(self, account: str = "admin") -> str:
        """Return a session of an account."""
        return self.stage.session(account)


@pytest.fixture(scope="module")
def theatre(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """The factory with ten minutes of history, a gap in it, and live samples."""
    with fresh_database(postgres_server, migrated_template) as url:
        stage = make_stage(tmp_path_factory.mktemp("pages") / "home", url)
        now = stage.clock.now_us()
        stage.fill(now - 600_000_000, now, gap=(now - 90_000_000, now - 70_000_000))
        stage.keep_up()
        stage.report()
        feeder = Feeder(stage)
        try:
            with dashboard_before(stage) as address, chromium() as browser:
                yield Theatre(stage, address, browser)
        finally:
            feeder.close()
            stage.close()


@pytest.mark.parametrize(
    ("language", "theme"),
    [
        ("en", "light"),
        ("zh", "dark"),
        pytest.param("en", "dark", marks=pytest.mark.heavy),
        pytest.param("zh", "light", marks=pytest.mark.heavy),
    ],
)
def test_each_page_opens_by_its_own_address_in_each_language_and_theme(theatre: Theatre, language: str, theme: str) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat(), language=language, theme=theme) as (page, _):
        for path, (english, chinese, content) in PAGES.items():
            page.goto(theatre.address + path)
            expect(page.locator("h1")).to_have_text(chinese if language == "zh" else english)
            page.locator(content).first.wait_for()
            until(page, "theme => document.documentElement.dataset.mantineColorScheme === theme", theme)
            assert page.evaluate("document.documentElement.lang") == language
            dark = "dark => (getComputedStyle(document.body).backgroundColor === 'rgb(20, 24, 27)') === dark"
            until(page, dark, theme == "dark")
            until(page, "() => document.getElementById('data-age').textContent !== '…'")
            expect(page.locator("html.stream-lost")).to_have_count(0)


def test_nobody_sees_a_page_without_logging_in_and_comes_where_he_wanted_after(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, None, language="zh", theme="dark") as (page, _):
        page.goto(theatre.address + "/health")
        assert "/login" in page.url
        page.fill("#name", "viewer")
        page.fill("#password", PASSWORD)
        page.click("button.main")
        expect(page.locator("h1")).to_have_text("系统健康")


def test_a_one_time_link_logs_in_by_one_button(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, None) as (page, _):
        page.goto(theatre.address + theatre.stage.login_link("viewer"))
        page.click("button.main")
        expect(page.locator("h1")).to_have_text("Plant overview")


def test_values_move_by_themselves_on_overview_and_equipment(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        for path, figure in (("/", "[data-mini] [data-part=figure]"), (ROBOT, "[data-value] [data-part=figure]")):
            page.goto(theatre.address + path)
            _moves(page, figure)


def _moves(page: Page, selector: str) -> None:
    until(page, "s => /\\d/.test(document.querySelector(s)?.textContent || '')", selector)
    before = page.locator(selector).first.text_content()
    until(page, "([s, before]) => document.querySelector(s).textContent !== before", [selector, before], seconds=5)


def test_what_is_abnormal_stands_first_with_shape_and_word(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        page.goto(theatre.address)
        row = page.locator("#exceptions li", has_text="Paint cabin · temperature")
        expect(row.locator(".state.warning")).to_have_text("high")
        expect(row).to_contain_text("°C")
        expect(page.locator(".card.warning", has_text="Paint cabin")).to_contain_text("1 of 1 signals not normal")
        page.locator("#exceptions a", has_text="Paint cabin").click()
        expect(page.locator("h1")).to_have_text("Paint cabin")


def test_names_and_texts_from_machines_are_shown_as_text(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        for path in ("/", NUTRUNNER):
            page.goto(theatre.address + path)
            page.locator("h1, .card .name", has_text=HOSTILE).wait_for()
            assert page.locator("img").count() == 0
        page.get_by_role("button", name="1 h", exact=True).click()
        page.locator(".strip span", has_text="<img").first.wait_for()
        assert page.locator("img").count() == 0
        assert page.title() != "1"


def test_the_live_trend_grows_at_full_rate_and_shows_a_gap_as_a_gap(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        page.goto(theatre.address + ROBOT)
        page.locator("[data-drawn]").wait_for()
        count = "[...document.querySelector('[data-trend]').trend.charts.values()][0].columns.time.length"
        before = page.evaluate(count)
        until(page, f"() => {count} >= {before} + 60")
        page.get_by_role("button", name="1 h", exact=True).click()
        expect(page.locator("[data-trend]")).to_have_attribute("data-resolution", "1 second")
        nulls = page.evaluate(
            "[...document.querySelector('[data-trend]').trend.charts.values()][0].columns.middle.filter(v => v === null).length"
        )
        assert nulls >= 1


def test_zooming_reads_the_shorter_span_again_at_a_finer_resolution_and_double_click_goes_back(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        page.goto(theatre.address + ROBOT)
        page.locator("[data-drawn]").wait_for()
        page.get_by_role("button", name="8 h", exact=True).click()
        trend = page.locator("[data-trend]")
        expect(trend).to_have_attribute("data-resolution", "1 second")
        wide = page.locator(".facts-line").first.text_content()
        _drag(page, 0.98, 0.9965)
        expect(trend).to_have_attribute("data-resolution", "every sample")
        box = page.locator(".u-over").first.bounding_box()
        assert box is not None
        page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + 30)
        expect(trend).to_have_attribute("data-resolution", "1 second")
        expect(page.locator(".facts-line").first).to_have_text(wide or "")
        page.locator("[data-trend]").focus()
        page.keyboard.press("ArrowLeft")
        until(page, "w => document.querySelector('.facts-line').textContent !== w", wide)


def _drag(page: Page, start: float, end: float) -> None:
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * start, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, box["y"] + 44, steps=4)
    page.mouse.up()


def test_a_span_may_be_given_in_plant_time(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        page.goto(theatre.address + ROBOT)
        page.locator("[data-drawn]").wait_for()
        page.get_by_role("button", name="From … to …").click()
        page.get_by_label("From", exact=True).fill("2026-11-01T08:00:00")
        page.get_by_label("To", exact=True).fill("2026-11-01T09:30:00")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.locator(".facts-line").first).to_contain_text("2026-11-01 08:00:00 \N{EN DASH} 2026-11-01 09:30:00")
        assert page.evaluate("document.querySelector('[data-trend]').trend.fromMs") == 1_793_491_200_000  # 00:00 UTC


def test_health_shows_that_the_ledger_adds_up_and_why_there_was_a_gap(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer"), height=1800) as (page, _):
        page.goto(theatre.address + "/health")
        gaps = page.get_by_role("table", name="Gaps of the last hour")
        expect(gaps).to_contain_text("disconnected")
        expect(gaps).to_contain_text("connection refused")
        row = page.get_by_role("table", name="Sources").locator("tr", has_text="welding-plc")
        for figure in ("30.0 ms", "0.41 ms", "2.30 ms"):
            expect(row).to_contain_text(figure)
        before = page.locator("#health-now").text_content()
        until(page, "b => document.getElementById('health-now').textContent !== b", before, seconds=8)
        assert page.get_by_role("table", name="Ledger by minute").locator("tbody tr").count() >= 8


def test_who_is_no_engineer_is_told_why_he_cannot_add_a_source(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        page.goto(theatre.address + "/sources")
        expect(page.locator(".notice")).to_contain_text("needs the role engineer; you have the role viewer")
        assert page.locator("#add-discover").count() == 0
        page.goto(theatre.address + "/people")
        expect(page.locator(".notice")).to_contain_text("needs the role admin")


def test_a_wrong_address_of_a_server_is_explained_before_anything_connects(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("engineer")) as (page, _):
        page.goto(theatre.address + "/sources")
        page.get_by_label("Address of the server").fill("http://wrong")
        page.locator("#add-discover").click()
        expect(page.locator("#add-found .notice.wrong")).to_have_text("url: write opc.tcp://host:port")


def test_language_and_theme_are_changed_by_one_click_and_stay(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        page.goto(theatre.address + "/health")
        page.get_by_role("button", name="中文").click()
        expect(page.locator("h1")).to_have_text("系统健康")
        page.get_by_role("button", name="深色主题").click()
        until(page, "() => document.documentElement.dataset.mantineColorScheme === 'dark'")
        page.goto(theatre.address)
        expect(page.locator("h1")).to_have_text("工厂总览")


def test_pages_change_without_loading_all_anew_and_leave_no_second_stream(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer")) as (page, _):
        begun: list[str] = []
        ended: list[str] = []
        page.on("request", lambda request: begun.append(request.url) if "/live" in request.url else None)
        page.on("requestfailed", lambda request: ended.append(request.url) if "/live" in request.url else None)
        page.goto(theatre.address)
        page.evaluate("window.stayed = true")
        page.locator(".nav summary", has_text="Records and system").click()
        for link, title in ((".nav a >> text=System health", "System health"), (".nav a >> text=Plant overview", "Plant overview")):
            page.locator(link).click()
            expect(page.locator("h1")).to_have_text(title)
        page.locator(".card a", has_text="Paint cabin").click()
        expect(page.locator("h1")).to_have_text("Paint cabin")
        page.locator("[data-trend][data-drawn]").wait_for()
        assert page.evaluate("window.stayed")
        until(page, "() => leadhand.latest.size > 0")
        end = time.monotonic() + 60
        while len(begun) - len(ended) != 1 and time.monotonic() < end:
            page.wait_for_timeout(50)
        assert len(begun) - len(ended) == 1


@pytest.mark.parametrize("width", [1024, 1280])
def test_in_a_narrow_window_all_stands_within_its_card_and_the_top_keeps_its_tools_in_one_row(theatre: Theatre, width: int) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("viewer"), width=width) as (page, _):
        page.goto(theatre.address)
        page.locator("[data-mini]").first.wait_for()
        until(page, "() => ![...document.querySelectorAll('.card')].some(e => e.scrollWidth > e.clientWidth)")
        tops = "new Set([...document.querySelectorAll('.top .tool')].map(e => Math.round(e.getBoundingClientRect().top)))"
        until(page, f"() => {tops}.size === 1")


def test_one_changes_ones_own_password(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat("approver")) as (page, _):
        page.goto(theatre.address + "/account")
        for label, value in (
            ("Password now", "wrong"),
            ("New password", "another long one 9"),
            ("New password again", "another long one 9"),
        ):
            page.get_by_label(label, exact=True).fill(value)
        page.locator("#password-change").click()
        expect(page.locator("#password-result .notice.wrong")).to_contain_text("Name or password is wrong")
        page.get_by_label("Password now").fill(PASSWORD)
        page.locator("#password-change").click()
        expect(page.locator("#password-result .notice")).to_contain_text("Your password is changed")


def test_what_is_clicked_is_large_enough_for_a_glove(theatre: Theatre) -> None:
    with visitor(theatre.browser, theatre.address, theatre.seat()) as (page, _):
        for path in ("/", ROBOT, "/sources", "/people"):
            page.goto(theatre.address + path)
            page.locator(PAGES[path][2]).first.wait_for()
            small = page.evaluate(
                "[...document.querySelectorAll('button.tool, .nav a, .card > a, .mantine-Button-root')]"
                ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 43.5).map(e => e.textContent)"
            )
            assert small == []
