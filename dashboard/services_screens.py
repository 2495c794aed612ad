"""Screens on the wall: links for them, who they are, and their end. Each change is audited."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from dashboard.context import Person
from dashboard.services_people import require
from dashboard.views_andon import NewScreenView, ScreenDraft, ScreenView
from plant.clock import Clock
from storage import screens
from storage.audit import add_audit
from storage.database import Connection, Pool
from storage.people import Role
from storage.screens import Screen

_LINK_SECONDS = 24 * 3600
_SILENT_US = 5 * 60_000_000
"""A board says each minute that it is there."""


class ScreenService:
    """Each call reads the database in the calling thread. Raises Unavailable, Rejected, and PermissionError for who is no admin."""

    def __init__(self, pool: Pool, clock: Clock, forget_sessions: Callable[[], None]) -> None:
        self._pool, self._clock, self._forget = pool, clock, forget_sessions

    def screens(self, who: Person) -> list[ScreenView]:
        """Return all screens, the newest first."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection:
            return [self._view(one) for one in screens.read_screens(connection)]

    def add(self, who: Person, draft: ScreenDraft) -> NewScreenView:
        """Return a screen with its link, which is good for a day, once; it shows the andon board of a place."""
        require(who, Role.ADMIN)
        asked = {"place": draft.place, "language": draft.language, "theme": draft.theme}
        address = "/andon?" + urlencode({name: value for name, value in asked.items() if value}, safe="/")
        with self._pool.connection() as connection, connection.transaction():
            made, link = screens.add_screen(connection, draft.name, address, who.name, _LINK_SECONDS, self._clock)
            self._note(connection, who, "screen.add", made)
        return NewScreenView(self._view(made), f"/screen?link={link}")

    def end(self, who: Person, number: int) -> ScreenView:
        """Return a screen, which shows nothing from now on."""
        require(who, Role.ADMIN)
        with self._pool.connection() as connection, connection.transaction():
            ended = screens.end_screen(connection, number, self._clock)
            self._note(connection, who, "screen.end", ended)
        self._forget()
        return self._view(ended)

    def open(self, link: str, client: str) -> tuple[Screen, str]:
        """Return the screen whose link this is, and the secret of its session. Raises Rejected for a link that is used up."""
        with self._pool.connection() as connection, connection.transaction():
            opened, secret = screens.open_screen(connection, link, client, self._clock)
            add_audit(
                connection,
                time_us=self._clock.now_us(),
                actor=f"screen {opened.id}",
                act="screen.open",
                subject=opened.name,
                next_={"address": opened.address},
                address=client,
            )
        return opened, secret

    def here(self, who: Person) -> None:
        """Note that a screen shows its page; nothing for others."""
        if who.screen is not None:
            with self._pool.connection() as connection:
                screens.touch_screen(connection, who.screen, who.address, self._clock)

    def _view(self, one: Screen) -> ScreenView:
        now_us = self._clock.now_us()
        silent = one.seen_us is None or now_us - one.seen_us > _SILENT_US
        if one.ended_us is not None:
            state = "ended"
        elif one.opened_us is None:
            state = "waiting" if one.link_until_us > now_us else "ran_out"
        else:
            state = "silent" if silent else "shown"
        return ScreenView(
            *(one.id, one.name, one.address, one.created_by, one.created_us),
            state,  # type: ignore[arg-type]
            *(one.link_until_us, one.opened_us, one.seen_us, one.client, one.ended_us),
        )

    def _note(self, connection: Connection, who: Person, act: str, screen: Screen) -> None:
        add_audit(
            connection,
            time_us=self._clock.now_us(),
            actor=who.name,
            act=act,
            subject=f"screen {screen.id} {screen.name}",
            next_={"address": screen.address},
            address=who.address,
        )
