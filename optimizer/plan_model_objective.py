"""What counts, as an objective: makespan, tardiness, setup, moved operations and time in the shop, in whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimizer.plan_solver import Linear, Var

if TYPE_CHECKING:
    from optimizer.plan_model import Writing


def write(writing: Writing, upper: int | None) -> None:
    """Write the objective, and that it is no more than ``upper``."""
    counts, draft = writing.shape.problem.objective, writing.draft
    if writing.makespan is not None:
        for at in _lasts(writing):
            draft.where(writing.makespan >= writing.end[at], writing.there[at])
    total: Linear = counts.makespan * writing.makespan if writing.makespan is not None else 0
    if counts.tardiness or counts.flow:
        total = total + _jobs(writing)
    if counts.setup:
        total = total + counts.setup * sum(writing.setups)
    if counts.moved:
        total = total + counts.moved * sum(_moved(writing))
    if not isinstance(total, int):
        if upper is not None:
            draft.model.add(total <= upper)
        draft.model.minimize(total)


def _lasts(writing: Writing) -> list[int]:
    """Return operations after which nothing need come."""
    shape = writing.shape
    return [
        at
        for at in range(len(shape.job))
        if not any(least >= 0 and not shape.started[other] and shape.together(at, other) for other, least, _ in shape.after[at])
    ]


def _jobs(writing: Writing) -> Linear:
    shape, draft, counts = writing.shape, writing.draft, writing.shape.problem.objective
    lasts: dict[int, list[int]] = {}
    for at in _lasts(writing):
        lasts.setdefault(shape.job[at], []).append(at)
    total: Linear = 0
    for row, rows in lasts.items():
        job = shape.problem.jobs[row]
        known = max(writing.known_end(at) for at in rows)
        made = max((writing.there[at] for at in rows), key=lambda there: there is draft.yes)
        if counts.flow:
            # Of a job of which nothing is done nothing counts.
            least = min(0, job.release)
            end = draft.number(least, shape.horizon, known)
            for at in rows:
                draft.where(end >= writing.end[at], writing.there[at])
            if made is draft.yes:
                total = total + counts.flow * (end - job.release)
            else:
                spent = draft.number(0, shape.horizon, max(known - job.release, 0))
                for at in rows:
                    draft.where(spent >= end - job.release, writing.there[at])
                total = total + counts.flow * spent
        if counts.tardiness and job.due is not None and job.weight:
            late = draft.number(0, max(shape.horizon - job.due, 0), max(known - job.due, 0))
            for at in rows:
                draft.where(late >= writing.end[at] - job.due, writing.there[at])
            total = total + counts.tardiness * job.weight * late
    return total


def _moved(writing: Writing) -> list[Var]:
    problem, draft = writing.shape.problem, writing.draft
    if problem.reference_mode is None or problem.reference_start is None:
        return []
    out = []
    for at, (mode, start) in enumerate(zip(problem.reference_mode.tolist(), problem.reference_start.tolist(), strict=True)):
        if mode < 0:
            continue
        literal = writing.done_by[at].get(mode)
        stays = writing.known_mode(at) == mode and writing.known_start(at) == start
        moved = draft.either(not stays)
        out.append(moved)
        if literal is None:
            draft.model.add(moved == 1)
            continue
        draft.model.add_bool_or([moved, literal])
        draft.where(writing.start[at] == start, moved.negated())
    return out
