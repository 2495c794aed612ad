"""Who asks, in which language and theme: known for the time of one request, set by the gate."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from storage.people import Role, Scope

Language = Literal["en", "zh"]
Theme = Literal["light", "dark"]
LANGUAGE_COOKIE = "leadhand_language"
THEME_COOKIE = "leadhand_theme"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: somebody logged in, or a program with a token (then ``role`` is None and ``scopes`` hold)."""

    name: str
    full_name: str
    role: Role | None
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    address: str = ""
    """Network address, for the audit."""
    password_is_first: bool = False
    """Whether to ask for a new password: that of the first start still holds."""
    work_units: tuple[str, ...] = ()
    """Patterns; what a controller's token is good for."""
    session: int = 0
    """Number of the session that this is asked in; 0 for a program."""
    by_provider: bool = False
    """Whether the person has no password here."""
    screen: int | None = None
    """Number of the screen on the wall that this is: it may look only."""

    def may(self, role: Role | None, scope: Scope | None = None) -> bool:
        """Return whether the role includes ``role``, or a token holds ``scope``."""
        if self.role is not None:
            return role is not None and self.role.includes(role)
        return scope is not None and scope in self.scopes

    def acts_for(self, work_unit: str) -> bool:
        """Return whether this is a controller of a work unit."""
        return Scope.CONTROLLER in self.scopes and any(fnmatchcase(work_unit, pattern) for pattern in self.work_units)


@dataclass(frozen=True, slots=True)
class PageContext:
    """What a page needs to draw itself for one person."""

    person: Person
    language: Language
    theme: Theme
    time_zone: str
    """IANA name of the plant's time zone: all times shown are in it."""
    site_name: str
    path: str
    """URL path of the request; in a callback that of the callback, so take the page's path from ``dcc.Location``."""

    def may(self, role: Role) -> bool:
        """Return whether to offer what ``role`` may do. Only a courtesy: the server checks again when it is done."""
        return self.person.may(role)


_current: ContextVar[PageContext] = ContextVar("leadhand_page_context")


def current_context() -> PageContext:
    """Return the context of the request being answered; LookupError outside of one."""
    return _current.get()


def set_context(context: PageContext) -> None:
    """Make a context the current one for the rest of this request."""
    _current.set(context)
