"""The simulated MES tells what is built into each piece: plates, wire, paint and bolts by lot, slewing bearings by serial, over REST."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from simulators.rest_client import RestClient

_PIECES_OF_A_LOT: Final = 12
"""So many pieces are made of one lot before the next is taken."""
_MOST_WAITING: Final = 5000
_EXCHANGED: Final = 15
"""One bearing in so many is exchanged after assembly."""
_MATERIALS: Final = {
    "cut": ("PLATE", "S690QL", "made_from", 2.4, "t", "north mill"),
    "weld": ("WIRE", "G3Si1", "made_from", 18.0, "kg", "wire works"),
    "weld-root": ("WIRE", "G3Si1", "made_from", 6.0, "kg", "wire works"),
    "weld-fill": ("WIRE", "G3Si1", "made_from", 12.0, "kg", "wire works"),
    "paint": ("PAINT", "2K-PUR", "made_from", 9.0, "L", "paint works"),
    "assemble": ("BOLTS", "M24-10.9", "built_in", 36.0, "1", "bolt works"),
}
"""By operation: lot, material, how it is in the piece, how much of it, supplier."""
_BEARING: Final = "assemble"
_RINGS: Final = ("RING", "42CrMo4", "made_from", 1.0, "1", "forge")


class PartsDesk:
    """Tells of rows of operations done; what could not be told waits."""

    def __init__(self, leadhand: RestClient, clock: Clock) -> None:
        self._leadhand, self._clock = leadhand, clock
        self._begun = f"{clock.now_us() // 1_000_000:x}".upper()
        self._count: dict[str, int] = {}
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._log = structlog.get_logger(process="mes")

    def tell(self, rows: Iterable[Sequence[str]]) -> None:
        """Tell what went into the pieces of rows as the history has them: order, serial, product, operation, alternative, begin ..."""
        lots: list[dict[str, Any]] = []
        built: list[dict[str, Any]] = []
        exchanged: list[dict[str, Any]] = []
        for order, serial, _product, operation, alternative, *_ in rows:
            told = {"job_order": order, "operation": operation, "work_unit": alternative.removeprefix(f"{operation}-")}
            if operation in _MATERIALS:
                built.append({**told, "into": serial, **self._of_lot(_MATERIALS[operation], lots)})
            if operation == _BEARING:
                bearing = self._bearing(serial, told, lots, built)
                if self._count["bearing"] % _EXCHANGED == 0:
                    gone = {"into": serial, "component": bearing, "reason": "runs with play: exchanged"}
                    exchanged.append(gone)
                    self._bearing(serial, told, lots, built)
        for path, record in (("lots", {"lots": lots}), ("built-in", {"built_in": built})):
            if next(iter(record.values())):
                self._waiting.append((path, record))
        self._waiting.extend(("taken-out", record) for record in exchanged)
        self._send()

    def _bearing(self, serial: str, told: dict[str, str], lots: list[dict[str, Any]], built: list[dict[str, Any]]) -> str:
        """Build a slewing bearing in, forged of a lot of rings; return its serial."""
        self._count["bearing"] = self._count.get("bearing", 0) + 1
        bearing = f"BRG-{self._begun}-{self._count['bearing']:04d}"
        built.append({"into": bearing, **self._of_lot(_RINGS, lots)})
        built.append({**told, "into": serial, "component": bearing, "component_kind": "serial", "place": "slewing bearing"})
        return bearing

    def _of_lot(self, what: tuple[str, str, str, float, str, str], lots: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what is taken of the lot at hand; a new lot is told first."""
        name, material, relation, quantity, unit, supplier = what
        count = self._count.get(name, 0)
        self._count[name] = count + 1
        number = count // _PIECES_OF_A_LOT + 1
        lot = f"{name}-{self._begun}-{number}"
        if count % _PIECES_OF_A_LOT == 0:
            about = {
                "material": material,
                "supplier": supplier,
                "heat": f"H{self._begun[-4:]}{len(name)}{number:02d}",
                "certificate": "EN 10204 3.1",
            }
            lots.append({"lot": lot, **about, "quantity": quantity * _PIECES_OF_A_LOT, "unit": unit})
        return {"component": lot, "relation": relation, "quantity": quantity, "unit": unit}

    def _send(self) -> None:
        """Send what waits, in its order; what Leadhand refuses is said in the log and told no more."""
        while self._waiting:
            path, record = self._waiting[0]
            try:
                self._leadhand.post(f"/api/v1/genealogy/{path}", record)
            except Unavailable:
                while len(self._waiting) > _MOST_WAITING:
                    self._log.warning("what is built in is told no more: too much waits", record=self._waiting.popleft()[0])
                return
            except Rejected as error:
                self._log.warning("what is built in was refused", reason=str(error))
            self._waiting.popleft()
