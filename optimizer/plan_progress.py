"""How far job orders are, by the plan that stands and by what the plant reported."""

from __future__ import annotations

from optimizer.plan_standing import Place, Standing, places
from optimizer.plan_world import World
from plant.customer_orders import JobOrderState
from storage.database import Connection
from storage.job_orders import note_job_orders

_REMAKE = " remake "


def note_progress(connection: Connection, world: World, standing: Standing, now_us: int, *, reports: bool) -> bool:
    """Note what has begun and what is done; return whether anything changed. Where the plant reports, only reports count as done."""
    of_job: dict[str, list[tuple[str, Place]]] = {}
    for (job, operation), place in places(standing.problem, standing.plan).items():
        of_job.setdefault(job, []).append((operation, place))
    remade = {name.partition(_REMAKE)[0] for name in of_job if _REMAKE in name}
    seen: dict[str, dict[str, tuple[int, int]]] = {}
    for step in world.reported:
        seen.setdefault(step.job_order, {})[step.operation] = (step.started_us, step.ended_us)
    told: dict[bool, dict[str, tuple[JobOrderState, int | None, int | None]]] = {True: {}, False: {}}
    for one in world.jobs:
        name, state = one.job.id, one.job.state
        steps = of_job.get(name, [])
        if name in remade:
            last = max(other for other in of_job if other.partition(_REMAKE)[0] == name and _REMAKE in other)
            steps = of_job[last]
        if not steps:
            continue
        known = seen.get(name, {})
        begun, ended = _begun(steps, known, now_us, reports=reports), _ended(steps, known, now_us, reports=reports)
        by_report = bool(known) and (reports or all(operation in known for operation, _ in steps))
        now = JobOrderState.DONE if ended is not None else JobOrderState.STARTED if begun is not None else JobOrderState.WAITING
        if now is not state and now is not JobOrderState.WAITING:
            told[by_report][name] = (now, begun, ended)
    for reported, states in told.items():
        if states:
            note_job_orders(connection, states, now_us=now_us, reported=reported)
    return bool(told[True] or told[False])


def _begun(steps: list[tuple[str, Place]], known: dict[str, tuple[int, int]], now_us: int, *, reports: bool) -> int | None:
    times = [started for started, _ in known.values()]
    if not reports:
        times += [place.start_us for operation, place in steps if place.start_us <= now_us and operation not in known]
    return min(times, default=None)


def _ended(steps: list[tuple[str, Place]], known: dict[str, tuple[int, int]], now_us: int, *, reports: bool) -> int | None:
    """When the last operation ended; None where one has not."""
    times = []
    for operation, place in steps:
        if operation in known:
            times.append(known[operation][1])
        elif not reports and place.end_us <= now_us:
            times.append(place.end_us)
        else:
            return None
    return max(times)
