"""The optimizer at work on a real database: it learns, answers, says what is new once, and measures what it brought."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from optimizer.working import RECOMMEND, TRAIN, Worker
from plant.clock import SystemClock
from plant.optimizer_rules import OptimizerPlan
from plant.recommendations import Answer, Stage
from plant.settings_optimizer import OptimizerSettings
from storage.database import Connection, connect
from storage.new_products import ask_new_product, read_request
from storage.operation_history import write_history
from storage.optimizer_jobs import JobState, ask_job, read_jobs
from storage.optimizer_watch import read_drifts
from storage.process_networks import write_network
from storage.products import read_current_routes, write_products
from storage.recommendations import change_stage, read_coverage, read_models, read_recommendations
from tests.optimizer.works import BEGIN, BEST, HOUR, OPERATION, PRODUCTS, features, fill, network, orders, products, slower

CLOCK = SystemClock()
PLAN = OptimizerPlan(OptimizerSettings(least_rows=300, train_least_seconds=1), wanted=True)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        yield made


def work(worker: Worker, connection: Connection, done: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, [(job.kind, job.state, job.step, job.problem) for job in read_jobs(connection)]
        if not worker.step(connection):
            time.sleep(0.02)


def begun(url: str, connection: Connection, plan: OptimizerPlan = PLAN) -> Worker:
    worker = Worker(url, plan, CLOCK)
    worker.begin(connection)
    return worker


def ended(connection: Connection, kind: str) -> int:
    return len([job for job in read_jobs(connection, kinds=[kind]) if job.state in {JobState.DONE, JobState.FAILED}])


def test_it_learns_proposes_the_better_route_for_each_product_once_and_measures_what_it_brought(
    database_url: str, connection: Connection
) -> None:
    fill(connection)
    worker = begun(database_url, connection)
    work(worker, connection, lambda: ended(connection, RECOMMEND))
    said = read_recommendations(connection)
    assert {one.recommendation.answer for one in said} == {Answer.RECOMMENDED}
    assert {one.recommendation.route for one in said} == {BEST}
    assert len(said) == PRODUCTS
    assert {one.family for one in said} == {"excavator"}
    model = read_models(connection)[0]
    assert (model.operations, model.products) == (1440, PRODUCTS)
    assert worker.knowledge is not None
    assert model.version == worker.knowledge.version == said[0].model_version

    ask_job(connection, RECOMMEND, "", {}, actor="li.wei", now_us=CLOCK.now_us())
    ask_job(connection, TRAIN, "", {}, actor="li.wei", now_us=CLOCK.now_us())
    work(worker, connection, lambda: ended(connection, RECOMMEND) == 3)
    assert len(read_recommendations(connection)) == PRODUCTS, "nothing materially new: nobody is asked again"

    first = said[0]
    change_stage(connection, first.id, Stage.APPROVED, time_us=BEGIN + 600 * HOUR, actor="ann")
    write_history(connection, orders(40, first=10_000, way=BEST, only=first.recommendation.product, begin_us=BEGIN), OPERATION)
    work(worker, connection, lambda: read_recommendations(connection, realised=True))
    measured = read_recommendations(connection, realised=True)[0]
    assert measured.stage in {Stage.EXECUTED, Stage.MEASURED}
    assert measured.realised is not None
    assert measured.realised.orders == 40
    assert first.recommendation.gain is not None
    assert measured.realised.gain == pytest.approx(first.recommendation.gain.mean, rel=0.3)
    assert read_current_routes(connection)[first.recommendation.product].alternatives == BEST
    rows = read_coverage(connection)
    assert sum(row.n for row in rows) == 120
    assert 0.75 <= sum(row.inside for row in rows) / 120 <= 1.0


def test_who_asks_for_a_new_product_is_answered_or_told_why_not(database_url: str, connection: Connection) -> None:
    def asked(name: str, **values: float | str) -> int:
        return ask_new_product(connection, product=name, features=values, time_us=CLOCK.now_us(), asked_by="li.wei")

    def answers(*numbers: int) -> bool:
        found = [read_request(connection, number) for number in numbers]
        return all(one is not None and one.state != "waiting" for one in found)

    worker = begun(database_url, connection)
    early = asked("NEW-0", **features(3))
    work(worker, connection, lambda: answers(early))
    told = read_request(connection, early)
    assert told is not None
    assert (told.state, "no process network was imported" in told.problem) == ("failed", True)

    fill(connection)
    work(worker, connection, lambda: worker.knowledge is not None)
    good = asked("NEW-1", tonnage_t=16.0, weld_length_m=40.0)
    far = asked("NEW-2", tonnage_t=900.0, weld_length_m=40.0)
    wrong = asked("NEW-3", tonnage_t=16.0, weld_lenght_m=40.0)
    work(worker, connection, lambda: answers(good, far, wrong))
    found = [read_request(connection, number) for number in (good, far, wrong)]
    assert found[0] is not None and found[1] is not None and found[2] is not None  # noqa: PT018
    assert found[0].answer is not None
    assert (found[0].answer.answer, found[0].answer.route) == (Answer.RECOMMENDED, BEST)
    assert found[0].recommendation is not None, "a person can approve it"
    assert found[1].answer is not None
    assert found[1].answer.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert found[1].recommendation is None
    assert "'weld_lenght_m' is no feature of the network" in found[2].problem
    assert "'weld_length_m' is empty" in found[2].problem


def test_it_learns_anew_when_network_or_products_change_and_waits_while_there_is_too_little(
    database_url: str, connection: Connection
) -> None:
    write_network(connection, network(), actor="li.wei", now_us=BEGIN)
    write_products(connection, products(), actor="li.wei", now_us=BEGIN)
    write_history(connection, orders(50), OPERATION)
    worker = begun(database_url, connection)
    for _ in range(3):
        worker.step(connection)
    assert read_jobs(connection) == [], "150 operations are too few: nothing is tried"
    ask_job(connection, TRAIN, "", {}, actor="li.wei", now_us=CLOCK.now_us())
    work(worker, connection, lambda: ended(connection, TRAIN))
    refused = read_jobs(connection, kinds=[TRAIN])[0]
    assert (refused.state, refused.problem) == (
        JobState.FAILED,
        "150 operations are in the history; 300 are needed to learn from",
    )
    write_history(connection, orders(480), OPERATION)
    work(worker, connection, lambda: worker.knowledge is not None)
    first = worker.knowledge
    rule = {"id": "no-new", "text": "robot-new is away", "remove": {"work_unit": "robot-new"}}
    write_network(connection, network(rules=[rule]), actor="li.wei", now_us=BEGIN + 1)
    work(worker, connection, lambda: worker.knowledge is not first and ended(connection, RECOMMEND) == ended(connection, TRAIN) - 1)
    routes = {one.recommendation.route for one in read_recommendations(connection, newest=True)}
    assert routes == {("laser", "robot-old", "booth")}, "what a rule takes out is proposed no more"
    assert worker.knowledge is not None
    assert worker.knowledge.basis.network == 2
    assert first is not None
    assert worker.knowledge.version == first.version, "a rule changes nothing of what machines take: nothing is trained"


def test_another_optimizer_goes_on_with_what_a_killed_one_left(database_url: str, connection: Connection) -> None:
    fill(connection)
    killed = begun(database_url, connection)
    work(killed, connection, lambda: [job for job in read_jobs(connection, kinds=[RECOMMEND]) if job.state is JobState.RUNNING])
    assert killed.knowledge is not None
    partly = len(read_recommendations(connection))
    assert 0 < partly < PRODUCTS, "it says them a few at once"
    other = begun(database_url, connection)
    work(other, connection, lambda: len(read_recommendations(connection)) == PRODUCTS and not other.at_work)
    work(other, connection, lambda: all(job.state is JobState.DONE for job in read_jobs(connection)))
    assert len(read_recommendations(connection)) == PRODUCTS


def test_a_declined_route_is_not_proposed_once_more(database_url: str, connection: Connection) -> None:
    fill(connection)
    worker = begun(database_url, connection)
    work(worker, connection, lambda: ended(connection, RECOMMEND))
    for one in read_recommendations(connection):
        change_stage(connection, one.id, Stage.DECLINED, time_us=CLOCK.now_us(), actor="ann", reason="capacity")
    ask_job(connection, RECOMMEND, "", {"again": 1}, actor="li.wei", now_us=CLOCK.now_us())
    work(worker, connection, lambda: ended(connection, RECOMMEND) == 2)
    assert read_recommendations(connection, stages=[Stage.PROPOSED]) == []


def test_a_machine_that_worsens_is_left_within_some_dozens_of_operations(database_url: str, connection: Connection) -> None:
    fill(connection)
    worker = begun(database_url, connection, replace(PLAN, settings=OptimizerSettings(least_rows=300, train_least_seconds=1e5)))
    work(worker, connection, lambda: ended(connection, RECOMMEND))
    assert {one.recommendation.route for one in read_recommendations(connection, newest=True)} == {BEST}
    write_history(connection, slower(orders(50, first=2000, way=BEST), "robot-new", 2.2), OPERATION)
    work(worker, connection, lambda: read_drifts(connection) and ended(connection, RECOMMEND) == 2)
    found = read_drifts(connection, only_open=True)
    assert {one.alternative for one in found} == {"robot-new"}
    assert 1.7 < found[0].ratio < 2.5
    assert {one.recommendation.route for one in read_recommendations(connection, newest=True)} == {("laser", "robot-old", "booth")}
    assert worker.knowledge is not None
    said = len(read_recommendations(connection))
    other = begun(database_url, connection, replace(PLAN, settings=OptimizerSettings(least_rows=300, train_least_seconds=1e5)))
    work(other, connection, lambda: ended(connection, RECOMMEND) == 3)
    assert other.knowledge is not None
    assert other.knowledge.version == worker.knowledge.version, "it begins with what was learned, levels that moved included"
    assert len(read_drifts(connection, only_open=True)) == len(found)
    assert len(read_recommendations(connection)) == said, "nothing is new for anybody"
    worker = other
    ask_job(connection, TRAIN, "", {}, actor="li.wei", now_us=CLOCK.now_us())
    work(worker, connection, lambda: ended(connection, TRAIN) == 3 and not read_drifts(connection, only_open=True))
    assert len(read_drifts(connection)) == len(found), "what moved stays on record"
