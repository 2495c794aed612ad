"""Making a plan better in the background: a process that searches, and a job's row that shows how far it is."""

from __future__ import annotations

from typing import Any, Final

import structlog

from optimizer.child import Child
from optimizer.plan_standing import Standing
from plant.clock import Clock
from plant.errors import SettingsError, Unavailable
from plant.plan_file import read_plan, write_plan, write_problem
from plant.plan_problem import PlanProblem
from plant.plans import Plan
from storage.database import Connection, connect
from storage.optimizer_jobs import Job, move_job

_TELL_SECONDS: Final = 1.0


class Improving:
    """One search at work. Where the database goes away meanwhile it goes on: only its progress is not told."""

    def __init__(
        self, url: str, job: Job, problem: PlanProblem, plan: Plan, clock: Clock, *, seconds: float, seed: int, workers: int
    ) -> None:
        self.job = job
        self.problem = problem
        self._url, self._clock, self._seconds = url, clock, seconds
        self._connection: Connection | None = None
        self._due = 0.0
        self._unread = ""
        told = {"problem": write_problem(problem), "plan": write_plan(problem, plan), "seconds": seconds, "seed": seed, "workers": workers}
        self._child = Child("optimizer.plan_child", told, seconds=seconds, heard=self._heard, finished=self._close)

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or not."""
        return self._child.ended

    @property
    def answer(self) -> dict[str, Any] | None:
        """What came of it, once it has ended."""
        return self._child.answer

    @property
    def problem_words(self) -> str:
        """Why nothing came of it."""
        return self._unread or self._child.problem_words

    def found(self) -> Standing | None:
        """Return the plan that came of it, with the problem it was made for; None where none did."""
        if self.answer is None or "plan" not in self.answer:
            return None
        try:
            return Standing(None, self.problem, read_plan(self.answer["plan"], self.problem))
        except SettingsError as error:
            self._unread = str(error)
            return None

    def stop(self, seconds: float = 5.0) -> None:
        """End it now; what it found so far is lost."""
        self._child.stop(seconds)

    def _heard(self, told: dict[str, Any]) -> None:
        if self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + _TELL_SECONDS
        words = f"objective {told['objective']:,}, at least {told['bound']:,}, by {told['by']}"
        try:
            self._connection = self._connection or connect(self._url, application="leadhand optimizer planning")
            share = min(told["seconds"] / max(self._seconds, 1e-9), 1.0)
            move_job(self._connection, self.job.id, share, words, self._clock.now_us())
        except Unavailable as error:
            structlog.get_logger(process="optimizer").warning("the progress of a plan cannot be told", reason=str(error))
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
