"""Real parts that tests of several packages share: a database, and Node with what the tests need of it; the turn of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from plant.clock import SystemClock
from storage.migrations import migrate
from storage.postgres import EmbeddedPostgres
from tests.databases import database_of, folder_of_server, fresh_database
from tests.node_parts import Node, prepare_node
from tests.standstill import Standstill

_TEMPLATE = "leadhand_template"
_LONG = frozenset({"test_replay_recording.py", "test_demo.py", "test_up.py", "test_whole_demo.py"})

# the same examples in each run, however slow the machine: a failure comes again. Ever new ones: --hypothesis-profile=explore
examples.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("same")


_STANDSTILL: Final = pytest.StashKey[Standstill]()


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that hands out the tests notice when the machine stands still."""
    if not hasattr(config, "workerinput"):
        config.stash[_STANDSTILL] = Standstill()
        config.stash[_STANDSTILL].start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell of each time that the machine stood still: what waited then says nothing of the product."""
    machine = config.stash[_STANDSTILL]
    machine.stop()
    if machine.found:
        terminalreporter.section("the machine stood still")
        for line in machine.words():
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a worker never begin a long file when the others are nearly done: the longest come first, the shortest last."""

    def turn(item: pytest.Item) -> int:
        return -1 if item.path.name in _LONG else int(item.path.parent.name == "plant")

    items.sort(key=turn)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded PostgreSQL for the whole session."""
    # hundreds of databases are made and dropped in it; what a power cut does to a database is tried with others
    settings = {"max_connections": "100", "fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
    with folder_of_server(tmp_path_factory) as folder:
        server = EmbeddedPostgres(folder, clock=SystemClock(), settings=settings)
        url = server.start()
        yield url
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    """The name of a migrated database, to make others from."""
    with psycopg.connect(database_of(postgres_server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_TEMPLATE}")
    migrate(database_of(postgres_server, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    with fresh_database(postgres_server, "template1") as url:
        yield url


@pytest.fixture
def database_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    with fresh_database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def node() -> Node:
    """The pinned Node, with the packages of tests/node installed."""
    return prepare_node()
