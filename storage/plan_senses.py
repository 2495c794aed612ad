"""What a plan must hear of that others store: parts that an inspection found bad, designs that came into force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Connection, micros, translate_errors


@dataclass(frozen=True, slots=True)
class BadPart:
    """A part that was found bad."""

    inspection: int
    part: str
    station: str
    taken_us: int


@dataclass(frozen=True, slots=True)
class NewDesign:
    """A design that came into force."""

    number: int
    product: str
    version: str
    time_us: int


def read_bad_parts(connection: Connection, parts: Sequence[str], since_us: int) -> list[BadPart]:
    """Return inspections that found some parts bad since a time, those a person has put right left out, in the order of their taking."""
    with translate_errors():
        rows = connection.execute(
            "SELECT i.id, i.part, i.station, i.taken_time FROM inspection i WHERE i.part = ANY (%s) AND i.decision = 'nok' "
            "AND NOT i.shadow AND i.taken_time >= to_timestamp(%s) AND NOT EXISTS (SELECT FROM inspection w WHERE w.part = i.part "
            "AND w.station = i.station AND w.view = i.view AND w.decision = 'ok' AND NOT w.shadow AND w.taken_time > i.taken_time) "
            "ORDER BY i.taken_time, i.id",
            [list(parts), since_us / 1e6],
        ).fetchall()
    return [BadPart(number, part, station, micros(taken)) for number, part, station, taken in rows]


def read_new_designs(connection: Connection, products: Sequence[str], since_us: int) -> list[NewDesign]:
    """Return designs of some products that came into force since a time."""
    with translate_errors():
        rows = connection.execute(
            "SELECT id, product, version, stage_time FROM design_change WHERE product = ANY (%s) AND stage = 'in_force' "
            "AND stage_time >= to_timestamp(%s) ORDER BY stage_time, id",
            [list(products), since_us / 1e6],
        ).fetchall()
    return [NewDesign(number, product, version, micros(time)) for number, product, version, time in rows]


def followed_mark(connection: Connection, stages: Sequence[str]) -> str:
    """Return text that differs once a recommendation comes to one of some stages, or leaves them."""
    with translate_errors():
        row = connection.execute(
            "SELECT count(*), max(stage_time), max(id) FROM recommendation WHERE stage = ANY (%s)", [list(stages)]
        ).fetchone()
    return str(row)
