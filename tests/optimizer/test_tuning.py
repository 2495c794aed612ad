"""Fine-tuning: what is proposed, what never is, and why nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.tuning import best_tried, learn, propose
from optimizer.tuning_rollback import drifted, weigh_counts, weigh_trial, worse_share
from plant.process_windows import Setpoints, check
from plant.tuning import Policy, Proposal, Purpose, Refusal, Refused, Trial, proposal_of, proposal_record
from tests.optimizer.tuned_cell import START, TARGET, made, true_share, windows

HOUR = 3_600_000_000


def _tuned(trials: int, seed: int) -> list[Trial]:
    random, done = np.random.default_rng(seed), [made(0, START, np.random.default_rng(seed))]
    while len(done) < trials:
        answer = propose(windows(), TARGET, done, seed=seed)
        recipe = answer.parameters if isinstance(answer, Proposal) else START
        done.append(made(len(done), recipe, random))
    return done


@pytest.fixture(scope="module")
def done() -> list[Trial]:
    """Twenty trials of a cell, proposed one after the other."""
    return _tuned(20, 3)


def test_a_cell_becomes_better_and_no_trial_leaves_its_window(done: list[Trial]) -> None:
    final = best_tried(learn(windows().windows[0], done), done)
    assert true_share(final) > true_share(START) + 0.6 * (true_share({"current": 253.0, "speed": 412.0}) - true_share(START))
    for trial in done:
        assert check(windows(), Setpoints("robot", "P-7", trial.parameters), None) == ()


def test_the_same_trials_window_and_seed_give_the_same_proposal(done: list[Trial]) -> None:
    assert propose(windows(), TARGET, done[:9], seed=5) == propose(windows(), TARGET, done[:9], seed=5)


def test_a_proposal_says_all_that_a_person_needs_and_comes_back_from_json(done: list[Trial]) -> None:
    answer = propose(windows(), TARGET, done[:12])
    assert isinstance(answer, Proposal)
    assert answer.first_pass.low <= answer.first_pass.mean <= answer.first_pass.high
    assert [one.name for one in answer.safety] == ["penetration"]
    assert answer.safety[0].expected.low >= 3.0
    assert answer.reasons
    assert answer.deltas
    assert all(abs(delta) <= {"current": 10, "speed": 20}[name] for name, delta in answer.deltas.items())
    assert proposal_record(proposal_of(proposal_record(answer))) == proposal_record(answer)


def test_no_proposal_leaves_a_window_wherever_the_machine_stands(done: list[Trial]) -> None:
    random = np.random.default_rng(1)
    known = learn(windows().windows[0], done)
    proposed = 0
    for turn in range(60):
        low, high = sorted(random.uniform(215, 265, 2).tolist())
        cut = windows(("low = 215", f"low = {low - 0.1}"), ("high = 265", f"high = {high + 0.1}"))
        base = {"current": float(random.uniform(low, high)), "speed": float(random.uniform(320, 480))}
        in_use = Setpoints("robot", "P-7", base, since_us=0)
        seen = replace(known, window=cut.windows[0])
        answer = propose(cut, TARGET, done, accepted=base, in_use=in_use, now_us=HOUR, seed=turn, learned=seen)
        if isinstance(answer, Proposal):
            proposed += 1
            assert check(cut, Setpoints("robot", "P-7", answer.parameters, since_us=HOUR), in_use) == ()
    assert proposed > 30


def test_where_no_point_is_safe_beyond_doubt_nothing_is_proposed_and_the_quality_is_named(done: list[Trial]) -> None:
    answer = propose(
        windows(("low = 3.0", "low = 6.0")), TARGET, [*done, *(made(90 + n, START, np.random.default_rng(n)) for n in range(5))]
    )
    assert isinstance(answer, Refusal)
    assert answer.reason is Refused.NOTHING_SAFE
    assert "penetration" in answer.words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Refused.NO_WINDOW, "there is no process window"),
        (Refused.NO_BASELINE, "no trial is known"),
        (Refused.BUDGET, "20 of 20 trials are done"),
        (Refused.BASELINE_OUTSIDE, "current in use is 300 A, outside 215 to 265"),
        (Refused.NOTHING_SAFE, "penetration has a limit, but was never measured"),
    ],
)
def test_a_refusal_says_why(reason: Refused, words: str, done: list[Trial]) -> None:
    answers = {
        Refused.NO_WINDOW: lambda: propose(windows(("P-*", "Q-*")), TARGET, done),
        Refused.NO_BASELINE: lambda: propose(windows(), TARGET, []),
        Refused.BUDGET: lambda: propose(windows(), TARGET, done, budget=20),
        Refused.BASELINE_OUTSIDE: lambda: propose(windows(), TARGET, done, accepted={"current": 300.0, "speed": 400.0}),
        Refused.NOTHING_SAFE: lambda: propose(windows(), TARGET, [replace(one, responses={}) for one in done]),
    }
    answer = answers[reason]()
    assert isinstance(answer, Refusal)
    assert (answer.reason, words in answer.words) == (reason, True)


def test_the_first_trials_are_small_steps_that_tell_the_most() -> None:
    answer = propose(windows(), TARGET, [made(n, START, np.random.default_rng(n)) for n in range(3)])
    assert isinstance(answer, Proposal)
    assert answer.purpose is Purpose.LEARN


def test_a_worse_trial_is_stopped_after_few_parts_and_a_good_one_seldom() -> None:
    random = np.random.default_rng(4)
    stopped = [weigh_trial(0.9, (random.random(200) < worse_share(0.9) - 0.1).tolist()) for _ in range(300)]
    assert np.mean([one.worse for one in stopped]) > 0.9
    assert np.mean([one.parts for one in stopped]) < 80
    same = [weigh_trial(0.9, (random.random(200) < 0.9).tolist()).worse for _ in range(1000)]
    assert np.mean(same) < 0.04
    assert weigh_counts(0.9, 30, 60)[1]
    assert not weigh_counts(0.9, 54, 60)[1]


def test_an_accepted_recipe_that_became_worse_is_noticed() -> None:
    assert not drifted(0.9, [(54, 60)] * 20)
    assert drifted(0.9, [(54, 60)] * 5 + [(44, 60)] * 3)


def test_a_policy_approves_only_what_the_person_allowed(done: list[Trial]) -> None:
    answer = propose(windows(), TARGET, done[:12])
    assert isinstance(answer, Proposal)
    steps = {"current": 10.0, "speed": 20.0}
    policy = Policy(TARGET, "q.manager", 0, 10 * HOUR, budget=3)
    assert policy.approves(answer, steps, HOUR, used=2)
    assert not policy.approves(answer, steps, HOUR, used=3)
    assert not policy.approves(answer, steps, 10 * HOUR, used=0)
    assert not replace(policy, largest_delta=0.01).approves(answer, steps, HOUR, used=0)
    assert not replace(policy, target=replace(TARGET, program="P-8")).approves(answer, steps, HOUR, used=0)
