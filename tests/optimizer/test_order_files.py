"""Orders from files as an ERP gives them: each wrong cell told by row and column, and the same file again does nothing."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from optimizer.importing import Wish
from optimizer.order_files import import_orders, read_order_file
from plant.calendars import wall_clock_us
from plant.customer_orders import CustomerOrder
from plant.errors import SettingsError
from storage.customer_orders import read_stored_orders
from storage.database import connect

NOW = 1_795_000_000_000_000
HEAD = "order,product,customer,quantity,due,release,priority,serials,note\n"


def clock(text: str) -> datetime:
    """Return what a clock on the wall shows."""
    return datetime.fromisoformat(text)


def file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_orders_of_each_kind_of_file_are_the_same(tmp_path: Path) -> None:
    text = f"{HEAD}4711,EX-22,Miller,2,2026-12-24,2026-12-01T06:30,7,SN-1;SN-2,by ship\n4712,EX-30,,,,,,,\n"
    csv = file(tmp_path / "o.csv", text)
    book = openpyxl.Workbook()
    book.active.append(HEAD.strip().split(","))
    book.active.append([4711, "EX-22", "Miller", 2, date(2026, 12, 24), clock("2026-12-01T06:30"), 7, "SN-1;SN-2", "by ship"])
    book.active.append([4712.0, "EX-30"])
    book.save(tmp_path / "o.xlsx")
    first = {
        "order": "4711",
        "product": "EX-22",
        "customer": "Miller",
        "quantity": 2,
        "due": "2026-12-24",
        "release": "2026-12-01T05:30:00Z",
        "priority": 7,
        "serials": ["SN-1", "SN-2"],
        "note": "by ship",
    }
    told = {"leadhand": "orders/1", "orders": [first, {"order": "4712", "product": "EX-30"}]}
    plain = file(tmp_path / "o.json", json.dumps(told))
    expected = (
        CustomerOrder(
            "4711",
            "EX-22",
            "Miller",
            2,
            wall_clock_us("Europe/Berlin", clock("2026-12-25")),
            wall_clock_us("Europe/Berlin", clock("2026-12-01T06:30")),
            7,
            NOW,
            ("SN-1", "SN-2"),
            "by ship",
        ),
        CustomerOrder("4712", "EX-30", received_us=NOW),
    )
    assert read_order_file(csv, received_us=NOW, zone="Europe/Berlin") == (expected, ())
    assert read_order_file(plain, received_us=NOW, zone="Europe/Berlin") == (expected, ())
    assert read_order_file(tmp_path / "o.xlsx", received_us=NOW, zone="Europe/Berlin") == (expected, ())


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",EX-22,,,,,,,", "order", "is empty"),
        ("A,EX-1,,,,,,,", "product", "there is no product"),
        ("A,EX-22,,0,,,,,", "quantity", "from 1 to 1000"),
        ("A,EX-22,,1.5,,,,,", "quantity", "whole number"),
        ("A,EX-22,,,24.12.2026,,,,", "due", "write a date"),
        ("A,EX-22,,,2026-13-01,,,,", "due", "write a date"),
        ("A,EX-22,,,1026-01-01,,,,", "due", "2000 to 2199"),
        ("A,EX-22,,,2026-12-01,2026-12-05,,,", "due", "before 'release'"),
        ("A,EX-22,,,,,10,,", "priority", "from 1 to 9"),
        ("A,EX-22,,2,,,,S1,", "serials", "the quantity is 2"),
        ("A,EX-22,,2,,,,S1;S1,", "serials", "twice"),
        ("B,EX-22,,,,,,,", "order", "stands in row 2 already"),
        ("C,EX-22,,,,,,SB,", "serials", "stands in row 2 already"),
    ],
)
def test_each_wrong_cell_is_told_by_row_and_column(tmp_path: Path, row: str, column: str, words: str) -> None:
    path = file(tmp_path / "o.csv", f"{HEAD}B,EX-22,,,,,,SB,\n{row}\n")
    orders, problems = read_order_file(path, received_us=NOW, products={"EX-22"})
    assert [one.number for one in orders] == ["B"]
    (problem,) = problems
    assert (problem.row, problem.column) == (3, column)
    assert words in problem.reason


def test_a_file_is_imported_whole_or_not_at_all_and_again_changes_nothing(tmp_path: Path, database_url: str) -> None:
    good = file(tmp_path / "o.csv", f"{HEAD}A,EX-22,,2,,,,,\nB,EX-30,,,,,,,\n")
    bad = file(tmp_path / "bad.csv", f"{HEAD}C,EX-22,,x,,,,,\nD,EX-30,,,,,,,\n")
    wish = Wish("anna", NOW)
    with connect(database_url, application="test") as connection:
        dry = import_orders(connection, good, Wish("anna", NOW, dry_run=True))
        assert (dry.orders, dry.written.added) == (2, ("A", "B"))
        assert read_stored_orders(connection) == []
        assert import_orders(connection, good, wish).written.added == ("A", "B")
        again = import_orders(connection, good, wish).written
        assert (again.added, again.changed, again.same) == ((), (), 2)
        with pytest.raises(SettingsError, match=r"row 2, column 'quantity'"):
            import_orders(connection, bad, wish)
        assert len(read_stored_orders(connection)) == 2
        skipped = import_orders(connection, bad, Wish("anna", NOW, skip_bad=True))
        assert (skipped.written.added, len(skipped.problems)) == (("D",), 1)
        more = file(tmp_path / "o.csv", f"{HEAD}A,EX-22,,3,,,,,\n")
        (change,) = import_orders(connection, more, Wish("anna", NOW, dry_run=True)).written.changed
        assert (change.before, change.after) == ({"quantity": 2}, {"quantity": 3})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "orders/1"),
        ('{"leadhand": "orders/1", "orders": [{"order": "A", "product": "P", "colour": 1}]}', "'colour'"),
        ("{", "is no JSON"),
    ],
)
def test_json_that_is_no_file_of_orders_says_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_order_file(file(tmp_path / "o.json", text), received_us=NOW)
