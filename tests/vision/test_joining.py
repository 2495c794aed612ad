"""Tightenings and pictures of marks become joint records: each once, judged anew when more is known."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg
import pytest

from plant.clock import SystemClock
from plant.equipment import EquipmentId
from plant.inspections import Decision, Finding, FrameHash, Inspection, Reason, Subject, frame_hash
from plant.joint_curves import JointCurve
from plant.joints import JointGroupPlan, JointState
from plant.settings import SiteFile
from plant.signals import SourceId
from plant.site import site_of
from plant.tightening import TighteningResult, TighteningTrace, TraceKind, pack_counts
from plant.verdict import Verdict
from simulators.tightening_faults import Wrong, batch, tighten_joint, tools
from storage import tightening
from storage.catalogue import register_site
from storage.database import Connection, connect
from storage.inspections import PictureFacts, add_inspections
from storage.joints import JointRecord, add_joint, read_groups, read_joints, read_revisions
from vision.joining import Joining

STATION = EquipmentId("acme/north/line/bearing")
TOOLS = SourceId("tools")
NOW = SystemClock().now_us()
RUNS = 30
PLAN = JointGroupPlan("bearing", "Bearing", STATION, 4, order=((1, 2), (3, 4)), picture=False, learn_runs=RUNS)


def _site(connection: Connection) -> None:
    file = SiteFile.model_validate(
        {
            "site": {"enterprise": "acme", "id": "north"},
            "equipment": [{"path": "line/bearing", "kind": "tightening_station"}],
            "sources": [
                {"protocol": "open_protocol", "id": "tools", "url": "op://127.0.0.1:1", "equipment": "line/bearing", "allow_insecure": True}
            ],
        }
    )
    register_site(connection, site_of(file))


def _tighten(connection: Connection, number: int, part: str, bolt: int, wrong: Wrong = Wrong.NOTHING) -> None:
    curve = tighten_joint(tools(1)[number % 4], batch(number // 40), 9000 + number, wrong).curve
    first = curve.steps[1]
    torque, angle = first.windows
    result = TighteningResult(
        *(TOOLS, STATION, number, NOW + number * 1000, NOW, Verdict.OK if curve.tool_ok else Verdict.NOT_OK),
        program=11,
        program_name="M24",
        part=part,
        bolt=bolt,
        torque_nm=torque.reached,
        torque_min_nm=torque.low,
        torque_max_nm=torque.high,
        torque_target_nm=950.0,
        angle_deg=angle.reached,
        angle_min_deg=angle.low,
        angle_max_deg=angle.high,
        tool="ST-1",
        tool_calibrated_us=NOW - 1_000_000,
    )
    with connection.transaction(), connection.cursor() as cursor:
        tightening.add(cursor, [result], _traces(curve, number, first.first))


def _traces(curve: JointCurve, number: int, first: int) -> list[TighteningTrace]:
    columns = ((TraceKind.TORQUE, curve.torque_nm, 20), (TraceKind.ANGLE, curve.angle_deg, 8))
    return [
        TighteningTrace(
            *(TOOLS, STATION, number, NOW + number * 1000, NOW, 1, 1, kind, 1 / worth, len(column)),
            pack_counts(np.rint(column * worth).astype(np.int16)),
            intervals=((0, 2000.0),),
            steps=(0, first),
        )
        for kind, column, worth in columns
    ]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application="test") as opened:
        _site(opened)
        yield opened


def _follow(connection: Connection, plan: JointGroupPlan = PLAN) -> None:
    joining = Joining([plan], SystemClock())
    for _ in range(50):
        if not joining.step(connection):
            return
    raise AssertionError("the step never ends")


def _learned(connection: Connection) -> None:
    for number in range(RUNS):
        _tighten(connection, number, f"L-{number // 4}", number % 4 + 1)
    _follow(connection)


def test_joints_wait_until_their_program_is_learned_and_are_judged_then(connection: Connection) -> None:
    for number in range(RUNS - 1):
        _tighten(connection, number, f"L-{number // 4}", number % 4 + 1)
    _follow(connection)
    assert {joint.state for joint in read_joints(connection)} == {JointState.WAITING}
    assert {joint.reasons[-1].code for joint in read_joints(connection)} == {"learning"}
    _tighten(connection, RUNS - 1, "L-7", 2)
    _follow(connection)
    told = read_joints(connection)
    assert len(told) == RUNS
    assert sum(joint.state is JointState.RELEASED for joint in told) >= RUNS - 3, [joint.reasons for joint in told[:3]]
    assert all(joint.curve is not None for joint in told)
    assert next(iter(read_revisions(connection, "bearing", told[-1].part, told[-1].bolt))).state is JointState.WAITING


def test_a_faulty_joint_stops_its_flange_and_a_step_repeated_adds_nothing(connection: Connection) -> None:
    _learned(connection)
    for bolt, wrong in enumerate((Wrong.NOTHING, Wrong.NOTHING, Wrong.PREVAILING_LOST, Wrong.NOTHING), 1):
        _tighten(connection, 1000 + bolt, "EX-1", bolt, wrong)
    _follow(connection)
    before = read_joints(connection)
    _follow(connection)
    assert read_joints(connection) == before
    bolts = {joint.bolt: joint for joint in before if joint.part == "EX-1"}
    assert bolts[3].state in {JointState.STOPPED, JointState.CASE}
    assert bolts[3].reasons
    assert read_groups(connection, part="EX-1")[0].state is bolts[3].state


def test_a_bolt_out_of_order_or_tightened_again_is_a_case(connection: Connection) -> None:
    _learned(connection)
    for number, bolt in enumerate((3, 1, 1)):
        _tighten(connection, 2000 + number, "EX-2", bolt)
    _follow(connection)
    codes = {joint.bolt: [reason.code for reason in joint.reasons] for joint in read_joints(connection, part="EX-2")}
    assert "order_wrong" in codes[3]
    assert "tightened_again" in codes[1]


def test_a_mark_that_is_seen_completes_a_joint_and_one_that_moved_makes_it_a_case(connection: Connection) -> None:
    plan = replace(PLAN, picture=True, camera_station="cameras", order=())
    _learned(connection)
    for bolt in (1, 2):
        _tighten(connection, 3000 + bolt, "EX-3", bolt)
    _follow(connection, plan)
    assert {joint.reasons[-1].code for joint in read_joints(connection, part="EX-3")} == {"no_picture"}
    findings = (
        Finding("bolt", (0, 0, 9, 9), 0.9, {"bolt_number": 1}),
        Finding("bolt", (0, 0, 9, 9), 0.9, {"bolt_number": 2, "angle_deg": 9}, Decision.NOK, (Reason("mark_nok", {"why": "turned"}),)),
    )
    seen = Inspection(
        *(FrameHash("ab" * 32), "cameras", "top", "EX-3", NOW + 9_000_000, Subject.BOLTS, "m", "cal-1", Decision.NOK, findings)
    )
    add_inspections(connection, [(seen, False)], PictureFacts("png", 1, 9, 9, 1.0, 1.0, 0.0), NOW, NOW)
    _follow(connection, plan)
    bolts = {joint.bolt: joint for joint in read_joints(connection, part="EX-3")}
    assert bolts[1].state is JointState.RELEASED
    assert bolts[1].picture == "ab" * 32
    assert bolts[2].state is JointState.CASE
    assert bolts[2].reasons[0].code == "disagree_mark"


LOOKED = replace(PLAN, picture=True, camera_station="cameras", order=())
MARKS = {
    Decision.OK: (),
    Decision.NOK: (Reason("mark_nok", {"why": "turned"}),),
    Decision.NOT_DECIDABLE: (Reason("bolt_covered"),),
    Decision.REVIEW: (Reason("mark_smeared"),),
}


def _picture(connection: Connection, view: str, decision: Decision, taken_us: int, part: str) -> str:
    """Store that a view saw bolt 1 of a part; return the picture's id."""
    frame = frame_hash(f"{view} {decision} {taken_us} {part}".encode())
    finding = Finding("bolt", (0, 0, 9, 9), 0.9, {"bolt_number": 1}, decision, MARKS[decision])
    seen = Inspection(frame, "cameras", view, part, taken_us, Subject.BOLTS, "m", "cal-1", decision, (finding,))
    add_inspections(connection, [(seen, False)], PictureFacts("png", 1, 9, 9, 1.0, 1.0, 0.0), SystemClock().now_us(), NOW)
    return frame


def _first_bolt(connection: Connection, part: str) -> JointRecord:
    _follow(connection, LOOKED)
    return next(joint for joint in read_joints(connection, part=part) if joint.bolt == 1)


def test_a_nut_that_one_view_saw_turned_stays_a_case_whatever_other_views_say(connection: Connection) -> None:
    _learned(connection)
    _tighten(connection, 3000, "EX-5", 1)
    assert _first_bolt(connection, "EX-5").state is JointState.WAITING
    turned = _picture(connection, "left", Decision.NOK, NOW + 9_000_000, "EX-5")
    assert _first_bolt(connection, "EX-5").state is JointState.CASE
    _picture(connection, "right", Decision.OK, NOW + 9_100_000, "EX-5")
    _picture(connection, "left", Decision.OK, NOW + 9_200_000, "EX-5")
    still = _first_bolt(connection, "EX-5")
    assert (still.state, still.mark, still.picture) == (JointState.CASE, Decision.NOK, turned)
    assert len(read_revisions(connection, "bearing", "EX-5", 1)) == 2, "what says nothing new makes no revision"


def test_a_bolt_that_one_view_could_not_judge_is_judged_by_the_other(connection: Connection) -> None:
    _learned(connection)
    _tighten(connection, 3000, "EX-6", 1)
    _picture(connection, "left", Decision.NOT_DECIDABLE, NOW + 9_000_000, "EX-6")
    assert _first_bolt(connection, "EX-6").state is JointState.CASE
    clear = _picture(connection, "right", Decision.OK, NOW + 9_100_000, "EX-6")
    released = _first_bolt(connection, "EX-6")
    assert (released.state, released.picture) == (JointState.RELEASED, clear)
    _picture(connection, "left", Decision.NOT_DECIDABLE, NOW + 9_200_000, "EX-6")
    assert _first_bolt(connection, "EX-6").state is JointState.RELEASED


def test_pictures_from_before_a_bolt_was_tightened_say_nothing_of_it(connection: Connection) -> None:
    _learned(connection)
    _tighten(connection, 3000, "EX-7", 1)
    _picture(connection, "left", Decision.NOK, NOW + 2_999_999, "EX-7")
    assert _first_bolt(connection, "EX-7").reasons[-1].code == "no_picture"


def test_what_a_person_answered_stands_until_a_later_picture_says_otherwise(connection: Connection) -> None:
    _learned(connection)
    _tighten(connection, 3000, "EX-8", 1)
    _picture(connection, "left", Decision.NOK, NOW + 9_000_000, "EX-8")
    case = _first_bolt(connection, "EX-8")
    answered = replace(
        case, state=JointState.RELEASED, decision=Decision.OK, actor="inspector", note="looked", made_us=SystemClock().now_us()
    )
    add_joint(connection, answered)
    _picture(connection, "right", Decision.OK, NOW + 9_100_000, "EX-8")
    _picture(connection, "left", Decision.NOT_DECIDABLE, NOW + 9_150_000, "EX-8")
    assert _first_bolt(connection, "EX-8").actor == "inspector"
    doubted = _picture(connection, "right", Decision.REVIEW, NOW + 9_200_000, "EX-8")
    again = _first_bolt(connection, "EX-8")
    assert (again.state, again.mark, again.picture) == (JointState.CASE, Decision.REVIEW, doubted)


def test_a_revision_is_never_changed(connection: Connection) -> None:
    _tighten(connection, 1, "EX-4", 1)
    _follow(connection)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute("UPDATE joint_record SET state = 'released'")
