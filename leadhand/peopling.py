"""``leadhand people``: local accounts by command line; each change stands in the audit trail as on the pages."""

from __future__ import annotations

import getpass
import sys

from plant.clock import Clock
from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection
from storage.people import Role, add_account, check_password, issue_login_link, read_accounts, set_password


def add(connection: Connection, *, name: str, full_name: str, role: Role, password: str, clock: Clock) -> None:
    """Add an account. Raises Rejected."""
    account = add_account(connection, name=name, full_name=full_name or name, role=role, password=password, clock=clock)
    _note(connection, clock, "account.add", name, {"full_name": account.full_name, "role": role.value})


def change_password(connection: Connection, *, name: str, password: str, clock: Clock) -> None:
    """Set a new password. Raises Rejected."""
    set_password(connection, name, password, clock)
    _note(connection, clock, "account.password", name, None)


def link(connection: Connection, *, name: str, seconds: int, clock: Clock) -> str:
    """Return the secret of a new link that logs an account in once. Raises Rejected."""
    secret = issue_login_link(connection, name, seconds, clock)
    _note(connection, clock, "account.login_link", name, {"valid_seconds": seconds})
    return secret


def listing(connection: Connection) -> list[dict[str, object]]:
    """Return all accounts as plain values, without anything secret."""
    return [
        {
            "name": account.name,
            "full_name": account.full_name,
            "role": account.role.value,
            "disabled": account.disabled,
            "password_is_first": account.password_is_first,
        }
        for account in read_accounts(connection)
    ]


def ask_password(name: str) -> str:
    """Return a password that a person types twice, or the first line of standard input where nobody sits at a terminal.

    Raises Rejected when it is too weak or was typed in two ways.
    """
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass(f"new password of {name}: ")
        if getpass.getpass("once more: ") != password:
            raise Rejected("the two passwords differ; nothing was changed")
    check_password(name, password)
    return password


def _note(connection: Connection, clock: Clock, act: str, subject: str, after: dict[str, object] | None) -> None:
    add_audit(connection, time_us=clock.now_us(), actor=f"{getpass.getuser()} (command line)", act=act, subject=subject, next_=after)
