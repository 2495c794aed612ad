"""Joints: one place joined, what torque, angle, order and picture say of it, and whether it is released. Pure functions and values.

A joint is released only when its curve, its place in the order and its mark agree, with a tool and a camera whose calibration is known.
A part that is missing makes it wait; parts that disagree make it a case for a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from plant.equipment import EquipmentId
from plant.inspections import Decision, Reason, gravest

DAY_US: Final = 86_400_000_000
_BY_VIEWS: Final = (Decision.NOT_DECIDABLE, Decision.OK, Decision.REVIEW, Decision.NOK)


class Risk(StrEnum):
    """What a joint that fails endangers (VDI/VDE 2862)."""

    A = "a"
    """Life, limb or the environment."""
    B = "b"
    """It makes the machine stand still."""
    C = "c"
    """Neither."""


class JointState(StrEnum):
    """What is to become of a joint."""

    RELEASED = "released"
    WAITING = "waiting"
    """Something is missing: a curve, a picture, a calibration."""
    CASE = "case"
    """A person must look at it."""
    STOPPED = "stopped"
    """It is not OK."""


@dataclass(frozen=True, slots=True)
class CurveVerdict:
    """What torque and angle say of a joint."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    """By names that end with their unit."""
    distance: float | None = None
    """From good runs, in spreads of the most unusual feature; None where there is no reference."""
    review_at: float | None = None
    reference_runs: int = 0


@dataclass(frozen=True, slots=True)
class MarkFinding:
    """What a picture says of a joint's mark."""

    decision: Decision
    frame_sha256: str
    calibration: str
    reasons: tuple[Reason, ...] = ()
    taken_us: int = 0
    view: str = ""


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """How the place of a tightening in the order compares to the plan."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCalibration:
    """Which tool it was, and when it was calibrated."""

    tool: str
    calibrated_us: int | None
    used_us: int
    limit_days: float


@dataclass(frozen=True, slots=True)
class JointVerdict:
    """What is to become of a joint, and why."""

    state: JointState
    decision: Decision
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class JointGroupPlan:
    """Joints that are judged together, e.g. the bolts of a flange."""

    id: str
    name: str
    equipment: EquipmentId
    """The station that tightens them."""
    bolts: int
    risk: Risk = Risk.A
    programs: tuple[int, ...] = ()
    """Numbers of the programs that may be used; any where empty."""
    order: tuple[tuple[int, ...], ...] = ()
    """Numbers of the bolts, round by round; those of one round are tightened at once. Not judged where empty."""
    places: tuple[int, ...] = ()
    """Where each bolt stands on the circle, clockwise from 1 at the top; bolt 1 at place 1 and so on where empty."""
    picture: bool = True
    """Whether a picture of each mark is needed."""
    camera_station: str = ""
    """The station of the cameras that look at the marks."""
    calibration_days: float = 365.0
    """How old the calibration of a tool may be."""
    learn_runs: int = 100
    """Good runs from which the reference of a program is learned."""

    def spot(self, bolt: int) -> tuple[float, float]:
        """Return where a bolt stands on the flange, as shares of its radius right of and above the middle."""
        return spot_on_circle(self.places[bolt - 1] if 0 < bolt <= len(self.places) else bolt, self.bolts)


def spot_on_circle(place: int, places: int) -> tuple[float, float]:
    """Return a place on a circle as shares of its radius right of and above the middle; 1 is at the top, then clockwise."""
    turn = 2 * math.pi * (place - 1) / max(places, 1)
    return math.sin(turn), math.cos(turn)


def judge_joint(
    curve: CurveVerdict | None,
    order: OrderVerdict | None,
    mark: MarkFinding | None,
    tool: ToolCalibration,
    *,
    part: str,
    picture: bool = True,
    planned: Sequence[Reason] = (),
) -> JointVerdict:
    """Return whether a joint is released. None: that part is missing yet. ``picture``: whether its mark must be seen.

    ``planned``: what program and spindle were, where they are not as planned.
    """
    missing = list(_missing(curve, mark, tool, part=part, picture=picture))
    told, seen = None if curve is None else curve.decision, None if mark is None else mark.decision
    wrong = [*planned, *(order.reasons if order is not None and order.decision is not Decision.OK else ())]
    if told is Decision.NOK and curve is not None:
        both = () if seen is not Decision.OK else (Reason("disagree_curve"),)
        return JointVerdict(JointState.CASE if both else JointState.STOPPED, Decision.NOK, (*both, *curve.reasons, *wrong, *missing))
    if seen is Decision.NOK and mark is not None:
        both = () if told is not Decision.OK else (Reason("disagree_mark"),)
        return JointVerdict(JointState.CASE, Decision.NOK, (*both, *mark.reasons, *wrong, *missing))
    unsure = list(_unsure(curve, mark))
    decisions = [decision for decision in (told, seen, None if order is None else order.decision) if decision is not None]
    if wrong or unsure:
        why = gravest([*decisions, Decision.REVIEW])
        return JointVerdict(JointState.CASE, why, (*wrong, *unsure, *missing))
    if missing or order is None:
        return JointVerdict(JointState.WAITING, Decision.NOT_DECIDABLE, tuple(missing) or (Reason("order_unknown", {"why": "not judged"}),))
    notes = () if curve is None else tuple(reason for reason in curve.reasons if reason.code == "thin_reference")
    return JointVerdict(JointState.RELEASED, Decision.OK, notes)


def decision_of_views(decisions: Iterable[Decision]) -> Decision:
    """Return what several views of one bolt say together: NOK if one does, else REVIEW, else OK if one does.

    A view that could not be judged leaves the bolt to the others; one that saw it and doubts it is never outvoted.
    """
    return max(decisions, key=_BY_VIEWS.index, default=Decision.NOT_DECIDABLE)


def mark_of_views(marks: Sequence[MarkFinding]) -> MarkFinding | None:
    """Return what all pictures of one bolt since it was tightened say of its mark; None without any.

    Of each view the newest picture counts, but for a NOK: that stands, whatever other and later pictures say.
    """
    newest: dict[str, MarkFinding] = {}
    for mark in sorted(marks, key=lambda mark: (mark.taken_us, _BY_VIEWS.index(mark.decision)), reverse=True):
        newest.setdefault(mark.view, mark)
    counted = [*(mark for mark in marks if mark.decision is Decision.NOK), *newest.values()]
    decision = decision_of_views(mark.decision for mark in counted)
    return max((mark for mark in counted if mark.decision is decision), key=lambda mark: mark.taken_us, default=None)


def _missing(curve: CurveVerdict | None, mark: MarkFinding | None, tool: ToolCalibration, *, part: str, picture: bool) -> list[Reason]:
    found = [Reason("no_curve")] if curve is None else []
    if picture and mark is None:
        found.append(Reason("no_picture"))
    if mark is not None and not mark.calibration:
        found.append(Reason("picture_uncalibrated"))
    if not part:
        found.append(Reason("no_serial"))
    if not tool.tool:
        found.append(Reason("no_tool"))
    elif tool.calibrated_us is None or tool.calibrated_us > tool.used_us:
        found.append(Reason("tool_uncalibrated", {"tool": tool.tool}))
    elif tool.used_us - tool.calibrated_us > tool.limit_days * DAY_US:
        days = (tool.used_us - tool.calibrated_us) // DAY_US
        found.append(Reason("tool_expired", {"tool": tool.tool, "days": float(days), "limit": tool.limit_days}))
    return found


def _unsure(curve: CurveVerdict | None, mark: MarkFinding | None) -> list[Reason]:
    found: list[Reason] = []
    if curve is not None and curve.decision in {Decision.REVIEW, Decision.NOT_DECIDABLE}:
        found += [Reason(f"curve_{curve.decision.value}"), *curve.reasons]
    if mark is not None and mark.decision in {Decision.REVIEW, Decision.NOT_DECIDABLE}:
        found += [Reason(f"mark_{mark.decision.value}"), *mark.reasons]
    return found


def judge_order(order: Sequence[Sequence[int]], tightened: Sequence[int], bolt: int) -> OrderVerdict:
    """Return whether a bolt came when the plan has it. ``tightened``: the bolts of this part as they were tightened, this one included.

    Bolts of one round may come in any order among themselves. Without a plan any order is right.
    """
    if tightened.count(bolt) > 1:
        return OrderVerdict(Decision.REVIEW, (Reason("tightened_again", {"times": float(tightened.count(bolt))}),))
    if not order:
        return OrderVerdict(Decision.OK)
    rounds = {number: at for at, numbers in enumerate(order) for number in numbers}
    if bolt not in rounds or bolt not in tightened:
        return OrderVerdict(Decision.REVIEW, (Reason("order_unknown", {"why": f"the plan knows no bolt {bolt}"}),))
    at = tightened.index(bolt)
    before = sum(len(numbers) for numbers in order[: rounds[bolt]])
    first, last = before + 1, before + len(order[rounds[bolt]])
    if first <= at + 1 <= last:
        return OrderVerdict(Decision.OK)
    planned = str(first) if first == last else f"{first} to {last}"
    return OrderVerdict(Decision.REVIEW, (Reason("order_wrong", {"bolt": float(bolt), "place": float(at + 1), "planned": planned}),))


def judge_group(bolts: int, joints: Mapping[int, JointState]) -> JointVerdict:
    """Return what is to become of a group by the states of its joints, by their numbers: released only when each one is."""
    missing = [bolt for bolt in range(1, bolts + 1) if bolt not in joints]
    states = set(joints.values())
    reasons = (Reason("bolts_missing", {"missing": float(len(missing)), "bolts": float(bolts)}),) if missing else ()
    if JointState.STOPPED in states:
        return JointVerdict(JointState.STOPPED, Decision.NOK, reasons)
    if JointState.CASE in states:
        return JointVerdict(JointState.CASE, Decision.REVIEW, reasons)
    if missing or JointState.WAITING in states or not joints:
        return JointVerdict(JointState.WAITING, Decision.NOT_DECIDABLE, reasons)
    return JointVerdict(JointState.RELEASED, Decision.OK)
