"""``[optimizer.plan]`` of the settings as rules for a network: units with their calendars, setups, resources, transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from plant import patterns
from plant.calendars import Calendars, ShiftCalendar
from plant.equipment import Equipment, EquipmentId
from plant.plan_problem import Resource, Ticks, Transport
from plant.settings_plan import PlanSettings, SetupSettings, UnitPlanSettings

ALWAYS_OPEN: Final = "always"
"""In place of a calendar's name: work goes on day and night."""
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class PlanningRules:
    """How a site is planned."""

    settings: PlanSettings = field(default_factory=PlanSettings)
    calendars: Calendars = field(default_factory=Calendars)
    root: str = ""
    """The site's path."""
    time_zone: str = "UTC"
    """Plant time: of dates in files of orders."""

    @property
    def tick_us(self) -> int:
        """How long a tick is."""
        return int(self.settings.tick_seconds * _SECOND_US)

    def unit(self, name: str) -> UnitPlanSettings:
        """Return how a work unit is planned."""
        fitting = [one for one in self.settings.units if patterns.matches(one.unit, name)]
        return fitting[-1] if fitting else UnitPlanSettings(unit=name)

    def equipment(self, name: str) -> EquipmentId | None:
        """Return the equipment that a work unit is; None where the settings name none."""
        told = self.unit(name).equipment
        return None if told is None else EquipmentId(f"{self.root}/{told.replace('{unit}', name)}")

    def calendar(self, name: str) -> ShiftCalendar | None:
        """Return the shifts in which a work unit works; None: always."""
        told = self.unit(name)
        if told.calendar == ALWAYS_OPEN:
            return None
        if told.calendar is not None:
            return self.calendars.named(told.calendar)
        equipment = self.equipment(name)
        return None if equipment is None else self.calendars.of(equipment)

    def closed(self, calendar: ShiftCalendar | None, origin_us: int, ticks: int) -> tuple[tuple[int, int], ...]:
        """Return in ticks when a calendar has no planned time, from the origin on."""
        if calendar is None:
            return ()
        until = origin_us + ticks * self.tick_us
        found: list[tuple[int, int]] = []
        before = 0
        for begin, end in calendar.planned(origin_us, until):
            # a tick counts as open where all of it is
            first, last = -(-(begin - origin_us) // self.tick_us), (end - origin_us) // self.tick_us
            if first > before:
                found.append((before, first))
            before = max(before, last)
        if before < ticks:
            found.append((before, ticks))
        return tuple(found)

    def setup_state(self, unit: str, family: str, program: str, product: str) -> str:
        """Return what a unit must be set up for; empty: it does not matter."""
        return {"nothing": "", "family": family, "program": program, "product": product}[self.unit(unit).setup_by]

    def setups(self, unit: str, states: Sequence[str]) -> Ticks | None:
        """Return the ticks from each of some states to each; None where none is needed."""
        told = self.unit(unit)
        if told.setup_by == "nothing" or not states:
            return None
        matrix = np.zeros((len(states), len(states)), np.int64)
        for at, before in enumerate(states):
            for to, after in enumerate(states):
                matrix[at, to] = 0 if before == after else self.ticks(_setup_minutes(told, before, after))
        return matrix

    def resources(self, origin_us: int, ticks: int) -> tuple[Resource, ...]:
        """Return people and fixtures, with the times in which they are away."""
        return tuple(
            Resource(
                one.name,
                one.capacity,
                ()
                if one.calendar in {None, ALWAYS_OPEN}
                else tuple((*span, one.capacity) for span in self.closed(self.calendars.named(str(one.calendar)), origin_us, ticks)),
                one.kind,
            )
            for one in self.settings.resources
        )

    def needs(self, operation: str, unit: str, alternative: str) -> list[tuple[int, int]]:
        """Return which resources an alternative needs, by their row, and how many."""
        names = [one.name for one in self.settings.resources]
        found: dict[int, int] = {}
        for need in self.settings.needs:
            given = ((need.operation, operation), (need.unit, unit), (need.alternative, alternative))
            if all(glob is None or patterns.matches(glob, word) for glob, word in given):
                found[names.index(need.resource)] = need.amount
        return sorted(found.items())

    def transport(self, units: Sequence[str]) -> Transport | None:
        """Return how parts come from unit to unit; None where that takes no time."""
        told = self.settings.transport
        if told is None:
            return None
        of_unit = [
            next((place for glob, place in reversed(told.places.items()) if patterns.matches(glob, unit)), told.start) for unit in units
        ]
        ways = [(way.before, way.after) for way in told.travel]
        places = list(dict.fromkeys([told.start, *of_unit, *(place for way in ways for place in way)]))
        travel = np.full((len(places), len(places)), self.ticks(told.minutes), np.int64)
        np.fill_diagonal(travel, 0)
        for way in told.travel:
            at, to = places.index(way.before), places.index(way.after)
            travel[at, to] = self.ticks(way.minutes)
            if way.both_ways:
                travel[to, at] = self.ticks(way.minutes)
        place = np.array([places.index(name) for name in of_unit], np.int32)
        return Transport(travel, place, places.index(told.start), told.vehicles)

    def ticks(self, minutes: float) -> int:
        """Return minutes in whole ticks, rounded up."""
        return -(-round(minutes * 60 * _SECOND_US) // self.tick_us)


def assemble_planning(
    root: str,
    equipment: Mapping[EquipmentId, Equipment],
    calendars: Calendars,
    place: str,
    settings: PlanSettings,
    problems: list[str],
    time_zone: str = "UTC",
) -> PlanningRules:
    """Return the rules; adds to ``problems`` equipment and calendars that are not there."""
    for number, one in enumerate(settings.units, 1):
        if one.equipment is not None and "{unit}" not in one.equipment and EquipmentId(f"{root}/{one.equipment}") not in equipment:
            problems.append(f"{place}.units[{number}].equipment: there is no equipment '{one.equipment}'; name it in 'equipment'")
    named = [(f"units[{number}]", one.calendar) for number, one in enumerate(settings.units, 1)]
    named += [(f"resources[{number}]", one.calendar) for number, one in enumerate(settings.resources, 1)]
    for where, name in named:
        if name not in {None, ALWAYS_OPEN} and calendars.named(str(name)) is None:
            problems.append(f"{place}.{where}.calendar: there is no calendar '{name}'; name it in 'calendars'")
    return PlanningRules(settings, calendars, root, time_zone)


def _setup_minutes(told: UnitPlanSettings, before: str, after: str) -> float:
    def fits(one: SetupSettings) -> bool:
        return one.before in {"*", before} and one.after in {"*", after}

    exact = [one.minutes for one in told.setups if fits(one)]
    return exact[-1] if exact else told.setup_minutes
