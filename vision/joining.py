"""Joints from what the tools measured and the cameras saw: each new tightening, each new picture of a mark makes a revision.

Records and progress go in one transaction: killed at any point, none is lost or there twice. A program of which no reference is known yet
lets its joints wait; once enough good runs are there, it is learned from them, and they are judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from plant.clock import Clock
from plant.errors import Rejected
from plant.inspections import Decision, Finding, Inspection, Reason, Subject
from plant.joint_curves import JointCurve, program_print
from plant.joints import (
    CurveVerdict,
    JointGroupPlan,
    JointState,
    JointVerdict,
    MarkFinding,
    OrderVerdict,
    ToolCalibration,
    judge_joint,
    judge_order,
    mark_of_views,
)
from plant.tightening import TighteningResult
from storage.database import Connection
from storage.inspections import StoredInspection, read_inspection, read_inspections_of
from storage.joints import (
    JointRecord,
    add_joint,
    inspections_after,
    newest_joint,
    read_reference,
    read_unjudged,
    tightened_before,
    tightenings_without_joint,
    write_reference,
)
from storage.progress import read_progress, write_progress
from storage.tightening import read_curve, read_tightening
from vision.envelope import Reference, learn, reference_of, reference_record
from vision.joint_verdict import judge_curve
from vision.stored_curves import stored_joint_curve

_AT_ONCE: Final = 40
_log = structlog.get_logger(process="vision")


class Joining:
    """Follows tightenings and pictures of marks, and writes what is known of each joint."""

    name = "joints"
    pause_seconds = 1.0

    def __init__(self, groups: Sequence[JointGroupPlan], clock: Clock) -> None:
        self._groups = {group.equipment: group for group in groups}
        self._cameras = {group.camera_station: group for group in groups if group.picture and group.camera_station}
        self._clock = clock
        self._references: dict[str, Reference] = {}

    def step(self, connection: Connection) -> bool:
        """Judge some of what is new, records and progress in one transaction; return whether more waits."""
        if not self._groups:
            return False
        with connection.transaction():
            known = read_progress(connection, self.name)
            done: dict[str, Any] = json.loads(known.state) if known is not None else {"tightening": 0, "inspection": 0}
            new = tightenings_without_joint(connection, list(self._groups), done["tightening"], self._clock.now_us(), _AT_ONCE)
            prints = {self._tightened(connection, number) for number in new} | set(map(str, done.get("learning", [])))
            seen = inspections_after(connection, list(self._cameras), done["inspection"], _AT_ONCE)
            for number in seen:
                self._looked_at(connection, number)
            again = sum(self._learned(connection, each) for each in sorted(prints) if each)
            done = {
                "tightening": max([done["tightening"], *new]),
                "inspection": max([done["inspection"], *seen]),
                "learning": sorted(each for each in prints if each and not self._settled(connection, each)),
            }
            write_progress(connection, self.name, self._clock.now_us(), json.dumps(done).encode())
        return len(new) == _AT_ONCE or len(seen) == _AT_ONCE or again >= _AT_ONCE

    def _tightened(self, connection: Connection, number: int) -> str:
        """Write what is known of the joint of a tightening; return the print of its program."""
        stored = read_tightening(connection, number)
        if stored is None:
            return ""
        plan = self._groups[stored.result.equipment]
        curve = self._curve(connection, number, stored.result)
        told = "" if curve is None else program_print(curve)
        blank = _blank(plan, number, stored.result, told, self._clock.now_us())
        mark = _mark_since(_inspections(connection, plan, stored.result.part), plan, blank.bolt, stored.result.time_us)
        add_joint(connection, self._judged(connection, plan, blank, stored.result, curve, mark))
        return told

    def _judged(
        self,
        connection: Connection,
        plan: JointGroupPlan,
        record: JointRecord,
        result: TighteningResult,
        curve: JointCurve | None,
        mark: MarkFinding | None,
    ) -> JointRecord:
        """Return a record with the verdict of all its parts."""
        reference = self._reference(connection, record.program_print) if record.program_print else None
        verdict = None
        if curve is not None and (reference is not None or result.verdict.value == "not_ok"):
            verdict = judge_curve(curve, reference, plan.risk)
        elif curve is None and result.verdict.value == "not_ok":
            verdict = CurveVerdict(Decision.NOK, (Reason("tool_not_ok", {"why": "no curve"}),))
        made = tightened_before(connection, plan.equipment, result.part, record.tightening or 0)
        order = judge_order(plan.order, [bolt for bolt, _ in made], record.bolt)
        tool = ToolCalibration(result.tool, result.tool_calibrated_us, result.time_us, plan.calibration_days)
        joint = judge_joint(verdict, order, mark, tool, part=result.part, picture=plan.picture, planned=_as_planned(plan, result))
        if curve is not None and verdict is None:
            joint = _waits(joint, plan)
        return _with(record, joint, verdict, order, mark)

    def _looked_at(self, connection: Connection, number: int) -> None:
        """Write a revision of each joint whose mark a picture shows."""
        stored = read_inspection(connection, number)
        if stored is None or not stored.inspection.part:
            return
        plan = self._cameras[stored.inspection.station]
        pictures = _inspections(connection, plan, stored.inspection.part)
        for bolt in sorted({bolt for bolt, _ in _bolts_of(plan, stored.inspection)}):
            before = newest_joint(connection, plan.id, stored.inspection.part, bolt)
            if before is None or before.tightening is None:
                continue
            tightened = read_tightening(connection, before.tightening)
            if tightened is None:
                continue
            # what a person answered stands until a later picture says otherwise
            mark = _mark_since(pictures, plan, bolt, tightened.result.time_us, before.made_us if before.actor else 0)
            if mark is None or (before.actor and mark.decision in {Decision.OK, Decision.NOT_DECIDABLE}):
                continue
            if (mark.decision, mark.frame_sha256, mark.calibration) == (before.mark, before.picture, before.picture_calibration):
                continue
            curve = self._curve(connection, before.tightening, tightened.result)
            record = replace(before, made_us=self._clock.now_us(), actor="", note="")
            add_joint(connection, self._judged(connection, plan, record, tightened.result, curve, mark))

    def _learned(self, connection: Connection, program: str) -> int:
        """Learn a program once there are enough good runs, and judge those that wait for it; return how many were."""
        waiting = read_unjudged(connection, program, 5000)
        if self._reference(connection, program) is None and not self._learn(connection, program, waiting):
            return 0
        for before in waiting[:_AT_ONCE]:
            plan = self._groups.get(before.equipment)
            stored = None if before.tightening is None else read_tightening(connection, before.tightening)
            if plan is None or stored is None or before.tightening is None:
                continue
            curve = self._curve(connection, before.tightening, stored.result)
            record = replace(before, made_us=self._clock.now_us())
            add_joint(connection, self._judged(connection, plan, record, stored.result, curve, _mark_of(before)))
        return min(len(waiting), _AT_ONCE)

    def _learn(self, connection: Connection, program: str, waiting: Sequence[JointRecord]) -> bool:
        plan = next((self._groups[each.equipment] for each in waiting if each.equipment in self._groups), None)
        if plan is None or len(waiting) < plan.learn_runs:
            return False
        runs = []
        for each in waiting:
            stored = None if each.tightening is None else read_tightening(connection, each.tightening)
            curve = None if stored is None or each.tightening is None else self._curve(connection, each.tightening, stored.result)
            if curve is not None and curve.tool_ok:
                runs.append(curve)
        if len(runs) < plan.learn_runs:
            return False
        try:
            reference = learn(runs)
        except Rejected as error:
            _log.warning("no reference can be learned", program=program, reason=str(error))
            return False
        write_reference(connection, program, reference.name, reference.runs, self._clock.now_us(), reference_record(reference))
        _log.info("a reference was learned", program=reference.name, runs=reference.runs)
        return True

    def _reference(self, connection: Connection, program: str) -> Reference | None:
        if program not in self._references:
            told = read_reference(connection, program)
            if told is None:
                return None
            self._references[program] = reference_of(told)
        return self._references[program]

    def _settled(self, connection: Connection, program: str) -> bool:
        return self._reference(connection, program) is not None and not read_unjudged(connection, program, 1)

    def _curve(self, connection: Connection, number: int, result: TighteningResult) -> JointCurve | None:
        try:
            stored = read_curve(connection, number)
            return None if stored is None else stored_joint_curve(result, stored)
        except Rejected as error:
            _log.warning("a curve cannot be judged", tightening=number, reason=str(error))
            return None


def _blank(plan: JointGroupPlan, number: int, result: TighteningResult, program: str, made_us: int) -> JointRecord:
    return JointRecord(
        *(plan.id, result.equipment, result.part, result.bolt_number or 0, result.time_us, made_us, plan.bolts, plan.risk),
        *(JointState.WAITING, Decision.NOT_DECIDABLE, (), number, result.spindle, result.program, program),
        tool=result.tool,
        tool_calibrated_us=result.tool_calibrated_us,
    )


def _with(
    record: JointRecord, joint: JointVerdict, verdict: CurveVerdict | None, order: OrderVerdict, mark: MarkFinding | None
) -> JointRecord:
    return replace(
        record,
        state=joint.state,
        decision=joint.decision,
        reasons=joint.reasons,
        curve=None if verdict is None else verdict.decision,
        order=order.decision,
        mark=None if mark is None else mark.decision,
        measures={} if verdict is None else verdict.measures,
        distance=None if verdict is None else verdict.distance,
        review_at=None if verdict is None else verdict.review_at,
        reference_runs=0 if verdict is None else verdict.reference_runs,
        picture="" if mark is None else mark.frame_sha256,
        picture_calibration="" if mark is None else mark.calibration,
    )


def _waits(joint: JointVerdict, plan: JointGroupPlan) -> JointVerdict:
    """Return the verdict on a joint whose program is being learned."""
    reasons = tuple(reason for reason in joint.reasons if reason.code != "no_curve")
    return replace(joint, reasons=(*reasons, Reason("learning", {"needed": float(plan.learn_runs)})))


def _as_planned(plan: JointGroupPlan, result: TighteningResult) -> list[Reason]:
    if plan.programs and result.program not in plan.programs:
        planned = ", ".join(str(program) for program in plan.programs)
        return [Reason("other_program_used", {"program": str(result.program or "?"), "planned": planned})]
    return []


def _bolts_of(plan: JointGroupPlan, inspection: Inspection) -> list[tuple[int, Finding]]:
    """Return the findings of bolts whose place on the circle is known (measure ``bolt_number``), by the number of the bolt there."""
    at = {place: bolt for bolt, place in enumerate(plan.places, 1)}
    places = [(int(finding.measures.get("bolt_number", 0)), finding) for finding in inspection.findings]
    return [(at.get(place, place), finding) for place, finding in places if place >= 1]


def _inspections(connection: Connection, plan: JointGroupPlan, part: str) -> list[StoredInspection]:
    """Return all that pictures say of the marks of a part; nothing where none are wanted or nobody told the part."""
    if not (plan.picture and plan.camera_station and part):
        return []
    return read_inspections_of(connection, Subject.BOLTS, plan.camera_station, part)


def _mark_since(
    pictures: Sequence[StoredInspection], plan: JointGroupPlan, bolt: int, taken_us: int, stored_us: int = 0
) -> MarkFinding | None:
    """Return what the pictures taken and stored after some times say of a bolt together; None where none shows it."""
    marks = [
        MarkFinding(finding.decision, one.frame_sha256, one.calibration, finding.reasons, one.taken_us, one.view)
        for one in (stored.inspection for stored in pictures if stored.stored_us >= stored_us)
        if one.taken_us >= taken_us
        for number, finding in _bolts_of(plan, one)
        if number == bolt
    ]
    return mark_of_views(marks)


def _mark_of(before: JointRecord | None) -> MarkFinding | None:
    """Return what a picture said of a joint before, so that a curve judged anew does not forget it."""
    if before is None or before.mark is None:
        return None
    return MarkFinding(before.mark, before.picture, before.picture_calibration)
