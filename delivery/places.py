"""Who is told what: which work unit a verdict, a product or a station means, and which controller takes a kind of message for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from plant import patterns
from plant.deliveries import Kind
from plant.delivery_rules import DeliveryPlan
from plant.joints import JointGroupPlan
from plant.planning_rules import PlanningRules
from plant.settings_delivery import Controller
from plant.settings_vision import ViewSettings
from plant.site import Site

_UNIT: Final = "{unit}"
_ANY: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Places:
    """What of a site matters to who is told what."""

    plan: DeliveryPlan
    root: str = ""
    """The site's path."""
    planning: PlanningRules = field(default_factory=PlanningRules)
    cameras: Mapping[str, str] = field(default_factory=dict)
    """By camera station, the equipment where it stands."""
    joint_groups: tuple[JointGroupPlan, ...] = ()
    locating: tuple[str, ...] = ()
    """Camera stations whose cameras are calibrated to locate bolts in mm."""

    def takes(self, work_unit: str, kind: Kind) -> Controller | None:
        """Return the controller that takes messages of a kind for a work unit; None where nobody does."""
        return self.plan.controller(work_unit, kind)

    def taker(self, kind: Kind) -> tuple[str, Controller] | None:
        """Return the one that takes messages of a kind that no work unit is meant by (an MES), and by what name it is told; or None.

        It is the first controller that takes them, and its name is the first work unit that it names without ``*`` and ``?``, else its id.
        """
        for one in self.plan.settings.controllers:
            if kind in one.takes:
                name = next((unit for unit in one.work_units if not _ANY.intersection(unit)), one.id)
                return (name, one) if self.plan.controller(name, kind) is one else None
        return None

    def equipment_of(self, station: str) -> str:
        """Return the equipment where pictures of a camera station are taken: its spindles' for a station that looks at marks."""
        group = self.group_of(station)
        return str(group.equipment) if group is not None else str(self.cameras.get(station, station))

    def group_of(self, station: str) -> JointGroupPlan | None:
        """Return the joints whose marks a camera station looks at; None where it looks at none."""
        return next((group for group in self.joint_groups if group.camera_station == station), None)

    def unit_of(self, equipment: str) -> str:
        """Return the work unit that equipment is; its path below the site where the settings name none."""
        below = equipment.removeprefix(f"{self.root}/")
        for one in reversed(self.planning.settings.units):
            if one.equipment is None:
                continue
            head, found, tail = one.equipment.partition(_UNIT)
            if not found:
                if one.equipment == below and not _ANY.intersection(one.unit):
                    return one.unit
                continue
            name = below[len(head) : len(below) - len(tail)]
            if below == f"{head}{name}{tail}" and name and patterns.matches(one.unit, name):
                return name
        return below


def places_of(site: Site) -> Places:
    """Return what of a site matters here."""
    cameras = {name: str(equipment) for name, equipment in site.vision.equipment.items()}
    locating = tuple(one.id for one in site.vision.stations if any(_locates(view) for view in one.views))
    return Places(site.delivery, str(site.path), site.optimizer.planning, cameras, site.joint_groups, locating)


def _locates(view: ViewSettings) -> bool:
    circle = view.bolts
    return circle is not None and None not in (circle.diameter_mm, circle.count, circle.focal_px)
