"""Instances from files of other people: each format read strictly, into one kind of problem; what is wrong is told with file and line."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

import numpy as np

from optimizer.plan_ipps import read_ipps
from optimizer.plan_numbers import Numbers
from optimizer.plan_plate_shop import read_transport
from plant.errors import SettingsError
from plant.plan_file import read_problem
from plant.plan_problem import ALWAYS, Job, PlanProblem, WorkUnit
from plant.plan_subset import first_jobs

LARGEST_BYTES = 200_000_000


class PlanFormat(StrEnum):
    """How a file says what is to be planned."""

    FJSP = "fjsp"
    """Flexible job shop: counts, then a line of numbers for each job (Brandimarte, Hurink, Kacem, Fattahi, dpp)."""
    SDST = "sdst"
    """The same, and then for each machine the setup times between jobs."""
    IPPS = "ipps"
    """Routes to choose with AND and OR, as graphs: out, in, info (Kim)."""
    TRANSPORT = "transport"
    """A shop with vehicles, in JSON: travel, agvs, jobs."""
    LEADHAND = "leadhand"
    """A problem as Leadhand writes it: docs/plan.md."""


def load_instance(path: Path, given: PlanFormat | None = None, *, jobs: int | None = None) -> tuple[PlanProblem, PlanFormat]:
    """Return what a file asks to be planned, and its format. Raises SettingsError that tells what to do."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise SettingsError(f"{path}: holds more than {LARGEST_BYTES // 1_000_000} MB; is it an instance?")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is no UTF-8 text: {error.reason} at byte {error.start}") from error
    form = given or guessed_format(text, str(path))
    return first_jobs(read_instance(text, str(path), form), jobs, str(path)), form


def read_instance(text: str, place: str, form: PlanFormat | str) -> PlanProblem:
    """Return what a text asks to be planned; ``place`` names it in errors."""
    form = PlanFormat(form)
    if form is PlanFormat.LEADHAND:
        return read_problem(text, place)
    if form is PlanFormat.TRANSPORT:
        return read_transport(text, place)
    if form is PlanFormat.IPPS:
        return read_ipps(text, place)
    return _read_shop(text, place, with_setups=form is PlanFormat.SDST)


def guessed_format(text: str, place: str) -> PlanFormat:
    """Return the format that a text is in, by what it holds. Raises SettingsError where none fits."""
    if text.lstrip()[:1] == "{":
        try:
            read = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{place}: is no JSON: {error}") from error
        if "leadhand" in read:
            return PlanFormat.LEADHAND
        if "travel" in read:
            return PlanFormat.TRANSPORT
        raise SettingsError(f'{place}: is JSON without "leadhand" or "travel"; say what it is by --format')
    lines = [line.strip() for line in text.splitlines()]
    if "out" in lines and "info" in lines:
        return PlanFormat.IPPS
    numbers = Numbers(text, place)
    jobs, units = _head(numbers)
    _jobs(numbers, jobs, units)
    return PlanFormat.SDST if numbers.left else PlanFormat.FJSP


def _head(numbers: Numbers) -> tuple[int, int]:
    """Return how many jobs and units the first line tells; a third number, ways per operation, may be there and is not needed."""
    line = numbers.line()
    if len(line) not in {2, 3}:
        raise numbers.wrong(line, "write jobs, machines and, if you like, alternatives per operation in the first line")
    return numbers.count(line, 0, "jobs"), numbers.count(line, 1, "machines")


def _jobs(numbers: Numbers, jobs: int, units: int) -> list[list[list[tuple[int, int]]]]:
    """Return unit and duration of each alternative of each operation of each job."""
    made = []
    for job in range(jobs):
        operations = []
        for operation in range(numbers.next(f"operations of job {job + 1}", least=1)):
            told = f"job {job + 1}, operation {operation + 1}"
            ways = numbers.next(f"alternatives of {told}", least=1)
            pairs = [(numbers.next(f"machine of {told}", most=units), numbers.next(f"time of {told}")) for _ in range(ways)]
            operations.append(pairs)
        made.append(operations)
    return made


def _read_shop(text: str, place: str, *, with_setups: bool) -> PlanProblem:
    numbers = Numbers(text, place)
    jobs, units = _head(numbers)
    told = _jobs(numbers, jobs, units)
    job_of = np.repeat(np.arange(jobs), [len(operations) for operations in told]).astype(np.int32)
    ways = [pairs for operations in told for pairs in operations]
    columns = np.array([pair for pairs in ways for pair in pairs], np.int64)
    from_zero = bool((columns[:, 0] == 0).any())
    if from_zero and columns[:, 0].max() == units:
        raise SettingsError(f"{place}: machines are numbered from 0 and from 1; there are {units}")
    setups = _setups(numbers, jobs, units, len(ways)) if with_setups else None
    if numbers.left:
        more = "more numbers than the jobs need; are there setup times? Then say --format sdst"
        raise SettingsError(f"{place}: line {numbers.line_number}: {numbers.left:,} {more}")
    operation = np.repeat(np.arange(len(ways)), [len(pairs) for pairs in ways]).astype(np.int32)
    by_job = setups is not None and setups.shape[1] == jobs
    follows = np.flatnonzero(job_of[1:] == job_of[:-1]).astype(np.int32)
    return PlanProblem(
        name=Path(place).stem,
        units=tuple(WorkUnit(f"M{row + (not from_zero)}", None if setups is None else setups[row]) for row in range(units)),
        jobs=tuple(Job(f"J{row + 1}") for row in range(jobs)),
        operation_job=job_of,
        operation_name=[f"operation {row + 1}" for operations in told for row in range(len(operations))],
        operation_branch=np.full(len(ways), ALWAYS, np.int32),
        mode_operation=operation,
        mode_unit=(columns[:, 0] - (not from_zero)).astype(np.int32),
        mode_duration=columns[:, 1].copy(),
        mode_setup=np.full(len(operation), -1, np.int32) if setups is None else job_of[operation] if by_job else operation.copy(),
        mode_name=[""] * len(operation),
        arc_before=follows,
        arc_after=follows + np.int32(1),
        arc_least=np.zeros(len(follows), np.int64),
        arc_most=np.full(len(follows), -1, np.int64),
    )


def _setups(numbers: Numbers, jobs: int, units: int, operations: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.int64]]:
    """Return (units, states, states): from which job, or operation, to which."""
    line, left = numbers.line_number, numbers.left
    states = next((count for count in (jobs, operations) if left == units * count * count), None)
    if states is None:
        wanted = f"{units} x {jobs} x {jobs} between jobs, or {units} x {operations} x {operations} between operations"
        raise SettingsError(f"{numbers.place}: line {line}: {left:,} setup times; for each machine they must be {wanted}")
    return numbers.rest().reshape(units, states, states)
