"""What shared centres mean for this site's plan: parts that are ready only then, and hours in which a centre works for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from plant import patterns
from plant.calendars import Span
from plant.customer_orders import JobOrder
from plant.plan_problem import WorkUnit
from plant.planning_rules import PlanningRules
from plant.share_rules import ShareRules
from plant.share_windows import outside
from plant.unit_calendars import closed_with
from storage.database import Connection
from storage.shares import newest_shares, parts_ready


@dataclass(frozen=True, slots=True)
class SharedCentres:
    """Due dates and calendars that come of sharing."""

    ready_us: Mapping[str, int] = field(default_factory=dict)
    """By customer order: when the last of the parts that it waits for is ready."""
    closed: tuple[tuple[str, tuple[Span, ...]], ...] = ()
    """By glob over work units: when their centre works for other factories, or for nobody."""

    def held(self, job: JobOrder) -> JobOrder:
        """Return a job order that begins no sooner than its parts are ready."""
        ready = self.ready_us.get(job.order)
        if ready is None or (job.release_us is not None and job.release_us >= ready):
            return job
        return replace(job, release_us=ready)

    def kept(self, unit: WorkUnit, rules: PlanningRules, origin_us: int) -> WorkUnit:
        """Return a unit that works for this site only in the hours that it was given."""
        closed = unit.closed
        for glob, spans in self.closed:
            if patterns.matches(glob, unit.name):
                for begin, end in spans:
                    # a tick counts as closed where part of it is
                    closed = closed_with(closed, max(0, (begin - origin_us) // rules.tick_us), -((origin_us - end) // rules.tick_us))
        return replace(unit, closed=closed)


def shared_centres(connection: Connection, share: ShareRules | None) -> SharedCentres:
    """Return what the newest shares say; nothing where nothing is shared, or not yet."""
    newest = None if share is None else newest_shares(connection)
    if share is None or newest is None:
        return SharedCentres()
    own = [one for one in newest.windows if one["factory"] == share.own_factory]
    closed = tuple(
        (centre.unit, outside(_spans(own, centre.name), newest.from_us, newest.to_us))
        for centre in share.settings.centres
        if centre.unit is not None and share.own_factory
    )
    return SharedCentres(parts_ready(connection), closed)


def _spans(windows: Sequence[Mapping[str, object]], centre: str) -> tuple[Span, ...]:
    return tuple((int(str(one["from"])), int(str(one["to"]))) for one in windows if one["centre"] == centre)
