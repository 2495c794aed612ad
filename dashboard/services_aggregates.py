"""Historian aggregates over spans, as OPC UA names them; Ignition's names are taken too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard import viewing
from plant.aggregate_bounds import Rules
from plant.aggregates import IGNITION, Aggregate
from plant.errors import Rejected
from plant.status import describe
from storage.aggregates import MOST_INTERVALS, read_aggregate
from storage.database import Pool

MOST_ANSWERS = 50
_INFO_BITS = 0x041F


@dataclass(frozen=True, slots=True)
class AggregateView:
    """One aggregate of one signal as columns of equal length, one row an interval."""

    signal: int
    aggregate: str
    stepped: bool | None
    """None where the kind of signal decided."""
    time_us: list[int]
    value: list[float | None]
    status: list[int]
    """The whole OPC UA StatusCode with its info bits: calculated, interpolated, partial, multiple values."""
    quality: list[str]
    """The status in words."""


@dataclass(frozen=True, slots=True)
class AggregateRow:
    """One value, for a table."""

    signal: int
    aggregate: str
    time_us: int
    value: float | None
    status: int
    quality: str


@dataclass(frozen=True, slots=True)
class AggregateName:
    """An aggregate that may be asked for."""

    name: str
    ignition: list[str]
    """Ignition's names of it."""


def names() -> list[AggregateName]:
    """Return the aggregates there are."""
    return [AggregateName(one.value, [name for name, same in IGNITION.items() if same is one]) for one in Aggregate]


def aggregate_of(name: str) -> Aggregate:
    """Return an aggregate by its standard name, or Ignition's after ``Ignition:``. Raises Rejected for a name that none has."""
    if name.startswith("Ignition:"):
        found = IGNITION.get(name.removeprefix("Ignition:"))
        if found is not None:
            return found
    elif name in set(Aggregate):
        return Aggregate(name)
    raise Rejected(f"there is no aggregate '{name}'; /api/v1/aggregates/names tells which there are")


class AggregateService:
    """Each call reads the database in the calling thread. Raises Rejected for what is too much or wrong, Unavailable while it is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def aggregates(
        self, signals: Sequence[int], wanted: Sequence[str], from_us: int, to_us: int, interval_us: int, rules: Rules, stepped: bool | None
    ) -> list[AggregateView]:
        """Return each aggregate of each signal. ``stepped`` None: as the kind of signal is."""
        chosen = [aggregate_of(name) for name in dict.fromkeys(wanted)]
        numbers = list(dict.fromkeys(signals))
        if not 1 <= len(numbers) * len(chosen) <= MOST_ANSWERS:
            raise Rejected(f"1 to {MOST_ANSWERS} answers at once: signals times aggregates")
        if interval_us and (to_us - from_us) / interval_us * len(numbers) * len(chosen) > 10 * MOST_INTERVALS:
            raise Rejected("that is too much at once: take fewer signals or longer intervals")
        found = []
        with self._pool.connection() as connection:
            for signal in numbers:
                for one in chosen:
                    told = read_aggregate(connection, signal, one, from_us, to_us, interval_us, rules, stepped)
                    status = told.status.tolist()
                    found.append(
                        AggregateView(
                            *(signal, one.value, stepped, told.time_us.tolist()),
                            *(viewing.numbers(told.value), status, [describe(code & ~_INFO_BITS) for code in status]),
                        )
                    )
        return found


def rows_of(views: Sequence[AggregateView]) -> list[AggregateRow]:
    """Return views row by row."""
    return [
        AggregateRow(one.signal, one.aggregate, *row)
        for one in views
        for row in zip(one.time_us, one.value, one.status, one.quality, strict=True)
    ]
