"""What the optimizer learned, kept so that the next one begins with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from storage.database import Connection, micros, moment, translate_errors

_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class StoredPredictor:
    """A predictor as bytes, and what it was learned from."""

    version: str
    made_us: int
    shape: str
    """Differs where it would predict for something else."""
    basis: Mapping[str, Any]
    content: bytes


def write_predictor(connection: Connection, one: StoredPredictor) -> None:
    """Keep a predictor; the newest few stay."""
    with translate_errors(), connection.transaction():
        connection.execute(
            "INSERT INTO optimizer_predictor (version, made_time, shape, basis, content) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT (version) DO UPDATE SET made_time = excluded.made_time, shape = excluded.shape, basis = excluded.basis, "
            "content = excluded.content",
            [one.version, moment(one.made_us), one.shape, Jsonb(dict(one.basis)), one.content],
        )
        connection.execute(
            "DELETE FROM optimizer_predictor WHERE version NOT IN "
            "(SELECT version FROM optimizer_predictor ORDER BY made_time DESC, version LIMIT %s)",
            [_KEPT],
        )


def read_predictor(connection: Connection) -> StoredPredictor | None:
    """Return the newest predictor, None where nothing was learned yet."""
    with translate_errors():
        row = connection.execute(
            "SELECT version, made_time, shape, basis, content FROM optimizer_predictor ORDER BY made_time DESC, version LIMIT 1"
        ).fetchone()
    return None if row is None else StoredPredictor(row[0], micros(row[1]), row[2], row[3], bytes(row[4]))
