"""The optimizer as a process: killed at any point, or without its database for a while, it ends where it would without."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plant.clock import SystemClock
from plant.customer_orders import CustomerOrder, job_orders
from plant.plan_check import plan_faults
from plant.plan_file import read_plan, read_problem
from storage.customer_orders import read_stored_orders, write_orders
from storage.database import Connection, connect
from storage.disturbances import NewDisturbance, add_disturbance
from storage.migrations import migrate
from storage.new_products import ask_new_product, read_request
from storage.operation_history import write_history
from storage.optimizer_jobs import JobState, read_jobs
from storage.plans import PLAN_JOB, PlanRole, read_plan_content, read_standing
from storage.postgres import EmbeddedPostgres
from storage.process_networks import write_network
from storage.products import write_products
from storage.recommendations import read_recommendations
from tests.optimizer.works import BEST, MINUTES, OPERATION, PRODUCTS, fill, network, orders, products

ROOT = Path(__file__).parents[2]
SITE = """
site = { enterprise = "acme", id = "north" }
equipment = [{ path = "welding/robot-1" }]
optimizer = { least_rows = 300, train_least_seconds = 1, train_share_percent = 1 }
"""
CLOCK = SystemClock()


def until(true: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


@contextmanager
def optimizer(folder: Path, url: str, site: str = SITE) -> Iterator[subprocess.Popen[str]]:
    (folder / "site.toml").write_text(site)
    environment = {**os.environ, "LEADHAND_DATABASE_URL": url, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "optimizer", "--site", str(folder / "site.toml")]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"], (folder / "log").read_text()
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def ask(connection: Connection, product: str, tonnage: float) -> int:
    features = {"tonnage_t": tonnage, "weld_length_m": 40.0}
    return ask_new_product(connection, product=product, features=features, time_us=CLOCK.now_us(), asked_by="ann")


def is_answered(connection: Connection, number: int) -> bool:
    found = read_request(connection, number)
    return found is not None and found.state == "answered"


def said(connection: Connection) -> int:
    return len(read_recommendations(connection))


def at_rest(connection: Connection) -> bool:
    jobs = read_jobs(connection)
    return bool(jobs) and all(job.state in {JobState.DONE, JobState.FAILED} for job in jobs)


@pytest.mark.heavy
def test_killed_again_and_again_each_product_has_one_proposal_and_each_question_one_answer(tmp_path: Path, database_url: str) -> None:
    chance = random.Random(7)  # noqa: S311 - a test
    with connect(database_url, application="test") as connection:
        fill(connection)
        asked = [
            ask_new_product(
                connection, product=f"NEW-{n}", features={"tonnage_t": 9.0 + n, "weld_length_m": 40.0}, time_us=1, asked_by="ann"
            )
            for n in range(5)
        ]
        for kill in range(6):
            with optimizer(tmp_path, database_url):
                before = said(connection)
                if kill < 5:
                    write_history(connection, orders(24, first=1000 + 100 * kill), OPERATION)
                    until(lambda before=before: said(connection) > before or at_rest(connection))  # type: ignore[misc]
                    time.sleep(chance.random() * 0.5)
                else:
                    until(lambda: at_rest(connection) and said(connection) >= PRODUCTS + len(asked))
        proposals = [one for one in read_recommendations(connection) if one.stage is not None and one.stage.value == "proposed"]
        assert len(proposals) == len({one.recommendation.product for one in proposals}) == PRODUCTS + len(asked)
        assert {one.recommendation.route for one in proposals} == {BEST}
        for number in asked:
            assert is_answered(connection, number)
        for n in range(len(asked)):
            assert len(read_recommendations(connection, product=f"NEW-{n}")) == 1
        assert all(job.tries <= 3 for job in read_jobs(connection))


@pytest.mark.heavy
def test_killed_again_and_again_while_it_plans_no_order_is_lost_and_each_plan_that_stands_is_right(
    tmp_path: Path, database_url: str
) -> None:
    chance = random.Random(11)  # noqa: S311 - a test
    told = "".join(f"{name} = {minutes}\n" for name, minutes in MINUTES.items())
    site = f"{SITE}\n[optimizer.plan]\nfirst_seconds = 1\nimprove_seconds = 3\nimprove_every_seconds = 1\n"
    site = f"{site}[optimizer.plan.standard_minutes]\n{told}".replace("optimizer = { ", "[optimizer]\n").replace(" }\n\n", "\n\n")
    site = site.replace("least_rows = 300, train_least_seconds = 1, train_share_percent = 1", "least_rows = 300")
    with connect(database_url, application="test") as connection:
        write_network(connection, network(), actor="li.wei", now_us=CLOCK.now_us())
        write_products(connection, products(), actor="li.wei", now_us=CLOCK.now_us())
        ordered: set[str] = set()
        for kill in range(4):
            with optimizer(tmp_path, database_url, site):
                new = [CustomerOrder(f"A-{kill}-{n}", f"EX-{n}", quantity=2) for n in range(3)]
                ordered |= {job.id for order in new for job in job_orders(order)}
                down = NewDisturbance("breakdown", "robot-new", "rest", CLOCK.now_us(), CLOCK.now_us() + 3_600_000_000 * kill, f"d-{kill}")
                add_disturbance(connection, down, now_us=CLOCK.now_us())
                write_orders(connection, new, source="rest", actor="erp", now_us=CLOCK.now_us())
                if kill < 3:
                    version = planned(connection)[0]
                    until(lambda version=version: planned(connection)[0] != version)  # type: ignore[misc]
                    time.sleep(chance.random())
                else:
                    until(lambda ordered=ordered: planned(connection)[1] == ordered and at_rest(connection))  # type: ignore[misc]
            assert planned(connection)[2] == ()
        jobs = read_jobs(connection, kinds=[PLAN_JOB])
        assert jobs
        assert all(job.tries <= 3 for job in jobs)
        assert {one.order.number for one in read_stored_orders(connection) if one.promise is not None} == {
            f"A-{kill}-{n}" for kill in range(4) for n in range(3)
        }


def planned(connection: Connection) -> tuple[int, set[str], tuple[str, ...]]:
    """Return the version that stands, the job orders in it, and what is wrong with it."""
    live = read_standing(connection, PlanRole.LIVE)
    content = None if live is None else read_plan_content(connection, live.id)
    if live is None or content is None:
        return 0, set(), ()
    problem = read_problem(content.problem)
    return live.id, {job.name for job in problem.jobs}, plan_faults(problem, read_plan(content.plan, problem))


@pytest.mark.heavy
def test_without_its_database_it_waits_and_then_goes_on_and_a_second_one_stands_by(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg", clock=CLOCK)
    url = server.start()
    try:
        migrate(url)
        with optimizer(tmp_path, url) as process, connect(url, application="test") as connection:
            fill(connection)
            until(lambda: said(connection) == PRODUCTS)
            connection.close()
            server.stop()
            until(lambda: "cannot go on yet" in (tmp_path / "log").read_text())
            assert process.poll() is None
            url = server.start()
            with connect(url, application="test") as again:
                number = ask_new_product(
                    again, product="NEW", features={"tonnage_t": 9.0, "weld_length_m": 40.0}, time_us=1, asked_by="ann"
                )
                until(lambda: (found := read_request(again, number)) is not None and found.state == "answered")
                (tmp_path / "second").mkdir()
                with optimizer(tmp_path / "second", url) as second:
                    until(lambda: "stands by" in (tmp_path / "second" / "log").read_text())
                    process.kill()
                    number = ask_new_product(
                        again, product="N2", features={"tonnage_t": 9.5, "weld_length_m": 40.0}, time_us=1, asked_by="ann"
                    )
                    until(lambda: (found := read_request(again, number)) is not None and found.state == "answered")
                    second.send_signal(signal.SIGTERM)
                    assert second.wait(30) == 0
    finally:
        server.stop()
