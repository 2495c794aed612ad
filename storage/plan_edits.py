"""What people did to plans: moves, locks and unlocks as rows that the optimizer takes up, or says why it cannot.

Each is on the audit trail; callers add nothing to it. The channel ``plan_edits`` is told of each that came or was answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg.rows import dict_row

from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.plans import PlanKind

EDITED: Final = "plan_edits"
"""The channel; its payload is the number of the edit."""
_ACTS: Final = frozenset({"move", "lock", "unlock"})


class EditState(StrEnum):
    """What became of an edit."""

    WAITING = "waiting"
    TAKEN = "taken"
    """It is in the plan; a move or a lock holds until somebody unlocks it or its operation is done."""
    REFUSED = "refused"
    ENDED = "ended"
    """It held, and does not any more."""


@dataclass(frozen=True, slots=True)
class NewEdit:
    """What a person does to a plan."""

    plan: int
    """Number of the version that the person sees; of a what-if, the edit makes another version of that what-if."""
    act: str
    """move: this operation there and then, kept by a lock; lock: where it stands; unlock."""
    job_order: str
    operation: str
    """As the plan's problem names it."""
    work_unit: str | None = None
    alternative: str | None = None
    start_us: int | None = None
    """None: the time is left open."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """An edit with its number and what became of it."""

    id: int
    time_us: int
    actor: str
    edit: NewEdit
    state: EditState
    answered_us: int | None
    answer: str
    """Why it was refused."""
    became: int | None
    """The version it became."""


def add_edit(connection: Connection, edit: NewEdit, *, actor: str, now_us: int, address: str = "") -> int:
    """Keep an edit for the optimizer and return its number. Raises Rejected where its plan is not kept or the act is none."""
    if edit.act not in _ACTS:
        raise Rejected(f"'{edit.act}' is nothing that can be done to an operation; there are: {', '.join(sorted(_ACTS))}")
    given = {
        "now": moment(now_us),
        "actor": actor,
        "plan": edit.plan,
        "act": edit.act,
        "job": edit.job_order,
        "operation": edit.operation,
        "unit": edit.work_unit,
        "alternative": edit.alternative,
        "start": None if edit.start_us is None else moment(edit.start_us),
        "note": edit.note.replace("\0", ""),
    }
    with translate_errors(), connection.transaction():
        if connection.execute("SELECT 1 FROM plan_version WHERE id = %s AND plan IS NOT NULL", [edit.plan]).fetchone() is None:
            raise Rejected(f"there is no plan of number {edit.plan} that can be edited")
        row = connection.execute(
            "INSERT INTO plan_edit (time, actor, plan_version_id, act, job_order, operation, work_unit, alternative, start_time, note) "
            "VALUES (%(now)s, %(actor)s, %(plan)s, %(act)s, %(job)s, %(operation)s, %(unit)s, %(alternative)s, %(start)s, %(note)s) "
            "RETURNING id",
            given,
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        what = {
            "plan": edit.plan,
            "work_unit": edit.work_unit,
            "alternative": edit.alternative,
            "start_us": edit.start_us,
            "note": edit.note,
        }
        subject = f"operation {edit.operation} of job order {edit.job_order}"
        add_audit(connection, time_us=now_us, actor=actor, act=edit.act, subject=subject, next_=what, address=address)
        notify(connection, EDITED, str(row[0]))
    return int(row[0])


def read_edits(
    connection: Connection,
    *,
    states: Sequence[EditState] | None = None,
    plan: int | None = None,
    kind: PlanKind | None = None,
    before: int | None = None,
    most: int = 200,
) -> list[StoredEdit]:
    """Return edits, the newest first; ``plan``: made on this version; ``kind``: made on one of this kind."""
    given = {
        "states": None if states is None else [state.value for state in states],
        "plan": plan,
        "kind": None if kind is None else kind.value,
        "before": before,
        "most": max(1, min(most, 5000)),
    }
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM plan_edit WHERE (%(states)s::text[] IS NULL OR state = ANY (%(states)s)) "
            "AND (%(plan)s::bigint IS NULL OR plan_version_id = %(plan)s) AND (%(before)s::bigint IS NULL OR id < %(before)s) "
            "AND (%(kind)s::text IS NULL OR EXISTS (SELECT FROM plan_version v WHERE v.id = plan_version_id AND v.kind = %(kind)s)) "
            "ORDER BY id DESC LIMIT %(most)s",
            given,
        ).fetchall()
    return [_edit(row) for row in rows]


def read_locks(connection: Connection) -> list[StoredEdit]:
    """Return the moves and locks of the live plan that hold, in the order of their coming."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT e.* FROM plan_edit e JOIN plan_version v ON v.id = e.plan_version_id WHERE e.state = 'taken' AND e.act <> 'unlock' "
            "AND v.kind = 'live' ORDER BY e.id"
        ).fetchall()
    return [_edit(row) for row in rows]


def answer_edits(connection: Connection, answers: Mapping[int, tuple[EditState, str]], *, now_us: int, became: int | None = None) -> None:
    """Say what became of edits, by number: the state and, where refused, why; ``became``: the version that those taken are in."""
    if not answers:
        return
    with translate_errors(), connection.transaction():
        connection.cursor().executemany(
            "UPDATE plan_edit SET state = %s, answer = %s, answered_time = %s, became_id = coalesce(%s, became_id) WHERE id = %s",
            [
                (state.value, words.replace("\0", ""), moment(now_us), became if state is EditState.TAKEN else None, number)
                for number, (state, words) in answers.items()
            ],
        )
        for number in answers:
            notify(connection, EDITED, str(number))


def _edit(row: Mapping[str, Any]) -> StoredEdit:
    edit = NewEdit(
        row["plan_version_id"],
        row["act"],
        row["job_order"],
        row["operation"],
        row["work_unit"],
        row["alternative"],
        None if row["start_time"] is None else micros(row["start_time"]),
        row["note"],
    )
    answered = None if row["answered_time"] is None else micros(row["answered_time"])
    return StoredEdit(
        row["id"], micros(row["time"]), row["actor"], edit, EditState(row["state"]), answered, row["answer"], row["became_id"]
    )
