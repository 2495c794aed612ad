"""The embedded PostgreSQL starts, stops, and comes back after the worst."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from plant.clock import SystemClock
from plant.errors import SettingsError, Unavailable
from storage.database import Pool, connect
from storage.postgres import EmbeddedPostgres

ORPHAN = (
    "import sys, pathlib; from plant.clock import SystemClock; from storage.postgres import EmbeddedPostgres as E; "
    "print(E(pathlib.Path(sys.argv[1]), clock=SystemClock()).start(), flush=True); sys.stdin.read()"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "pg", clock=SystemClock())
    yield server
    server.stop()


def test_it_is_durable_checked_private_and_off_the_network(server: EmbeddedPostgres, tmp_path: Path) -> None:
    url = server.start()
    with connect(url, application="test") as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses", "password_encryption")
        found = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]
    assert [row and row[0] for row in found] == ["on", "on", "on", "on", "", "scram-sha-256"]
    assert (tmp_path / "pg" / "password").stat().st_mode & 0o777 == 0o600
    assert stat.S_IMODE((tmp_path / "pg").stat().st_mode) == 0o700
    assert "trust" not in (tmp_path / "pg" / "data" / "pg_hba.conf").read_text()
    assert server.pid is not None
    assert psutil.Process(server.pid).net_connections("inet") == []
    with pytest.raises(Unavailable, match="password"):
        connect(url.replace(":", ":x", 2).replace("postgresql:x", "postgresql:", 1), application="test")


def test_what_was_stored_is_there_after_stop_and_start(server: EmbeddedPostgres) -> None:
    with connect(server.start(), application="test") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    assert server.pid is None
    server.stop()
    with connect(server.start(), application="test") as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_it_comes_back_after_kill_9(server: EmbeddedPostgres) -> None:
    url = server.start()
    for n in range(3):
        with connect(url, application="test") as connection:
            connection.execute(f"CREATE TABLE kept_{n} (a int)")
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        assert server.start() == url
    with connect(url, application="test") as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'kept%'").fetchone() == (3,)


def test_a_server_whose_starter_was_killed_is_taken_over(server: EmbeddedPostgres, tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", ORPHAN, tmp_path / "pg"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    assert starter.stdin is not None
    url = starter.stdout.readline().decode().strip()
    orphan = server.pid
    starter.kill()
    starter.wait()
    starter.stdin.close()
    starter.stdout.close()
    assert orphan is not None
    assert server.start() == url
    assert server.pid == orphan
    server.stop()
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE


def test_a_pid_file_that_names_another_process_does_not_stop_it(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    pid_file = tmp_path / "pg" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    server.start()
    assert server.pid not in {None, os.getppid()}


def test_an_initialisation_killed_half_way_starts_anew(server: EmbeddedPostgres, tmp_path: Path) -> None:
    half = tmp_path / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server.start()
    assert not half.exists()


def test_a_deep_folder_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep, clock=SystemClock())
    try:
        with connect(server.start(), application="test") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()


def test_a_folder_of_somebody_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="file"):
        EmbeddedPostgres(tmp_path / "file" / "pg", clock=SystemClock()).start()


def test_a_pool_replaces_connections_that_died(postgres_server: str) -> None:
    pool = Pool(postgres_server, 2, "pool")
    with pool.connection() as first:
        pid = first.info.backend_pid
    with psycopg.connect(postgres_server, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pool.connection() as second, pool.connection() as third:
        assert second.execute("SELECT 1").fetchone() == third.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(Unavailable, match="in use"), pool.connection(wait_seconds=0.05):
            pass
    pool.close()
    with pytest.raises(Unavailable, match="closed"), pool.connection():
        pass
