"""Products, networks and the history of operations come out of the database as they went in, on each database."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import psycopg
import pytest

from plant.errors import Rejected, SettingsError
from plant.network_file import network_json, network_of
from plant.operation_history import OperationHistory, operation_history
from plant.process_network import ProcessNetwork
from plant.process_windows import parse_windows
from plant.products import Product, ProductTable, product_table
from storage.audit import read_audit
from storage.database import Connection, listen
from storage.operation_history import ROUTE_SET, count_history, history_mark, read_history, read_pieces, write_history
from storage.process_networks import read_network, read_network_content, read_network_versions, write_network
from storage.process_windows import read_window_text, read_windows, write_windows
from storage.products import read_current_routes, read_product, read_products, write_current_routes, write_products
from tests.plant.route_examples import small_network
from tests.storage.conftest import Database
from tests.storage.test_views import as_reader

NOW = 1_790_000_000_000_000
MINUTE = 60_000_000
STEPS = ("cut-plasma", "weld-r1", "paint-1", "test-1")
WINDOWS = """
[[windows]]
work_unit = "robot-1"
program = "P*"
version = 1
author = "li.wei"
approver = "ann"
parameters = [{ name = "current_a", unit = "A", low = 200, high = 300, step = 10 }]
"""
VIEWS = (
    "v_process_networks",
    "v_products",
    "v_product_features",
    "v_operation_alternatives",
    "v_work_masters",
    "v_route_rules",
    "v_process_window_sets",
    "v_current_routes",
    "v_operation_history",
    "v_optimizer_jobs",
    "v_optimizer_drift",
)


@pytest.fixture
def connection(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True, options="-c TimeZone=UTC") as made:
        yield made


def network(**changes: Any) -> ProcessNetwork:
    return network_of({**small_network(), **changes})


def products(*tonnages: float) -> ProductTable:
    rows = [Product(f"EX-{t:g}", "small", {"tonnage_t": t, "weld_length_m": 3 * t, "grade": "S355"}) for t in tonnages]
    return product_table(network().features, rows)


def history(orders: int = 3, first: int = 0) -> OperationHistory:
    """Orders of one part each, by one route; the fourth operation has no order."""
    n = orders * len(STEPS)
    steps = np.tile(np.arange(len(STEPS)), orders)
    order = np.repeat(np.arange(orders), len(STEPS))
    energy = np.where(steps == 3, np.nan, 1.5 + order)
    return operation_history(
        ("EX-10", "EX-14"),
        STEPS,
        {
            "product": order % 2,
            "alternative": steps,
            "started_us": NOW + (np.arange(n) + 100 * first) * MINUTE,
            "duration_min": 10.0 + np.arange(n) / 8,
            "first_pass": steps != 1,
            "rework_min": np.where(steps == 1, 7.5, np.nan),
            "energy_kwh": energy,
            "order": np.where(steps == 3, -1, order),
            "serial": order,
            "decided_by": np.where(order == 0, -1, 0),
        },
        orders=[f"JO-{first + at}" for at in range(orders)],
        serials=[f"S-{first + at}" for at in range(orders)],
        deciders=["planner"],
        parameters={"current_a": np.where(steps == 1, 260.5, np.nan)},
    )


def rows_of(told: OperationHistory) -> list[tuple[Any, ...]]:
    def word(codes: Any, words: tuple[str, ...], at: int) -> str | None:
        return None if codes[at] < 0 else words[codes[at]]

    def number(column: Any, at: int) -> float | None:
        return None if np.isnan(column[at]) else round(float(column[at]), 4)

    return [
        (
            told.products[told.product[at]],
            told.alternatives[told.alternative[at]],
            int(told.started_us[at]),
            number(told.duration_min, at),
            bool(told.first_pass[at]),
            bool(told.scrapped[at]),
            *(number(getattr(told, name), at) for name in ("rework_min", "energy_kwh", "wear", "propensity")),
            word(told.order, told.orders, at),
            word(told.serial, told.serials, at),
            word(told.decided_by, told.deciders, at),
            *(number(told.parameters[name], at) for name in sorted(told.parameters)),
        )
        for at in range(len(told))
    ]


def operations() -> dict[str, str]:
    return {one.id: one.operation for one in network().alternatives}


def test_a_route_set_is_kept_and_its_views_show_it_to_readers(database: Database) -> None:
    with database.connect() as connection:
        assert write_network(connection, network(), actor="li.wei", now_us=NOW) == 1
        written = write_products(connection, products(10, 14), actor="li.wei", now_us=NOW)
        assert (written.added, written.changed, written.same) == (("EX-10", "EX-14"), (), 0)
        told = write_history(connection, history(), operations())
        assert (told.added, told.known) == (12, 0)
        for view in VIEWS:
            as_reader(connection, f"SELECT * FROM {view}")  # noqa: S608
        seen = connection.execute(
            "SELECT job_order, serial, product, operation, alternative, work_unit, program, duration_min, energy_kwh, decided_by, "
            "parameters "
            "FROM v_operation_history ORDER BY id LIMIT 4"
        ).fetchall()
        assert seen[1] == ("JO-0", "S-0", "EX-10", "weld", "weld-r1", "robot-1", "P1", 10.125, 1.5, None, {"current_a": 260.5})
        assert seen[3][0] is None
        assert seen[3][8] is None
        assert connection.execute("SELECT current_route, current_alternatives FROM v_products ORDER BY product").fetchall() == [
            ("R1", list(STEPS)),
            (None, None),
        ]
        kinds = connection.execute(
            "SELECT feature, value, text FROM v_product_features WHERE product = 'EX-10' ORDER BY feature"
        ).fetchall()
        assert kinds == [("grade", None, "S355"), ("tonnage_t", 10.0, None), ("weld_length_m", 30.0, None)]
        assert connection.execute("SELECT operations, alternatives, routes FROM v_process_networks").fetchall() == [(5, 7, 2)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_reader(connection, "SELECT * FROM operation_history")
        read, mark = read_history(connection, named=True)
        assert rows_of(read) == rows_of(history())
        assert mark == history_mark(connection)


def test_history_given_again_is_there_once(connection: Connection) -> None:
    write_history(connection, history(3), operations())
    again = write_history(connection, history(3), operations())
    assert (again.added, again.known) == (0, 12)
    more = write_history(connection, history(3, first=2), operations())
    assert (more.added, more.known) == (9, 3), "order 2 is there; its operation without an order began at another time, so it is new"
    assert count_history(connection).rows == 21


def test_a_part_without_serial_is_known_by_its_time(connection: Connection) -> None:
    def two(times: list[int]) -> OperationHistory:
        columns = {
            "product": [0, 0],
            "alternative": [0, 0],
            "started_us": times,
            "duration_min": [5, 5],
            "first_pass": [1, 1],
            "order": [0, 0],
        }
        return operation_history(("EX-10",), ("cut-laser",), {name: np.array(column) for name, column in columns.items()}, orders=["JO-1"])

    assert write_history(connection, two([NOW, NOW + MINUTE]), operations()).added == 2
    assert write_history(connection, two([NOW + MINUTE, NOW + 2 * MINUTE]), operations()).added == 1


def test_history_is_read_from_a_mark_on_and_in_pieces(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_history(connection)[1] == 0
    assert len(read_history(connection)[0]) == 0
    write_history(connection, history(3), operations())
    first, mark = read_history(connection)
    assert first.orders == ()
    write_history(connection, history(2, first=10), operations())
    fresh, last = read_history(connection, after=mark, named=True)
    assert rows_of(fresh) == rows_of(history(2, first=10))
    assert len(read_history(connection, after=last)[0]) == 0
    monkeypatch.setattr("storage.operation_history.PIECE", 3)
    assert [len(part) for part, _ in read_pieces(connection)] == [3, 3, 3, 3, 3, 3, 2]
    whole, _ = read_history(connection)
    assert list(whole.order) == [*first.order, *read_history(connection, after=mark)[0].order], "an order's number stays the same"
    assert rows_of(read_history(connection, named=True)[0]) == rows_of(history(3)) + rows_of(history(2, first=10))
    assert {whole.products[at] for at in read_history(connection, products=["EX-14"])[0].product} == {"EX-14"}


def test_an_alternative_of_no_operation_is_refused_and_nothing_is_kept(connection: Connection) -> None:
    with pytest.raises(Rejected, match="no operation of the network has the alternative 'cut-plasma'"):
        write_history(connection, history(), {"weld-r1": "weld", "paint-1": "paint", "test-1": "test"})
    assert count_history(connection).rows == 0


def test_writers_of_history_tell_who_listens(connection: Connection, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as listener:
        listen(listener, ROUTE_SET)
        write_history(connection, history(), operations())
        write_network(connection, network(), actor="li.wei", now_us=NOW)
        write_products(connection, products(10), actor="li.wei", now_us=NOW)
        assert {note.payload for note in listener.notifies(timeout=5, stop_after=4)} == {"history", "network", "routes", "products"}


def test_a_network_is_kept_version_by_version_and_comes_back_whole(connection: Connection) -> None:
    assert read_network(connection) is None
    assert write_network(connection, network(), actor="li.wei", now_us=NOW) == 1
    assert write_network(connection, network(), actor="li.wei", now_us=NOW) is None
    stored = read_network(connection)
    assert stored is not None
    assert stored.network == network()
    assert write_network(connection, network(name="works, enlarged"), actor="ann", now_us=NOW + 1) == 2
    assert [(one.version, one.actor, one.in_force) for one in read_network_versions(connection)] == [(2, "ann", True), (1, "li.wei", False)]
    assert json.loads(read_network_content(connection, 1) or "") == network_json(network())
    told = read_audit(connection)[0]
    assert (told.actor, told.act, told.subject, told.previous["version"], told.next["version"]) == (
        "ann",
        "import",
        "process network",
        1,
        2,
    )


def test_a_current_route_that_was_changed_since_stays_when_a_network_is_imported_again(connection: Connection) -> None:
    write_network(connection, network(), actor="li.wei", now_us=NOW)
    better = ("cut-laser", "weld-r2", "paint-1", "test-1")
    assert write_current_routes(connection, {"EX-10": ("", better)}, actor="optimizer", now_us=NOW + 1) == ("EX-10",)
    assert write_current_routes(connection, {"EX-10": ("", better)}, actor="optimizer", now_us=NOW + 2) == ()
    write_network(connection, network(name="other"), actor="li.wei", now_us=NOW + 3)
    stored = read_network(connection)
    assert stored is not None
    now = stored.network.current_route("EX-10")
    assert now is not None
    assert now.alternatives == better
    assert read_current_routes(connection)["EX-10"].actor == "optimizer"
    write_network(connection, network(current={"EX-10": "R2"}), actor="li.wei", now_us=NOW + 4)
    assert read_current_routes(connection)["EX-10"].route == "R2", "what the file says anew holds"


def test_process_windows_are_kept_version_by_version_as_their_file_said_them(connection: Connection) -> None:
    assert read_windows(connection) is None
    assert write_windows(connection, WINDOWS, actor="li.wei", now_us=NOW) == 1
    assert write_windows(connection, WINDOWS, actor="li.wei", now_us=NOW) is None
    assert read_windows(connection) == parse_windows(WINDOWS)
    assert write_windows(connection, WINDOWS.replace("high = 300", "high = 290"), actor="ann", now_us=NOW) == 2
    assert "high = 290" in (read_window_text(connection) or "")
    with pytest.raises(SettingsError, match=r"windows\.toml"):
        write_windows(connection, WINDOWS.replace("high = 300", "hihg = 300"), actor="ann", now_us=NOW)
    told = read_audit(connection)[0]
    assert (told.actor, told.subject, told.previous["version"], told.next["version"]) == ("ann", "process windows", 1, 2)


def test_products_change_one_by_one_and_those_that_lack_a_feature_are_told(connection: Connection) -> None:
    write_products(connection, products(10, 14), actor="li.wei", now_us=NOW)
    changed = products(10, 14, 20)
    changed.numbers["weld_length_m"][1] = 99.0
    written = write_products(connection, changed, actor="li.wei", now_us=NOW + 1)
    assert (written.added, written.changed, written.same) == (("EX-20",), ("EX-14",), 1)
    table, lacking = read_products(connection, network().features)
    assert (table.ids, lacking) == (("EX-10", "EX-14", "EX-20"), ())
    assert list(table.numbers["weld_length_m"]) == [30.0, 99.0, 60.0]
    wider = network(features=[*small_network()["features"], {"name": "bolts"}]).features
    table, lacking = read_products(connection, wider)
    assert (table.ids, lacking) == ((), ("EX-10", "EX-14", "EX-20"))
    product = read_product(connection, "EX-14")
    assert product is not None
    assert product.features["weld_length_m"] == 99.0
    assert read_product(connection, "EX-99") is None
