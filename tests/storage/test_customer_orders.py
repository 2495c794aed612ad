"""Customer orders as kept: each once, split by serial, with their promises; and what may no longer be changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plant.customer_orders import CustomerOrder, JobOrderState, OrderState
from plant.errors import Rejected
from plant.promises import LEVELS, Promise, kept_shares
from storage.audit import read_audit, verify_audit
from storage.customer_orders import cancel_order, orders_mark, read_stored_order, read_stored_orders, write_orders
from storage.database import Connection, connect, heard, listen
from storage.job_orders import ORDERED, note_job_orders, read_job_orders, set_route
from storage.promises import read_ended_promises, read_newest_promises, read_promises, write_promises

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000
FIRST = CustomerOrder("A-1", "EX-22", "Miller", 2, NOW + 9 * DAY, None, 7, NOW)
SECOND = CustomerOrder("A-2", "EX-30", "Li", 1, None, None, 5, NOW, ("SN-77",))


def keep(connection: Connection, *orders: CustomerOrder, now_us: int = NOW) -> object:
    return write_orders(connection, orders, source="file", actor="erp", now_us=now_us)


def promised(order: str, made_us: int, ready_us: int) -> Promise:
    quantiles = tuple(ready_us + round((level - 0.5) * DAY) for level in LEVELS)
    return Promise(order, made_us, ready_us, (ready_us, ready_us + DAY // 3, ready_us + DAY // 2), 0.75, quantiles, 3)


def test_an_order_is_kept_once_with_a_job_order_for_each_serial_and_tells_who_changed_what(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="ears") as ears:
        listen(ears, ORDERED)
        dry = write_orders(connection, [FIRST, SECOND], source="file", actor="erp", now_us=NOW, dry_run=True)
        assert dry.added == ("A-1", "A-2")
        assert read_stored_orders(connection) == []
        before = orders_mark(connection)
        keep(connection, FIRST, SECOND)
        assert ORDERED in heard(ears, 40)
        assert orders_mark(connection) != before
        again = write_orders(connection, [FIRST, SECOND], source="file", actor="erp", now_us=NOW + 1)
        assert (again.added, again.changed, again.same) == ((), (), 2)
        jobs = read_job_orders(connection)
        assert [(one.job.id, one.job.serial, one.job.priority) for one in jobs] == [
            ("A-1-1", "A-1-1", 7),
            ("A-1-2", "A-1-2", 7),
            ("A-2", "SN-77", 5),
        ]
        sooner = replace(FIRST, due_us=NOW + 5 * DAY, quantity=3)
        changed = write_orders(connection, [sooner], source="rest", actor="anna", now_us=NOW + 2, address="10.0.0.7")
        (change,) = changed.changed
        assert (change.before, change.after) == ({"quantity": 2, "due_us": NOW + 9 * DAY}, {"quantity": 3, "due_us": NOW + 5 * DAY})
        assert [one.job.id for one in read_job_orders(connection, order="A-1")] == ["A-1-1", "A-1-2", "A-1-3"]
        last = read_audit(connection, most=1)[0]
        assert (last.actor, last.act, last.subject, last.address) == ("anna", "change", "order A-1", "10.0.0.7")
        assert verify_audit(connection) is None
        row = connection.execute("SELECT number, quantity, done FROM v_customer_orders ORDER BY id").fetchall()
        assert row == [("A-1", 3, 0), ("A-2", 1, 0)]


def test_what_has_begun_is_not_changed_under_the_hands_of_those_who_make_it(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, FIRST, SECOND)
        set_route(connection, "A-2", ["cut-1", "weld-2"], actor="anna", now_us=NOW)
        assert read_job_orders(connection, order="A-2")[0].job.alternatives == ("cut-1", "weld-2")
        note_job_orders(connection, {"A-1-2": (JobOrderState.STARTED, NOW + 5, None)}, now_us=NOW + 6, reported=True)
        for other, words in ((replace(FIRST, product="EX-5"), "its product stays"), (replace(FIRST, quantity=1), "cannot be fewer")):
            written = write_orders(connection, [other], source="rest", actor="anna", now_us=NOW + 7)
            assert words in written.refused["A-1"]
        with pytest.raises(Rejected, match="has not begun"):
            set_route(connection, "A-1-2", [], actor="anna", now_us=NOW)
        thief = CustomerOrder("A-3", "EX-30", serials=("SN-77",))
        assert "SN-77" in write_orders(connection, [thief], source="rest", actor="anna", now_us=NOW).refused["A-3"]

        done = {"A-1-1": (JobOrderState.DONE, NOW + 5, NOW + 50), "A-1-2": (JobOrderState.DONE, NOW + 5, NOW + 60)}
        assert note_job_orders(connection, done, now_us=NOW + 70, reported=True, problems={"A-2": "no route"}) == ("A-1",)
        stored = read_stored_order(connection, "A-1")
        assert stored is not None
        assert (stored.state, stored.done, stored.ended_us) == (OrderState.DONE, 2, NOW + 60)
        assert read_stored_orders(connection, states=[OrderState.OPEN])[0].problems == ("no route",)
        refused = write_orders(connection, [replace(FIRST, priority=1)], source="rest", actor="anna", now_us=NOW + 80).refused
        assert refused == {"A-1": "it is done and is not changed any more"}
        cancel_order(connection, "A-2", actor="anna", now_us=NOW + 90, note="customer gave up")
        with pytest.raises(Rejected, match="no open order"):
            cancel_order(connection, "A-2", actor="anna", now_us=NOW + 91)
        assert read_job_orders(connection, states=[JobOrderState.WAITING, JobOrderState.STARTED]) == []


def test_promises_stay_on_record_and_the_first_is_held_against_what_the_plant_reported(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, FIRST, SECOND)
        write_promises(connection, [promised("A-1", NOW, NOW + 6 * DAY), promised("A-2", NOW, NOW + 3 * DAY)], plan=None)
        later = promised("A-1", NOW + DAY, NOW + 8 * DAY)
        write_promises(connection, [later], plan=None)
        assert read_promises(connection, "A-1") == [later, promised("A-1", NOW, NOW + 6 * DAY)]
        assert read_newest_promises(connection)["A-1"] == later
        stored = read_stored_order(connection, "A-1")
        assert stored is not None
        assert stored.promise is not None
        assert (stored.promise.ready_50_us, stored.promise.due_probability) == (NOW + 8 * DAY, 0.75)
        ends = {"A-1-1": NOW + 5 * DAY, "A-1-2": NOW + 6 * DAY + DAY // 4}
        note_job_orders(connection, {n: (JobOrderState.DONE, NOW, end) for n, end in ends.items()}, now_us=NOW, reported=True)
        note_job_orders(connection, {"A-2": (JobOrderState.DONE, NOW, NOW + DAY)}, now_us=NOW, reported=False)
        ended = read_ended_promises(connection)
        assert ended == [(promised("A-1", NOW, NOW + 6 * DAY), NOW + 6 * DAY + DAY // 4)], "the second was only taken to be done"
        assert [(one.promised, one.kept, one.orders) for one in kept_shares(ended)] == [(0.5, 0.0, 1), (0.8, 1.0, 1), (0.95, 1.0, 1)]
