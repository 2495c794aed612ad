"""The stable views as tables to look at and to take away whole: read a piece at a time, so that their length costs no memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

from plant.errors import Rejected, Unavailable
from storage.database import PG_EPOCH_US, Connection, moment, snapshot, translate_errors

_VIEWS: Final = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum), array_agg(t.typname::text ORDER BY a.attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind = 'v' AND starts_with(c.relname, 'v_') AND (%(name)s::text IS NULL OR c.relname = %(name)s)
GROUP BY c.relname ORDER BY c.relname
"""
_MOMENTS: Final = "timestamptz"
_PREVIEW_SECONDS: Final = 8
_EXPORT_SECONDS: Final = 600
_INFINITE: Final = (-(2**63), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view."""

    name: str
    type: str
    """As PostgreSQL calls it: text, int8, float8, bool, timestamptz, jsonb, ..."""


@dataclass(frozen=True, slots=True)
class StableView:
    """A view whose name and columns stay."""

    name: str
    columns: tuple[ViewColumn, ...]
    time: str | None
    """The column that a span of time means: ``time``, else the first moment; None where there is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """From and to in microseconds since 1970, the end not included; None where it is open."""

    from_us: int | None = None
    to_us: int | None = None


def read_views(connection: Connection) -> list[StableView]:
    """Return the stable views by name."""
    with translate_errors():
        return [_view(*row) for row in connection.execute(_VIEWS, {"name": None}).fetchall()]


def read_view(connection: Connection, name: str) -> StableView:
    """Return one view. Raises Rejected where there is none of that name."""
    with translate_errors():
        row = connection.execute(_VIEWS, {"name": name}).fetchone()
    if row is None:
        raise Rejected(f"there is no table '{name}'; /api/v1/reports/tables lists those there are")
    return _view(*row)


def read_newest(connection: Connection, view: StableView, span: Span, most: int) -> list[tuple[Any, ...]]:
    """Return the newest rows within a span, moments as microseconds since 1970. Raises Unavailable where that takes too long."""
    with snapshot(connection):
        _within(connection, _PREVIEW_SECONDS)
        try:
            cursor = _cursor(connection)
            return list(cursor.execute(_asked(view, span, newest=most), _values(span)).fetchall())
        except psycopg.errors.QueryCanceled as error:
            raise Unavailable(f"'{view.name}' holds too much in this span to show its newest rows at once: narrow the span") from error


def read_pieces(connection: Connection, view: StableView, span: Span, *, rows: int = 5000) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield all rows within a span in the order of their time, some at once: one picture of the database, which is busy until the last."""
    with snapshot(connection):
        _within(connection, _EXPORT_SECONDS)
        with _cursor(connection, "table_export") as cursor:
            cursor.execute(_asked(view, span), _values(span))
            while piece := cursor.fetchmany(rows):
                yield piece


def _view(name: str, columns: list[str], types: list[str]) -> StableView:
    found = tuple(ViewColumn(column, kind) for column, kind in zip(columns, types, strict=True))
    moments = [column.name for column in found if column.type == _MOMENTS]
    return StableView(name, found, "time" if "time" in moments else next(iter(moments), None))


def _within(connection: Connection, seconds: int) -> None:
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])


def _values(span: Span) -> dict[str, Any]:
    return {
        "from": None if span.from_us is None else moment(span.from_us),
        "to": None if span.to_us is None else moment(span.to_us),
    }


def _asked(view: StableView, span: Span, newest: int | None = None) -> sql.Composed:
    # numeric and uuid come as what every file form knows
    casts = {"numeric": "float8", "uuid": "text", "bytea": "text", "interval": "text", "date": "text"}
    columns = [
        sql.SQL("{}::{}").format(sql.Identifier(column.name), sql.SQL(casts[column.type]))
        if column.type in casts
        else sql.Identifier(column.name)
        for column in view.columns
    ]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), sql.Identifier(view.name))
    if view.time is None:
        return query if newest is None else query + sql.SQL(" LIMIT {}").format(sql.Literal(newest))
    time = sql.Identifier(view.time)
    bounds = [
        sql.SQL("{} {}").format(time, sql.SQL(f"{sign} %({name})s"))
        for name, sign, given in (("from", ">=", span.from_us), ("to", "<", span.to_us))
        if given is not None
    ]
    if bounds:
        query += sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(bounds))
    if newest is None:
        return query + sql.SQL(" ORDER BY {}").format(time)
    return query + sql.SQL(" ORDER BY {} DESC NULLS LAST LIMIT {}").format(time, sql.Literal(newest))


def _cursor(connection: Connection, name: str = "") -> Any:
    cursor = connection.cursor(name, binary=True) if name else connection.cursor(binary=True)
    cursor.adapters.register_loader("timestamptz", _MomentLoader)
    return cursor


class _MomentLoader(Loader):
    """A moment as microseconds since 1970; one that is infinite is none."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int | None:
        count = int.from_bytes(bytes(data), signed=True)
        return None if count in _INFINITE else count + PG_EPOCH_US
