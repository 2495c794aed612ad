"""Sessions as people see them: which are open, from where; ended by oneself, by an administrator, or because there are too many."""

from __future__ import annotations

from dataclasses import dataclass

from plant.clock import Clock
from plant.errors import Rejected
from storage.database import Connection, translate_errors
from storage.people import Account, SessionRules


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that holds now, without its secret."""

    id: int
    account: str
    created_us: int
    seen_us: int
    address: str
    agent: str
    """What the browser calls itself."""
    by_provider: bool


def read_sessions(connection: Connection, rules: SessionRules, clock: Clock, account: str | None = None) -> list[OpenSession]:
    """Return the sessions that hold now, of one account or of all, the last used first."""
    now = clock.now_us()
    with translate_errors():
        rows = connection.execute(
            "SELECT s.id, a.name, s.created_us, s.seen_us, s.address, s.agent, s.id_token IS NOT NULL "
            "FROM login_session s JOIN account a ON a.id = s.account_id "
            "WHERE NOT a.disabled AND s.seen_us > %s AND s.created_us > %s AND (%s::text IS NULL OR a.name = %s) "
            "ORDER BY s.seen_us DESC, s.id DESC LIMIT 1000",
            (now - rules.idle_seconds * 1_000_000, now - rules.longest_seconds * 1_000_000, account, account),
        ).fetchall()
    return [OpenSession(*row) for row in rows]


def end_session(connection: Connection, session: int, account: str | None = None) -> str:
    """End a session by its number; return whose it was. Raises Rejected where there is none, or it is not ``account``'s."""
    with translate_errors():
        row = connection.execute(
            "DELETE FROM login_session s USING account a WHERE a.id = s.account_id AND s.id = %s AND (%s::text IS NULL OR a.name = %s) "
            "RETURNING a.name",
            (session, account, account),
        ).fetchone()
    if row is None:
        raise Rejected("this session has ended already")
    return str(row[0])


def end_other_sessions(connection: Connection, account: str, session: int) -> int:
    """End all sessions of an account but this one; return how many."""
    with translate_errors():
        return connection.execute(
            "DELETE FROM login_session s USING account a WHERE a.id = s.account_id AND a.name = %s AND s.id <> %s",
            (account, session),
        ).rowcount


def end_surplus_sessions(connection: Connection, account: Account, most: int) -> int:
    """End those of an account's sessions that were not used for longest, so that ``most`` are left; return how many."""
    with translate_errors():
        return connection.execute(
            "DELETE FROM login_session WHERE id IN "
            "(SELECT id FROM login_session WHERE account_id = %s ORDER BY seen_us DESC, id DESC OFFSET %s)",
            (account.id, most),
        ).rowcount
