"""Files that are laid into a folder are imported once, good rows of them; what is wrong is put aside with its reasons."""

from __future__ import annotations

import os
from pathlib import Path

from structlog.testing import capture_logs

from optimizer.files import write_history, write_products
from optimizer.inbox import Inbox
from plant.clock import SystemClock
from storage.database import connect
from storage.operation_history import count_history
from storage.process_networks import write_network
from tests.optimizer.works import BEGIN, network, orders, products

CLOCK = SystemClock()
LATER = 3_600_000_000


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()} if folder.exists() else set()


def test_files_are_imported_the_oldest_first_and_those_with_wrong_rows_are_put_aside(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "in"
    inbox = Inbox(folder)
    now = CLOCK.now_us() + LATER
    with connect(database_url, application="test") as connection:
        assert not inbox.take_one(connection, now), "the folder need not be there"
        folder.mkdir()
        write_products(folder / "1.csv", products())
        write_history(folder / "2.csv", [orders(10)], network())
        text = (folder / "2.csv").read_text()
        (folder / "3.csv").write_text(text.replace("JO-1-", "JO-9-").replace(",robot-old,", ",robot-odd,", 1))
        (folder / "4.csv").write_text("what,is,this\n1,2,3\n")
        (folder / ".half.csv").write_text("order")
        (folder / "notes.txt").write_text("no table")
        for number in range(1, 5):
            os.utime(folder / f"{number}.csv", (1_000_000 + number, 1_000_000 + number))
        assert not inbox.take_one(connection, now), "without a network all wait"
        write_network(connection, network(), actor="li.wei", now_us=BEGIN)
        while inbox.take_one(connection, now):
            pass
        assert count_history(connection).rows == 59
    assert names(folder) == {".half.csv", "notes.txt"}
    assert names(folder / "done") == {"1.csv", "2.csv"}
    assert names(folder / "refused") == {"3.csv", "3.csv.txt", "4.csv", "4.csv.txt"}
    assert "robot-odd" in (folder / "refused" / "3.csv.txt").read_text()
    assert "row 1" in (folder / "refused" / "4.csv.txt").read_text()


def test_a_file_that_is_just_being_written_waits_and_one_given_again_adds_nothing(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    inbox = Inbox(folder)
    with connect(database_url, application="test") as connection:
        write_network(connection, network(), actor="li.wei", now_us=BEGIN)
        write_products(folder / "1.csv", products())
        changed = (folder / "1.csv").stat().st_mtime_ns // 1000
        assert not inbox.take_one(connection, changed + 10)
        assert inbox.take_one(connection, changed + LATER)
        for name in ("a.parquet", "b.parquet"):
            write_history(folder / name, [orders(10)], network())
            assert inbox.take_one(connection, CLOCK.now_us() + LATER)
        assert count_history(connection).rows == 30
    assert names(folder / "done") == {"1.csv", "a.parquet", "b.parquet"}


def test_an_inbox_that_cannot_be_read_says_so_once_and_says_when_it_can(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "history"
    inbox = Inbox(folder)
    with connect(database_url, application="test") as connection, capture_logs() as said:
        for _ in range(3):
            assert not inbox.take_one(connection, 10_000_000)
        folder.mkdir()
        for _ in range(3):
            assert not inbox.take_one(connection, 10_000_000)
    assert [line["event"] for line in said] == ["the inbox cannot be read: nothing is imported from it", "the inbox is read again"]
    assert said[0]["problem"] == "No such file or directory"
