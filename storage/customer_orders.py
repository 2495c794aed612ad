"""Customer orders, the job orders they became, and what was promised of them.

All that changes orders tells the channel ``orders`` (the optimizer plans anew) and the audit trail; callers add nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.rows import dict_row

from plant.customer_orders import CustomerOrder, JobOrderState, OrderState, job_orders
from plant.errors import Rejected
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.job_orders import ORDERED, StoredJobOrder, jobs_by_order

_LOCK: Final = 5_347_610_274
_SHOWN: Final = 50
_FIELDS: Final = ("product", "customer", "quantity", "due_us", "release_us", "priority", "serials", "note")
_ORDERS: Final = """
SELECT o.*, p.time AS p_time, p.plan_version_id, p.planned_end, p.ready_50, p.ready_80, p.ready_95, p.due_probability, p.quantiles,
    p.calibrated_by, j.done, j.started, j.problems, j.ended_time, j.serials
FROM customer_order o
LEFT JOIN order_promise p ON p.customer_order_id = o.id AND p.newest
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE w.state = 'done') AS done, count(*) FILTER (WHERE w.state = 'started') AS started,
        max(w.ended_time) AS ended_time, array_agg(w.serial ORDER BY w.place) FILTER (WHERE w.state <> 'cancelled') AS serials,
        array_agg(DISTINCT w.problem) FILTER (WHERE w.problem <> '' AND w.state IN ('waiting', 'started')) AS problems
    FROM job_order w WHERE w.customer_order_id = o.id
) j
"""


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What a row says otherwise than the order that is there."""

    number: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WrittenOrders:
    """What became of orders that were given, or would become of them."""

    added: tuple[str, ...] = ()
    changed: tuple[OrderChange, ...] = ()
    same: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)
    """By number, why it cannot be so: a sentence."""


@dataclass(frozen=True, slots=True)
class PromiseGiven:
    """The newest promise of an order, as a page shows it."""

    time_us: int
    plan: int | None
    """Number of the plan's version."""
    planned_end_us: int
    ready_50_us: int
    ready_80_us: int
    ready_95_us: int
    due_probability: float | None
    calibrated_by: int


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A customer order with how far it is."""

    id: int
    order: CustomerOrder
    state: OrderState
    state_us: int
    source: str
    actor: str
    done: int
    """Job orders of it that are done, ..."""
    started: int
    """... and that are under way."""
    ended_us: int | None
    """When the last of its parts was done; None before."""
    promise: PromiseGiven | None
    problems: tuple[str, ...]
    """Why parts of it are in no plan."""


def write_orders(
    connection: Connection,
    orders: Sequence[CustomerOrder],
    *,
    source: str,
    actor: str,
    now_us: int,
    address: str = "",
    dry_run: bool = False,
) -> WrittenOrders:
    """Keep orders, with a job order for each serial; the same number again changes the order, and the same row again does nothing.

    ``source``: rest, file or person. An order that ended is not changed any more, nor product or serials of one that has begun, nor its
    quantity below what has begun: those are refused and the others kept. ``dry_run``: only say what would become of them.
    """
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        names = [order.number for order in orders]
        known = {one.order.number: one for one in _read(connection, "WHERE o.number = ANY (%(names)s)", {"names": names})}
        jobs = jobs_by_order(connection, list(known))
        sorted_ = _sorted(orders, known, jobs, _taken(connection, orders))
        if not dry_run and (sorted_.added or sorted_.changed):
            for order in orders:
                if order.number in sorted_.added:
                    _add(connection, order, source, actor, now_us)
                elif order.number in {change.number for change in sorted_.changed}:
                    _alter(connection, known[order.number], order, jobs[order.number], now_us)
            notify(connection, ORDERED, names[0] if len(names) == 1 else "")
            _tell(connection, orders, sorted_, actor, now_us, address)
    return sorted_


def cancel_order(connection: Connection, number: str, *, actor: str, now_us: int, note: str = "", address: str = "") -> None:
    """Take an order out of the plan; parts under way are cancelled too. Raises Rejected where there is no open order of this number."""
    with translate_errors(), connection.transaction():
        row = connection.execute(
            "UPDATE customer_order SET state = 'cancelled', state_time = %(now)s, changed_time = %(now)s "
            "WHERE number = %(number)s AND state = 'open' RETURNING id",
            {"now": moment(now_us), "number": number},
        ).fetchone()
        if row is None:
            raise Rejected(f"there is no open order '{number}'")
        connection.execute(
            "UPDATE job_order SET state = 'cancelled', state_time = %s WHERE customer_order_id = %s AND state IN ('waiting', 'started')",
            [moment(now_us), row[0]],
        )
        notify(connection, ORDERED, number)
        what = {"note": note.replace("\0", "")}
        add_audit(connection, time_us=now_us, actor=actor, act="cancel", subject=f"order {number}", next_=what, address=address)


def read_stored_orders(
    connection: Connection,
    *,
    states: Sequence[OrderState] | None = None,
    product: str | None = None,
    customer: str | None = None,
    before: int | None = None,
    most: int = 200,
) -> list[StoredOrder]:
    """Return customer orders, the newest first; ``before`` pages back from an order's id."""
    which = (
        "WHERE (%(states)s::text[] IS NULL OR o.state = ANY (%(states)s)) AND (%(product)s::text IS NULL OR o.product = %(product)s) "
        "AND (%(customer)s::text IS NULL OR o.customer = %(customer)s) AND (%(before)s::bigint IS NULL OR o.id < %(before)s) "
        "ORDER BY o.id DESC LIMIT %(most)s"
    )
    given = {
        "states": None if states is None else [state.value for state in states],
        "product": product,
        "customer": customer,
        "before": before,
        "most": max(1, min(most, 5000)),
    }
    with translate_errors():
        return _read(connection, which, given)


def read_stored_order(connection: Connection, number: str) -> StoredOrder | None:
    """Return one customer order, None where there is none of this number."""
    with translate_errors():
        found = _read(connection, "WHERE o.number = %(number)s", {"number": number})
    return found[0] if found else None


def orders_mark(connection: Connection) -> str:
    """Return text that differs once an order or a job order came or changed."""
    with translate_errors():
        row = connection.execute(
            "SELECT (SELECT concat_ws(' ', count(*), max(changed_time)) FROM customer_order WHERE state = 'open'), "
            "(SELECT concat_ws(' ', count(*), max(state_time), md5(string_agg(alternatives::text, '' ORDER BY id))) FROM job_order "
            "WHERE state IN ('waiting', 'started'))"
        ).fetchone()
    return str(row)


def _sorted(
    orders: Sequence[CustomerOrder],
    known: Mapping[str, StoredOrder],
    jobs: Mapping[str, Sequence[StoredJobOrder]],
    taken: Mapping[str, str],
) -> WrittenOrders:
    added: list[str] = []
    changed: list[OrderChange] = []
    refused: dict[str, str] = {}
    same = 0
    for order in orders:
        before = known.get(order.number)
        change = None if before is None else _change(before.order, order)
        if before is not None and change is None:
            same += 1
            continue
        wrong = _wrong(order, before, jobs.get(order.number, ()), taken)
        if wrong:
            refused[order.number] = wrong
        elif change is None:
            added.append(order.number)
        else:
            changed.append(change)
    return WrittenOrders(tuple(added), tuple(changed), same, refused)


def _tell(connection: Connection, orders: Sequence[CustomerOrder], written: WrittenOrders, actor: str, now_us: int, address: str) -> None:
    previous: Any = None
    if len(orders) > 1:
        told: Any = {
            "added": list(written.added[:_SHOWN]),
            "changed": [change.number for change in written.changed[:_SHOWN]],
            "count": len(written.added) + len(written.changed),
        }
        act, subject = "import", "orders"
    elif written.changed:
        act, subject = "change", f"order {orders[0].number}"
        previous, told = dict(written.changed[0].before), dict(written.changed[0].after)
    else:
        act, subject = "add", f"order {orders[0].number}"
        told = _values(orders[0], ("product", "quantity", "due_us", "priority"))
    add_audit(connection, time_us=now_us, actor=actor, act=act, subject=subject, previous=previous, next_=told, address=address)


def _wrong(order: CustomerOrder, before: StoredOrder | None, jobs: Sequence[StoredJobOrder], taken: Mapping[str, str]) -> str:
    """Why an order cannot be as given; empty: it can."""
    for job in job_orders(order):
        for word, name in (("job order", job.id), ("serial", job.serial)):
            owner = taken.get(f"{word} {name}")
            if owner is not None and owner != order.number:
                return f"{word} '{name}' is of order '{owner}' already"
    if before is None:
        return ""
    if before.state is not OrderState.OPEN:
        return f"it is {before.state.value} and is not changed any more"
    begun = [job for job in jobs if job.job.state not in {JobOrderState.WAITING, JobOrderState.CANCELLED}]
    if begun and order.product != before.order.product:
        return "parts of it have begun; its product stays"
    if begun and order.serials and order.serials != before.order.serials:
        return "parts of it have begun; its serials stay"
    if begun and order.quantity < max(job.place for job in begun):
        return f"part {max(job.place for job in begun)} of it has begun; it cannot be fewer"
    return ""


def _change(before: CustomerOrder, after: CustomerOrder) -> OrderChange | None:
    same = after.serials in {(), before.serials}
    other = [name for name in _FIELDS if name != "serials" and getattr(before, name) != getattr(after, name)]
    other += [] if same else ["serials"]
    if not other:
        return None
    return OrderChange(after.number, _values(before, other), _values(after, other))


def _values(order: CustomerOrder, names: Iterable[str]) -> dict[str, Any]:
    found = {name: getattr(order, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _taken(connection: Connection, orders: Sequence[CustomerOrder]) -> dict[str, str]:
    jobs = [job for order in orders for job in job_orders(order)]
    rows = connection.execute(
        "SELECT o.number, w.name, w.serial FROM job_order w JOIN customer_order o ON o.id = w.customer_order_id "
        "WHERE w.name = ANY (%s) OR w.serial = ANY (%s)",
        [[job.id for job in jobs], [job.serial for job in jobs]],
    ).fetchall()
    found: dict[str, str] = {}
    for number, name, serial in rows:
        found[f"job order {name}"] = number
        found[f"serial {serial}"] = number
    return found


def _add(connection: Connection, order: CustomerOrder, source: str, actor: str, now_us: int) -> None:
    row = connection.execute(
        "INSERT INTO customer_order (number, customer, product, quantity, due_time, release_time, priority, received_time, note, source, "
        "actor, state_time, changed_time) VALUES (%(number)s, %(customer)s, %(product)s, %(quantity)s, %(due)s, %(release)s, %(priority)s, "
        "%(received)s, %(note)s, %(source)s, %(actor)s, %(now)s, %(now)s) RETURNING id",
        {**_given(order), "received": moment(order.received_us or now_us), "source": source, "actor": actor, "now": moment(now_us)},
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    _add_jobs(connection, row[0], order, now_us, after=0)


def _add_jobs(connection: Connection, order_id: int, order: CustomerOrder, now_us: int, *, after: int) -> None:
    connection.cursor().executemany(
        "INSERT INTO job_order (name, customer_order_id, place, serial, state_time) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (customer_order_id, place) DO UPDATE SET name = excluded.name, serial = excluded.serial, state = 'waiting', "
        "state_time = excluded.state_time",
        [(job.id, order_id, place, job.serial, moment(now_us)) for place, job in enumerate(job_orders(order), 1) if place > after],
    )


def _alter(connection: Connection, before: StoredOrder, order: CustomerOrder, jobs: Sequence[StoredJobOrder], now_us: int) -> None:
    connection.execute(
        "UPDATE customer_order SET customer = %(customer)s, product = %(product)s, quantity = %(quantity)s, due_time = %(due)s, "
        "release_time = %(release)s, priority = %(priority)s, note = %(note)s, changed_time = %(now)s WHERE id = %(id)s",
        {**_given(order), "now": moment(now_us), "id": before.id},
    )
    renamed = order.serials and order.serials != before.order.serials
    if order.product != before.order.product:
        connection.execute("UPDATE job_order SET alternatives = '{}' WHERE customer_order_id = %s AND state = 'waiting'", [before.id])
    if order.quantity < before.order.quantity:
        connection.execute(
            "UPDATE job_order SET state = 'cancelled', state_time = %s WHERE customer_order_id = %s AND place > %s AND state = 'waiting'",
            [moment(now_us), before.id, order.quantity],
        )
    if renamed:
        _add_jobs(connection, before.id, order, now_us, after=0)
    elif order.quantity > before.order.quantity:
        # names keep the width that they had
        last = max(job.place for job in jobs)
        rows = [
            (f"{order.number}-{place}", before.id, place, f"{order.number}-{place}", moment(now_us))
            for place in range(last + 1, order.quantity + 1)
        ]
        connection.execute(
            "UPDATE job_order SET state = 'waiting', state_time = %s WHERE customer_order_id = %s AND place <= %s AND state = 'cancelled'",
            [moment(now_us), before.id, order.quantity],
        )
        connection.cursor().executemany(
            "INSERT INTO job_order (name, customer_order_id, place, serial, state_time) VALUES (%s, %s, %s, %s, %s)", rows
        )


def _given(order: CustomerOrder) -> dict[str, Any]:
    return {
        "number": order.number,
        "customer": order.customer,
        "product": order.product,
        "quantity": order.quantity,
        "due": None if order.due_us is None else moment(order.due_us),
        "release": None if order.release_us is None else moment(order.release_us),
        "priority": order.priority,
        "note": order.note,
    }


def _read(connection: Connection, which: str, given: Mapping[str, Any]) -> list[StoredOrder]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{_ORDERS} {which}", dict(given)).fetchall()
    return [_order(row) for row in rows]


def _order(row: Mapping[str, Any]) -> StoredOrder:
    order = CustomerOrder(
        row["number"],
        row["product"],
        row["customer"],
        row["quantity"],
        _micros(row["due_time"]),
        _micros(row["release_time"]),
        row["priority"],
        micros(row["received_time"]),
        tuple(row["serials"] or ()),
        row["note"],
    )
    given = None
    if row["p_time"] is not None:
        planned, at_50, at_80, at_95 = (micros(row[name]) for name in ("planned_end", "ready_50", "ready_80", "ready_95"))
        given = PromiseGiven(
            micros(row["p_time"]), row["plan_version_id"], planned, at_50, at_80, at_95, row["due_probability"], row["calibrated_by"]
        )
    ended = _micros(row["ended_time"]) if row["state"] == "done" else None
    return StoredOrder(
        row["id"],
        order,
        OrderState(row["state"]),
        micros(row["state_time"]),
        row["source"],
        row["actor"],
        row["done"],
        row["started"],
        ended,
        given,
        tuple(row["problems"] or ()),
    )


def _micros(time: Any) -> int | None:
    return None if time is None else micros(time)
