"""The one door to PostgreSQL: connections, and its errors turned into ours."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from plant.errors import Rejected, Unavailable

Connection: TypeAlias = psycopg.Connection[Any]
"""A connection to the database, in autocommit mode, speaking UTC."""

PG_EPOCH_US = 946_684_800_000_000
"""2000-01-01 UTC, where PostgreSQL counts its binary times from, in microseconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CONNECT_SECONDS = 10


def moment(time_us: int) -> datetime:
    """Return a time as the driver takes it, exact to the microsecond; raises Rejected outside the years 1 to 9999."""
    try:
        return _EPOCH + timedelta(microseconds=int(time_us))
    except OverflowError as error:
        raise Rejected(f"{time_us} microseconds since 1970 is no time that the database takes") from error


def micros(time: datetime) -> int:
    """Return the microseconds since 1970 of a time from the driver, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def connect(url: str, *, application: str, read_only: bool = False, statement_seconds: float | None = None) -> Connection:
    """Return an open connection in autocommit mode, UTC; close it yourself.

    ``statement_seconds`` bounds each statement by the server's own clock. Raises Unavailable where nobody answers.
    """
    options = ["-c TimeZone=UTC", "-c client_min_messages=warning"]
    if read_only:
        options.append("-c default_transaction_read_only=on")
    if statement_seconds is not None:
        options.append(f"-c statement_timeout={max(1, round(statement_seconds * 1000))}")
    with translate_errors():
        parts = psycopg.conninfo.conninfo_to_dict(url)
        given = str(parts.get("options") or "")
        connection: Connection = psycopg.connect(
            url,
            autocommit=True,
            application_name=application,
            connect_timeout=_CONNECT_SECONDS,
            options=" ".join([given, *options]).strip(),
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        return connection


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn the driver's errors into Rejected (this very request is wrong) or Unavailable (all else: keep it, try again).

    Only what the values themselves cause is Rejected; a missing table, a full disk or a lacking right can be mended
    by a person while the request waits, so no data are given up for them.
    """
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise Rejected(f"the database refuses this: {_first_line(error)}") from error
    except psycopg.errors.UndefinedTable as error:
        raise Unavailable(f"the database holds no such table, its migrations have not run: {_first_line(error)}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise Unavailable(f"the database account lacks a right; grant it and it goes on: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise Unavailable(f"the database is away: {_first_line(error)}") from error


def _first_line(error: psycopg.Error) -> str:
    words = str(error).strip().splitlines()
    return words[0] if words else type(error).__name__


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Read all within the block as it stood at its begin."""
    with translate_errors(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection when the block takes longer than ``seconds``; the block then fails with the driver's error.

    A frozen server still acknowledges packets, so neither keepalives nor its own statement timeout would ever fire.
    """
    timer = threading.Timer(seconds, _cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)


class Pool:
    """A few connections shared by threads; each is checked when taken and replaced when broken."""

    def __init__(self, url: str, size: int, application: str, *, read_only: bool = False, statement_seconds: float | None = None) -> None:
        self._url = url
        self._application = application
        self._read_only = read_only
        self._statement_seconds = statement_seconds
        self._free: list[Connection] = []
        self._places = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def connection(self, wait_seconds: float = 10.0) -> Iterator[Connection]:
        """Lend a connection; raises Unavailable when all stay in use for ``wait_seconds`` or the database is away."""
        if not self._places.acquire(timeout=wait_seconds):
            raise Unavailable(f"all database connections of '{self._application}' are in use")
        try:
            connection = self._take()
            try:
                with translate_errors():
                    yield connection
            finally:
                self._give_back(connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close the connections that are not lent; those that are lent close when they come back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                if self._closed:
                    raise Unavailable(f"the database connections of '{self._application}' are closed")
                if not self._free:
                    break
                connection = self._free.pop()
            if _answers(connection):
                return connection
            connection.close()
        return connect(self._url, application=self._application, read_only=self._read_only, statement_seconds=self._statement_seconds)

    def _give_back(self, connection: Connection) -> None:
        idle = not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._lock:
            if idle and not self._closed:
                self._free.append(connection)
                return
        connection.close()


def _answers(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def is_timescale(connection: Connection) -> bool:
    """Return whether the samples of this database lie in a TimescaleDB hypertable (not merely whether the extension exists)."""
    return timescale_version(connection) is not None


def timescale_version(connection: Connection) -> tuple[int, int] | None:
    """Return the version of the TimescaleDB whose hypertable holds the samples of this database; None where none does."""
    with translate_errors():
        row = connection.execute(
            "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), "
            "coalesce((SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass('sample')), false)"
        ).fetchone()
    if row is None or row[0] is None or not row[1]:
        return None
    major, minor = row[0].split("-")[0].split(".")[:2]
    return int(major), int(minor)


def listen(connection: Connection, channel: str) -> None:
    """Have the connection told of what ``notify`` says on a channel; read it with ``connection.notifies()``."""
    with translate_errors():
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """Tell all who listen on a channel, when the transaction commits; ``payload`` below 8000 bytes."""
    with translate_errors():
        connection.execute("SELECT pg_notify(%s, %s)", [channel, payload])


def heard(connection: Connection, seconds: float, *, own: bool = True) -> set[str]:
    """Return the channels on which something was said that the connection listens to; waits for the first at most ``seconds``.

    ``own``: whether what this very connection said counts too.
    """
    with translate_errors():
        me = None if own else connection.info.backend_pid
        found = list(connection.notifies(timeout=seconds, stop_after=1))
        found += list(connection.notifies(timeout=0)) if found else []
        return {said.channel for said in found if said.pid != me}
