"""``[delivery]`` of the settings as a plan: which controller gets what."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from plant.deliveries import Kind
from plant.settings_delivery import Controller, DeliverySettings


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """How recommendations reach line controllers at a site."""

    settings: DeliverySettings = field(default_factory=DeliverySettings)
    folder: Path = field(default_factory=Path)
    """Files that the settings name are relative to it."""
    wanted: bool = False

    def __bool__(self) -> bool:
        """Whether the settings ask for delivery."""
        return self.wanted

    def controller(self, work_unit: str, kind: Kind) -> Controller | None:
        """Return who takes messages of a kind for a work unit: the first that fits; None where nobody does."""
        for one in self.settings.controllers:
            if kind in one.takes and any(fnmatchcase(work_unit, pattern) for pattern in one.work_units):
                return one
        return None

    def named(self, controller: str) -> Controller | None:
        """Return a controller by its id."""
        return next((one for one in self.settings.controllers if one.id == controller), None)


def assemble_delivery(folder: Path, heads: list[tuple[str, DeliverySettings]], problems: list[str]) -> DeliveryPlan:
    """Return the plan; adds to ``problems`` where ``[delivery]`` is given twice."""
    problems.extend(f"{place}: stands in {heads[0][0]} already" for place, _ in heads[1:])
    return DeliveryPlan(heads[0][1], folder, wanted=True) if heads else DeliveryPlan()
