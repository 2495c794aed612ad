"""Who a cookie or token belongs to, remembered for a few seconds so that not each request costs a database call."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace

from dashboard.context import Person
from plant.clock import Clock
from plant.errors import Unavailable
from storage import people
from storage.database import Pool
from storage.people import Role, SessionRules
from storage.screens import SECRET_PREFIX, read_screen

_REMEMBERED_SECONDS = 5.0
_TOUCH_SECONDS = 30.0
_MOST = 10_000
_NEVER_US = 2**62


@dataclass(frozen=True, slots=True)
class _Known:
    person: Person
    ends_us: int
    """When it runs out without another look at the database."""
    asked: float
    touched: float


class Sessions:
    """Finds persons by their secrets. While the database is away, who was known before stays known until the session's own end."""

    def __init__(self, pool: Pool, clock: Clock, rules: SessionRules) -> None:
        self._pool, self._clock, self.rules = pool, clock, rules
        self._known: dict[bytes, _Known] = {}
        self._lock = threading.Lock()

    def of_cookie(self, secret: str, *, touch: bool) -> Person | None:
        """Return who is logged in, None where nobody (any more); ``touch`` where the person did something. Raises Unavailable."""
        if secret.startswith(SECRET_PREFIX):
            return self._of_screen(secret)
        key = hashlib.sha256(b"session " + secret.encode("utf-8", "surrogatepass")).digest()
        known, now = self._remembered(key), self._clock.monotonic()
        due = touch and (known is None or now - known.touched > _TOUCH_SECONDS)
        if known is not None and now - known.asked < _REMEMBERED_SECONDS and not due:
            return known.person
        try:
            with self._pool.connection(2.0) as connection:
                session = people.read_session(connection, secret, self.rules, self._clock, touch=due)
        except Unavailable:
            if known is None:
                raise
            return known.person
        if session is None:
            self._forget(key)
            return None
        account = session.account
        person = Person(
            account.name,
            account.full_name,
            account.role,
            password_is_first=account.password_is_first,
            session=session.id,
            by_provider=account.by_provider,
        )
        ends = min(session.seen_us + self.rules.idle_seconds * 1_000_000, session.created_us + self.rules.longest_seconds * 1_000_000)
        self._remember(key, _Known(person, ends, now, now if due or known is None else known.touched))
        return person

    def _of_screen(self, secret: str) -> Person | None:
        """Return the screen on the wall that a cookie belongs to: it looks as a viewer does, until an administrator ends it."""
        key = hashlib.sha256(b"screen " + secret.encode("utf-8", "surrogatepass")).digest()
        known, now = self._remembered(key), self._clock.monotonic()
        if known is not None and now - known.asked < _REMEMBERED_SECONDS:
            return known.person
        try:
            with self._pool.connection(2.0) as connection:
                screen = read_screen(connection, secret)
        except Unavailable:
            if known is None:
                raise
            return known.person
        if screen is None:
            self._forget(key)
            return None
        person = Person(f"screen {screen.id}", screen.name, Role.VIEWER, screen=screen.id)
        self._remember(key, _Known(person, _NEVER_US, now, now))
        return person

    def of_token(self, secret: str) -> Person | None:
        """Return the program a token belongs to, None where it is unknown, revoked or ran out. Raises Unavailable."""
        key = hashlib.sha256(b"token " + secret.encode("utf-8", "surrogatepass")).digest()
        known, now = self._remembered(key), self._clock.monotonic()
        if known is not None and now - known.asked < _REMEMBERED_SECONDS:
            return known.person
        try:
            with self._pool.connection(2.0) as connection:
                token = people.check_token(connection, secret, self._clock)
        except Unavailable:
            if known is None:
                raise
            return known.person
        if token is None:
            self._forget(key)
            return None
        person = Person(f"token {token.id} {token.name}", token.name, None, token.scopes, work_units=token.work_units)
        self._remember(key, _Known(person, token.expires_us, now, now))
        return person

    def forget_all(self) -> None:
        """Ask the database again at the next request of each: rights have changed."""
        with self._lock:
            self._known.clear()

    def at(self, person: Person, address: str) -> Person:
        """Return the person with the network address of this request."""
        return replace(person, address=address)

    def _remembered(self, key: bytes) -> _Known | None:
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.ends_us <= self._clock.now_us():
                del self._known[key]
                return None
            return known

    def _remember(self, key: bytes, known: _Known) -> None:
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = known

    def _forget(self, key: bytes) -> None:
        with self._lock:
            self._known.pop(key, None)
