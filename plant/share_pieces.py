"""What a file of a problem of sharing, and of its answer, may say, piece by piece: names in place of rows, so that people can write one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from plant.part_orders import WorkKind
from plant.sharing import Keeps, ShareReason, ShareRule
from plant.strict_json import Piece

SHARE_FORMAT = "share-problem/1"
SHARES_FORMAT = "shares/1"

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=400)]
_Hours = Annotated[float, Field(ge=0, le=1e6)]
_Part = Annotated[float, Field(ge=0, le=1)]
_When = Annotated[int | datetime, Field(description="a period's number, from 1, or a time; UTC where no zone is given")]


class PeriodPiece(Piece):
    """A shift or a day."""

    name: _Text = ""
    begins: datetime
    ends: datetime


class EqualPeriodsPiece(Piece):
    """Periods of equal length, one after the other."""

    count: Annotated[int, Field(ge=1, le=2000)]
    hours: Annotated[float, Field(gt=0, le=10_000)] = 8.0
    begins: datetime = datetime(2026, 1, 5)  # noqa: DTZ001 - UTC where no zone is given, like all times of the file


class CentrePiece(Piece):
    """A centre that is shared."""

    name: _Name
    kind: WorkKind = WorkKind.CUTTING
    hours: Annotated[_Hours | tuple[_Hours, ...], Field(description="that it has in each period; or one number for each period")]


class FactoryPiece(Piece):
    """A factory that the centres serve."""

    name: _Name
    reserved: Annotated[_Part, Field(description="its part of each centre")]
    reserved_at: Annotated[dict[_Name, _Part], Field(description="its part of the centres named here, in place of 'reserved'")] = Field(
        default_factory=dict
    )
    owed_hours: Annotated[float, Field(ge=-1e6, le=1e6, description="what others borrowed before, less what it borrowed")] = 0.0


class OrderPiece(Piece):
    """Work that a factory wants."""

    name: _Name
    factory: _Name
    hours: Annotated[float, Field(gt=0, le=1e6)]
    kind: Annotated[WorkKind, Field(description="all centres of this kind can do it, where 'centres' does not tell")] = WorkKind.CUTTING
    centres: Annotated[tuple[_Name, ...] | None, Field(min_length=1, description="that can do it; only one where it was begun")] = None
    earliest: Annotated[_When | None, Field(description="it begins in this period, or in one that begins then, or later")] = None
    due: Annotated[_When | None, Field(description="it is wanted by the end of this period, or of one that ends by then")] = None
    priority: Annotated[int, Field(ge=0, le=9, description="9 goes first of a factory's orders with the same due date")] = 5
    home: Annotated[_Name | None, Field(description="centre at which an earlier split counted it: 'home' of its answer")] = None


class ShareFile(Piece):
    """Centres, factories, orders, and how hours are to be divided."""

    leadhand: Literal["share-problem/1"]
    name: _Name = "problem"
    rule: ShareRule = ShareRule.MAX_MIN
    keeps: Keeps = Keeps.IN_TIME
    carried_part: Annotated[_Part, Field(description="what is owed is carried on up to this part of what a factory has reserved")] = 0.25
    periods: Annotated[tuple[PeriodPiece, ...], Field(min_length=1, max_length=2000)] | EqualPeriodsPiece
    centres: Annotated[tuple[CentrePiece, ...], Field(min_length=1, max_length=60)]
    factories: Annotated[tuple[FactoryPiece, ...], Field(min_length=1, max_length=200)]
    orders: Annotated[tuple[OrderPiece, ...], Field(max_length=200_000)]


class ReasonPiece(Piece):
    """One reason with its values; docs/sharing.md tells what each code says."""

    code: ShareReason
    text: _Text = ""
    hours: float | None = None
    factory: _Name | None = None
    centre: _Name | None = None
    period: int | None = None
    count: int | None = None


class WorkPiece(Piece):
    """Hours of an order in a period."""

    period: Annotated[int, Field(ge=1)]
    hours: Annotated[float, Field(gt=0)]


class OrderSharePiece(Piece):
    """What an order gets."""

    name: _Name
    factory: _Name
    centre: _Name | None = None
    home: Annotated[_Name | None, Field(description="give it back in the next problem")] = None
    end: Annotated[int | None, Field(description="period in which it ends; null: not in these")] = None
    alone_end: Annotated[int | None, Field(description="period in which it would end with its factory's reserve alone")] = None
    promised: Annotated[int | None, Field(description="period by whose end it ends whatever others want")] = None
    work: tuple[WorkPiece, ...] = ()
    reasons: tuple[ReasonPiece, ...] = ()


class FactorySharePiece(Piece):
    """What a factory gets."""

    name: _Name
    reserved_hours: float
    got_hours: float
    entitled_hours: float
    satisfied: Annotated[float | None, Field(description="got over entitled")] = None
    lent_hours: float
    borrowed_hours: float
    owed_hours: Annotated[float, Field(description="after the last period; give it back in the next problem")]
    late: int
    tardiness_periods: float


class CalendarPiece(Piece):
    """Whose hours a centre has in a period."""

    centre: _Name
    period: Annotated[int, Field(ge=1)]
    hours: dict[_Name, float]


class SharesFile(Piece):
    """Who gets which hours, and why."""

    leadhand: Literal["shares/1"]
    problem: _Text = ""
    rule: ShareRule
    keeps: Keeps
    verified: Annotated[bool | None, Field(description="whether the independent check found no fault")] = None
    jain: Annotated[float, Field(description="Jain's index of hours got over hours entitled to by then: mean over periods")]
    jain_worst: float
    jain_by_period: tuple[float | None, ...]
    worse_than_promised: int
    done_hours: float
    on_time_hours: float
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    factories: tuple[FactorySharePiece, ...]
    calendar: tuple[CalendarPiece, ...]
    orders: tuple[OrderSharePiece, ...]
