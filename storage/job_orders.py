"""Job orders as kept: one for each serial of a customer order, with how far it is and why it is in no plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row

from plant.customer_orders import JobOrder, JobOrderState
from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors

ORDERED: Final = "orders"
"""The channel; its payload is the number of an order, or empty where there were several."""
_JOBS: Final = """
SELECT w.*, o.number, o.product, o.customer, o.due_time, o.release_time, o.priority
FROM job_order w JOIN customer_order o ON o.id = w.customer_order_id
"""


@dataclass(frozen=True, slots=True)
class StoredJobOrder:
    """A job order with how far it is."""

    id: int
    job: JobOrder
    customer: str
    place: int
    state_us: int
    started_us: int | None
    ended_us: int | None
    reported: bool
    """Whether the plant said so; else it was taken to be done as planned."""
    problem: str
    """Why it is in no plan; empty: it is, or will be."""


def read_job_orders(
    connection: Connection, *, order: str | None = None, states: Sequence[JobOrderState] | None = None, most: int = 10_000
) -> list[StoredJobOrder]:
    """Return job orders in the order of their coming; ``order``: only of this customer order."""
    given = {"order": order, "states": None if states is None else [state.value for state in states], "most": most}
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"{_JOBS} WHERE (%(order)s::text IS NULL OR o.number = %(order)s) "
            "AND (%(states)s::text[] IS NULL OR w.state = ANY (%(states)s)) ORDER BY w.customer_order_id, w.place LIMIT %(most)s",
            given,
        ).fetchall()
    return [_job(row) for row in rows]


def jobs_by_order(connection: Connection, numbers: Sequence[str]) -> dict[str, list[StoredJobOrder]]:
    """Return the job orders of each of some customer orders."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{_JOBS} WHERE o.number = ANY (%s) ORDER BY w.customer_order_id, w.place", [list(numbers)]).fetchall()
    found: dict[str, list[StoredJobOrder]] = {number: [] for number in numbers}
    for row in rows:
        found[row["number"]].append(_job(row))
    return found


def set_route(connection: Connection, job: str, alternatives: Sequence[str], *, actor: str, now_us: int, address: str = "") -> None:
    """Decide the route of a job order; empty: the planner chooses again. Raises Rejected where it has begun or is not there."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "WITH before AS (SELECT id, alternatives FROM job_order WHERE name = %(job)s FOR UPDATE) "
            "UPDATE job_order w SET alternatives = %(steps)s FROM before b WHERE w.id = b.id AND w.state = 'waiting' "
            "RETURNING b.alternatives",
            {"steps": list(alternatives), "job": job},
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no job order '{job}' that has not begun")
        notify(connection, ORDERED, "")
        add_audit(
            connection,
            time_us=now_us,
            actor=actor,
            act="change",
            subject=f"route of job order {job}",
            previous=list(row[0]),
            next_=list(alternatives),
            address=address,
        )


def note_job_orders(
    connection: Connection,
    states: Mapping[str, tuple[JobOrderState, int | None, int | None]],
    *,
    now_us: int,
    reported: bool,
    problems: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Note how far job orders are: by name, state, begin and end. An order whose parts are all done is done. Returns the orders done by it.

    ``problems``: by name, why a job order is in no plan; empty: it is now.
    """
    with translate_errors(), connection.transaction():
        cursor = connection.cursor()
        if states:
            cursor.executemany(
                "UPDATE job_order SET state = %(state)s, state_time = %(now)s, started_time = coalesce(%(started)s, started_time), "
                "ended_time = %(ended)s, reported = %(reported)s WHERE name = %(name)s AND state IN ('waiting', 'started') "
                "AND (state, started_time, ended_time) IS DISTINCT FROM (%(state)s, coalesce(%(started)s, started_time), %(ended)s)",
                [
                    {
                        "name": name,
                        "state": state.value,
                        "now": moment(now_us),
                        "started": None if started is None else moment(started),
                        "ended": None if ended is None else moment(ended),
                        "reported": reported,
                    }
                    for name, (state, started, ended) in states.items()
                ],
            )
        if problems:
            cursor.executemany(
                "UPDATE job_order SET problem = %(problem)s WHERE name = %(name)s AND problem <> %(problem)s",
                [{"name": name, "problem": problem[:2000].replace("\0", "")} for name, problem in problems.items()],
            )
        done = cursor.execute(
            "UPDATE customer_order o SET state = 'done', state_time = %(now)s, changed_time = %(now)s WHERE state = 'open' "
            "AND EXISTS (SELECT FROM job_order w WHERE w.customer_order_id = o.id AND w.state = 'done') "
            "AND NOT EXISTS (SELECT FROM job_order w WHERE w.customer_order_id = o.id AND w.state IN ('waiting', 'started', 'scrapped')) "
            "RETURNING number",
            {"now": moment(now_us)},
        ).fetchall()
        if states or done:
            notify(connection, ORDERED, "")
    return tuple(number for (number,) in done)


def _job(row: Mapping[str, Any]) -> StoredJobOrder:
    job = JobOrder(
        row["name"],
        row["number"],
        row["serial"],
        row["product"],
        tuple(row["alternatives"]),
        _micros(row["release_time"]),
        _micros(row["due_time"]),
        row["priority"],
        JobOrderState(row["state"]),
    )
    return StoredJobOrder(
        row["id"],
        job,
        row["customer"],
        row["place"],
        micros(row["state_time"]),
        _micros(row["started_time"]),
        _micros(row["ended_time"]),
        row["reported"],
        row["problem"],
    )


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)


@dataclass(frozen=True, slots=True)
class ReportedStep:
    """An operation of a job order that the plant reported as done."""

    job_order: str
    operation: str
    alternative: str
    started_us: int
    ended_us: int
    """Rework included."""
    scrapped: bool


def read_reported(connection: Connection, names: Sequence[str]) -> list[ReportedStep]:
    """Return what the history tells of some job orders, in order of time."""
    with translate_errors():
        rows = connection.execute(
            "SELECT w.word, o.word, a.word, h.started_time, h.duration_min + CASE WHEN h.rework_min > 0 AND h.rework_min <> 'NaN' "
            "THEN h.rework_min ELSE 0 END, h.scrapped FROM history_word w JOIN operation_history h ON h.order_id = w.id "
            "AND h.serial_id IS NOT NULL JOIN history_operation o ON o.id = h.operation_id "
            "JOIN history_alternative a ON a.id = h.alternative_id WHERE w.word = ANY (%s) ORDER BY h.started_time, h.id",
            [list(names)],
        ).fetchall()
    return [
        ReportedStep(job, operation, alternative, micros(started), micros(started) + round(minutes * 60_000_000), bool(scrapped))
        for job, operation, alternative, started, minutes, scrapped in rows
    ]
