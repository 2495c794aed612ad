"""MQTT messages that have come and wait to be read, bounded by number and bytes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from protocols.mqtt_frames import Published

WAITING_BYTES: Final = 16_000_000
_WAITING_MESSAGES: Final = 50_000
"""A second of what one reader is made for; beyond it nothing more is read from the broker."""
_COST_OF_ONE: Final = 150
"""Bytes that a message takes beside its payload."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that came over one connection, and when."""

    found: Published
    connection: int
    received_us: int


class Waiting:
    """Messages that wait to be read, bounded by number and bytes."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._cost = 0
        self._changed = threading.Condition()

    def put(self, found: Published, connection: int, received_us: int) -> bool:
        """Take messages; False when there is no room."""
        cost = found.size + _COST_OF_ONE * len(found)
        with self._changed:
            if self._batches and self._cost + cost > WAITING_BYTES + _COST_OF_ONE * _WAITING_MESSAGES:
                return False
            self._cost += cost
            self._batches.append(Batch(found, connection, received_us))
            self._changed.notify()
        return True

    def get(self, seconds: float) -> list[Batch]:
        """Return what waits, oldest first; nothing when nothing came in time."""
        with self._changed:
            if not self._batches:
                self._changed.wait_for(lambda: self._batches, seconds)
            batches, self._batches, self._cost = self._batches, [], 0
        return batches
