"""The words of why an operation is here and why a job is late, in English, by code; the dashboard translates them.

``{name}`` is a value of the reason: ``operation``, ``job``, ``unit`` and ``resource`` are names, ``at`` is a tick of the plan, ``ticks``
a length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from plant.plan_problem import PlanProblem
from plant.plan_reasons import Bound, Elsewhere, Late, Wait, Why
from plant.plan_words import operation_words, span_words, time_words

PLAN_REASONS: Final[dict[str, str]] = {
    "nothing": "Nothing holds it: it could start at {at}.",
    "now": "It starts as early as anything can.",
    "release": "Its job is released, and its material is there, at {at}.",
    "part": "The part is busy until {at} with {operation}.",
    "least": "After {operation} the part must rest until {at}.",
    "most": "It must not end too long before {operation} starts.",
    "way": "The part is on its way until {at}.",
    "vehicle": "No vehicle brings the part before {at}.",
    "unit": "{unit} is busy until {at} with {operation}.",
    "setup": "{unit} is set up after {operation} until {at}.",
    "next_locked": "It does not fit before {operation}, which is locked.",
    "closed": "{unit} is closed until {at}.",
    "resource": "{resource} is needed elsewhere until {at}: {operation}.",
    "resource_away": "There is too little of {resource} until {at}.",
    "buffer": "There is no room before {unit} until {operation} starts.",
    "lock": "A person locked it to {at}.",
    "frozen": "It lies in the frozen zone.",
    "started": "It started at {at}.",
    "slack": "It could start {ticks} later without moving anything else.",
    "no_slack": "Started later, it moves others.",
    "only_unit": "There is no other unit for it.",
    "later_there": "On {unit} it would end {ticks} later.",
    "later_there_busy": "On {unit}, busy with {operation}, it would end {ticks} later.",
    "earlier_there": "On {unit} it would end {ticks} earlier, as all stands now.",
    "same_there": "On {unit} it would end at the same time.",
    "late": "{job} ends {ticks} after its due date.",
    "late_impossible": "Its work alone takes longer than from its release to its due date.",
    "late_wait": "It lost {ticks} before {operation}.",
    "late_root": "It began with {operation}.",
}
"""English, by code."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, as code and values."""

    code: str
    operation: int = -1
    job: int = -1
    unit: int = -1
    resource: int = -1
    at: int | None = None
    ticks: int | None = None


def reason_of(bound: Bound) -> Reason:
    """Return a bound as a sentence."""
    code = "resource_away" if bound.holds.value == "resource" and bound.operation < 0 else bound.holds.value
    return Reason(code, bound.operation, -1, bound.unit, bound.resource, bound.at)


def reasons_here(why: Why) -> tuple[Reason, ...]:
    """Return why an operation starts then."""
    slack = () if why.slack is None else (Reason("slack" if why.slack else "no_slack", ticks=why.slack),)
    return (*(reason_of(one) for one in why.bounds), *slack)


def reasons_unit(others: tuple[Elsewhere, ...]) -> tuple[Reason, ...]:
    """Return why an operation is on its unit: what the others would come to."""
    if not others:
        return (Reason("only_unit"),)
    found = []
    for one in others:
        busy = one.holds.operation if one.holds is not None and one.later > 0 else -1
        code = "earlier_there" if one.later < 0 else "same_there" if one.later == 0 else "later_there_busy" if busy >= 0 else "later_there"
        found.append(Reason(code, busy, unit=one.unit, ticks=abs(one.later)))
    return tuple(found)


def reasons_late(late: Late, *, most: int = 4) -> tuple[Reason, ...]:
    """Return why a job is late: by how much, where its part waited longest and for what, and the root of it all."""
    found = [Reason("late", job=late.job, ticks=late.ticks)]
    if late.impossible:
        found.append(Reason("late_impossible", job=late.job))
    for wait in late.waits[:most]:
        found += [_lost(wait), reason_of(wait.bound)]
    operation, bound = late.root
    return (*found, Reason("late_root", operation), reason_of(bound))


def reason_values(
    problem: PlanProblem, reason: Reason, *, time: Callable[[int], str] | None = None, span: Callable[[int], str] | None = None
) -> Mapping[str, str]:
    """Return the values of a sentence; times and lengths in the words given, else in those of the plan."""
    time, span = time or partial(time_words, problem), span or partial(span_words, problem)
    values = {}
    if reason.operation >= 0:
        values["operation"] = operation_words(problem, reason.operation)
    if reason.job >= 0:
        values["job"] = problem.jobs[reason.job].name
    if reason.unit >= 0:
        values["unit"] = problem.units[reason.unit].name
    if reason.resource >= 0:
        values["resource"] = problem.resources[reason.resource].name
    if reason.at is not None:
        values["at"] = time(reason.at)
    if reason.ticks is not None:
        values["ticks"] = span(reason.ticks)
    return values


def reason_words(problem: PlanProblem, reason: Reason) -> str:
    """Return a sentence in English."""
    return PLAN_REASONS[reason.code].format(**reason_values(problem, reason))


def _lost(wait: Wait) -> Reason:
    return Reason("late_wait", wait.operation, ticks=wait.ticks)
