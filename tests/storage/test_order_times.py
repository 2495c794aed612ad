"""When an order of parts begins and is ready: by shares, by released nests, or not known."""

from __future__ import annotations

from plant.nests import StockSheet, rectangle
from plant.part_orders import PartOrder, WorkKind
from storage.database import Connection, connect
from storage.nests import NewNest, SheetTaken, cut_nest, pieces_in, propose_nest, release_nest
from storage.part_orders import order_names, read_factories, read_part_orders, write_part_orders
from storage.shares import NewShares, OrderShare, OrderTimes, add_shares, order_times
from storage.stock import add_sheets, read_stock

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000
WEB = PartOrder("P-1", "crane", "web", 10, WorkKind.CUTTING, rectangle(900, 400), "S690QL", 20.0)
RIB = PartOrder("P-2", "excavator", "rib", 4, WorkKind.CUTTING, rectangle(300, 300), "S690QL", 20.0)


def shared(connection: Connection, *rows: OrderShare) -> None:
    add_shares(connection, NewShares("max_min", "p", "s", {}, [], NOW, NOW + 7 * DAY, rows, 0.1), now_us=NOW)


def test_an_order_is_ready_when_its_last_hours_and_its_released_nests_are_over(database_url: str) -> None:
    with connect(database_url, application="test") as connection:
        write_part_orders(connection, [WEB, RIB], source="rest", actor="erp", now_us=NOW)
        add_sheets(connection, [StockSheet("H", 6000, 2500, 3, "S690QL", 20.0)], actor="erp", now_us=NOW)
        web, rib = (next(one.id for one in read_part_orders(connection) if one.order.number == number) for number in ("P-1", "P-2"))
        nobody_knows = OrderTimes(None, None)
        assert order_times(connection, [web, rib]) == {web: nobody_knows, rib: nobody_knows}
        own = ({"code": "own_reserve", "hours": 1.0},)
        nothing_yet = OrderShare(rib, "laser", NOW + 6 * DAY, NOW + 7 * DAY, 0.0, None, ())
        shared(connection, OrderShare(web, "laser", NOW + DAY, NOW + 2 * DAY, 1.0, NOW + 2 * DAY, own), nothing_yet)
        assert order_times(connection, [web, rib]) == {web: OrderTimes(NOW + DAY, NOW + 2 * DAY), rib: nobody_knows}
        taken = (SheetTaken(read_stock(connection)[0].id, 1),)
        nest = propose_nest(
            connection, NewNest("laser", NOW, NOW + DAY, "S690QL", 20.0, "p", "n", {}, 1.0, "b", taken, {web: 6, rib: 4}), now_us=NOW
        )
        assert pieces_in(connection, nest) == [("P-1", 6), ("P-2", 4)]
        release_nest(connection, nest, actor="engineer", now_us=NOW)
        # all of P-2 lies in the nest; the rest of P-1 is made later
        shared(connection, OrderShare(web, "laser", NOW + 3 * DAY, NOW + 4 * DAY, 0.4, NOW + 4 * DAY, own))
        assert order_times(connection, [web, rib]) == {web: OrderTimes(NOW, NOW + 4 * DAY), rib: OrderTimes(NOW, NOW + DAY)}
        cut_nest(connection, nest, actor="engineer", now_us=NOW)
        assert set(order_times(connection, [web, rib])) == {web}, "what is done has its own time"
        assert order_names(connection) == {web: ("P-1", "crane")}
        assert read_factories(connection) == ["crane", "excavator"]
