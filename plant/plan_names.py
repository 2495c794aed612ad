"""Names for the rows of a problem: each there once, so that a file can say which it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from plant.plan_problem import PlanProblem


@dataclass(frozen=True, slots=True)
class PlanNames:
    """Names by row, and rows by name."""

    units: tuple[str, ...]
    jobs: tuple[str, ...]
    resources: tuple[str, ...]
    places: tuple[str, ...]
    operations: tuple[str, ...]
    """Each there once in its job."""
    rows: dict[tuple[str, str], int]
    """By job and operation."""
    ways: dict[int, tuple[int, ...]]
    """By operation: its modes, in order."""

    def way(self, problem: PlanProblem, mode: int) -> int | None:
        """Return which way of its operation a mode is, from 1; None where its unit tells."""
        modes = self.ways[int(problem.mode_operation[mode])]
        twins = [other for other in modes if problem.mode_unit[other] == problem.mode_unit[mode]]
        return None if len(twins) == 1 else modes.index(mode) + 1

    def mode(self, problem: PlanProblem, operation: int, unit: str, way: int | None) -> int:
        """Return the mode that is meant. Raises ValueError in words."""
        modes = self.ways[operation]
        if way is not None:
            if way > len(modes):
                raise ValueError(f"way {way}: there are {len(modes)}")
            mode = modes[way - 1]
            if self.units[problem.mode_unit[mode]] != unit:
                raise ValueError(f"way {way} is done on {self.units[problem.mode_unit[mode]]}, not on {unit}")
            return mode
        there = [mode for mode in modes if self.units[problem.mode_unit[mode]] == unit]
        if len(there) > 1:
            raise ValueError(f"there are {len(there)} ways on {unit}; say which by 'way', from 1")
        if not there:
            able = ", ".join(sorted({self.units[problem.mode_unit[mode]] for mode in modes}))
            raise ValueError(f"it cannot be done on {unit}; it can on {able}")
        return there[0]

    def row(self, job: str, operation: str) -> int:
        """Return the operation that is meant. Raises ValueError in words."""
        row = self.rows.get((job, operation))
        if row is None:
            raise ValueError(f"there is no operation '{operation}' of a job '{job}'")
        return row


def plan_names(problem: PlanProblem) -> PlanNames:
    """Return the names of a problem; what has the name of another before it gets a number behind it."""
    jobs = _each_once(job.name for job in problem.jobs)
    taken: dict[int, set[str]] = {}
    operations = tuple(
        _once(name, taken.setdefault(int(job), set())) for name, job in zip(problem.operation_name, problem.operation_job, strict=True)
    )
    first = problem.modes_of
    return PlanNames(
        units=_each_once(unit.name for unit in problem.units),
        jobs=jobs,
        resources=_each_once(resource.name for resource in problem.resources),
        places=_places(problem),
        operations=operations,
        rows={(jobs[job], name): row for row, (job, name) in enumerate(zip(problem.operation_job, operations, strict=True))},
        ways={row: tuple(range(int(first[row]), int(first[row + 1]))) for row in range(len(operations))},
    )


def _places(problem: PlanProblem) -> tuple[str, ...]:
    """Return names for places: of the one unit that stands there, else a number."""
    if problem.transport is None:
        return ()
    if len(problem.transport.places) == len(problem.transport.travel):
        return _each_once(problem.transport.places)
    names = []
    for place in range(len(problem.transport.travel)):
        there = np.flatnonzero(problem.transport.place == place)
        alone = len(there) == 1 and place != problem.transport.start
        names.append(f"at {problem.units[there[0]].name}" if alone else f"place {place}")
    return _each_once(names)


def _each_once(names: Iterable[str]) -> tuple[str, ...]:
    taken: set[str] = set()
    return tuple(_once(name, taken) for name in names)


def _once(name: str, taken: set[str]) -> str:
    found, number = name or "unnamed", 2
    while found in taken:
        found, number = f"{name or 'unnamed'} #{number}", number + 1
    taken.add(found)
    return found
