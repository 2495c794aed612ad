"""Learning in a thread of its own, so that questions are answered meanwhile; how far it is stands in its job's row."""

from __future__ import annotations

import threading

import structlog

from optimizer.knowledge import Knowledge, keep, learn, read_kept
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.optimizer_rules import OptimizerPlan
from storage.database import connect
from storage.optimizer_jobs import Job, end_job, move_job
from storage.recommendations import RouteModel, write_model


class Learning:
    """One learning at work. Where the database goes away meanwhile, it ends without an answer, and its job is done anew."""

    def __init__(self, url: str, job: Job, plan: OptimizerPlan, clock: Clock, before: Knowledge | None) -> None:
        self.knowledge: Knowledge | None = None
        """What was learned, once it has ended well."""
        self.refused: str | None = None
        """Why there is nothing to learn from."""
        self.left = False
        """Whether the database went away meanwhile, so that it is to be done anew."""
        self._url, self._job, self._plan, self._clock = url, job, plan, clock
        # who asks for a training gets one; else what another optimizer learned before is taken up
        self._before = None if job.actor or before is None else before.kept
        self._takes_up = not job.actor and before is None
        self._thread = threading.Thread(target=self._run, name="learning", daemon=True)
        self._thread.start()

    @property
    def kept_predictor(self) -> bool:
        """Whether what was known before predicts on, with other rules, prices or windows."""
        before, now = self._before, self.knowledge
        return before is not None and now is not None and now.adviser.predictor is before.predictor

    @property
    def ended(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def join(self, seconds: float) -> bool:
        """Wait for its end; return whether it ended in time."""
        self._thread.join(seconds)
        return self.ended

    def _run(self) -> None:
        log = structlog.get_logger(process="optimizer")
        try:
            self._learn()
        except Unavailable as error:
            self.left = True
            log.warning("learning waits for the database", reason=str(error))
        except Exception as error:
            log.exception("learning failed")
            self._note(f"{type(error).__name__}: {error}")

    def _learn(self) -> None:
        with connect(self._url, application="leadhand optimizer learning") as connection:

            def tell(share: float, step: str) -> None:
                move_job(connection, self._job.id, share, step, self._clock.now_us())

            try:
                if self._takes_up:
                    self._before = read_kept(connection)
                known = learn(connection, self._plan, self._clock, tell, self._before, much=self._takes_up)
            except Rejected as error:
                self.refused = str(error)
                end_job(connection, self._job.id, self._clock.now_us(), problem=str(error))
                return
            answer = {
                "version": known.version,
                "rows": known.rows,
                "products": len(known.products),
                "left_out": list(known.lacking[:50]),
                "cpu_seconds": round(known.cpu_seconds, 3),
            }
            with connection.transaction():
                write_model(
                    connection,
                    RouteModel(known.version, known.learned_us, known.rows, len(known.products), known.first_us, known.last_us, answer),
                )
                keep(connection, known, self._clock.now_us())
                end_job(connection, self._job.id, self._clock.now_us(), answer=answer)
            self.knowledge = known

    def _note(self, problem: str) -> None:
        try:
            with connect(self._url, application="leadhand optimizer learning") as connection:
                end_job(connection, self._job.id, self._clock.now_us(), problem=problem)
        except Unavailable:
            pass
