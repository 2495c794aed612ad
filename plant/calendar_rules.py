"""``[[calendars]]`` of the settings as calendars, with everything wrong in them said by file and key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise

from plant import patterns
from plant.calendars import Break, Calendars, ShiftCalendar, ShiftPattern, Teams
from plant.equipment import EquipmentId
from plant.settings_calendars import DAY_MINUTES, DAYS, CalendarSettings, ShiftSettings, break_span, minutes_of

Placed = Iterable[tuple[str, CalendarSettings]]
"""Each with the place in the settings where it stands, for error texts."""


def assemble_calendars(
    root: EquipmentId, zone: str, equipment: Mapping[EquipmentId, object], placed: Placed, problems: list[str]
) -> Calendars:
    """Return the calendars of a site; adds to ``problems`` what is wrong: overlaps, unknown equipment, a name given twice."""
    found: list[tuple[str, ShiftCalendar]] = []
    below = [path.removeprefix(root + "/") for path in equipment if path.startswith(root + "/")]
    names: dict[str, str] = {}
    for place, settings in placed:
        if settings.name in names:
            problems.append(f"{place}.name: there is a calendar '{settings.name}' already, in {names[settings.name]}")
        names.setdefault(settings.name, place)
        if not any(patterns.matches(settings.equipment, path) for path in below):
            problems.append(f"{place}.equipment: no equipment fits '{settings.equipment}'; there is e.g. '{next(iter(below), 'none')}'")
        calendar = calendar_of(settings, zone)
        problems.extend(f"{place}: {words}" for words in _overlaps(calendar))
        found.append((settings.equipment, calendar))
    return Calendars(tuple(found), str(root))


def calendar_of(settings: CalendarSettings, zone: str) -> ShiftCalendar:
    """Return what settings say as a calendar in plant time; ``zone`` is the site's."""
    week = tuple(tuple(sorted((_pattern(s) for s in settings.shifts if day in s.days), key=_begin)) for day in DAYS)
    exceptions: dict[date, tuple[ShiftPattern, ...]] = {}
    named: dict[date, str] = {}
    for exception in settings.exceptions:
        day = exception.date
        while day <= (exception.until or exception.date):
            own = [_pattern(extra) for extra in exception.extra]
            own += [pattern for name in exception.shifts for pattern in _of_name(settings, name, day)]
            exceptions[day] = tuple(sorted(own, key=_begin))
            named[day] = exception.name
            day += timedelta(days=1)
    teams = None if settings.teams is None else Teams(settings.teams.begin, settings.teams.days, settings.teams.order)
    return ShiftCalendar(settings.name, settings.time_zone or zone, week, exceptions, named, teams)


def _of_name(settings: CalendarSettings, name: str, day: date) -> list[ShiftPattern]:
    """Return a named shift as it is on a day of the week; as on any other day where it does not run on that one."""
    fitting = [shift for shift in settings.shifts if shift.name == name]
    extra = [shift for exception in settings.exceptions for shift in exception.extra if shift.name == name]
    today = [shift for shift in fitting if DAYS[day.weekday()] in shift.days]
    return [_pattern(shift) for shift in today or fitting[:1] or extra[:1]]


def _begin(pattern: ShiftPattern) -> int:
    return pattern.from_minutes


def _pattern(settings: ShiftSettings) -> ShiftPattern:
    begin = minutes_of(settings.begin)
    length = (minutes_of(settings.end) - begin) % DAY_MINUTES or DAY_MINUTES
    breaks = sorted((*break_span(begin, pause), pause.name) for pause in settings.breaks)
    return ShiftPattern(settings.name, begin, begin + length, tuple(Break(*pause) for pause in breaks))


def _overlaps(calendar: ShiftCalendar) -> Iterator[str]:
    """Yield, for the week and for each exception, the first two shifts that overlap by the wall clock."""
    week = [(f"on {DAYS[n % 7]}", calendar.week[n % 7]) for n in range(9)]
    said = _first_overlap(week)
    if said:
        yield f"shifts: {said}"
    for day in calendar.exceptions:
        around = [day + timedelta(days=n) for n in (-1, 0, 1)]
        said = _first_overlap([(f"on {near}", calendar.exceptions.get(near, calendar.week[near.weekday()])) for near in around])
        if said:
            yield f"exceptions: {said}"
            return


def _first_overlap(days: list[tuple[str, tuple[ShiftPattern, ...]]]) -> str:
    spans = sorted(
        (n * DAY_MINUTES + shift.from_minutes, n * DAY_MINUTES + shift.to_minutes, f"'{shift.name}' {words}")
        for n, (words, shifts) in enumerate(days)
        for shift in shifts
    )
    for (_, end, first), (begin, _, second) in pairwise(spans):
        if begin < end:
            return f"{first} runs into {second}: shifts may not overlap"
    return ""
