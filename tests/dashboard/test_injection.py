"""Hostile texts through every string that reaches a page, a file or the database: shown literally, or refused in words."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.navigation import ENTRIES
from storage.database import connect
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.hostile import ALL_AT_ONCE, CORPUS, reads, writes
from tests.dashboard.running import SITE, RunningDashboard, run_dashboard
from tests.databases import fresh_database

_SHOWN = CORPUS["html"]
_MENDED: dict[str, Callable[[str, Any], Any]] = {
    "/api/v1/accounts": lambda _text, made: made | {"name": "hostile", "role": "viewer", "password": "a good long passw0rd"},
    "/api/v1/tokens": lambda text, _made: {"name": text[:200], "scopes": ["read"]},
    "/api/v1/orders": lambda text, _made: [
        {"number": f"SO {text}"[:60], "product": text[:60], "quantity": 1, "due": "2026-12-24T12:00:00Z", "customer": text[:100]}
    ],
}
"""Bodies that must hold something else than any text, to be taken at all."""
_STREAMS = ("/live",)
_CONTROLLERS = "/api/v1/controllers/"
_TAKES_LONG = {"/api/v1/sources/discover"}


@pytest.fixture(scope="module")
def dashboard(postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """A factory whose equipment, signals, people, orders and machines all speak hostile texts."""
    site = SITE.replace('name = "Robot {unit}"', f"name = '''{_SHOWN} {{unit}}'''")
    site = site.replace('description = "measured at the torch"', f"description = '''{_SHOWN}'''").replace("Acme North", "<b>Acme</b>")
    with (
        fresh_database(postgres_server, migrated_template) as url,
        run_dashboard(tmp_path_factory.mktemp("injection"), url, site_text=site) as running,
    ):
        now = running.clock.now_us()
        for n, text in enumerate(text for name, text in CORPUS.items() if name != "null"):
            running.store(f"acme/north/welding/cell-1/robot-{1 + n % 4}/program", [now + n * 1000], [float("nan")], text=[text])
        with running.client(Role.ADMIN) as client:
            running.accepted = _write_everywhere(client, _SHOWN)  # type: ignore[attr-defined]
        running.wait_until_read()
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def _write_everywhere(client: httpx.Client, text: str) -> dict[str, int]:
    """Send a text in each field of each route that takes it; return the answers by route."""
    answers: dict[str, int] = {}
    for method, pattern, made in writes(client.get("/api/v1/openapi.json").json(), text):
        if pattern in _TAKES_LONG or pattern == "/api/v1/me/password" or pattern.startswith(_CONTROLLERS):
            continue
        body = _MENDED[pattern](text, made) if pattern in _MENDED else made
        path = re.sub(r"\{\w+\}", quote(text[:60], safe=""), pattern)
        answers[f"{method} {pattern}"] = client.request(method, path, json=body).status_code
    return answers


def _bad(answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type", "application/json")
    return answer.status_code >= 500 or "hit" in answer.cookies or kind.startswith("text/html")


def _read_everywhere(client: httpx.Client, texts: list[str]) -> list[str]:
    wrong = []
    for pattern, names in reads(client.get("/api/v1/openapi.json").json()):
        if pattern.startswith(_CONTROLLERS) or pattern.endswith(_STREAMS):
            continue
        for text in texts:
            path = re.sub(r"\{\w+\}", quote(text[:500], safe=""), pattern)
            for asked in [{name: text} for name in names] or [{}]:
                answer = client.get(path, params=asked)
                if _bad(answer):
                    wrong.append(f"{pattern} {[*asked]} {text[:20]!r}: {answer.status_code} {answer.text[:100]}")
    return wrong


def test_every_route_takes_hostile_bodies_or_refuses_them_in_words(dashboard: RunningDashboard) -> None:
    answers: dict[str, int] = dashboard.accepted  # type: ignore[attr-defined]
    assert {route: status for route, status in answers.items() if status >= 500} == {}
    taken = {route for route, status in answers.items() if status < 300}
    assert {"POST /api/v1/accounts", "POST /api/v1/tokens"} <= taken
    assert len(answers) > 50


def test_every_route_takes_hostile_questions_or_refuses_them_in_words(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ADMIN) as client:
        assert _read_everywhere(client, [ALL_AT_ONCE]) == []
        assert len(client.get("/api/v1/accounts").json()) >= 6, "nobody dropped a table"


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_route_takes_each_hostile_text_or_refuses_it_in_words(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ADMIN) as client:
        assert _read_everywhere(client, list(CORPUS.values())) == []
        for text in CORPUS.values():
            wrong = {route: status for route, status in _write_everywhere(client, text).items() if status >= 500}
            assert wrong == {}, text[:40]


def _look(page: Page, address: str) -> str:
    page.goto(address)
    page.locator("h1, [data-drawn]").first.wait_for()
    page.wait_for_load_state("networkidle") if not address.endswith("/andon") else page.wait_for_timeout(500)
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x], svg[onload], main script").count() == 0
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href') || '')")
    assert not any(link.strip().lower().startswith("javascript:") for link in links)
    text = page.locator("body").text_content() or ""
    assert "Callback error" not in text
    return text


@pytest.mark.browser
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/", _SHOWN),
        ("/people", _SHOWN),
        pytest.param("/settings", _SHOWN, marks=pytest.mark.heavy),
        pytest.param("/equipment/acme/north/welding/cell-1/robot-1", _SHOWN, marks=pytest.mark.heavy),
        pytest.param(f"/equipment/{quote(_SHOWN, safe='')}", "", marks=pytest.mark.heavy),
        (f"/{quote(CORPUS['script'].replace('/', ''), safe='')}?next={quote(_SHOWN, safe='')}", ""),
    ],
    ids=["overview", "people", "settings", "equipment", "no equipment", "no page"],
)
def test_hostile_texts_are_shown_literally(dashboard: RunningDashboard, browser: Browser, address: str, shown: str) -> None:
    with visitor(browser, dashboard.url, dashboard.session(Role.ADMIN)) as (page, _):
        assert shown in _look(page, dashboard.url + address)


@pytest.mark.heavy
@pytest.mark.browser
@pytest.mark.timeout(1200)
def test_hostile_texts_take_over_no_page(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, dashboard.session(Role.ADMIN), language="zh") as (page, _):
        for address in (*ENTRIES, "/account"):
            _look(page, dashboard.url + address)


def test_an_account_named_hostilely_and_the_wrong_words_on_the_login_page_are_text(dashboard: RunningDashboard, browser: Browser) -> None:
    with visitor(browser, dashboard.url, None) as (page, _):
        page.goto(f"{dashboard.url}/login?next={quote(_SHOWN, safe='')}&link={quote(_SHOWN, safe='')}")
        assert page.evaluate("window.hit") is None
        expect(page.locator("img")).to_have_count(0)


def _lists(whole: dict[str, Any]) -> list[str]:
    found = []
    for path, methods in whole["paths"].items():
        names = {one["name"] for one in methods.get("get", {}).get("parameters", [])}
        needed = [one["name"] for one in methods.get("get", {}).get("parameters", []) if one.get("required")]
        if "format" in names and not needed:
            found.append(path)
    return found


def test_no_cell_of_a_file_is_a_formula(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ADMIN) as client:
        client.post("/api/v1/tokens", json={"name": CORPUS["formula"], "scopes": ["read"]})
        client.post("/api/v1/tokens", json={"name": CORPUS["plus"], "scopes": ["read"]})
        paths = _lists(client.get("/api/v1/openapi.json").json())
        assert "/api/v1/tokens" in paths
        seen = ""
        for path in paths:
            table = client.get(path, params={"format": "csv"})
            book = client.get(path, params={"format": "xlsx"})
            assert max(table.status_code, book.status_code) < 500, path
            if table.status_code == 200:
                assert not re.search(r'(?m)(?:^|,)"?[=+@\t](?!\d)', table.text.removeprefix("\ufeff")), path
                seen += table.text
            if book.status_code == 200:
                sheets = zipfile.ZipFile(io.BytesIO(book.content))
                assert not any(b"<f>" in sheets.read(name) for name in sheets.namelist() if "sheet" in name), path
        assert "HYPERLINK" in seen


def test_the_database_holds_what_was_sent(dashboard: RunningDashboard) -> None:
    with connect(dashboard.database_url, application="test") as connection:
        row = connection.execute("SELECT full_name FROM account WHERE name = 'hostile'").fetchone()
    assert row == (_SHOWN,)
