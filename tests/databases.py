"""Fresh databases on a server, for tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import psycopg
import pytest

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - what lies there is ours alone
_ROOM_BYTES: Final = 6_000_000_000
"""A database of tests may lie in memory where so much is free: its thousand files are copied ten times faster there."""


@contextmanager
def folder_of_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lend a folder for a server whose data nobody needs after the tests: in memory where there is room."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
        yield tmp_path_factory.mktemp("pg")
        return
    for left in _MEMORY.glob("leadhand-tests-*"):
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)  # of tests that were killed
    folder = _MEMORY / f"leadhand-tests-{os.getpid()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_of(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def fresh_database(server: str, template: str) -> Iterator[str]:
    """Lend a database made from a template; it is dropped afterwards, whoever still uses it."""
    name = f"test_{uuid4().hex[:12]}"
    # on a disk, pages through the log are faster than files; in memory the other way round
    how = "FILE_COPY" if str(_MEMORY) in unquote(server) else "WAL_LOG"
    with psycopg.connect(database_of(server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {how}")
    try:
        yield database_of(server, name)
    finally:
        with psycopg.connect(database_of(server, "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
