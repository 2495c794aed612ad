"""What the optimizer is asked to do waits, runs, ends; and is done anew when it was killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.database import Connection, connect, listen
from storage.optimizer_jobs import JOBS, JobState, ask_job, begin_job, end_job, move_job, read_job, read_jobs, take_back_jobs

NOW = 1_790_000_000_000_000


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as made:
        yield made


def test_a_job_waits_runs_and_ends_and_all_who_listen_hear_it(connection: Connection, database_url: str) -> None:
    with connect(database_url, application="listener") as listener:
        listen(listener, JOBS)
        number = ask_job(connection, "recommend", "EX-10", {"why": "asked"}, actor="li.wei", now_us=NOW)
        assert ask_job(connection, "recommend", "EX-10", {"why": "asked"}, actor="ann", now_us=NOW) == number
        assert ask_job(connection, "recommend", "EX-14", {}, actor="ann", now_us=NOW) != number
        job = begin_job(connection, ["recommend"], NOW + 1)
        assert job is not None
        assert (job.id, job.state, job.actor, job.tries, job.request) == (number, JobState.RUNNING, "li.wei", 1, {"why": "asked"})
        move_job(connection, number, 0.5, "predicting", NOW + 2)
        end_job(connection, number, NOW + 3, answer={"route": ["a"]})
        assert {note.payload for note in listener.notifies(timeout=5, stop_after=6)} >= {str(number)}
    ended = read_job(connection, number)
    assert ended is not None
    assert (ended.state, ended.share, ended.step, ended.answer, ended.ended_us) == (
        JobState.DONE,
        1.0,
        "predicting",
        {"route": ["a"]},
        NOW + 3,
    )
    assert begin_job(connection, ["train"], NOW) is None
    assert [job.subject for job in read_jobs(connection, kinds=["recommend"])] == ["EX-14", "EX-10"]


def test_a_job_that_a_killed_optimizer_left_is_done_anew_three_times_at_most(connection: Connection) -> None:
    number = ask_job(connection, "train", "", {}, actor="", now_us=NOW)
    for tries in (1, 2, 3):
        job = begin_job(connection, ["train"], NOW)
        assert job is not None
        assert job.tries == tries
        assert take_back_jobs(connection, NOW) == 1
    failed = read_job(connection, number)
    assert failed is not None
    assert failed.state is JobState.FAILED
    assert "3 times" in failed.problem
    assert begin_job(connection, ["train"], NOW) is None
    assert take_back_jobs(connection, NOW) == 0
