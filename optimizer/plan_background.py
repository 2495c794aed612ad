"""Making a plan better in the background: a process that searches, a thread that hears it, and a job's row that shows how far it is."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any, Final

import structlog

from optimizer.plan_standing import Standing
from plant.clock import Clock
from plant.errors import SettingsError, Unavailable
from plant.plan_file import read_plan, write_plan, write_problem
from plant.plan_problem import PlanProblem
from plant.plans import Plan
from storage.database import Connection, connect
from storage.optimizer_jobs import Job, move_job

_TELL_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 30.0
"""A search that goes on so long after its time hangs."""


class Improving:
    """One search at work. Where the database goes away meanwhile it goes on: only its progress is not told."""

    def __init__(
        self, url: str, job: Job, problem: PlanProblem, plan: Plan, clock: Clock, *, seconds: float, seed: int, workers: int
    ) -> None:
        self.job = job
        self.problem = problem
        self.answer: dict[str, Any] | None = None
        """What came of it, once it has ended."""
        self.problem_words = ""
        """Why nothing came of it."""
        self._url, self._clock, self._seconds = url, clock, seconds
        told = {"problem": write_problem(problem), "plan": write_plan(problem, plan), "seconds": seconds, "seed": seed, "workers": workers}
        flags = ["-P"] if sys.flags.safe_path else []
        self._process = subprocess.Popen(
            [sys.executable, *flags, "-m", "optimizer.plan_child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._request = json.dumps(told) + "\n"
        self._thread = threading.Thread(target=self._run, name="improving", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def found(self) -> Standing | None:
        """Return the plan that came of it, with the problem it was made for; None where none did."""
        if self.answer is None or "plan" not in self.answer:
            return None
        try:
            return Standing(None, self.problem, read_plan(self.answer["plan"], self.problem))
        except SettingsError as error:
            self.problem_words = str(error)
            return None

    def stop(self, seconds: float = 5.0) -> None:
        """End it now; what it found so far is lost."""
        self._process.kill()
        self._thread.join(seconds)

    def _run(self) -> None:
        watch = threading.Timer(self._seconds + _GRACE_SECONDS, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            self._hear()
        except (OSError, ValueError) as error:
            self.problem_words = f"the search ended early: {error}"
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would look like one that found nothing
            self.problem_words = repr(error)
        finally:
            watch.cancel()
            self._process.kill()
            code = self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        if self.answer is None and not self.problem_words:
            self.problem_words = f"the search ended early, with exit code {code}"

    def _hear(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 - pipes
        assert stdout is not None  # noqa: S101
        try:
            stdin.write(self._request)
            stdin.flush()
        except BrokenPipeError:
            return
        connection: Connection | None = None
        due = 0.0
        try:
            for line in stdout:
                told = json.loads(line)
                if "answer" in told:
                    self.answer = told["answer"]
                    return
                if self._clock.monotonic() >= due:
                    due = self._clock.monotonic() + _TELL_SECONDS
                    connection = self._tell(connection, told)
        finally:
            if connection is not None:
                connection.close()

    def _tell(self, connection: Connection | None, told: dict[str, Any]) -> Connection | None:
        words = f"objective {told['objective']:,}, at least {told['bound']:,}, by {told['by']}"
        try:
            connection = connection or connect(self._url, application="leadhand optimizer planning")
            move_job(connection, self.job.id, min(told["seconds"] / max(self._seconds, 1e-9), 1.0), words, self._clock.now_us())
        except Unavailable as error:
            structlog.get_logger(process="optimizer").warning("the progress of a plan cannot be told", reason=str(error))
            return None
        return connection
