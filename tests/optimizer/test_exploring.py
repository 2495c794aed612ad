import numpy as np
import pytest

from optimizer.exploring import ExplorationLedger, ExplorationRules, Explored, NoTrial, Trial, trial_of

ON = ExplorationRules(enabled=True, cost_share=0.01, order_share=0.05, first_orders=20, reckoned_factor=1.0)


def asked(rules: ExplorationRules, ledger: ExplorationLedger, *, high: float = 130.0, low: float = 80.0, due: bool = False) -> Explored:
    """Ask with a known alternative of cost 100, a dear one, and one that nobody tried."""
    return trial_of(
        rules,
        ledger,
        known=0,
        candidates=np.array([False, False, True]),
        low=np.array([95.0, 140.0, low]),
        mean=np.array([100.0, 150.0, 105.0]),
        high=np.array([105.0, 160.0, high]),
        due=due,
    )


def after(orders: int) -> ExplorationLedger:
    ledger = ExplorationLedger()
    for _ in range(orders):
        ledger = ledger.ordered(100.0)
    return ledger


def test_nothing_is_tried_unless_a_person_turned_it_on() -> None:
    assert asked(ExplorationRules(), after(10_000)) is NoTrial.OFF


def test_an_order_that_is_due_tries_nothing() -> None:
    assert asked(ON, after(10_000), due=True) is NoTrial.DUE


def test_a_budget_grows_with_orders_before_anything_is_tried() -> None:
    assert asked(ON, after(5)) is NoTrial.NO_BUDGET_YET
    assert asked(ON, after(25)) is NoTrial.TOO_DEAR
    assert asked(ON, after(40)) == Trial(2, 100.0, 130.0)


def test_what_cannot_be_better_is_not_tried() -> None:
    assert asked(ON, after(1000), low=101.0) is NoTrial.NOTHING_TO_TRY


def test_what_nobody_saw_work_is_reckoned_dear_whatever_is_predicted() -> None:
    careful = ExplorationRules(enabled=True)
    assert asked(careful, after(100), high=104.0) is NoTrial.TOO_DEAR
    assert asked(careful, after(250), high=104.0) == Trial(2, 100.0, 300.0)


def test_after_a_bad_surprise_trials_are_reckoned_dearer() -> None:
    ledger = after(1000).begun(100.0, 130.0).measured(100.0, 130.0, 260.0)
    found = asked(ON, ledger)
    assert isinstance(found, Trial)
    assert found.upper == 260.0


@pytest.mark.parametrize("truth", [90.0, 128.0])
def test_all_orders_together_never_cost_more_than_the_budget_and_few_try(truth: float) -> None:
    random = np.random.default_rng(3)
    ledger, spent, waiting = ExplorationLedger(), 0.0, list[float]()
    for order in range(3000):
        found = asked(ON, ledger)
        if isinstance(found, Trial):
            ledger = ledger.begun(found.baseline, found.upper)
            cost = min(found.upper, truth + random.normal(0, 3.0))
            waiting.append(cost)
            spent += cost
        else:
            ledger = ledger.ordered(100.0)
            spent += 100.0
        if waiting and order % 7 == 0:
            ledger = ledger.measured(100.0, 130.0, waiting.pop(0))
        assert spent <= 1.01 * 100.0 * ledger.orders + 1e-6
        assert ledger.tried <= 0.05 * ledger.orders + 1
    assert ledger.tried > 30
