"""The topics on which Leadhand and a controller speak over MQTT: a unified namespace in ISA-95 order, who may say what on each.

``acme/north/welding/cell-1/robot-3/delivery/robot-controller/message``: enterprise and site, the work unit, the word ``delivery``, the
controller by its id in the settings, and what is said. A work unit whose name begins with the prefix is not written twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from plant.errors import SettingsError

WORD: Final = "delivery"
OURS: Final = ("message", "pulse", "ask", "read")
"""What only Leadhand says."""
THEIRS: Final = ("answer", "beat")
"""What only the controller says."""
DEEPEST: Final = 6
"""A work unit's name may have so many segments below the prefix."""
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class DeliveryTopics:
    """The topics of one controller under one prefix."""

    prefix: str
    controller: str

    def of(self, work_unit: str, what: str) -> str:
        """Return a topic. Raises SettingsError for a work unit that cannot be in one."""
        below = work_unit.removeprefix(f"{self.prefix}/")
        segments = below.split("/")
        if not all(segments) or len(segments) > DEEPEST or set(below) & set("+#\0") or len(below) > _LONGEST:
            raise SettingsError(f"work unit '{work_unit}' cannot be in a topic: no + and #, no empty segment, {DEEPEST} segments at most")
        return f"{self.prefix}/{below}/{WORD}/{self.controller}/{what}"

    def filters(self, work_units: Iterable[str], whats: Iterable[str]) -> list[str]:
        """Return what to subscribe to for work units by their patterns (``*``, ``?``, ``[``)."""
        return [f"{self.prefix}/{'+/' * depth}{WORD}/{self.controller}/{what}" for depth in self._depths(work_units) for what in whats]

    def _depths(self, work_units: Iterable[str]) -> list[int]:
        found: set[int] = set()
        for pattern in work_units:
            below = pattern.removeprefix(f"{self.prefix}/")
            # a * may stand for a slash too
            found |= {below.count("/") + 1} if "*" not in below else set(range(1, DEEPEST + 1))
        return sorted(depth for depth in found if depth <= DEEPEST)


def prefix_of(given: str, site: str) -> str:
    """Return with what topics begin. Raises SettingsError for what cannot begin one."""
    prefix = given.strip("/") or site
    if not prefix or set(prefix) & set("+#\0") or not all(prefix.split("/")):
        raise SettingsError(f"prefix '{given}' cannot begin a topic: no + and #, no empty segment")
    return prefix
