"""What ``[[calendars]]`` in ``site.toml`` may say: shifts, breaks, teams and exceptions, in plant time."""

from __future__ import annotations

import re
from datetime import date as Date  # noqa: N812 - pydantic reads annotations where the field 'date' hides the type
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from plant.strict import Strict, zone

_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
DAY_MINUTES = 24 * 60
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Clock = Annotated[str, Field(description="time of day in plant time, as 06:00")]


def minutes_of(clock: str) -> int:
    """Return the minutes since midnight of ``06:00``."""
    return int(clock[:2]) * 60 + int(clock[3:])


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError(f"'{value}' is no time of day; write e.g. '06:00'")
    return value


class BreakSettings(Strict):
    """A planned pause within a shift: no production is planned."""

    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]
    name: str = ""

    _clocks = field_validator("begin", "end")(_clock)


class ShiftSettings(Strict):
    """One shift on some days of the week, named by the day on which it begins; ``to`` at or before ``from`` is the next day."""

    name: Annotated[str, Field(min_length=1)]
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS[:5]
    begin: Annotated[Clock, Field(alias="from")]
    end: Annotated[Clock, Field(alias="to")]
    breaks: tuple[BreakSettings, ...] = ()

    _clocks = field_validator("begin", "end")(_clock)

    @model_validator(mode="after")
    def _breaks_within(self) -> ShiftSettings:
        if self.begin == "24:00":
            raise ValueError(f"shift '{self.name}': write '00:00' for a begin at midnight")
        begin = minutes_of(self.begin)
        length = (minutes_of(self.end) - begin) % DAY_MINUTES or DAY_MINUTES
        spans = sorted(break_span(begin, pause) for pause in self.breaks)
        if any(end > length for _, end in spans):
            raise ValueError(f"shift '{self.name}': a break must lie within it, {self.begin} to {self.end}")
        for (_, end), (start, _) in pairwise(spans):
            if start < end:
                raise ValueError(f"shift '{self.name}': its breaks overlap")
        return self


def break_span(shift_begin: int, pause: BreakSettings) -> tuple[int, int]:
    """Return begin and end of a break in minutes after the begin of its shift."""
    start = (minutes_of(pause.begin) - shift_begin) % DAY_MINUTES
    return start, start + ((minutes_of(pause.end) - minutes_of(pause.begin)) % DAY_MINUTES or DAY_MINUTES)


class ExceptionSettings(Strict):
    """What runs on a date, or on each date from ``date`` to ``until``, instead of what the week says. No shifts: a holiday."""

    date: Annotated[Date, Field(description="first or only date, as 2026-12-25")]
    until: Annotated[Date | None, Field(description="last date, itself included")] = None
    name: str = ""
    shifts: Annotated[tuple[str, ...], Field(description="names of shifts that begin on it")] = ()
    extra: Annotated[tuple[ShiftSettings, ...], Field(description="shifts with times of their own; 'days' is not looked at")] = ()

    @model_validator(mode="after")
    def _ordered(self) -> ExceptionSettings:
        if self.until is not None and self.until < self.date:
            raise ValueError(f"'until' ({self.until}) lies before 'date' ({self.date})")
        if self.until is not None and (self.until - self.date).days > 3660:
            raise ValueError("an exception lasts ten years at most")
        return self


class TeamSettings(Strict):
    """Teams that take the shifts in turn."""

    begin: Annotated[Date, Field(alias="from", description="first date of the first turn")]
    days: Annotated[int, Field(ge=1, le=366, description="how many days a turn lasts")] = 7
    order: Annotated[
        dict[str, tuple[str, ...]], Field(min_length=1, description="for each shift the teams in the order of turns, then from the start")
    ]

    @field_validator("order")
    @classmethod
    def _some(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        wrong = [name for name, teams in value.items() if not teams]
        if wrong:
            raise ValueError(f"name at least one team for shift '{wrong[0]}'")
        return value


class CalendarSettings(Strict):
    """When some equipment is planned to produce. Of several calendars the last one that fits an equipment holds."""

    name: Annotated[str, Field(min_length=1)]
    equipment: Annotated[str, Field(description="glob over equipment paths below the site; * stays within a segment, ** does not")] = "**"
    time_zone: Annotated[str | None, Field(description="IANA name; the site's where not given")] = None
    shifts: Annotated[tuple[ShiftSettings, ...], Field(min_length=1)]
    exceptions: tuple[ExceptionSettings, ...] = ()
    teams: TeamSettings | None = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return None if value is None else zone(value)

    @model_validator(mode="after")
    def _known_names(self) -> CalendarSettings:
        names = {shift.name for shift in self.shifts}
        used = [(f"exceptions[{n}]", name) for n, e in enumerate(self.exceptions, 1) for name in e.shifts]
        used += [("teams.order", name) for name in (self.teams.order if self.teams else {})]
        for place, name in used:
            if name not in names | {extra.name for e in self.exceptions for extra in e.extra}:
                raise ValueError(f"{place}: there is no shift '{name}'; there are: {', '.join(sorted(names))}")
        return self
