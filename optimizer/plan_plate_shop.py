"""Shops in which vehicles carry the parts, from JSON: ``travel`` between places, ``agvs``, and of each job machines and time by step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from plant.errors import SettingsError
from plant.plan_problem import ALWAYS, Job, PlanProblem, Transport, WorkUnit

_ROWS = re.compile(r"\bM(\d+)(?:\s*-\s*M?(\d+))?\s*$")
_MOST = 1 << 40


def read_transport(text: str, place: str) -> PlanProblem:
    """Return the problem that a text says: place 0 is where parts come in, machine n stands at place n. Raises SettingsError."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{place}: is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise SettingsError(f'{place}: write an object with "travel", "agvs" and "jobs"')
    wrong = list(_wrong(read))
    if wrong:
        raise SettingsError([f"{place}: {one}" for one in wrong[:50]])
    travel = np.array(read["travel"], np.int64)
    units = len(travel) - 1
    groups = _groups(read.get("machines"), units)
    steps = [(job, step) for job, told in enumerate(read["jobs"]) for step in told]
    job_of = np.array([job for job, _ in steps], np.int32)
    follows = np.flatnonzero(job_of[1:] == job_of[:-1]).astype(np.int32)
    ways = [(row, int(unit) - 1, int(lasts)) for row, (_, step) in enumerate(steps) for unit, lasts in _ways(step)]
    columns = np.array(ways, np.int64).reshape(-1, 3)
    return PlanProblem(
        name=str(read.get("name") or Path(place).stem),
        units=tuple(WorkUnit(f"M{row + 1}", group=groups[row]) for row in range(units)),
        jobs=tuple(Job(f"J{row + 1}") for row in range(len(read["jobs"]))),
        operation_job=job_of,
        operation_name=[f"step {row + 1}" for told in read["jobs"] for row in range(len(told))],
        operation_branch=np.full(len(steps), ALWAYS, np.int32),
        mode_operation=columns[:, 0].astype(np.int32),
        mode_unit=columns[:, 1].astype(np.int32),
        mode_duration=columns[:, 2].copy(),
        mode_setup=np.full(len(ways), -1, np.int32),
        mode_name=[""] * len(ways),
        arc_before=follows,
        arc_after=follows + np.int32(1),
        arc_least=np.zeros(len(follows), np.int64),
        arc_most=np.full(len(follows), -1, np.int64),
        transport=Transport(travel, np.arange(1, units + 1, dtype=np.int32), 0, None if read.get("agvs") is None else int(read["agvs"])),
    )


def _ways(step: dict[str, Any]) -> Iterator[tuple[int, int]]:
    lasts = step["time"] if isinstance(step["time"], list) else [step["time"]] * len(step["machines"])
    yield from zip(step["machines"], lasts, strict=True)


def _whole(value: object, least: int = 0, most: int = _MOST) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer() and least <= value <= most


def _wrong(read: dict[str, Any]) -> Iterator[str]:
    travel = read.get("travel")
    if not isinstance(travel, list) or len(travel) < 2:
        yield "travel: write a row for each place, the first of which is where parts come in"
        return
    for row, line in enumerate(travel):
        if not isinstance(line, list) or len(line) != len(travel) or not all(_whole(way) for way in line):
            yield f"travel[{row + 1}]: write {len(travel)} whole numbers, the way to each place"
        elif line[row] != 0:
            yield f"travel[{row + 1}][{row + 1}]: the way from a place to itself is 0, not {line[row]}"
    vehicles = read.get("agvs")
    if vehicles is not None and not _whole(vehicles, 1, 10_000):
        yield f"agvs: how many there are, from 1, or null for as many as it takes; not {vehicles!r}"
    yield from _wrong_jobs(read.get("jobs"), len(travel) - 1)


def _wrong_jobs(jobs: object, units: int) -> Iterator[str]:
    if not isinstance(jobs, list) or not jobs:
        yield "jobs: write a list of jobs, each a list of steps"
        return
    for job, steps in enumerate(jobs):
        if not isinstance(steps, list) or not steps:
            yield f"jobs[{job + 1}]: write a list of steps"
            continue
        for number, step in enumerate(steps):
            what = _wrong_step(step, units)
            if what:
                yield f"jobs[{job + 1}][{number + 1}]{what}"


def _wrong_step(step: object, units: int) -> str:
    if not isinstance(step, dict):
        return ': write {"machines": [...], "time": ...}'
    machines, lasts = step.get("machines"), step.get("time")
    if not isinstance(machines, list) or not machines or not all(_whole(unit, 1, units) for unit in machines):
        return f".machines: write machines from 1 to {units}, not {json.dumps(machines)[:60]}"
    if len(set(machines)) < len(machines):
        return f".machines: a machine is there twice: {json.dumps(machines)[:60]}"
    if not _whole(lasts) and not (isinstance(lasts, list) and len(lasts) == len(machines) and all(_whole(one) for one in lasts)):
        return f".time: write a whole number, or one for each machine, not {json.dumps(lasts)[:60]}"
    return ""


def _groups(machines: object, units: int) -> list[str]:
    """Return what kind of machine each is, where names such as ``laser cutting M1-3`` tell."""
    groups = [""] * units
    for name in machines.values() if isinstance(machines, dict) else machines if isinstance(machines, list) else ():
        found = _ROWS.search(str(name))
        if found:
            first, last = int(found[1]), int(found[2] or found[1])
            for row in range(max(first, 1), min(last, units) + 1):
                groups[row - 1] = str(name)[: found.start()].strip()
    return groups
