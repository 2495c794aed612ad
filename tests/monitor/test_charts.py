"""Control charts: published examples to the digits given, each rule by a run of its own, capability with its interval."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reference_statistics import lines
from monitor import charts
from monitor.capability import Method, Tolerance, capability, normality, percentile_performance, performance, taguchi, tool_capability
from monitor.chart_rules import rules_of, signals
from plant.charts import RULES, ChartKind, ChartPart, Rule, RuleSet


def test_each_published_statistic_comes_out_to_the_digits_given() -> None:
    told = list(lines())
    assert len(told) > 180
    assert [line for line in told if not line.right] == []


def of(points: list[float], rules: tuple[Rule, ...] = RULES[RuleSet.NELSON]) -> dict[Rule, list[int]]:
    """Where each rule signals on points whose mean is 0 and sigma 1."""
    found = signals(rules, np.array(points), 0.0, np.array(1.0), np.array(-3.0), np.array(3.0))
    return {rule: np.flatnonzero(where).tolist() for rule, where in found.items() if where.any()}


@pytest.mark.parametrize(
    ("rule", "points", "at"),
    [
        (Rule.BEYOND, [0.1, -0.2, 3.01], 2),
        (Rule.RUN_9, [-0.1, *([0.5, 0.2] * 4), 0.3], 9),
        (Rule.TREND, [0.0, -0.5, -0.3, 0.1, 0.4, 0.6, 0.9], 6),
        (Rule.ALTERNATING, [0.4 * (-1) ** n * (1 + 0.01 * n) for n in range(14)], 13),
        (Rule.TWO_OF_THREE, [-0.1, 2.1, 0.2, 2.5], 3),
        (Rule.FOUR_OF_FIVE, [-0.3, 1.1, 1.4, 0.2, 1.3, 1.2], 5),
        (Rule.STRATIFIED, [0.9 * np.sin(2.1 * n) for n in range(15)], 14),
        (Rule.MIXED, [1.2, -1.3, 1.4, 1.1, -1.5, 1.3, -1.2, -1.4], 7),
    ],
)
def test_each_of_nelsons_rules_signals_at_the_point_that_completes_its_pattern(rule: Rule, points: list[float], at: int) -> None:
    assert of(points)[rule] == [at]
    assert rule not in of(points[:at])


def test_a_run_is_nine_points_for_nelson_and_eight_for_western_electric() -> None:
    eight = [-0.5, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2]
    assert of(eight) == {}
    assert of(eight, RULES[RuleSet.WESTERN_ELECTRIC]) == {Rule.RUN_8: [8]}
    assert Rule.TREND in RULES[RuleSet.WESTERN_ELECTRIC_ALL]


def test_a_run_on_one_side_is_no_mixture_and_a_value_on_the_centre_ends_a_run() -> None:
    assert Rule.MIXED not in of([1.2] * 8)
    assert Rule.RUN_9 not in of([0.5] * 8 + [0.0] + [0.5] * 8)


def test_averages_sums_and_ranges_are_judged_by_their_limits_alone() -> None:
    assert rules_of(ChartKind.EWMA, ChartPart.LOCATION, RuleSet.NELSON) == (Rule.BEYOND,)
    assert rules_of(ChartKind.XBAR_R, ChartPart.SPREAD, RuleSet.NELSON) == (Rule.BEYOND,)
    assert Rule.TWO_OF_THREE not in rules_of(ChartKind.P, ChartPart.LOCATION, RuleSet.NELSON)


def test_false_calls_of_a_chart_in_control_are_as_rare_as_theory_says() -> None:
    points = np.random.default_rng(4).normal(size=200_000)
    found = signals((Rule.BEYOND, Rule.RUN_9), points, 0.0, np.array(1.0), np.array(-3.0), np.array(3.0))
    assert found[Rule.BEYOND].mean() == pytest.approx(0.0027, rel=0.15)
    assert found[Rule.RUN_9].mean() == pytest.approx(2 * 0.5**9, rel=0.1)


def test_a_cusum_designed_for_a_run_length_has_it() -> None:
    allowance, decision = charts.cusum_design(370, 1.0)
    assert (allowance, decision) == pytest.approx((0.5, 4.77), abs=0.01)
    rng = np.random.default_rng(8)
    lengths = []
    for _ in range(300):
        sums = charts.cusum(rng.normal(size=4000), 0.0, allowance=allowance, decision=decision)
        beyond = np.flatnonzero(sums.beyond)
        lengths.append(beyond[0] + 1 if len(beyond) else 4000)
    assert np.mean(lengths) == pytest.approx(370, rel=0.2)


def test_limits_of_an_average_widen_to_those_that_hold_for_ever() -> None:
    chart = charts.ewma(np.zeros(50), 0.0, 1.0)
    steady = charts.ewma(np.zeros(1), 0.0, 1.0, before=None)
    assert chart.limits.high[0] == pytest.approx(0.6)
    assert (np.diff(chart.limits.high) > 0).all()
    assert chart.limits.high[-1] == pytest.approx(float(steady.limits.high), rel=1e-6)


def test_subgroups_give_the_sigma_within_them_whatever_their_size() -> None:
    groups = np.random.default_rng(5).normal(10, 2, (4000, 5))
    for location, _spread in (charts.means_and_ranges(groups), charts.means_and_deviations(groups)):
        assert float(location.limits.sigma) * np.sqrt(5) == pytest.approx(2, rel=0.02)
    means, _ranges = charts.means_and_ranges(np.random.default_rng(6).normal(0, 1, (500, 40)))
    assert float(means.limits.sigma) * np.sqrt(40) == pytest.approx(1, rel=0.02)


def test_a_share_chart_has_limits_of_each_sample_size_between_none_and_all() -> None:
    chart = charts.proportions(np.array([1, 3, 0, 9]), np.array([50, 200, 10, 400]))
    assert chart.limits.center == pytest.approx(13 / 660)
    assert (chart.limits.low == 0).all()
    assert chart.limits.high[2] > chart.limits.high[3]
    with pytest.raises(ValueError, match="no more defective"):
        charts.proportions(np.array([3]), np.array([2]))


def test_counts_have_their_charts_too() -> None:
    assert charts.defects(np.array([4, 4, 4])).limits.high == pytest.approx(10)
    assert charts.defectives(np.array([5, 5]), 50).limits.center == pytest.approx(5)
    assert charts.defects_per_unit(np.array([4, 8]), np.array([2.0, 4.0])).limits.center == pytest.approx(2)


def test_a_capability_holds_the_true_value_in_95_of_100_intervals() -> None:
    rng = np.random.default_rng(12)
    held = within = 0
    for _ in range(600):
        values = rng.normal(0, 1, 60)
        told = performance(values, Tolerance(-4.5, 4.0))
        assert told.actual.low is not None
        assert told.actual.high is not None
        held += told.actual.low <= 4 / 3 <= told.actual.high
        groups = capability(values.reshape(12, 5), Tolerance(-4.5, 4.0))
        assert groups.actual.low is not None
        assert groups.actual.high is not None
        within += groups.actual.low <= 4 / 3 <= groups.actual.high
    assert held / 600 == pytest.approx(0.95, abs=0.025)
    assert within / 600 == pytest.approx(0.95, abs=0.025)


def test_a_one_sided_tolerance_has_an_actual_but_no_potential_index() -> None:
    told = performance(np.array([1.0, 2.0, 3.0]), Tolerance(None, 5.0))
    assert told.potential is None
    assert told.actual.value == pytest.approx(1.0)
    assert told.n == 3
    assert not told.enough


def test_a_tool_is_judged_by_six_sigmas_of_fifty_runs() -> None:
    values = np.tile([49.0, 51.0], 25)
    told = tool_capability(values, Tolerance(45, 55))
    sigma = np.std(values, ddof=1)
    assert told.potential is not None
    assert told.potential.value == pytest.approx(10 / (6 * sigma))
    assert told.actual.value == pytest.approx(5 / (3 * sigma))
    assert told.enough
    assert not tool_capability(values[:49], Tolerance(45, 55)).enough


def test_values_that_are_not_normal_are_told_and_judged_by_percentiles() -> None:
    skewed = np.random.default_rng(3).lognormal(0.0, 0.5, 2000)
    assert (normality(skewed) or 0) < 0.001
    assert (normality(np.random.default_rng(3).normal(size=200)) or 0) > 0.05
    told = percentile_performance(skewed, Tolerance(0.0, 6.0))
    assert told.method is Method.PERCENTILES
    # the 99.865 % point of this distribution is exp(1.5)
    assert told.actual.value == pytest.approx((6 - 1) / (np.exp(1.5) - 1), rel=0.2)
    assert told.enough
    few = percentile_performance(skewed[:200], Tolerance(0.0, 6.0))
    assert not few.enough


def test_what_no_capability_can_be_told_from_is_refused() -> None:
    with pytest.raises(ValueError, match="all values are equal"):
        performance(np.array([1.0, 1.0, 1.0]), Tolerance(0, 2))
    with pytest.raises(ValueError, match="at least one limit"):
        Tolerance(None, None)
    assert taguchi(1.0, 0.5, 30, Tolerance(0, 2)) is None
    assert normality(np.ones(20)) is None
