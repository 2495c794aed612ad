"""Fresh databases on a server, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg


def database_of(url: str, name: str) -> str:
    """Return the URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def fresh_database(server: str, template: str) -> Iterator[str]:
    """Lend a database made from a template; it is dropped afterwards, whoever still uses it."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(database_of(server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield database_of(server, name)
    finally:
        with psycopg.connect(database_of(server, "postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
