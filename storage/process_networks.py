"""The process network as kept: each version whole, with its hash, and as rows for those who ask by SQL. The newest is in force."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from psycopg import sql
from psycopg.types.json import Jsonb

from plant.network_file import network_json, parse_network
from plant.process_network import ProcessNetwork, Route
from plant.products import FeatureDefinition, FeatureKind
from storage.audit import add_audit
from storage.database import Connection, micros, moment, notify, translate_errors
from storage.operation_history import ROUTE_SET
from storage.products import read_current_routes, write_current_routes

_LOCK: Final = 5_347_610_242


@dataclass(frozen=True, slots=True)
class NetworkVersion:
    """One version of the network."""

    version: int
    name: str
    sha256: str
    actor: str
    time_us: int
    in_force: bool


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """The network in force. Its current routes are those that hold now, whatever its file said."""

    number: int
    """Of its row."""
    version: int
    sha256: str
    network: ProcessNetwork


def write_network(connection: Connection, network: ProcessNetwork, *, actor: str, now_us: int) -> int | None:
    """Put a network in force and return its version; None where the one in force is the same.

    A current route that the file tells otherwise than the version before becomes current; what was changed since by others stays.
    """
    record = network_json(network)
    content = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    with translate_errors(), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        before = connection.execute("SELECT version, sha256, content FROM process_network WHERE in_force").fetchone()
        if before is not None and before[1] == sha256:
            return None
        connection.execute("UPDATE process_network SET in_force = false WHERE in_force")
        row = connection.execute(
            "INSERT INTO process_network (version, name, sha256, content, actor, time, in_force) "
            "VALUES ((SELECT coalesce(max(version), 0) + 1 FROM process_network), %s, %s, %s, %s, %s, true) RETURNING id, version",
            [network.name, sha256, content, actor, moment(now_us)],
        ).fetchone()
        assert row is not None  # noqa: S101 - it was just added
        number, version = row
        _write_rows(connection, number, network, record)
        told = {} if before is None else _routes_told(json.loads(before[2]))
        now_told = _routes_told(record)
        changed = {product: route for product, route in now_told.items() if told.get(product) != route}
        write_current_routes(connection, changed, actor=actor, now_us=now_us)
        notify(connection, ROUTE_SET, "network")
        previous = None if before is None else {"version": before[0], "sha256": before[1]}
        add_audit(
            connection,
            time_us=now_us,
            actor=actor,
            act="import",
            subject="process network",
            previous=previous,
            next_={"version": version, "sha256": sha256, "name": network.name},
        )
    return int(version)


def read_network(connection: Connection) -> StoredNetwork | None:
    """Return the network in force, None where none was ever imported."""
    with translate_errors():
        row = connection.execute("SELECT id, version, sha256, content FROM process_network WHERE in_force").fetchone()
        if row is None:
            return None
        current = read_current_routes(connection)
    number, version, sha256, content = row
    network = parse_network(content, f"process network, version {version}")
    routes = {route.id: route for route in network.routes}
    holds: dict[str, str] = {}
    for product, now in current.items():
        if any(step not in network.positions for step in now.alternatives):
            continue
        name = now.route or f"current route of {product}"
        if name not in routes or routes[name].alternatives != now.alternatives:
            name = f"current route of {product}"
            routes[name] = Route(name, product, now.alternatives)
        holds[product] = name
    return StoredNetwork(number, version, sha256, replace(network, routes=tuple(routes.values()), current=holds))


def network_version(connection: Connection) -> int:
    """Return the version in force; 0 where there is none."""
    with translate_errors():
        row = connection.execute("SELECT coalesce(max(version), 0) FROM process_network WHERE in_force").fetchone()
    return 0 if row is None else int(row[0])


def read_features(connection: Connection) -> tuple[FeatureDefinition, ...]:
    """Return the features that the network in force names; none where there is no network. A hundred times faster than reading it."""
    with translate_errors():
        rows = connection.execute(
            "SELECT f.name, f.unit, f.kind FROM product_feature f JOIN process_network n ON n.id = f.network_id WHERE n.in_force "
            "ORDER BY f.position"
        ).fetchall()
    return tuple(FeatureDefinition(name, unit, FeatureKind(kind)) for name, unit, kind in rows)


def read_network_content(connection: Connection, version: int | None = None) -> str | None:
    """Return the JSON of a version, or of the one in force, as it was imported."""
    with translate_errors():
        row = connection.execute(
            "SELECT content FROM process_network WHERE version = %(version)s OR (%(version)s::int IS NULL AND in_force)",
            {"version": version},
        ).fetchone()
    return None if row is None else str(row[0])


def read_network_versions(connection: Connection, most: int = 100) -> list[NetworkVersion]:
    """Return the versions, the newest first."""
    with translate_errors():
        rows = connection.execute(
            "SELECT version, name, sha256, actor, time, in_force FROM process_network ORDER BY version DESC LIMIT %s", [most]
        ).fetchall()
    return [NetworkVersion(version, name, print_, actor, micros(time), force) for version, name, print_, actor, time, force in rows]


def _routes_told(record: dict[str, Any]) -> dict[str, tuple[str, tuple[str, ...]]]:
    routes = {route["id"]: tuple(route["alternatives"]) for route in record.get("routes", ())}
    return {product: (route, routes[route]) for product, route in record.get("current", {}).items() if route in routes}


def _write_rows(connection: Connection, number: int, network: ProcessNetwork, record: dict[str, Any]) -> None:
    rules = record.get("rules", [])
    features = [(number, at, f.name, f.unit, f.kind.value) for at, f in enumerate(network.features, 1)]
    _copy(connection, "product_feature", ("network_id", "position", "name", "unit", "kind"), features)
    operations = [(number, at, o.id, o.stage, o.name) for at, o in enumerate(network.operations, 1)]
    _copy(connection, "process_operation", ("network_id", "position", "operation", "stage", "name"), operations)
    alternatives = [
        (number, at, a.id, a.operation, a.work_unit, a.program, a.tool, Jsonb(dict(a.parameters)), a.fixed_cost)
        for at, a in enumerate(network.alternatives, 1)
    ]
    names = ("network_id", "position", "alternative", "operation", "work_unit", "program", "tool", "parameters", "fixed_cost")
    _copy(connection, "operation_alternative", names, alternatives)
    told = [(number, at, rule["id"], rule.get("text", ""), Jsonb(rule)) for at, rule in enumerate(rules, 1)]
    _copy(connection, "route_rule", ("network_id", "position", "rule", "text", "content"), told)
    routes = [(number, route.id, route.product, list(route.alternatives)) for route in network.routes]
    _copy(connection, "process_route", ("network_id", "route", "product", "alternatives"), routes)


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)))
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
