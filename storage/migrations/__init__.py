"""The schema, as plain numbered SQL files that only go forward."""

from __future__ import annotations


def migrate(url: str) -> list[str]:
    """Bring a database to the newest schema and return the names of the migrations applied; safe to call from several processes."""
    raise NotImplementedError
