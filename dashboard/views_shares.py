"""What each factory gets of the shared centres, as services return it. Hours are machine hours; no value is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OwedView:
    """Hours owed to each factory at a time; less than 0: it owes them."""

    until_us: int
    owed: dict[str, float]


@dataclass(frozen=True, slots=True)
class SharesView:
    """A version without its hours: the newest holds."""

    id: int
    made_us: int
    rule: str
    """max_min or proportional."""
    from_us: int
    to_us: int
    orders: int
    seconds: float
    jain: float | None
    """Jain's index over factories of hours got over hours entitled to, mean of the periods: 1 is even, 1/n is all for one."""
    jain_worst: float | None
    """The least of a period."""
    done_hours: float | None
    on_time_hours: float | None
    late: dict[str, int]
    """Orders late, by factory."""
    worse_than_alone: int | None
    """Orders that end later than with the reserve of their factory alone: 0, or something is wrong."""
    left_out: dict[str, str]
    """By order: why it is in no share; the first 50."""
    left_out_count: int
    owed: tuple[OwedView, ...]
    figures: dict[str, Any]
    """All figures that are kept of the version."""
    whole: bool
    """Whether its hours are still kept."""


@dataclass(frozen=True, slots=True)
class PeriodView:
    """A period in which hours are divided."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class CentreHoursView:
    """A centre's hours by period, and who gets them."""

    name: str
    kind: str
    capacity: tuple[float, ...]
    got: dict[str, tuple[float, ...]]
    """By factory."""
    reserved: dict[str, tuple[float, ...]]
    """By factory: what is its own."""


@dataclass(frozen=True, slots=True)
class FactoryHoursView:
    """What one factory got, over all centres."""

    name: str
    reserved: float
    entitled: float
    """By the rule, if work could be divided at will."""
    got: float
    satisfied: float | None
    """Got over entitled."""
    lent: float
    """Hours of its reserve that others used, ..."""
    borrowed: float
    """... and hours of others' reserves that it used."""
    late: int
    tardiness_periods: float
    """Periods after due, on average over its hours."""
    worst_late_us: int | None
    """The latest of its orders, after it was due; None: none is late."""
    unfinished: int
    """Orders that do not end in these periods."""
    owed: tuple[float, ...]
    """At the beginning, and at the end of each period."""


@dataclass(frozen=True, slots=True)
class SharesWholeView:
    """A version with its hours."""

    version: SharesView
    periods: tuple[PeriodView, ...]
    centres: tuple[CentreHoursView, ...]
    factories: tuple[FactoryHoursView, ...]
    jain_by_period: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class OrderShareView:
    """Hours that an order gets at a centre in a period, by the version that holds."""

    part_order: str
    factory: str
    centre: str
    from_us: int
    to_us: int
    hours: float
    ready_us: int | None
    reasons: tuple[dict[str, Any], ...]
