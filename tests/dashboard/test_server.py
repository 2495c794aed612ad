"""The process: how it starts, what it refuses, how it ends; logging in and out."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dashboard.gate import SESSION_COOKIE
from plant.clock import SystemClock
from storage import people
from storage.database import connect
from storage.people import Role
from tests.dashboard.running import PASSWORD, REPOSITORY, SITE, RunningDashboard, start_process


def _home(folder: Path) -> tuple[Path, Path]:
    home = folder / "home"
    (home / "sources.d").mkdir(parents=True)
    (home / "sources.d" / "_about.toml").write_text("")
    site_file = home / "site.toml"
    site_file.write_text(SITE)
    return home, site_file


def _run(home: Path, site_file: Path, url: str | None, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "LEADHAND_DATABASE_URL"}
    if url is not None:
        environment["LEADHAND_DATABASE_URL"] = url
    command = [sys.executable, "-m", "dashboard", "--home", str(home), "--site", str(site_file), "--port", "0", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment, timeout=60, check=False)


def _log_in(client: httpx.Client, name: str, password: str, **more: str) -> httpx.Response:
    return client.post("/login", data={"name": name, "password": password, **more})


def test_it_starts_without_a_database_and_says_so(tmp_path: Path) -> None:
    home, site_file = _home(tmp_path)
    with start_process(home, site_file, "postgresql://nobody@127.0.0.1:1/nothing", tmp_path / "log") as (_, ready):  # noqa: SIM117
        with httpx.Client(base_url=f"http://127.0.0.1:{ready['port']}", headers={"Origin": f"http://127.0.0.1:{ready['port']}"}) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
            assert client.get("/login").status_code == 200
            assert client.get("/").status_code == 303
            answer = _log_in(client, "admin", PASSWORD)
            assert answer.status_code == 503
            assert "database is away" in answer.text
            assert client.get("/api/v1/site", headers={"Cookie": f"{SESSION_COOKIE}=x"}).status_code == 503


def test_sigterm_ends_it_cleanly_with_a_stream_open(database_url: str, tmp_path: Path) -> None:
    home, site_file = _home(tmp_path)
    with connect(database_url, application="test") as connection:
        people.ensure_first_admin(connection, SystemClock())
        secret = people.open_session(connection, people.read_account(connection, "admin"), "", SystemClock())
    with start_process(home, site_file, database_url, tmp_path / "log") as (process, ready):
        url = f"http://127.0.0.1:{ready['port']}"
        with httpx.stream("GET", f"{url}/live", headers={"Cookie": f"{SESSION_COOKIE}={secret}"}, timeout=60) as stream:
            assert stream.status_code == 200
            lines = stream.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            for _ in lines:
                pass
        log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    for line in filter(None, log.splitlines()):
        assert json.loads(line)["event"]


def test_wrong_settings_end_it_with_words(tmp_path: Path, database_url: str) -> None:
    home, site_file = _home(tmp_path)
    no_url = _run(home, site_file, None)
    assert (no_url.returncode, "LEADHAND_DATABASE_URL" in no_url.stderr) == (2, True)
    site_file.write_text("[site]\nenterprise = 'a'\n")
    wrong_site = _run(home, site_file, database_url)
    assert (wrong_site.returncode, "site.id: is missing" in wrong_site.stderr) == (2, True)
    site_file.write_text(SITE)
    taken = _run(home, site_file, database_url, "--host", "203.0.113.7", "--allow-first-password")
    assert (taken.returncode, "cannot be listened on" in taken.stderr) == (2, True)


@pytest.mark.heavy
def test_beyond_loopback_it_wants_the_first_password_changed(tmp_path: Path, database_url: str) -> None:
    home, site_file = _home(tmp_path)
    nobody = _run(home, site_file, database_url, "--host", "0.0.0.0")  # noqa: S104
    assert nobody.returncode == 2, "there is no account yet: the first password is still to be made"
    with connect(database_url, application="test") as connection:
        people.ensure_first_admin(connection, SystemClock())
    refused = _run(home, site_file, database_url, "--host", "0.0.0.0")  # noqa: S104
    assert (refused.returncode, "first start was never changed" in refused.stderr) == (2, True)
    with start_process(home, site_file, database_url, tmp_path / "log", "--host", "0.0.0.0", "--allow-first-password"):  # noqa: S104
        pass
    with connect(database_url, application="test") as connection:
        people.set_password(connection, "admin", PASSWORD, SystemClock())
    with start_process(home, site_file, database_url, tmp_path / "log", "--host", "0.0.0.0") as (_, ready):  # noqa: S104
        assert httpx.get(f"http://127.0.0.1:{ready['port']}/healthz").status_code == 200


def test_a_deep_link_asked_first_gets_all_scripts(database_url: str, tmp_path: Path) -> None:
    home, site_file = _home(tmp_path)
    with connect(database_url, application="test") as connection:
        people.ensure_first_admin(connection, SystemClock())
        secret = people.open_session(connection, people.read_account(connection, "admin"), "", SystemClock())
    with start_process(home, site_file, database_url, tmp_path / "log") as (_, ready):  # noqa: SIM117
        with httpx.Client(base_url=f"http://127.0.0.1:{ready['port']}", cookies={SESSION_COOKIE: secret}) as client:
            deep = re.findall(r'src="([^"?]+)', client.get("/sources").text)
            first = re.findall(r'src="([^"?]+)', client.get("/").text)
            again = re.findall(r'src="([^"?]+)', client.get("/sources").text)
            page = client.get("/sources").text
            assert re.findall(r'src="[^"]*/assets/([^"?]+\.js)', page) == ["05_early.js"], "all others come bundled, none twice"
            assert re.findall(r'href="[^"]*/assets/([^"?]+\.css)', page) == []
            bundles = re.findall(r'"(/bundle/[^"]+)"', page)
            assert sorted(name.rpartition(".")[2] for name in bundles) == ["css", "js"]
            assert all("immutable" in client.get(name).headers["cache-control"] for name in bundles)
            assert client.get("/bundle/pages-0.js").status_code == 404
            assert deep == again
            assert set(first) <= set(deep)
            assert [s for s in deep if client.get(s).status_code != 200] == []


def test_name_and_password_open_a_session_that_logging_out_ends(dashboard: RunningDashboard) -> None:
    with dashboard.client() as client:
        wrong = _log_in(client, "engineer", "wrong password")
        assert wrong.status_code == 403
        assert "ame or password is wrong" in wrong.text
        assert "set-cookie" not in wrong.headers
        answer = _log_in(client, " Engineer ", PASSWORD, next="/sources")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sources")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert client.get("/api/v1/me").json()["role"] == "engineer"
        kept = client.cookies[SESSION_COOKIE]
        assert client.post("/logout").status_code == 204
        client.cookies.set(SESSION_COOKIE, kept)
        assert client.get("/api/v1/me").status_code == 401
    with dashboard.client(Role.ADMIN) as admin:
        acts = [(e["actor"], e["act"]) for e in admin.get("/api/v1/audit", params={"most": 50}).json()]
    assert {("engineer", "login"), ("engineer", "logout"), ("engineer", "login.refused")} <= set(acts)


def test_a_login_link_works_by_its_button_once(dashboard: RunningDashboard) -> None:
    link = dashboard.login_link(Role.APPROVER)
    secret = link.rpartition("=")[2]
    with dashboard.client() as client:
        for _ in range(2):  # looking at it, as previews do, does not use it up
            assert secret in client.get(link).text
        assert client.post("/login", data={"link": secret}).status_code == 303
        assert client.get("/api/v1/me").json()["name"] == "approver"
    with dashboard.client() as other:
        assert other.post("/login", data={"link": secret}).status_code == 403


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/login", "\t//x", ""]
)
def test_logging_in_never_leads_to_another_server(dashboard: RunningDashboard, target: str) -> None:
    secret = dashboard.login_link(Role.VIEWER).rpartition("=")[2]
    with dashboard.client() as client:
        assert client.post("/login", data={"link": secret, "next": target}).headers["location"] == "/"


def test_the_login_page_says_nothing_that_was_sent_as_markup(dashboard: RunningDashboard) -> None:
    with dashboard.client() as client:
        page = client.get("/login", params={"link": '"><script>x</script>', "next": '/"><script>y</script>'}).text
        assert "<script" not in page
        assert client.get("/login", params={"language": "zh"}).status_code == 303
        assert client.cookies["leadhand_language"] == "zh"
        assert 'lang="zh"' in client.get("/login").text


def test_a_foreign_page_cannot_log_anybody_in(dashboard: RunningDashboard) -> None:
    with dashboard.client() as client:
        answer = client.post("/login", data={"name": "viewer", "password": PASSWORD}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        assert client.post("/login", json={"name": "viewer"}).status_code == 415


def test_changed_rights_hold_at_once(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.INSPECTOR) as inspector, dashboard.client(Role.ADMIN) as admin:
        assert inspector.get("/api/v1/me").status_code == 200
        change = {"full_name": "In Spector", "role": "inspector"}
        assert admin.put("/api/v1/accounts/inspector", json=change).status_code == 200
        assert inspector.get("/api/v1/me").status_code == 401


def test_a_session_ends_when_it_is_not_used(database_url: str, tmp_path: Path) -> None:
    home, site_file = _home(tmp_path)
    clock = SystemClock()
    with connect(database_url, application="test") as connection:
        people.ensure_first_admin(connection, clock)
        account = people.read_account(connection, "admin")
        secret, old = (people.open_session(connection, account, "", clock) for _ in range(2))
        connection.execute("UPDATE login_session SET seen_us = seen_us - 3 * 60000000 WHERE secret_hash = sha256(%s)", (old.encode(),))
    with start_process(home, site_file, database_url, tmp_path / "log", "--idle-minutes", "2") as (_, ready):
        url = f"http://127.0.0.1:{ready['port']}/api/v1/me"
        assert httpx.get(url, cookies={SESSION_COOKIE: secret}).status_code == 200
        assert httpx.get(url, cookies={SESSION_COOKIE: old}).status_code == 401


def test_behind_https_the_cookie_goes_over_https_only(database_url: str, tmp_path: Path) -> None:
    home, site_file = _home(tmp_path)
    clock = SystemClock()
    with connect(database_url, application="test") as connection:
        people.ensure_first_admin(connection, clock)
        link = people.issue_login_link(connection, "admin", 60, clock)
    with start_process(home, site_file, database_url, tmp_path / "log", "--public-url", "https://plant.example") as (_, ready):
        headers = {"Host": "plant.example", "Origin": "https://plant.example"}
        answer = httpx.post(f"http://127.0.0.1:{ready['port']}/login", data={"link": link}, headers=headers)
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert "max-age" in answer.headers["strict-transport-security"]


def test_one_address_may_not_try_many_passwords(dashboard: RunningDashboard) -> None:
    """Last in this file: after it this address has to wait."""
    with dashboard.client() as client:
        answers = [_log_in(client, f"nobody{n}", "guess").status_code for n in range(12)]
    assert answers[0] in {403, 429}
    assert answers[-1] == 429
