"""Hours of centres among factories: what the rule gives, what is kept for each, what is owed, and why."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from optimizer.sharing.checking import share_faults
from optimizer.sharing.fluid import fluid
from optimizer.sharing.peers import first_come, first_due
from optimizer.sharing.program import most_hours
from optimizer.sharing.reserves import reserves
from optimizer.sharing.sharing import share
from plant.sharing import NONE, Keeps, ShareProblem, ShareReason, ShareRule, Shares, ends, share_figures
from tests.optimizer.sharing.share_shops import drawn_shop, order, shop

BOTH = [(keeps, rule) for keeps in Keeps for rule in ShareRule]


def _hours(shares: Shares) -> list[float]:
    return [round(float(one), 2) for one in shares.got_hours.sum(axis=(1, 2))]


def _codes(shares: Shares, row: int) -> dict[ShareReason, float]:
    return {one.code: one.hours for one in shares.reasons[row]}


def test_alone_a_factory_does_its_orders_by_due_date_in_the_hours_it_has_reserved() -> None:
    kept = reserves(shop([order(0, 7, due=3), order(0, 4, due=1), order(1, 6, due=0), order(0, 1, due=1, priority=9)]))
    assert kept.end.tolist() == [2, 0, 1, 0]
    assert (kept.by_then[0] / 1e6).tolist() == [0, 5, 7, 7]


def test_alone_an_order_is_at_the_centre_where_it_ends_first_and_stays_where_it_was_counted() -> None:
    problem = shop([order(0, 5), order(0, 5, may=(0, 1))], capacity=((10.0,) * 2,) * 2)
    assert reserves(problem).home.tolist() == [0, 1]
    counted = replace(problem, orders=replace(problem.orders, home=np.array([NONE, 0])))
    assert reserves(counted).home.tolist() == [0, 0]
    assert reserves(counted).end.tolist() == [0, 1]


def test_when_all_want_more_than_there_is_each_gets_what_it_has_reserved() -> None:
    wants = [order(factory, 2.0) for factory in (0, 1, 2) for _ in range(60)]
    assert _hours(share(shop(wants, reserved=(0.5, 0.3, 0.2)))) == pytest.approx([20, 12, 8], abs=2.0)


def test_what_one_does_not_need_goes_to_the_others_by_what_they_have_reserved() -> None:
    wants = [order(0, 1.0)] * 2 + [order(factory, 1.0) for factory in (1, 2) for _ in range(60)]
    assert _hours(share(shop(wants, reserved=(0.4, 0.4, 0.2)))) == pytest.approx([2, 25.33, 12.67], abs=1.0)


def test_an_idle_factory_lends_all_it_has_and_is_owed_it() -> None:
    shares = share(shop([order(0, 4.0) for _ in range(10)], carried_part=1.0))
    assert _hours(shares) == [40.0, 0.0]
    assert shares.lent_hours[1, 0].sum() == pytest.approx(20.0)
    assert shares.owed_hours[:, -1].tolist() == pytest.approx([-20.0, 20.0])


def test_the_proportional_rule_gives_each_the_same_part_of_what_it_asks_for() -> None:
    wants = [order(0, 1.0) for _ in range(60)] + [order(1, 1.0) for _ in range(20)]
    assert _hours(share(shop(wants, reserved=(0.1, 0.1), rule=ShareRule.PROPORTIONAL))) == pytest.approx([30, 10], abs=1.0)
    assert _hours(share(shop(wants, reserved=(0.1, 0.1)))) == pytest.approx([20, 20], abs=1.0)


def test_a_factory_that_may_go_to_several_centres_makes_room_for_one_that_may_not() -> None:
    wants = [order(0, 20.0), order(1, 20.0, may=(0, 1)), order(2, 2.0, may=(1,))]
    problem = shop(wants, capacity=((10.0,), (10.0,)), reserved=(0.0, 0.0, 0.0))
    given = fluid(problem, reserves(problem)).by_factory(problem).sum(axis=(1, 2))
    assert given.tolist() == pytest.approx([9.0, 9.0, 2.0], abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_the_level_is_that_of_the_tightest_set_of_factories_and_no_hour_is_lost(seed: int) -> None:
    problem = drawn_shop(seed, 12, 4)
    late = replace(problem.orders, due=np.full(12, 50))
    problem = replace(problem, orders=late, reserved=np.zeros((3, 2)))
    given = fluid(problem, reserves(problem)).by_factory(problem).sum(axis=(1, 2))
    assert given.tolist() == pytest.approx(_levels(problem), abs=1e-2)
    assert given.sum() == pytest.approx(most_hours(problem, in_time=False), abs=1e-2)


def _levels(problem: ShareProblem) -> list[float]:
    """Return the max-min shares by maximum flows through each set of factories (Megiddo 1974), with no linear program."""
    reached: dict[int, float] = {}
    while len(reached) < 3:
        rest = [factory for factory in range(3) if factory not in reached]
        sets = [chosen for size in range(1, len(rest) + 1) for chosen in combinations(rest, size)]
        level = {chosen: (_most(problem, {*chosen, *reached}) - sum(reached.values())) / len(chosen) for chosen in sets}
        tight = min(sets, key=lambda chosen: (round(level[chosen], 6), len(chosen)))
        reached |= dict.fromkeys(tight, level[tight])
    return [reached[factory] for factory in range(3)]


def _most(problem: ShareProblem, factories: set[int]) -> float:
    orders, (centres, periods) = problem.orders, problem.capacity_hours.shape
    count = len(orders.hours)
    size = count + centres * periods + 2
    edges = np.zeros((size, size), np.int32)
    for row in range(count):
        if orders.factory[row] not in factories:
            continue
        edges[size - 2, row] = round(orders.hours[row] * 1e4)
        for centre in np.flatnonzero(orders.may[row]):
            for period in range(int(orders.release[row]), periods):
                edges[row, count + centre * periods + period] = 2**30
    edges[count : count + centres * periods, size - 1] = np.rint(problem.capacity_hours.reshape(-1) * 1e4)
    return float(maximum_flow(csr_array(edges), size - 2, size - 1).flow_value) / 1e4


@pytest.mark.parametrize(("keeps", "rule"), BOTH)
def test_shares_of_random_shops_keep_every_rule_and_no_order_is_later_than_alone(keeps: Keeps, rule: ShareRule) -> None:
    for seed in range(4):
        problem = drawn_shop(seed, keeps=keeps, rule=rule, owed=(4.0, -1.0, -3.0))
        shares = share(problem)
        assert share_faults(problem, shares) == [], seed
        assert shares.figures.worse_than_alone == 0


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_by_sharing_fairly(seed: int) -> None:
    problem = drawn_shop(seed, 120)
    assert share(problem).figures.done_hours >= 0.97 * most_hours(problem, in_time=False)


def test_an_order_that_would_be_late_alone_is_in_time_with_hours_that_another_needs_only_later() -> None:
    wants = [order(0, 10.0, due=0), order(1, 20.0, due=3)]
    assert reserves(shop(wants)).end.tolist() == [1, 3]
    lent = share(shop(wants))
    assert lent.end.tolist() == [0, 2]
    paced = share(shop(wants, keeps=Keeps.PACE))
    assert paced.end.tolist() == [1, 2]


def test_orders_not_due_are_passed_by_what_is_and_still_in_time() -> None:
    shares = share(shop([order(0, 5.0, due=2), order(1, 10.0, due=0)]))
    assert shares.end.tolist() == [1, 0]
    assert shares.alone_end.tolist() == [0, 1]
    assert ShareReason.LENT_AWAY in _codes(shares, 0)
    assert ShareReason.EARLIER in _codes(shares, 1)


@pytest.mark.parametrize("seed", range(2))
def test_with_the_pace_kept_splits_anew_with_orders_nobody_knew_leave_no_order_later_than_alone(seed: int) -> None:
    whole = drawn_shop(seed, 40, 6, keeps=Keeps.PACE)
    kept = reserves(whole)
    left, end = whole.orders.hours.copy(), np.full(40, NONE)
    for period in range(6):
        known = np.flatnonzero((whole.orders.release <= period) & (left > 1e-6))
        columns = {key: getattr(whole.orders, key)[known] for key in ("factory", "priority", "may")}
        orders = replace(
            whole.orders,
            **columns,
            name=tuple(whole.orders.name[row] for row in known),
            hours=left[known],
            release=np.zeros(len(known), np.int64),
            due=whole.orders.due[known] - period,
            home=kept.home[known],
        )
        rest = replace(whole, orders=orders, periods=whole.periods[period:], capacity_hours=whole.capacity_hours[:, period:])
        work = share(rest).work
        now = work.period == 0
        np.subtract.at(left, known[work.order[now]], work.hours[now])
        end[(left <= 1e-6) & (end == NONE)] = period
    alone = np.where(kept.end == NONE, 6, kept.end)
    assert (np.where(end == NONE, 6, end) <= alone).all()


def test_who_is_owed_gets_more_until_it_is_paid_back() -> None:
    wants = [order(factory, 1.0) for factory in (0, 1) for _ in range(60)]
    problem = shop(wants, reserved=(0.4, 0.4), owed=(6.0, -6.0), carried_part=1.0)
    assert _hours(share(problem)) == pytest.approx([23, 17], abs=1.0)


def test_debts_add_up_to_nothing_are_bounded_and_what_pays_them_back_is_told() -> None:
    wants = [order(0, 1.0, release=2) for _ in range(40)] + [order(1, 1.0) for _ in range(40)]
    free = share(shop(wants, carried_part=1.0))
    assert np.abs(free.owed_hours.sum(axis=0)).max() < 1e-9
    assert free.owed_hours[0, 2] == pytest.approx(10.0)
    assert free.owed_hours[0, -1] < 1.5
    assert sum(_codes(free, row).get(ShareReason.PAID_BACK, 0.0) for row in range(40)) == pytest.approx(10.0, abs=1.5)
    bound = share(shop(wants, carried_part=0.1))
    assert bound.owed_hours[:, 2].tolist() == pytest.approx([2.0, -2.0])


def test_reasons_tell_from_whom_each_hour_comes() -> None:
    problem = drawn_shop(5)
    shares = share(problem)
    done = np.bincount(shares.work.order, shares.work.hours, minlength=40)
    sources = {ShareReason.OWN_RESERVE, ShareReason.LENT, ShareReason.PAID_BACK, ShareReason.COMMON}
    told = [sum(one.hours for one in its if one.code in sources) for its in shares.reasons]
    assert told == pytest.approx(done.tolist(), abs=0.03)


def test_reasons_tell_what_an_order_waits_for_and_what_comes_of_it() -> None:
    wants = [order(0, 10.0, due=0), order(0, 5.0, due=0), order(1, 40.0, due=1), order(0, 1.0, release=1, due=1), order(1, 5.0, may=())]
    shares = share(shop(wants))
    assert _codes(shares, 1)[ShareReason.OWN_FIRST] == pytest.approx(10.0)
    assert ShareReason.LATE in _codes(shares, 1)
    assert {ShareReason.LATE, ShareReason.UNFINISHED} <= set(_codes(shares, 2))
    assert ShareReason.NOT_RELEASED in _codes(shares, 3)
    assert ShareReason.NO_CENTRE in _codes(shares, 4)


def test_a_closed_centre_is_told_as_what_an_order_waits_for() -> None:
    shares = share(shop([order(0, 5.0)], capacity=((0.0, 10.0),)))
    assert ShareReason.CLOSED in _codes(shares, 0)
    assert shares.end.tolist() == [1]


def test_first_come_first_served_is_less_fair_by_the_same_index() -> None:
    problem = shop([order(factory, 1.0, due=3) for factory in (0, 1) for _ in range(40)])
    shares = share(problem)
    came = share_figures(problem, first_come(problem), shares.promised, shares.entitled_hours)
    assert shares.figures.jain > 0.99
    assert came.jain < 0.6
    assert came.worse_than_alone > 0


def test_equal_factories_have_equal_hours_in_each_period_and_not_one_after_the_other() -> None:
    shares = share(shop([order(factory, 1.0) for factory in (0, 1) for _ in range(60)]))
    assert shares.got_hours.sum(axis=1).tolist() == [[5.0] * 4] * 2


def test_by_due_date_over_all_an_order_can_end_later_than_alone() -> None:
    problem = shop([order(0, 40.0, due=0), order(1, 5.0, due=1)])
    assert ends(problem, first_due(problem)).tolist() == [3, NONE]
    assert share(problem).end[1] <= 1


def test_the_same_problem_gives_the_same_shares() -> None:
    one, other = share(drawn_shop(3)), share(drawn_shop(3))
    assert (one.work.hours == other.work.hours).all()
    assert one.reasons == other.reasons


def test_no_orders_and_no_hours_are_shared_too() -> None:
    nothing = shop([])
    assert share_faults(nothing, share(nothing)) == []
    closed = shop([order(0, 1.0), order(1, 2.0, may=())], capacity=((0.0, 0.0),))
    shares = share(closed)
    assert share_faults(closed, shares) == []
    assert shares.end.tolist() == [NONE, NONE]


def test_orders_of_thirds_that_fill_a_reserve_exactly_end_in_it_and_not_by_a_rest_in_the_next() -> None:
    """Of a sixth of an hour, or two thirds: each rounded up by itself they would be more than the hours they fill."""
    orders = [order(factory, hours) for factory in (0, 1) for hours in (2 / 3,) * 6 + (1 / 6,) * 6]
    problem = shop(orders, capacity=((10.0,) * 2,))
    shares = share(problem)
    assert share_faults(problem, shares) == []
    assert set(shares.alone_end.tolist()) == {0}
