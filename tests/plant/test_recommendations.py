"""Recommendations: read back as written, refused where they are not as they should be, and quiet where nothing is new."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plant.errors import SettingsError
from plant.recommendations import (
    Against,
    Answer,
    Change,
    Comparison,
    Estimate,
    Gain,
    InsteadOf,
    MeasuredInterval,
    Recommendation,
    RecommendationFile,
    Removed,
    RouteEstimate,
    Stage,
    StepReason,
    is_open,
    material_change,
    may_become,
    read_recommendations,
    recommendation_of,
    recommendation_record,
    recommendations_schema,
    write_recommendations,
)

MADE = datetime(2026, 11, 20, 8, tzinfo=UTC)


def _costs(mean: float) -> RouteEstimate:
    return RouteEstimate(Estimate(mean, mean - 5, mean + 5), Estimate(60, 50, 70), Estimate(0.95, 0.9, 0.98))


def _proposed() -> Recommendation:
    return Recommendation(
        product="m-30",
        answer=Answer.RECOMMENDED,
        route=("cut-2", "weld-7"),
        predicted=_costs(100.0),
        against=Against(current=Comparison(("cut-1", "weld-7"), _costs(110.0), Gain(10.0, 4.0, 16.0, "current"))),
        gain=Gain(10.0, 4.0, 16.0, "current"),
        steps=(
            StepReason(operation="cut", alternative="cut-2", work_unit="laser-2", instead_of=InsteadOf("cut-1", 40.0), difference=10.0),
            StepReason(operation="weld", alternative="weld-7", work_unit="robot-1", parameters={"current_a": 240.0}),
        ),
        valid_until=MADE + timedelta(days=30),
        intervals={"cut-2": MeasuredInterval((30.0, 25.0, 36.0), 120, supported=True)},
    )


def _later(**changes: object) -> Recommendation:
    return replace(_proposed(), **changes)  # type: ignore[arg-type]


def test_a_file_is_read_back_as_it_was_written() -> None:
    file = RecommendationFile("recommendations/1", "a1b2", MADE, (_proposed(), _later(product="m-31", answer=Answer.KEEP_CURRENT)))

    text = write_recommendations(file)

    assert read_recommendations(text, "R.json") == file
    assert write_recommendations(read_recommendations(text, "R.json")) == text


def test_one_recommendation_goes_through_storage_unchanged() -> None:
    record = json.loads(json.dumps(recommendation_record(_proposed())))

    assert recommendation_of(record) == _proposed()


def test_an_unknown_key_is_refused_by_its_name() -> None:
    text = write_recommendations(RecommendationFile("recommendations/1", "a1b2", MADE, (_proposed(),)))

    with pytest.raises(SettingsError, match=r"R\.json: items\.0\.steps\.1\.hope"):
        read_recommendations(text.replace('"operation": "weld"', '"hope": 1, "operation": "weld"'), "R.json")


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", '"much"'])
def test_a_cost_that_is_no_number_is_refused(wrong: str) -> None:
    text = write_recommendations(RecommendationFile("recommendations/1", "a1b2", MADE, (_proposed(),)))

    with pytest.raises(SettingsError, match=r"items\.0\.predicted\.cost\.mean"):
        read_recommendations(text.replace('"mean": 100.0', f'"mean": {wrong}'), "R.json")


def test_a_time_without_its_zone_is_refused() -> None:
    text = write_recommendations(RecommendationFile("recommendations/1", "a1b2", MADE, ()))

    with pytest.raises(SettingsError, match="made_at"):
        read_recommendations(text.replace("08:00:00Z", "08:00:00"), "R.json")


def test_the_schema_names_all_that_stands_in_a_file() -> None:
    assert set(recommendations_schema()["properties"]) == {"leadhand", "model_version", "made_at", "items"}


def test_a_first_recommendation_is_news_and_the_same_again_is_not() -> None:
    assert material_change(None, _proposed()) is Change.FIRST
    assert material_change(_proposed(), _proposed()) is None
    assert material_change(_proposed(), _later(predicted=_costs(101.0))) is None
    assert material_change(None, _later(answer=Answer.KEEP_CURRENT)) is None


def test_another_route_is_news_only_where_it_gains_beyond_doubt() -> None:
    old = _proposed()
    other = _later(route=("cut-3", "weld-7"))

    def against_old(low: float) -> Recommendation:
        return replace(other, against=Against(proposed=Comparison(old.route, _costs(100.0), Gain(3.0, low, 6.0, "proposed"))))

    assert material_change(old, against_old(0.2)) is None
    assert material_change(old, against_old(0.6)) is Change.BETTER
    assert material_change(old, against_old(0.6), least_share=0.01) is None


def test_a_rule_that_forbids_the_proposed_route_is_news() -> None:
    forbidden = (Removed("cut-2", "thick-plates", "laser 2 cuts 20 mm at most"),)

    assert material_change(_proposed(), _later(removed=forbidden)) is Change.RULE


def test_evidence_that_no_longer_covers_the_proposed_route_is_news() -> None:
    lost = {"cut-2": MeasuredInterval((30.0, 10.0, 60.0), 120, supported=False)}

    assert material_change(_proposed(), _later(intervals=lost)) is Change.EVIDENCE


def test_a_proposed_route_that_is_expected_to_cost_more_than_was_thought_possible_is_news() -> None:
    assert material_change(_proposed(), _later(predicted=_costs(106.0))) is Change.MODEL


def test_a_recommendation_past_its_time_is_made_anew() -> None:
    until = _proposed().valid_until

    assert material_change(_proposed(), _proposed(), now=until - timedelta(seconds=1)) is None
    assert material_change(_proposed(), _proposed(), now=until) is Change.EXPIRED


def test_what_was_declined_is_not_sent() -> None:
    assert may_become(Stage.PROPOSED, Stage.APPROVED)
    assert not may_become(Stage.DECLINED, Stage.SENT)
    assert not may_become(Stage.PROPOSED, Stage.SENT)
    assert {stage for stage in Stage if not is_open(stage)} == {Stage.DECLINED, Stage.REFUSED, Stage.EXPIRED, Stage.ROLLED_BACK}
