"""Where the database of a home is: the one that runs, the one that settings name, or the embedded one started for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from leadhand.home import Home
from leadhand.settings import HomeSettings, load_settings
from plant.clock import Clock, SystemClock
from plant.errors import Rejected
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres


@contextmanager
def open_database(home: Home, settings: HomeSettings, clock: Clock, *, make: bool = False) -> Iterator[str]:
    """Give the URL of a home's database, up to date; an embedded one that does not run is started, and stopped at the end.

    Without ``make``, a home that holds no data yet raises Rejected.
    """
    if settings.database.url is not None:
        if not home.is_locked():
            migrate(settings.database.url)
        yield settings.database.url
        return
    server = EmbeddedPostgres(home.postgres, clock=clock)
    if home.is_locked() and server.pid is not None:
        yield server.url
        return
    if not make and not (home.postgres / "data").exists():
        raise Rejected(f"{home.path}: nothing is stored here yet; run 'leadhand demo' or 'leadhand up SITE' first, or give --home DIR")
    with home.locked():
        url = server.start()
        try:
            migrate(url)
            yield url
        finally:
            server.stop()


@contextmanager
def opened(home: Home, *, make: bool = False) -> Iterator[Connection]:
    """Give a connection to the database of a home, up to date, closed at the end; ``make`` as in ``open_database``."""
    with open_database(home, load_settings(home.settings), SystemClock(), make=make) as url, connected(url) as connection:
        yield connection


@contextmanager
def connected(url: str, *, read_only: bool = False) -> Iterator[Connection]:
    """Give a connection of our own, closed at the end."""
    connection = connect(url, application="leadhand", read_only=read_only)
    try:
        yield connection
    finally:
        connection.close()
