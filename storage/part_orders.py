"""Part orders of the factories that the centres serve, and how much of each is released and made.

All that changes them tells the channel ``part_orders`` (shares and nests are made anew) and the audit trail; callers add nothing to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from plant.errors import Rejected
from plant.nests import Shape
from plant.part_orders import PartOrder, PartOrderState, WorkKind
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors

PARTS_ORDERED: Final = "part_orders"
"""The channel; its payload is the order's number, empty for several."""
_LOCK: Final = 5_347_610_286
_SHOWN: Final = 50
_INSERT: Final = """
INSERT INTO part_order (number, factory, part, kind, shape, quantity, material, thickness_mm, rotations_deg, grain_deg, hours,
    earliest_time, due_time, priority, for_order, note, source, actor, received_time, state_time, changed_time)
VALUES (%(number)s, %(factory)s, %(part)s, %(kind)s, %(shape)s, %(quantity)s, %(material)s, %(thickness_mm)s, %(rotations_deg)s,
    %(grain_deg)s, %(hours)s, %(earliest)s, %(due)s, %(priority)s, %(for_order)s, %(note)s, %(source)s, %(actor)s,
    %(now)s, %(now)s, %(now)s)
"""
_SELECT: Final = "SELECT * FROM part_order"
_UPDATE: Final = """
UPDATE part_order SET factory = %(factory)s, part = %(part)s, kind = %(kind)s, shape = %(shape)s, quantity = %(quantity)s,
    material = %(material)s, thickness_mm = %(thickness_mm)s, rotations_deg = %(rotations_deg)s, grain_deg = %(grain_deg)s,
    hours = %(hours)s, earliest_time = %(earliest)s, due_time = %(due)s, priority = %(priority)s, for_order = %(for_order)s,
    note = %(note)s, changed_time = %(now)s WHERE number = %(number)s
"""


@dataclass(frozen=True, slots=True)
class StoredPartOrder:
    """A part order with how far it is."""

    id: int
    order: PartOrder
    state: PartOrderState
    state_us: int
    received_us: int
    source: str
    actor: str
    released: int
    """Pieces in nests that were released and are not cut yet."""
    made: int

    @property
    def waiting(self) -> int:
        """Pieces that are in no released nest yet."""
        return self.order.quantity - self.released - self.made


@dataclass(frozen=True, slots=True)
class WrittenPartOrders:
    """What became of orders that were given, by number."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot be so: a sentence."""


def write_part_orders(
    connection: Connection, orders: Sequence[PartOrder], *, source: str, actor: str, now_us: int, address: str = ""
) -> WrittenPartOrders:
    """Keep orders; the same number again changes the order, and the same again does nothing. Refused ones are told, the others kept.

    ``source``: rest, file or person. An order that ended is not changed any more, nor the part of one of which pieces are released.
    """
    added: list[str] = []
    changed: list[str] = []
    refused: dict[str, str] = {}
    same = 0
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        known = {
            one.order.number: one for one in _read(connection, "WHERE number = ANY (%(names)s)", {"names": [o.number for o in orders]})
        }
        for order in {order.number: order for order in orders}.values():
            before = known.get(order.number)
            values = _values(order)
            if before is None:
                connection.execute(_INSERT, {**values, "source": source, "actor": actor, "now": moment(now_us)})
                added.append(order.number)
            elif _told(values) == _told(_values(before.order)):
                same += 1
            elif wrong := _wrong(order, before):
                refused[order.number] = wrong
            else:
                connection.execute(_UPDATE, {**values, "now": moment(now_us)})
                changed.append(order.number)
        if added or changed:
            one = orders[0].number if len(orders) == 1 else ""
            notify(connection, PARTS_ORDERED, one)
            told = {"added": added[:_SHOWN], "changed": changed[:_SHOWN], "count": len(added) + len(changed)}
            act = "import" if not one else "add" if added else "change"
            subject = f"part order {one}" if one else "part orders"
            add_audit(connection, time_us=now_us, actor=actor, act=act, subject=subject, next_=told, address=address)
    return WrittenPartOrders(tuple(added), tuple(changed), same, refused)


def cancel_part_order(connection: Connection, number: str, *, actor: str, now_us: int, note: str = "", address: str = "") -> None:
    """Make no more of it; what is released is cut all the same. Raises Rejected where there is no open order of this number."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE part_order SET state = 'cancelled', state_time = %(now)s, changed_time = %(now)s "
            "WHERE number = %(number)s AND state = 'open' RETURNING id",
            {"now": moment(now_us), "number": number},
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no open part order '{number}'")
        notify(connection, PARTS_ORDERED, number)
        what = {"note": note.replace("\0", "")}
        add_audit(connection, time_us=now_us, actor=actor, act="cancel", subject=f"part order {number}", next_=what, address=address)


def count_made(connection: Connection, number: str, pieces: int, *, actor: str, now_us: int, address: str = "") -> None:
    """Count pieces of a stamped part as made. Raises Rejected for parts that are cut (their nests say so), and for too many."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE part_order SET made = made + %(pieces)s, changed_time = %(now)s, "
            "state = CASE WHEN made + %(pieces)s = quantity THEN 'done' ELSE state END, "
            "state_time = CASE WHEN made + %(pieces)s = quantity THEN %(now)s ELSE state_time END "
            "WHERE number = %(number)s AND state = 'open' AND kind = 'stamping' AND made + %(pieces)s <= quantity AND %(pieces)s > 0 "
            "RETURNING made",
            {"pieces": pieces, "now": moment(now_us), "number": number},
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no open order '{number}' of stamped parts of which {pieces} pieces are still to be made")
        notify(connection, PARTS_ORDERED, number)
        what = {"pieces": pieces, "made": row[0]}
        add_audit(connection, time_us=now_us, actor=actor, act="made", subject=f"part order {number}", next_=what, address=address)


def read_part_orders(
    connection: Connection,
    *,
    states: Sequence[PartOrderState] | None = None,
    factory: str | None = None,
    find: str = "",
    before: int | None = None,
    most: int = 200,
) -> list[StoredPartOrder]:
    """Return part orders, the newest first; ``find``: text in number, part or customer order; ``before`` pages back from an id."""
    which = (
        "WHERE (%(states)s::text[] IS NULL OR state = ANY (%(states)s)) AND (%(factory)s::text IS NULL OR factory = %(factory)s) "
        "AND (%(find)s = '' OR position(lower(%(find)s) IN lower(concat_ws(' ', number, part, for_order))) > 0) "
        "AND (%(before)s::bigint IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s"
    )
    given = {
        "states": None if states is None else [state.value for state in states],
        "factory": factory,
        "find": find.replace("\0", ""),
        "before": before,
        "most": max(1, min(most, 100_000)),
    }
    with translate_errors():
        return _read(connection, which, given)


def read_part_order(connection: Connection, number: str) -> StoredPartOrder | None:
    """Return one part order, None where there is none of this number."""
    with translate_errors():
        found = _read(connection, "WHERE number = %(number)s", {"number": number})
    return found[0] if found else None


def read_factories(connection: Connection) -> list[str]:
    """Return the factories that ever ordered parts, by name."""
    with translate_errors():
        return [row[0] for row in connection.execute("SELECT DISTINCT factory FROM part_order ORDER BY factory").fetchall()]


def order_names(connection: Connection) -> dict[int, tuple[str, str]]:
    """Return number and factory of each open part order, by its id."""
    with translate_errors():
        rows = connection.execute("SELECT id, number, factory FROM part_order WHERE state = 'open'").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def part_orders_mark(connection: Connection) -> str:
    """Return text that differs once an open part order came, changed or ended."""
    with translate_errors():
        row = connection.execute("SELECT concat_ws(' ', count(*), max(changed_time), max(id)) FROM part_order").fetchone()
    return str(row)


def _wrong(order: PartOrder, before: StoredPartOrder) -> str:
    """Why an order cannot be as given; empty: it can."""
    if before.state is not PartOrderState.OPEN:
        return f"it is {before.state.value} and is not changed any more"
    begun = before.released + before.made
    if order.quantity < begun:
        return f"{begun} pieces of it are released or made; it cannot be fewer"
    same = ("part", "kind", "material", "thickness_mm", "shape")
    was, will = _told(_values(before.order)), _told(_values(order))
    if begun and any(was[name] != will[name] for name in same):
        return "pieces of it are released or made; its part stays"
    return ""


def _values(order: PartOrder) -> dict[str, Any]:
    return {
        "number": order.number,
        "factory": order.factory,
        "part": order.part,
        "kind": order.kind.value,
        "shape": None if order.shape is None else Jsonb(shape_json(order.shape)),
        "quantity": order.quantity,
        "material": order.material,
        "thickness_mm": float(order.thickness_mm),
        "rotations_deg": None if order.rotations_deg is None else [float(one) for one in order.rotations_deg],
        "grain_deg": order.grain_deg,
        "hours": order.hours,
        "earliest": None if order.earliest_us is None else moment(order.earliest_us),
        "due": None if order.due_us is None else moment(order.due_us),
        "priority": order.priority,
        "for_order": order.for_order,
        "note": order.note,
    }


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values so that equal ones are equal."""
    return {**values, "shape": None if values["shape"] is None else values["shape"].obj}


def shape_json(shape: Shape) -> dict[str, Any]:
    """Return a shape as it is kept: outline and holes as lists of corners in mm."""
    return {"outline": shape.outline.tolist(), "holes": [hole.tolist() for hole in shape.holes]}


def _shape(kept: Mapping[str, Any] | None) -> Shape | None:
    if kept is None:
        return None
    return Shape(np.array(kept["outline"], np.float64), tuple(np.array(hole, np.float64) for hole in kept["holes"]))


def _read(connection: Connection, which: str, given: Mapping[str, Any]) -> list[StoredPartOrder]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{_SELECT} {which}", dict(given)).fetchall()
    return [_order(row) for row in rows]


def _order(row: Mapping[str, Any]) -> StoredPartOrder:
    order = PartOrder(
        row["number"],
        row["factory"],
        row["part"],
        row["quantity"],
        WorkKind(row["kind"]),
        _shape(row["shape"]),
        row["material"],
        row["thickness_mm"],
        None if row["rotations_deg"] is None else tuple(row["rotations_deg"]),
        row["grain_deg"],
        row["hours"],
        None if row["earliest_time"] is None else micros(row["earliest_time"]),
        None if row["due_time"] is None else micros(row["due_time"]),
        row["priority"],
        row["for_order"],
        row["note"],
    )
    return StoredPartOrder(
        row["id"],
        order,
        PartOrderState(row["state"]),
        micros(row["state_time"]),
        micros(row["received_time"]),
        row["source"],
        row["actor"],
        row["released"],
        row["made"],
    )
