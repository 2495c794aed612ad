"""What is built into what: material lots, sublots and pieces with a serial, told by MES, ERP and the cutting of nests.

Rows are only added; what was taken out keeps its row. A cycle is refused. All that is told goes on the audit trail; callers add nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from plant.errors import Rejected
from plant.genealogy import BuiltIn, Containment, Item, ItemKind, MaterialLot, Relation
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors

TOLD: Final = "genealogy"
"""Channel that says that something was built in or taken out."""
_LOCK: Final = 5_347_610_288
_SHOWN: Final = 20
"""So many names stand in an entry of the audit trail."""
_ITEM: Final = "kind, name, material, supplier, heat, certificate, quantity, unit, note, told_time, actor, id"
_KEEP: Final = """
INSERT INTO genealogy_item AS i (kind, name, material, supplier, heat, certificate, quantity, unit, note, told_time, actor)
SELECT g.*, %s, %s FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::float8[], %s::text[],
    %s::text[]) AS g
ON CONFLICT (name, kind) DO UPDATE SET material = coalesce(nullif(excluded.material, ''), i.material),
    supplier = coalesce(nullif(excluded.supplier, ''), i.supplier), heat = coalesce(nullif(excluded.heat, ''), i.heat),
    certificate = coalesce(nullif(excluded.certificate, ''), i.certificate), quantity = coalesce(excluded.quantity, i.quantity),
    unit = coalesce(nullif(excluded.unit, ''), i.unit), note = coalesce(nullif(excluded.note, ''), i.note)
"""
_ABOVE: Final = """
WITH RECURSIVE up (id) AS (
    SELECT unnest(%s::bigint[]) UNION
    SELECT b.into_id FROM up JOIN genealogy_built_in b ON b.component_id = up.id AND b.out_time IS NULL)
SELECT b.component_id, b.into_id FROM up JOIN genealogy_built_in b ON b.component_id = up.id AND b.out_time IS NULL
"""
_SAME: Final = """
SELECT g.n FROM unnest(%(n)s::integer[], %(into)s::bigint[], %(component)s::bigint[], %(relation)s::text[], %(place)s::text[],
    %(built)s::timestamptz[]) AS g (n, into_id, component_id, relation, place, built_time)
WHERE EXISTS (SELECT FROM genealogy_built_in b WHERE b.component_id = g.component_id AND b.into_id = g.into_id AND b.place = g.place
    AND b.relation = g.relation AND (b.out_time IS NULL OR b.built_time = g.built_time))
"""
_ADD: Final = """
INSERT INTO genealogy_built_in (into_id, component_id, relation, place, quantity, unit, built_time, told_time, work_unit, operation,
    job_order, nest_id, source, actor, single)
SELECT g.*, %(source)s, %(actor)s, c.kind = 'serial' FROM (
    SELECT unnest(%(into)s::bigint[]), unnest(%(component)s::bigint[]) AS component_id, unnest(%(relation)s::text[]),
        unnest(%(place)s::text[]), unnest(%(quantity)s::float8[]), unnest(%(unit)s::text[]), unnest(%(built)s::timestamptz[]),
        %(now)s::timestamptz, unnest(%(work_unit)s::text[]), unnest(%(operation)s::text[]), unnest(%(job_order)s::text[]),
        unnest(%(nest)s::bigint[])) g
JOIN genealogy_item c ON c.id = g.component_id
"""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A lot or piece as it is known."""

    lot: MaterialLot
    told_us: int
    actor: str
    id: int

    @property
    def item(self) -> Item:
        """Its kind and name."""
        return self.lot.item


@dataclass(frozen=True, slots=True)
class WrittenBuiltIn:
    """What became of what was told."""

    added: int = 0
    same: int = 0
    """Was known already."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """By the row's place, from 0: why not."""


def write_lots(connection: Connection, lots: Sequence[MaterialLot], *, actor: str, now_us: int, address: str = "") -> int:
    """Keep what is told of lots: what is empty leaves what was known. A sublot is made from its lot. Return how many; audited."""
    if not lots:
        return 0
    columns = list(zip(*((*_key(one.item), *_about(one)) for one in {one.item: one for one in lots}.values()), strict=True))
    with translate_errors(), connection.transaction():
        connection.execute(
            _KEEP,
            [moment(now_us), actor, *(list(column) for column in columns)],
        )
        names = [one.item.name for one in lots]
        told = {"lots": len(names), "names": names[:_SHOWN]}
        add_audit(connection, time_us=now_us, actor=actor, act="genealogy.lots", subject="material lots", next_=told, address=address)
        parts = [
            BuiltIn(one.item, Item(ItemKind.LOT, one.of_lot), now_us, Relation.MADE_FROM)
            for one in lots
            if one.of_lot and one.item.kind is ItemKind.SUBLOT
        ]
        if parts:
            written = write_built_in(connection, parts, source="rest", actor=actor, now_us=now_us, address=address)
            for why in written.refused.values():
                raise Rejected(why)
    return len(lots)


def write_built_in(
    connection: Connection, rows: Sequence[BuiltIn], *, source: str, actor: str, now_us: int, address: str = ""
) -> WrittenBuiltIn:
    """Keep what is built in; what is known already does nothing, a wrong row is refused with why and the others are kept. Audited.

    Refused: a cycle, and a piece with a serial that stands in something else.
    """
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        numbers = _numbers(connection, rows, actor, now_us)
        known = _known(connection, rows, numbers)
        fresh, refused, twice = _judged(connection, [(n, row) for n, row in enumerate(rows) if n not in known], numbers)
        if fresh:
            _add(connection, [row for _, row in fresh], numbers, source=source, actor=actor, now_us=now_us)
            told = {"added": len(fresh), "first": [f"{row.component.name} -> {row.into.name}" for _, row in fresh[:_SHOWN]]}
            add_audit(connection, time_us=now_us, actor=actor, act="genealogy.built_in", subject=source, next_=told, address=address)
            notify(connection, TOLD)
    return WrittenBuiltIn(len(fresh), len(known) + twice, refused)


def take_out(
    connection: Connection,
    into: Item,
    component: Item,
    *,
    place: str | None = None,
    actor: str,
    reason: str,
    now_us: int,
    address: str = "",
) -> int:
    """Say that something was taken out again, e.g. replaced. Return how many rows that ended; Rejected where it stood not in it."""
    with translate_errors(), connection.transaction():
        ended = connection.execute(
            "UPDATE genealogy_built_in b SET out_time = %(now)s, out_actor = %(actor)s, out_reason = %(reason)s "
            "FROM genealogy_item i, genealogy_item c WHERE i.id = b.into_id AND c.id = b.component_id AND b.out_time IS NULL "
            "AND b.relation = 'built_in' AND (i.kind, i.name) = (%(ik)s, %(in)s) AND (c.kind, c.name) = (%(ck)s, %(cn)s) "
            "AND (%(place)s::text IS NULL OR b.place = %(place)s)",
            {
                "now": moment(now_us),
                "actor": actor,
                "reason": reason,
                "place": place,
                "ik": into.kind.value,
                "in": into.name,
                "ck": component.kind.value,
                "cn": component.name,
            },
        ).rowcount
        if not ended:
            raise Rejected(f"{component.kind} '{component.name}' is not built into {into.kind} '{into.name}', or was taken out already")
        told = {"into": into.name, "reason": reason}
        add_audit(connection, time_us=now_us, actor=actor, act="genealogy.taken_out", subject=component.name, next_=told, address=address)
        notify(connection, TOLD)
    return ended


def record_cut(connection: Connection, nest: int, *, actor: str, now_us: int, problem: str | None, layouts: str | None) -> int:
    """Say of a nest that is cut from which sheets its parts and remnants are, within the caller's transaction; return how many rows.

    Where the nest's files are kept (``problem``, ``layouts``) a part order is only made from the sheets that its pieces lie on.
    """
    sheets = connection.execute(
        "SELECT t.place, s.name, s.material FROM nest_sheet t JOIN stock_sheet s ON s.id = t.stock_sheet_id WHERE t.nest_id = %s", [nest]
    ).fetchall()
    orders = connection.execute(
        "SELECT o.number, o.material, p.pieces FROM nest_part p JOIN part_order o ON o.id = p.part_order_id WHERE p.nest_id = %s", [nest]
    ).fetchall()
    remnants = connection.execute("SELECT name, split_part(name, '-', 2) FROM stock_sheet WHERE origin_nest_id = %s", [nest]).fetchall()
    on = _orders_by_layout(problem, layouts)
    named = {place: Item(ItemKind.LOT, name) for place, name, _ in sheets}
    rows = [
        BuiltIn(Item(ItemKind.LOT, number), sheet, now_us, Relation.MADE_FROM, quantity=float(pieces), unit="1", nest=nest)
        for number, _, pieces in orders
        for sheet in dict.fromkeys(named[place] for place in named if on is None or number in on.get(place, ()))
    ]
    rows += [
        BuiltIn(Item(ItemKind.LOT, name), named[int(place)], now_us, Relation.MADE_FROM, nest=nest)
        for name, place in remnants
        if place.isdigit() and int(place) in named
    ]
    materials = {name: material for name, material, *_ in (*((n, m) for _, n, m in sheets), *((n, m) for n, m, _ in orders))}
    write_lots(connection, [MaterialLot(Item(ItemKind.LOT, n), material=m) for n, m in materials.items()], actor=actor, now_us=now_us)
    return write_built_in(connection, rows, source="nest", actor=actor, now_us=now_us).added


def read_item(connection: Connection, item: Item) -> StoredItem | None:
    """Return a lot or piece, None where nothing was ever told of it here."""
    with translate_errors():
        row = connection.execute(f"SELECT {_ITEM} FROM genealogy_item WHERE (kind, name) = (%s, %s)", [*_key(item)]).fetchone()  # noqa: S608
    return None if row is None else stored_item(row)


def known_lots(connection: Connection, names: Sequence[str]) -> frozenset[str]:
    """Return those of these names that are material lots of which something was told."""
    with translate_errors():
        rows = connection.execute(
            "SELECT name FROM genealogy_item WHERE kind = 'lot' AND name = ANY (%s::text[])", [list(names)]
        ).fetchall()
    return frozenset(name for (name,) in rows)


def stored_item(row: Sequence[Any]) -> StoredItem:
    """Return an item from its columns."""
    kind, name, material, supplier, heat, certificate, quantity, unit, note, told, actor, number = row
    item = Item(ItemKind(kind), name)
    return StoredItem(MaterialLot(item, material, supplier, heat, certificate, quantity, unit, note), micros(told), actor, number)


def _key(item: Item) -> tuple[str, str]:
    return item.kind.value, item.name


def _about(one: MaterialLot) -> tuple[Any, ...]:
    return one.material, one.supplier, one.heat, one.certificate, one.quantity, one.unit, one.note


def _numbers(connection: Connection, rows: Iterable[BuiltIn], actor: str, now_us: int) -> dict[Item, int]:
    """Return the number of each item named; what is new is added."""
    items = sorted({item for row in rows for item in (row.into, row.component)})
    kinds, names = [one.kind.value for one in items], [one.name for one in items]
    connection.execute(
        "INSERT INTO genealogy_item (kind, name, told_time, actor) SELECT g.*, %s, %s FROM unnest(%s::text[], %s::text[]) AS g "
        "ON CONFLICT DO NOTHING",
        [moment(now_us), actor, kinds, names],
    )
    found = connection.execute(
        "SELECT i.kind, i.name, i.id FROM unnest(%s::text[], %s::text[]) AS g (kind, name) JOIN genealogy_item i USING (name, kind)",
        [kinds, names],
    ).fetchall()
    return {Item(ItemKind(kind), name): number for kind, name, number in found}


def _columns(rows: Sequence[BuiltIn], numbers: Mapping[Item, int]) -> dict[str, list[Any]]:
    return {
        "into": [numbers[one.into] for one in rows],
        "component": [numbers[one.component] for one in rows],
        "relation": [one.relation.value for one in rows],
        "place": [one.place for one in rows],
        "built": [moment(one.built_us) for one in rows],
        "quantity": [one.quantity for one in rows],
        **{name: [getattr(one, name) for one in rows] for name in ("unit", "work_unit", "operation", "job_order", "nest")},
    }


def _known(connection: Connection, rows: Sequence[BuiltIn], numbers: Mapping[Item, int]) -> set[int]:
    given = {**_columns(rows, numbers), "n": list(range(len(rows)))}
    return {row[0] for row in connection.execute(_SAME, given).fetchall()}


def _judged(
    connection: Connection, rows: Sequence[tuple[int, BuiltIn]], numbers: Mapping[Item, int]
) -> tuple[list[tuple[int, BuiltIn]], dict[int, str], int]:
    """Return the rows that can be added, why others cannot, and how many say the same as one before."""
    fresh: list[tuple[int, BuiltIn]] = []
    refused: dict[int, str] = {}
    standing = Containment(connection.execute(_ABOVE, [sorted({numbers[row.into] for _, row in rows})]).fetchall())
    pieces = [numbers[row.component] for _, row in rows if row.component.kind is ItemKind.SERIAL]
    stands = dict(
        connection.execute(
            "SELECT b.component_id, i.name FROM genealogy_built_in b JOIN genealogy_item i ON i.id = b.into_id "
            "WHERE b.component_id = ANY (%s) AND b.single AND b.out_time IS NULL",
            [pieces],
        ).fetchall()
    )
    seen: set[tuple[int, int, str, str]] = set()
    twice = 0
    for n, row in rows:
        into, component = numbers[row.into], numbers[row.component]
        key = (into, component, row.place, row.relation.value)
        if key in seen:
            twice += 1
        elif into == component:
            refused[n] = f"{row.into.kind} '{row.into.name}' cannot be built into itself"
        elif component in stands:
            refused[n] = f"serial '{row.component.name}' is built into '{stands[component]}' already: take it out there first"
        elif standing.closes(component, into):
            refused[n] = f"'{row.component.name}' holds '{row.into.name}' already: nothing can be built into what it holds"
        else:
            seen.add(key)
            fresh.append((n, row))
            standing.add(component, into)
            if row.component.kind is ItemKind.SERIAL:
                stands[component] = row.into.name
    return fresh, refused, twice


def _add(connection: Connection, rows: Sequence[BuiltIn], numbers: Mapping[Item, int], *, source: str, actor: str, now_us: int) -> None:
    connection.execute(_ADD, {**_columns(rows, numbers), "source": source, "actor": actor, "now": moment(now_us)})


def _orders_by_layout(problem: str | None, layouts: str | None) -> dict[int, set[str]] | None:
    """Return the part orders on each layout, by its place; None where the files do not tell."""
    try:
        parts = json.loads(problem or "")["parts"]
        found = json.loads(layouts or "")["layouts"]
        return {place: {parts[one["number"] - 1]["order"] for one in layout["placements"]} for place, layout in enumerate(found, 1)}
    except (ValueError, KeyError, TypeError, IndexError):
        return None
