"""Features in, a route out: requests that people, programs and design changes write, and that the optimizer answers.

``ask_new_product`` tells the channel ``new_products``, with the number of the request; so does the answer, on ``new_products_answered``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from plant.recommendations import Recommendation, recommendation_of, recommendation_record
from storage.database import Connection, micros, moment, notify, translate_errors

ASKED: Final = "new_products"
ANSWERED: Final = "new_products_answered"
_COLUMNS: Final = (
    "id, time, asked_by, product, family, features, design_change_id, state, answered_time, answer, problem, "
    "recommendation_id, model_version"
)


@dataclass(frozen=True, slots=True)
class NewProductRequest:
    """A product that somebody asks a route for."""

    id: int
    time_us: int
    asked_by: str
    product: str
    family: str
    features: Mapping[str, float | str]
    design_change: int | None
    """Number of the design change that it comes from."""
    state: str
    """waiting, answered or failed."""
    answered_us: int | None
    answer: Recommendation | None
    problem: str
    """Why there is no answer."""
    recommendation: int | None
    """Number of the recommendation it became, where it became one."""
    model_version: str


def ask_new_product(
    connection: Connection,
    *,
    product: str,
    features: Mapping[str, float | str],
    time_us: int,
    asked_by: str,
    family: str = "",
    design_change: int | None = None,
) -> int:
    """Write a request and return its number; the optimizer is told."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "INSERT INTO new_product (time, asked_by, product, family, features, design_change_id) VALUES (%s, %s, %s, %s, %s, %s) "
            "RETURNING id",
            [moment(time_us), asked_by, product, family, Jsonb(dict(features)), design_change],
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        notify(connection, ASKED, str(row[0]))
    return int(row[0])


def waiting_requests(connection: Connection, most: int = 100) -> list[NewProductRequest]:
    """Return what waits for an answer, the oldest first."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"SELECT {_COLUMNS} FROM new_product WHERE state = 'waiting' ORDER BY id LIMIT %s", [most])  # noqa: S608
        return [_request(row) for row in rows]


def answer_request(
    connection: Connection, number: int, answer: Recommendation, *, model_version: str, time_us: int, recommendation: int | None = None
) -> None:
    """Answer a request that waits; whoever asked is told. Raises Rejected where it does not wait any more."""
    _end(connection, number, time_us, "answered", Jsonb(recommendation_record(answer)), "", recommendation, model_version)


def fail_request(connection: Connection, number: int, problem: str, *, time_us: int) -> None:
    """Say why there is no answer to a request, in a sentence. Raises Rejected where it does not wait any more."""
    _end(connection, number, time_us, "failed", None, problem.replace("\0", ""), None, "")


def read_request(connection: Connection, number: int) -> NewProductRequest | None:
    """Return one request, None where there is none of this number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(f"SELECT {_COLUMNS} FROM new_product WHERE id = %s", [number]).fetchone()  # noqa: S608
    return None if row is None else _request(row)


def read_requests(
    connection: Connection, *, design_change: int | None = None, before: int | None = None, most: int = 50
) -> list[NewProductRequest]:
    """Return requests, the newest first."""
    given = {"change": design_change, "before": before, "most": max(1, min(most, 500))}
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM new_product WHERE (%(change)s::bigint IS NULL OR design_change_id = %(change)s) "  # noqa: S608
            "AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s",
            given,
        )
        return [_request(row) for row in rows]


def requests_of_changes(connection: Connection, changes: Sequence[int]) -> dict[int, int]:
    """Return the number of the newest request of each design change, by the change's number."""
    with translate_errors():
        rows = connection.execute(
            "SELECT design_change_id, max(id) FROM new_product WHERE design_change_id = ANY (%s) GROUP BY 1", [list(changes)]
        ).fetchall()
    return {int(change): int(number) for change, number in rows}


def requests_mark(connection: Connection) -> str:
    """Return text that differs once a request came or was answered."""
    with translate_errors():
        row = connection.execute(
            "SELECT max(id), max(answered_time), count(*) FILTER (WHERE state = 'waiting') FROM new_product"
        ).fetchone()
    return str(row)


def _end(
    connection: Connection, number: int, time_us: int, state: str, answer: Any, problem: str, recommendation: int | None, model: str
) -> None:
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE new_product SET state = %s, answered_time = %s, answer = %s, problem = %s, recommendation_id = %s, model_version = %s "
            "WHERE id = %s AND state = 'waiting' RETURNING id",
            [state, moment(time_us), answer, problem, recommendation, model, number],
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no request {number} that waits for an answer")
        notify(connection, ANSWERED, str(number))


def _request(row: dict[str, Any]) -> NewProductRequest:
    return NewProductRequest(
        id=row["id"],
        time_us=micros(row["time"]),
        asked_by=row["asked_by"],
        product=row["product"],
        family=row["family"],
        features=row["features"],
        design_change=row["design_change_id"],
        state=row["state"],
        answered_us=None if row["answered_time"] is None else micros(row["answered_time"]),
        answer=None if row["answer"] is None else recommendation_of(row["answer"]),
        problem=row["problem"],
        recommendation=row["recommendation_id"],
        model_version=row["model_version"],
    )
