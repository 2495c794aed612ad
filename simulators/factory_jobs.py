"""What stations of the simulated factory make when they are told jobs: each operation takes what it takes in truth, and is reported."""

from __future__ import annotations

import threading
from typing import Final

from plant.clock import Clock
from plant.deliveries import Quantity
from plant.operation_history import OperationHistory
from simulators.controller_reading import Order
from simulators.factory_planner import Works
from simulators.factory_runs import MINUTE_US, Floor

_UNKNOWN_US: Final = 10 * MINUTE_US
"""An operation that the factory does not know takes so long."""
_MOST: Final = 1000


class Workshop:
    """Used by two threads: one makes jobs, the other takes the reports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._works: Works | None = None
        self._floor: Floor | None = None
        self._begun: dict[str, OperationHistory] = {}
        self._done: list[tuple[Order, OperationHistory, int]] = []

    def begin(self, works: Works, seed: int) -> None:
        """Know from now on what operations take."""
        with self._lock:
            self._works, self._floor = works, Floor(works, seed)

    def lasts(self, order: Order) -> int:
        """Return how long the operation of a job takes, rework included, in microseconds."""
        with self._lock:
            told = self._performed(order)
            if told is None:
                return _UNKNOWN_US
            self._begun[order.id] = told
            while len(self._begun) > _MOST:
                self._begun.pop(next(iter(self._begun)))
            return round((float(told.duration_min[0]) + float(told.rework_min[0])) * MINUTE_US)

    def made(self, order: Order) -> tuple[Quantity, ...]:
        """Note that a job is done; what it took is reported with the factory's other operations."""
        with self._lock:
            told = self._begun.pop(order.id, None)
            if told is not None:
                lasted = round((float(told.duration_min[0]) + float(told.rework_min[0])) * MINUTE_US)
                self._done = [*self._done, (order, told, self._clock.now_us() - lasted)][-_MOST:]
        return ()

    def reports(self) -> list[tuple[Order, OperationHistory, int]]:
        """Return the jobs done since the last call: order, what it took, when it began."""
        with self._lock:
            done, self._done = self._done, []
        return done

    def _performed(self, order: Order) -> OperationHistory | None:
        works, floor = self._works, self._floor
        if works is None or floor is None or order.product not in works.products.positions:
            return None
        steps = tuple(step for step in order.steps if step in works.network.positions)
        if order.kind != "job" or len(steps) != 1:
            return None
        floor.time_us = self._clock.now_us()
        return floor.perform(order.product, steps, decided_by="leadhand")
