"""What is recommended: the best route that rules and evidence leave, compared with what there is, with reasons that add up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from optimizer.recommending import UnitLoad, recommend, recommender
from optimizer.route_estimates import Expected
from optimizer.verifying import recommendation_faults, route_faults
from plant.process_network import AnyOrder, Route, Sequence, Step
from plant.process_windows import parse_windows
from plant.recommendations import Answer, Recommendation, material_change
from tests.optimizer.shop import COST, MADE, MINUTES, YIELDS, asked, expected, history, known, network, product, products

WINDOWS = """
[[windows]]
work_unit = "robot-1"
program = "w7"
version = 1
author = "Ann"
approver = "Bob"
parameters = [{ name = "current_a", unit = "A", low = 200.0, high = 250.0, step = 5.0 }]
"""


def _cost(name: str) -> float:
    minutes = MINUTES[name]
    return (2.0 if name == "hand" else 0.0) + minutes + (1 - YIELDS[name]) * (COST.rework_fixed_min + COST.rework_share * minutes)


def test_the_route_of_least_expected_cost_is_recommended_for_a_new_product() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop))

    assert said.answer is Answer.RECOMMENDED
    assert said.route == ("laser", "robot", "pin", "bath")
    assert said.predicted is not None
    assert said.predicted.cost.mean == pytest.approx(sum(map(_cost, said.route)))
    assert said.predicted.first_pass.mean == pytest.approx(math.prod(YIELDS[name] for name in said.route))
    assert said.predicted.energy_kwh is None


def test_a_rule_removes_an_alternative_and_is_named_for_it() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop, product(thickness=25.0)))

    assert said.route == ("plasma", "robot", "pin", "booth")
    assert [(one.alternative, one.rule, one.text) for one in said.removed] == [("laser", "thick", "laser 1 cuts 20 mm at most")]
    assert "laser" not in said.intervals


def test_only_what_measurements_cover_is_chosen() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop, what=expected(shop, unsupported=("robot", "bath"))))

    assert said.answer is Answer.RECOMMENDED
    assert not {"robot", "bath"} & set(said.route)
    assert not any({"robot", "bath"} & set(point.route) for point in said.pareto)


def test_without_evidence_for_an_operation_nothing_is_recommended_and_the_operation_is_named() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop, what=expected(shop, unsupported=("robot", "robot-slow", "hand"))))

    assert said.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert not said.route
    assert [(one.operation, one.code) for one in said.missing] == [("weld", "not_supported")]
    assert "no product like this one was measured" in (said.reason or "")


def test_where_rules_leave_no_way_that_is_said() -> None:
    shop = network()
    without = network(
        operations=(replace(shop.operations[0], alternatives=shop.operations[0].alternatives[:1]), *shop.operations[1:]),
        rules=shop.rules[:2],
        routes=(),
        current={},
    )

    said = recommend(recommender(without, products(), history(shop)), asked(without, product(thickness=25.0)))

    assert said.answer is Answer.NOT_ENOUGH_EVIDENCE
    assert [(one.operation, one.code) for one in said.missing] == [("cut", "no_alternative")]


@pytest.mark.parametrize("name", ["new", "a"])
@pytest.mark.parametrize("shrinkage", [1.0, 0.8])
def test_the_differences_of_the_steps_sum_up_to_the_gain(name: str, shrinkage: float) -> None:
    shop = network()

    said = recommend(known(shop), replace(asked(shop, product(name)), shrinkage=shrinkage))

    assert said.gain is not None
    assert said.gain.mean > 0
    assert math.fsum(step.difference for step in said.steps) == said.gain.mean
    compared = said.against.current or said.against.nearest
    assert compared is not None
    assert said.predicted is not None
    assert said.shrinkage == shrinkage
    assert said.gain.mean == pytest.approx(said.shrinkage * (compared.predicted.cost.mean - said.predicted.cost.mean))


def test_an_operation_that_only_the_other_route_has_is_part_of_the_reasons() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop, product("a")))

    dropped = [step for step in said.steps if step.alternative is None]
    assert [(step.operation, step.instead_of.alternative) for step in dropped if step.instead_of] == [("paint", "booth")]
    assert dropped[0].difference == pytest.approx(_cost("booth"))


def test_a_current_route_is_kept_where_nothing_is_better_beyond_doubt() -> None:
    shop = network()
    sure, unsure = (recommend(known(shop), asked(shop, product("a"), expected(shop, spread=spread))) for spread in (0.02, 0.5))

    assert sure.answer is Answer.RECOMMENDED
    assert unsure.answer is Answer.KEEP_CURRENT
    assert unsure.route == ("plasma", "robot", "pin", "booth")
    assert unsure.route_id == "r1"
    assert "not beyond doubt" in (unsure.reason or "")
    assert unsure.gain is not None
    assert unsure.gain.mean == 0.0


def test_a_step_that_hardly_saves_anything_is_left_as_it_is() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop, product("a"), expected(shop, spread=0.02, minutes={"hand": 29.6})))

    assert _cost("robot") > 2.0 + 29.6 + 0.05 * (20 + 0.5 * 29.6)
    assert "robot" in said.route


def test_what_a_rule_now_forbids_is_not_kept() -> None:
    shop = network(current={"b": "r2"})

    said = recommend(known(shop), asked(shop, product("b", thickness=25.0), expected(shop, spread=0.5)))

    assert said.answer is Answer.RECOMMENDED
    assert said.route == ("plasma", "robot", "pin", "booth")
    assert "current route" in (said.reason or "")


def test_a_new_product_is_compared_with_the_best_measured_route_of_the_nearest_product() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop))

    nearest = said.against.nearest
    assert nearest is not None
    assert nearest.product == "b"
    assert nearest.route == ("laser", "robot-slow", "pin", "bath")
    assert nearest.measured_cost is not None
    assert 69 < nearest.measured_cost < 85
    assert [one.product for one in said.nearest_products] == ["b", "a"]
    assert said.nearest_products[0].rows == 160


def test_a_product_is_not_its_own_nearest() -> None:
    shop = network()

    assert [one.product for one in recommend(known(shop), asked(shop, product("a", 15.0))).nearest_products] == ["b"]


def test_a_few_draws_far_out_do_not_lift_an_interval_off_its_value() -> None:
    shop = network()
    costs = np.array([_cost(one.id) for one in shop.alternatives])
    drawn = np.repeat(costs[None, :], 200, axis=0) + np.random.default_rng(1).normal(0, 0.1, (200, len(costs)))
    drawn[:2] += 1e6

    said = recommend(known(shop), asked(shop, what=replace(expected(shop), draws=drawn)))

    assert said.predicted is not None
    assert said.predicted.cost.low <= said.predicted.cost.mean <= said.predicted.cost.high


def test_a_nearest_product_whose_route_this_one_may_not_take_is_passed_over() -> None:
    shop = network()

    said = recommend(known(shop), asked(shop, product(thickness=24.0)))

    assert said.against.nearest is not None
    assert said.against.nearest.product == "a"


def test_on_request_only_routes_that_the_factory_has_are_recommended() -> None:
    shop = network()

    said = recommend(known(shop), replace(asked(shop), own_routes=True))

    assert said.route == ("laser", "robot-slow", "pin", "bath")
    assert said.route_id == "r2"


def test_routes_are_read_from_orders_where_the_network_names_none() -> None:
    shop, bare = network(), network(routes=(), current={})

    said = recommend(recommender(bare, products(), history(shop)), asked(bare))

    assert said.against.nearest is not None
    assert said.against.nearest.route == ("laser", "robot-slow", "pin", "bath")


def test_without_orders_the_nearest_product_is_compared_by_what_it_was_usually_made_by() -> None:
    shop, bare = network(), network(routes=(), current={})
    told = history(shop)
    without = replace(told, order=np.full(len(told), -1, np.int32))

    said = recommend(recommender(bare, products(), without), asked(bare))

    assert said.against.nearest is not None
    assert said.against.nearest.route == ("laser", "robot-slow", "pin", "bath")


def test_a_queue_makes_another_route_the_best_one_today() -> None:
    shop = network()
    load = {"laser-1": UnitLoad(extra_min=30.0, why="two orders wait"), "bath-1": UnitLoad(unavailable=True, why="cleaning")}

    said = recommend(known(shop), replace(asked(shop), today=load))

    assert said.route == ("laser", "robot", "pin", "bath")
    assert said.today is not None
    assert said.today.route == ("plasma", "robot", "pin", "booth")
    assert said.today.of_recommended is None
    assert said.today.avoided == {"laser-1": "30 minutes of waiting: two orders wait", "bath-1": "cleaning"}


def test_waiting_is_part_of_todays_cost() -> None:
    shop = network()

    said = recommend(known(shop), replace(asked(shop), today={"laser-1": UnitLoad(extra_min=1.5)}))

    assert said.today is not None
    assert said.predicted is not None
    assert said.today.route == said.route
    assert said.today.waiting_min == 1.5
    assert said.today.predicted.cost.mean == pytest.approx(said.predicted.cost.mean + 1.5)
    assert said.today.of_recommended == pytest.approx(said.today.predicted.cost.mean)


def test_risk_aversion_prefers_the_route_that_can_go_less_wrong() -> None:
    shop = network(cost=replace(COST, risk_aversion=1.0))
    what = expected(shop)
    high = what.duration_min.high.copy()
    high[shop.positions["robot"]] = 60.0

    said = recommend(known(shop), asked(shop, what=replace(what, duration_min=replace(what.duration_min, high=high))))

    assert "robot" not in said.route
    assert said.predicted is not None
    assert said.predicted.risk > 0


def test_each_pareto_route_is_the_best_at_something_and_none_is_beaten() -> None:
    shop = network()

    points = recommend(known(shop), asked(shop)).pareto

    assert 3 <= len(points) <= 5
    assert points[0].label == "recommended"
    for one in points:
        for other in points:
            assert not (other.cost < one.cost and other.duration_min < one.duration_min and other.first_pass > one.first_pass)
    assert min(points, key=lambda point: point.duration_min).label in {"fastest", "recommended"}
    assert max(points, key=lambda point: point.first_pass).label == "highest_yield"


def test_a_parameter_outside_of_its_window_is_never_recommended() -> None:
    shop = network()
    narrow = parse_windows(WINDOWS.replace("250.0", "240.0"))

    said = recommend(recommender(shop, products(), history(shop), narrow), asked(shop))

    assert "robot" not in said.route
    assert [(one.alternative, one.rule) for one in said.removed] == [("robot", "process window")]


def test_the_first_parts_are_watched_where_it_is_unsure_or_near_a_limit() -> None:
    shop = network()
    what = expected(shop)
    count = what.count.copy()
    count[shop.positions["pin"]] = 3
    wide = what.duration_min.high.copy()
    wide[shop.positions["laser"]] = 40.0

    said = recommend(
        recommender(shop, products(), history(shop), parse_windows(WINDOWS)),
        asked(shop, what=replace(what, count=count, duration_min=replace(what.duration_min, high=wide))),
    )

    watched = {(point.code, point.alternative) for point in said.watch}
    assert {("wide_interval", "laser"), ("low_yield", "robot"), ("few_rows", "pin"), ("near_window_edge", "robot")} <= watched


def test_draws_make_the_interval_of_a_gain_from_what_alternatives_have_in_common() -> None:
    shop = network()
    what = expected(shop, spread=0.5)
    together = np.random.default_rng(1).normal(0, 5, (200, 1)) + np.array([_cost(one.id) for one in shop.alternatives])

    def gain(told: Expected) -> float:
        found = recommend(known(shop), asked(shop, what=told)).gain
        assert found is not None
        return found.high - found.low

    assert gain(replace(what, draws=together)) < 0.01 < gain(what)


def test_the_same_question_again_is_no_news() -> None:
    shop = network()
    first = recommend(known(shop), asked(shop, product("a")))
    again = recommend(known(shop), replace(asked(shop, product("a"), expected(shop, minutes={"pin": 5.2})), before=first.route))

    assert material_change(None, first) is not None
    assert material_change(first, again) is None
    assert again.against.proposed is not None
    assert again.against.proposed.gain.mean == 0.0


def test_a_route_that_is_no_longer_the_best_by_far_is_news() -> None:
    shop = network()
    first = recommend(known(shop), asked(shop))
    what = expected(shop, spread=0.02, minutes={"robot-slow": 20.0})
    again = recommend(known(shop), replace(asked(shop, what=what), before=first.route))

    assert again.route == ("laser", "robot-slow", "pin", "bath")
    assert str(material_change(first, again)) == "better"


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        (("laser", "robot", "bath"), "no whole way"),
        (("laser", "robot", "hand", "pin", "bath"), "operation 'weld' is done 2 times"),
        (("laser", "robot", "pin", "bath", "booth"), "no whole way"),
        (("laser", "robot", "ink", "bath"), "rule 'ink-after-hand' is broken"),
        (("plasma", "robot", "pin", "bath"), "rule 'no-bath' is broken"),
        (("laser", "nobody", "pin", "bath"), "there is no alternative 'nobody'"),
    ],
)
def test_a_wrong_route_is_found_out_before_it_leaves(route: tuple[str, ...], fault: str) -> None:
    assert fault in "; ".join(route_faults(network(), product(), route, {}))


def test_a_route_that_a_rule_or_window_forbids_is_found_out_before_it_leaves() -> None:
    route = ("laser", "robot", "pin", "bath")

    assert "rule 'thick' forbids 'laser'" in "; ".join(route_faults(network(), product(thickness=21.0), route, {}))
    assert "outside of its process window" in "; ".join(route_faults(network(), product(), route, {"robot": "current_a too high"}))
    assert not route_faults(network(), product(), route, {})
    assert not route_faults(network(), product(thickness=20.0), route, {})


def _faults(said: Recommendation) -> str:
    return "; ".join(recommendation_faults(network(), product(), said, {}))


def test_numbers_that_do_not_add_up_are_found_out_before_they_leave() -> None:
    shop = network()
    said = recommend(known(shop), asked(shop))
    assert said.gain is not None
    first = said.steps[0]

    assert not _faults(said)
    assert "do not sum up to the gain" in _faults(replace(said, steps=(replace(first, difference=first.difference + 1.0), *said.steps[1:])))
    assert "costs of the steps" in _faults(replace(said, predicted=replace(said.predicted, cost=replace(said.predicted.cost, mean=1.0))))  # type: ignore[type-var,union-attr]
    assert "does not cover 'laser'" in _faults(replace(said, intervals={k: v for k, v in said.intervals.items() if k != "laser"}))
    assert "evidence is missing" in _faults(replace(said, answer=Answer.NOT_ENOUGH_EVIDENCE))


def test_valid_until_is_told() -> None:
    shop = network()

    assert (recommend(known(shop), replace(asked(shop), valid_days=7.0)).valid_until - MADE).days == 7


def test_a_plain_chain_without_history_has_nothing_to_compare_with() -> None:
    shop = network(root=Sequence((Step("cut"), AnyOrder((Step("weld"), Step("mark"))))), routes=(), current={}, rules=())
    none = history(network(routes=(Route("r", "a", ("laser",)),))).take(slice(0, 0))

    said = recommend(recommender(shop, products(), none), asked(shop))

    assert said.answer is Answer.RECOMMENDED
    assert said.gain is None
    assert said.nearest_products == ()
