"""Plans from files: read the instance, search while a person looks on, check, print and write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from leadhand.console import Console
from leadhand.plan_drawing import drawn
from leadhand.searches import check_writable, errors_told_apart, interrupts, read_file, write_file
from optimizer.plan_formats import PlanFormat, load_instance
from plant.clock import Clock
from plant.errors import Rejected
from plant.plan_check import measures, objective_of, plan_faults
from plant.plan_file import plan_json, plan_of, plan_text, read_plan, read_plan_file
from plant.plan_pieces import PlanFile
from plant.plan_problem import Objective, PlanProblem
from plant.plan_words import span_words, time_words
from plant.plans import Infeasible, OutOfTime, Plan, Solved

OK, NO_PLAN = 0, 1


@dataclass(frozen=True, slots=True)
class WantedPlan:
    """What a person asked for."""

    file: Path
    form: str | None = None
    seconds: float = 10.0
    seed: int = 1
    workers: int = 2
    jobs: int | None = None
    output: Path | None = None
    begin_with: Path | None = None
    as_json: bool = False


def plan_file(wanted: WantedPlan, console: Console, clock: Clock) -> int:
    """Print the best plan found for a file, and write it where asked. Return the exit code. Raises SettingsError before any work."""
    problem, form = load_instance(wanted.file, None if wanted.form is None else PlanFormat(wanted.form), jobs=wanted.jobs)
    begin_with = _beginning(wanted, problem, console)
    check_writable(wanted.output)
    from optimizer.planning import Progress, plan

    told: list[Progress] = []
    began = clock.monotonic()
    with errors_told_apart(), interrupts() as interrupted:
        console.said(f"{problem.name}: {_size(problem)} ({form.value}); at most {wanted.seconds:g} s, Ctrl-C gives the best plan so far")

        def looked_on() -> bool:
            console.waiting(_progress(clock.monotonic() - began, told[-1] if told else None))
            return interrupted.is_set()

        outcome = plan(
            problem,
            seconds=wanted.seconds,
            seed=wanted.seed,
            workers=wanted.workers,
            begin_with=begin_with,
            on_progress=told.append,
            stop=looked_on,
        )
    console.waiting(None)
    if not isinstance(outcome, Solved):
        return _none(outcome, problem, wanted, interrupted=interrupted.is_set())
    faults = plan_faults(problem, outcome.plan)
    if faults:
        raise Rejected("\n".join([f"{wanted.file}: the plan found breaks rules, and is not given:", *faults]))
    file = plan_json(problem, outcome.plan, outcome, seed=wanted.seed, verified=True)
    file |= {"format": form.value, "workers": wanted.workers}
    file |= {"interrupted": True} if interrupted.is_set() else {}
    PlanFile.model_validate(file)
    text = plan_text(file)
    if wanted.output is not None:
        write_file(wanted.output, text)
    if wanted.as_json:
        typer.echo(text, nl=False)
    else:
        typer.echo("\n".join((*_told(problem, outcome), "", *drawn(problem, outcome.plan, console.width))))
    if wanted.output is not None:
        console.said(f"written to {wanted.output}")
    return OK


def verify_file(file: Path, plan: Path, form: str | None, jobs: int | None, *, as_json: bool) -> int:
    """Print whether a plan keeps the rules of an instance. Return the exit code. Raises SettingsError where a file cannot be read."""
    problem, _ = load_instance(file, None if form is None else PlanFormat(form), jobs=jobs)
    told = read_plan_file(read_file(plan, "a plan"), str(plan))
    found = plan_of(told, problem, str(plan))
    faults = [*plan_faults(problem, found), *_overstated(problem, found, told)]
    worth = measures(problem, found)
    if as_json:
        figures = {name: getattr(worth, name) for name in ("makespan", "tardiness", "late_jobs", "setup", "moved", "flow")}
        done = int((found.mode >= 0).sum())
        answer = {"verified": not faults, "objective": objective_of(problem, found), **figures, "operations": done, "faults": faults}
        typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    elif faults:
        typer.echo("\n".join([f"{plan}: {len(faults):,} fault{'s' if len(faults) > 1 else ''}", *(f"  {fault}" for fault in faults)]))
    else:
        typer.echo(f"{plan} keeps every rule of {problem.name}: {_worth(problem, found)}")
    return NO_PLAN if faults else OK


def _overstated(problem: PlanProblem, plan: Plan, told: PlanFile) -> Iterator[str]:
    worth = measures(problem, plan)
    for name in ("makespan", "tardiness", "late_jobs", "setup", "moved", "flow"):
        said = getattr(told, name)
        if said is not None and said != getattr(worth, name):
            yield f"the file says {name} {said:,}, and it is {getattr(worth, name):,}"
    objective = objective_of(problem, plan)
    if told.objective is not None and told.objective != objective:
        yield f"the file says objective {told.objective:,}, and it is {objective:,}"
    if told.lower_bound is not None and told.lower_bound > objective:
        yield f"the file says that no plan has less than {told.lower_bound:,}, and this one has {objective:,}"


def _beginning(wanted: WantedPlan, problem: PlanProblem, console: Console) -> Plan | None:
    if wanted.begin_with is None:
        return None
    plan = read_plan(read_file(wanted.begin_with, "a plan"), problem, str(wanted.begin_with))
    faults = plan_faults(problem, plan)
    if not faults:
        return plan
    console.trouble(f"--begin-with {wanted.begin_with}: has {len(faults)} faults and is left aside; the first: {faults[0]}")
    return None


def _progress(seconds: float, last: Any) -> str:
    if last is None:
        return f"{seconds:,.1f} s: looking for a first plan"
    gap = f", {100 * (last.objective - last.bound) / last.bound:.1f} % above it" if last.bound > 0 else ""
    return f"{seconds:,.1f} s: best {last.objective:,} by {last.by}; lower bound {last.bound:,}{gap}"


def _none(outcome: Infeasible | OutOfTime, problem: PlanProblem, wanted: WantedPlan, *, interrupted: bool) -> int:
    if isinstance(outcome, Infeasible):
        told: dict[str, Any] = {"status": "infeasible", "why": list(outcome.why)}
        words = [f"{problem.name}: there is no plan", *(f"  {why}" for why in outcome.why)]
    else:
        told = {"status": "out_of_time", "wall_seconds": round(outcome.seconds, 3), "lower_bound": outcome.bound}
        when = "it was stopped" if interrupted else f"{outcome.seconds:,.1f} s were over"
        words = [f"{problem.name}: no plan was found before {when}; there may be one: give more by --seconds"]
    if wanted.as_json:
        typer.echo(json.dumps({"problem": problem.name, **told, "interrupted": interrupted}, indent=1, ensure_ascii=False))
    else:
        typer.echo("\n".join(words), err=True)
    return NO_PLAN


def _size(problem: PlanProblem) -> str:
    return f"{len(problem.jobs):,} jobs, {len(problem.operation_job):,} operations on {len(problem.units):,} units"


def _told(problem: PlanProblem, solved: Solved) -> Iterator[str]:
    what = "makespan" if problem.objective == Objective() else "objective"
    if solved.proved:
        yield f"{what} {solved.objective:,}: optimal, no plan has less"
    elif solved.bound > 0:
        share = 100 * (solved.objective - solved.bound) / solved.bound
        yield f"{what} {solved.objective:,}: at most {share:.2f} % above what is possible (lower bound {solved.bound:,})"
    else:
        yield f"{what} {solved.objective:,}: how good it is was not proved (no lower bound)"
    yield _worth(problem, solved.plan)
    yield f"verified: it keeps every rule; {solved.wall_s:.2f} s wall, {solved.cpu_s:.2f} s CPU; best found by {solved.by or 'search'}"


def _worth(problem: PlanProblem, plan: Plan) -> str:
    worth = measures(problem, plan)
    ends = time_words(problem, worth.makespan) if problem.origin_us is not None else f"{worth.makespan:,}"
    words = [f"ends at {ends}"]
    if any(job.due is not None for job in problem.jobs):
        words.append(f"{worth.late_jobs:,} of {sum(job.due is not None for job in problem.jobs):,} jobs late")
    if any(unit.setup is not None for unit in problem.units):
        words.append(f"setup {span_words(problem, worth.setup)}")
    if problem.reference_mode is not None:
        words.append(f"{worth.moved:,} operations moved")
    if plan.trips:
        words.append(f"{len(plan.trips):,} trips")
    return ", ".join(words)
