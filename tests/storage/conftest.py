"""The databases that the contract of storage holds on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from plant.clock import SystemClock
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.upkeep import Upkeep
from tests.databases import fresh_database
from tests.node_parts import Node


class Database:
    """One fresh, migrated database of a kind that the contract holds on."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url

    @property
    def is_timescale(self) -> bool:
        """Whether samples lie in a hypertable."""
        return self.kind.startswith("timescale")

    def connect(self) -> Connection:
        """Return a new connection."""
        return connect(self.url, application="test")

    def settle(self) -> None:
        """Bring the rollups up to date, as upkeep or the policies of TimescaleDB do in time."""
        with self.connect() as connection:
            if self.is_timescale:
                for job in _refresh_jobs(connection):
                    connection.execute("CALL run_job(%s)", [job])
            else:
                Upkeep(connection, budget_bytes=None, clock=SystemClock()).run_once()


def _refresh_jobs(connection: Connection) -> list[int]:
    """The jobs that refresh the rollups, the finest first."""
    rows = connection.execute(
        "SELECT j.job_id FROM timescaledb_information.jobs j JOIN timescaledb_information.continuous_aggregates c "
        "ON (j.hypertable_schema, j.hypertable_name) IN ((c.view_schema, c.view_name), "
        "(c.materialization_hypertable_schema, c.materialization_hypertable_name)) "
        "WHERE c.view_schema = current_schema() AND j.proc_name = 'policy_refresh_continuous_aggregate' "
        "ORDER BY array_position(ARRAY['rollup_1s', 'rollup_1m', 'rollup_1h'], c.view_name::text)"
    ).fetchall()
    return [job for (job,) in rows]


@pytest.fixture(scope="session")
def timescale_server(node: Node) -> Iterator[str]:
    """The URL of a TimescaleDB as WebAssembly; every client must name a schema of its own in search_path."""
    server = subprocess.Popen([node.program, node.folder / "timescale.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=node.folder)
    assert server.stdin is not None
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, f"TimescaleDB did not start: exit code {server.wait()}"
    yield f"postgresql://postgres:none@127.0.0.1:{json.loads(line)['port']}/postgres"
    server.stdin.close()
    server.stdout.close()
    server.wait(60)


_NAMED = {"timescale_native": "LEADHAND_TIMESCALE_URL", "postgres_native": "LEADHAND_POSTGRES_URL"}
"""Servers of one's own that the contract runs on too, once the environment names them."""


_SERVERS = ["timescale_wasm", *(kind for kind, name in _NAMED.items() if os.environ.get(name))]


_ALIKE = frozenset(
    {
        "test_catalogue.py",
        "test_deliveries.py",
        "test_design_changes.py",
        "test_ledger.py",
        "test_recommendations.py",
        "test_route_set.py",
        "test_tightening.py",
    }
)
"""What these are about lies in plain tables of every kind of database: they run on the embedded one, and on all in the long run."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that need no hypertable take the time of another kind of database only in the long run."""
    for item in items:
        kind = item.callspec.params.get("database") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
        if kind == "timescale_wasm" and item.path.parent == Path(__file__).parent and item.path.name in _ALIKE:
            item.add_marker(pytest.mark.heavy)


@pytest.fixture(params=["embedded", *_SERVERS])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh, migrated database of each kind in turn."""
    yield from _fresh(request)


@pytest.fixture(params=[kind for kind in _SERVERS if kind.startswith("timescale")])
def timescale(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh, migrated database of each kind that has hypertables."""
    yield from _fresh(request)


def _fresh(request: pytest.FixtureRequest) -> Iterator[Database]:
    kind: str = request.param
    if kind == "embedded":
        yield Database(kind, request.getfixturevalue("database_url"))
    elif kind == "timescale_wasm":
        yield from _schema(request.getfixturevalue("timescale_server"), kind)
    else:
        with fresh_database(os.environ[_NAMED[kind]], "template0") as url:
            migrate(url)
            yield Database(kind, url)


def _schema(server: str, kind: str) -> Iterator[Database]:
    """This engine has one database, so each test gets a schema of its own in it."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    url = f"{server}?options=-csearch_path%3D{name},public"
    migrate(url)
    yield Database(kind, url)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA {name} CASCADE")
