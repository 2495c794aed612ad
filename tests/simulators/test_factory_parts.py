"""The simulated MES tells what it built in, in order, and tells again what was not heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plant.clock import SystemClock
from plant.errors import Unavailable
from simulators.factory_parts import PartsDesk


@dataclass
class Heard:
    """Leadhand as the MES meets it."""

    away: bool = False
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def post(self, path: str, record: dict[str, Any], key: str = "") -> Any:  # noqa: ARG002
        if self.away:
            raise Unavailable("away")
        self.told.append((path.rpartition("/")[2], record))


def rows(number: int) -> list[list[str]]:
    steps = ("cut", "bend", "weld", "machine", "paint", "assemble")
    return [[f"J-{number}", f"S-{number}", "EX-20", step, f"{step}-a", "2026-01-01T00:00:00Z"] for step in steps]


def test_each_piece_gets_its_materials_by_lot_and_a_bearing_of_its_own() -> None:
    leadhand = Heard()
    desk = PartsDesk(leadhand, SystemClock())  # type: ignore[arg-type]
    for number in range(14):
        desk.tell(rows(number))
    built = [row for path, record in leadhand.told if path == "built-in" for row in record["built_in"]]
    assert [row["component"].split("-")[0] for row in built if row["into"] == "S-3"] == ["PLATE", "WIRE", "PAINT", "BOLTS", "BRG"]
    bearings = [row["component"] for row in built if row.get("component_kind") == "serial"]
    assert len(set(bearings)) == len(bearings) == 14
    lots = [lot for path, record in leadhand.told if path == "lots" for lot in record["lots"]]
    assert len(lots) == 2 * 5  # of each material one, and the next when twelve pieces were made of it
    assert {row["component"] for row in built if "component_kind" not in row} == {lot["lot"] for lot in lots}


def test_a_bearing_is_exchanged_now_and_then_and_nothing_is_lost_while_leadhand_is_away() -> None:
    leadhand = Heard(away=True)
    desk = PartsDesk(leadhand, SystemClock())  # type: ignore[arg-type]
    for number in range(15):
        desk.tell(rows(number))
    assert leadhand.told == []
    leadhand.away = False
    desk.tell([])
    (out,) = [record for path, record in leadhand.told if path == "taken-out"]
    stood = [
        row["component"] for path, record in leadhand.told if path == "built-in" for row in record["built_in"] if row["into"] == "S-14"
    ]
    assert out["component"] in stood
    assert sum(name.startswith("BRG") for name in stood) == 2
    assert [path for path, _ in leadhand.told[:2]] == ["lots", "built-in"]
