"""What the monitor remembers of the condition of equipment: how far it is, and the rest in pieces of which only the changed are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.database import Connection, translate_errors


def read_state(connection: Connection, equipment: int) -> tuple[int, bytes] | None:
    """Return up to when an equipment was judged and what is remembered of it, None where it never was."""
    with translate_errors():
        row = connection.execute("SELECT done_us, state FROM condition_state WHERE equipment_id = %s", [equipment]).fetchone()
    return None if row is None else (int(row[0]), bytes(row[1]))


def write_state(connection: Connection, equipment: int, done_us: int, state: bytes, least_parts: int) -> None:
    """Note up to when an equipment is judged, within the transaction of its results."""
    with translate_errors():
        connection.execute(
            "INSERT INTO condition_state (equipment_id, done_us, state, least_parts) VALUES (%s, %s, %s, %s) ON CONFLICT (equipment_id) "
            "DO UPDATE SET done_us = excluded.done_us, state = excluded.state, least_parts = excluded.least_parts",
            [equipment, done_us, state, least_parts],
        )


def read_pieces(connection: Connection, equipment: int) -> dict[str, bytes]:
    """Return the pieces in which the rest is remembered."""
    with translate_errors():
        rows = connection.execute("SELECT name, content FROM condition_piece WHERE equipment_id = %s", [equipment]).fetchall()
    return {name: bytes(content) for name, content in rows}


def write_pieces(connection: Connection, equipment: int, pieces: Mapping[str, bytes], names: Sequence[str]) -> None:
    """Put pieces in place of what stood there, and keep those of some names alone; within the transaction of the results."""
    with translate_errors(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM condition_piece WHERE equipment_id = %s AND NOT name = ANY(%s::text[])", [equipment, list(names)])
        cursor.executemany(
            "INSERT INTO condition_piece (equipment_id, name, content) VALUES (%s, %s, %b) ON CONFLICT (equipment_id, name) "
            "DO UPDATE SET content = excluded.content",
            [(equipment, name, content) for name, content in pieces.items()],
        )
