"""Genealogy: what is built into what is kept once, cycles are refused, lots are found wherever they went."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import psycopg
import pytest

from plant.errors import Rejected
from plant.genealogy import BuiltIn, Item, ItemKind, MaterialLot, Relation
from plant.nests import StockSheet, rectangle
from plant.part_orders import PartOrder, WorkKind
from storage.audit import read_audit, verify_audit
from storage.database import Connection, connect
from storage.genealogy import read_item, take_out, write_built_in, write_lots
from storage.genealogy_names import gather_names, search_names
from storage.genealogy_trees import lots_of_heat, read_components, read_recall, read_uses, starts_of
from storage.nests import NewNest, SheetTaken, cut_nest, propose_nest, release_nest
from storage.part_orders import read_part_orders, write_part_orders
from storage.stock import add_sheets, read_stock

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as opened:
        yield opened


def serial(name: str) -> Item:
    return Item(ItemKind.SERIAL, name)


def lot(name: str) -> Item:
    return Item(ItemKind.LOT, name)


def built(into: Item, component: Item, **more: object) -> BuiltIn:
    return BuiltIn(into, component, NOW, **more)  # type: ignore[arg-type]


def keep(connection: Connection, *rows: BuiltIn, now_us: int = NOW) -> tuple[int, int, dict[int, str]]:
    written = write_built_in(connection, rows, source="rest", actor="mes", now_us=now_us)
    return written.added, written.same, dict(written.refused)


def number(connection: Connection, item: Item) -> int:
    stored = read_item(connection, item)
    assert stored is not None
    return stored.id


def excavators(connection: Connection) -> None:
    """Two excavators: plates of a heat became booms, one lot of bolts went into both."""
    write_lots(connection, [MaterialLot(lot("PLATE-1"), "S690QL", "mill", "H-77", "C-1", 12.0, "t")], actor="erp", now_us=NOW)
    told = keep(
        connection,
        built(serial("BOOM-1"), lot("PLATE-1"), relation=Relation.MADE_FROM),
        built(serial("BOOM-2"), lot("PLATE-1"), relation=Relation.MADE_FROM),
        built(serial("EX-1"), serial("BOOM-1"), place="boom"),
        built(serial("EX-2"), serial("BOOM-2"), place="boom"),
        built(serial("EX-1"), lot("BOLTS-9"), quantity=36.0, unit="1"),
        built(serial("EX-2"), lot("BOLTS-9"), quantity=36.0, unit="1"),
    )
    assert told == (6, 0, {})


def test_what_is_told_twice_is_kept_once_and_stands_in_the_audit_trail_once(connection: Connection) -> None:
    excavators(connection)
    assert keep(connection, built(serial("EX-1"), serial("BOOM-1"), place="boom")) == (0, 1, {})
    assert keep(connection, built(serial("EX-3"), lot("W-1")), built(serial("EX-3"), lot("W-1"))) == (1, 1, {})
    assert [entry.act for entry in read_audit(connection)] == ["genealogy.built_in", "genealogy.built_in", "genealogy.lots"]
    assert verify_audit(connection) is None


def test_nothing_is_built_into_what_it_holds_however_far_below(connection: Connection) -> None:
    excavators(connection)
    added, _, refused = keep(
        connection, built(lot("PLATE-1"), serial("EX-1")), built(serial("EX-1"), serial("EX-1")), built(serial("EX-1"), lot("W-1"))
    )
    assert added == 1
    assert refused == {
        0: "'EX-1' holds 'PLATE-1' already: nothing can be built into what it holds",
        1: "serial 'EX-1' cannot be built into itself",
    }
    _, _, ring = keep(connection, built(serial("A"), serial("B")), built(serial("B"), serial("C")), built(serial("C"), serial("A")))
    assert list(ring) == [2]


def test_two_writers_at_once_close_no_cycle(connection: Connection, database_url: str) -> None:
    keep(connection, built(serial("X"), lot("known")), built(serial("Y"), lot("known")))
    told: list[dict[int, str]] = []

    def tell() -> None:
        with connect(database_url, application="test") as own:
            told.append(keep(own, built(serial("Y"), serial("X")))[2])

    other = threading.Thread(target=tell)
    with connect(database_url, application="test") as watching, connection.transaction():
        assert keep(connection, built(serial("X"), serial("Y")))[0] == 1
        other.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.is_alive() and watching.execute(waits).fetchone() == (0,):
            other.join(0.01)
    other.join()
    assert [list(refused) for refused in told] == [[0]]


def test_a_piece_stands_in_one_thing_until_it_is_taken_out(connection: Connection) -> None:
    excavators(connection)
    again = built(serial("EX-2"), serial("BOOM-1"), place="boom")
    assert keep(connection, again)[2] == {0: "serial 'BOOM-1' is built into 'EX-1' already: take it out there first"}
    assert take_out(connection, serial("EX-1"), serial("BOOM-1"), actor="anna", reason="crack", now_us=NOW + 1) == 1
    assert keep(connection, again) == (1, 0, {})
    # the message of the first time, sent again, does not build it in again
    assert keep(connection, built(serial("EX-1"), serial("BOOM-1"), place="boom")) == (0, 1, {})
    with pytest.raises(Rejected, match="is not built into"):
        take_out(connection, serial("EX-1"), serial("BOOM-1"), actor="anna", reason="again", now_us=NOW + 2)


def test_what_was_told_is_never_changed_or_forgotten(connection: Connection) -> None:
    excavators(connection)
    for words in (
        "UPDATE genealogy_built_in SET place = 'elsewhere'",
        "DELETE FROM genealogy_built_in",
        "UPDATE genealogy_built_in SET out_time = now(), out_actor = 'x', into_id = into_id + 1",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="never"):
            connection.execute(words)


def test_trees_lead_from_an_excavator_to_its_heat_and_from_the_heat_to_all_excavators(connection: Connection) -> None:
    excavators(connection)
    below = read_components(connection, number(connection, serial("EX-1")))
    assert [(one.depth, one.of.item.name, one.of.lot.heat) for one in below] == [
        (1, "BOLTS-9", ""),
        (1, "BOOM-1", ""),
        (2, "PLATE-1", "H-77"),
    ]
    assert below[2].way[:-1] == below[1].way
    above = read_uses(connection, number(connection, lot("PLATE-1")))
    assert [(one.depth, one.of.item.name) for one in above] == [(1, "BOOM-1"), (1, "BOOM-2"), (2, "EX-1"), (2, "EX-2")]
    assert [one.item.name for one in lots_of_heat(connection, "H-77")] == ["PLATE-1"]


def test_a_recall_names_each_piece_once_and_says_where_it_was_taken_out(connection: Connection) -> None:
    excavators(connection)
    take_out(connection, serial("EX-2"), serial("BOOM-2"), actor="anna", reason="bent", now_us=NOW + DAY)
    found = {one.item.name: one for one in read_recall(connection, starts_of(connection, "heat", "H-77"))}
    assert {name: (one.holds, one.stands_in, one.by.name, one.out_reason) for name, one in found.items()} == {
        "BOOM-1": (True, "EX-1", "PLATE-1", ""),
        "BOOM-2": (True, "", "PLATE-1", ""),
        "EX-1": (True, "", "BOOM-1", ""),
        "EX-2": (False, "", "BOOM-2", "bent"),
    }
    both = read_recall(connection, [*starts_of(connection, "lot", "PLATE-1"), *starts_of(connection, "lot", "BOLTS-9")])
    assert sorted(one.item.name for one in both) == ["BOOM-1", "BOOM-2", "EX-1", "EX-2"]
    assert starts_of(connection, "heat", "") == []


def test_a_way_that_went_round_in_time_ends(connection: Connection) -> None:
    keep(connection, built(serial("A"), serial("B")))
    take_out(connection, serial("A"), serial("B"), actor="anna", reason="swap", now_us=NOW + 1)
    assert keep(connection, built(serial("B"), serial("A")))[0] == 1
    assert [one.of.item.name for one in read_components(connection, number(connection, serial("A")))] == ["B"]
    assert [one.item.name for one in read_recall(connection, starts_of(connection, "serial", "A"))] == ["B"]


def test_a_sublot_is_made_from_its_lot_and_empty_words_leave_what_is_known(connection: Connection) -> None:
    write_lots(connection, [MaterialLot(lot("WIRE-5"), "G3Si1", heat="H-1", quantity=300.0, unit="kg")], actor="erp", now_us=NOW)
    sublot = Item(ItemKind.SUBLOT, "WIRE-5/3")
    write_lots(connection, [MaterialLot(sublot, "G3Si1", of_lot="WIRE-5"), MaterialLot(lot("WIRE-5"), note="dry")], actor="erp", now_us=NOW)
    stored = read_item(connection, lot("WIRE-5"))
    assert stored is not None
    assert (stored.lot.heat, stored.lot.quantity, stored.lot.note) == ("H-1", 300.0, "dry")
    keep(connection, built(serial("BOOM-7"), sublot))
    assert [one.item.name for one in read_recall(connection, starts_of(connection, "heat", "H-1"))] == ["BOOM-7", "WIRE-5/3"]


def test_a_nest_that_is_cut_tells_from_which_plate_each_part_is(connection: Connection) -> None:
    orders = [
        PartOrder(name, "excavators", "side", 4, WorkKind.CUTTING, rectangle(900, 400), "S690QL", 20.0, for_order="A-7")
        for name in ("P-1", "P-2")
    ]
    write_part_orders(connection, orders, source="file", actor="erp", now_us=NOW)
    sheets = [StockSheet(name, 6000, 2500, 1, "S690QL", 20.0, 0.0) for name in ("HEAT-77-1", "HEAT-78-1")]
    add_sheets(connection, sheets, actor="erp", now_us=NOW)
    stock = {one.sheet.name: one.id for one in read_stock(connection)}
    known = {one.order.number: one.id for one in read_part_orders(connection)}
    problem = json.dumps({"parts": [{"order": "P-1"}, {"order": "P-2"}]})
    layouts = json.dumps({"layouts": [{"placements": [{"number": 1}]}, {"placements": [{"number": 2}, {"number": 1}]}]})
    taken = (SheetTaken(stock["HEAT-77-1"], 1, ((1500.0, 2500.0),)), SheetTaken(stock["HEAT-78-1"], 1, ()))
    of = {known["P-1"]: 2, known["P-2"]: 1}
    nest = propose_nest(connection, NewNest("laser", NOW, NOW + DAY, "S690QL", 20.0, problem, layouts, {}, 1.0, "b", taken, of), now_us=NOW)
    release_nest(connection, nest, actor="anna", now_us=NOW)
    cut_nest(connection, nest, actor="anna", now_us=NOW)
    remnant = f"R{nest}-1-1"
    assert sorted(one.item.name for one in read_recall(connection, starts_of(connection, "lot", "HEAT-77-1"))) == ["P-1", remnant]
    assert sorted(one.item.name for one in read_recall(connection, starts_of(connection, "lot", "HEAT-78-1"))) == ["P-1", "P-2"]


def test_a_name_is_found_by_a_piece_of_it_the_likeliest_first(connection: Connection) -> None:
    excavators(connection)
    connection.execute("INSERT INTO source (name, protocol, url) VALUES ('tool', 'open_protocol', 'x')")
    add = (
        "INSERT INTO tightening (source_id, tightening_id, spindle, time, station, received_time, verdict, kind, fetched, controller, "
        "program_name, batch_verdict, part, identifiers, errors, customer_error, tool, stage_torque_nm, stage_angle_deg) "
        "SELECT 1, n, 1, to_timestamp(n), 1, now(), 'ok', 'x', false, '', '', '', 'ex-' || n, '{}', 0, '', '', '{}', '{}' "
        "FROM generate_series(100, 140) n"
    )
    connection.execute(add)
    assert [one.name for one in search_names(connection, "ex-120")] == ["ex-120"]
    assert gather_names(connection, at_once=7) > 0
    while connection.execute("SELECT count(*) FROM genealogy_name").fetchone() != (41,):
        gather_names(connection, at_once=7)
    assert [one.name for one in search_names(connection, "X-12")] == [f"ex-{n}" for n in range(120, 130)]
    assert [(one.kind, one.name) for one in search_names(connection, "ex-1")[:2]] == [("serial", "EX-1"), ("serial", "ex-100")]
    assert [(one.kind, one.name) for one in search_names(connection, "h-77")] == [("heat", "H-77")]
    assert search_names(connection, "%") == []
    assert search_names(connection, "  ") == []
