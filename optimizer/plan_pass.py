"""The plan kept true to the plant: orders and disturbances are taken up at once, the rest is made better in the background.

Each step is short. A plan is stored in one transaction with all that it answers; killed at any point, another optimizer goes on from the
version that stands, and from the jobs that were left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from optimizer.knowledge import Knowledge
from optimizer.plan_background import Improving
from optimizer.plan_keeping import Faulty, Why, keep, note_left_out
from optimizer.plan_progress import note_progress
from optimizer.plan_senses import Senses
from optimizer.plan_standing import Standing, is_other, places
from optimizer.plan_taking import Taken, Wanted, settled, take, up_again
from optimizer.plan_trying import edits_tried, planned_now
from optimizer.plan_what_if import edit_what_if, what_if
from optimizer.plan_world import World, WorldReader
from optimizer.replanning import at_once, repaired
from plant.clock import Clock
from plant.errors import Rejected, SettingsError, Unavailable
from plant.plan_check import objective_of, plan_faults
from plant.plan_file import read_plan, read_problem
from plant.plan_problem import PlanProblem
from plant.plan_shift import Shifted
from plant.planning_rules import PlanningRules
from plant.plans import Infeasible, Plan
from plant.share_rules import ShareRules
from storage.database import Connection
from storage.optimizer_jobs import Job, ask_job, begin_job, end_job
from storage.plan_edits import EditState, answer_edits, read_edits
from storage.plans import ADOPT_JOB, PLAN_JOB, UNDO_JOB, WHAT_IF_JOB, PlanKind, PlanRole, read_plan_content, read_standing

_PROGRESS_SECONDS: Final = 10.0
_UNNOTICED_US: Final = 120_000_000
_MARGIN_SECONDS: Final = 15.0
"""Beside the time of a search: what it takes to begin and to end it."""


class PlanPass:
    """One planner at work on one database."""

    def __init__(self, url: str, rules: PlanningRules, clock: Clock, share: ShareRules | None = None) -> None:
        self._url, self._rules, self._clock = url, rules, clock
        self._reader = WorldReader(rules, share)
        self._senses = Senses(rules, clock)
        self._standing: Standing | None = None
        self._improving: Improving | None = None
        self._world: World | None = None
        self._mark = ""
        self._look_us: int | None = None
        self._progress_due = 0.0
        self._wants_better = False
        self._improved_at: float | None = None
        self._log = structlog.get_logger(process="optimizer")

    @property
    def at_work(self) -> bool:
        """Whether it searches in the background at the moment."""
        return self._improving is not None

    def begin(self) -> None:
        """Take up what another left: what is known is read anew."""
        self._mark = ""
        self._standing = None
        self.end()

    def end(self) -> None:
        """End what is searched in the background."""
        if self._improving is not None:
            self._improving.stop()
            self._improving = None

    def step(self, connection: Connection, known: Knowledge | None, *, learning: bool = False) -> bool:
        """Do a piece of what is due; return whether more waits. While nothing is known and something is learned, all stays as it is."""
        if not self._rules.settings.enabled or (known is None and learning):
            return False
        try:
            return self._step(connection, known)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - what cannot be planned must not keep the optimizer from all else
            self._log.exception("a step of planning failed")
            return False

    def _step(self, connection: Connection, known: Knowledge | None) -> bool:
        self._stand(connection)
        if self._world is not None:
            self._senses.step(connection, self._standing, self._world.jobs)
        if self._improving is not None and self._improving.ended:
            self._take_search(connection, known)
        job = self._asked(connection)
        mark = self._reader.mark(connection, known)
        due = self._look_us is not None and self._clock.now_us() >= self._look_us
        if job is not None or mark != self._mark or due:
            self._answer(connection, known, job)
            self._mark = self._reader.mark(connection, known)
            self._progress_due = 0.0
        self._note(connection, known)
        self._improve(connection, known)
        return job is not None

    def _stand(self, connection: Connection) -> None:
        """Have the version that stands in memory."""
        version = read_standing(connection, PlanRole.LIVE)
        if version is None:
            self._standing = None
        elif self._standing is None or self._standing.number != version.id:
            self._standing = self._read(connection, version.id)

    def _read(self, connection: Connection, number: int) -> Standing | None:
        content = read_plan_content(connection, number)
        if content is None:
            return None
        try:
            problem = read_problem(content.problem, f"plan {number}")
            return Standing(number, problem, read_plan(content.plan, problem, f"plan {number}"))
        except SettingsError as error:
            # a version of Leadhand that wrote it otherwise: a new one is made
            self._log.warning("a plan that is kept cannot be read; another one is made", plan=number, problems=error.problems[:3])
            return None

    def _asked(self, connection: Connection) -> Job | None:
        kinds = [UNDO_JOB, WHAT_IF_JOB, ADOPT_JOB, *([] if self._improving is not None else [PLAN_JOB])]
        return begin_job(connection, kinds, self._clock.now_us())

    def _answer(self, connection: Connection, known: Knowledge | None, job: Job | None) -> None:
        """Take up what came; where somebody asked for something, answer. What goes wrong is told, and tried again with what comes next."""
        try:
            answer = self._did(connection, known, job)
        except Unavailable:
            raise
        except (Rejected, Faulty) as error:
            answer = {"problem": str(error)}
            if job is None:
                self._log.warning("the plan stays as it is", reason=str(error))
        except Exception as error:  # noqa: BLE001 - what cannot be planned must not keep the optimizer from all else
            self._log.exception("the plan could not be made")
            answer = {"problem": repr(error)}
        if job is not None and (job.kind != PLAN_JOB or "problem" in answer):
            problem = str(answer.pop("problem", ""))
            end_job(connection, job.id, self._clock.now_us(), answer=answer, problem=problem)

    def _did(self, connection: Connection, known: Knowledge | None, job: Job | None) -> dict[str, Any]:
        world = self._reader.read(connection, known)
        if world is None:
            if job is None:
                return {}
            raise Rejected("no process network was imported yet: leadhand import network network.json")
        for one in reversed(read_edits(connection, states=[EditState.WAITING], kind=PlanKind.WHAT_IF, most=100)):
            edit_what_if(connection, self._reader, known, self._rules, one, self._clock, self._read)
        before, self._world = self._world, world
        if job is not None and job.kind == WHAT_IF_JOB:
            return what_if(connection, self._reader, known, self._standing, self._rules, job, self._clock, self._read)
        restored = None
        if job is not None and job.kind in {UNDO_JOB, ADOPT_JOB}:
            restored = self._read(connection, int(job.request["version"]))
            if restored is None:
                raise Rejected(f"plan {job.request['version']} is not kept any more")
        reason = "" if job is None else {UNDO_JOB: "undo", ADOPT_JOB: "adopted", PLAN_JOB: ""}[job.kind]
        changed = self._take_up(connection, world, before, restored, reason, "" if job is None else job.actor)
        if job is not None and job.kind == PLAN_JOB:
            self._search(connection, world, job)
        elif changed and restored is None:
            self._wants_better = True
        elif restored is not None:
            # what a person chose is not made otherwise before something comes up
            self._wants_better = False
        return {"version": None if self._standing is None else self._standing.number, "changed": changed}

    def _take_up(
        self, connection: Connection, world: World, before: World | None, restored: Standing | None, reason: str, actor: str
    ) -> bool:
        """Bring the plan that stands to the plant as it is; return whether there is another one now."""
        now_us, rules = self._clock.now_us(), self._rules
        self._look_us = self._next_look(world, now_us)
        if not world.jobs and self._standing is None:
            return False
        tried = edits_tried(world, self._standing, rules, now_us)
        taken = take(world, restored or self._standing, rules, now_us, Wanted(edits=tried.edits))
        if self._standing is None and not taken.problem.jobs:
            # nothing is known yet of what is ordered: why not stands at each order, and a plan of nothing is none
            note_left_out(connection, world, taken.made.left_out, now_us)
            return False
        found = at_once(taken.problem, taken.plan, urgent=taken.urgent, seed=rules.settings.seed)
        if isinstance(found, Infeasible):
            note_left_out(connection, world, {one.job.id: "; ".join(found.why)[:500] for one in world.jobs}, now_us)
            raise Rejected("; ".join(found.why))
        problem, plan = found.problem, found.plan
        if self._standing is None:
            plan = _better_first(taken, found, rules)
        came = _causes(before, world)
        self._wants_better |= restored is None and any(cause.get("ended") for cause in came)
        causes = [*came, *({"what": "refused", "words": words} for words in taken.refused)]
        # what is learned anew changes all times a little: nobody is told of that
        room_us = 0 if {cause["what"] for cause in causes} - {"learned"} or restored is not None else _UNNOTICED_US
        if not tried.edits and not is_other(self._standing, Standing(None, problem, plan), now_us, room_us):
            answer_edits(connection, tried.answers, now_us=now_us)
            note_left_out(connection, world, taken.made.left_out, now_us)
            return False
        said = reason or ("first" if self._standing is None else "edit" if tried.edits else _reason(causes, self._standing, problem))
        why = Why(said, causes, actor or tried.actor, edits=tried.answers)
        self._standing = keep(connection, world, taken.made, problem, plan, self._standing, rules, why, now_us)
        self._log.info("the plan was made anew", reason=said, version=self._standing.number, jobs=len(problem.jobs))
        if said == "shifted":
            self._repair(connection, world, taken, found, causes)
        return True

    def _repair(self, connection: Connection, world: World, taken: Taken, found: Shifted, causes: Sequence[Mapping[str, Any]]) -> None:
        """Place few operations anew where that saves something."""
        settings = self._rules.settings
        # a solver would stay in memory for it: the search in the background has one
        better = repaired(taken.problem, taken.plan, found, seconds=settings.first_seconds, seed=settings.seed, exact=False)
        if better.objective >= better.objective_shifted or len(better.loosed) > len(found.loosed):
            return
        why = Why("repaired", causes, seconds=better.wall_s)
        self._standing = keep(
            connection, world, taken.made, better.problem, better.plan, self._standing, self._rules, why, self._clock.now_us()
        )
        self._log.info("the plan was repaired", version=self._standing.number, placed_anew=better.placed_anew, shifted=better.shifted)

    def _next_look(self, world: World, now_us: int) -> int | None:
        """When a unit of which nobody says when it is up again is taken to be down for longer."""
        tick = self._rules.tick_us
        times = [
            one.told.from_us + up_again(0, (now_us - one.told.from_us) // tick, self._rules) * tick
            for one in world.disturbances
            if one.told.kind == "breakdown" and one.ended_us is None and one.told.until_us is None
        ]
        if self._rules.settings.reports and self._standing is not None:
            times.append(now_us + 60_000_000)
        return min(times, default=None)

    def _improve(self, connection: Connection, known: Knowledge | None) -> None:
        """Begin a search in the background where something changed and the last one is long enough ago."""
        settings = self._rules.settings
        if not self._wants_better or self._improving is not None or self._standing is None or not settings.improve_seconds:
            return
        if self._improved_at is not None and self._clock.monotonic() - self._improved_at < settings.improve_every_seconds:
            return
        self._wants_better = False
        ask_job(connection, PLAN_JOB, "", {"by": "optimizer"}, actor="", now_us=self._clock.now_us())
        job = begin_job(connection, [PLAN_JOB], self._clock.now_us())
        world = self._reader.read(connection, known)
        if job is not None and world is not None:
            self._search(connection, world, job)

    def _search(self, connection: Connection, world: World, job: Job) -> None:
        settings, now_us = self._rules.settings, self._clock.now_us()
        seconds = settings.improve_seconds or settings.first_seconds
        if self._standing is None:
            end_job(connection, job.id, now_us, answer={"version": None, "changed": False})
            return
        # what will have begun, or be frozen, once the search ends, it must leave
        ahead = round((seconds + _MARGIN_SECONDS) * 1e6)
        taken = take(world, self._standing, self._rules, now_us, ahead_us=ahead)
        found = settled(taken)
        if not isinstance(found, Shifted):
            end_job(connection, job.id, now_us, problem="; ".join(found.why))
            return
        self._improved_at = self._clock.monotonic()
        self._improving = Improving(
            self._url,
            job,
            found.problem,
            found.plan,
            self._clock,
            seconds=seconds,
            seed=settings.seed,
            workers=settings.workers,
        )

    def _take_search(self, connection: Connection, known: Knowledge | None) -> None:
        improving, self._improving = self._improving, None
        assert improving is not None  # noqa: S101 - it has ended
        try:
            self._take_better(connection, known, improving)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - its job must not seem to go on
            self._log.exception("what a search found could not be taken")
            end_job(connection, improving.job.id, self._clock.now_us(), problem=repr(error))

    def _take_better(self, connection: Connection, known: Knowledge | None, improving: Improving) -> None:
        """Take what the search found, if it still fits and is enough better."""
        self._improved_at = self._clock.monotonic()
        found, now_us = improving.found(), self._clock.now_us()
        world = self._reader.read(connection, known)
        if found is None or world is None or self._standing is None or improving.answer is None:
            words = improving.problem_words or "; ".join((improving.answer or {}).get("infeasible", ("nothing better was found in time",)))
            end_job(connection, improving.job.id, now_us, problem=words)
            return
        now = settled(take(world, self._standing, self._rules, now_us))
        then = settled(take(world, found, self._rules, now_us))
        changed, gain = False, 0.0
        if isinstance(now, Shifted) and isinstance(then, Shifted) and not plan_faults(now.problem, then.plan):
            before, after = objective_of(now.problem, now.plan), objective_of(now.problem, then.plan)
            gain = (before - after) / max(before, 1)
            if after < before and gain * 100 >= self._rules.settings.least_gain_percent:
                why = Why(
                    "improved",
                    ({"what": "search", "by": str(improving.answer["by"]), "gain_percent": round(100 * gain, 2)},),
                    improving.job.actor,
                    seconds=float(improving.answer["wall_seconds"]),
                    bound=int(improving.answer["bound"]),
                )
                made = take(world, found, self._rules, now_us).made
                self._standing = keep(connection, world, made, now.problem, then.plan, self._standing, self._rules, why, now_us)
                changed = True
        answer = {
            "version": self._standing.number,
            "changed": changed,
            "gain_percent": round(100 * gain, 2),
            "objective": improving.answer["objective"],
            "bound": improving.answer["bound"],
            "cpu_seconds": round(float(improving.answer["cpu_seconds"]), 2),
        }
        end_job(connection, improving.job.id, now_us, answer=answer)
        self._log.info("a search for a better plan ended", **answer)

    def _note(self, connection: Connection, known: Knowledge | None) -> None:
        """Note now and then how far job orders are."""
        if self._standing is None or self._clock.monotonic() < self._progress_due:
            return
        self._progress_due = self._clock.monotonic() + _PROGRESS_SECONDS
        world = self._reader.read(connection, known)
        if world is None:
            return
        self._world = world if self._world is None else self._world
        if note_progress(connection, world, self._standing, self._clock.now_us(), reports=self._rules.settings.reports):
            self._end_locks(connection, world)

    def _end_locks(self, connection: Connection, world: World) -> None:
        """A lock ends with what it holds."""
        assert self._standing is not None  # noqa: S101 - asked before
        now_us = self._clock.now_us()
        stood = places(self._standing.problem, self._standing.plan)
        done = {}
        for lock in world.locks:
            place = stood.get((lock.edit.job_order, lock.edit.operation))
            if place is None or place.start_us <= now_us:
                done[lock.id] = (EditState.ENDED, "")
        answer_edits(connection, done, now_us=now_us)


def _better_first(taken: Taken, found: Shifted, rules: PlanningRules) -> Plan:
    """Of a first plan: what a quick search finds, where it is better than one order after the other."""
    plan = planned_now(taken, rules)
    if isinstance(plan, Infeasible) or plan_faults(found.problem, plan):
        return found.plan
    return plan if objective_of(found.problem, plan) < objective_of(found.problem, found.plan) else found.plan


def _causes(before: World | None, now: World) -> list[Mapping[str, Any]]:
    """What is other than when the plan was last looked at."""
    if before is None:
        return []
    told: list[Mapping[str, Any]] = []
    known = {one.id: one for one in before.disturbances}
    for one in now.disturbances:
        old = known.get(one.id)
        if old is None or (old.ended_us, old.told.until_us) != (one.ended_us, one.told.until_us):
            what = {"what": "disturbance", "id": one.id, "kind": one.told.kind, "subject": one.told.subject, "source": one.told.source}
            told.append({**what, "ended": one.ended_us is not None})
    old_jobs, new_jobs = ({one.job.id: replace(one.job, state=one.job.state) for one in world.jobs} for world in (before, now))
    came, gone = _orders(new_jobs, old_jobs), _orders(old_jobs, new_jobs)
    other = sorted({new_jobs[name].order for name in new_jobs.keys() & old_jobs.keys() if _asks(new_jobs[name]) != _asks(old_jobs[name])})
    if came or gone or other:
        told.append({"what": "orders", "added": came[:20], "gone": gone[:20], "changed": other[:20]})
    if before.expected is not now.expected or before.network is not now.network:
        told.append({"what": "learned"})
    told += [{"what": "edit", "id": one.id, "act": one.edit.act, "job_order": one.edit.job_order} for one in now.edits]
    return told


def _orders(some: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    return sorted({some[name].order for name in some.keys() - others.keys()})


def _asks(job: Any) -> tuple[Any, ...]:
    return (job.product, job.alternatives, job.release_us, job.due_us, job.priority)


def _reason(causes: Sequence[Mapping[str, Any]], standing: Standing, problem: PlanProblem) -> str:
    kinds = {cause["what"] for cause in causes}
    came = {job.name for job in problem.jobs} - {job.name for job in standing.problem.jobs}
    return "shifted" if "disturbance" in kinds else "orders" if "orders" in kinds or came else "replan"
