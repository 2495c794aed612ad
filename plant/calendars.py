"""When production is planned: shifts in plant time, given as spans of UTC microseconds that neither overlap nor lose an hour.

A time of the wall clock means the first moment at which that clock shows it or a later one. So a time that spring leaves out is the moment
of the change, and one that autumn gives twice is the first of the two; the order of times never turns round, and a shift that ends when
the next begins leaves no hole. A night shift from 22:00 to 06:00 has 7 hours in the night of spring and 9 in that of autumn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from plant import patterns
from plant.equipment import EquipmentId

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
DAY_US: Final = 86_400_000_000
_MOST_DAYS_KEPT: Final = 400
_FIRST_DAY: Final = date(1900, 1, 1)
_LAST_DAY: Final = date(2200, 1, 1)
Span = tuple[int, int]
"""From and to in UTC microseconds, the end not included."""


@dataclass(frozen=True, slots=True)
class Break:
    """A planned pause, in minutes after the begin of its shift by the wall clock."""

    from_minutes: int
    to_minutes: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class ShiftPattern:
    """A shift by the wall clock: minutes after midnight of the day on which it begins."""

    name: str
    from_minutes: int
    to_minutes: int
    """Above 1440 where it ends on the next day."""
    breaks: tuple[Break, ...] = ()


@dataclass(frozen=True, slots=True)
class Teams:
    """Teams that take the shifts in turn."""

    begin: date
    days: int
    order: Mapping[str, tuple[str, ...]]

    def of(self, shift: str, day: date) -> str:
        """Return who works a shift that begins on a day; empty where nobody is named."""
        teams = self.order.get(shift)
        return teams[(day - self.begin).days // self.days % len(teams)] if teams else ""


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift as it took or takes place."""

    name: str
    day: date
    """The date in plant time on which it begins; it is counted to that day, over midnight too."""
    team: str
    from_us: int
    to_us: int
    breaks: tuple[Span, ...] = ()

    def planned(self) -> Iterator[Span]:
        """Yield the spans in which production is planned: the shift without its breaks."""
        begin = self.from_us
        for pause_from, pause_to in self.breaks:
            if begin < pause_from:
                yield begin, pause_from
            begin = max(begin, pause_to)
        if begin < self.to_us:
            yield begin, self.to_us

    @property
    def planned_us(self) -> int:
        """How long production is planned in it."""
        return sum(end - begin for begin, end in self.planned())


@dataclass(frozen=True, slots=True)
class ShiftCalendar:
    """Shifts by the day of the week and by date; equal settings make equal calendars."""

    name: str
    time_zone: str
    week: tuple[tuple[ShiftPattern, ...], ...]
    """Seven, Monday first; each ordered by time."""
    exceptions: Mapping[date, tuple[ShiftPattern, ...]] = field(default_factory=dict)
    named: Mapping[date, str] = field(default_factory=dict)
    """What an exception is called: the holiday."""
    teams: Teams | None = None
    _days: dict[date, tuple[Shift, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Days already computed: what runs now is asked for each equipment each second."""

    def of_day(self, day: date) -> tuple[Shift, ...]:
        """Return the shifts that begin on a day in plant time, in order; none of no length."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _MOST_DAYS_KEPT:
                self._days.clear()
            found = self._days[day] = self._shifts_of(day)
        return found

    def _shifts_of(self, day: date) -> tuple[Shift, ...]:
        patterns_of_day = self.exceptions.get(day, self.week[day.weekday()])
        found = []
        for pattern in patterns_of_day:
            begin, end = self._at(day, pattern.from_minutes), self._at(day, pattern.to_minutes)
            if begin >= end:
                continue
            pauses = []
            for pause in pattern.breaks:
                start = self._at(day, pattern.from_minutes + pause.from_minutes)
                stop = self._at(day, pattern.from_minutes + pause.to_minutes)
                if start < stop:
                    pauses.append((start, stop))
            team = "" if self.teams is None else self.teams.of(pattern.name, day)
            found.append(Shift(pattern.name, day, team, begin, end, tuple(sorted(pauses))))
        return tuple(found)

    def shifts(self, from_us: int, to_us: int) -> list[Shift]:
        """Return the shifts that touch a span, whole and in order."""
        if from_us >= to_us:
            return []
        day = max(_FIRST_DAY, self.day_of(from_us) - timedelta(days=2))
        last = min(_LAST_DAY, self.day_of(to_us) + timedelta(days=1))
        found: list[Shift] = []
        while day <= last:
            found += [shift for shift in self.of_day(day) if shift.to_us > from_us and shift.from_us < to_us]
            day += timedelta(days=1)
        return found

    def shift_at(self, time_us: int) -> Shift | None:
        """Return the shift that runs at a moment, its breaks included; None outside of all shifts."""
        return next(iter(self.shifts(time_us, time_us + 1)), None)

    def planned(self, from_us: int, to_us: int) -> list[Span]:
        """Return the spans in which production is planned, cut to a span: disjoint, in order, spans that touch made one."""
        found: list[Span] = []
        for shift in self.shifts(from_us, to_us):
            for begin, end in shift.planned():
                begin, end = max(begin, from_us), min(end, to_us)  # noqa: PLW2901
                if begin >= end:
                    continue
                if found and found[-1][1] == begin:
                    begin = found.pop()[0]  # noqa: PLW2901
                found.append((begin, end))
        return found

    def day_of(self, time_us: int) -> date:
        """Return the date in plant time at a moment."""
        return (_EPOCH + timedelta(microseconds=time_us)).astimezone(_zone(self.time_zone)).date()

    def day_span(self, day: date) -> Span:
        """Return a whole calendar day of plant time: 23, 24 or 25 hours."""
        return self._at(day, 0), self._at(day + timedelta(days=1), 0)

    def _at(self, day: date, minutes: int) -> int:
        return wall_clock_us(self.time_zone, datetime.combine(day, time()) + timedelta(minutes=minutes))


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendars of a site, each for some equipment."""

    all: tuple[tuple[str, ShiftCalendar], ...] = ()
    """Glob over paths below the site, and its calendar."""
    root: str = ""

    def __bool__(self) -> bool:
        return bool(self.all)

    def of(self, equipment: EquipmentId | str) -> ShiftCalendar | None:
        """Return the calendar of an equipment: the last one whose glob fits it or a node above; None where none does."""
        below = equipment.removeprefix(self.root + "/")
        for glob, calendar in reversed(self.all):
            part = below
            while part:
                if patterns.matches(glob, part):
                    return calendar
                part = part.rpartition("/")[0]
        return None

    def named(self, name: str) -> ShiftCalendar | None:
        """Return a calendar by its name."""
        return next((calendar for _, calendar in self.all if calendar.name == name), None)


def wall_clock_us(zone: str, local: datetime) -> int:
    """Return the first moment at which a clock of ``zone`` shows ``local`` (without a zone) or a later time, in UTC microseconds."""
    return _wall_clock_us(zone, local)


@lru_cache(maxsize=16_384)
def _wall_clock_us(zone: str, local: datetime) -> int:
    place = _zone(zone)
    early = _utc(local.replace(tzinfo=place, fold=0))
    late = _utc(local.replace(tzinfo=place, fold=1))
    if _local(early, place) == local or _local(late, place) == local:
        return min(moment for moment in (early, late) if _local(moment, place) == local)
    # The clock jumps over it: between 'late' (by the offset after) and 'early' (by the offset before) lies the moment of the jump.
    below, above = min(early, late), max(early, late)
    while above - below > 1_000_000:
        middle = (below + above) // 2
        middle -= middle % 1_000_000
        if middle <= below:
            break
        below, above = (below, middle) if _local(middle, place) >= local else (middle, above)
    return above


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _utc(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _local(time_us: int, place: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=time_us)).astimezone(place).replace(tzinfo=None, fold=0)


def index_of(spans: list[Span], time_us: int) -> int | None:
    """Return which of some disjoint ordered spans holds a moment, None where none does."""
    place = bisect_right(spans, (time_us, 1 << 62)) - 1
    return place if place >= 0 and time_us < spans[place][1] else None
