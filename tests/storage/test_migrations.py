"""The schema comes whole or not at all, whoever is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from storage.migrations import migrate

PROGRAM = "import sys; from storage.migrations import migrate; print('go', flush=True); migrate(sys.argv[1])"


def tables_of(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace").fetchone()
    assert row is not None
    return int(row[0])


def test_migrations_run_once(empty_database_url: str) -> None:
    applied = migrate(empty_database_url)
    assert applied[0] == "0001_catalogue"
    assert applied == sorted(applied)
    assert migrate(empty_database_url) == []


def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(empty_database_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, results)) == [False, False, False, True]


@pytest.mark.parametrize("seconds", [0.02, 0.08, 0.14, 0.2, 0.26])
def test_a_migration_killed_half_way_runs_again(empty_database_url: str, migrated_template: str, database_url: str, seconds: float) -> None:
    assert migrated_template
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, empty_database_url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    migrate(empty_database_url)
    assert migrate(empty_database_url) == []
    assert tables_of(empty_database_url) == tables_of(database_url)


def test_a_migration_prints_nothing(empty_database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    migrate(empty_database_url)
    assert capfd.readouterr().out == ""
