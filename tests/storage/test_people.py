"""Accounts, roles, tokens, sessions and login links on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from plant.errors import Rejected, Unavailable
from storage import audit, people
from storage.database import Connection, connect
from storage.people import Role, Scope, SessionRules

PASSWORD = "correct horse battery"


@dataclass
class HandClock:
    """A clock that moves when told."""

    us: int = field(default=1_750_000_000_000_000)

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / 1e6

    def sleep(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test people") as opened:
        yield opened


def _add(connection: Connection, clock: HandClock, name: str = "eve", role: Role = Role.VIEWER) -> people.Account:
    return people.add_account(connection, name=name, full_name=name.title(), role=role, password=PASSWORD, clock=clock)


def test_the_first_start_makes_one_admin_with_a_random_password(connection: Connection, clock: HandClock) -> None:
    first = people.ensure_first_admin(connection, clock)
    assert first is not None
    assert people.check_login(connection, first.name, first.password, clock).role is Role.ADMIN
    assert people.ensure_first_admin(connection, clock) is None
    assert people.first_password_unchanged(connection)
    people.set_password(connection, first.name, PASSWORD, clock)
    assert not people.first_password_unchanged(connection)
    with pytest.raises(Rejected):
        people.check_login(connection, first.name, first.password, clock)


def test_processes_that_start_together_make_one_admin_only(database_url: str, clock: HandClock) -> None:
    def start(_: int) -> people.FirstAdmin | None:
        with connect(database_url, application="test people") as own:
            return people.ensure_first_admin(own, clock)

    with ThreadPoolExecutor(4) as threads:
        made = [first for first in threads.map(start, range(4)) if first is not None]
    assert len(made) == 1


def test_no_secret_stands_in_the_database(connection: Connection, clock: HandClock) -> None:
    account = _add(connection, clock)
    secrets = [
        PASSWORD,
        people.open_session(connection, account, "", clock),
        people.issue_login_link(connection, "eve", 60, clock),
        people.issue_token(connection, name="cell 1", scopes=[Scope.READ], valid_seconds=60, created_by="x", clock=clock)[1],
    ]
    for table in ("account", "access_token", "login_session", "login_link"):
        for row in connection.execute(f"SELECT t::text FROM {table} t").fetchall():  # noqa: S608
            assert not any(secret in row[0] for secret in secrets)
    stored = connection.execute("SELECT password_hash FROM account").fetchone()
    assert stored is not None
    assert stored[0].startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "as RFC 9106 advises where memory is scarce"


def test_wrong_name_and_wrong_password_read_the_same(connection: Connection, clock: HandClock) -> None:
    _add(connection, clock)
    with pytest.raises(Rejected) as wrong_password:
        people.check_login(connection, "eve", "wrong", clock)
    with pytest.raises(Rejected) as wrong_name:
        people.check_login(connection, "nobody", "wrong", clock)
    assert str(wrong_password.value) == str(wrong_name.value)


def test_guessing_locks_the_account_for_a_time_that_doubles(connection: Connection, clock: HandClock) -> None:
    _add(connection, clock)
    locks = []
    for _ in range(people.FREE_FAILURES + 3):
        with pytest.raises(Rejected, match="wrong"):
            people.check_login(connection, "eve", "guess", clock)
        locked = people.read_account(connection, "eve").locked_until_us - clock.now_us()
        locks.append(max(0, locked) // 1_000_000)
        if locked > 0:
            with pytest.raises(Rejected, match="wait"):
                people.check_login(connection, "eve", PASSWORD, clock)
            clock.us += locked
    assert locks == [0, 0, 0, 0, 2, 4, 8]
    assert people.check_login(connection, "eve", PASSWORD, clock).name == "eve"
    assert people.read_account(connection, "eve").locked_until_us == 0


def test_weak_passwords_and_impossible_names_are_refused(connection: Connection, clock: HandClock) -> None:
    for password in ("short", "aaaaaaaaaaaaaaaa", "my-name-is-eve-2026"):
        with pytest.raises(Rejected):
            people.add_account(connection, name="eve", full_name="", role=Role.VIEWER, password=password, clock=clock)
    for name in ("", "Eve", "a b", "x" * 65, "-x", "é"):
        with pytest.raises(Rejected):
            people.add_account(connection, name=name, full_name="", role=Role.VIEWER, password=PASSWORD, clock=clock)
    _add(connection, clock)
    with pytest.raises(Rejected, match="already"):
        _add(connection, clock)


def test_a_session_ends_without_use_and_in_any_case(connection: Connection, clock: HandClock) -> None:
    rules = SessionRules(idle_seconds=100, longest_seconds=250)
    account = _add(connection, clock)
    secret = people.open_session(connection, account, "10.0.0.1", clock)
    for _ in range(3):
        clock.us += 80_000_000
        assert people.read_session(connection, secret, rules, clock, touch=True) is not None
    clock.us += 20_000_000  # 260 s after the start, 20 s after the last use
    assert people.read_session(connection, secret, rules, clock, touch=True) is None
    other = people.open_session(connection, account, "", clock)
    clock.us += 60_000_000
    assert people.read_session(connection, other, rules, clock, touch=False) is not None
    clock.us += 60_000_000  # looking without touching did not lengthen it
    assert people.read_session(connection, other, rules, clock, touch=False) is None
    people.clear_expired(connection, rules, clock)
    assert connection.execute("SELECT count(*) FROM login_session").fetchone() == (0,)


def test_changed_rights_and_passwords_end_sessions_and_links(connection: Connection, clock: HandClock) -> None:
    people.ensure_first_admin(connection, clock)
    account = _add(connection, clock)
    for change in (
        lambda: people.set_password(connection, "eve", PASSWORD + "!", clock),
        lambda: people.change_account(connection, "eve", full_name="", role=Role.ENGINEER, disabled=False),
        lambda: people.change_account(connection, "eve", full_name="", role=Role.ENGINEER, disabled=True),
    ):
        secret = people.open_session(connection, account, "", clock)
        link = people.issue_login_link(connection, "eve", 60, clock)
        change()
        assert people.read_session(connection, secret, SessionRules(), clock, touch=True) is None
        with pytest.raises(Rejected):
            people.use_login_link(connection, link, clock)
    with pytest.raises(Rejected):
        people.check_login(connection, "eve", PASSWORD + "!", clock)
    with pytest.raises(Rejected):
        people.issue_login_link(connection, "eve", 60, clock)


def test_the_last_admin_cannot_be_taken_away(connection: Connection, clock: HandClock) -> None:
    people.ensure_first_admin(connection, clock)
    for role, disabled in ((Role.VIEWER, False), (Role.ADMIN, True)):
        with pytest.raises(Rejected, match="last admin"):
            people.change_account(connection, "admin", full_name="", role=role, disabled=disabled)
    assert people.read_account(connection, "admin").role is Role.ADMIN


def test_a_login_link_works_once_and_not_for_long(connection: Connection, clock: HandClock) -> None:
    _add(connection, clock)
    link = people.issue_login_link(connection, "eve", 60, clock)
    assert people.use_login_link(connection, link, clock).name == "eve"
    for late in (link, people.issue_login_link(connection, "eve", 60, clock), "made up"):
        clock.us += 61_000_000
        with pytest.raises(Rejected):
            people.use_login_link(connection, late, clock)


def test_a_link_used_by_many_at_once_lets_one_in(database_url: str, connection: Connection, clock: HandClock) -> None:
    _add(connection, clock)
    link = people.issue_login_link(connection, "eve", 60, clock)

    def use(_: int) -> bool:
        with connect(database_url, application="test people") as own:
            try:
                people.use_login_link(own, link, clock)
            except Rejected:
                return False
            return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(use, range(6))) == 1


def test_a_token_allows_its_scopes_until_it_runs_out_or_is_revoked(connection: Connection, clock: HandClock) -> None:
    token, secret = people.issue_token(
        connection, name="cell 1", scopes=[Scope.READ, Scope.READ], valid_seconds=60, created_by="admin", clock=clock
    )
    found = people.check_token(connection, secret, clock)
    assert found == token
    assert found.scopes == {Scope.READ}
    assert people.check_token(connection, secret + "x", clock) is None
    clock.us += 60_000_000
    assert people.check_token(connection, secret, clock) is None
    other, second = people.issue_token(connection, name="b", scopes=[Scope.METRICS], valid_seconds=60, created_by="admin", clock=clock)
    people.revoke_token(connection, other.id, clock)
    assert people.check_token(connection, second, clock) is None
    assert [t.name for t in people.read_tokens(connection)] == ["b", "cell 1"]


def test_engineers_do_not_approve_and_approvers_do_not_set_up() -> None:
    assert not Role.ENGINEER.includes(Role.APPROVER)
    assert not Role.APPROVER.includes(Role.ENGINEER)
    assert all(Role.ADMIN.includes(role) and role.includes(Role.VIEWER) for role in Role)
    assert not any(role.includes(Role.ADMIN) for role in Role if role is not Role.ADMIN)


def test_the_audit_keeps_the_value_before_and_cannot_be_changed(connection: Connection) -> None:
    for number in range(3):
        audit.add_audit(
            connection, time_us=number, actor="eve", act="source.save", subject="press", previous={"n": number}, next_={"n": number + 1}
        )
    newest = audit.read_audit(connection, most=2)
    assert [(e.id, e.previous, e.next) for e in newest] == [(3, {"n": 2}, {"n": 3}), (2, {"n": 1}, {"n": 2})]
    assert [e.id for e in audit.read_audit(connection, before=2)] == [1]
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(Exception, match="never changed"):
            connection.execute(statement)
    assert audit.verify_audit(connection) is None


def test_a_change_behind_the_audits_back_is_found(connection: Connection) -> None:
    for number in range(4):
        audit.add_audit(connection, time_us=number, actor="eve", act="login", subject="eve")
    connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_is_final")
    connection.execute("UPDATE audit SET actor = 'mallory' WHERE id = 2")
    assert audit.verify_audit(connection) == 2
    connection.execute("UPDATE audit SET actor = 'eve' WHERE id = 2")
    assert audit.verify_audit(connection) is None
    connection.execute("DELETE FROM audit WHERE id = 3")
    assert audit.verify_audit(connection) == 4


def test_writers_at_the_same_time_make_one_unbroken_chain(database_url: str, connection: Connection) -> None:
    def write(worker: int) -> None:
        with connect(database_url, application="test people") as own:
            for number in range(10):
                audit.add_audit(own, time_us=number, actor=str(worker), act="login", subject="x", next_=[1.5, "é", None])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert audit.verify_audit(connection) is None
    assert len(audit.read_audit(connection, most=100)) == 40


def test_an_unmigrated_database_is_unavailable_not_a_crash(empty_database_url: str, clock: HandClock) -> None:
    with connect(empty_database_url, application="test people") as connection, pytest.raises(Unavailable):
        people.check_login(connection, "eve", PASSWORD, clock)
