"""People and their tools read stable views, and may read nothing else, on each database."""

from __future__ import annotations

import psycopg
import pytest

from plant.ledger import Counts, Gap, GapReason, LedgerLine
from storage.database import Connection
from tests.storage.conftest import Database
from tests.storage.small_plant import PATHS, SOURCE, an_hour_ago, samples_of, shipper_of

VIEWS = ("v_samples", "v_latest", "v_rollup_1s", "v_rollup_1m", "v_rollup_1h", "v_ledger", "v_gaps", "v_sources")
SAMPLE_COLUMNS = ["time", "signal", "value", "text", "status", "good", "unit"]


def as_reader(connection: Connection, statement: str) -> list[tuple[object, ...]]:
    with connection.transaction():
        connection.execute("SET LOCAL ROLE leadhand_reader")
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def filled(database: Database) -> Database:
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(
            samples_of(PATHS[0], [start], [4.5]),
            (LedgerLine(SOURCE, start, Counts(expected=3, stored=1, gap=1)),),
            (Gap(SOURCE, start, start + 1, 1, GapReason.NODE),),
        )
    database.settle()
    return database


def test_the_reader_sees_every_view(filled: Database) -> None:
    with filled.connect() as connection:
        for view in VIEWS:
            assert len(as_reader(connection, f"SELECT * FROM {view}")) == 1, view  # noqa: S608


def test_samples_come_with_path_unit_and_unsigned_status(filled: Database) -> None:
    with filled.connect() as connection:
        cursor = connection.execute("SELECT * FROM v_samples")
        assert [column.name for column in cursor.description or ()] == SAMPLE_COLUMNS
        assert cursor.fetchone()[1:] == (PATHS[0], 4.5, None, 0, True, "A")  # type: ignore[index]
        assert connection.execute("SELECT not_yet_explained FROM v_ledger").fetchone() == (1,)


def test_the_reader_may_neither_write_nor_read_what_lies_behind_the_views(filled: Database) -> None:
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.FeatureNotSupported)
    for statement in (
        "SELECT * FROM sample",
        "SELECT * FROM latest",
        "SELECT * FROM signal",
        "SELECT * FROM account",
        "INSERT INTO sample (time, received_time, signal_id, status, flags) VALUES (now(), now(), 1, 0, 0)",
        "DELETE FROM v_latest",
        "UPDATE v_ledger SET expected = 0",
        "DROP VIEW v_samples",
        "CREATE TABLE mine (a int)",
    ):
        with filled.connect() as connection, pytest.raises(refusals):
            as_reader(connection, statement)
