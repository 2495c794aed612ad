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
from storage.database import Connection, connect
from storage.migrations import migrate
from storage.new_products import ask_new_product, read_request
from storage.operation_history import write_history
from storage.optimizer_jobs import JobState, read_jobs
from storage.postgres import EmbeddedPostgres
from storage.recommendations import read_recommendations
from tests.optimizer.works import BEST, OPERATION, PRODUCTS, fill, orders

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
def optimizer(folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "site.toml").write_text(SITE)
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
