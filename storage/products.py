"""Products with their features, and the route by which each is made now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from plant.products import FeatureDefinition, FeatureKind, Product, ProductTable, product_table
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.operation_history import ROUTE_SET

_PUT: Final = """
INSERT INTO product (product, family, features, added_time, changed_time)
SELECT p, f, v, %(time)s, %(time)s FROM unnest(%(products)s::text[], %(families)s::text[], %(features)s::jsonb[]) AS t (p, f, v)
ON CONFLICT (product) DO UPDATE SET family = excluded.family, features = excluded.features, changed_time = excluded.changed_time
WHERE (product.family, product.features) IS DISTINCT FROM (excluded.family, excluded.features)
RETURNING product.product, added_time = changed_time
"""


@dataclass(frozen=True, slots=True)
class WrittenProducts:
    """What became of products that were given."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    same: int


@dataclass(frozen=True, slots=True)
class CurrentRoute:
    """By which route a product is made since when."""

    product: str
    alternatives: tuple[str, ...]
    route: str
    """Its id, empty where it is none of the routes that the network names."""
    actor: str
    time_us: int


def write_products(connection: Connection, products: ProductTable, *, actor: str, now_us: int) -> WrittenProducts:
    """Keep products as they are now, and tell the channel and the audit trail which are new or other; those not given stay."""
    rows = [products.at(at) for at in range(len(products))]
    with translate_errors(), connection.transaction():
        given = {
            "time": moment(now_us),
            "products": list(products.ids),
            "families": list(products.families),
            "features": [Jsonb(dict(row.features)) for row in rows],
        }
        told = connection.execute(_PUT, given).fetchall()
        added, changed = (tuple(sorted(name for name, is_new in told if is_new is wanted)) for wanted in (True, False))
        if told:
            notify(connection, ROUTE_SET, "products")
            what = {"added": _counted(added), "changed": _counted(changed)}
            add_audit(connection, time_us=now_us, actor=actor, act="import", subject="products", next_=what)
    return WrittenProducts(added, changed, len(rows) - len(told))


def read_products(connection: Connection, features: tuple[FeatureDefinition, ...]) -> tuple[ProductTable, tuple[str, ...]]:
    """Return all products with these features, by id, and the ids of those that are left out since they lack one of them."""
    with translate_errors():
        rows = connection.execute("SELECT product, family, features FROM product ORDER BY product").fetchall()
    kept, lacking = [], []
    for name, family, values in rows:
        wrong = any(not _fits(values.get(feature.name), feature) for feature in features)
        if wrong:
            lacking.append(name)
        else:
            kept.append(Product(name, family, {feature.name: values[feature.name] for feature in features}))
    return product_table(features, kept), tuple(lacking)


def read_product(connection: Connection, product: str) -> Product | None:
    """Return one product with all features that are kept of it, None where there is none."""
    with translate_errors():
        row = connection.execute("SELECT product, family, features FROM product WHERE product = %s", [product]).fetchone()
    return None if row is None else Product(*row)


def products_print(connection: Connection) -> str:
    """Return a print of all products with families and features: another one when any of them changed."""
    with translate_errors():
        row = connection.execute(
            "SELECT coalesce(md5(string_agg(concat_ws(E'\\x1f', product, family, features), E'\\x1e' ORDER BY product)), '') FROM product"
        ).fetchone()
    return "" if row is None else str(row[0])


def read_current_routes(connection: Connection) -> dict[str, CurrentRoute]:
    """Return by which route each product is made now; products of which none is told are not there."""
    with translate_errors():
        rows = connection.execute("SELECT product, alternatives, route, actor, time FROM current_route WHERE newest").fetchall()
    return {name: CurrentRoute(name, tuple(alternatives), route, actor, micros(time)) for name, alternatives, route, actor, time in rows}


def write_current_routes(
    connection: Connection, routes: Mapping[str, tuple[str, tuple[str, ...]]], *, actor: str, now_us: int
) -> tuple[str, ...]:
    """Note by which route products are made from now on, and return those for which that is another than before.

    By product: the route's id (empty where it has none) and its alternatives.
    """
    with translate_errors(), connection.transaction():
        before = read_current_routes(connection)
        other = [name for name, (route, steps) in routes.items() if not _is_same(before.get(name), route, steps)]
        if other:
            _add(connection, [(name, *routes[name]) for name in other], actor, now_us)
            notify(connection, ROUTE_SET, "routes")
            add_audit(connection, time_us=now_us, actor=actor, act="change", subject="current routes", next_=_counted(other))
    return tuple(other)


def _add(connection: Connection, rows: Iterable[tuple[str, str, tuple[str, ...]]], actor: str, now_us: int) -> None:
    given = [(name, route, list(steps), actor, moment(now_us)) for name, route, steps in rows]
    connection.execute("UPDATE current_route SET newest = false WHERE newest AND product = ANY (%s)", [[row[0] for row in given]])
    connection.cursor().executemany(
        "INSERT INTO current_route (product, route, alternatives, actor, time, newest) VALUES (%s, %s, %s, %s, %s, true)", given
    )


def _is_same(before: CurrentRoute | None, route: str, steps: tuple[str, ...]) -> bool:
    return before is not None and (before.route, before.alternatives) == (route, tuple(steps))


def _fits(value: Any, feature: FeatureDefinition) -> bool:
    return isinstance(value, str) if feature.kind is FeatureKind.CATEGORY else isinstance(value, int | float)


def _counted(names: Iterable[str], most: int = 50) -> dict[str, Any]:
    known = list(names)
    return {"count": len(known), "first": known[:most]}
