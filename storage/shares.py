"""What each factory gets of the shared centres: versions, the newest holds; when and where each part order is made, and why.

The channel ``shares`` is told of each new version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from storage.database import Connection, micros, moment, notify, translate_errors

SHARED: Final = "shares"
"""The channel; its payload is the number of the new version."""
_KEPT: Final = 200
"""Versions whose files are kept, the newest; of older ones only the figures are."""
_COLUMNS: Final = (
    "SELECT id, made_time, rule, figures, owed, windows, from_time, to_time, orders, seconds, shares IS NOT NULL AS whole "
    "FROM share_version"
)


@dataclass(frozen=True, slots=True)
class OrderShare:
    """Hours that an order gets at a centre in a period."""

    part_order: int
    """Its id."""
    centre: str
    from_us: int
    to_us: int
    hours: float
    ready_us: int | None
    """When the whole order is ready; None where part of it has no time yet."""
    reasons: tuple[Mapping[str, Any], ...]
    """Codes with values, as ``plant.sharing`` has them."""


@dataclass(frozen=True, slots=True)
class OrderTimes:
    """When work on an order begins and when all of it is ready; None: not known."""

    begin_us: int | None
    ready_us: int | None


@dataclass(frozen=True, slots=True)
class NewShares:
    """Shares that the independent check found without fault, to be kept."""

    rule: str
    problem: str
    """A share-problem/1 file."""
    shares: str
    """A shares/1 file."""
    figures: Mapping[str, Any]
    owed: Sequence[Mapping[str, Any]]
    """At the end of each period: ``{"until": microseconds, "owed": {factory: hours}}``."""
    from_us: int
    to_us: int
    orders: Sequence[OrderShare]
    seconds: float
    windows: Sequence[Mapping[str, Any]] = ()
    """When a centre works for whom: ``{"centre": ..., "factory": ..., "from": microseconds, "to": microseconds}``."""


@dataclass(frozen=True, slots=True)
class StoredShares:
    """A version without its files."""

    id: int
    made_us: int
    rule: str
    figures: Mapping[str, Any]
    owed: tuple[Mapping[str, Any], ...]
    from_us: int
    to_us: int
    orders: int
    seconds: float
    whole: bool
    windows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ShareFiles:
    """What a version is, for ``plant.share_file``."""

    id: int
    problem: str
    shares: str


def add_shares(connection: Connection, new: NewShares, *, now_us: int) -> int:
    """Keep a version, which holds from now on, and return its number. The caller has checked it: nothing unverified is kept."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "INSERT INTO share_version (made_time, rule, problem, shares, figures, owed, windows, from_time, to_time, orders, seconds) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                moment(now_us),
                new.rule,
                new.problem,
                new.shares,
                Jsonb(dict(new.figures)),
                Jsonb([dict(one) for one in new.owed]),
                Jsonb([dict(one) for one in new.windows]),
                moment(new.from_us),
                moment(new.to_us),
                len({one.part_order for one in new.orders}),
                new.seconds,
            ],
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING
        connection.execute("DELETE FROM share_order")
        connection.cursor().executemany(
            "INSERT INTO share_order (share_version_id, part_order_id, centre, from_time, to_time, hours, ready_time, reasons) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    row[0],
                    one.part_order,
                    one.centre,
                    moment(one.from_us),
                    moment(one.to_us),
                    one.hours,
                    None if one.ready_us is None else moment(one.ready_us),
                    Jsonb([dict(reason) for reason in one.reasons]),
                )
                for one in new.orders
            ],
        )
        connection.execute("UPDATE share_version SET problem = NULL, shares = NULL WHERE shares IS NOT NULL AND id <= %s", [row[0] - _KEPT])
        notify(connection, SHARED, str(row[0]))
    return int(row[0])


def newest_shares(connection: Connection) -> StoredShares | None:
    """Return the version that holds; None where there is none yet."""
    found = read_shares(connection, most=1)
    return found[0] if found else None


def read_shares(connection: Connection, *, before: int | None = None, most: int = 100) -> list[StoredShares]:
    """Return versions, the newest first; ``before`` pages back from a version's number."""
    with translate_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"{_COLUMNS} WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(most)s",
            {"before": before, "most": max(1, min(most, 2000))},
        ).fetchall()
    return [_shares(row) for row in rows]


def read_share_files(connection: Connection, version: int) -> ShareFiles | None:
    """Return what a version is; None where there is none of this number, or its files are forgotten."""
    with translate_errors():
        row = connection.execute("SELECT id, problem, shares FROM share_version WHERE id = %s AND shares IS NOT NULL", [version]).fetchone()
    return None if row is None else ShareFiles(*row)


def read_order_shares(connection: Connection, *, part_order: int | None = None) -> list[OrderShare]:
    """Return what orders get by the version that holds, by time; of one order, or of all."""
    with translate_errors():
        rows = connection.execute(
            "SELECT part_order_id, centre, from_time, to_time, hours, ready_time, reasons FROM share_order "
            "WHERE %(order)s::bigint IS NULL OR part_order_id = %(order)s ORDER BY from_time, centre, part_order_id",
            {"order": part_order},
        ).fetchall()
    return [
        OrderShare(row[0], row[1], micros(row[2]), micros(row[3]), row[4], None if row[5] is None else micros(row[5]), tuple(row[6]))
        for row in rows
    ]


def order_times(connection: Connection, part_orders: Sequence[int]) -> dict[int, OrderTimes]:
    """Return by order's id when it begins and is ready: by the version that holds, and by nests that are released."""
    with translate_errors():
        rows = connection.execute(
            "SELECT o.id, least(s.begin_time, n.begin_time), "
            "CASE WHEN s.ready_time IS NULL AND o.released + o.made < o.quantity THEN NULL ELSE greatest(s.ready_time, n.end_time) END "
            "FROM part_order o "
            "LEFT JOIN LATERAL (SELECT min(from_time) FILTER (WHERE hours > 0) AS begin_time, max(ready_time) AS ready_time "
            "FROM share_order WHERE part_order_id = o.id) s ON true "
            "LEFT JOIN LATERAL (SELECT min(n.from_time) AS begin_time, max(n.to_time) AS end_time FROM nest_part p "
            "JOIN nest n ON n.id = p.nest_id WHERE p.part_order_id = o.id AND n.state = 'released') n ON true "
            "WHERE o.id = ANY (%s) AND o.state = 'open'",
            [list(part_orders)],
        ).fetchall()
    return {row[0]: OrderTimes(*(None if time is None else micros(time) for time in row[1:])) for row in rows}


def parts_ready(connection: Connection) -> dict[str, int]:
    """Return by customer order when the last of the parts it waits for is ready: no sooner than the horizon where none is known.

    What is made holds up nobody, and before there is a version nobody is held up.
    """
    with translate_errors():
        rows = connection.execute(
            "SELECT o.for_order, max(greatest(n.to_time, "
            "CASE WHEN o.released + o.made < o.quantity THEN coalesce(s.ready_time, v.to_time) END)) FROM part_order o "
            "CROSS JOIN (SELECT to_time FROM share_version ORDER BY id DESC LIMIT 1) v "
            "LEFT JOIN LATERAL (SELECT max(ready_time) AS ready_time FROM share_order WHERE part_order_id = o.id) s ON true "
            "LEFT JOIN LATERAL (SELECT max(n.to_time) AS to_time FROM nest_part p JOIN nest n ON n.id = p.nest_id "
            "WHERE p.part_order_id = o.id AND n.state = 'released') n ON true "
            "WHERE o.for_order <> '' AND o.state = 'open' GROUP BY o.for_order"
        ).fetchall()
    return {row[0]: micros(row[1]) for row in rows if row[1] is not None}


def _shares(row: Mapping[str, Any]) -> StoredShares:
    return StoredShares(
        row["id"],
        micros(row["made_time"]),
        row["rule"],
        row["figures"],
        tuple(row["owed"]),
        micros(row["from_time"]),
        micros(row["to_time"]),
        row["orders"],
        row["seconds"],
        row["whole"],
        tuple(row["windows"]),
    )
