"""What centres that serve several factories remember: orders of parts, stock, nests, shares; and that nothing is taken twice."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from plant.errors import Rejected
from plant.nests import StockSheet, rectangle
from plant.part_orders import PartOrder, PartOrderState, WorkKind
from storage.audit import read_audit, verify_audit
from storage.database import Connection, connect, heard, listen
from storage.nests import (
    NESTED,
    NestState,
    NewNest,
    SheetTaken,
    cut_nest,
    end_proposals,
    nests_of,
    propose_nest,
    read_nest,
    read_nest_files,
    read_nests,
    release_nest,
    sheets_of,
    withdraw_nest,
)
from storage.part_orders import (
    PARTS_ORDERED,
    cancel_part_order,
    count_made,
    part_orders_mark,
    read_part_order,
    read_part_orders,
    write_part_orders,
)
from storage.shares import NewShares, OrderShare, add_shares, newest_shares, parts_ready, read_order_shares, read_share_files
from storage.stock import add_sheets, count_sheets, read_stock, stock_mark

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000
PLATE = PartOrder("P-1", "excavators", "side plate", 10, WorkKind.CUTTING, rectangle(900, 400), "S690QL", 20.0, (0.0, 180.0), 0.0)
RING = PartOrder("P-2", "cranes", "ring", 4, WorkKind.CUTTING, rectangle(300, 300), "S690QL", 20.0, due_us=NOW + DAY, for_order="A-7")
CAP = PartOrder("P-3", "cranes", "cap", 100, WorkKind.STAMPING, None, "DC04", 2.0, hours=0.01)
SHEET = StockSheet("HEAT-77", 6000, 2500, 3, "S690QL", 20.0, 0.0)


def keep(connection: Connection, *orders: PartOrder, now_us: int = NOW) -> object:
    return write_part_orders(connection, orders, source="file", actor="erp", now_us=now_us)


def proposed(connection: Connection, pieces: dict[str, int], *, copies: int = 2, from_us: int = NOW, basis: str = "b") -> int:
    stored = {one.order.number: one.id for one in read_part_orders(connection)}
    stock = read_stock(connection)[0].id
    taken = (SheetTaken(stock, copies, ((1500.0, 2500.0), (300.0, 900.0))),)
    of = {stored[number]: count for number, count in pieces.items()}
    new = NewNest("laser", from_us, from_us + DAY, "S690QL", 20.0, "problem", "nest", {"hours": 2.5}, 1.0, basis, taken, of)
    return propose_nest(connection, new, now_us=NOW)


def test_a_part_order_is_kept_once_with_its_shape_and_what_is_changed_is_told(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="ears") as ears:
        listen(ears, PARTS_ORDERED)
        keep(connection, PLATE, RING, CAP)
        assert PARTS_ORDERED in heard(ears, 40)
        mark = part_orders_mark(connection)
        again = write_part_orders(connection, [PLATE, RING, CAP], source="file", actor="erp", now_us=NOW + 1)
        assert (again.added, again.changed, again.same) == ((), (), 3)
        assert part_orders_mark(connection) == mark
        stored = read_part_order(connection, "P-1")
        assert stored is not None
        assert stored.order.shape is not None
        assert PLATE.shape is not None
        assert (stored.order.shape.outline == PLATE.shape.outline).all()
        assert (stored.order.rotations_deg, stored.order.grain_deg, stored.waiting) == ((0.0, 180.0), 0.0, 10)
        changed = write_part_orders(
            connection, [replace(PLATE, quantity=12)], source="rest", actor="anna", now_us=NOW + 2, address="10.0.0.7"
        )
        assert changed.changed == ("P-1",)
        assert part_orders_mark(connection) != mark
        last = read_audit(connection, most=1)[0]
        assert (last.actor, last.act, last.subject, last.address) == ("anna", "change", "part order P-1", "10.0.0.7")
        assert verify_audit(connection) is None
        assert [one.order.number for one in read_part_orders(connection, find="a-7")] == ["P-2"]
        assert [one.order.number for one in read_part_orders(connection, factory="cranes")] == ["P-3", "P-2"]


def test_what_was_released_cannot_be_taken_from_an_order_and_what_ended_is_not_changed(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, PLATE, CAP)
        add_sheets(connection, [SHEET], actor="store", now_us=NOW)
        release_nest(connection, proposed(connection, {"P-1": 6}), actor="eva", now_us=NOW)
        fewer = write_part_orders(connection, [replace(PLATE, quantity=5)], source="rest", actor="anna", now_us=NOW)
        other = write_part_orders(connection, [replace(PLATE, shape=rectangle(800, 400))], source="rest", actor="anna", now_us=NOW)
        assert "6 pieces" in fewer.refused["P-1"]
        assert "part stays" in other.refused["P-1"]
        cancel_part_order(connection, "P-1", actor="anna", now_us=NOW, note="not needed")
        with pytest.raises(Rejected, match="no open part order 'P-1'"):
            cancel_part_order(connection, "P-1", actor="anna", now_us=NOW)
        ended = write_part_orders(connection, [replace(PLATE, quantity=20)], source="rest", actor="anna", now_us=NOW)
        assert "cancelled" in ended.refused["P-1"]


def test_stamped_pieces_are_counted_up_to_what_was_ordered(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, CAP, RING)
        count_made(connection, "P-3", 60, actor="press", now_us=NOW)
        with pytest.raises(Rejected, match="41 pieces"):
            count_made(connection, "P-3", 41, actor="press", now_us=NOW)
        with pytest.raises(Rejected, match="no open order 'P-2' of stamped parts"):
            count_made(connection, "P-2", 1, actor="press", now_us=NOW)
        count_made(connection, "P-3", 40, actor="press", now_us=NOW)
        done = read_part_order(connection, "P-3")
        assert done is not None
        assert (done.state, done.made) == (PartOrderState.DONE, 100)


def test_a_sheet_of_the_same_name_adds_up_and_another_of_that_name_is_refused(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        mark = stock_mark(connection)
        assert add_sheets(connection, [SHEET, replace(SHEET, name="HEAT-78", thickness_mm=30.0)], actor="store", now_us=NOW) == {}
        assert stock_mark(connection) != mark
        refused = add_sheets(connection, [replace(SHEET, quantity=2), replace(SHEET, width_mm=5000.0)], actor="store", now_us=NOW)
        assert "other sheets of this name" in refused["HEAT-77"]
        assert [(one.sheet.name, one.sheet.quantity) for one in read_stock(connection)] == [("HEAT-77", 5), ("HEAT-78", 3)]
        count_sheets(connection, "HEAT-77", 0, actor="store", now_us=NOW, note="counted")
        with pytest.raises(Rejected, match="no sheet 'X'"):
            count_sheets(connection, "X", 1, actor="store", now_us=NOW)
        assert [one.sheet.name for one in read_stock(connection)] == ["HEAT-78"]


def test_a_released_nest_holds_its_sheets_and_parts_and_a_cut_one_leaves_parts_and_remnants(database_url: str) -> None:
    with connect(database_url, application="test") as connection, connect(database_url, application="ears") as ears:
        listen(ears, NESTED)
        keep(connection, PLATE, RING)
        add_sheets(connection, [SHEET], place="yard 3", actor="store", now_us=NOW)
        nest = proposed(connection, {"P-1": 10, "P-2": 3})
        release_nest(connection, nest, actor="eva", now_us=NOW + 1)
        assert NESTED in heard(ears, 40)
        (held,) = read_stock(connection)
        assert (held.sheet.quantity, held.reserved) == (1, 2)
        withdraw_nest(connection, nest, actor="eva", now_us=NOW + 2)
        (free,) = read_stock(connection)
        assert (free.sheet.quantity, free.reserved) == (3, 0)
        again = proposed(connection, {"P-1": 10, "P-2": 3})
        release_nest(connection, again, actor="eva", now_us=NOW + 3)
        names = cut_nest(connection, again, actor="eva", now_us=NOW + 4)
        assert names == (f"R{again}-1-1", f"R{again}-1-2")
        remnants = [one for one in read_stock(connection) if one.sheet.remnant]
        assert [(one.sheet.width_mm, one.sheet.height_mm, one.sheet.quantity, one.place, one.origin_nest) for one in remnants] == [
            (300.0, 900.0, 2, "yard 3", again),
            (1500.0, 2500.0, 2, "yard 3", again),
        ]
        assert {one.sheet.name: (one.sheet.quantity, one.reserved) for one in read_stock(connection)}["HEAT-77"] == (1, 0)
        plate, ring = read_part_order(connection, "P-1"), read_part_order(connection, "P-2")
        assert plate is not None
        assert ring is not None
        assert (plate.state, plate.made, plate.released) == (PartOrderState.DONE, 10, 0)
        assert (ring.state, ring.made, ring.waiting) == (PartOrderState.OPEN, 3, 1)
        assert [(one.nest, one.state, one.pieces) for one in nests_of(connection, ring.id)] == [
            (again, NestState.CUT, 3),
            (nest, NestState.WITHDRAWN, 3),
        ]
        with pytest.raises(Rejected, match="is cut"):
            withdraw_nest(connection, again, actor="eva", now_us=NOW + 5)
        assert verify_audit(connection) is None


def test_a_nest_is_not_released_where_its_sheets_or_its_parts_are_gone(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, PLATE)
        add_sheets(connection, [SHEET], actor="store", now_us=NOW)
        first, second = proposed(connection, {"P-1": 6}), proposed(connection, {"P-1": 6}, from_us=NOW + DAY)
        release_nest(connection, first, actor="eva", now_us=NOW)
        with pytest.raises(Rejected, match="2 sheets of 'HEAT-77' are needed and 1 are free"):
            release_nest(connection, second, actor="eva", now_us=NOW)
        add_sheets(connection, [SHEET], actor="store", now_us=NOW)
        with pytest.raises(Rejected, match="6 pieces of order 'P-1', of which 4 are still wanted"):
            release_nest(connection, second, actor="eva", now_us=NOW)
        stored = read_nest(connection, second)
        assert stored is not None
        assert stored.state is NestState.PROPOSED
        with pytest.raises(Rejected, match="there is no nest 999"):
            release_nest(connection, 999, actor="eva", now_us=NOW)


def test_two_people_who_release_at_once_take_no_sheet_twice(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, replace(PLATE, quantity=1000))
        add_sheets(connection, [replace(SHEET, quantity=7)], actor="store", now_us=NOW)
        numbers = [proposed(connection, {"P-1": 6}, from_us=NOW + DAY * place) for place in range(8)]
        refused: list[str] = []

        def release(number: int) -> None:
            with connect(database_url, application="person") as own:
                try:
                    release_nest(own, number, actor="eva", now_us=NOW)
                except Rejected as error:
                    refused.append(str(error))

        people = [threading.Thread(target=release, args=(number,)) for number in numbers]
        for one in people:
            one.start()
        for one in people:
            one.join()
        (held,) = read_stock(connection)
        assert (held.sheet.quantity, held.reserved, len(refused)) == (1, 6, 5)
        plate = read_part_order(connection, "P-1")
        assert plate is not None
        assert plate.released == 18


def test_a_new_proposal_takes_the_place_of_the_old_one_and_released_ones_stay(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, PLATE)
        add_sheets(connection, [SHEET], actor="store", now_us=NOW)
        first = proposed(connection, {"P-1": 2}, copies=1)
        second = proposed(connection, {"P-1": 3}, copies=1, basis="c")
        later = proposed(connection, {"P-1": 3}, copies=1, from_us=NOW + DAY)
        release_nest(connection, second, actor="eva", now_us=NOW)
        third = proposed(connection, {"P-1": 2}, copies=1)
        assert end_proposals(connection, [third], now_us=NOW) == 1
        states = {one.id: one.state for one in read_nests(connection)}
        assert states == {
            first: NestState.SUPERSEDED,
            second: NestState.RELEASED,
            later: NestState.SUPERSEDED,
            third: NestState.PROPOSED,
        }
        files = read_nest_files(connection, third)
        assert files is not None
        assert (files.problem, files.nest) == ("problem", "nest")
        assert sheets_of(connection, third)[0].remnants_mm == ((1500.0, 2500.0), (300.0, 900.0))


def test_the_newest_shares_hold_and_say_when_a_customer_order_has_its_parts(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        keep(connection, PLATE, RING, replace(RING, number="P-9"), CAP)
        assert newest_shares(connection) is None
        assert parts_ready(connection) == {}
        ids = {one.order.number: one.id for one in read_part_orders(connection)}
        rows = [
            OrderShare(ids["P-1"], "laser", NOW, NOW + DAY, 4.0, NOW + DAY, ({"code": "own_reserve", "hours": 4.0},)),
            OrderShare(ids["P-2"], "laser", NOW, NOW + DAY, 1.0, NOW + 2 * DAY, ()),
            OrderShare(ids["P-2"], "laser", NOW + DAY, NOW + 2 * DAY, 1.0, NOW + 2 * DAY, ()),
            OrderShare(ids["P-9"], "laser", NOW, NOW + DAY, 0.0, None, ()),
        ]
        owed = [{"until": NOW + DAY, "owed": {"cranes": 1.5, "excavators": -1.5}}]
        new = NewShares("max_min", "problem", "shares", {"jain": 0.97}, owed, NOW, NOW + 7 * DAY, rows, 0.5)
        add_shares(connection, new, now_us=NOW)
        second = add_shares(connection, replace(new, rule="proportional"), now_us=NOW + 1)
        held = newest_shares(connection)
        assert held is not None
        assert (held.id, held.rule, held.orders, held.owed[0]["owed"]["cranes"]) == (second, "proportional", 3, 1.5)
        assert len(read_order_shares(connection)) == 4
        assert [one.hours for one in read_order_shares(connection, part_order=ids["P-2"])] == [1.0, 1.0]
        assert read_order_shares(connection, part_order=ids["P-1"])[0].reasons == ({"code": "own_reserve", "hours": 4.0},)
        # P-9 has no time yet, so nobody counts on it before the horizon
        assert parts_ready(connection) == {"A-7": NOW + 7 * DAY}
        files = read_share_files(connection, second)
        assert files is not None
        assert files.shares == "shares"
