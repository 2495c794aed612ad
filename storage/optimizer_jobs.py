"""What the optimizer was asked to do, what it is at and how far, and what came of it: rows that a page can show.

Whoever asks writes a row; the one optimizer takes it. A job that a killed optimizer left is done anew, three times at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from storage.database import Connection, micros, moment, notify, translate_errors

JOBS: Final = "optimizer_jobs"
"""The channel that is told of each job asked for, moved on or ended; its payload is the job's number."""
ASKED_JOBS: Final = "optimizer_asked"
"""The channel that is told of jobs asked for, and of nothing else."""
MOST_TRIES: Final = 3
_KEPT: Final = 2000


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do."""

    id: int
    kind: str
    """``train``, ``recommend``, or what else the optimizer knows."""
    subject: str
    """What it is about: a product, or empty."""
    state: JobState
    actor: str
    """Who asked; empty: the optimizer by itself."""
    asked_us: int
    started_us: int | None
    updated_us: int | None
    ended_us: int | None
    share: float
    """Done, 0 to 1."""
    step: str
    """What it is at."""
    tries: int
    request: Mapping[str, Any]
    answer: Mapping[str, Any] | None
    problem: str
    """Why it failed."""


def ask_job(connection: Connection, kind: str, subject: str, request: Mapping[str, Any], *, actor: str, now_us: int) -> int:
    """Ask for a job and return its number; one of the same kind and subject that still waits is that job."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "SELECT id FROM optimizer_job WHERE kind = %s AND subject = %s AND state = 'waiting' AND request = %s",
            [kind, subject, Jsonb(dict(request))],
        ).fetchone()
        if row is None:
            row = connection.execute(
                "INSERT INTO optimizer_job (kind, subject, state, actor, asked_time, share, step, tries, request, problem) "
                "VALUES (%s, %s, 'waiting', %s, %s, 0, '', 0, %s, '') RETURNING id",
                [kind, subject, actor, moment(now_us), Jsonb(dict(request))],
            ).fetchone()
        assert row is not None  # noqa: S101 - it was just added
        notify(connection, ASKED_JOBS, str(row[0]))
        notify(connection, JOBS, str(row[0]))
    return int(row[0])


def begin_job(connection: Connection, kinds: Sequence[str], now_us: int) -> Job | None:
    """Return the job of these kinds that waited longest, as running; None where none waits."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "UPDATE optimizer_job SET state = 'running', started_time = %(now)s, updated_time = %(now)s, tries = tries + 1 "
            "WHERE id = (SELECT id FROM optimizer_job WHERE state = 'waiting' AND kind = ANY (%(kinds)s) ORDER BY id LIMIT 1 "
            "FOR UPDATE SKIP LOCKED) RETURNING *",
            {"now": moment(now_us), "kinds": list(kinds)},
        ).fetchone()
        if row is not None:
            notify(connection, JOBS, str(row["id"]))
    return None if row is None else _job(row)


def move_job(connection: Connection, number: int, share: float, step: str, now_us: int) -> None:
    """Note how far a job is."""
    with translate_errors():
        connection.execute(
            "UPDATE optimizer_job SET share = %s, step = %s, updated_time = %s WHERE id = %s AND state = 'running'",
            [min(max(share, 0.0), 1.0), step, moment(now_us), number],
        )
        notify(connection, JOBS, str(number))


def end_job(connection: Connection, number: int, now_us: int, *, answer: Mapping[str, Any] | None = None, problem: str = "") -> None:
    """Note that a job is done, or failed where a problem is told; the oldest ended ones are forgotten."""
    state = JobState.FAILED if problem else JobState.DONE
    with translate_errors(), connection.transaction():
        connection.execute(
            "UPDATE optimizer_job SET state = %(state)s, answer = %(answer)s, problem = %(problem)s, ended_time = %(now)s, "
            "updated_time = %(now)s, share = CASE WHEN %(problem)s = '' THEN 1 ELSE share END WHERE id = %(number)s",
            {
                "state": state.value,
                "answer": None if answer is None else Jsonb(dict(answer)),
                "problem": problem,
                "now": moment(now_us),
                "number": number,
            },
        )
        connection.execute("DELETE FROM optimizer_job WHERE id < %s AND state IN ('done', 'failed')", [number - _KEPT])
        notify(connection, JOBS, str(number))


def take_back_jobs(connection: Connection, now_us: int) -> int:
    """Let jobs wait again that an optimizer left when it was killed; one left three times has failed. Returns how many there were."""
    with translate_errors(), connection.transaction():
        failed = connection.execute(
            "UPDATE optimizer_job SET state = 'failed', problem = %s, ended_time = %s WHERE state = 'running' AND tries >= %s",
            [f"the optimizer ended {MOST_TRIES} times while it was at this", moment(now_us), MOST_TRIES],
        ).rowcount
        again = connection.execute("UPDATE optimizer_job SET state = 'waiting', share = 0, step = '' WHERE state = 'running'").rowcount
        if failed + again:
            notify(connection, JOBS)
    return failed + again


def read_jobs(connection: Connection, *, kinds: Sequence[str] | None = None, most: int = 50) -> list[Job]:
    """Return jobs, the newest first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM optimizer_job WHERE %(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s) ORDER BY id DESC LIMIT %(most)s",
            {"kinds": None if kinds is None else list(kinds), "most": most},
        ).fetchall()
    return [_job(row) for row in rows]


def read_job(connection: Connection, number: int) -> Job | None:
    """Return one job, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM optimizer_job WHERE id = %s", [number]).fetchone()
    return None if row is None else _job(row)


def _job(row: Mapping[str, Any]) -> Job:
    started, updated, ended = (None if row[name] is None else micros(row[name]) for name in ("started_time", "updated_time", "ended_time"))
    return Job(
        row["id"],
        row["kind"],
        row["subject"],
        JobState(row["state"]),
        row["actor"],
        micros(row["asked_time"]),
        started,
        updated,
        ended,
        row["share"],
        row["step"],
        row["tries"],
        row["request"],
        row["answer"],
        row["problem"],
    )
