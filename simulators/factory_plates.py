"""Four factories order plate parts and stampings of the shared centres over REST, as their ERP systems do; sheets come into stock."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import structlog

from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.nests import NestPart
from simulators.plate_parts import FACTORIES, Plate, plate_parts, plate_stock
from simulators.rest_client import RestClient

PLATES: Final[tuple[Plate, ...]] = (("S355J2", 12.0), ("S690QL", 20.0))
"""What the demo's centres cut: few plates, so that each nest holds much."""
_FIRST_PARTS: Final = 2400
_LATER_PARTS: Final = 60
_EVERY_SECONDS: Final = 300.0
_DAY_US: Final = 86_400_000_000
_STAMPED: Final = ("cover", "bracket", "clip", "washer plate", "step")


class PlateDesk:
    """Where parts are ordered; begins with some days' orders and the sheets for them."""

    def __init__(self, leadhand: RestClient, seed: int, clock: Clock) -> None:
        self._leadhand, self._seed, self._clock = leadhand, seed, clock
        self._begun = f"{clock.now_us() // 1_000_000:x}".upper()
        self._rounds = 0
        self._due = clock.monotonic()

    def take_due(self) -> None:
        """Bring what is due: the first orders with their stock, then a few now and then."""
        if self._clock.monotonic() < self._due:
            return
        try:
            self._bring(_LATER_PARTS if self._rounds else _FIRST_PARTS)
        except (Unavailable, Rejected) as error:
            structlog.get_logger(process="erp").warning("part orders were not taken", reason=str(error))
            self._due = self._clock.monotonic() + 10.0
            return
        self._rounds += 1
        self._due = self._clock.monotonic() + _EVERY_SECONDS

    def _bring(self, count: int) -> None:
        # the generator's weeks begin on a Monday at midnight: these begin today
        midnight = self._clock.now_us() // _DAY_US * _DAY_US
        parts = plate_parts(self._seed + self._rounds, count, begin_us=midnight, plates=PLATES)
        if not self._rounds:
            sheets = [
                {
                    "name": f"{sheet.name}-{self._begun}",
                    "width_mm": sheet.width_mm,
                    "height_mm": sheet.height_mm,
                    "quantity": sheet.quantity,
                    "material": sheet.material,
                    "thickness_mm": sheet.thickness_mm,
                    "grain_deg": sheet.grain_deg,
                    "remnant": sheet.remnant,
                }
                for sheet in plate_stock(self._seed, parts, cover=2.5)
            ]
            self._leadhand.post("/api/v1/stock", {"sheets": sheets, "place": "plate yard"})
        orders = [self._record(number, part) for number, part in enumerate(parts, 1)]
        orders += [] if self._rounds else self._stampings(midnight)
        self._leadhand.post("/api/v1/part-orders", {"orders": orders})

    def _record(self, number: int, part: NestPart) -> dict[str, Any]:
        return {
            "number": f"{part.order}-{self._begun}-{self._rounds}-{number}",
            "factory": part.factory,
            "part": part.name,
            "quantity": part.quantity,
            "shape": {"outline": part.shape.outline.tolist(), "holes": [hole.tolist() for hole in part.shape.holes]},
            "material": part.material,
            "thickness_mm": part.thickness_mm,
            "rotations_deg": None if part.rotations_deg is None else list(part.rotations_deg),
            "grain_deg": part.grain_deg,
            "due_us": part.due_us,
            "priority": part.priority,
        }

    def _stampings(self, midnight_us: int) -> list[dict[str, Any]]:
        chance = np.random.default_rng([self._seed, 2])
        return [
            {
                "number": f"ST-{self._begun}-{number}",
                "factory": str(chance.choice(FACTORIES)),
                "part": str(chance.choice(_STAMPED)),
                "quantity": int(chance.integers(4, 40)) * 25,
                "kind": "stamping",
                "hours": round(float(chance.uniform(0.004, 0.012)), 4),
                "material": "DC04",
                "thickness_mm": 3.0,
                "due_us": midnight_us + int(chance.integers(1, 6)) * _DAY_US,
                "priority": int(chance.choice([3, 5, 5, 7])),
            }
            for number in range(1, 25)
        ]
