"""Two plans side by side as services return them: times instead of ticks, units by name."""

from __future__ import annotations

from dashboard.plan_book import ReadPlan
from dashboard.plan_drawing import clock_of
from dashboard.views_plan import CompareView, MeasuresView, MovedJobView, MovedView
from plant.errors import Rejected
from plant.plan_compare import MovedOperation, Name, Place, compared


def compare_view(before: ReadPlan, after: ReadPlan, worth_before: MeasuresView, worth_after: MeasuresView, most: int) -> CompareView:
    """Return what differs between two plans, by job and operation: their rows may differ. Raises Rejected where their ticks differ."""
    before_us, tick_us = clock_of(before.problem, before.version.made_us)
    after_us, other_us = clock_of(after.problem, after.version.made_us)
    if tick_us != other_us:
        raise Rejected(f"plans {before.version.id} and {after.version.id} count time in different ticks")
    # ticks of both are ticks of the second one
    found = compared((before.problem, before.plan), (after.problem, after.plan), offset=(after_us - before_us) // tick_us)

    def at(tick: int) -> int:
        return after_us + tick * tick_us

    def moved(one: MovedOperation) -> MovedView:
        times = (at(one.before.start), at(one.after.start), one.ticks * tick_us)
        return MovedView(one.job, one.operation, one.before.unit, one.after.unit, *times, one.anew)

    def alone(name: Name, place: Place, *, came: bool) -> MovedView:
        start_us = at(place.start)
        if came:
            return MovedView(*name, None, place.unit, None, start_us, None, True)
        return MovedView(*name, place.unit, None, start_us, None, None, True)

    rows = [
        *(alone(name, place, came=True) for name, place in found.added),
        *(alone(name, place, came=False) for name, place in found.removed),
        *(moved(one) for one in found.moved),
    ]
    jobs = [
        MovedJobView(one.job, at(one.end_before), at(one.end_after), one.late_before * tick_us, one.late_after * tick_us)
        for one in found.jobs
    ]
    return CompareView(
        before=before.version.id,
        after=after.version.id,
        measures_before=worth_before,
        measures_after=worth_after,
        same=found.same,
        placed_anew=found.placed_anew,
        shifted=found.shifted,
        added=len(found.added),
        gone=len(found.removed),
        rows=tuple(rows[:most]),
        jobs=tuple(jobs[:most]),
    )
