"""The optimizer at work: it learns when enough is new, answers who asks, and says what is materially new of products that are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from optimizer.advice import Circumstances, advise
from optimizer.inbox import Inbox
from optimizer.knowledge import Basis, Knowledge, basis_of, keep, with_predictor
from optimizer.learning import Learning
from optimizer.plan_pass import PlanPass
from optimizer.reporting import Reporting
from optimizer.share_pass import SharePass
from optimizer.tuning_pass import tuning_pass
from optimizer.watching import Watching
from plant.clock import Clock
from plant.errors import Rejected, Unavailable
from plant.optimizer_rules import OptimizerPlan
from plant.products import Product, ProductTable, product_table, read_products
from plant.recommendations import Answer, Recommendation, Stage, material_change
from storage.database import Connection
from storage.new_products import NewProductRequest, answer_request, fail_request, waiting_requests
from storage.optimizer_jobs import Job, ask_job, begin_job, end_job, move_job, take_back_jobs
from storage.optimizer_watch import end_drifts
from storage.recommendations import (
    StoredRecommendation,
    add_recommendation,
    expire_recommendations,
    newest_recommendation,
)

TRAIN: Final = "train"
RECOMMEND: Final = "recommend"
_AT_ONCE: Final = 10
"""Products advised in one step: who asks meanwhile waits no longer."""
_EXPIRE_SECONDS: Final = 30.0
_STANDING: Final = frozenset({Stage.PROPOSED, Stage.APPROVED, Stage.DECLINED, Stage.SENT, Stage.ACCEPTED, Stage.EXECUTED, Stage.MEASURED})
"""What a new answer is compared with before people are asked again; a declined one too: it is not proposed once more."""


class Worker:
    """One optimizer at work on one database, a bounded piece at a time. Killed at any point, another goes on from what is stored."""

    def __init__(self, url: str, plan: OptimizerPlan, clock: Clock, knowledge: Knowledge | None = None) -> None:
        self.knowledge = knowledge if knowledge is not None and knowledge.settings == plan else None
        """What it knows; None until it has learned."""
        self._url, self._plan, self._clock = url, plan, clock
        self._learning: Learning | None = None
        self._refused: Basis | None = None
        self._asked_us = 0
        self._advising: tuple[Job, list[str], int] | None = None
        self._watching = Watching(clock)
        self._inbox = None if plan.inbox is None else Inbox(plan.inbox, plan.planning.time_zone)
        self._reporting = Reporting(plan, clock)
        self._planning = PlanPass(url, plan.planning, clock, plan.share)
        self._sharing = SharePass(plan.share, clock)
        self._expire_due = 0.0
        self._log = structlog.get_logger(process="optimizer")

    @property
    def at_work(self) -> bool:
        """Whether it learns, searches for a better plan, shares or nests at the moment."""
        return self._learning is not None or self._planning.at_work or self._sharing.at_work

    def begin(self, connection: Connection) -> None:
        """Take up what another left; call it once on each connection, when no other optimizer is at work."""
        left = take_back_jobs(connection, self._clock.now_us())
        if left:
            self._log.info("jobs that were left are done anew", jobs=left)
        self._advising = None
        self._refused = None
        self._planning.begin()
        self._sharing.begin()

    def step(self, connection: Connection) -> bool:
        """Do a piece of what is due; return whether more waits."""
        if self._clock.monotonic() >= self._expire_due:
            expire_recommendations(connection, self._clock.now_us())
            self._expire_due = self._clock.monotonic() + _EXPIRE_SECONDS
        self._learn(connection)
        self._answer(connection)
        tuning_pass(connection, self._clock.now_us())
        more = self._advise(connection)
        more |= self._inbox is not None and self._inbox.take_one(connection, self._clock.now_us())
        more |= self._reporting.step(connection)
        more |= self._sharing.step(connection, searching=self._planning.at_work)
        more |= self._planning.step(connection, self.knowledge, learning=self._learning is not None)
        return self._watch(connection) or more

    def _watch(self, connection: Connection) -> bool:
        """Look at what came; return whether there was anything. Where a machine moved, products are advised anew."""
        known = self.knowledge
        now = None if known is None else self._watching.step(connection, known)
        if known is None or now is None:
            return False
        if now.version != known.version:
            self.knowledge = now
            keep(connection, now, self._clock.now_us())
            ask_job(connection, RECOMMEND, "", {"version": now.version}, actor="", now_us=self._clock.now_us())
        return True

    def end(self, seconds: float) -> bool:
        """Return whether what is learned at the moment ended in so many seconds; else it is left, and done anew, as is a search."""
        self._planning.end()
        self._sharing.end()
        return self._learning is None or self._learning.join(seconds)

    def _learn(self, connection: Connection) -> None:
        if self._learning is not None:
            if not self._learning.ended:
                return
            self._take(connection, self._learning)
            self._learning = None
        basis = basis_of(connection)
        if self._is_due(basis):
            ask_job(connection, TRAIN, "", {}, actor="", now_us=self._clock.now_us())
        job = begin_job(connection, [TRAIN], self._clock.now_us())
        if job is not None:
            self._asked_us = self._clock.now_us()
            self._refused = basis
            self._learning = Learning(self._url, job, self._plan, self._clock, self.knowledge)

    def _take(self, connection: Connection, learning: Learning) -> None:
        if learning.left:
            self.begin(connection)
        if learning.knowledge is None:
            return
        before, known = self.knowledge, learning.knowledge
        if before is not None and learning.kept_predictor:
            # machines may have moved meanwhile
            known = replace(known, adviser=with_predictor(known.adviser, before.adviser.predictor))
        self.knowledge = known
        self._refused = None
        if not learning.kept_predictor and (before is None or before.version != known.version):
            end_drifts(connection, known.version, self._clock.now_us())
        self._log.info("learned", version=known.version, rows=known.rows, products=len(known.products), cpu_seconds=known.cpu_seconds)
        ask_job(connection, RECOMMEND, "", {"version": known.version}, actor="", now_us=self._clock.now_us())

    def _is_due(self, basis: Basis) -> bool:
        """Whether to learn anew: first of all, when network, windows or products changed, when much history came."""
        known = self.knowledge
        if self._refused is not None and self._refused == basis:
            return False
        if known is None:
            return basis.network > 0 and basis.mark >= self._plan.settings.least_rows
        if (basis.network, basis.windows, basis.products) != (known.basis.network, known.basis.windows, known.basis.products):
            return True
        waited = self._clock.now_us() - self._asked_us >= self._plan.settings.train_least_seconds * 1e6
        fresh = basis.mark - known.basis.mark
        return waited and fresh >= known.rows * self._plan.settings.train_share_percent / 100

    def _answer(self, connection: Connection) -> None:
        """Answer who asks for a product; who asks before anything was learned waits, or is told that there is nothing to learn from."""
        for request in waiting_requests(connection, _AT_ONCE):
            known, now_us = self.knowledge, self._clock.now_us()
            if known is None:
                if self._learning is None:
                    fail_request(connection, request.id, self._why_not(connection), time_us=now_us)
                continue
            table, problems = _asked_product(known, request)
            if problems:
                fail_request(connection, request.id, "; ".join(problems), time_us=now_us)
                continue
            try:
                said = self._said(known, table, {})[0]
            except Rejected as error:
                fail_request(connection, request.id, str(error), time_us=now_us)
                continue
            except Exception as error:  # noqa: BLE001 - one question that cannot be answered must not keep others from theirs
                self._log.exception("a question could not be answered", product=request.product)
                fail_request(connection, request.id, f"it could not be answered: {error!r}", time_us=now_us)
                continue
            with connection.transaction():
                number = None
                if said.answer is Answer.RECOMMENDED:
                    number = add_recommendation(
                        connection,
                        said,
                        model_version=known.version,
                        made_us=now_us,
                        family=request.family,
                        asked_by=request.asked_by,
                        request=request.id,
                    )
                answer_request(connection, request.id, said, model_version=known.version, time_us=now_us, recommendation=number)

    def _why_not(self, connection: Connection) -> str:
        basis = basis_of(connection)
        if not basis.network:
            return "nothing can be recommended yet: no process network was imported (leadhand import network)"
        return (
            f"nothing can be recommended yet: {basis.mark:,} operations came so far, "
            f"{self._plan.settings.least_rows:,} are needed to learn from (leadhand import history)"
        )

    def _advise(self, connection: Connection) -> bool:
        """Say what is materially new of some products; return whether more of them wait."""
        known = self.knowledge
        if known is None:
            return False
        if self._advising is None:
            job = begin_job(connection, [RECOMMEND], self._clock.now_us())
            if job is None:
                return False
            self._advising = (job, _to_advise(known, job.subject), 0)
        job, names, done = self._advising
        part = names[done : done + _AT_ONCE]
        try:
            self._advise_some(connection, known, part)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - else it would be tried for ever
            if not isinstance(error, Rejected):
                self._log.exception("products could not be advised", products=part)
            self._advising = None
            end_job(connection, job.id, self._clock.now_us(), problem=str(error) or repr(error))
            return True
        done += len(part)
        if done >= len(names):
            self._advising = None
            end_job(connection, job.id, self._clock.now_us(), answer={"products": len(names), "version": known.version})
        else:
            self._advising = (job, names, done)
            move_job(connection, job.id, done / len(names), f"product {done} of {len(names)}", self._clock.now_us())
        return True

    def _advise_some(self, connection: Connection, known: Knowledge, names: Sequence[str]) -> None:
        if not names:
            return
        table = _only(known.products, names)
        before = {name: stored for name in names if (stored := newest_recommendation(connection, name)) is not None}
        standing = {name: one for name, one in before.items() if one.stage in _STANDING}
        proposed = {name: one.recommendation.route for name, one in standing.items()}
        now_us = self._clock.now_us()
        for row, said in enumerate(self._said(known, table, proposed)):
            last = before.get(said.product)
            if not self._is_news(last, standing.get(said.product), said):
                continue
            add_recommendation(connection, said, model_version=known.version, made_us=now_us, family=table.families[row])

    def _is_news(self, last: StoredRecommendation | None, standing: StoredRecommendation | None, said: Recommendation) -> bool:
        if last is None:
            return True
        share = self._plan.settings.least_gain_percent / 100
        now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._clock.now_us())
        if standing is None and said.answer is not Answer.RECOMMENDED:
            return last.recommendation.answer is not said.answer
        return material_change(None if standing is None else standing.recommendation, said, least_share=share, now=now) is not None

    def _said(self, known: Knowledge, products: ProductTable, before: dict[str, tuple[str, ...]]) -> list[Recommendation]:
        made_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._clock.now_us())
        asked = Circumstances(made_at, valid_days=self._plan.settings.valid_hours / 24, before=before)
        return list(advise(known.adviser, products, asked))


def _to_advise(known: Knowledge, subject: str) -> list[str]:
    """Return the products of a job: the one it names, or all that are made."""
    if subject:
        return [subject] if subject in known.products else []
    return [name for name in known.products.ids if name in known.network.current]


def _only(products: ProductTable, names: Iterable[str]) -> ProductTable:
    return product_table(products.features, [products.product(name) for name in names])


def _asked_product(known: Knowledge, request: NewProductRequest) -> tuple[ProductTable, list[str]]:
    """Return the product of a request, and what is wrong with it, a sentence each."""
    names = {feature.name for feature in known.network.features}
    unknown = [name for name in request.features if name not in names]
    told = [f"'{name}' is no feature of the network" for name in unknown]
    cells: dict[str, object] = {**request.features, "product": request.product, "family": request.family or "new"}
    table, problems = read_products(known.network.features, [(1, cells)])
    told += [f"'{problem.column}' {problem.reason}" for problem in problems]
    if told:
        return table, told
    return product_table(known.network.features, [Product(request.product, request.family, table.at(0).features)]), []
