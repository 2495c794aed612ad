"""The history of operations as kept: one row for each operation done, once; 20 million of them.

Words (products, alternatives, job orders, serials) are numbers in its rows, and rows are columns here all the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psycopg import sql

from plant.errors import Rejected
from plant.operation_history import NOT_TOLD, OperationHistory, concatenated, empty_history, operation_history
from storage.arrays import array_cursor
from storage.copy_rows import HEADER, TRAILER
from storage.database import PG_EPOCH_US, Connection, moment, notify, translate_errors

ROUTE_SET: Final = "route_set"
"""The channel that is told of new history, products and networks; the payload says which."""
PIECE: Final = 200_000
"""Rows written in one transaction, or read at once."""
_LOCK: Final = 5_347_610_241
_PLAIN: Final = ("rework_min", "energy_kwh", "wear", "propensity")
_CODES: Final = (("order", "orders"), ("serial", "serials"), ("decided_by", "deciders"))
_ROW: Final = (
    ("started", ">i8"),
    ("product", ">i4"),
    ("operation", ">i4"),
    ("alternative", ">i4"),
    ("order", ">i4"),
    ("serial", ">i4"),
    ("decided_by", ">i4"),
    ("first_pass", "?"),
    ("scrapped", "?"),
    ("duration_min", ">f4"),
    *((name, ">f4") for name in _PLAIN),
)
_FRESH: Final = """
CREATE TEMPORARY TABLE fresh_operation (
    started timestamptz, product integer, operation integer, alternative integer, "order" integer, serial integer, decided_by integer,
    first_pass boolean, scrapped boolean, duration_min real, rework_min real, energy_kwh real, wear real, propensity real{parameters}
) ON COMMIT DROP
"""
_TAKE: Final = """
INSERT INTO operation_history (started_time, product_id, operation_id, alternative_id, order_id, serial_id, decided_by_id, first_pass,
    scrapped, duration_min, rework_min, energy_kwh, wear, propensity, parameters)
SELECT started, product, operation, alternative, nullif("order", 0), nullif(serial, 0), nullif(decided_by, 0), first_pass, scrapped,
    duration_min, nullif(rework_min, 'NaN'), nullif(energy_kwh, 'NaN'), nullif(wear, 'NaN'), nullif(propensity, 'NaN'), {parameters}
FROM fresh_operation ON CONFLICT DO NOTHING
"""
_READ: Final = """
SELECT max(id), count(*), array_agg(started_time), array_agg(product_id), array_agg(alternative_id), array_agg(coalesce(order_id, 0)),
    array_agg(coalesce(serial_id, 0)), array_agg(coalesce(decided_by_id, 0)), array_agg(first_pass), array_agg(scrapped),
    array_agg(duration_min), array_agg(coalesce(rework_min, 'NaN')), array_agg(coalesce(energy_kwh, 'NaN')),
    array_agg(coalesce(wear, 'NaN')), array_agg(coalesce(propensity, 'NaN')){parameters}
FROM (
    SELECT * FROM operation_history
    WHERE id > %(after)s AND id <= %(until)s AND (%(products)s::int[] IS NULL OR product_id = ANY (%(products)s))
        AND (%(from)s::timestamptz IS NULL OR started_time >= %(from)s)
    ORDER BY id LIMIT %(most)s
) h
"""
_READ_COLUMNS: Final = ("started_us", "product", "alternative", "order", "serial", "decided_by", "first_pass", "scrapped", "duration_min")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of rows that were given."""

    added: int
    known: int
    """Those that were there already: the same job order, operation and serial."""


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """How much history there is."""

    rows: int
    mark: int
    """Of the newest row; 0 where there is none."""
    first_us: int | None
    last_us: int | None


def write_history(connection: Connection, history: OperationHistory, operations: Mapping[str, str]) -> Written:
    """Keep the rows that are not there yet, at most 200,000 in one transaction, and tell the channel of them.

    ``operations``: by alternative, the operation that it does. A row is known by job order, operation and serial; one without order or
    serial by time, alternative and product. Raises Rejected at an alternative of no operation.
    """
    unknown = sorted({history.alternatives[at] for at in np.unique(history.alternative)} - set(operations))
    if unknown:
        raise Rejected(f"no operation of the network has the alternative '{unknown[0]}'; import the network first, or name it there")
    added = 0
    with translate_errors():
        for start in range(0, len(history), PIECE):
            added += _write(connection, history.take(slice(start, start + PIECE)), operations)
    return Written(added, len(history) - added)


def read_history(
    connection: Connection,
    *,
    after: int = 0,
    until: int | None = None,
    products: Sequence[str] | None = None,
    from_us: int | None = None,
    named: bool = False,
) -> tuple[OperationHistory, int]:
    """Return the rows after a mark in the order they came, and the mark of the last one.

    Job orders, serials and deciders are bare numbers, which stay the same; with ``named`` they have their names.
    """
    parts, mark = [], after
    for part, last in read_pieces(connection, after=after, until=until, products=products, from_us=from_us, named=named):
        parts.append(part)
        mark = last
    if not parts:
        return empty_history(), mark
    return concatenated(parts) if named else _joined(parts), mark


def read_pieces(
    connection: Connection,
    *,
    after: int = 0,
    until: int | None = None,
    products: Sequence[str] | None = None,
    from_us: int | None = None,
    named: bool = False,
    most: int | None = None,
) -> Iterator[tuple[OperationHistory, int]]:
    """Yield what ``read_history`` returns, at most ``most`` rows at once (200,000 where not given)."""
    with translate_errors():
        end = count_history(connection).mark if until is None else until
        places = connection.execute("SELECT word, place FROM history_parameter ORDER BY place").fetchall()
        wanted = None if products is None else _numbers(connection, "history_product", products)
        columns = sql.SQL("").join(
            sql.SQL(", array_agg(coalesce(parameters[{}], 'NaN'))").format(sql.Literal(place)) for _, place in places
        )
        statement = sql.SQL(_READ).format(parameters=columns)
        words = {name: _all_words(connection, f"history_{name}") for name in ("product", "alternative")}
        asked = {"until": end, "products": wanted, "from": None if from_us is None else moment(from_us), "most": most or PIECE}
        while after < end:
            row = array_cursor(connection).execute(statement, {**asked, "after": after}).fetchone()
            if row is None or row[0] is None:
                return
            after = int(row[0])
            yield _history(connection, row[2:], words, [name for name, _ in places], named=named), after


def count_history(connection: Connection) -> HistoryCounts:
    """Return how much history there is; quick enough for a page."""
    with translate_errors():
        row = connection.execute(
            "SELECT (SELECT count(*) FROM operation_history), coalesce((SELECT max(id) FROM operation_history), 0), "
            "(extract(epoch FROM (SELECT min(started_time) FROM operation_history)) * 1000000)::bigint, "
            "(extract(epoch FROM (SELECT max(started_time) FROM operation_history)) * 1000000)::bigint"
        ).fetchone()
    assert row is not None  # noqa: S101 - it always gives one
    return HistoryCounts(*row)


def history_mark(connection: Connection) -> int:
    """Return the mark of the newest row; 0 where there is none."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(id), 0) FROM operation_history").fetchone()
    return 0 if row is None else int(row[0])


def _write(connection: Connection, history: OperationHistory, operations: Mapping[str, str]) -> int:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        columns: dict[str, npt.NDArray[Any]] = {
            "started": history.started_us - PG_EPOCH_US,
            "product": _coded(connection, "history_product", history.product, history.products),
            "alternative": _coded(connection, "history_alternative", history.alternative, history.alternatives),
            "first_pass": history.first_pass,
            "scrapped": history.scrapped,
            "duration_min": history.duration_min,
            **{name: getattr(history, name) for name in _PLAIN},
        }
        named = tuple(operations.get(alternative, "") for alternative in history.alternatives)
        columns["operation"] = _coded(connection, "history_operation", history.alternative, named)
        for name, vocabulary in _CODES:
            columns[name] = _coded(connection, "history_word", getattr(history, name), getattr(history, vocabulary))
        parameters = {name: column for name, column in history.parameters.items() if not np.isnan(column).all()}
        places = _places(connection, list(parameters))
        columns |= {f"p{place}": parameters[name] for name, place in places.items()}
        _copy(connection, columns, sorted(places.values()))
        taken = connection.execute(sql.SQL(_TAKE).format(parameters=_array(places))).rowcount
        if taken:
            notify(connection, ROUTE_SET, "history")
    return taken


def _copy(connection: Connection, columns: Mapping[str, npt.NDArray[Any]], places: Sequence[int]) -> None:
    """Fill a temporary table: all rows have the same length, so they are one structured array in the server's byte order."""
    extra = "".join(f", p{place} real" for place in places)
    connection.execute(_FRESH.format(parameters=extra))
    row = [*_ROW, *((f"p{place}", ">f4") for place in places)]
    layout = [("fields", ">i2"), *(one for name, kind in row for one in ((f"{name}_size", ">i4"), (name, kind)))]
    table = np.empty(len(columns["started"]), np.dtype(layout))
    table["fields"] = len(row)
    for name, _ in row:
        table[f"{name}_size"], table[name] = table.dtype[name].itemsize, columns[name]
    with connection.cursor().copy("COPY fresh_operation FROM STDIN (FORMAT binary)") as copy:
        copy.write(HEADER)
        copy.write(table.view(np.uint8).data)
        copy.write(TRAILER)


def _array(places: Mapping[str, int]) -> sql.Composable:
    if not places:
        return sql.SQL("NULL::real[]")
    there = set(places.values())
    values = [f"nullif(p{place}, 'NaN')" if place in there else "NULL" for place in range(1, max(there) + 1)]
    return sql.SQL("ARRAY[{}]::real[]").format(sql.SQL(", ".join(values)))


def _coded(connection: Connection, table: str, codes: npt.NDArray[np.int32], vocabulary: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return the number of each row's word in a table, 0 where none is told; words that are new there are added."""
    used = np.unique(codes[codes != NOT_TOLD])
    words = [vocabulary[at] for at in used] if vocabulary else [str(at) for at in used]
    name = sql.Identifier(table)
    connection.execute(
        sql.SQL(
            "INSERT INTO {0} (word) SELECT DISTINCT w FROM unnest(%s::text[]) AS t (w) "
            "WHERE NOT EXISTS (SELECT FROM {0} k WHERE k.word = w)"
        ).format(name),
        [words],
    )
    ids = np.array(_numbers(connection, table, words), np.int32)
    found = np.zeros(len(codes), np.int32)
    told = codes != NOT_TOLD
    if len(used):
        found[told] = ids[np.searchsorted(used, codes[told])]
    return found


def _numbers(connection: Connection, table: str, words: Sequence[str]) -> list[int]:
    statement = sql.SQL(
        "SELECT coalesce(k.id, 0) FROM unnest(%s::text[]) WITH ORDINALITY AS t (w, n) LEFT JOIN {} k ON k.word = w ORDER BY n"
    ).format(sql.Identifier(table))
    return [int(number) for (number,) in connection.execute(statement, [list(words)]).fetchall()]


def _places(connection: Connection, names: list[str]) -> dict[str, int]:
    connection.execute(
        "INSERT INTO history_parameter (place, word) "
        "SELECT (SELECT coalesce(max(place), 0) FROM history_parameter) + row_number() OVER (), w "
        "FROM unnest(%s::text[]) AS t (w) WHERE NOT EXISTS (SELECT FROM history_parameter k WHERE k.word = w)",
        [names],
    )
    return dict(connection.execute("SELECT word, place FROM history_parameter WHERE word = ANY (%s)", [names]).fetchall())


def _all_words(connection: Connection, table: str) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Return a table's words, and where each number stands among them."""
    rows = connection.execute(sql.SQL("SELECT id, word FROM {} ORDER BY id").format(sql.Identifier(table))).fetchall()
    at = np.full(rows[-1][0] + 1 if rows else 1, NOT_TOLD, np.int32)
    at[[number for number, _ in rows]] = np.arange(len(rows))
    return tuple(word for _, word in rows), at


def _history(
    connection: Connection,
    values: Sequence[Any],
    words: Mapping[str, tuple[tuple[str, ...], npt.NDArray[np.int32]]],
    parameters: Sequence[str],
    *,
    named: bool,
) -> OperationHistory:
    columns = dict(zip((*_READ_COLUMNS, *_PLAIN), values, strict=False))
    columns["started_us"] = columns["started_us"] + PG_EPOCH_US
    for name, (_, at) in words.items():
        columns[name] = at[columns[name]]
    vocabularies: dict[str, tuple[str, ...]] = {}
    for name, vocabulary in _CODES:
        numbers = columns[name]
        columns[name] = np.where(numbers == 0, NOT_TOLD, numbers)
        if named:
            used = np.unique(numbers[numbers != 0])
            rows = connection.execute(
                "SELECT word FROM unnest(%s::int[]) WITH ORDINALITY AS t (i, n) JOIN history_word k ON k.id = i ORDER BY n", [used.tolist()]
            )
            vocabularies[vocabulary] = tuple(word for (word,) in rows.fetchall())
            columns[name] = np.where(numbers == 0, NOT_TOLD, np.searchsorted(used, numbers))
    measured = dict(zip(parameters, values[len(_READ_COLUMNS) + len(_PLAIN) :], strict=True))
    return operation_history(
        words["product"][0],
        words["alternative"][0],
        columns,
        **vocabularies,
        parameters={name: column for name, column in measured.items() if not np.isnan(column).all()},
    )


def _joined(parts: list[OperationHistory]) -> OperationHistory:
    """Join pieces of one reading: numbers of orders are the same in all of them, which bare numbers of several files are not."""
    first = parts[0]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_READ_COLUMNS, *_PLAIN)}
    names = dict.fromkeys(name for part in parts for name in part.parameters)
    parameters = {
        name: np.concatenate([p.parameters.get(name, np.broadcast_to(np.float32(np.nan), len(p))) for p in parts]) for name in names
    }
    return operation_history(first.products, first.alternatives, columns, parameters=parameters)
