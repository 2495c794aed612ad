"""The dashboards of Grafana ask what the stable views answer, with the rights of a reader, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from plant.ledger import Counts, Gap, GapReason, LedgerLine
from storage.database import Connection
from tests.grafana import Query, boards, filled, queries
from tests.storage.conftest import Database
from tests.storage.small_plant import PATHS, SOURCE, an_hour_ago, samples_of, shipper_of

_TIME, _TEXT = 1184, 25
_NUMBERS = {20, 21, 23, 700, 701, 1700}


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    """A connection with the rights of a reader and no others, to a small plant."""
    start = an_hour_ago()
    with database.connect() as connection:
        shipper_of(connection).ship(
            samples_of(PATHS[0], [start, start + 1_000_000], [4.5, 5.5]),
            (LedgerLine(SOURCE, start, Counts(expected=3, stored=2, gap=1)),),
            (Gap(SOURCE, start, start + 1, 1, GapReason.NODE),),
        )
    database.settle()
    with database.connect() as connection:
        connection.execute("SET ROLE leadhand_reader")
        yield connection


def _variables(connection: Connection, board: dict[str, Any]) -> dict[str, list[str]]:
    """What a visitor gets who has chosen nothing."""
    return {
        each["name"]: [str(row[0]) for row in connection.execute(each["query"]).fetchall()]
        if each["type"] == "query"
        else [each["current"]["value"]]
        for each in board["templating"]["list"]
    }


def _nothing_chosen(variables: dict[str, list[str]]) -> dict[str, list[str]]:
    """What Grafana fills in at a plant where there is nothing to choose."""
    return {name: ["v_rollup_1h"] if name == "rollup" else [] for name in variables}


def _ask(connection: Connection, query: Query, variables: dict[str, list[str]]) -> tuple[list[tuple[str, int]], list[tuple[Any, ...]]]:
    """Names and types of columns, and rows."""
    now = datetime.now(UTC)
    cursor = connection.execute(filled(query.sql, now - timedelta(hours=4), now, variables))
    return [(column.name, column.type_code) for column in cursor.description or ()], cursor.fetchall()


def _wrong(query: Query, columns: list[tuple[str, int]], rows: list[tuple[Any, ...]]) -> str | None:
    """Why the panel could not draw this, None where it can."""
    kinds = [kind for _, kind in columns]
    if query.format == "time_series":
        good = columns[0] == ("time", _TIME) and set(kinds[1:]) <= _NUMBERS | {_TEXT} and set(kinds[1:]) & _NUMBERS
        return None if good else f"a series is a time, perhaps a name, and numbers, not {columns}"
    if query.kind == "stat":
        return None if len(rows) <= 1 and len(kinds) == 1 and kinds[0] in _NUMBERS else f"one number, not {columns} in {len(rows)} rows"
    if query.kind == "bargauge":
        return None if len(kinds) == 2 and kinds[0] == _TEXT and kinds[1] in _NUMBERS else f"a name and a number, not {columns}"
    if query.kind == "state-timeline":
        return None if columns[0] == ("time", _TIME) and kinds[1:] == [_TEXT, _TEXT] else f"a time, a name and a state, not {columns}"
    return None


def test_each_panel_gets_what_it_can_draw(reader: Connection) -> None:
    wrong = []
    for board in boards().values():
        chosen = _variables(reader, board)
        for query in queries(board):
            for variables in (chosen, _nothing_chosen(chosen)):
                try:
                    reason = _wrong(query, *_ask(reader, query, variables))
                except psycopg.Error as error:
                    reason = str(error)
                if reason:
                    wrong.append(f"{query.board}: {query.panel}: {reason}")
    assert wrong == []


def test_a_panel_shows_what_was_stored(reader: Connection) -> None:
    plant, health = boards()["plant"], boards()["health"]
    shown = {
        query.panel: _ask(reader, query, _variables(reader, board))[1]
        for board in (plant, health)
        for query in queries(board)
        if query.panel in {"Mean of the signals chosen", "Samples missed by reason", "Taken", "Signals"}
    }
    assert [row[1:] for row in shown["Mean of the signals chosen"]] == [(PATHS[0], 5.0)]
    assert shown["Samples missed by reason"] == [("node", 1)]
    assert shown["Taken"] == [(pytest.approx(2 / 3),)]
    assert shown["Signals"] == [(1,)]


def test_the_reader_may_read_each_stable_view_and_nothing_else(reader: Connection) -> None:
    named = "SELECT table_name, has_table_privilege('leadhand_reader', format('%I.%I', table_schema, table_name), 'SELECT') FROM "
    mine = " WHERE table_schema = current_schema()"
    reader.execute("RESET ROLE")
    views = reader.execute(named + "information_schema.views" + mine).fetchall()
    assert {name for name, may in views if may} == {name for name, _ in views if name.startswith("v_")}
    assert len([name for name, may in views if may]) >= 70
    tables = reader.execute(named + "information_schema.tables" + mine + " AND table_type = 'BASE TABLE'").fetchall()
    assert [name for name, may in tables if may] == []
    for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        may_write = reader.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() "
            "AND has_table_privilege('leadhand_reader', format('%%I.%%I', table_schema, table_name), %s)",
            [right],
        ).fetchall()
        assert may_write == [], right
