"""The files of a route set in all forms: read as written, and all that is wrong told by row, column and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optimizer.files import read_history, read_products, write_history, write_network, write_products
from plant.errors import SettingsError
from plant.network_file import load_network, network_of
from plant.operation_history import OperationHistory, operation_history
from plant.products import ProductTable
from plant.table_rows import RowProblem
from tests.plant.route_examples import small_network

NETWORK = network_of(small_network())
HEADER = "product,family,tonnage_t,weld_length_m,grade\n"
PRODUCTS = HEADER + "EX-10,mini,10,40.5,S355\nEX-20,midi,20,60,S690\n"
ROW = "J1,S1,EX-10,weld,weld-r1,2026-11-01T06:30:00Z,12.5,true,,3.5,\n"
HISTORY = "order,serial,product,operation,alternative,started_at,duration_min,first_pass,rework_min,energy_kwh,wear\n"
FORMS = pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet"])


def _products(folder: Path, text: str = PRODUCTS) -> ProductTable:
    path = folder / "products.csv"
    path.write_text(text, encoding="utf-8")
    return read_products(path, NETWORK)


def _history(products: ProductTable) -> OperationHistory:
    columns: dict[str, Any] = {
        "product": np.array([0, 1, 0, 1]),
        "alternative": np.array([0, 2, 4, 5]),
        "started_us": np.array([1_790_000_000_000_000, 1_790_000_000_123_456, 1_790_000_100_000_000, 1_790_000_200_000_000]),
        "duration_min": np.array([10.0, 20.125, 30.3, 1e-3]),
        "first_pass": np.array([True, False, True, True]),
        "rework_min": np.array([0.0, 70.25, np.nan, 0.0]),
        "energy_kwh": np.array([1.5, np.nan, 3.25, 2.0]),
        "wear": np.array([np.nan, 0.5, 0.25, 0.0]),
        "propensity": np.array([0.25, 0.1, np.nan, 1.0]),
        "scrapped": np.array([False, True, False, False]),
        "order": np.array([0, 0, -1, 1]),
        "serial": np.array([0, 1, -1, 2]),
        "decided_by": np.array([0, 0, 0, -1]),
    }
    names = {"orders": ("=J1", "4711"), "serials": ("S1", "S2", "S3"), "deciders": ("planner",)}
    alternatives = tuple(a.id for a in NETWORK.alternatives)
    return operation_history(products.ids, alternatives, columns, parameters={"current_a": np.array([260.5, np.nan, 255.0, 1.0])}, **names)


def _same(one: OperationHistory, other: OperationHistory) -> None:
    for name in (
        "product",
        "alternative",
        "started_us",
        "duration_min",
        "first_pass",
        "rework_min",
        "energy_kwh",
        "wear",
        "propensity",
        "scrapped",
    ):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for codes, words in (("order", "orders"), ("serial", "serials"), ("decided_by", "deciders")):
        told = [[getattr(h, words)[code] if code >= 0 else None for code in getattr(h, codes)] for h in (one, other)]
        assert told[0] == told[1]
    np.testing.assert_array_equal(one.parameters["current_a"], other.parameters["current_a"])


@FORMS
def test_a_history_written_is_read_as_the_same(tmp_path: Path, ending: str) -> None:
    products = _products(tmp_path)
    history, path = _history(products), tmp_path / f"history{ending}"
    assert write_history(path, [history, history], NETWORK) == 8
    read = read_history(path, NETWORK, products, names=True)
    _same(read.take(slice(0, 4)), history)
    _same(read.take(slice(4, 8)), history)


@FORMS
def test_products_written_are_read_as_the_same(tmp_path: Path, ending: str) -> None:
    products = _products(tmp_path)
    write_products(tmp_path / f"again{ending}", products)
    read = read_products(tmp_path / f"again{ending}", NETWORK)
    assert read.ids == products.ids
    assert read.families == products.families
    assert [read.product(name) for name in read.ids] == [products.product(name) for name in products.ids]


def test_a_network_written_is_read_as_the_same(tmp_path: Path) -> None:
    write_network(tmp_path / "network.json", NETWORK)
    assert load_network(tmp_path / "network.json") == NETWORK


def test_without_names_orders_are_told_apart_all_the_same(tmp_path: Path) -> None:
    products = _products(tmp_path)
    path = tmp_path / "history.parquet"
    write_history(path, [_history(products)], NETWORK)
    read = read_history(path, NETWORK, products)
    assert read.orders == ()
    first, second, missing, other = read.order.tolist()
    assert (first == second, missing, other != first) == (True, -1, True)


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        (ROW.replace("EX-10", "EX-99"), "product", "'EX-99': stands in no row of the products"),
        (ROW.replace("EX-10", ""), "product", "is empty"),
        (ROW.replace("weld-r1", "weld-r9"), "alternative", "'weld-r9': is no alternative of the network"),
        (ROW.replace(",weld,", ",cut,"), "operation", "'cut': is not the operation of this row's alternative"),
        (ROW.replace(",weld,", ",saw,"), "operation", "'saw': is no operation"),
        (ROW.replace("2026-11-01T06:30:00Z", "yesterday"), "started_at", "'yesterday': is no time; write it as"),
        (ROW.replace("2026-11-01T06:30:00Z", ""), "started_at", "is empty"),
        (ROW.replace("2026-11-01T06:30:00Z", "1790000000"), "started_at", "is no time"),
        (ROW.replace("2026-11-01T06:30:00Z", "1926-11-01"), "started_at", "write a time between 1980 and 2100"),
        (ROW.replace("12.5", "12,5").replace("12,5", '"12,5"'), "duration_min", "'12,5': is no number"),
        (ROW.replace("12.5", "0"), "duration_min", "above 0"),
        (ROW.replace("12.5", ""), "duration_min", "above 0"),
        (ROW.replace("12.5", "1e400"), "duration_min", "above 0"),
        (ROW.replace("true", "maybe"), "first_pass", "'maybe': is neither true nor false"),
        (ROW.replace("true", ""), "first_pass", "is empty"),
        (ROW.replace("3.5", "-3.5"), "energy_kwh", "not below 0"),
        ("J1,S1\n", "", "has 2 cells, the header names 11 columns"),
    ],
)
def test_a_wrong_cell_of_a_history_is_told_and_good_rows_are_kept_as_asked(tmp_path: Path, row: str, column: str, said: str) -> None:
    products, path = _products(tmp_path), tmp_path / "h.csv"
    path.write_text(HISTORY + ROW + row + ROW, encoding="utf-8")
    problems: list[RowProblem] = []
    history = read_history(path, NETWORK, products, problems)
    assert len(history) == 2
    assert {(problem.row, problem.column) for problem in problems} == {(3, column)}
    assert any(said in problem.reason for problem in problems), problems
    with pytest.raises(SettingsError) as told:
        read_history(path, NETWORK, products)
    place = f"{path}: row 3, column '{column}'" if column else f"{path}: row 3"
    assert told.value.problems[0].startswith(place)


def test_rows_of_what_nobody_asks_about_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    products, path = _products(tmp_path), tmp_path / "h.csv"
    path.write_text(HISTORY + ROW + ROW.replace("EX-10", "EX-99") + ROW.replace("weld-r1", "old-robot"), encoding="utf-8")
    assert len(read_history(path, NETWORK, products, known_only=True)) == 1


def test_excels_own_times_numbers_and_answers_are_understood(tmp_path: Path) -> None:
    products, path = _products(tmp_path), tmp_path / "h.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HISTORY.strip().split(","))
    sheet.append([4711, None, "EX-10", "weld", "weld-r1", datetime(2026, 11, 1, 6, 30), 12, True, None, 3.5, None])  # noqa: DTZ001  # as Excel
    sheet.append([4711.0, 1, "EX-10", "cut", "cut-laser", "2026-11-01T06:30:00+08:00", "7.25", "No"])
    book.save(path)
    read = read_history(path, NETWORK, products, names=True)
    assert read.orders == ("4711",)
    assert read.duration_min.tolist() == [12.0, 7.25]
    assert read.first_pass.tolist() == [True, False]
    times = [datetime.fromtimestamp(us / 1e6, UTC).isoformat() for us in read.started_us.tolist()]
    assert times == ["2026-11-01T06:30:00+00:00", "2026-10-31T22:30:00+00:00"]


def test_a_history_separated_by_semicolons_is_read_too(tmp_path: Path) -> None:
    products, path = _products(tmp_path), tmp_path / "h.csv"
    path.write_text("\ufeff" + (HISTORY + ROW).replace(",", ";"), encoding="utf-8")
    assert len(read_history(path, NETWORK, products)) == 1


def test_columns_of_other_types_in_parquet_are_understood(tmp_path: Path) -> None:
    products, path = _products(tmp_path), tmp_path / "h.parquet"
    table = pa.table(
        {
            "order": [4711, None],
            "product": ["EX-10", "EX-20"],
            "operation": pa.array(["weld", "weld"]).dictionary_encode(),
            "alternative": ["weld-r1", "weld-r2"],
            "started_at": pa.array([datetime(2026, 11, 1), datetime(2026, 11, 2)], pa.timestamp("ns")),  # noqa: DTZ001  # without a zone
            "duration_min": pa.array([7, 8], pa.int16()),
            "first_pass": ["true", "0"],
        }
    )
    pq.write_table(table, path)
    read = read_history(path, NETWORK, products, names=True)
    assert (read.orders, read.order.tolist()) == (("4711",), [0, -1])
    assert read.duration_min.tolist() == [7.0, 8.0]
    assert read.first_pass.tolist() == [True, False]
    assert math.isnan(read.energy_kwh[0])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("h.csv", HISTORY.replace("duration_min,", "").encode(), "column 'duration_min': is missing"),
        ("h.csv", HISTORY.replace("wear", "weather").encode(), "column 'weather': is no column of a history"),
        ("h.csv", HISTORY.replace("wear", "order").encode(), "column 'order': is there twice"),
        ("h.csv", b"", "is empty"),
        ("h.csv", HISTORY.encode() + b"\xff\xfe\x00", "is no UTF-8 text"),
        ("h.csv", HISTORY.encode() + b'"J1,S1', "cannot be read as CSV"),
        ("h.xlsx", b"no zip", "cannot be read as XLSX"),
        ("h.parquet", b"PAR1nonsensePAR1", "cannot be read as PARQUET"),
        ("h.txt", b"", "give a table as .csv, .xlsx or .parquet"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    products, path = _products(tmp_path), tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SettingsError) as told:
        read_history(path, NETWORK, products)
    assert any(said in problem for problem in told.value.problems), told.value.problems


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    for name in ("none.csv", "none.xlsx", "none.parquet"):
        with pytest.raises(SettingsError, match="there is no such file"):
            read_products(tmp_path / name, NETWORK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("grade", "colour"), "row 1, column 'grade': is missing"),
        (lambda text: text.replace("60", "sixty"), "row 3, column 'weld_length_m': write a number in m"),
        (lambda text: text + "EX-10,mini,1,2,S355\n", "row 4, column 'product': 'EX-10' stands in row 2 already"),
        (lambda text: text + "EX-11,mini,1\n", "row 4: has 3 cells, the header names 5 columns"),
        (lambda _: HEADER, "names no product"),
    ],
)
def test_what_is_wrong_with_products_is_told(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    with pytest.raises(SettingsError) as told:
        _products(tmp_path, change(PRODUCTS))
    assert any(said in problem for problem in told.value.problems), told.value.problems


def test_too_many_rows_for_excel_are_refused_before_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.files._SHEET_ROWS", 7)
    history = _history(_products(tmp_path))
    with pytest.raises(SettingsError, match="more than a sheet of Excel holds"):
        write_history(tmp_path / "h.xlsx", [history, history], NETWORK)
    assert not (tmp_path / "h.xlsx").exists()
