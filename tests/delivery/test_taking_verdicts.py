"""A part that is not OK is held, and goes on by a person's word alone; bolts move spindles only where their places are known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

import pytest

from delivery.places import Places
from delivery.taking_offsets import take_offsets
from delivery.taking_verdicts import release_source, take_holds, take_releases
from plant.deliveries import Kind, Quantity
from plant.equipment import EquipmentId
from plant.inspections import Decision, Finding, FrameHash, Inspection, Reason, Subject
from plant.joints import JointGroupPlan, JointState, Risk
from plant.planning_rules import PlanningRules
from plant.recommendations import Stage
from plant.settings_delivery import DeliverySettings
from plant.settings_plan import PlanSettings, UnitPlanSettings
from storage.database import Connection, connect
from storage.deliveries import Delivery, read_deliveries
from storage.inspections import PictureFacts, WantedInspections, add_inspections, read_inspections
from storage.joints import JointRecord, add_joint
from storage.review import Label, add_label
from tests.databases import fresh_database
from tests.delivery.taken import NOW, carried_out, controller, places, stage_of

RING = EquipmentId("acme/north/assembly/ring-1")
CELL = "acme/north/welding/cell-1"
GROUP = JointGroupPlan("bearing", "Bearing", RING, 24, camera_station="ring-marks")
FACTS = PictureFacts("png", 1, 9, 9, 1.0, 1.0, 0.0)
LINE = controller("line", "*", takes=(Kind.HOLD, Kind.RELEASE, Kind.OFFSETS))
SITE: Places = places(LINE, cameras={"seams": CELL, "ring-marks": str(RING)}, joint_groups=(GROUP,), locating=("ring-marks",))
NUMBERS = count(1)


@pytest.fixture(scope="module")
def connection(postgres_server: str, migrated_template: str) -> Iterator[Connection]:
    """A database of a plant that was looked at before anything was delivered."""
    with fresh_database(postgres_server, migrated_template) as url, connect(url, application="test") as made:
        looked(made, "S-0", Decision.NOK)
        equipment(made)
        take_holds(made, SITE, NOW)
        take_offsets(made, SITE, NOW)
        yield made


def equipment(connection: Connection) -> None:
    connection.execute("INSERT INTO equipment (path, name, kind, level, position) VALUES (%s, 'ring-1', 'unit', 3, 1)", [str(RING)])


def looked(
    connection: Connection,
    part: str,
    decision: Decision,
    *,
    station: str = "seams",
    subject: Subject = Subject.WELDS,
    findings: tuple[Finding, ...] = (),
    reasons: tuple[Reason, ...] = (),
) -> int:
    picture = FrameHash(hashlib.sha256(str(next(NUMBERS)).encode()).hexdigest())
    one = Inspection(picture, station, "top", part, NOW, subject, "", "", decision, findings, reasons)
    add_inspections(connection, [(one, False)], FACTS, NOW, NOW)
    return read_inspections(connection, WantedInspections(part=part, station=station))[0].id


def said(connection: Connection, inspection: int, decision: Decision, actor: str = "q.wang") -> None:
    add_label(connection, Label(inspection, NOW, actor, decision, accepted=False, boxes=()), NOW)


def of(connection: Connection, part: str, kind: Kind) -> list[Delivery]:
    return [one for one in read_deliveries(connection, kinds=[kind]) if one.draft.serial == part]


def test_what_was_not_ok_before_delivery_began_holds_nothing(connection: Connection) -> None:
    take_holds(connection, SITE, NOW)
    assert of(connection, "S-0", Kind.HOLD) == []


def test_a_bad_seam_holds_its_part_once_with_the_reason_in_words(connection: Connection) -> None:
    looked(connection, "S-1", Decision.OK)
    assert take_holds(connection, SITE, NOW) == 0
    looked(connection, "S-1", Decision.NOK, reasons=(Reason("no_bolts"),))
    looked(connection, "S-1", Decision.NOK)
    assert take_holds(connection, SITE, NOW) == 1
    assert take_holds(connection, SITE, NOW) == 0
    (one,) = of(connection, "S-1", Kind.HOLD)
    assert (one.draft.work_unit, one.stage, one.approved_by) == ("welding/cell-1", Stage.APPROVED, "vision")
    assert one.draft.reason


def test_a_held_part_goes_on_only_when_a_person_called_ok_all_that_was_not(connection: Connection) -> None:
    first, second = looked(connection, "S-2", Decision.NOK), looked(connection, "S-2", Decision.NOK)
    take_holds(connection, SITE, NOW)
    (hold,) = of(connection, "S-2", Kind.HOLD)
    carried_out(connection, hold.number)
    looked(connection, "S-2", Decision.OK)
    said(connection, first, Decision.OK)
    assert take_releases(connection, SITE, NOW) == 0, "the second picture is still not OK"
    said(connection, second, Decision.OK, "li.wei")
    assert take_releases(connection, SITE, NOW) == 1
    assert take_releases(connection, SITE, NOW) == 0
    (release,) = read_deliveries(connection, source=release_source(hold.number))
    assert (release.draft.kind, release.draft.serial, release.approved_by) == (Kind.RELEASE, "S-2", "li.wei")
    assert stage_of(connection, hold.number) is Stage.EXECUTED
    carried_out(connection, release.number)
    take_releases(connection, SITE, NOW)
    assert stage_of(connection, hold.number) is Stage.ROLLED_BACK
    assert take_holds(connection, SITE, NOW) == 0, "what was decided holds nothing again"
    looked(connection, "S-2", Decision.NOK)
    assert take_holds(connection, SITE, NOW) == 1, "what is found afterwards does"


def test_a_person_who_finds_a_fault_in_a_doubtful_picture_holds_the_part(connection: Connection) -> None:
    doubtful = looked(connection, "S-3", Decision.REVIEW)
    assert take_holds(connection, SITE, NOW) == 0
    said(connection, doubtful, Decision.NOK)
    assert take_holds(connection, SITE, NOW) == 1
    (one,) = of(connection, "S-3", Kind.HOLD)
    assert one.approved_by == "q.wang"


def joint(connection: Connection, part: str, bolt: int, state: JointState, actor: str = "") -> None:
    decision = Decision.NOK if state is JointState.STOPPED else Decision.OK
    with connection.transaction():
        add_joint(connection, JointRecord("bearing", RING, part, bolt, NOW, NOW, 24, Risk.A, state, decision, (), actor=actor))


def test_a_bad_joint_holds_its_flange_until_a_person_releases_each(connection: Connection) -> None:
    joint(connection, "R-1", 3, JointState.STOPPED)
    joint(connection, "R-1", 4, JointState.STOPPED)
    assert take_holds(connection, SITE, NOW) == 1
    (hold,) = of(connection, "R-1", Kind.HOLD)
    assert hold.draft.work_unit == "assembly/ring-1"
    joint(connection, "R-1", 3, JointState.RELEASED, "q.wang")
    assert take_releases(connection, SITE, NOW) == 0
    joint(connection, "R-1", 4, JointState.RELEASED, "q.wang")
    assert take_releases(connection, SITE, NOW) == 1


def bolt(number: int, off: tuple[float, float] = (0.4, -0.2), sigma: float = 0.1) -> Finding:
    measures: Mapping[str, float] = {"bolt_number": number, "offset_x_mm": off[0], "offset_y_mm": off[1], "sigma_mm": sigma}
    return Finding("mark_absent", (0, 0, 1, 1), 0.9, measures)


def located(connection: Connection, part: str, *findings: Finding, reasons: tuple[Reason, ...] = ()) -> Delivery:
    looked(connection, part, Decision.OK, station="ring-marks", subject=Subject.BOLTS, findings=findings, reasons=reasons)
    assert take_offsets(connection, SITE, NOW) == 1
    assert take_offsets(connection, SITE, NOW) == 0
    (one,) = of(connection, part, Kind.OFFSETS)
    return one


def test_spindles_are_told_where_bolts_really_are(connection: Connection) -> None:
    one = located(connection, "R-2", bolt(2), bolt(1, (0.0, 1.25)))
    assert (one.stage, one.draft.work_unit) == (Stage.PROPOSED, "assembly/ring-1")
    assert one.draft.parameters == (
        *(Quantity("bolt_1_x", 0.0, "mm"), Quantity("bolt_1_y", 1.25, "mm")),
        *(Quantity("bolt_2_x", 0.4, "mm"), Quantity("bolt_2_y", -0.2, "mm")),
    )


@pytest.mark.parametrize(
    ("part", "findings", "reasons", "why"),
    [
        ("R-3", (bolt(1), bolt(2, sigma=0.9)), (), "covariance"),
        ("R-4", (bolt(1), bolt(2, (4.0, 4.0))), (), "offset"),
        ("R-5", (bolt(1),), (Reason("circle_no_nut"),), "circle"),
        ("R-6", (), (), "circle"),
        ("R-7", (bolt(1), bolt(1)), (), "circle"),
        ("R-8", (bolt(1, sigma=DeliverySettings().offsets_sigma_mm + 0.001),), (), "covariance"),
    ],
)
def test_no_spindle_is_moved_where_the_circle_does_not_fit_or_is_not_known_well(
    connection: Connection, part: str, findings: tuple[Finding, ...], reasons: tuple[Reason, ...], why: str
) -> None:
    one = located(connection, part, *findings, reasons=reasons)
    assert (one.stage, one.stage_reason) == (Stage.DECLINED, why)
    assert one.stage_note


def test_equipment_is_the_work_unit_that_the_settings_say() -> None:
    assert SITE.unit_of(CELL) == "welding/cell-1"
    units = (UnitPlanSettings(unit="welding/cell-1", equipment="fab/robot-7"), UnitPlanSettings(unit="mill-*", equipment="hall/{unit}"))
    told = replace(SITE, planning=PlanningRules(PlanSettings(units=units)))
    assert told.unit_of("acme/north/fab/robot-7") == "welding/cell-1"
    assert told.unit_of("acme/north/hall/mill-3") == "mill-3"
    assert told.unit_of("acme/north/hall/press-3") == "hall/press-3"
