"""Sessions that people see and end, accounts that are locked and let in again, accounts without a password."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import expect

from dashboard.pages.people_sessions import browser_words
from plant.clock import SystemClock
from plant.errors import Rejected
from storage import identities, people
from storage.database import connect
from storage.identities import Identity
from storage.people import Role
from tests.dashboard.browser import chromium, visitor
from tests.dashboard.running import PASSWORD, RunningDashboard, quick_passwords

_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(dashboard: RunningDashboard) -> None:
    with dashboard.client() as here, dashboard.client(None, **{"User-Agent": _FIREFOX}) as there, dashboard.client(Role.VIEWER) as other:
        for client in (here, there):
            assert client.post("/login", data={"name": "inspector", "password": PASSWORD}).status_code == 303
        mine = here.get("/api/v1/me/sessions").json()
        assert [s["own"] for s in mine].count(True) == 1
        elsewhere = next(s["id"] for s in mine if s["agent"] == _FIREFOX)
        assert other.delete(f"/api/v1/me/sessions/{elsewhere}").status_code == 409
        assert other.delete(f"/api/v1/sessions/{elsewhere}").status_code == 403
        assert there.get("/api/v1/me").status_code == 200
        assert here.delete(f"/api/v1/me/sessions/{elsewhere}").status_code == 204
        assert there.get("/api/v1/me").status_code == 401, "at once, though sessions are remembered for seconds"
        with dashboard.client(Role.INSPECTOR) as third:
            assert here.delete("/api/v1/me/sessions").json()["ended"] >= 1
            assert third.get("/api/v1/me").status_code == 401
        assert here.get("/api/v1/me").status_code == 200


def test_an_administrator_ends_anybodys_session_and_it_is_written_down(dashboard: RunningDashboard) -> None:
    with dashboard.client(Role.ADMIN) as admin, dashboard.client(Role.APPROVER) as other:
        theirs = next(s["id"] for s in admin.get("/api/v1/sessions").json() if s["account"] == "approver")
        assert admin.delete(f"/api/v1/sessions/{theirs}").status_code == 204
        assert other.get("/api/v1/me").status_code == 401
        assert ("admin", "session.end", "approver") in [(e["actor"], e["act"], e["subject"]) for e in admin.get("/api/v1/audit").json()]


def test_a_locked_account_is_shown_and_let_in_again(dashboard: RunningDashboard) -> None:
    with connect(dashboard.database_url, application="test") as connection:
        for _ in range(people.FREE_FAILURES + 8):
            with contextlib.suppress(Rejected):
                connection.execute("UPDATE account SET locked_until_us = 0 WHERE name = 'engineer'")
                people.check_login(connection, "engineer", "wrong", SystemClock())
    with chromium() as browser, visitor(browser, dashboard.url, dashboard.session(Role.ADMIN)) as (page, _):
        page.goto(f"{dashboard.url}/people")
        row = page.locator("#people-accounts tr", has_text="engineer").first
        expect(row).to_contain_text("too many wrong passwords, locked until")
        row.get_by_role("button", name="Unlock now").click()
        expect(row).to_contain_text("may log in")
        expect(page.locator("#people-sessions")).to_contain_text("this one")
    with dashboard.client() as client:
        assert client.post("/login", data={"name": "engineer", "password": PASSWORD}).status_code == 303


@pytest.mark.parametrize("password", ["abcdefghijkl!", "xx-123456-yyzz", "QWERTYuiop-77", "9876543210ab!"])
def test_a_password_of_neighbours_is_refused(password: str) -> None:
    with pytest.raises(Rejected, match="six neighbours"):
        people.check_password("eve", password)


def test_browsers_are_named_as_people_name_them() -> None:
    assert browser_words(_FIREFOX) == "Firefox, Linux"
    assert browser_words("curl/8.1") == "curl/8.1"
    assert browser_words("") == "–"  # noqa: RUF001 - the dash of empty cells


def test_only_an_account_that_an_administrator_gave_to_the_provider_is_bound_and_once(database_url: str) -> None:
    clock = SystemClock()
    eve = Identity("https://login.example.com", "1", "Eve@example.com", "Eve")
    with quick_passwords(), connect(database_url, application="test") as connection:
        people.ensure_first_admin(connection, clock)
        people.add_account(connection, name="eve", full_name="", role=Role.ENGINEER, password=PASSWORD, clock=clock)
        with pytest.raises(Rejected, match="has a password"):
            identities.account_of(connection, eve, role=None, make=True, clock=clock)
        assert identities.let_in_by_provider(connection, "eve").by_provider
        with pytest.raises(Rejected, match="name or password"):
            people.check_login(connection, "eve", PASSWORD, clock)
        bound = identities.account_of(connection, eve, role=None, make=False, clock=clock)
        assert (bound.name, bound.role, bound.full_name) == ("eve", Role.ENGINEER, "Eve")
        renamed = Identity(eve.issuer, eve.subject, "eve.new", "Eve New")
        assert identities.account_of(connection, renamed, role=None, make=False, clock=clock).name == "eve", "the subject counts"
        with pytest.raises(Rejected, match="somebody else"):
            identities.account_of(connection, Identity(eve.issuer, "2", "eve", ""), role=None, make=True, clock=clock)
        with pytest.raises(Rejected, match="no account of your name"):
            identities.account_of(connection, Identity(eve.issuer, "3", "max", ""), role=None, make=False, clock=clock)
        with pytest.raises(Rejected, match="last admin with a password"):
            identities.let_in_by_provider(connection, "admin")
        people.set_password(connection, "eve", PASSWORD, clock)
        assert people.check_login(connection, "eve", PASSWORD, clock).name == "eve"
        with pytest.raises(Rejected, match="has a password"):
            identities.account_of(connection, eve, role=None, make=True, clock=clock)
