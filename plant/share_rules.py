"""``[optimizer.share]`` of the settings as rules: periods and their hours, what a piece takes where, how a centre cuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from plant.calendars import Calendars, ShiftCalendar, Span, wall_clock_us
from plant.equipment import Equipment, EquipmentId
from plant.nests import CuttingRules, Shape, area_mm2, cut_length_mm
from plant.part_orders import PartOrder, WorkKind
from plant.settings_share import ALWAYS_OPEN, CentreSettings, ShareSettings, SpeedSettings

_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class ShareRules:
    """How the centres of a site are shared."""

    settings: ShareSettings
    calendars: Calendars = field(default_factory=Calendars)
    root: str = ""
    """The site's path."""
    time_zone: str = "UTC"

    @property
    def own_factory(self) -> str:
        """The factory of this site; empty: none."""
        return next((one.name for one in self.settings.factories if one.own), "")

    def centre(self, name: str) -> CentreSettings | None:
        """Return a centre by its name."""
        return next((one for one in self.settings.centres if one.name == name), None)

    def periods(self, now_us: int) -> tuple[Span, ...]:
        """Return the periods from the one that goes on, to the end of the horizon."""
        today = datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(ZoneInfo(self.time_zone))
        midnight = datetime(today.year, today.month, today.day)  # noqa: DTZ001 - by the wall clock
        hours = range(0, 24, self.settings.period_hours)
        begins = [
            wall_clock_us(self.time_zone, midnight + timedelta(days=day, hours=self.settings.day_begins_hour + hour))
            for day in range(-1, self.settings.horizon_days + 2)
            for hour in hours
        ]
        spans = [span for span in pairwise(sorted(set(begins))) if span[1] > now_us]
        return tuple(spans[: self.settings.horizon_days * len(hours)])

    def calendar(self, centre: CentreSettings) -> ShiftCalendar | None:
        """Return the shifts of a centre; None: always."""
        if centre.calendar == ALWAYS_OPEN:
            return None
        if centre.calendar is not None:
            return self.calendars.named(centre.calendar)
        return self.calendars.of(EquipmentId(f"{self.root}/{centre.equipment}"))

    def open_spans(self, centre: CentreSettings, span: Span) -> tuple[Span, ...]:
        """Return when a centre works within a span."""
        calendar = self.calendar(centre)
        return (span,) if calendar is None else tuple(calendar.planned(*span))

    def capacity_hours(self, centre: CentreSettings, span: Span) -> float:
        """Return the machine hours that a centre has within a span."""
        open_us = sum(end - begin for begin, end in self.open_spans(centre, span))
        return open_us / _HOUR_US * centre.machines * centre.availability

    def takes(self, centre: CentreSettings, order: PartOrder) -> bool:
        """Return whether a centre can make a part."""
        if centre.kind is not order.kind:
            return False
        if centre.thickness_up_to_mm is not None and order.thickness_mm > centre.thickness_up_to_mm:
            return False
        if order.kind is WorkKind.CUTTING and order.thickness_mm > centre.speeds[-1].up_to_mm:
            return False
        return centre.longest_mm is None or order.shape is None or _longest_mm(order.shape) <= centre.longest_mm

    def hours(self, centre: CentreSettings, order: PartOrder) -> float:
        """Return the machine hours of one piece at a centre that takes it: as the order says, else by its cut."""
        if order.hours is not None:
            return order.hours
        assert order.shape is not None  # noqa: S101 - storage keeps no order with neither
        speed = _speed(centre, order.thickness_mm)
        rings = 1 + len(order.shape.holes)
        seconds = cut_length_mm(order.shape) / speed.mm_per_minute * 60 + rings * speed.pierce_seconds + centre.piece_seconds
        sheets = area_mm2(order.shape) / (centre.usual_sheet_m2 * 1e6)
        return (seconds + sheets * centre.sheet_minutes * 60) / 3600

    def cutting_rules(self, centre: CentreSettings, thickness_mm: float) -> CuttingRules:
        """Return how a centre cuts plates of a thickness that it takes."""
        speed = _speed(centre, thickness_mm)
        return CuttingRules(speed.kerf_mm, speed.gap_mm, speed.margin_mm, centre.least_remnant_mm)


def assemble_share(
    root: str,
    equipment: Mapping[EquipmentId, Equipment],
    calendars: Calendars,
    place: str,
    settings: ShareSettings | None,
    problems: list[str],
    time_zone: str = "UTC",
) -> ShareRules | None:
    """Return the rules, None where nothing is shared; adds to ``problems`` equipment and calendars that are not there."""
    if settings is None or not settings.enabled:
        return None
    for number, one in enumerate(settings.centres, 1):
        where = f"{place}.centres[{number}]"
        if one.equipment is not None and EquipmentId(f"{root}/{one.equipment}") not in equipment:
            problems.append(f"{where}.equipment: there is no equipment '{one.equipment}'; name it in 'equipment'")
        if one.calendar not in {None, ALWAYS_OPEN} and calendars.named(str(one.calendar)) is None:
            problems.append(f"{where}.calendar: there is no calendar '{one.calendar}'; name it in 'calendars'")
    return ShareRules(settings, calendars, root, time_zone)


def _speed(centre: CentreSettings, thickness_mm: float) -> SpeedSettings:
    return next((one for one in centre.speeds if thickness_mm <= one.up_to_mm), centre.speeds[-1])


def _longest_mm(shape: Shape) -> float:
    return float(np.ptp(shape.outline, axis=0).max())
