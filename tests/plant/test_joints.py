"""A joint is released only when curve, order and mark agree, with a known calibration; else it waits or is a case for a person."""

from dataclasses import replace

import pytest

from plant.inspections import Decision, Reason, reason_words
from plant.joint_words import CURVE_REASONS, FAULT_WORDS, JOINT_REASONS
from plant.joints import (
    DAY_US,
    CurveVerdict,
    JointState,
    JointVerdict,
    MarkFinding,
    OrderVerdict,
    ToolCalibration,
    judge_group,
    judge_joint,
    judge_order,
    mark_of_views,
)

NOW = 1_790_000_000_000_000
GOOD = CurveVerdict(Decision.OK)
IN_ORDER = OrderVerdict(Decision.OK)
SEEN = MarkFinding(Decision.OK, "a" * 64, "cal-1")
TOOL = ToolCalibration("ST-1", NOW - 30 * DAY_US, NOW, 365)


def _judged(
    curve: CurveVerdict | None = GOOD,
    order: OrderVerdict | None = IN_ORDER,
    mark: MarkFinding | None = SEEN,
    tool: ToolCalibration = TOOL,
    part: str = "EX-1",
) -> JointVerdict:
    return judge_joint(curve, order, mark, tool, part=part)


def _codes(verdict: JointVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_a_joint_is_released_when_all_parts_agree() -> None:
    assert _judged() == JointVerdict(JointState.RELEASED, Decision.OK)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (lambda: _judged(curve=None), "no_curve"),
        (lambda: _judged(mark=None), "no_picture"),
        (lambda: _judged(part=""), "no_serial"),
        (lambda: _judged(tool=replace(TOOL, tool="")), "no_tool"),
        (lambda: _judged(tool=replace(TOOL, calibrated_us=None)), "tool_uncalibrated"),
        (lambda: _judged(tool=replace(TOOL, calibrated_us=NOW + 1)), "tool_uncalibrated"),
        (lambda: _judged(tool=replace(TOOL, calibrated_us=NOW - 366 * DAY_US)), "tool_expired"),
        (lambda: _judged(mark=replace(SEEN, calibration="")), "picture_uncalibrated"),
    ],
)
def test_a_missing_part_makes_a_joint_wait(verdict: object, code: str) -> None:
    assert callable(verdict)
    told = verdict()
    assert told.state is JointState.WAITING
    assert told.decision is Decision.NOT_DECIDABLE
    assert code in _codes(told)
    assert all("{" not in reason_words(reason) for reason in told.reasons)


def test_a_picture_that_says_no_against_a_good_curve_is_a_case_for_a_person() -> None:
    told = _judged(mark=replace(SEEN, decision=Decision.NOK, reasons=(Reason("mark_nok", {"why": "turned by 9 degrees"}),)))
    assert told.state is JointState.CASE
    assert _codes(told) == ["disagree_mark", "mark_nok"]


def test_a_curve_that_says_no_is_never_released_whatever_the_picture_says() -> None:
    bad = CurveVerdict(Decision.NOK, (Reason("tool_not_ok", {"why": "x"}),))
    assert _judged(curve=bad).state is JointState.CASE
    assert _judged(curve=bad, mark=None).state is JointState.STOPPED
    assert _judged(curve=bad, mark=replace(SEEN, decision=Decision.NOK)).state is JointState.STOPPED


@pytest.mark.parametrize("decision", [Decision.REVIEW, Decision.NOT_DECIDABLE])
def test_what_cannot_be_told_is_a_case(decision: Decision) -> None:
    assert _judged(curve=CurveVerdict(decision)).state is JointState.CASE
    assert _judged(mark=replace(SEEN, decision=decision)).state is JointState.CASE
    assert _judged(order=OrderVerdict(Decision.REVIEW, (Reason("order_wrong"),))).state is JointState.CASE


def test_no_combination_but_the_one_where_all_is_good_releases() -> None:
    curves = [None, *(CurveVerdict(decision) for decision in Decision)]
    marks = [None, *(replace(SEEN, decision=decision) for decision in Decision)]
    orders = [None, *(OrderVerdict(decision, () if decision is Decision.OK else (Reason("x"),)) for decision in Decision)]
    tools = [TOOL, replace(TOOL, calibrated_us=None)]
    released = [
        (curve, mark, order, tool)
        for curve in curves
        for mark in marks
        for order in orders
        for tool in tools
        if judge_joint(curve, order, mark, tool, part="EX-1").state is JointState.RELEASED
    ]
    assert len(released) == 1


def test_bolts_of_one_round_may_come_in_any_order_and_others_may_not() -> None:
    order = ((1, 4), (2, 5), (3, 6))
    assert judge_order(order, [4, 1, 2, 5], 4).decision is Decision.OK
    wrong = judge_order(order, [1, 2, 4], 2)
    assert wrong.decision is Decision.REVIEW
    assert reason_words(wrong.reasons[0]) == "Bolt 2 was tightened as number 2; the plan has it as number 3 to 4."


def test_a_bolt_tightened_again_is_a_case() -> None:
    assert [reason.code for reason in judge_order((), [1, 2, 1], 1).reasons] == ["tightened_again"]


def test_a_flange_is_released_only_when_each_bolt_is() -> None:
    all_good = dict.fromkeys(range(1, 5), JointState.RELEASED)
    assert judge_group(4, all_good).state is JointState.RELEASED
    assert judge_group(5, all_good).state is JointState.WAITING
    assert judge_group(4, all_good | {2: JointState.CASE}).state is JointState.CASE
    assert judge_group(4, all_good | {2: JointState.CASE, 3: JointState.STOPPED}).state is JointState.STOPPED
    assert judge_group(4, {}).state is JointState.WAITING


def test_every_reason_is_a_sentence() -> None:
    assert all(words.endswith((".", ": {note}")) for words in {**CURVE_REASONS, **JOINT_REASONS}.values())
    assert all(words and not words.endswith(".") for words in FAULT_WORDS.values())


def _view(view: str, taken_us: int, decision: Decision) -> MarkFinding:
    return replace(SEEN, view=view, taken_us=taken_us, decision=decision)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (Decision.OK, Decision.OK, Decision.OK),
        (Decision.NOK, Decision.OK, Decision.NOK),
        (Decision.OK, Decision.REVIEW, Decision.REVIEW),
        (Decision.OK, Decision.NOT_DECIDABLE, Decision.OK),
        (Decision.REVIEW, Decision.NOT_DECIDABLE, Decision.REVIEW),
        (Decision.NOT_DECIDABLE, Decision.NOT_DECIDABLE, Decision.NOT_DECIDABLE),
        (Decision.NOK, Decision.REVIEW, Decision.NOK),
    ],
)
def test_views_of_one_bolt_are_judged_together_in_whatever_order_they_come(first: Decision, second: Decision, together: Decision) -> None:
    for one, other in ((first, second), (second, first)):
        found = mark_of_views([_view("left", 1, one), _view("right", 2, other)])
        assert found is not None
        assert found.decision is together


def test_a_new_picture_of_a_view_replaces_its_old_one_but_never_one_that_is_not_ok() -> None:
    doubtful, clear = _view("left", 1, Decision.REVIEW), _view("left", 2, Decision.OK)
    assert mark_of_views([doubtful, clear]) == clear
    turned = _view("left", 0, Decision.NOK)
    assert mark_of_views([clear, turned, doubtful]) == turned
    assert mark_of_views([]) is None
