"""The simulated factory's MES: it takes routes as a controller does, and has the next orders of a product made by them.

It checks each message by itself, as every simulated controller does, and remembers in a file which routes it took.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from plant.deliveries import Quantity
from simulators.controller import Controller
from simulators.controller_reading import Order
from simulators.controller_rules import ControllerRules

WORK_UNIT: Final = "mes"
"""By this name it is told."""
_THINKS_US: Final = 1_500_000
_MOST_ROUTES: Final = 50


@dataclass(slots=True)
class Mes:
    """Which route the orders of a product are made by; used by two threads."""

    file: Path
    _routes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, file: Path) -> Mes:
        """Return the MES as it was when it was stopped."""
        known = json.loads(file.read_text("utf-8")) if file.exists() else {}
        return cls(file, {str(product): tuple(steps) for product, steps in known.items()})

    def routes(self) -> Mapping[str, tuple[str, ...]]:
        """Return the routes that it was told, by product; the newest last."""
        with self._lock:
            return dict(self._routes)

    def take(self, order: Order) -> tuple[Quantity, ...]:
        """Make a product by another route from now on. It measures nothing: what orders took is told by the history."""
        if order.kind == "route":
            with self._lock:
                self._routes.pop(order.product, None)
                self._routes[order.product] = order.steps
                while len(self._routes) > _MOST_ROUTES:
                    self._routes.pop(next(iter(self._routes)))
                fresh = self.file.with_suffix(".fresh")
                fresh.write_text(json.dumps(self._routes), "utf-8")
                fresh.replace(self.file)
        return ()


def mes_controller(mes: Mes, keys: Mapping[str, bytes], memory: Path) -> Controller:
    """Return the MES as a controller; its counter outlives a loss of power."""
    rules = ControllerRules(work_unit=WORK_UNIT, keys=keys, work_us=_THINKS_US, memory=memory, measure=mes.take)
    return Controller(rules)
