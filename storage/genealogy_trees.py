"""Where lots went and what pieces are made of: trees both ways, and the list for a recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from plant.genealogy import DEEPEST, Item, ItemKind, Relation
from storage.database import Connection, micros, translate_errors
from storage.genealogy import StoredItem, stored_item

MOST_RECALLED: Final = 200_000
_ITEM: Final = "i.kind, i.name, i.material, i.supplier, i.heat, i.certificate, i.quantity, i.unit, i.note, i.told_time, i.actor, i.id"
# a way stops where it would meet itself: standing rows hold no cycle, but what was taken out may have gone round
_TREE: Final = """
WITH RECURSIVE tree AS (
    SELECT b.id AS edge, b.{other} AS item, 1 AS depth, ARRAY[b.{one}, b.{other}] AS way, ARRAY[b.id] AS edges
    FROM genealogy_built_in b WHERE b.{one} = %(start)s
    UNION ALL
    SELECT b.id, b.{other}, t.depth + 1, t.way || b.{other}, t.edges || b.id
    FROM tree t JOIN genealogy_built_in b ON b.{one} = t.item WHERE t.depth < %(deepest)s AND b.{other} <> ALL (t.way)
), few AS MATERIALIZED (SELECT * FROM tree LIMIT %(most)s)
SELECT {item}, t.depth, t.edges, b.relation, b.place, b.quantity, b.unit, b.built_time, b.work_unit, b.operation, b.job_order, b.nest_id,
    b.out_time, b.out_reason, (SELECT count(*) FROM genealogy_built_in f WHERE f.{one} = t.item)
FROM few t JOIN genealogy_built_in b ON b.id = t.edge JOIN genealogy_item i ON i.id = t.item ORDER BY t.depth, i.name, t.edge
"""
_DOWN: Final = _TREE.format(one="into_id", other="component_id", item=_ITEM)
_UP: Final = _TREE.format(one="component_id", other="into_id", item=_ITEM)
_STARTS: Final = "SELECT id FROM genealogy_item WHERE (kind, name) = (%(kind)s, %(name)s)"
_STARTS_OF_HEAT: Final = "SELECT id FROM genealogy_item WHERE heat = %(name)s AND heat <> ''"
# how much a recursion finds cannot be estimated: LIMIT 1 has each row looked up by its index
_RECALL: Final = """
WITH RECURSIVE ever (id) AS (
    SELECT unnest(%(starts)s::bigint[]) UNION
    SELECT b.into_id FROM ever e JOIN genealogy_built_in b ON b.component_id = e.id
), standing (id) AS (
    SELECT unnest(%(starts)s::bigint[]) UNION
    SELECT b.into_id FROM standing s JOIN genealogy_built_in b ON b.component_id = s.id AND b.out_time IS NULL
), via AS (
    SELECT DISTINCT ON (b.into_id) b.* FROM ever e JOIN genealogy_built_in b ON b.component_id = e.id
    ORDER BY b.into_id, (b.out_time IS NULL) DESC, b.built_time, b.id
)
SELECT i.kind, i.name, s.id IS NOT NULL, above.name, c.kind, c.name, v.place, v.built_time, v.work_unit, v.job_order, v.out_time,
    v.out_reason, j.number, j.customer, j.product, j.state, i.material
FROM via v LEFT JOIN standing s ON s.id = v.into_id
CROSS JOIN LATERAL (SELECT * FROM genealogy_item i WHERE i.id = v.into_id LIMIT 1) i
CROSS JOIN LATERAL (SELECT c.kind, c.name FROM genealogy_item c WHERE c.id = v.component_id LIMIT 1) c
LEFT JOIN LATERAL (
    SELECT h.name FROM genealogy_built_in b JOIN genealogy_item h ON h.id = b.into_id
    WHERE b.component_id = v.into_id AND b.out_time IS NULL ORDER BY b.id LIMIT 1) above ON true
LEFT JOIN LATERAL (
    SELECT o.number, o.customer, o.product, w.state FROM job_order w JOIN customer_order o ON o.id = w.customer_order_id
    WHERE i.kind = 'serial' AND w.serial = i.name LIMIT 1) j ON true
WHERE NOT v.into_id = ANY (%(starts)s) ORDER BY (i.kind = 'serial') DESC, i.name, i.id LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Branch:
    """An item in a tree, and how it came there."""

    of: StoredItem
    depth: int
    """1 for what is built in directly."""
    way: tuple[int, ...]
    """Numbers of the rows from the root to it: the tree is put together by these."""
    relation: Relation
    place: str
    quantity: float | None
    unit: str
    built_us: int
    work_unit: str
    operation: str
    job_order: str
    nest: int | None
    out_us: int | None
    """When it was taken out again; None where it still stands."""
    out_reason: str
    further: int
    """How many rows hang on it."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A piece or lot that something stands in, or stood in."""

    item: Item
    holds: bool
    """Whether it still stands in it; else it was taken out."""
    stands_in: str
    """What it is itself built into; empty where it is the whole."""
    by: Item
    """What it came in with, directly."""
    place: str
    built_us: int
    work_unit: str
    job_order: str
    out_us: int | None
    out_reason: str
    order: str
    customer: str
    product: str
    state: str
    material: str


def read_components(connection: Connection, number: int, *, most: int = 500, deepest: int = DEEPEST) -> list[Branch]:
    """Return what an item is made of, level by level; of more than ``most`` rows the upper ones."""
    return _tree(connection, _DOWN, number, most, deepest)


def read_uses(connection: Connection, number: int, *, most: int = 500, deepest: int = DEEPEST) -> list[Branch]:
    """Return what an item is built into, level by level; of more than ``most`` rows the lower ones."""
    return _tree(connection, _UP, number, most, deepest)


def starts_of(connection: Connection, kind: str, name: str) -> list[int]:
    """Return the numbers of the item of a kind and name, or of all lots of a heat (``kind`` heat)."""
    with translate_errors():
        rows = connection.execute(_STARTS_OF_HEAT if kind == "heat" else _STARTS, {"kind": kind, "name": name}).fetchall()
    return [row[0] for row in rows]


def lots_of_heat(connection: Connection, heat: str, most: int = 200) -> list[StoredItem]:
    """Return the lots of one melt."""
    with translate_errors():
        rows = connection.execute(
            f"SELECT {_ITEM} FROM genealogy_item i WHERE i.heat = %s AND i.heat <> '' ORDER BY i.name LIMIT %s",  # noqa: S608 - our own words
            [heat, most],
        ).fetchall()
    return [stored_item(row) for row in rows]


def read_recall(connection: Connection, starts: Sequence[int], *, most: int = MOST_RECALLED) -> list[Recalled]:
    """Return each piece and lot that one of the items stands in or stood in, directly or not, once, pieces with a serial first."""
    with translate_errors():
        rows = connection.execute(_RECALL, {"starts": list(starts), "most": max(1, min(most, MOST_RECALLED))}).fetchall()
    return [_recalled(row) for row in rows]


def _tree(connection: Connection, query: str, number: int, most: int, deepest: int) -> list[Branch]:
    given = {"start": number, "most": max(1, min(most, 10_000)), "deepest": max(1, min(deepest, DEEPEST))}
    with translate_errors():
        rows = connection.execute(query, given).fetchall()
    return [_branch(row) for row in rows]


def _branch(row: Sequence[Any]) -> Branch:
    depth, edges, relation, place, quantity, unit, built, work_unit, operation, job_order, nest, out, reason, further = row[12:]
    return Branch(
        stored_item(row[:12]),
        depth,
        tuple(edges),
        Relation(relation),
        place,
        quantity,
        unit,
        micros(built),
        work_unit,
        operation,
        job_order,
        nest,
        None if out is None else micros(out),
        reason,
        further,
    )


def _recalled(row: Sequence[Any]) -> Recalled:
    kind, name, holds, above, by_kind, by_name, place, built, work_unit, job, out, reason, order, customer, product, state, material = row
    return Recalled(
        Item(ItemKind(kind), name),
        holds,
        above or "",
        Item(ItemKind(by_kind), by_name),
        place,
        micros(built),
        work_unit,
        job,
        None if out is None else micros(out),
        reason,
        order or "",
        customer or "",
        product or "",
        state or "",
        material,
    )
