"""Which account a person of an OpenID Connect provider has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plant.clock import Clock
from plant.errors import Rejected
from storage import people
from storage.database import Connection, translate_errors
from storage.people import Account, Role

_UNFIT = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says that somebody is."""

    issuer: str
    subject: str
    """Never changes, and is never given to another person."""
    name: str
    """As people write it: may change, and is only looked at when an account is first bound."""
    full_name: str


def account_name(name: str) -> str:
    """Return the account's name that fits a provider's: ``Eve.Miller@example.com`` is ``eve.miller``; empty where none fits."""
    return _UNFIT.sub("-", name.partition("@")[0].strip().lower()).strip("-._")[:64]


def account_of(connection: Connection, identity: Identity, *, role: Role | None, make: bool, clock: Clock) -> Account:
    """Return the account of a person, found by issuer and subject, or bound to it now.

    An account of the same name is bound only where an administrator said that it logs in by the provider: somebody who may choose a
    name there must not get a local account. ``role``: what the groups say, None where it is set here; ``make``: whether one that is
    not there is made, then as a viewer where no role is given. Raises Rejected.
    """
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "SELECT a.name FROM account_identity i JOIN account a ON a.id = i.account_id WHERE i.issuer = %s AND i.subject = %s",
            (identity.issuer, identity.subject),
        ).fetchone()
        name = str(row[0]) if row is not None else _bound(connection, identity, role or Role.VIEWER, make=make, clock=clock)
        account = people.read_account(connection, name)
        if account.disabled:
            raise Rejected("this account is locked out: ask an administrator")
        wanted = role or account.role
        if (account.role, account.full_name) != (wanted, identity.full_name or account.full_name):
            full_name = identity.full_name or account.full_name
            account = people.change_account(connection, name, full_name=full_name, role=wanted, disabled=False)
    return account


def let_in_by_provider(connection: Connection, name: str) -> Account:
    """Return the account, which from now on has no password and is bound to who comes by its name from the provider next.

    Its sessions end. Raises Rejected for an unknown account, and for the last administrator with a password: he would be shut out while
    the provider is away.
    """
    with translate_errors(), connection.transaction():
        connection.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
        row = connection.execute(
            "UPDATE account SET login = 'provider', password_hash = '!', password_is_first = false, failures = 0, locked_until_us = 0 "
            "WHERE name = %s RETURNING id",
            (name,),
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no account '{name}'")
        if connection.execute("SELECT 1 FROM account WHERE role = 'admin' AND NOT disabled AND login = 'password'").fetchone() is None:
            raise Rejected(f"'{name}' is the last admin with a password, and must be able to log in while the provider is away")
        for table in ("account_identity", "login_session", "login_link"):
            connection.execute(f"DELETE FROM {table} WHERE account_id = %s", row)  # noqa: S608
    return people.read_account(connection, name)


def _bound(connection: Connection, identity: Identity, role: Role, *, make: bool, clock: Clock) -> str:
    """Return the name of the account that is bound to this person from now on."""
    name = account_name(identity.name)
    connection.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
    row = connection.execute(
        "SELECT login, EXISTS (SELECT FROM account_identity i WHERE i.account_id = a.id) FROM account a WHERE name = %s", (name,)
    ).fetchone()
    if row is None and not make:
        raise Rejected("there is no account of your name here: ask an administrator for one")
    if row is None:
        people.add_account(connection, name=name, full_name=identity.full_name, role=role, password=None, clock=clock)
    elif row[0] != "provider" or row[1]:
        raise Rejected("the account of your name belongs to somebody else here, or has a password: ask an administrator")
    connection.execute(
        "INSERT INTO account_identity (issuer, subject, account_id, bound_us) SELECT %s, %s, id, %s FROM account WHERE name = %s",
        (identity.issuer, identity.subject, clock.now_us(), name),
    )
    return name
