"""Logging in by an OpenID Connect provider: a certified one, and one that lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from dashboard.oidc import Provider
from leadhand import programs
from leadhand.home import Home
from leadhand.settings import parse_settings
from plant.errors import Rejected, SettingsError, Unavailable
from plant.settings_oidc import OidcSettings
from storage import people
from storage.database import connect
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.provider import CLIENT, PEOPLE, SECRET, CertifiedProvider, LyingProvider, certified_provider, lying_provider
from tests.dashboard.running import PASSWORD, RunningDashboard, run_dashboard
from tests.databases import fresh_database
from tests.node_parts import Node
from tests.ports import free_port

_BACK = "http://127.0.0.1:8050/login/oidc/back"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def dashboard(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[RunningDashboard]:
    folder = tmp_path_factory.mktemp("oidc")
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    settings = {
        "issuer": f"http://127.0.0.1:{port}",
        "client_id": CLIENT,
        "client_secret_file": str(secret),
        "name": "Works login",
        "scopes": ["profile", "groups"],
        "roles": {"admin": ["it"], "engineer": ["lines"], "inspector": ["quality"]},
    }
    with (
        fresh_database(postgres_server, migrated_template) as url,
        run_dashboard(folder, url, "--oidc", json.dumps(settings), "--most-sessions", "3", filled=False) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def away(dashboard: RunningDashboard) -> tuple[int, str, int]:
    """What is answered while the provider is not there."""
    with dashboard.client() as client:
        went = client.get("/login/oidc")
        local = client.post("/login", data={"name": "viewer", "password": PASSWORD})
        return went.status_code, went.text, local.status_code


@pytest.fixture(scope="module")
def provider(node: Node, dashboard: RunningDashboard, port: int, away: tuple[int, str, int]) -> Iterator[CertifiedProvider]:  # noqa: ARG001 - asked before it is there
    with certified_provider(node, port, dashboard.url) as running:
        yield running


def _go(browser: httpx.Client, who: str, target: str = "/sources") -> httpx.Response:
    """Log in at the provider as a person would; return Leadhand's answer to who comes back."""
    answer = browser.get("/login/oidc", params={"next": target})
    for _ in range(8):
        place = answer.url.join(answer.headers["location"])
        if place.path == "/login/oidc/back":
            return browser.get(place)
        answer = browser.post(place, data={"who": who}) if place.path.startswith("/interaction/") else browser.get(place)
    raise AssertionError(answer.headers["location"])


def test_while_the_provider_is_away_local_accounts_log_in(away: tuple[int, str, int]) -> None:
    status, page, local = away
    assert (status, local) == (503, 303)
    assert "The login provider is away: log in by name and password" in page
    assert 'name="password"' in page


@pytest.mark.usefixtures("provider")
def test_a_person_comes_in_with_the_role_of_the_groups_and_where_he_wanted(dashboard: RunningDashboard) -> None:
    with dashboard.client() as browser:
        assert "Works login" in browser.get("/login").text
        answer = _go(browser, "eve", "/equipment/acme/north?x=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/equipment/acme/north?x=1")
        assert "HttpOnly" in answer.headers["set-cookie"]
        me = browser.get("/api/v1/me").json()
        assert (me["name"], me["full_name"], me["role"]) == ("eve.miller", PEOPLE["eve"]["name"], "engineer")
        assert "leadhand_login" not in browser.cookies, "what was kept for the login is gone"
    with dashboard.client(Role.ADMIN) as admin:
        assert ("eve.miller", "login.provider") in [(e["actor"], e["act"]) for e in admin.get("/api/v1/audit").json()]
        account = next(a for a in admin.get("/api/v1/accounts").json() if a["name"] == "eve.miller")
        assert account["by_provider"]


def test_other_groups_at_the_provider_are_another_role_here_at_the_next_login(
    dashboard: RunningDashboard, provider: CertifiedProvider
) -> None:
    with dashboard.client() as first, dashboard.client() as second:
        _go(first, "eve")
        provider.ask(eve={**PEOPLE["eve"], "groups": ["quality"]})
        _go(second, "eve")
        assert second.get("/api/v1/me").json()["role"] == "inspector"
        assert first.get("/api/v1/me").status_code == 401, "sessions with the rights of before have ended"
        provider.ask(eve=PEOPLE["eve"])


def test_keys_of_the_provider_may_change_between_two_logins(dashboard: RunningDashboard, provider: CertifiedProvider) -> None:
    for _ in range(2):
        with dashboard.client() as browser:
            assert _go(browser, "eve").status_code == 303
        provider.ask()


@pytest.mark.usefixtures("provider")
def test_who_is_in_no_group_that_may_is_refused_in_words(dashboard: RunningDashboard) -> None:
    with dashboard.client() as browser:
        answer = _go(browser, "max")
        assert answer.status_code == 403
        assert "None of your groups at the provider may use Leadhand" in answer.text
        assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.usefixtures("provider")
def test_a_name_chosen_at_the_provider_does_not_open_a_local_account(dashboard: RunningDashboard) -> None:
    with dashboard.client() as browser:
        answer = _go(browser, "mallory")
        assert answer.status_code == 403
        assert "belongs to somebody else here, or has a password" in answer.text
        assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.usefixtures("provider")
def test_who_is_not_let_in_there_or_has_no_name_reads_why(dashboard: RunningDashboard) -> None:
    with dashboard.client() as browser:
        assert "The provider did not let you in" in _go(browser, "stranger").text
    with dashboard.client() as browser:
        assert "The provider did not tell your name" in _go(browser, "nobody").text


@pytest.mark.usefixtures("provider")
def test_what_comes_back_is_only_taken_from_the_browser_that_went_and_once(dashboard: RunningDashboard) -> None:
    with dashboard.client() as browser, dashboard.client() as other:
        came = _go(browser, "eve").request.url
        for again in (other, browser):
            assert again.get(str(came)).status_code == 403
        assert other.get("/login/oidc/back?state=&code=x").status_code == 403
        assert other.get("/api/v1/me").status_code == 401


@pytest.mark.usefixtures("provider")
def test_a_person_of_the_provider_has_no_password_here(dashboard: RunningDashboard) -> None:
    with dashboard.client() as browser:
        _go(browser, "eve")
        answer = browser.put("/api/v1/me/password", json={"new": "another good password", "old": ""})
        assert answer.status_code == 409
    with dashboard.client() as browser:
        assert browser.post("/login", data={"name": "eve.miller", "password": "!"}).status_code == 403


@pytest.mark.usefixtures("provider")
def test_in_a_browser_one_logs_in_by_the_provider_and_out_of_both(dashboard: RunningDashboard, port: int) -> None:
    with chromium() as browser, visitor(browser, dashboard.url, None) as (page, _):
        page.goto(f"{dashboard.url}/health")
        page.get_by_role("link", name="Log in with Works login").click()
        page.fill("#who", "eve")
        page.click("button")
        expect(page.locator("h1")).to_have_text("System health")
        page.locator("[data-logout]").click()
        page.wait_for_url(f"http://127.0.0.1:{port}/session/end*")
        page.get_by_role("button", name="Yes").click()
        page.wait_for_url(f"{dashboard.url}/login*")
        page.goto(f"{dashboard.url}/login/oidc")
        expect(page.locator("#who")).to_be_visible()


@pytest.fixture
def liar() -> Iterator[LyingProvider]:
    with lying_provider(free_port()) as running:
        yield running


def _settings(liar: LyingProvider, **more: Any) -> OidcSettings:
    return OidcSettings(issuer=liar.issuer, client_id=CLIENT, roles={"engineer": ("lines",)}, timeout_seconds=5, **more)


def _come_back(liar: LyingProvider, **said: str) -> Any:
    provider = Provider(_settings(liar), Path())
    begun = provider.begin(_BACK)
    liar.went(begun.url)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    return provider.finish({"state": state, "code": "c", **said}, begun.secret, _BACK)


def test_the_truth_is_believed(liar: LyingProvider) -> None:
    assert _come_back(liar).role is Role.ENGINEER


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "http://evil.example"},
        {"exp": 1_700_000_000},
        {"iat": None},
        {"sub": None},
        {"sub": "x" * 300},
        {"sub": "a\0b"},
        {"preferred_username": ["eve"]},
        {"preferred_username": None},
        {"groups": None},
        {"groups": {"lines": True, "x": 1}.get("x")},
    ],
    ids=str,
)
def test_an_id_token_that_lies_is_refused(liar: LyingProvider, lie: dict[str, Any]) -> None:
    liar.claims = lie
    with pytest.raises(Rejected):
        _come_back(liar)


@pytest.mark.parametrize("way", ["by_another_key", "by_the_secret", "unsigned"])
def test_an_id_token_that_the_provider_did_not_sign_is_refused(liar: LyingProvider, way: str) -> None:
    liar.sign = getattr(liar, way)
    with pytest.raises(Rejected):
        _come_back(liar)


def test_a_provider_under_another_name_an_answer_of_another_one_and_two_persons_are_refused(liar: LyingProvider) -> None:
    with pytest.raises(Rejected, match="another provider"):
        _come_back(liar, iss="http://evil.example")
    with pytest.raises(Rejected, match="another browser"):
        _come_back(liar, state="x")
    liar.claims, liar.userinfo = {"groups": None}, {"sub": "2", "groups": ["lines"]}
    with pytest.raises(Rejected, match="two persons"):
        _come_back(liar)
    liar.discovery = {"issuer": "http://127.0.0.1:1"}
    with pytest.raises(Rejected, match="calls itself"):
        _come_back(liar)


def test_groups_that_stand_only_at_the_userinfo_address_are_found(liar: LyingProvider) -> None:
    liar.claims, liar.userinfo = {"groups": None}, {"groups": ["lines"]}
    assert _come_back(liar).role is Role.ENGINEER


def test_the_secret_of_the_client_must_be_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = OidcSettings(issuer="https://login.example.com", client_id="x", client_secret_file="secret")
    with pytest.raises(SettingsError, match="cannot be read"):
        Provider(settings, tmp_path)
    (tmp_path / "secret").write_text("s")
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        Provider(settings, tmp_path)
    (tmp_path / "secret").chmod(0o600)
    Provider(settings, tmp_path)


def test_a_provider_that_is_not_there_is_away(tmp_path: Path) -> None:
    settings = OidcSettings(issuer=f"http://127.0.0.1:{free_port()}", client_id="x")
    with pytest.raises(Unavailable):
        Provider(settings, tmp_path).begin(_BACK)
    assert Provider(settings, tmp_path).logout_url("token", _BACK) is None


def test_sessions_beyond_the_limit_end_the_one_not_used_for_longest(dashboard: RunningDashboard) -> None:
    clients = [dashboard.client() for _ in range(4)]
    try:
        for client in clients:
            assert client.post("/login", data={"name": "inspector", "password": PASSWORD}).status_code == 303
        assert [client.get("/api/v1/me").status_code for client in clients] == [401, 200, 200, 200]
    finally:
        for client in clients:
            client.close()
    with connect(dashboard.database_url, application="test") as connection:
        assert people.read_account(connection, "inspector").last_login_us is not None


def test_the_provider_of_the_settings_file_reaches_the_dashboard_whole(tmp_path: Path) -> None:
    text = """
[dashboard]
host = "0.0.0.0"
public_url = "https://leadhand.example.com"
[dashboard.oidc]
issuer = "https://login.example.com/realms/plant"
client_id = "leadhand"
accounts = "known"
others = "viewer"
[dashboard.oidc.roles]
engineer = ["lines"]
admin = ["it"]
"""
    settings = parse_settings(text, "settings.toml").dashboard
    arguments = programs.dashboard(Home(tmp_path), tmp_path / "site.toml", "postgresql://x", settings, 1).arguments
    given = OidcSettings.model_validate_json(arguments[arguments.index("--oidc") + 1])
    assert given == settings.oidc
    assert [given.role_of(frozenset(groups)) for groups in ({"it", "lines"}, {"it"}, {"x"})] == ["engineer", "admin", "viewer"]
    for wrong in (
        text.replace('public_url = "https://leadhand.example.com"', ""),
        text.replace("https://login", "http://login"),
        text.replace("engineer =", "boss ="),
    ):
        with pytest.raises(SettingsError):
            parse_settings(wrong, "settings.toml")
