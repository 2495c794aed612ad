"""Fine-tuning as the optimizer does it, on a real database: it proposes, judges what came, rolls back, and never without windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from optimizer.tuning_pass import tuning_pass
from plant.recommendations import Stage
from plant.tuning import Outcome, Policy, Trial
from storage.database import Connection, connect
from storage.process_windows import write_windows
from storage.trials import (
    accept_recipe,
    add_trial,
    change_proposal,
    open_proposal,
    read_proposals,
    read_rollbacks,
    read_standing,
    read_trials,
)
from storage.tuning_policies import enable_policy
from tests.optimizer.tuned_cell import START, TARGET, WINDOWS, made

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as kept:
        yield kept


def _begin(connection: Connection, trials: int = 4) -> None:
    write_windows(connection, WINDOWS, actor="q.manager", now_us=NOW)
    accept_recipe(connection, TARGET, START, actor="q.manager", reason="as approved", now_us=NOW)
    for number in range(trials):
        add_trial(connection, made(number, START, np.random.default_rng(number)), actor="li", now_us=NOW)


def test_it_proposes_once_and_a_person_is_asked(connection: Connection) -> None:
    _begin(connection)
    assert tuning_pass(connection, NOW) == 1
    assert tuning_pass(connection, NOW + HOUR) == 0
    found = open_proposal(connection, TARGET)
    assert found is not None
    assert (found.stage, found.proposal.accepted) == (Stage.PROPOSED, START)
    standing = read_standing(connection, TARGET)
    assert standing is not None
    assert standing[1]["best"] == START


def test_without_process_windows_nothing_is_proposed_and_the_reason_is_kept(connection: Connection) -> None:
    add_trial(connection, made(0, START, np.random.default_rng(0)), actor="li", now_us=NOW)
    assert tuning_pass(connection, NOW) == 0
    standing = read_standing(connection, TARGET)
    assert standing is not None
    assert standing[1]["refusal"]["reason"] == "no_window"
    assert read_proposals(connection, TARGET) == []


def test_a_trial_that_is_worse_is_rolled_back_and_another_is_proposed(connection: Connection) -> None:
    _begin(connection)
    tuning_pass(connection, NOW)
    asked = open_proposal(connection, TARGET)
    assert asked is not None
    change_proposal(connection, asked.id, Stage.APPROVED, actor="q.wang", now_us=NOW)
    bad = Trial("bad", TARGET, asked.proposal.parameters, 30, 8, 5, {"penetration": 4.0}, NOW)
    add_trial(connection, bad, actor="li", now_us=NOW, proposal=asked.id)
    assert tuning_pass(connection, NOW + HOUR) == 1
    assert read_trials(connection, TARGET)[-1].outcome is Outcome.WORSE
    assert [one.back_to for one in read_rollbacks(connection, TARGET)] == [START]
    newest = read_proposals(connection, TARGET)
    assert [one.stage for one in newest] == [Stage.PROPOSED, Stage.ROLLED_BACK]
    assert newest[0].proposal.parameters != asked.proposal.parameters


def test_a_policy_that_a_person_enabled_approves_and_says_whose_it_is(connection: Connection) -> None:
    _begin(connection)
    enable_policy(connection, Policy(TARGET, "q.wang", NOW, NOW + HOUR, 2))
    tuning_pass(connection, NOW + 1)
    found = open_proposal(connection, TARGET)
    assert found is not None
    assert (found.stage, "q.wang" in found.stage_actor) == (Stage.APPROVED, True)


def test_windows_that_change_end_what_was_proposed_inside_the_old_ones(connection: Connection) -> None:
    _begin(connection)
    tuning_pass(connection, NOW)
    before = open_proposal(connection, TARGET)
    write_windows(connection, WINDOWS.replace("version = 4", "version = 5"), actor="q.manager", now_us=NOW)
    tuning_pass(connection, NOW)
    after = open_proposal(connection, TARGET)
    assert before is not None
    assert after is not None
    assert (after.id > before.id, after.proposal.window_version) == (True, 5)


def test_an_accepted_recipe_that_became_worse_stops_fine_tuning(connection: Connection) -> None:
    _begin(connection, 0)
    for number, good in enumerate([55, 54, 56, 54, 40, 41, 40, 39]):
        trial = Trial(f"t-{number}", TARGET, START, 60, good, 1, {"penetration": 4.0}, NOW)
        add_trial(connection, trial, actor="li", now_us=NOW)
    assert tuning_pass(connection, NOW) == 0
    standing = read_standing(connection, TARGET)
    assert standing is not None
    assert standing[1]["refusal"]["reason"] == "rolled_back"
