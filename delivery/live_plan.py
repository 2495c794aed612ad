"""The plan that holds, as deliveries need it: what starts where in the next minutes, and what each unit is switched to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from plant.errors import SettingsError
from plant.plan_changeovers import Changeover, plan_changeovers
from plant.plan_file import read_plan, read_problem
from plant.plan_problem import LockReason, PlanProblem
from plant.plans import Plan
from storage.changeover_sets import read_changeovers, read_in_charge
from storage.database import Connection
from storage.delivery_origins import changeovers_version, read_serials
from storage.plans import PlanContent, PlanRole, read_plan_content, read_standing
from storage.process_networks import network_version, read_network

_LATE_US: Final = 60_000_000
"""What should have started a moment ago may still be told."""


@dataclass(frozen=True, slots=True)
class Start:
    """An operation that is to start."""

    job: str
    operation: str
    alternative: str
    program: str
    work_unit: str
    product: str
    serial: str
    start_us: int


@dataclass(frozen=True, slots=True)
class Switch:
    """A unit that is to be switched over before an operation starts."""

    first: Start
    change: Changeover
    book_version: int


@dataclass(frozen=True, slots=True)
class _Read:
    version: int
    problem: PlanProblem
    plan: Plan


class LivePlan:
    """Reads the plan that holds; what takes long is read anew only when it changed."""

    def __init__(self) -> None:
        self._read: _Read | None = None
        self._version = 0
        self._programs: tuple[int, Mapping[str, str]] = (0, {})
        self._changes: tuple[tuple[int, int], tuple[Changeover, ...]] | None = None

    def starts(self, connection: Connection, now_us: int, within_us: int) -> tuple[int, list[Start]] | None:
        """Return the plan's number and what starts within a time from now, in order; None where there is no plan with a clock."""
        read = self._current(connection)
        if read is None or read.problem.origin_us is None:
            return None
        begun = {lock.operation for lock in read.problem.locks if lock.reason is LockReason.STARTED}
        times = _times(read)
        soon = np.flatnonzero((read.plan.mode >= 0) & (times >= now_us - _LATE_US) & (times < now_us + within_us))
        rows = [row for row in soon[np.argsort(times[soon], kind="stable")].tolist() if row not in begun]
        return read.version, self._starts(connection, read, rows)

    def switches(self, connection: Connection, now_us: int, within_us: int) -> list[Switch] | None:
        """Return the next complete changeover of each unit that comes within a time from now; None where there is no plan."""
        read = self._current(connection)
        if read is None or read.problem.origin_us is None:
            return None
        version = changeovers_version(connection)
        if not version:
            return []
        times = _times(read)
        if self._changes is None or self._changes[0] != (read.version, version):
            stored = read_changeovers(connection)
            if stored is None:
                return []
            found = plan_changeovers(read.problem, read.plan, stored.book, read_in_charge(connection))
            self._changes = ((read.version, version), found)
        following: dict[int, Changeover] = {}
        for one in self._changes[1]:
            if times[one.operation] >= now_us - _LATE_US:
                following.setdefault(one.unit, one)
        near = [one for one in following.values() if one.complete and times[one.operation] < now_us + within_us]
        firsts = self._starts(connection, read, [one.operation for one in near])
        return [Switch(first, one, version) for first, one in zip(firsts, near, strict=True)]

    def _current(self, connection: Connection) -> _Read | None:
        standing = read_standing(connection, PlanRole.LIVE)
        if standing is None:
            return None
        if self._version != standing.id:
            self._read = _read(read_plan_content(connection, standing.id))
            self._version = standing.id
        return self._read

    def _starts(self, connection: Connection, read: _Read, rows: list[int]) -> list[Start]:
        problem, plan, times = read.problem, read.plan, _times(read)
        units = plan.unit(problem)
        jobs = [problem.jobs[problem.operation_job[row]] for row in rows]
        serials = read_serials(connection, sorted({job.name for job in jobs})) if rows else {}
        programs = self._program_of(connection) if rows else {}
        found = []
        for row, job in zip(rows, jobs, strict=True):
            alternative = str(problem.mode_name[plan.mode[row]])
            found.append(
                Start(
                    job.name,
                    str(problem.operation_name[row]),
                    alternative,
                    programs.get(alternative, ""),
                    problem.units[units[row]].name,
                    job.product,
                    serials.get(job.name, ""),
                    int(times[row]),
                )
            )
        return found

    def _program_of(self, connection: Connection) -> Mapping[str, str]:
        version = network_version(connection)
        if version != self._programs[0]:
            stored = read_network(connection)
            programs = {} if stored is None else {one.id: one.program for one in stored.network.alternatives}
            self._programs = (version, programs)
        return self._programs[1]


def _read(content: PlanContent | None) -> _Read | None:
    """Return a plan as read; None where it was forgotten, or nothing is planned yet: such a one names no unit."""
    if content is None:
        return None
    try:
        problem = read_problem(content.problem)
        return _Read(content.id, problem, read_plan(content.plan, problem))
    except SettingsError as error:
        structlog.get_logger(process="delivery").info("no jobs are taken from this plan", plan=content.id, reason=error.problems[0])
        return None


def _times(read: _Read) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    tick_us = round((read.problem.tick_s or 1.0) * 1_000_000)
    times: np.ndarray[tuple[int], np.dtype[np.int64]] = (read.problem.origin_us or 0) + read.plan.start * tick_us
    return times
