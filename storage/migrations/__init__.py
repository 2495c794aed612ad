"""The schema, as plain numbered SQL files that only go forward.

``NNNN_name.sql`` is for every database; ``NNNN_name.plain.sql`` and ``NNNN_name.timescale.sql`` make the same tables and views
with the means of PostgreSQL alone or of TimescaleDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, MigrationList

from plant.errors import SettingsError
from storage.database import Connection, connect, is_timescale, translate_errors

_OLDEST_SERVER = 150_000
_OLDEST_TIMESCALE = (2, 20)
_LOCK = 5_347_610_229
_LOCK_OF_APPLYING = 5_347_610_228
_FOLDER = Path(__file__).parent


def migrate(url: str) -> list[str]:
    """Bring a database to the newest schema and return the names of the migrations applied; safe to call from several processes.

    Each migration and the note that it ran are one transaction: one that is killed half-way runs again from its start.
    """
    with connect(url, application="leadhand migrate") as connection, translate_errors():
        if connection.info.server_version < _OLDEST_SERVER:
            raise SettingsError(f"PostgreSQL {connection.info.server_version // 10_000} is too old: 15 or newer is needed")
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        unfit = {"plain"} if _wants_timescale(connection) else {"timescale"}
        backend = _Backend(url)
        try:
            # The server may still be at a statement of a process that was killed: its lock above is gone, this one not before it ends.
            backend.connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK_OF_APPLYING])
            known = [Migration(path.stem, str(path), str(_FOLDER)) for path in sorted(_FOLDER.glob("*.sql"))]
            due = list(backend.to_apply(MigrationList(m for m in known if not unfit & set(m.id.split(".")[1:]))))
            for migration in due:
                backend.apply_one(migration)
        finally:
            backend.connection.close()
        return [migration.id for migration in due]


def _wants_timescale(connection: Connection) -> bool:
    """Whether samples are, or in a new database can be, a hypertable."""
    row = connection.execute(
        "SELECT to_regclass('sample') IS NOT NULL, EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'), "
        "EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') "
        "AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'"
    ).fetchone()
    exists, installed, installable = row or (False, False, False)
    if exists:
        return is_timescale(connection)
    if not installed and not installable:
        return False
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if version is not None and tuple(int(n) for n in version[0].split("-")[0].split(".")[:2]) < _OLDEST_TIMESCALE:
        raise SettingsError(f"TimescaleDB {version[0]} is too old: 2.20 or newer is needed; update the extension")
    return True


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo has no types
    """yoyo over our connection. Its own lock is a row, which a killed process leaves behind; ours is an advisory lock held outside."""

    def __init__(self, url: str) -> None:
        self._url = url
        super().__init__(DatabaseURI("postgresql", None, None, None, None, None, {}), "_yoyo_migration")
        self.init_database()

    def connect(self, dburi: DatabaseURI) -> Connection:  # noqa: ARG002
        return connect(self._url, application="leadhand migrate")

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        """Leave statements without parameters as they stand: a % in them is a %."""
        return super().execute(sql, params) if params else self.connection.execute(sql)

    @contextmanager
    def lock(self, timeout: float = 10) -> Iterator[None]:  # noqa: ARG002
        yield

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        """Run a migration and note that it ran, in one transaction; yoyo itself takes two."""
        self.ensure_internal_schema_updated()
        with self.transaction():
            migration.process_steps(self, "apply", force=force)
            if mark:
                self.mark_one(migration, log=False)
