"""Accounts, roles, tokens, sessions and login links. Secrets leave this module once, when made; only their hashes are kept."""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import argon2

from plant.clock import Clock
from plant.errors import Rejected
from storage.database import Connection, translate_errors

_SECOND_US = 1_000_000
SHORTEST_PASSWORD = 12
_RUNS = tuple(
    way for row in ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "qwertzuiop") for way in (row, row[::-1])
)
_LONGEST_RUN = 6
FREE_FAILURES = 4
"""Wrong passwords in a row that cost nothing; each further one doubles the time the account is locked, up to LONGEST_LOCK_SECONDS."""
LONGEST_LOCK_SECONDS = 900
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_HASHER = argon2.PasswordHasher()
"""argon2id with the library's RFC 9106 low-memory profile: 64 MiB, 3 passes."""


class Role(StrEnum):
    """What a person may do. Approver and engineer stand side by side: who sets limits does not approve under them."""

    VIEWER = "viewer"
    """Sees everything."""
    INSPECTOR = "inspector"
    """Also judges parts that the vision could not decide, and acknowledges and shelves alarms."""
    ENGINEER = "engineer"
    """Also sets up sources, signals and limits."""
    APPROVER = "approver"
    """Sees, judges, and approves recommendations; sets up nothing."""
    ADMIN = "admin"
    """Everything, also accounts and tokens."""

    def includes(self, needed: Role) -> bool:
        """Return whether a person of this role may do what ``needed`` may."""
        return needed in _INCLUDES[self]


_INCLUDES = {
    Role.VIEWER: {Role.VIEWER},
    Role.INSPECTOR: {Role.VIEWER, Role.INSPECTOR},
    Role.ENGINEER: {Role.VIEWER, Role.INSPECTOR, Role.ENGINEER},
    Role.APPROVER: {Role.VIEWER, Role.INSPECTOR, Role.APPROVER},
    Role.ADMIN: set(Role),
}


class Scope(StrEnum):
    """What a token of a controller or program may do. A token never does what is not named here."""

    READ = "read"
    """Read the plant, signals, samples, ledger and health over REST and SSE."""
    METRICS = "metrics"
    """Read ``/metrics``."""
    SOURCES = "sources"
    """Set up sources."""
    ALARMS = "alarms"
    """Acknowledge, reset, shelve alarms and take them out of service."""
    FRAMES = "frames"
    """Send pictures to be looked at."""
    ROUTES = "routes"
    """Ask for the routes of new products."""
    DESIGN = "design"
    """Tell design changes and take them back."""
    STATIONS = "stations"
    """Acknowledge design changes for stations."""
    ORDERS = "orders"
    """Bring customer orders, change and cancel them."""
    PLAN = "plan"
    """Tell the planner of disturbances, and ask for a new plan."""
    CONTROLLER = "controller"
    """Fetch and answer messages to line controllers, for the token's work units only."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may log in."""

    id: int
    name: str
    full_name: str
    role: Role
    password_is_first: bool
    """Whether the random password of the first start was never changed."""
    disabled: bool
    locked_until_us: int
    created_us: int
    by_provider: bool = False
    """Whether the person logs in by the OpenID Connect provider only, and has no password here."""
    last_login_us: int | None = None


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The account made at the first start, with its random password, which is nowhere kept."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is logged in."""

    account: Account
    created_us: int
    seen_us: int
    id: int


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A controller's or program's right, without its secret."""

    id: int
    name: str
    scopes: frozenset[Scope]
    created_by: str
    created_us: int
    expires_us: int
    revoked_us: int | None
    work_units: tuple[str, ...] = ()
    """Patterns; what a controller's token is good for."""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long a session lives without use, and at most; and how many an account may have at a time."""

    idle_seconds: int = 15 * 60
    longest_seconds: int = 12 * 3600
    most: int = 10


_ACCOUNT = (
    "a.id, a.name, a.full_name, a.role, a.password_is_first, a.disabled, a.locked_until_us, a.created_us, a.login = 'provider', "
    "a.last_login_us"
)
_WIDTH = 10
"""Columns of ``_ACCOUNT``."""
_NO_PASSWORD = "!"  # noqa: S105
"""Stands for the hash of a password where there is none: nothing matches it."""


def ensure_first_admin(connection: Connection, clock: Clock) -> FirstAdmin | None:
    """Return the account 'admin' with a random password where no account exists yet, else None."""
    password = "-".join(secrets.token_hex(3) for _ in range(4))
    now = clock.now_us()
    with translate_errors(), connection.transaction():
        connection.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
        if connection.execute("SELECT 1 FROM account LIMIT 1").fetchone():
            return None
        connection.execute(
            "INSERT INTO account (name, full_name, role, password_hash, password_is_first, created_us, password_changed_us) "
            "VALUES ('admin', 'Administrator', 'admin', %s, true, %s, %s)",
            (_HASHER.hash(password), now, now),
        )
    return FirstAdmin("admin", password)


def first_password_unchanged(connection: Connection) -> bool:
    """Return whether the random password of the first start still opens an account, or is yet to be made."""
    with translate_errors():
        row = connection.execute(
            "SELECT NOT EXISTS (SELECT FROM account) OR EXISTS (SELECT FROM account WHERE password_is_first AND NOT disabled)"
        ).fetchone()
    return row is None or bool(row[0])


def add_account(connection: Connection, *, name: str, full_name: str, role: Role, password: str | None, clock: Clock) -> Account:
    """Return the account made; without a password, one that only the provider lets in.

    Raises Rejected for a taken or impossible name, or a weak password.
    """
    if not _NAME.match(name):
        raise Rejected(
            f"'{name}' cannot be an account's name: lower-case letters, digits, '.', '_' and '-', at most 64, a letter or digit first"
        )
    if password is not None:
        check_password(name, password)
    login, stored = ("provider", _NO_PASSWORD) if password is None else ("password", _HASHER.hash(password))
    now = clock.now_us()
    with translate_errors(), connection.transaction():
        made = connection.execute(
            "INSERT INTO account (name, full_name, role, password_hash, login, created_us, password_changed_us) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING RETURNING id",
            (name, full_name, role.value, stored, login, now, now),
        ).fetchone()
        if made is None:
            raise Rejected(f"there is an account '{name}' already")
    return read_account(connection, name)


def read_accounts(connection: Connection) -> list[Account]:
    """Return all accounts by name."""
    with translate_errors():
        rows = connection.execute(f"SELECT {_ACCOUNT} FROM account a ORDER BY a.name").fetchall()  # noqa: S608
    return [_account(row) for row in rows]


def read_account(connection: Connection, name: str) -> Account:
    """Return one account; Rejected where there is none."""
    with translate_errors():
        row = connection.execute(f"SELECT {_ACCOUNT} FROM account a WHERE a.name = %s", (name,)).fetchone()  # noqa: S608
    if row is None:
        raise Rejected(f"there is no account '{name}'")
    return _account(row)


def change_account(connection: Connection, name: str, *, full_name: str, role: Role, disabled: bool) -> Account:
    """Return the account as changed; its sessions end, so that new rights hold at once. The last admin cannot be taken away."""
    with translate_errors(), connection.transaction():
        connection.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")
        row = connection.execute(
            "UPDATE account SET full_name = %s, role = %s, disabled = %s WHERE name = %s RETURNING id",
            (full_name, role.value, disabled, name),
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no account '{name}'")
        if connection.execute("SELECT 1 FROM account WHERE role = 'admin' AND NOT disabled").fetchone() is None:
            raise Rejected(f"'{name}' is the last admin: make another one first")
        connection.execute("DELETE FROM login_session WHERE account_id = %s", row)
        connection.execute("DELETE FROM login_link WHERE account_id = %s", row)
    return read_account(connection, name)


def set_password(connection: Connection, name: str, password: str, clock: Clock) -> None:
    """Set a new password and end all sessions of the account, which from now on logs in by it. Raises Rejected for a weak password."""
    check_password(name, password)
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE account SET password_hash = %s, password_is_first = false, password_changed_us = %s, failures = 0, "
            "locked_until_us = 0, login = 'password' WHERE name = %s RETURNING id",
            (_HASHER.hash(password), clock.now_us(), name),
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no account '{name}'")
        connection.execute("DELETE FROM account_identity WHERE account_id = %s", row)
        connection.execute("DELETE FROM login_session WHERE account_id = %s", row)
        connection.execute("DELETE FROM login_link WHERE account_id = %s", row)


def unlock_account(connection: Connection, name: str) -> Account:
    """Return the account, whose wrong passwords are forgotten: it may try again at once. Raises Rejected for an unknown one."""
    with translate_errors():
        connection.execute("UPDATE account SET failures = 0, locked_until_us = 0 WHERE name = %s", (name,))
    return read_account(connection, name)


def check_password(name: str, password: str) -> None:
    """Raise Rejected, with what is wanted, for a password that is too easy to guess."""
    if len(password) < SHORTEST_PASSWORD:
        raise Rejected(f"a password needs at least {SHORTEST_PASSWORD} characters")
    if len(password) > 1024:
        raise Rejected("a password may have at most 1,024 characters")
    if any("\ud800" <= c <= "\udfff" for c in password):
        raise Rejected("a password may not hold half a character (a lone surrogate)")
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise Rejected("a password may not hold the account's name and needs at least five different characters")
    if any(row[at : at + _LONGEST_RUN] in password.lower() for row in _RUNS for at in range(len(row) - _LONGEST_RUN + 1)):
        raise Rejected("a password may not hold six neighbours of the alphabet, the digits or the keyboard in a row")


def check_login(connection: Connection, name: str, password: str, clock: Clock) -> Account:
    """Return the account whose name and password these are.

    Raises Rejected, in the same words whether name or password was wrong. Too many wrong passwords lock the account for a time that
    doubles with each one; while it is locked even the right password is refused. A name that does not exist costs the same time.
    """
    now = clock.now_us()
    with translate_errors(), connection.transaction():
        row = connection.execute(
            f"SELECT {_ACCOUNT}, a.password_hash, a.failures FROM account a WHERE a.name = %s FOR UPDATE",  # noqa: S608
            (name,),
        ).fetchone()
        if row is None:
            _matches(_nobody(), password)
            raise Rejected("name or password is wrong")
        account, stored, failures = _account(row[:_WIDTH]), str(row[_WIDTH]), int(row[_WIDTH + 1])
        if account.by_provider:
            _matches(_nobody(), password)
            raise Rejected("name or password is wrong")
        if account.locked_until_us > now:
            seconds = -(-(account.locked_until_us - now) // _SECOND_US)
            raise Rejected(f"too many wrong passwords: wait {seconds} s")
        if _matches(stored, password) and not account.disabled:
            connection.execute("UPDATE account SET failures = 0, locked_until_us = 0 WHERE id = %s", (account.id,))
            return account
        lock_seconds = min(LONGEST_LOCK_SECONDS, 2 ** min(20, max(0, failures + 1 - FREE_FAILURES))) if failures + 1 > FREE_FAILURES else 0
        connection.execute(
            "UPDATE account SET failures = failures + 1, locked_until_us = %s WHERE id = %s", (now + lock_seconds * _SECOND_US, account.id)
        )
    raise Rejected("name or password is wrong")


def open_session(
    connection: Connection, account: Account, address: str, clock: Clock, *, agent: str = "", id_token: str | None = None
) -> str:
    """Return the secret of a new session. ``agent``: what the browser calls itself; ``id_token``: the provider's, for logging out."""
    secret, now = secrets.token_urlsafe(32), clock.now_us()
    with translate_errors(), connection.transaction():
        connection.execute(
            "INSERT INTO login_session (secret_hash, account_id, created_us, seen_us, address, agent, id_token) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (_digest(secret), account.id, now, now, address, agent.replace("\0", "")[:300], id_token),
        )
        connection.execute("UPDATE account SET last_login_us = %s WHERE id = %s", (now, account.id))
    return secret


def read_session(connection: Connection, secret: str, rules: SessionRules, clock: Clock, *, touch: bool) -> Session | None:
    """Return who is logged in, or None where the session ended or ran out; ``touch`` says that the person just did something."""
    now = clock.now_us()
    oldest_seen, oldest_created = now - rules.idle_seconds * _SECOND_US, now - rules.longest_seconds * _SECOND_US
    with translate_errors():
        row = connection.execute(
            f"SELECT {_ACCOUNT}, s.created_us, s.seen_us, s.id FROM login_session s JOIN account a ON a.id = s.account_id "  # noqa: S608
            "WHERE s.secret_hash = %s AND NOT a.disabled AND s.seen_us > %s AND s.created_us > %s",
            (_digest(secret), oldest_seen, oldest_created),
        ).fetchone()
        if row is None:
            return None
        if touch:
            connection.execute("UPDATE login_session SET seen_us = %s WHERE secret_hash = %s", (now, _digest(secret)))
    return Session(_account(row[:_WIDTH]), int(row[_WIDTH]), now if touch else int(row[_WIDTH + 1]), int(row[_WIDTH + 2]))


def close_session(connection: Connection, secret: str) -> str | None:
    """End a session; return the provider's token where it was opened by one. Nothing happens where it ended before."""
    with translate_errors():
        row = connection.execute("DELETE FROM login_session WHERE secret_hash = %s RETURNING id_token", (_digest(secret),)).fetchone()
    return None if row is None else row[0]


def clear_expired(connection: Connection, rules: SessionRules, clock: Clock) -> None:
    """Take out sessions and links that ran out."""
    now = clock.now_us()
    with translate_errors():
        connection.execute(
            "DELETE FROM login_session WHERE seen_us <= %s OR created_us <= %s",
            (now - rules.idle_seconds * _SECOND_US, now - rules.longest_seconds * _SECOND_US),
        )
        connection.execute("DELETE FROM login_link WHERE expires_us <= %s", (now,))


def issue_login_link(connection: Connection, account: str, valid_seconds: int, clock: Clock) -> str:
    """Return the secret of a link that logs the account in once: ``/login?link=SECRET``. Raises Rejected for an unknown account."""
    secret = secrets.token_urlsafe(32)
    expires = clock.now_us() + valid_seconds * _SECOND_US
    with translate_errors():
        made = connection.execute(
            "INSERT INTO login_link (secret_hash, account_id, expires_us) SELECT %s, id, %s FROM account WHERE name = %s AND NOT disabled "
            "RETURNING account_id",
            (_digest(secret), expires, account),
        ).fetchone()
    if made is None:
        raise Rejected(f"there is no account '{account}' that may log in")
    return secret


def use_login_link(connection: Connection, secret: str, clock: Clock) -> Account:
    """Return whom the link logs in; the link is used up. Raises Rejected where it was used before or ran out."""
    with translate_errors():
        row = connection.execute(
            "WITH used AS (DELETE FROM login_link WHERE secret_hash = %s RETURNING account_id, expires_us) "  # noqa: S608
            f"SELECT {_ACCOUNT} FROM used u JOIN account a ON a.id = u.account_id WHERE u.expires_us > %s AND NOT a.disabled",
            (_digest(secret), clock.now_us()),
        ).fetchone()
    if row is None:
        raise Rejected("this link was used before or ran out: ask for a new one, or log in by name and password")
    return _account(row)


def issue_token(
    connection: Connection,
    *,
    name: str,
    scopes: Sequence[Scope],
    valid_seconds: int,
    created_by: str,
    clock: Clock,
    work_units: Sequence[str] = (),
) -> tuple[AccessToken, str]:
    """Return the new token and its secret, which is shown this once. ``work_units``: patterns, for a controller's token."""
    if not name.strip() or len(name) > 200:
        raise Rejected("a token needs a name of at most 200 characters that says what uses it")
    if not scopes or valid_seconds <= 0:
        raise Rejected("a token needs at least one scope and a time it is valid for")
    if (Scope.CONTROLLER in scopes) != bool(work_units) or not all(unit.strip() and len(unit) <= 400 for unit in work_units):
        raise Rejected("a controller's token needs the work units that it is good for, and no other token has any")
    secret, now = "lh_" + secrets.token_urlsafe(32), clock.now_us()
    with translate_errors():
        row = connection.execute(
            "INSERT INTO access_token (name, secret_hash, scopes, created_by, created_us, expires_us, work_units) "  # noqa: S608
            f"VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING {_TOKEN}",
            (
                *(name, _digest(secret), sorted({s.value for s in scopes}), created_by, now, now + valid_seconds * _SECOND_US),
                sorted(set(work_units)),
            ),
        ).fetchone()
    assert row is not None  # noqa: S101 - INSERT ... RETURNING gives its row
    return _token(row), secret


def read_tokens(connection: Connection) -> list[AccessToken]:
    """Return all tokens, the newest first."""
    with translate_errors():
        rows = connection.execute(f"SELECT {_TOKEN} FROM access_token ORDER BY id DESC").fetchall()  # noqa: S608
    return [_token(row) for row in rows]


def revoke_token(connection: Connection, token_id: int, clock: Clock) -> AccessToken:
    """Return the token, which from now on is refused."""
    with translate_errors():
        row = connection.execute(
            f"UPDATE access_token SET revoked_us = coalesce(revoked_us, %s) WHERE id = %s RETURNING {_TOKEN}",  # noqa: S608
            (clock.now_us(), token_id),
        ).fetchone()
    if row is None:
        raise Rejected(f"there is no token {token_id}")
    return _token(row)


def check_token(connection: Connection, secret: str, clock: Clock) -> AccessToken | None:
    """Return what a secret allows, or None where it is unknown, revoked or ran out."""
    with translate_errors():
        row = connection.execute(
            f"SELECT {_TOKEN} FROM access_token WHERE secret_hash = %s AND revoked_us IS NULL AND expires_us > %s",  # noqa: S608
            (_digest(secret), clock.now_us()),
        ).fetchone()
    return None if row is None else _token(row)


_TOKEN = "id, name, scopes, created_by, created_us, expires_us, revoked_us, work_units"  # noqa: S105


@functools.cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (argon2.exceptions.VerificationError, UnicodeEncodeError):
        return False


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _account(row: Sequence[object]) -> Account:
    number, name, full_name, role, first, disabled, locked, created, by_provider, last = row
    return Account(
        int(str(number)),
        str(name),
        str(full_name),
        Role(str(role)),
        bool(first),
        bool(disabled),
        int(str(locked)),
        int(str(created)),
        bool(by_provider),
        None if last is None else int(str(last)),
    )


def _token(row: Sequence[object]) -> AccessToken:
    number, name, scopes, created_by, created, expires, revoked, work_units = row
    assert isinstance(scopes, list)  # noqa: S101 - text[] comes as a list
    assert isinstance(work_units, list)  # noqa: S101 - likewise
    return AccessToken(
        int(str(number)),
        str(name),
        frozenset(Scope(s) for s in scopes),
        str(created_by),
        int(str(created)),
        int(str(expires)),
        None if revoked is None else int(str(revoked)),
        tuple(work_units),
    )
