"""What devices said when the program of a proposal was read back: base, deltas, what was found, and whether that confirms it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Jsonb

from plant.program_deltas import ProgramRecord, ReadBack, unlike
from plant.tuning import TuningTarget
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.trials import TUNED


@dataclass(frozen=True, slots=True)
class StoredReadBack:
    """One reading back."""

    id: int
    time_us: int
    actor: str
    record: dict[str, Any]
    read: dict[str, Any]
    differences: list[dict[str, Any]]
    confirmed: bool


def add_readback(
    connection: Connection, proposal: int, target: TuningTarget, record: ProgramRecord, read: ReadBack, *, actor: str, now_us: int
) -> bool:
    """Keep what was read back, audited; return whether it confirms the change."""
    differences = [asdict(one) for one in unlike(record, read)]
    with translate_errors(), connection.transaction():
        connection.execute(
            "INSERT INTO tuning_readback (proposal_id, time, actor, record, read, differences, confirmed) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                *(proposal, moment(now_us), actor, Jsonb(asdict(record)), Jsonb(asdict(read)), Jsonb(differences), not differences),
            ],
        )
        told = {"proposal": proposal, "confirmed": not differences, "differences": differences}
        add_audit(connection, time_us=now_us, actor=actor, act="tuning.readback", subject=target.words, next_=told)
        notify(connection, TUNED, target.work_unit)
    return not differences


def read_readbacks(connection: Connection, proposal: int) -> list[StoredReadBack]:
    """Return what was read back for a proposal, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT id, time, actor, record, read, differences, confirmed FROM tuning_readback WHERE proposal_id = %s ORDER BY id DESC",
            [proposal],
        ).fetchall()
    return [StoredReadBack(row[0], micros(row[1]), *row[2:]) for row in rows]
