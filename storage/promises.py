"""Promises of orders as kept, each as it was made, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.rows import dict_row

from plant.promises import Promise
from storage.database import Connection, micros, moment, translate_errors

_COLUMNS: Final = """
o.number, p.time, p.planned_end, p.ready_50, p.ready_80, p.ready_95, p.due_probability, p.quantiles, p.calibrated_by
"""


def write_promises(connection: Connection, promises: Sequence[Promise], *, plan: int | None) -> None:
    """Keep promises as the newest of their orders; those before stay on record. Call it in the transaction of the plan they come from."""
    if not promises:
        return
    with translate_errors(), connection.transaction():
        numbers = [one.order for one in promises]
        ids = dict(connection.execute("SELECT number, id FROM customer_order WHERE number = ANY (%s)", [numbers]).fetchall())
        kept = [one for one in promises if one.order in ids]
        connection.execute(
            "UPDATE order_promise SET newest = false WHERE newest AND customer_order_id = ANY (%s)", [[ids[one.order] for one in kept]]
        )
        connection.cursor().executemany(
            "INSERT INTO order_promise (customer_order_id, time, plan_version_id, planned_end, ready_50, ready_80, ready_95, "
            "due_probability, quantiles, calibrated_by, newest) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true)",
            [
                (
                    ids[one.order],
                    moment(one.made_us),
                    plan,
                    moment(one.planned_end_us),
                    *(moment(time) for time in one.ready_us),
                    one.due_probability,
                    [time / 1e6 for time in one.quantiles_us],
                    one.calibrated_by,
                )
                for one in kept
            ],
        )
        # of each order the first is kept, and the newest ones
        connection.execute(
            "DELETE FROM order_promise p WHERE p.customer_order_id = ANY (%s) AND p.id NOT IN ("
            "SELECT id FROM order_promise w WHERE w.customer_order_id = p.customer_order_id ORDER BY w.id DESC LIMIT 50) "
            "AND p.id <> (SELECT min(id) FROM order_promise w WHERE w.customer_order_id = p.customer_order_id)",
            [[ids[one.order] for one in kept]],
        )


def read_promises(connection: Connection, order: str, most: int = 100) -> list[Promise]:
    """Return what was promised of an order, the newest first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM order_promise p JOIN customer_order o ON o.id = p.customer_order_id WHERE o.number = %s "  # noqa: S608
            "ORDER BY p.id DESC LIMIT %s",
            [order, most],
        ).fetchall()
    return [_promise(row) for row in rows]


def read_newest_promises(connection: Connection) -> dict[str, Promise]:
    """Return what was last promised of each open order."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM order_promise p JOIN customer_order o ON o.id = p.customer_order_id "  # noqa: S608
            "WHERE p.newest AND o.state = 'open'"
        ).fetchall()
    return {row["number"]: _promise(row) for row in rows}


def read_ended_promises(connection: Connection, most: int = 400) -> list[tuple[Promise, int]]:
    """Return the first promise of each order that ended, and when it ended as the plant reported; the newest ``most``, in order of time.

    ``plant.promises.kept_shares`` tells of them how many were kept. Orders that were only taken to be done as planned are left out.
    """
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT * FROM (SELECT DISTINCT ON (o.id) {_COLUMNS}, e.ended FROM customer_order o "  # noqa: S608
            "JOIN order_promise p ON p.customer_order_id = o.id CROSS JOIN LATERAL (SELECT max(j.ended_time) AS ended, "
            "bool_and(j.reported) AS reported FROM job_order j WHERE j.customer_order_id = o.id AND j.state = 'done') e "
            "WHERE o.state = 'done' AND e.reported AND e.ended > p.time ORDER BY o.id DESC, p.id LIMIT %s) w ORDER BY w.ended",
            [most],
        ).fetchall()
    return [(_promise(row), micros(row["ended"])) for row in rows]


def _promise(row: Mapping[str, Any]) -> Promise:
    ready = tuple(micros(row[name]) for name in ("ready_50", "ready_80", "ready_95"))
    return Promise(
        row["number"],
        micros(row["time"]),
        micros(row["planned_end"]),
        (ready[0], ready[1], ready[2]),
        row["due_probability"],
        tuple(round(second * 1e6) for second in row["quantiles"]),
        row["calibrated_by"],
    )
