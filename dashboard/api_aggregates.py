"""``/api/v1/aggregates``: historian aggregates over REST."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dashboard.api import Ids, Microseconds, json_answer
from dashboard.services import Services
from dashboard.services_aggregates import AggregateName, AggregateRow, AggregateView, names, rows_of
from dashboard.table_route import TableRoute
from plant.aggregate_bounds import Rules

Names = Annotated[list[str], Query(description="standard names, or Ignition's as 'Ignition:Average'; as often as wanted", max_length=40)]
Percent = Annotated[int, Query(ge=0, le=100)]


def aggregate_routes(services: Services) -> APIRouter:
    """Return the routes that aggregate history."""
    router = APIRouter(prefix="/api/v1", tags=["history"], route_class=TableRoute)

    @router.get("/aggregates/names", response_model=list[AggregateName], summary="The aggregates there are")
    def known() -> Response:
        return json_answer(names())

    @router.get(
        "/aggregates", response_model=list[AggregateView], summary="Aggregates of OPC UA Part 13 over a span, one value an interval"
    )
    def aggregates(
        signal: Ids,
        aggregate: Names,
        from_us: Microseconds,
        to_us: Microseconds,
        interval_us: Annotated[int, Query(ge=0, description="0: one value over the whole span")] = 0,
        stepped: Annotated[bool | None, Query(description="values hold until the next; as the signal is where not given")] = None,
        treat_uncertain_as_bad: bool = True,
        percent_bad: Percent = 100,
        percent_good: Percent = 100,
        sloped_extrapolation: bool = False,
    ) -> Response:
        rules = Rules(
            treat_uncertain_as_bad=treat_uncertain_as_bad,
            percent_bad=percent_bad,
            percent_good=percent_good,
            sloped_extrapolation=sloped_extrapolation,
        )
        found = services.aggregates.aggregates(signal, aggregate, from_us, to_us, interval_us, rules, stepped)
        return json_answer(found, rows=(AggregateRow, partial(rows_of, found)))

    return router
