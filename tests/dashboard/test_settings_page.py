"""Settings: what is in force, changed by form or as text, checked, shown, saved whole, restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from dashboard.settings_text import difference, holds_secret, places, with_limits, with_shift, without_secrets
from plant.errors import SettingsError
from plant.site import load_site
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import RunningDashboard

_SITE = """# ours
[site]
enterprise = "acme"
id = "north"

[[signals]]
name = "current"  # of the arc
limits = { low = 50, high = 200 }   # as the book says

[[signals]]
name = "voltage"

[[calendars]]
name = "three"
shifts = [
  { name = "early", from = "06:00", to = "14:00", breaks = [{ from = "09:00", to = "09:15" }] },  # 8 h
  { name = 'night', days = ["mon"], from = "22:00", to = "06:00" },
]
"""


def test_limits_change_in_place_and_comments_stay() -> None:
    changed = with_limits(_SITE, 1, {"low": 60, "high": 210.5})
    assert "limits = { low = 60, high = 210.5 }  # as the book says" in changed
    assert [line.text for line in difference(_SITE, changed) if line.kind in {"in", "out"}] == [
        "limits = { low = 50, high = 200 }   # as the book says",
        "limits = { low = 60, high = 210.5 }  # as the book says",
    ]
    assert "limits" not in with_limits(_SITE, 1, {})
    assert 'name = "voltage"\nlimits = { high = 30 }\n\n[[calendars]]' in with_limits(_SITE, 2, {"high": 30})


def test_a_shift_changes_in_place_and_its_breaks_stay() -> None:
    changed = with_shift(_SITE, 1, "early", begin="05:30", end="13:30", days=("mon", "sat"))
    assert (
        '{ days = ["mon", "sat"], name = "early", from = "05:30", to = "13:30", breaks = [{ from = "09:00", to = "09:15" }] },  # 8 h'
        in changed
    )
    assert 'days = ["mon", "tue"], from = "21:00", to = "05:00"' in with_shift(
        _SITE, 1, "night", begin="21:00", end="05:00", days=("mon", "tue")
    )


@pytest.mark.parametrize(
    "hard",
    [
        '[[signals]]\nname = "a"\n[signals.limits]\nlow = 1\n',
        '[[signals]]\nname = """\n[[signals]]\nlimits = { low = 1 }\n"""\n',
        'signals = [{ name = "a", limits = { low = 1 } }]\n',
    ],
)
def test_what_the_form_cannot_change_exactly_is_left_to_the_text(hard: str) -> None:
    with pytest.raises(SettingsError):
        with_limits(hard, 1, {"low": 2})


def test_passwords_are_not_shown_and_files_with_them_are_known() -> None:
    text = 'url = "mqtts://eve:s3cret@host:1"\n  password = "s3cret"\npassword_file = "secrets/x"\napi_token = \'s3cret\'\n'
    shown = without_secrets(text)
    assert "s3cret" not in shown
    assert 'password_file = "secrets/x"' in shown
    assert "eve" in shown
    assert holds_secret(text)
    assert not holds_secret(_SITE)


def test_each_piece_is_known_by_its_line() -> None:
    assert places(_SITE) == {"site": [2], "signals": [6, 10], "calendars": [13]}
    assert places('include = ["a"]\n[site]\nx = 1\n') == {"include": [1], "site": [2]}


def _file(client: httpx.Client, file: str = "site.toml") -> dict[str, Any]:
    view: dict[str, Any] = client.get("/api/v1/settings/file", params={"file": file}).json()
    return view


def _put(client: httpx.Client, content: str, digest: str, note: str = "") -> httpx.Response:
    return client.put("/api/v1/settings/file", json={"file": "site.toml", "content": content, "digest": digest, "note": note})


def test_what_is_in_force_is_told_by_file_and_line(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ENGINEER) as client:
        parts = client.get("/api/v1/settings/parts").json()
        signals = [part for part in parts if part["kind"] == "signals"]
        lines = dashboard.site_file.read_text().splitlines()
        assert [lines[part["line"] - 1] for part in signals] == ["[[signals]]"] * 3
        assert [part["gives"] for part in signals] == [8, 4, 1]
        assert "high_high = 250.0" in signals[0]["facts"] or "high_high = 250" in signals[0]["facts"]


def test_a_file_is_saved_whole_with_who_and_why_and_restored(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ENGINEER) as client:
        client.get("/api/v1/settings/files")
        before = _file(client)
        asked = {"file": "site.toml", "rule": 1, "low_low": 20, "low": 60, "high": 210.5, "high_high": 250}
        checked = client.post("/api/v1/settings/limits", json=asked).json()
        assert checked["problems"] == []
        assert dashboard.site_file.read_text() == before["content"], "nothing is written by looking"
        saved = _put(client, checked["content"], before["digest"], "wire of another batch")
        assert saved.status_code == 200
        assert load_site(dashboard.site_file).signals[0].limits.high == 210.5
        assert (dashboard.site_file.stat().st_mode & 0o777) == 0o644 or dashboard.site_file.stat().st_mode & 0o600
        versions = client.get("/api/v1/settings/versions", params={"file": "site.toml"}).json()
        assert [(v["actor"], v["kind"], v["note"]) for v in versions[:2]] == [
            ("engineer", "saved", "wire of another batch"),
            ("", "found", ""),
        ]
        again = client.post(f"/api/v1/settings/versions/{versions[1]['id']}/restore", json={"digest": _file(client)["digest"]})
        assert again.status_code == 200
        assert dashboard.site_file.read_text() == before["content"]
    with dashboard.client(Role.ADMIN) as admin:
        entry = next(e for e in admin.get("/api/v1/audit").json() if e["act"] == "settings.saved")
        assert "high = 210.5" in str(entry["next"])


def test_what_is_wrong_or_changed_meanwhile_is_not_saved(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ENGINEER) as client:
        now = _file(client)
        wrong = _put(client, now["content"].replace("high = 200", "high = 10"), now["digest"])
        assert wrong.status_code == 422
        assert wrong.json()["problems"] == ["site.toml: signals[1].limits: limits must rise: low_low < low < high < high_high"]
        assert _put(client, now["content"] + "x = ", now["digest"]).status_code == 422
        assert _put(client, now["content"] + "# mine\n", "0" * 64).status_code == 409
        assert _put(client, now["content"], now["digest"]).status_code == 409
        assert dashboard.site_file.read_text() == now["content"]
        checked = client.post(
            "/api/v1/settings/check", json={"file": "site.toml", "content": now["content"].replace("robot-{1..4}", "robot-{1..5}")}
        ).json()
        assert "+ acme/north/welding/cell-1/robot-5" in checked["effects"]


def test_settings_that_are_wrong_on_disk_can_be_mended_as_text(dashboard: RunningDashboard) -> None:
    content = dashboard.site_file.read_text()
    dashboard.site_file.write_text(content.replace("high = 200", "high = 10"))
    try:
        with dashboard.client(Role.ENGINEER) as client:
            assert client.get("/api/v1/settings/parts").status_code == 422
            assert client.get("/api/v1/settings/limits").status_code == 422
            assert _put(client, content, _file(client)["digest"]).status_code == 200
    finally:
        dashboard.site_file.write_text(content)


@pytest.mark.parametrize("file", ["../secrets/x", "/etc/passwd", "site.toml/../../x", "secrets", "", "a\0b", "sources.d"])
def test_no_other_file_is_shown_or_written(dashboard: RunningDashboard, file: str) -> None:
    with dashboard.client(Role.ENGINEER) as client:
        assert client.get("/api/v1/settings/file", params={"file": file}).status_code in {409, 422}
        answer = client.put("/api/v1/settings/file", json={"file": file, "content": "", "digest": ""})
        assert answer.status_code in {409, 422}


def test_a_file_with_a_password_is_shown_without_and_not_changed_here(dashboard: RunningDashboard) -> None:
    content = dashboard.site_file.read_text()
    dashboard.site_file.write_text(content.replace("mqtt://127.0.0.1:1883", "mqtt://eve:s3cret@127.0.0.1:1883"))
    try:
        with dashboard.client(Role.ENGINEER) as client:
            told = client.get("/api/v1/settings/files").text + client.get("/api/v1/settings/file?file=site.toml").text
            told += client.get("/api/v1/settings/parts").text + client.get("/api/v1/settings/versions").text
            assert "s3cret" not in told
            now = _file(client)
            assert now["holds_secret"]
            assert _put(client, content, now["digest"]).status_code == 409
    finally:
        dashboard.site_file.write_text(content)


def test_an_engineer_changes_limits_by_the_form_in_a_browser(dashboard: RunningDashboard, tmp_path: Path) -> None:
    before = dashboard.site_file.read_text()
    with chromium() as browser, visitor(browser, dashboard.url, dashboard.session(Role.ENGINEER)) as (page, _):
        page.goto(f"{dashboard.url}/settings")
        expect(page.locator("h1")).to_have_text("Settings")
        page.locator("#limits-rule").click()
        page.get_by_role("option", name="welding/cell-1/* · {current,voltage} (A): 8 signals").click()
        expect(page.locator("#limits-high")).to_have_value("200")
        page.locator("#limits-high").fill("220")
        page.locator("#limits-show").click()
        expect(page.locator("#settings-result .line.in")).to_contain_text("high = 220")
        page.locator("#settings-note").fill("agreed with welding")
        page.locator("#settings-save").click()
        expect(page.locator("#settings-result")).to_contain_text("is saved as version")
        expect(page.locator("#settings-history tbody tr").first).to_contain_text("agreed with welding")
        assert load_site(dashboard.site_file).signals[0].limits.high == 220
        page.locator("#settings-history tbody tr", has_text="site.toml").nth(1).get_by_role("button", name="Restore").click()
        expect(page.locator("#settings-history tbody tr").first).to_contain_text("restored here")
        page.screenshot(path=tmp_path / "settings.png", full_page=True)
    assert dashboard.site_file.read_text() == before
