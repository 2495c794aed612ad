"""Trials, proposals and roll-backs come out of the database as they went in; only who may decides, and only once."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from plant.errors import Rejected
from plant.recommendations import Estimate, Stage
from plant.tuning import Outcome, Policy, Proposal, Purpose, Safety, Trial, TuningTarget
from storage.audit import read_audit, verify_audit
from storage.trials import (
    accept_recipe,
    add_proposal,
    add_trial,
    change_proposal,
    judge_trial,
    open_proposal,
    read_accepted,
    read_proposal,
    read_proposal_changes,
    read_proposals,
    read_rollbacks,
    read_standing,
    read_trials,
    tuned_targets,
    write_standing,
)
from storage.tuning_policies import enable_policy, end_policy, read_policy

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000
TARGET = TuningTarget("robot", "P-7")
HOME = {"current": 240.0}
THERE = {"current": 245.0}
PROPOSAL = Proposal(
    *(TARGET, Purpose.IMPROVE, THERE, HOME, HOME, Estimate(0.95, 0.9, 0.98), Estimate(0.9, 0.88, 0.92)),
    *((Safety("penetration", "mm", Estimate(4.0, 3.8, 4.2), 3.0, None),), ("better",), 4, "surface+gp/1:abc", 5, 1.0),
)


@pytest.fixture
def connection(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True, options="-c TimeZone=UTC") as made:
        yield made


def _trial(name: str, parameters: dict[str, float], good: int = 57) -> Trial:
    return Trial(name, TARGET, parameters, 60, good, 1, {"penetration": 4.1}, NOW)


def _proposed(connection: Any) -> int:
    return add_proposal(connection, PROPOSAL, windows_version=4, now_us=NOW)


def test_trials_come_back_in_order_and_a_name_is_given_once(connection: Any) -> None:
    add_trial(connection, _trial("a", HOME), actor="w.li", now_us=NOW)
    add_trial(connection, _trial("b", THERE), actor="w.li", now_us=NOW)
    assert [one.trial for one in read_trials(connection, TARGET)] == [_trial("a", HOME), _trial("b", THERE)]
    assert [one.trial.id for one in read_trials(connection, TARGET, 1)] == ["b"]
    assert tuned_targets(connection) == [TARGET]
    with pytest.raises(Rejected, match="there is a trial 'a'"):
        add_trial(connection, _trial("a", HOME), actor="w.li", now_us=NOW)
    assert read_audit(connection, most=1)[0].act == "tuning.trial"


def test_a_proposal_is_tried_only_after_it_was_approved_and_with_its_own_parameters(connection: Any) -> None:
    number = _proposed(connection)
    with pytest.raises(Rejected, match="only what was approved may be tried"):
        add_trial(connection, _trial("a", THERE), actor="w.li", now_us=NOW, proposal=number)
    change_proposal(connection, number, Stage.APPROVED, actor="q.wang", now_us=NOW)
    with pytest.raises(Rejected, match="not made with the parameters"):
        add_trial(connection, _trial("a", HOME), actor="w.li", now_us=NOW, proposal=number)
    with pytest.raises(Rejected, match="is being tried"):
        _proposed(connection)
    add_trial(connection, _trial("a", THERE), actor="w.li", now_us=NOW, proposal=number)
    (stored,) = read_trials(connection, TARGET)
    judge_trial(connection, stored, Outcome.BETTER, expected=0.9, evidence=-3.0, now_us=NOW)
    judge_trial(connection, stored, Outcome.WORSE, expected=0.9, evidence=9.0, now_us=NOW)
    assert read_trials(connection, TARGET)[0].outcome is Outcome.BETTER
    assert read_rollbacks(connection, TARGET) == []
    told = [(one.after, one.actor) for one in read_proposal_changes(connection, number)]
    assert told == [(Stage.PROPOSED, ""), (Stage.APPROVED, "q.wang"), (Stage.MEASURED, "leadhand")]


def test_a_worse_trial_is_rolled_back_to_the_accepted_recipe(connection: Any) -> None:
    number = _proposed(connection)
    change_proposal(connection, number, Stage.APPROVED, actor="q.wang", now_us=NOW)
    add_trial(connection, _trial("a", THERE, good=30), actor="w.li", now_us=NOW, proposal=number)
    judge_trial(connection, read_trials(connection, TARGET)[0], Outcome.WORSE, expected=0.9, evidence=9.0, now_us=NOW)
    (back,) = read_rollbacks(connection, TARGET)
    assert (back.parameters, back.back_to, back.good, back.proposal) == (THERE, HOME, 30, number)
    stored = read_proposal(connection, number)
    assert stored is not None
    assert stored.stage is Stage.ROLLED_BACK
    assert open_proposal(connection, TARGET) is None


def test_a_newer_proposal_takes_the_place_of_one_that_waits(connection: Any) -> None:
    first, second = _proposed(connection), _proposed(connection)
    assert [(one.id, one.stage) for one in read_proposals(connection, TARGET)] == [(second, Stage.PROPOSED), (first, Stage.EXPIRED)]
    assert read_proposals(connection, TARGET)[0].proposal == PROPOSAL


def test_the_database_itself_guards_who_decides_and_that_nothing_is_rewritten(connection: Any) -> None:
    number = _proposed(connection)
    for words in (
        "UPDATE tuning_proposal SET stage = 'approved'",
        "UPDATE tuning_proposal SET stage = 'measured', stage_actor = 'me'",
        "UPDATE tuning_proposal SET document = '{}'",
        "DELETE FROM tuning_proposal",
    ):
        with pytest.raises(psycopg.Error):
            connection.execute(words)
    change_proposal(connection, number, Stage.DECLINED, actor="q.wang", reason="not now", now_us=NOW)
    with pytest.raises(Rejected):
        change_proposal(connection, number, Stage.APPROVED, actor="q.wang", now_us=NOW)
    add_trial(connection, _trial("a", HOME), actor="w.li", now_us=NOW)
    with pytest.raises(psycopg.Error):
        connection.execute("UPDATE tuning_trial SET good = 60")


def test_an_accepted_recipe_is_a_persons_and_ends_what_was_proposed_beside_the_old_one(connection: Any) -> None:
    assert read_accepted(connection, TARGET) is None
    first = accept_recipe(connection, TARGET, HOME, actor="q.wang", reason="as approved", now_us=NOW)
    _proposed(connection)
    second = accept_recipe(connection, TARGET, THERE, actor="q.wang", reason="better", now_us=NOW)
    assert accept_recipe(connection, TARGET, THERE, actor="q.wang", reason="again", now_us=NOW) == second
    accepted = read_accepted(connection, TARGET)
    assert accepted is not None
    assert (accepted.parameters, accepted.id > first) == (THERE, True)
    assert read_proposals(connection, TARGET)[0].stage is Stage.EXPIRED
    assert verify_audit(connection) is None


def test_a_policy_holds_until_its_time_or_until_a_person_ends_it(connection: Any) -> None:
    number = enable_policy(connection, Policy(TARGET, "q.wang", NOW, NOW + HOUR, 5))
    found = read_policy(connection, TARGET, NOW + 1)
    assert found is not None
    assert (found.id, found.policy.budget, found.used) == (number, 5, 0)
    assert read_policy(connection, TARGET, NOW + HOUR) is None
    proposed = _proposed(connection)
    change_proposal(connection, proposed, Stage.APPROVED, actor="policy", now_us=NOW, policy=number)
    found = read_policy(connection, TARGET, NOW + 1)
    assert found is not None
    assert found.used == 1
    end_policy(connection, TARGET, actor="q.wang", now_us=NOW + 2)
    assert read_policy(connection, TARGET, NOW + 3) is None
    with pytest.raises(Rejected, match="no policy holds"):
        end_policy(connection, TARGET, actor="q.wang", now_us=NOW + 4)


def test_a_standing_is_kept_once_for_each_target(connection: Any) -> None:
    assert read_standing(connection, TARGET) is None
    write_standing(connection, TARGET, "1", {"refusal": None}, NOW)
    write_standing(connection, TARGET, "2", {"refusal": {"words": "x"}}, NOW)
    assert read_standing(connection, TARGET) == ("2", {"refusal": {"words": "x"}})
