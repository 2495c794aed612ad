"""Joints: how flanges stand, one joint with all that was ever said of it, and what inspectors decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dashboard.context import Person
from dashboard.inspection_words import reason_sentence
from dashboard.services_people import require
from dashboard.texts import Texts, texts_of
from dashboard.views_joints import JointBandView, JointDecisionDraft, JointGroupView, JointReasonView, JointView, SpindleView
from plant.clock import Clock
from plant.errors import Rejected, SettingsError
from plant.inspections import Decision, Reason
from plant.joints import JointGroupPlan, JointState
from plant.site import load_site
from plant.spindle_balance import SpindleStanding, compare_spindles
from storage import joints
from storage.audit import add_audit
from storage.database import Connection, Pool
from storage.joints import JointRecord
from storage.people import Role

_SPINDLE_RUNS = 4000
_DECISIONS = {JointState.RELEASED: Decision.OK, JointState.STOPPED: Decision.NOK}


class JointService:
    """Each call reads the database in the calling thread. Raises Rejected for what is not there, Unavailable while it is away."""

    def __init__(self, pool: Pool, clock: Clock, site_file: Path) -> None:
        self._pool, self._clock, self._site_file = pool, clock, site_file

    def plan(self, group: str) -> JointGroupPlan | None:
        """Return a group as the settings have it, None where they name none."""
        try:
            site = load_site(self._site_file)
        except SettingsError:  # the file is being changed: a circle is drawn without it
            return None
        return next((plan for plan in site.joint_groups if plan.id == group), None)

    def groups(self, *, group: str | None = None, part: str | None = None, most: int = 50) -> list[JointGroupView]:
        """Return how flanges stand, the newest first."""
        with self._pool.connection() as connection:
            found = joints.read_groups(connection, group=group or None, part=_clean(part), most=most)
        return [
            JointGroupView(
                group=one.group,
                part=one.part,
                bolts=one.bolts,
                joints=one.joints,
                released=one.released,
                waiting=one.waiting,
                cases=one.cases,
                stopped=one.stopped,
                begin_us=one.begin_us,
                end_us=one.end_us,
                state=one.state.value,
            )
            for one in found
        ]

    def joints(
        self,
        *,
        group: str | None = None,
        part: str | None = None,
        state: str | None = None,
        cases: bool = False,
        before: int | None = None,
        most: int = 200,
        language: str = "en",
    ) -> list[JointView]:
        """Return the newest revision of joints, the newest first."""
        if state is not None and state not in set(JointState):
            raise Rejected(f"there is no state '{state}'; there are: {', '.join(JointState)}")
        wanted = None if state is None else JointState(state)
        with self._pool.connection() as connection:
            found = joints.read_joints(
                connection, group=group or None, part=_clean(part), state=wanted, cases=cases, before=before, most=most
            )
        t = texts_of(language)
        return [_view(one, t) for one in found]

    def joint(self, number: int, language: str = "en") -> JointView:
        """Return one revision by its number."""
        with self._pool.connection() as connection:
            return _view(_found(connection, number), texts_of(language))

    def revisions(self, number: int, language: str = "en") -> list[JointView]:
        """Return all that was ever said of a joint, the first first."""
        with self._pool.connection() as connection:
            one = _found(connection, number)
            told = joints.read_revisions(connection, one.group, one.part, one.bolt)
        t = texts_of(language)
        return [_view(each, t) for each in told]

    def band(self, number: int, language: str = "en") -> JointBandView:
        """Return where good runs of a joint's program lie; empty, with words, while too few of it are known."""
        with self._pool.connection() as connection:
            reference = joints.read_reference(connection, _found(connection, number).program_print)
        if reference is None:
            return JointBandView(0, [], [], [], texts_of(language)("Good runs of this program are not learned yet: no band is drawn."))
        band = reference["band"]
        return JointBandView(int(reference["runs"]), band["angle_deg"], band["low_nm"], band["high_nm"], "")

    def spindles(self, group: str, language: str = "en") -> list[SpindleView]:
        """Return how the spindles of a group stand among each other, by its newest good tightenings."""
        with self._pool.connection() as connection:
            runs = joints.read_spindle_runs(connection, group, _SPINDLE_RUNS)
        t = texts_of(language)
        return [
            SpindleView(
                *(one.spindle, one.standing.value, one.rounds, one.apart, one.low, one.high, one.since_us, one.target_offset),
                words=_advice(one, t),
            )
            for one in compare_spindles(runs)
        ]

    def decide(self, who: Person, number: int, draft: JointDecisionDraft) -> int:
        """Add what an inspector decides as a revision, and return its number. For inspectors; it is audited."""
        require(who, Role.INSPECTOR)
        state, now_us = JointState(draft.decision), self._clock.now_us()
        with self._pool.connection() as connection, connection.transaction():
            asked = _found(connection, number)
            before = joints.newest_joint(connection, asked.group, asked.part, asked.bolt)
            if before is None or before.id != asked.id:
                raise Rejected("more is known of this joint by now: look again")
            reasons = (Reason("decided", {"actor": who.name, "note": draft.note}), *(r for r in before.reasons if r.code != "decided"))
            decided = replace(
                before, made_us=now_us, state=state, decision=_DECISIONS[state], reasons=reasons, actor=who.name, note=draft.note
            )
            added = joints.add_joint(connection, decided)
            add_audit(
                connection,
                time_us=now_us,
                actor=who.name,
                act="joint.decide",
                subject=f"{before.group} {before.part} {before.bolt}",
                previous={"state": before.state.value, "revision": before.revision},
                next_={"state": state.value, "note": draft.note},
                address=who.address,
            )
        return added


def _advice(one: SpindleStanding, t: Texts) -> str:
    """Return what a spindle's standing asks a person to do, empty where nothing."""
    if one.target_offset is None:
        return ""
    told = {"share": f"{100 * abs(one.apart):.1f}", "offset": f"{100 * one.target_offset:+.1f}"}
    if one.apart > 0:
        return t("Reads {share} % more than the others: calibrate it; until then its target would need {offset} %.", **told)
    return t("Reads {share} % less than the others: calibrate it; until then its target would need {offset} %.", **told)


def _found(connection: Connection, number: int) -> JointRecord:
    one = joints.read_joint(connection, number) if 0 < number < 2**62 else None
    if one is None:
        raise Rejected(f"there is no joint {number}")
    return one


def _clean(part: str | None) -> str | None:
    return (part or "").replace("\0", "") or None


def _view(one: JointRecord, t: Texts) -> JointView:
    return JointView(
        id=one.id,
        revision=one.revision,
        group=one.group,
        equipment=str(one.equipment),
        part=one.part,
        bolt=one.bolt,
        time_us=one.time_us,
        made_us=one.made_us,
        risk=one.risk.value,
        state=one.state.value,
        decision=one.decision.value,
        reasons=tuple(JointReasonView(reason.code, dict(reason.values), _sentence(reason, t)) for reason in one.reasons),
        curve=_word(one.curve),
        order=_word(one.order),
        mark=_word(one.mark),
        measures=dict(one.measures),
        distance=one.distance,
        review_at=one.review_at,
        reference_runs=one.reference_runs,
        tightening=one.tightening,
        spindle=one.spindle,
        program=one.program,
        tool=one.tool,
        tool_calibrated_us=one.tool_calibrated_us,
        picture=one.picture,
        picture_calibration=one.picture_calibration,
        actor=one.actor,
        note=one.note,
        validated_on="simulated joints",
    )


def _sentence(reason: Reason, t: Texts) -> str:
    """Return a reason in the reader's language; what a curve looks like is a phrase that is translated by itself."""
    if reason.code == "suspected":
        fault = str(reason.values.get("fault", ""))
        return reason_sentence(Reason(reason.code, {"fault": t(fault) if fault else fault}), t)
    return reason_sentence(reason, t)


def _word(decision: Decision | None) -> str | None:
    return None if decision is None else decision.value
