"""Accounts, tokens and the audit. Each change is checked against the role of who asks, and written down."""

from __future__ import annotations

from typing import Any

from dashboard import viewing
from dashboard.context import Person
from dashboard.drafts import AccountChange, AccountDraft, PasswordDraft, TokenDraft
from dashboard.sessions import Sessions
from dashboard.views import AccountView, AuditView, NewTokenView, SessionView, TokenView
from plant.clock import Clock
from plant.errors import Rejected
from storage import audit, identities, login_sessions, people
from storage.database import Connection, Pool
from storage.people import Role, Scope, SessionRules

_DAY_SECONDS = 86_400


def require(who: Person, role: Role, scope: Scope | None = None) -> None:
    """Raise PermissionError where ``who`` may not do what ``role`` may."""
    if not who.may(role, scope):
        raise PermissionError(f"this needs the role '{role.value}'")


class PeopleService:
    """``who`` is always the person asking: ``current_context().person``. Changes raise PermissionError (a 403) or Rejected."""

    def __init__(self, pool: Pool, clock: Clock, sessions: Sessions) -> None:
        self._pool, self._clock = pool, clock
        self._forget, self._rules = sessions.forget_all, sessions.rules

    @property
    def rules(self) -> SessionRules:
        """How long sessions hold, and how many an account may have."""
        return self._rules

    def accounts(self, who: Person) -> list[AccountView]:
        """Return all accounts by name. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            return [viewing.account(a, self._clock.now_us()) for a in people.read_accounts(connection)]

    def add_account(self, who: Person, draft: AccountDraft) -> AccountView:
        """Return the account made. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            made = people.add_account(
                connection,
                name=draft.name,
                full_name=draft.full_name,
                role=draft.role,
                password=None if draft.password is None else draft.password.get_secret_value(),
                clock=self._clock,
            )
            self._note(connection, who, "account.add", made.name, next_=_rights(made))
        return viewing.account(made, self._clock.now_us())

    def change_account(self, who: Person, name: str, change: AccountChange) -> AccountView:
        """Return the account as changed; its sessions end. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            before = people.read_account(connection, name)
            after = people.change_account(connection, name, full_name=change.full_name, role=change.role, disabled=change.disabled)
            self._note(connection, who, "account.change", name, _rights(before), _rights(after))
        self._forget()
        return viewing.account(after, self._clock.now_us())

    def change_own_password(self, who: Person, draft: PasswordDraft) -> None:
        """Set one's own password; the old one is needed, all one's sessions end. Rejected where it is wrong or the new one weak."""
        if who.role is None:
            raise PermissionError("a token has no password")
        if who.by_provider:
            raise Rejected("you log in by the provider: your password is changed there")
        with self._pool.connection() as connection:
            people.check_login(connection, who.name, "" if draft.old is None else draft.old.get_secret_value(), self._clock)
        self._set_password(who, who.name, draft)

    def set_password(self, who: Person, name: str, draft: PasswordDraft) -> None:
        """Set another person's password; all sessions of the account end. Admins only."""
        require(who, Role.ADMIN)
        self._set_password(who, name, draft)

    def _set_password(self, who: Person, name: str, draft: PasswordDraft) -> None:
        with self._pool.connection() as connection, connection.transaction():
            people.set_password(connection, name, draft.new.get_secret_value(), self._clock)
            self._note(connection, who, "account.password", name)
        self._forget()

    def unlock(self, who: Person, name: str) -> AccountView:
        """Return the account, which may try to log in again at once. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            after = people.unlock_account(connection, name)
            self._note(connection, who, "account.unlock", name)
        return viewing.account(after, self._clock.now_us())

    def let_in_by_provider(self, who: Person, name: str) -> AccountView:
        """Return the account, which from now on logs in by the provider only; its sessions end. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            after = identities.let_in_by_provider(connection, name)
            self._note(connection, who, "account.provider", name)
        self._forget()
        return viewing.account(after, self._clock.now_us())

    def own_sessions(self, who: Person) -> list[SessionView]:
        """Return one's own sessions that hold now, the last used first."""
        return self._sessions_of(who, who.name)

    def sessions(self, who: Person) -> list[SessionView]:
        """Return the sessions of everybody that hold now, the last used first. Admins only."""
        require(who, Role.ADMIN)
        return self._sessions_of(who, None)

    def end_own_session(self, who: Person, session: int) -> None:
        """End a session of one's own. Raises Rejected where it has ended, or is somebody else's."""
        self._end(who, session, who.name)

    def end_session(self, who: Person, session: int) -> None:
        """End anybody's session. Admins only."""
        require(who, Role.ADMIN)
        self._end(who, session, None)

    def end_other_sessions(self, who: Person) -> int:
        """End all sessions of one's own but the one that asks; return how many."""
        if who.role is None:
            raise PermissionError("a token has no sessions")
        with self._pool.connection() as connection, connection.transaction():
            ended = login_sessions.end_other_sessions(connection, who.name, who.session)
            if ended:
                self._note(connection, who, "session.end", f"{who.name}: {ended}")
        self._forget()
        return ended

    def _sessions_of(self, who: Person, account: str | None) -> list[SessionView]:
        with self._pool.connection() as connection:
            found = login_sessions.read_sessions(connection, self._rules, self._clock, account)
        return [viewing.session(one, who.session) for one in found]

    def _end(self, who: Person, session: int, account: str | None) -> None:
        if who.role is None:
            raise PermissionError("a token has no sessions")
        with self._pool.connection() as connection, connection.transaction():
            whose = login_sessions.end_session(connection, session, account)
            self._note(connection, who, "session.end", whose)
        self._forget()

    def tokens(self, who: Person) -> list[TokenView]:
        """Return all tokens, without secrets. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            return [viewing.token(t) for t in people.read_tokens(connection)]

    def issue_token(self, who: Person, draft: TokenDraft) -> NewTokenView:
        """Return the new token with its secret, which is shown this once. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            made, secret = people.issue_token(
                connection,
                name=draft.name,
                scopes=draft.scopes,
                valid_seconds=round(draft.valid_days * _DAY_SECONDS),
                created_by=who.name,
                clock=self._clock,
                work_units=draft.work_units,
            )
            view = viewing.token(made)
            self._note(connection, who, "token.issue", f"{made.id} {made.name}", next_=viewing.plain(view))
        return NewTokenView(view, secret)

    def revoke_token(self, who: Person, token: int) -> TokenView:
        """Return the token, refused from now on. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            after = people.revoke_token(connection, token, self._clock)
            self._note(connection, who, "token.revoke", f"{after.id} {after.name}")
        self._forget()
        return viewing.token(after)

    def audit(self, who: Person, most: int = 200, before: int | None = None) -> list[AuditView]:
        """Return the newest entries of the audit, newest first; ``before`` pages back. Admins only."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            return [viewing.audit(e) for e in audit.read_audit(connection, most=max(1, min(most, 1000)), before=before)]

    def _note(self, connection: Connection, who: Person, act: str, subject: str, previous: Any = None, next_: Any = None) -> None:
        audit.add_audit(
            connection,
            time_us=self._clock.now_us(),
            actor=who.name,
            act=act,
            subject=subject,
            previous=previous,
            next_=next_,
            address=who.address,
        )


def _rights(account: people.Account) -> dict[str, Any]:
    return {"full_name": account.full_name, "role": account.role.value, "disabled": account.disabled}
